/* loop.c -- one thread's event loop, and how other threads make it come round. */
#include "net/loop.h"

#include <errno.h>
#include <sys/eventfd.h>

#include "base/err.h"
#include "base/log.h"

int
loop_init(struct loop *l)
{
	*l = (struct loop){ .wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC) };
	if (l->wake_fd < 0)
		return err_set(ERR_IO, "eventfd: %s", strerror(errno));
	return OK;
}

void
loop_fini(struct loop *l)
{
	must(l->ev == NULL);
	if (l->wake_fd >= 0)
		close(l->wake_fd);
	l->wake_fd = -1;
}

static void
on_wake(h2o_socket_t *sock, const char *err)
{
	struct loop *l = sock->data;
	uint64_t n;

	(void)err;
	/* Empty it first, then say so: a wake-up between the two costs a round, in the other order it would be lost. */
	while (read(l->wake_fd, &n, sizeof n) < 0 && errno == EINTR)
		;
	atomic_store(&l->woken, false);
}

void
loop_open(struct loop *l)
{
	l->ev = h2o_evloop_create();
	/* The loop gets a descriptor of its own: libh2o closes it with the socket, while other threads may still wake us. */
	l->waker = h2o_evloop_socket_create(l->ev, dup(l->wake_fd), 0);
	l->waker->data = l;
	h2o_socket_dont_read(l->waker, 1);
	h2o_socket_read_start(l->waker, on_wake);
}

void
loop_close(struct loop *l)
{
	h2o_socket_close(l->waker);
	loop_settle(l);
	h2o_evloop_destroy(l->ev);
	l->ev = NULL;
	l->waker = NULL;
}

void
loop_wake(void *arg)
{
	struct loop *l = arg;
	uint64_t one = 1;

	if (atomic_exchange(&l->woken, true))
		return;
	while (write(l->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
		;
}

void
loop_run(struct loop *l, int64_t wait_ms)
{
	/* A write that libh2o could do at once has only its callback left, and epoll knows nothing of that. */
	if (l->ev->_pending_as_server != NULL || l->ev->_pending_as_client != NULL || wait_ms < 0)
		wait_ms = 0;
	l->rounds++;
	if (h2o_evloop_run(l->ev, wait_ms > INT32_MAX ? INT32_MAX : (int32_t)wait_ms) != 0 && errno != EINTR)
		log_error("event loop: %s", strerror(errno));
}

void
loop_settle(struct loop *l)
{
	loop_run(l, 0);
}

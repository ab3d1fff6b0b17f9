/* thread.c -- one worker thread: its event loop, its share of the runtime, its connections. */
#include "net/thread.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "net/conn.h"
#include "net/http.h"
#include "net/listen.h"
#include "net/server.h"

enum { STACK_BYTES = 32 << 20 };	/* address space, not memory: Lua code may call itself through C, see lua/bind_room.c */
enum {
	FLUSH_MS = 1000,	/* for last words to sockets, when a stop was cut short or the store failed */
	QUIET_LOOK_MS = 20,	/* draining: how often to ask whether the other threads are done too */
};

static void
set_state(struct thread *t, enum thread_state s)
{
	atomic_store(&t->state, s);
	server_notify(t->server);
}

static void
on_accepted(struct listener *l, int fd, const struct sockaddr *peer)
{
	conn_accept(l->owner, l, fd, peer);
}

static void
open_listeners(struct thread *t)
{
	list_each(n, &t->listeners) {
		struct listener *l = container_of(n, struct listener, link);
		l->owner = t;
		l->accepted = on_accepted;
		listen_open(l, t->loop.ev, &t->worker->timers);
	}
}

static void
close_listeners(struct thread *t)
{
	list_each_safe(n, &t->listeners) {
		struct listener *l = container_of(n, struct listener, link);
		listen_close(&l);
	}
}

/* ---- a round ---- */

static int64_t
wait_for(struct thread *t, bool more)
{
	if (more || !list_empty(&t->ended))
		return 0;
	int64_t next = worker_next(t->worker);
	if (t->draining && next > t->now_ms + QUIET_LOOK_MS)
		next = t->now_ms + QUIET_LOOK_MS;
	return next == INT64_MAX ? INT32_MAX : next - clock_ms();
}

static void
round_once(struct thread *t)
{
	bool more = worker_tick(t->worker);

	loop_run(&t->loop, wait_for(t, more));
	t->now_ms = clock_ms();
	conn_take_back(t);
	site_forget(&t->site, &t->ctx);
}

/* ---- stopping ---- */

static void
begin_drain(struct thread *t)
{
	t->draining = true;
	close_listeners(t);
	/* From now on every response closes its connection.  h2o_context_request_shutdown() would also set timers for HTTP/2,
	 * and h2o_context_dispose() asserts that there are none. */
	t->ctx.shutdown_requested = 1;
	conn_drain(t);
}

static bool
is_quiet(struct thread *t)
{
	return list_empty(&t->conns) && worker_idle(t->worker);
}

/* An object here may still be called from another thread, so all wait for the last. */
static bool
all_quiet(struct thread *t)
{
	atomic_store(&t->quiet, is_quiet(t));
	for (unsigned i = 0; i < t->server->nthreads; i++)
		if (!atomic_load(&t->server->threads[i].quiet))
			return false;
	return true;
}

static void
look_at_store(struct thread *t)
{
	if (!t->worker->failed || t->store_failed)
		return;
	t->store_failed = true;
	atomic_store(&t->server->store_failed, true);
	thread_stop(t, t->now_ms + FLUSH_MS);
	server_notify(t->server);
}

static void
run(struct thread *t)
{
	t->now_ms = clock_ms();
	for (;;) {
		round_once(t);
		look_at_store(t);
		int64_t by = atomic_load(&t->stop_by);
		if (by == 0)
			continue;
		if (!t->draining)
			begin_drain(t);
		if (t->now_ms >= by || all_quiet(t))
			return;
	}
}

/* Last words: what is still in progress is answered by worker_stop(); a moment for the sockets, then everything is closed. */
static void
wind_up(struct thread *t)
{
	int64_t by = clock_ms() + FLUSH_MS;

	worker_stop(t->worker);
	while (!list_empty(&t->conns) && clock_ms() < by && conn_any_sending(t))
		round_once(t);
	conn_cut(t);
	atomic_store(&t->quiet, true);
	while (!worker_idle(t->worker) && clock_ms() < by)	/* events whose connection was just cut come back */
		round_once(t);
}

/* ---- the thread ---- */

static bool
set_up(struct thread *t)
{
	loop_open(&t->loop);
	http_init(t);
	access_log_init(&t->access, &t->server->access, &t->worker->timers);
	t->engine = t->server->options.engine_new(t->worker);
	if (t->engine == NULL) {
		server_set_error(t->server, err_text());
		return false;
	}
	worker_set_engine(t->worker, t->engine);
	open_listeners(t);
	return true;
}

static void
tear_down(struct thread *t)
{
	close_listeners(t);
	conn_cut(t);
	if (t->engine != NULL)
		t->server->options.engine_free(&t->engine);
	access_log_fini(&t->access);
	loop_settle(&t->loop);
	http_fini(t);
	loop_close(&t->loop);
}

static void *
thread_main(void *arg)
{
	struct thread *t = arg;
	char name[16];

	snprintf(name, sizeof name, "drey-%u", t->index);
	pthread_setname_np(pthread_self(), name);
	if (set_up(t)) {
		set_state(t, THREAD_RUNNING);
		run(t);
	}
	wind_up(t);
	tear_down(t);
	set_state(t, THREAD_STOPPED);
	return NULL;
}

void
thread_init(struct thread *t, struct server *s, unsigned index)
{
	*t = (struct thread){ .server = s, .index = index, .loop.wake_fd = -1 };
	atomic_init(&t->state, THREAD_STOPPED);
	list_init(&t->listeners);
	list_init(&t->conns);
	list_init(&t->ended);
}

int
thread_start(struct thread *t)
{
	atomic_store(&t->state, THREAD_STARTING);
	pthread_attr_t attr;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	int e = pthread_create(&t->id, &attr, thread_main, t);
	pthread_attr_destroy(&attr);
	if (e != 0)
		atomic_store(&t->state, THREAD_STOPPED);
	t->running = e == 0;
	return e == 0 ? OK : err_set(ERR_MEMORY, "start of worker thread %u: %s", t->index, strerror(e));
}

void
thread_stop(struct thread *t, int64_t by_ms)
{
	int64_t before = atomic_load(&t->stop_by);

	while ((before == 0 || by_ms < before) && !atomic_compare_exchange_weak(&t->stop_by, &before, by_ms))
		;
	loop_wake(&t->loop);
}

void
thread_join(struct thread *t)
{
	pthread_join(t->id, NULL);
}

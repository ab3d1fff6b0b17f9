/* listen.c -- the sockets we listen on: one per listen line and thread. */
#include "net/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/str.h"

enum { ACCEPT_ROUND = 64, PAUSE_MS = 100, BACKLOG = 4096 };

union sock_address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_storage room;
};

/* errno says what; the line of the configuration says where. */
static int
at_line(const struct listen_conf *l)
{
	const char *hint = errno == EADDRINUSE ? "; another server runs there (ss -ltnp shows which), or write another port" :
			   errno == EACCES     ? "; ports below 1024 are not for everybody, write a higher one" :
						 "";

	bool v6 = strchr(l->host, ':') != NULL;

	return err_set(ERR_IO, "%s:%d:%d: listen %s%s%s:%d: %s%s", l->at.file, l->at.line, l->at.column, v6 ? "[" : "", l->host,
		v6 ? "]" : "", l->port, strerror(errno), hint);
}

static socklen_t
sock_address_of(const struct listen_conf *l, union sock_address *a)
{
	memset(a, 0, sizeof *a);
	if (inet_pton(AF_INET, l->host, &a->v4.sin_addr) == 1) {
		a->v4.sin_family = AF_INET;
		a->v4.sin_port = htons((uint16_t)l->port);
		return sizeof a->v4;
	}
	must(inet_pton(AF_INET6, l->host, &a->v6.sin6_addr) == 1);	/* conf has checked it */
	a->v6.sin6_family = AF_INET6;
	a->v6.sin6_port = htons((uint16_t)l->port);
	return sizeof a->v6;
}

static int
bound_socket(const union sock_address *a, socklen_t n, bool reuse_port)
{
	int on = 1, fd = socket(a->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (reuse_port)
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
	if (a->any.sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);	/* accepted sockets inherit it */
	if (bind(fd, &a->any, n) == 0)
		return fd;
	int e = errno;
	close(fd);
	errno = e;
	return -1;
}

/* SO_REUSEPORT would let a second server share the port unnoticed, so the first socket asks without it. */
static bool
port_is_free(const union sock_address *a, socklen_t n)
{
	int fd = bound_socket(a, n, false);

	if (fd < 0)
		return false;
	bool ok = listen(fd, 1) == 0;
	int e = errno;
	close(fd);
	errno = e;
	return ok;
}

static int
listener_new(const struct server_conf *s, const struct listen_conf *l, bool shared, bool first, struct list *to)
{
	union sock_address a;
	socklen_t n = sock_address_of(l, &a);
	int fd;

	if (shared && first && !port_is_free(&a, n))
		return at_line(l);
	fd = bound_socket(&a, n, shared);
	if (fd < 0)
		return at_line(l);
	if (listen(fd, BACKLOG) < 0) {
		int e = errno;
		close(fd);
		errno = e;
		return at_line(l);
	}
	struct listener *new = xcalloc(1, sizeof *new);
	list_init(&new->link);
	new->server = s;
	new->port = l->port;
	new->fd = fd;
	list_push(to, &new->link);
	return OK;
}

/* Two servers may share a port and be told apart by server_name: one socket serves both. */
static bool
already_bound(const struct settings *set, const struct listen_conf *until)
{
	for (const struct server_conf *s = set->servers; s != NULL; s = s->next)
		for (const struct listen_conf *l = s->listens; l != NULL; l = l->next) {
			if (l == until)
				return false;
			if (l->port == until->port && strcmp(l->host, until->host) == 0)
				return true;
		}
	return false;
}

int
listen_bind(const struct settings *set, bool shared, bool first, struct list *listeners)
{
	for (const struct server_conf *s = set->servers; s != NULL; s = s->next)
		for (const struct listen_conf *l = s->listens; l != NULL; l = l->next)
			if (!already_bound(set, l) && listener_new(s, l, shared, first, listeners) < 0)
				return err_code();
	return OK;
}

/* Out of descriptors the socket stays readable: without a pause we would spin. */
static void
accept_failed(struct listener *l)
{
	static atomic_int_fast64_t last;
	int64_t now = clock_ms();

	if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
		return;
	if (now - atomic_load(&last) >= 1000) {
		atomic_store(&last, now);
		log_error("accept on port %d: %s; connections wait in the queue until descriptors are free", l->port,
			strerror(errno));
	}
	h2o_socket_read_stop(l->sock);
	timer_set(l->timers, &l->pause, now + PAUSE_MS);
}

static bool
accept_one(struct listener *l)
{
	union sock_address peer;
	socklen_t n = sizeof peer;
	int fd = accept4(h2o_socket_get_fd(l->sock), &peer.any, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0) {
		accept_failed(l);
		return false;
	}
	l->accepted(l, fd, &peer.any);
	return true;
}

static void
on_readable(h2o_socket_t *sock, const char *err)
{
	struct listener *l = sock->data;

	(void)err;
	for (int i = 0; i < ACCEPT_ROUND && accept_one(l); i++)
		;
}

static void
on_pause_over(struct timer *t)
{
	struct listener *l = container_of(t, struct listener, pause);

	h2o_socket_read_start(l->sock, on_readable);
}

void
listen_open(struct listener *l, h2o_loop_t *loop, struct timers *timers)
{
	l->sock = h2o_evloop_socket_create(loop, l->fd, 0);
	l->fd = -1;
	l->sock->data = l;
	l->timers = timers;
	timer_init(&l->pause, on_pause_over);
	h2o_socket_dont_read(l->sock, 1);
	h2o_socket_read_start(l->sock, on_readable);
}

void
listen_close(struct listener **lp)
{
	struct listener *l = *lp;

	*lp = NULL;
	list_del(&l->link);
	if (l->sock != NULL) {
		/* Clients in the queue have been told they are connected: serve them, as the last. */
		for (int i = 0; i < BACKLOG && accept_one(l); i++)
			;
		timer_clear(l->timers, &l->pause);
		h2o_socket_close(l->sock);
	} else if (l->fd >= 0) {
		close(l->fd);
	}
	free(l);
}

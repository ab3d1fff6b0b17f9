/* conn.c -- one client connection: what stands in front of libh2o's HTTP/1. */
#include "net/conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/tcp.h>		/* netinet's struct tcp_info lacks tcpi_bytes_acked */
#include <netinet/in.h>

#include "base/clock.h"
#include "base/err.h"
#include "net/hangup.h"
#include "net/http.h"
#include "net/listen.h"

enum {
	READ_HEAD = 4096,	/* a first read: most requests fit */
	READ_BODY = 131072,	/* per call, so that one upload does not starve the thread */
	SURPLUS_MAX = 65536,	/* of pipelined requests kept while one is pending */
	KEEP_INPUT = 65536,	/* a larger buffer is given back after its request */
};

static void on_readable(h2o_socket_t *, const char *err);
static void feed(struct conn *);

/* libh2o's reader closes the connection when it is told of an error: the one way to do it from outside. */
void
conn_close(struct conn *c)
{
	c->h2o_read(c->sock, h2o_socket_error_closed);
}

static void
on_close(void *arg)
{
	struct conn *c = arg;

	list_del(&c->link);
	list_del(&c->ended_link);
	timer_clear(&c->thread->worker->timers, &c->timer);
	buf_fini(&c->surplus);
	free(c->refusal);
	free(c);
}

/* A timer that is set too early costs one look at the deadline; moving it with every request would cost more. */
void
conn_deadline(struct conn *c, int64_t due_ms)
{
	c->deadline_ms = due_ms;
	if (!timer_is_set(&c->timer) || c->timer.due_ms > due_ms)
		timer_set(&c->thread->worker->timers, &c->timer, due_ms);
}

/* ---- reading requests ---- */

static void
put_aside(struct conn *c, size_t end)
{
	h2o_buffer_t *in = c->sock->input;

	if (in->size <= end)
		return;
	buf_add(&c->surplus, in->bytes + end, in->size - end);
	in->size = end;
}

static void on_continued(h2o_socket_t *, const char *err);

/* Hands libh2o what is in the input.  complete: the request ends with it. */
static void
hand_over(struct conn *c, bool complete)
{
	if (complete)
		c->phase = CONN_BUSY;
	c->h2o_read(c->sock, NULL);
	if (!complete && h2o_socket_is_writing(c->sock)) {
		c->h2o_written = c->sock->_cb.write;
		c->sock->_cb.write = on_continued;
	}
}

static void
feed_length(struct conn *c)
{
	put_aside(c, c->expected);
	if (c->sock->input->size == c->expected)
		hand_over(c, true);
}

static void
feed_chunks(struct conn *c)
{
	h2o_buffer_t *in = c->sock->input;
	struct refusal no;
	size_t used;

	if (in->size == c->walked)
		return;
	enum chunk_result r = chunk_walk(&c->chunk, in->bytes + c->walked, in->size - c->walked,
		c->server->client_max_body_size, &used, &no);
	if (r == CHUNK_REFUSED) {
		hangup_refuse(c, &no);
		return;
	}
	put_aside(c, c->walked + used);
	hand_over(c, r == CHUNK_DONE);
	if (c->phase == CONN_BODY)
		c->walked = c->sock->input->size;	/* it decodes in place, so its input has shrunk */
}

static void
feed_body(struct conn *c)
{
	if (c->head.body == HEAD_BODY_CHUNKED)
		feed_chunks(c);
	else
		feed_length(c);
}

/* The head is in order: does this server want the body? */
static bool
body_fits(struct conn *c, struct refusal *no)
{
	uint64_t max = c->server->client_max_body_size;

	if (c->head.body != HEAD_BODY_LENGTH || c->head.length <= max)
		return true;
	no->status = 413;
	snprintf(no->text, sizeof no->text, "a body of %llu bytes is larger than the %llu bytes allowed (client_max_body_size)",
		(unsigned long long)c->head.length, (unsigned long long)max);
	return false;
}

/* Back into the input with what was put aside. */
static void
bring_back(struct conn *c)
{
	if (c->surplus.n == 0)
		return;
	h2o_iovec_t room = h2o_buffer_reserve(&c->sock->input, c->surplus.n);
	memcpy(room.base, c->surplus.p, c->surplus.n);
	c->sock->input->size += c->surplus.n;
	buf_fini(&c->surplus);
}

static void
begin_body(struct conn *c)
{
	c->phase = CONN_BODY;
	c->expected = c->head.size + (size_t)c->head.length;
	c->walked = c->head.size;
	chunk_init(&c->chunk);
	/* libh2o gets the head alone first where it has to act on it: its reader decodes chunks from there on, and asked
	 * for "100 Continue" it sends it. */
	if (c->head.body == HEAD_BODY_CHUNKED || (c->head.expects && c->head.length > 0)) {
		put_aside(c, c->head.size);
		hand_over(c, false);
		if (h2o_socket_is_writing(c->sock))
			return;		/* on_continued() goes on */
		bring_back(c);
	}
	feed_body(c);
}

/* libh2o sends "100 Continue" itself and then puts its own reader in place. */
static void
on_continued(h2o_socket_t *sock, const char *err)
{
	struct conn *c = sock->on_close.data;

	c->h2o_written(sock, err);
	if (err != NULL)
		return;		/* it has closed */
	h2o_socket_read_start(sock, on_readable);
	bring_back(c);
	feed_body(c);
}

/* The head is whole and in order. */
static void
on_head(struct conn *c, bool late)
{
	struct refusal no;

	c->server = http_server_of(c, head_slice(c->sock->input->bytes, c->head.host));
	if (!body_fits(c, &no)) {
		hangup_refuse(c, &no);
		return;
	}
	if (c->head.body == HEAD_BODY_NONE) {
		put_aside(c, c->head.size);
		hand_over(c, true);
		return;
	}
	if (!late)
		conn_deadline(c, c->thread->now_ms + c->server->client_timeout_ms);
	begin_body(c);
}

static void
feed_head(struct conn *c)
{
	h2o_buffer_t *in = c->sock->input;
	struct refusal no;
	size_t max = c->first->client_header_size;
	bool late = c->phase == CONN_HEAD;	/* client_timeout is running already */

	if (!late) {
		c->phase = CONN_HEAD;
		head_init(&c->head);
	}
	switch (head_read(&c->head, in->bytes, in->size, max < H2O_MAX_REQLEN ? max : H2O_MAX_REQLEN, &no)) {
	case HEAD_REFUSED:
		hangup_refuse(c, &no);
		break;
	case HEAD_MORE:
		if (!late && !c->fresh)
			conn_deadline(c, c->thread->now_ms + c->first->client_timeout_ms);
		break;
	case HEAD_DONE:
		on_head(c, late);
	}
}

static void
feed(struct conn *c)
{
	if (c->phase == CONN_BODY)
		feed_body(c);
	else
		feed_head(c);
}

/* ---- reading the socket ---- */

static void
on_fin(struct conn *c)
{
	c->fin = true;
	if (c->phase != CONN_BUSY && c->phase != CONN_SENDING) {
		conn_close(c);
		return;
	}
	h2o_socket_read_stop(c->sock);
	if (c->stream != NULL)
		hangup_gone(c);		/* who reads an endless answer and says nothing more is rare; who closed a page is not */
	else if (c->phase == CONN_BUSY)
		hangup_probe(c);
}

/* One bounded read into the connection's input, or into surplus while a request is pending.  -1: closed, 0: nothing. */
static ssize_t
read_some(struct conn *c)
{
	int fd = h2o_socket_get_fd(c->sock);
	ssize_t n;

	if (c->phase == CONN_BUSY || c->phase == CONN_SENDING || c->phase == CONN_LINGER) {
		buf_reserve(&c->surplus, READ_HEAD);
		n = read(fd, c->surplus.p + c->surplus.n, READ_HEAD);
		if (n > 0 && c->phase != CONN_LINGER)
			c->surplus.n += (size_t)n;
	} else {
		h2o_iovec_t room = h2o_buffer_reserve(&c->sock->input, c->phase == CONN_BODY ? READ_BODY : READ_HEAD);
		n = read(fd, room.base, room.len < READ_BODY ? room.len : READ_BODY);
		if (n > 0)
			c->sock->input->size += (size_t)n;
	}
	return n;
}

static void
on_readable(h2o_socket_t *sock, const char *err)
{
	struct conn *c = sock->on_close.data;

	/* A fast client's next request is often here before libh2o has told us that the answer left, a moment later in the same
	 * round.  Then it is read straight into the input (take_back); only if it was not a moment, into surplus. */
	if (c->phase == CONN_SENDING && !c->readable) {
		c->readable = true;
		return;
	}
	c->thread->now_ms = clock_ms();		/* the round may have begun with a long wait */
	ssize_t n = err == NULL ? read_some(c) : -1;
	if (n < 0 && err == NULL && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		if (c->phase == CONN_BUSY)
			hangup_gone(c);
		else
			conn_close(c);
		return;
	}
	if (n == 0) {
		on_fin(c);
		return;
	}
	if (c->phase == CONN_BUSY || c->phase == CONN_SENDING) {
		if (c->surplus.n >= SURPLUS_MAX)
			h2o_socket_read_stop(sock);
	} else if (c->phase != CONN_LINGER) {
		feed(c);
	}
}

/* ---- time ---- */

static void
too_slow(struct conn *c)
{
	struct refusal no = { .status = 408 };

	snprintf(no.text, sizeof no.text, "the request did not arrive within %lld ms (client_timeout)",
		(long long)c->server->client_timeout_ms);
	hangup_refuse(c, &no);
}

/* A response may take long, but the client has to take some of it now and then. */
static void
look_at_progress(struct conn *c)
{
	struct tcp_info info = { 0 };
	socklen_t n = sizeof info;

	getsockopt(h2o_socket_get_fd(c->sock), IPPROTO_TCP, TCP_INFO, &info, &n);
	if (info.tcpi_bytes_acked == c->acked) {
		conn_close(c);
		return;
	}
	c->acked = info.tcpi_bytes_acked;
	conn_deadline(c, c->thread->now_ms + c->server->client_timeout_ms);
}

static void
on_timer(struct timer *t)
{
	struct conn *c = container_of(t, struct conn, timer);

	c->thread->now_ms = clock_ms();
	if (c->deadline_ms == 0)
		return;
	if (c->thread->now_ms < c->deadline_ms) {
		conn_deadline(c, c->deadline_ms);
		return;
	}
	switch (c->phase) {
	case CONN_HEAD:
	case CONN_BODY:
		too_slow(c);
		break;
	case CONN_BUSY:
		hangup_look(c);
		break;
	case CONN_SENDING:
		if (c->stream != NULL && c->fin)
			hangup_gone(c);
		else
			look_at_progress(c);
		break;
	default:
		conn_close(c);
	}
}

/* ---- between requests ---- */

void
conn_read(struct conn *c)
{
	h2o_socket_read_start(c->sock, on_readable);
}

void
conn_watch(struct conn *c)
{
	c->deadline_ms = 0;
	c->probed = false;
	if (c->fin)	/* not now: libh2o is on the stack, and its connection may go */
		conn_deadline(c, c->thread->now_ms);
	else if (c->surplus.n < SURPLUS_MAX)
		h2o_socket_read_start(c->sock, on_readable);
}

void
conn_sending(struct conn *c)
{
	c->phase = CONN_SENDING;
	c->readable = false;
	c->acked = 0;
	c->deadline_ms = c->thread->now_ms + c->server->client_timeout_ms;
	if (!timer_is_set(&c->timer))
		conn_deadline(c, c->deadline_ms);
}

void
conn_streaming(struct conn *c)
{
	c->deadline_ms = 0;
	if (c->fin)
		conn_deadline(c, c->thread->now_ms);	/* not now: libh2o is on the stack */
}

void
conn_ended(struct conn *c)
{
	list_del(&c->ended_link);
	list_push(&c->thread->ended, &c->ended_link);
}

static void
take_back(struct conn *c)
{
	h2o_socket_t *sock = c->sock;

	if (c->surplus.n == 0 && (c->fin || c->thread->draining)) {
		conn_close(c);
		return;
	}
	if (sock->input->size == 0 && sock->input->capacity > KEEP_INPUT) {
		h2o_buffer_dispose(&sock->input);
		h2o_buffer_init(&sock->input, &h2o_socket_buffer_prototype);
	}
	c->phase = CONN_IDLE;
	c->server = c->first;
	c->fresh = false;
	c->deadline_ms = 0;
	if (c->fin)
		h2o_socket_read_stop(sock);
	else
		h2o_socket_read_start(sock, on_readable);
	if (c->surplus.n > 0) {
		bring_back(c);
		feed(c);
		return;
	}
	conn_deadline(c, c->thread->now_ms + c->server->keepalive_timeout_ms);
	if (c->readable)
		on_readable(sock, NULL);
}

void
conn_take_back(struct thread *t)
{
	struct list ended;
	struct list *l;

	list_init(&ended);
	list_splice(&ended, &t->ended);
	while ((l = list_shift(&ended)) != NULL)
		take_back(container_of(l, struct conn, ended_link));
}

/* ---- beginning and end ---- */

static void
set_peer(struct conn *c, const struct sockaddr *sa)
{
	const void *a = sa->sa_family == AF_INET6 ? (const void *)&((const struct sockaddr_in6 *)sa)->sin6_addr
						  : (const void *)&((const struct sockaddr_in *)sa)->sin_addr;

	if (inet_ntop(sa->sa_family, a, c->peer, sizeof c->peer) == NULL)
		c->peer[0] = 0;
	c->peer_n = (unsigned char)strlen(c->peer);
}

void
conn_accept(struct thread *t, struct listener *l, int fd, const struct sockaddr *peer)
{
	struct conn *c = xcalloc(1, sizeof *c);

	list_init(&c->ended_link);
	list_push(&t->conns, &c->link);
	timer_init(&c->timer, on_timer);
	c->thread = t;
	c->first = c->server = l->server;
	c->port = l->port;
	c->fresh = true;
	set_peer(c, peer);
	c->sock = h2o_evloop_socket_create(t->loop.ev, fd, H2O_SOCKET_FLAG_IS_ACCEPTED_CONNECTION);
	c->sock->on_close.cb = on_close;
	c->sock->on_close.data = c;
	h2o_socket_dont_read(c->sock, 1);
	h2o_accept_ctx_t ctx = { .ctx = &t->ctx, .hosts = t->hosts };
	h2o_http1_accept(&ctx, c->sock, *h2o_get_timestamp(&t->ctx, NULL, NULL));
	c->h2o_read = c->sock->_cb.read;
	h2o_socket_read_start(c->sock, on_readable);
	conn_deadline(c, clock_ms() + c->first->client_timeout_ms);
}

void
conn_drain(struct thread *t)
{
	list_each_safe(n, &t->conns) {
		struct conn *c = container_of(n, struct conn, link);
		if (c->phase != CONN_IDLE)
			continue;
		/* Its request may lie in the kernel, sent before we began to stop. */
		ssize_t got = read_some(c);
		if (got > 0)
			feed(c);
		else
			conn_close(c);
	}
}

bool
conn_any_sending(struct thread *t)
{
	list_each(n, &t->conns) {
		enum conn_phase phase = container_of(n, struct conn, link)->phase;
		if (phase == CONN_SENDING || phase == CONN_REFUSED)
			return true;
	}
	return false;
}

void
conn_cut(struct thread *t)
{
	list_each_safe(n, &t->conns)
		conn_close(container_of(n, struct conn, link));
}

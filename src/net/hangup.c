/* hangup.c -- connections that do not end as they should: refused, or left by the client. */
#include "net/hangup.h"

#include <poll.h>

#include "base/clock.h"
#include "net/answer.h"

enum {
	LINGER_MS = 2000,
	PROBE_FIRST_MS = 10,
	PROBE_LAST_MS = 1000,
};

/* ---- refusing ---- */

static void
on_refused(h2o_socket_t *sock, const char *err)
{
	struct conn *c = sock->on_close.data;

	if (err != NULL || c->fin) {
		conn_close(c);
		return;
	}
	/* Closing while the client still sends would make the kernel answer with RST, and the client might never see the
	 * refusal.  So: no more from us, and for a while whatever comes is thrown away. */
	c->phase = CONN_LINGER;
	shutdown(h2o_socket_get_fd(sock), SHUT_WR);
	conn_deadline(c, clock_ms() + LINGER_MS);
	conn_read(c);
}

static void
log_refusal(struct conn *c, const struct refusal *no, size_t bytes)
{
	struct access_log *log = &c->thread->access;
	h2o_timestamp_t now;
	h2o_mem_pool_t pool;
	const char *p = c->sock->input->bytes;

	if (!access_log_on(log))
		return;
	h2o_mem_init_pool(&pool);
	h2o_get_timestamp(&c->thread->ctx, &pool, &now);
	access_log_write(log, &(struct access_entry){
		.client = str_n(c->peer, c->peer_n), .time = str_c(now.str->log), .status = no->status, .bytes = bytes,
		.version = c->head.target.n > 0 ? 0x100 | c->head.minor : 0,
		.method = head_slice(p, c->head.method), .target = head_slice(p, c->head.target) });
	h2o_mem_clear_pool(&pool);
}

/* Says no and hangs up.  libh2o may be waiting for more of this request; it never gets it. */
void
hangup_refuse(struct conn *c, const struct refusal *no)
{
	const char *reason = answer_reason(no->status);

	if (h2o_socket_is_writing(c->sock)) {	/* only its own "100 Continue", which the client does not take */
		conn_close(c);
		return;
	}
	h2o_socket_read_stop(c->sock);
	log_refusal(c, no, strlen(no->text) + 1);
	c->phase = CONN_REFUSED;
	conn_deadline(c, c->thread->now_ms + LINGER_MS);
	c->refusal = xasprintf("HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Type: text/plain;charset=UTF-8\r\n"
			       "Content-Length: %zu\r\n\r\n%s\n", no->status, reason, strlen(no->text) + 1, no->text);
	h2o_iovec_t out = h2o_iovec_init(c->refusal, strlen(c->refusal));
	h2o_socket_write(c->sock, &out, 1, on_refused);
}

/* ---- a client that goes away ---- */

void
hangup_gone(struct conn *c)
{
	c->status = 499;	/* as nginx calls it */
	conn_close(c);
}

/* The client has sent FIN while its request is pending: see the plate of hangup.h. */
void
hangup_probe(struct conn *c)
{
	static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";
	int fd = h2o_socket_get_fd(c->sock);

	c->probed = true;
	c->deadline_ms = 0;
	if (c->head.minor == 0)
		return;
	if (send(fd, interim, sizeof interim - 1, MSG_DONTWAIT | MSG_NOSIGNAL) != sizeof interim - 1) {
		hangup_gone(c);
		return;
	}
	c->probes = 0;
	conn_deadline(c, c->thread->now_ms + PROBE_FIRST_MS);
}

static bool
is_reset(struct conn *c)
{
	struct pollfd p = { .fd = h2o_socket_get_fd(c->sock) };

	return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR)) != 0;
}

void
hangup_look(struct conn *c)
{
	if (!c->probed) {
		hangup_probe(c);
		return;
	}
	if (is_reset(c)) {
		hangup_gone(c);
		return;
	}
	int64_t wait = PROBE_FIRST_MS << c->probes;
	if (wait < PROBE_LAST_MS)
		c->probes++;
	conn_deadline(c, c->thread->now_ms + (wait < PROBE_LAST_MS ? wait : PROBE_LAST_MS));
}

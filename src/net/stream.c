/* stream.c -- a response whose body comes in pieces; see stream.h. */
#include "net/stream.h"

#include "object/pipe.h"

enum { PIECES = 32 };			/* sent with one call */

struct stream {
	h2o_generator_t generator;
	struct conn *conn;
	struct pipe *pipe;
	struct piece *sent[PIECES];	/* in flight */
	unsigned n;
	bool busy;			/* libh2o has not asked for more yet */
};

static void
free_sent(struct stream *s)
{
	for (unsigned i = 0; i < s->n; i++)
		piece_free(s->pipe, &s->sent[i]);
	s->n = 0;
}

/* No more will come: the last call.  A connection that breaks off is gone after it, and s with it. */
static void
finish(struct stream *s, h2o_iovec_t *out, h2o_send_state_t state)
{
	s->busy = true;
	conn_sending(s->conn);
	h2o_send(s->conn->req, out, s->n, state);
}

/* Sends what has come.  With nothing to send the client has all it could take: no deadline runs. */
static void
push(struct stream *s)
{
	h2o_iovec_t out[PIECES];
	struct piece *x;

	while (s->n < PIECES && (x = pipe_read(s->pipe))) {
		enum piece_kind kind = x->kind;

		if (kind == PIECE_BYTES) {
			out[s->n] = h2o_iovec_init(x->bytes, x->n);
			s->sent[s->n++] = x;
			continue;
		}
		piece_free(s->pipe, &x);
		finish(s, out, kind == PIECE_END ? H2O_SEND_STATE_FINAL : H2O_SEND_STATE_ERROR);
		return;
	}
	if (s->n == 0) {
		conn_streaming(s->conn);
		return;
	}
	s->busy = true;
	conn_sending(s->conn);
	h2o_send(s->conn->req, out, s->n, H2O_SEND_STATE_IN_PROGRESS);
}

static void
on_piece(void *arg)
{
	struct stream *s = arg;

	if (!s->busy)
		push(s);
}

static void
on_proceed(h2o_generator_t *g, h2o_req_t *req)
{
	struct stream *s = container_of(g, struct stream, generator);

	(void)req;
	free_sent(s);
	s->busy = false;
	push(s);
}

static void
on_stop(h2o_generator_t *g, h2o_req_t *req)
{
	(void)g;
	(void)req;		/* stream_end() follows */
}

void
stream_send(struct conn *c, const struct wire_head *head, struct pipe **pp)
{
	h2o_req_t *req = c->req;
	struct stream *s = h2o_mem_alloc_pool(&req->pool, sizeof *s);

	*s = (struct stream){ .generator = { on_proceed, on_stop }, .conn = c, .pipe = *pp };
	*pp = NULL;
	c->stream = s;
	wire_begin(req, head, &s->generator);
	pipe_attach(s->pipe, c->thread->worker, on_piece, s);
	push(s);
}

void
stream_end(struct conn *c)
{
	struct stream *s = c->stream;

	c->stream = NULL;
	if (s == NULL)
		return;
	free_sent(s);
	pipe_cancel(&s->pipe);
}

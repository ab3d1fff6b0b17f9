/* fetch_body.c -- see fetch_body.h. */
#include "net/fetch_body.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "conf/settings.h"
#include "object/pipe.h"

enum { COPIED_MAX = 64 << 10 };		/* of a request's body: libcurl copies it and sends it with the head */

/* ---- the answer's ---- */

static size_t
hold_up(struct transfer *t)
{
	t->stuck_out = true;
	return CURL_WRITEFUNC_PAUSE;
}

/* Before the head is home; a redirect's body is only read to its end. */
static size_t
gather(struct transfer *t, const char *p, size_t n)
{
	t->passed += n;
	if (t->moved) {
		t->too_large = t->passed > t->conf->fetch.body_max;
		return t->too_large ? 0 : n;
	}
	if (t->answer.n >= PIPE_WINDOW) {
		t->passed -= n;
		return hold_up(t);
	}
	buf_add(&t->answer, p, n);
	return n;
}

static size_t
on_body(char *p, size_t size, size_t count, void *arg)
{
	struct transfer *t = arg;
	size_t n = size * count;

	t->last_ms = clock_ms();
	if (t->event)
		return gather(t, p, n);
	if (!t->out || pipe_cancelled(t->out))
		return 0;
	if (pipe_full(t->out))
		return hold_up(t);
	t->passed += n;
	pipe_write(t->out, NULL, str_n(p, n));
	return n;
}

/* libcurl may still read the request's body, which is in the event. */
static void
keep_rest(struct transfer *t)
{
	if (t->body.n <= COPIED_MAX)
		return;
	t->rest = xmalloc(t->body.n - t->sent + 1);
	memcpy(t->rest, t->body.p + t->sent, t->body.n - t->sent);
	t->body = str_n(t->rest, t->body.n - t->sent);
	t->sent = 0;
}

void
body_open(struct transfer *t, struct message *answer)
{
	t->out = answer->stream = pipe_new(NULL);
	pipe_write(t->out, NULL, buf_slice(&t->answer));
	buf_fini(&t->answer);
	pipe_on_room(t->out, t->stir, t);
	keep_rest(t);
	t->last_ms = clock_ms();
}

void
body_close(struct transfer *t, const struct failure *why)
{
	if (t->out)
		pipe_close(&t->out, NULL, why);
}

/* ---- the request's ---- */

void
body_take(struct transfer *t)
{
	struct message *m = &t->event->request;

	t->body = m->body;
	t->in = m->stream;
	m->stream = NULL;
	t->streams = t->in != NULL;
	if (t->in)
		pipe_attach(t->in, NULL, t->stir, t);
}

bool
body_sends(const struct transfer *t)
{
	return t->body.p || t->in;
}

static size_t
from_string(struct transfer *t, char *to, size_t room)
{
	size_t n = t->body.n - t->sent < room ? t->body.n - t->sent : room;

	memcpy(to, t->body.p + t->sent, n);
	t->sent += n;
	return n;
}

static size_t
from_piece(struct transfer *t, char *to, size_t room)
{
	size_t n = t->piece->n - t->sent < room ? t->piece->n - t->sent : room;

	memcpy(to, t->piece->bytes + t->sent, n);
	t->sent += n;
	if (t->sent == t->piece->n)
		piece_free(t->in, &t->piece);
	return n;
}

static size_t
from_pipe(struct transfer *t, char *to, size_t room)
{
	if (!t->piece) {
		t->piece = pipe_read(t->in);
		t->sent = 0;
	}
	if (!t->piece) {
		t->stuck_in = true;
		return CURL_READFUNC_PAUSE;
	}
	t->last_ms = clock_ms();
	if (t->piece->kind == PIECE_BYTES)
		return from_piece(t, to, room);
	if (t->piece->kind == PIECE_END)
		return 0;
	transfer_fail(t, "TypeError", "the stream that is its body broke off: %.*s", (int)t->piece->n, t->piece->bytes);
	return CURL_READFUNC_ABORT;
}

static size_t
on_upload(char *to, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;

	return t->in ? from_pipe(t, to, size * n) : from_string(t, to, size * n);
}

/* libcurl begins again: an idle connection that it took was closed by the other side. */
static int
on_seek(void *arg, curl_off_t to, int origin)
{
	struct transfer *t = arg;

	if (t->in || !t->event || origin != SEEK_SET || to < 0 || (size_t)to > t->body.n)
		return CURL_SEEKFUNC_FAIL;
	t->sent = (size_t)to;
	return CURL_SEEKFUNC_OK;
}

static void
set_pieces(struct transfer *t, CURL *c)
{
	curl.easy_setopt(c, CURLOPT_POST, 1L);
	curl.easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, t->in ? (curl_off_t)-1 : (curl_off_t)t->body.n);
	curl.easy_setopt(c, CURLOPT_READFUNCTION, on_upload);
	curl.easy_setopt(c, CURLOPT_READDATA, t);
	curl.easy_setopt(c, CURLOPT_SEEKFUNCTION, on_seek);
	curl.easy_setopt(c, CURLOPT_SEEKDATA, t);
	if (t->in)
		curl.easy_setopt(c, CURLOPT_FRESH_CONNECT, 1L);	/* it cannot be sent again on another */
}

/* Also without a body: a POST says that it has none. */
static bool
speaks_of_body(struct str method)
{
	return str_eq(method, STR("POST")) || str_eq(method, STR("PUT")) || str_eq(method, STR("PATCH"));
}

void
body_set(struct transfer *t, CURL *c)
{
	t->sent = t->passed = 0;
	t->stuck_in = t->stuck_out = false;
	buf_clear(&t->answer);
	curl.easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	curl.easy_setopt(c, CURLOPT_WRITEDATA, t);
	if (t->in || t->body.n > COPIED_MAX) {
		set_pieces(t, c);
	} else if (t->body.p || speaks_of_body(t->method)) {
		curl.easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->body.n);
		curl.easy_setopt(c, CURLOPT_COPYPOSTFIELDS, t->body.n ? t->body.p : "");
	}
}

void
body_forget(struct transfer *t)
{
	t->body = (struct str){ 0 };
	if (!t->in)
		return;
	if (t->piece)
		piece_free(t->in, &t->piece);
	pipe_cancel(&t->in);
}

/* ---- both ---- */

/* A callback that finds nothing changed holds it up again. */
void
body_resume(struct transfer *t)
{
	if (!t->easy || !(t->stuck_in || t->stuck_out))
		return;
	t->stuck_in = false;
	t->stuck_out = t->stuck_out && (t->event || pipe_full(t->out));
	curl.easy_pause(t->easy, t->stuck_out ? CURLPAUSE_RECV : CURLPAUSE_CONT);
}

void
body_fini(struct transfer *t)
{
	body_close(t, NULL);
	body_forget(t);
	buf_fini(&t->answer);
	free(t->rest);
}

/* wire.c -- the head of a response, written straight to bytes. */
#include "net/wire.h"

#include <stdio.h>

#include "base/err.h"

enum { VERSION_KNOWN = H2O_LIBRARY_VERSION_MAJOR == 0 && H2O_LIBRARY_VERSION_MINOR == 13 };

/* The beginning of libh2o's own struct for a connection's output (lib/http1.c, st_h2o_http1_finalostream_t). */
struct http1_output {
	h2o_ostream_t super;
	int sent_headers;
};

static h2o_generator_t no_generator;	/* everything is sent at once: nobody ever asks it */

static char *
put(char *to, const void *p, size_t n)
{
	if (n > 0)	/* an empty slice may be NULL */
		memcpy(to, p, n);
	return to + n;
}

#define PUT(to, literal) put(to, literal, sizeof(literal) - 1)

static char *
put_number(char *to, size_t n)
{
	char digits[20], *p = digits + sizeof digits;

	do
		*--p = (char)('0' + n % 10);
	while ((n /= 10) > 0);
	return put(to, p, (size_t)(digits + sizeof digits - p));
}

static const char *
date_of(struct wire *w, h2o_context_t *ctx)
{
	time_t now = h2o_get_timestamp(ctx, NULL, NULL)->tv_sec;
	struct tm tm;

	if (now != w->second) {
		gmtime_r(&now, &tm);
		h2o_time2str_rfc1123(w->date, &tm);
		w->second = now;
	}
	return w->date;
}

/* An upper bound of its size. */
static size_t
room_for(const struct wire_head *h, size_t reason)
{
	size_t n = sizeof "HTTP/1.1 999 \r\nDate: \r\nConnection: keep-alive\r\nContent-Length: 18446744073709551615\r\n\r\n" +
		   H2O_TIMESTR_RFC1123_LEN + reason;

	for (unsigned i = 0; i < h->nheaders; i++)
		n += h->headers[i].name.n + h->headers[i].value.n + 4;
	return n;
}

static h2o_iovec_t
flatten(struct wire *w, h2o_req_t *req, const struct wire_head *h)
{
	size_t reason = strlen(h->reason);
	char *head = h2o_mem_alloc_pool(&req->pool, room_for(h, reason)), *p = head;

	p = PUT(p, "HTTP/1.1 ");
	p = put_number(p, (size_t)h->status);
	*p++ = ' ';
	p = put(p, h->reason, reason);
	p = PUT(p, "\r\nDate: ");
	p = put(p, date_of(w, req->conn->ctx), H2O_TIMESTR_RFC1123_LEN);
	p = req->http1_is_persistent ? PUT(p, "\r\nConnection: keep-alive\r\n") : PUT(p, "\r\nConnection: close\r\n");
	if (h->has_length) {
		p = PUT(p, "Content-Length: ");
		p = put_number(p, h->length);
		p = PUT(p, "\r\n");
	}
	for (unsigned i = 0; i < h->nheaders; i++) {
		p = put(p, h->headers[i].name.p, h->headers[i].name.n);
		p = PUT(p, ": ");
		p = put(p, h->headers[i].value.p, h->headers[i].value.n);
		p = PUT(p, "\r\n");
	}
	p = PUT(p, "\r\n");
	return h2o_iovec_init(head, (size_t)(p - head));
}

/* libh2o writes the head. */
static void
begin_usual(h2o_req_t *req, const struct wire_head *h, h2o_generator_t *generator)
{
	for (unsigned i = 0; i < h->nheaders; i++)
		h2o_add_header_by_str(&req->pool, &req->res.headers, h->headers[i].name.p, h->headers[i].name.n, 0, NULL,
			h->headers[i].value.p, h->headers[i].value.n);
	h2o_start_response(req, generator);
}

static void
send_usual(h2o_req_t *req, const struct wire_head *h, struct str body)
{
	h2o_iovec_t out = h2o_iovec_init(body.p, body.n);

	begin_usual(req, h, &no_generator);
	h2o_send(req, &out, body.n > 0 ? 1 : 0, H2O_SEND_STATE_FINAL);
}

void
wire_begin(h2o_req_t *req, const struct wire_head *h, h2o_generator_t *generator)
{
	req->res.status = h->status;
	req->res.reason = h->reason;
	begin_usual(req, h, generator);
}

size_t
wire_send(struct wire *w, h2o_req_t *req, const struct wire_head *h, struct str body)
{
	req->res.status = h->status;
	req->res.reason = h->reason;
	if (h->has_length)
		req->res.content_length = h->length;
	if (!VERSION_KNOWN || req->version >= 0x200 || req->_ostr_top->next != NULL) {
		send_usual(req, h, body);
		return 0;
	}
	struct http1_output *output = (struct http1_output *)req->_ostr_top;
	must(!output->sent_headers);
	h2o_iovec_t out[2] = { flatten(w, req, h), h2o_iovec_init(body.p, body.n) };
	h2o_start_response(req, &no_generator);
	must((void *)req->_ostr_top == (void *)output);	/* no filter has come between */
	output->sent_headers = 1;
	h2o_send(req, out, body.n > 0 ? 2 : 1, H2O_SEND_STATE_FINAL);
	return out[0].len;
}

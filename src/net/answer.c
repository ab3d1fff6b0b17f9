/* answer.c -- what goes back to the client. */
#include "net/answer.h"

#include "net/stream.h"

#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

static const struct {
	int status;
	const char *reason;
} reasons[] = {
	{ 100, "Continue" }, { 101, "Switching Protocols" }, { 200, "OK" }, { 201, "Created" }, { 202, "Accepted" },
	{ 203, "Non-Authoritative Information" }, { 204, "No Content" }, { 205, "Reset Content" }, { 206, "Partial Content" },
	{ 207, "Multi-Status" }, { 208, "Already Reported" }, { 226, "IM Used" }, { 300, "Multiple Choices" },
	{ 301, "Moved Permanently" }, { 302, "Found" }, { 303, "See Other" }, { 304, "Not Modified" },
	{ 307, "Temporary Redirect" }, { 308, "Permanent Redirect" }, { 400, "Bad Request" }, { 401, "Unauthorized" },
	{ 402, "Payment Required" }, { 403, "Forbidden" }, { 404, "Not Found" }, { 405, "Method Not Allowed" },
	{ 406, "Not Acceptable" }, { 407, "Proxy Authentication Required" }, { 408, "Request Timeout" }, { 409, "Conflict" },
	{ 410, "Gone" }, { 411, "Length Required" }, { 412, "Precondition Failed" }, { 413, "Content Too Large" },
	{ 414, "URI Too Long" }, { 415, "Unsupported Media Type" }, { 416, "Range Not Satisfiable" },
	{ 417, "Expectation Failed" }, { 418, "I'm a teapot" }, { 421, "Misdirected Request" },
	{ 422, "Unprocessable Content" }, { 423, "Locked" }, { 424, "Failed Dependency" }, { 425, "Too Early" },
	{ 426, "Upgrade Required" }, { 428, "Precondition Required" }, { 429, "Too Many Requests" },
	{ 431, "Request Header Fields Too Large" }, { 451, "Unavailable For Legal Reasons" },
	{ 500, "Internal Server Error" }, { 501, "Not Implemented" }, { 502, "Bad Gateway" }, { 503, "Service Unavailable" },
	{ 504, "Gateway Timeout" }, { 505, "HTTP Version Not Supported" }, { 507, "Insufficient Storage" },
	{ 508, "Loop Detected" }, { 511, "Network Authentication Required" },
};

/* Headers of a response that are the connection's business, not the app's (RFC 9110 7.6.1); its length we count ourselves. */
static const struct str not_yours[] = {
	STR("connection"), STR("content-length"), STR("keep-alive"), STR("proxy-connection"),
	STR("te"), STR("trailer"), STR("transfer-encoding"), STR("upgrade"),
};

const char *
answer_reason(int status)
{
	if (status == 200)
		return "OK";
	for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Unknown";
}

static bool
has_no_body(int status)
{
	return status == 204 || status == 304;
}

static bool
is_head(const h2o_req_t *req)
{
	return req->method.len == 4 && memcmp(req->method.base, "HEAD", 4) == 0;
}

static void
send_all(h2o_req_t *req, int status, const struct header *headers, unsigned nheaders, struct str body)
{
	struct conn *c = conn_of(req);
	bool silent = has_no_body(status) || is_head(req);
	struct wire_head head = { .status = status, .reason = answer_reason(status), .has_length = !has_no_body(status),
				  .length = body.n, .headers = headers, .nheaders = nheaders };

	if (c->thread->draining)
		req->http1_is_persistent = 0;
	conn_sending(c);
	c->head_bytes = wire_send(&c->thread->wire, req, &head, silent ? (struct str){ 0 } : body);
}

static const struct header text_headers[] = {
	{ STR("content-type"), STR("text/plain;charset=UTF-8") },
	{ STR("retry-after"), STR("1") },
};

void
answer_text(h2o_req_t *req, int status, const char *fmt, ...)
{
	enum { MAX = 1024 };
	char *text = h2o_mem_alloc_pool(&req->pool, MAX);
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(text, MAX - 1, fmt, ap);
	va_end(ap);
	if (n > MAX - 2)
		n = MAX - 2;
	text[n] = '\n';
	send_all(req, status, text_headers, 1, str_n(text, (size_t)n + 1));
}

static bool
is_yours(struct str name)
{
	/* Most names are told apart by their length alone. */
	if (name.n > 17 || !(1u << name.n & (1u << 2 | 1u << 7 | 1u << 10 | 1u << 14 | 1u << 16 | 1u << 17)))
		return true;
	for (size_t i = 0; i < sizeof not_yours / sizeof not_yours[0]; i++)
		if (name.n == not_yours[i].n && strncasecmp(name.p, not_yours[i].p, name.n) == 0)
			return false;
	return true;
}

/* A line break in a value would let the app's caller write headers, or a whole second response: all are checked. */
static bool
take_headers(const struct message *m, struct header *out, unsigned *n)
{
	bool typed = false;

	*n = 0;
	for (unsigned i = 0; i < m->nheaders; i++) {
		const struct header *h = &m->headers[i];
		if (!head_is_name(h->name) || !head_is_value(h->value))
			return false;
		if (!is_yours(h->name))
			continue;
		if (h->name.n == 12 && strncasecmp(h->name.p, "content-type", 12) == 0)
			typed = true;
		out[(*n)++] = *h;
	}
	if (!typed && m->body.p != NULL)
		out[(*n)++] = text_headers[0];
	return true;
}

/* Only with dev_errors may a client read what went wrong. */
static void
answer_failure(h2o_req_t *req, struct event *ev)
{
	const struct failure *f = &ev->failure;
	int status = f->overloaded || f->retryable ? 503 : 500;
	struct buf text = { 0 };
	char id[17];

	event_request_id(ev, id);
	if (ev->app->conf->dev_errors) {
		buf_str(&text, f->message);
		buf_byte(&text, '\n');
		if (f->traceback.n > 0) {
			buf_str(&text, f->traceback);
			buf_byte(&text, '\n');
		}
	} else {
		buf_c(&text, status == 500 ? "Internal error\n" : f->overloaded ? "Overloaded: try again later\n" :
										"Temporarily unavailable: try again\n");
	}
	buf_printf(&text, "request id %s\n", id);
	h2o_iovec_t body = h2o_strdup(&req->pool, text.p, text.n);
	buf_fini(&text);
	send_all(req, status, text_headers, f->overloaded ? 2 : 1, str_n(body.base, body.len));
}

/* To an HTTP/1.0 client the end of the connection is the end of the body. */
static void
send_pieces(struct conn *c, struct event *ev, const struct header *headers, unsigned nheaders)
{
	struct wire_head head = { .status = ev->response.status, .reason = answer_reason(ev->response.status), .headers = headers,
				  .nheaders = nheaders };

	if (c->thread->draining || c->req->version < 0x101)
		c->req->http1_is_persistent = 0;
	conn_sending(c);
	stream_send(c, &head, &ev->response.stream);
}

void
answer_event(struct conn *c, struct event *ev)
{
	h2o_req_t *req = c->req;
	const struct message *m = &ev->response;
	struct header *headers = h2o_mem_alloc_pool(&req->pool, (m->nheaders + 1) * sizeof *headers);
	unsigned n = 0;

	if (!ev->failed && (m->status < 200 || m->status > 599))
		event_fail(ev, "the response's status is %d: it must be 200 to 599", m->status);
	if (!ev->failed && !take_headers(m, headers, &n))
		event_fail(ev, "a response header has a name that is no token, or a line break or control byte in its value");
	if (ev->failed)
		answer_failure(req, ev);
	else if (m->stream && !has_no_body(m->status) && !is_head(req))
		send_pieces(c, ev, headers, n);
	else
		send_all(req, m->status, headers, n, m->body);
}

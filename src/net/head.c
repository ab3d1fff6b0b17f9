/* head.c -- a strict reader of HTTP/1 request heads. */
#include "net/head.h"

#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

/* What a byte may be part of. */
enum { NAME = 1, VALUE = 2, TARGET = 4, HOST = 8 };

/* RFC 9110: names are tokens.  Values: printable, space, tab, and bytes above 127.  Targets: no space, no control.
 * Hosts: name, address or [address], with a port. */
static const unsigned char classes[256] = {
	['\t'] = VALUE, [' '] = VALUE,
	['!'] = NAME | VALUE | TARGET | HOST, ['"'] = VALUE | TARGET, ['#'] = NAME | VALUE | TARGET,
	['$'] = NAME | VALUE | TARGET | HOST, ['%'] = NAME | VALUE | TARGET | HOST, ['&'] = NAME | VALUE | TARGET | HOST,
	['\''] = NAME | VALUE | TARGET | HOST, ['('] = VALUE | TARGET | HOST, [')'] = VALUE | TARGET | HOST,
	['*'] = NAME | VALUE | TARGET | HOST, ['+'] = NAME | VALUE | TARGET | HOST, [','] = VALUE | TARGET,
	['-'] = NAME | VALUE | TARGET | HOST, ['.'] = NAME | VALUE | TARGET | HOST, ['/'] = VALUE | TARGET,
	['0' ... '9'] = NAME | VALUE | TARGET | HOST, [':'] = VALUE | TARGET | HOST, [';'] = VALUE | TARGET | HOST,
	['<'] = VALUE | TARGET, ['='] = VALUE | TARGET | HOST, ['>'] = VALUE | TARGET, ['?'] = VALUE | TARGET,
	['@'] = VALUE | TARGET, ['A' ... 'Z'] = NAME | VALUE | TARGET | HOST, ['['] = VALUE | TARGET | HOST,
	['\\'] = VALUE | TARGET, [']'] = VALUE | TARGET | HOST, ['^'] = NAME | VALUE | TARGET,
	['_'] = NAME | VALUE | TARGET | HOST, ['`'] = NAME | VALUE | TARGET, ['a' ... 'z'] = NAME | VALUE | TARGET | HOST,
	['{'] = VALUE | TARGET, ['|'] = NAME | VALUE | TARGET, ['}'] = VALUE | TARGET, ['~'] = NAME | VALUE | TARGET | HOST,
	[128 ... 255] = VALUE | TARGET,
};

static int refuse(struct refusal *, int status, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static int
refuse(struct refusal *no, int status, const char *fmt, ...)
{
	va_list ap;

	no->status = status;
	va_start(ap, fmt);
	vsnprintf(no->text, sizeof no->text, fmt, ap);
	va_end(ap);
	return HEAD_REFUSED;
}

/* How many bytes from the front are all of this class. */
static size_t
span_of(const char *p, size_t n, unsigned char class)
{
	size_t i = 0;

	while (i < n && (classes[(unsigned char)p[i]] & class))
		i++;
	return i;
}

static int
refuse_byte(struct refusal *no, unsigned char c, const char *where)
{
	return refuse(no, 400, "byte 0x%02x is not allowed in %s", c, where);
}

/* One line of the head that means something to us: its value is checked here. */
static int
on_host(struct head *h, const char *p, struct span v, struct refusal *no)
{
	if (h->has_host)
		return refuse(no, 400, "two Host headers: send exactly one");
	if (v.n == 0)
		return refuse(no, 400, "the Host header is empty: name the server that is meant");
	size_t ok = span_of(p + v.at, v.n, HOST);
	if (ok < v.n)
		return refuse_byte(no, (unsigned char)p[v.at + ok], "the Host header");
	h->has_host = true;
	h->host = v;
	return HEAD_MORE;
}

static int
on_length(struct head *h, const char *p, struct span v, struct refusal *no)
{
	if (h->has_length)
		return refuse(no, 400, "two Content-Length headers: send exactly one");
	if (v.n == 0 || v.n > 18)
		return refuse(no, v.n ? 413 : 400, v.n ? "Content-Length has more digits than any body can have"
						       : "Content-Length is empty: write the number of bytes");
	h->length = 0;
	for (size_t i = 0; i < v.n; i++) {
		if (p[v.at + i] < '0' || p[v.at + i] > '9')
			return refuse(no, 400, "Content-Length must be digits only");
		h->length = h->length * 10 + (uint64_t)(p[v.at + i] - '0');
	}
	h->has_length = true;
	h->body = HEAD_BODY_LENGTH;
	return HEAD_MORE;
}

static int
on_coding(struct head *h, const char *p, struct span v, struct refusal *no)
{
	if (h->has_coding)
		return refuse(no, 400, "two Transfer-Encoding headers: send exactly one");
	h->has_coding = true;
	if (!str_ieq(str_n(p + v.at, v.n), STR("chunked")))
		return refuse(no, 501, "this Transfer-Encoding is not supported: send \"chunked\" or a Content-Length");
	h->body = HEAD_BODY_CHUNKED;
	return HEAD_MORE;
}

static int
on_expect(struct head *h, const char *p, struct span v, struct refusal *no)
{
	if (!str_ieq(str_n(p + v.at, v.n), STR("100-continue")) || h->minor == 0)
		return refuse(no, 417, "the only expectation known is \"100-continue\", in HTTP/1.1");
	h->expects = true;
	return HEAD_MORE;
}

static const struct field {
	struct str name;
	int (*on)(struct head *, const char *p, struct span value, struct refusal *);
} fields[] = {
	{ STR("content-length"), on_length },
	{ STR("expect"), on_expect },
	{ STR("host"), on_host },
	{ STR("transfer-encoding"), on_coding },
};

static int
read_field(struct head *h, const char *p, size_t at, size_t n, struct refusal *no)
{
	size_t name = span_of(p + at, n, NAME), end = at + n, v;

	if (h->lines > HEAD_FIELDS_MAX)
		return refuse(no, 431, "more than %d header lines", HEAD_FIELDS_MAX);
	if (p[at] == ' ' || p[at] == '\t')
		return refuse(no, 400, h->lines == 1 ? "a space before the first header"
						     : "a folded header line: write each header on one line");
	if (name == n)
		return refuse(no, 400, "a header line has no colon");
	if (p[at + name] != ':' && (p[at + name] == ' ' || p[at + name] == '\t'))
		return refuse(no, 400, "a space in or after a header's name: the colon follows at once");
	if (p[at + name] != ':')
		return refuse_byte(no, (unsigned char)p[at + name], "a header's name");
	if (name == 0)
		return refuse(no, 400, "a header line without a name");
	for (v = at + name + 1; v < end && (p[v] == ' ' || p[v] == '\t'); v++)
		;
	size_t ok = span_of(p + v, end - v, VALUE);
	if (ok < end - v)
		return refuse_byte(no, (unsigned char)p[v + ok], "a header's value");
	while (end > v && (p[end - 1] == ' ' || p[end - 1] == '\t'))
		end--;
	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
		if (fields[i].name.n == name && strncasecmp(p + at, fields[i].name.p, name) == 0)
			return fields[i].on(h, p, (struct span){ v, end - v }, no);
	return HEAD_MORE;
}

static int
read_version(struct head *h, struct str v, struct refusal *no)
{
	if (v.n != 8 || memcmp(v.p, "HTTP/", 5) != 0 || v.p[5] < '0' || v.p[5] > '9' || v.p[6] != '.' || v.p[7] < '0' ||
	    v.p[7] > '9')
		return refuse(no, 400, "the request line must read: METHOD /path HTTP/1.1");
	if (v.p[5] != '1' || v.p[7] > '1')
		return refuse(no, 505, "this server speaks HTTP/1.1 and HTTP/1.0");
	h->minor = v.p[7] - '0';
	return HEAD_MORE;
}

static int
read_request_line(struct head *h, const char *p, size_t at, size_t n, struct refusal *no)
{
	size_t method = span_of(p + at, n, NAME);

	if (method == 0 || method == n || p[at + method] != ' ')
		return refuse(no, 400, "the request line must read: METHOD /path HTTP/1.1");
	size_t rest = at + method + 1, left = n - method - 1;
	size_t target = span_of(p + rest, left, TARGET);
	if (target < left && p[rest + target] != ' ')
		return refuse_byte(no, (unsigned char)p[rest + target], "the request line");
	if (target == 0 || target == left)
		return refuse(no, 400, "the request line must read: METHOD /path HTTP/1.1");
	h->method = (struct span){ at, method };
	h->target = (struct span){ rest, target };
	if (read_version(h, str_n(p + rest + target + 1, left - target - 1), no) < 0)
		return HEAD_REFUSED;
	/* "GET http://host/path" is what a client sends to a proxy; RFC 9112 3.2.2 wants every server to take it. */
	if (p[rest] != '/' && !(target > 7 && strncasecmp(p + rest, "http://", 7) == 0))
		return refuse(no, 400, "the request target must be a path that begins with /");
	return HEAD_MORE;
}

/* All lines are in: do they fit together? */
static int
finish(struct head *h, struct refusal *no)
{
	if (h->has_coding && h->has_length)
		return refuse(no, 400, "Transfer-Encoding together with Content-Length: send one of them");
	if (h->has_coding && h->minor == 0)
		return refuse(no, 400, "Transfer-Encoding in an HTTP/1.0 request");
	if (!h->has_host && h->minor > 0)
		return refuse(no, 400, "the Host header is missing");
	h->size = h->line;
	return HEAD_DONE;
}

bool
head_is_name(struct str s)
{
	return s.n > 0 && span_of(s.p, s.n, NAME) == s.n;
}

bool
head_is_value(struct str s)
{
	return span_of(s.p, s.n, VALUE) == s.n;
}

void
head_init(struct head *h)
{
	*h = (struct head){ 0 };
}

/* One line without its CRLF. */
static int
read_line(struct head *h, const char *p, size_t at, size_t n, struct refusal *no)
{
	int r;

	if (n == 0 && h->lines > 0)
		return finish(h, no);
	if (n == 0)		/* RFC 9112 2.2: some clients send an empty line after a body; one may precede a request */
		return at == 0 ? HEAD_MORE : refuse(no, 400, "empty lines instead of a request");
	r = h->lines == 0 ? read_request_line(h, p, at, n, no) : read_field(h, p, at, n, no);
	h->lines++;
	return r;
}

enum head_result
head_read(struct head *h, const char *p, size_t n, size_t max, struct refusal *no)
{
	size_t limit = n < max ? n : max;

	for (;;) {
		const char *lf = h->seen < limit ? memchr(p + h->seen, '\n', limit - h->seen) : NULL;
		if (lf == NULL) {
			h->seen = limit;
			if (n >= max)
				return refuse(no, 431, "the head of the request is larger than %zu bytes (client_header_size)",
					max);
			return HEAD_MORE;
		}
		size_t at = h->line, end = (size_t)(lf - p);
		if (end == at || p[end - 1] != '\r')
			return refuse(no, 400, "a line ends with LF alone: lines end with CR LF");
		h->line = h->seen = end + 1;
		int r = read_line(h, p, at, end - 1 - at, no);
		if (r != HEAD_MORE)
			return r;
	}
}

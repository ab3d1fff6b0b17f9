/* fetch_errors.c -- why a request failed, in words that teach. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "conf/settings.h"
#include "net/fetch_body.h"
#include "object/outbound.h"

enum { URL_SHOWN = 200 };		/* of a URL in an error */

/* Without its query, which may hold a secret and would end up in a log; nothing at all of one with a user and password. */
struct str
transfer_shown(struct str url)
{
	const char *end = memchr(url.p, '?', url.n);

	if (end != NULL)
		url.n = (size_t)(end - url.p);
	if (memchr(url.p, '@', url.n) != NULL)
		return STR("(its URL is not shown)");
	return str_n(url.p, url.n > URL_SHOWN ? URL_SHOWN : url.n);
}

/* Its head is home: the stream breaks off, and says where. */
static void
fail_body(struct transfer *t, const char *name, const char *text)
{
	char *message = xasprintf("fetch %s: %s (after %llu bytes of its body)", t->shown, text, (unsigned long long)t->passed);

	body_close(t, &(struct failure){ .message = str_c(message), .name = str_c(name) });
	free(message);
}

void
transfer_fail(struct transfer *t, const char *name, const char *fmt, ...)
{
	struct event *ev = t->event;
	char text[1000];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (t->failed)
		return;
	t->failed = true;
	if (ev) {
		struct str url = transfer_shown(ev->outgoing->url);

		event_fail(ev, "fetch %.*s: %s", (int)url.n, url.p, text);
		ev->failure.name = str_c(name);
	} else {
		fail_body(t, name, text);
	}
}

static const char *
in_app(const struct transfer *t, char out[300])
{
	snprintf(out, 300, "in app %s (%s:%d)", t->conf->name, t->conf->at.file, t->conf->at.line);
	return out;
}

void
transfer_part(struct transfer *t, CURLUPart what, unsigned flags, char *out, size_t n)
{
	char *p = NULL;

	out[0] = '\0';
	if (curl.url_get(t->url, what, &p, flags) == CURLUE_OK)
		snprintf(out, n, "%s", p);
	curl.free(p);
}

void
transfer_fail_refused(struct transfer *t)
{
	const char *what = address_special(&t->address);
	char host[256], text[ADDRESS_TEXT], named[600], where[300];
	struct address literal;

	transfer_part(t, CURLUPART_HOST, 0, host, sizeof host);
	address_text(&t->address, text);
	if (address_parse(str_c(host), &literal)) {
		snprintf(named, sizeof named, "%s", text);
		snprintf(host, sizeof host, "%s", text);
	} else {
		snprintf(named, sizeof named, "%s is at %s,", host, text);
	}
	transfer_fail(t, "TypeError", "%s %s %s address, which this app may not reach; allow it with  fetch_allow %s;  %s", named,
		named[strlen(named) - 1] == ',' ? "a" : "is a", what ? what : "public", host, in_app(t, where));
}

static void
fail_size(struct transfer *t, const char *what)
{
	char where[300];

	transfer_fail(t, "TypeError", "%s more than %llu bytes; allow more with  fetch_body_max SIZE;  %s", what,
		(unsigned long long)t->conf->fetch.body_max, in_app(t, where));
}

/* What stands before and behind libcurl's own words. */
static const struct {
	CURLcode code;
	const char *name, *before, *advice;
} reasons[] = {
	{ CURLE_COULDNT_RESOLVE_HOST, "TypeError", "its host has no address: ", "" },
	{ CURLE_COULDNT_CONNECT, "TypeError", "no connection: ", "" },
	{ CURLE_OPERATION_TIMEDOUT, "TimeoutError", "no connection within 10 s: ", "" },
	{ CURLE_PEER_FAILED_VERIFICATION, "TypeError", "its certificate is not to be trusted: ",
	  "; if a private authority signed it, name that one's file with  fetch_ca FILE;  " },
	{ CURLE_SSL_CACERT_BADFILE, "TypeError", "the certificates to trust cannot be read: ", "; see fetch_ca, " },
	{ CURLE_SSL_CONNECT_ERROR, "TypeError", "TLS failed: ", "" },
	{ CURLE_GOT_NOTHING, "TypeError", "the server closed the connection without an answer: ", "" },
	{ CURLE_PARTIAL_FILE, "TypeError", "the connection was cut in the middle of the answer: ", "" },
	{ CURLE_BAD_CONTENT_ENCODING, "TypeError", "its body cannot be decoded: ",
	  "; set the header accept-encoding yourself to get it as it comes; " },
	{ CURLE_UNSUPPORTED_PROTOCOL, "TypeError", "it does not speak HTTP/1: ", "" },
};

static void
fail_code(struct transfer *t, CURLcode code)
{
	const char *why = t->error[0] ? t->error : curl.easy_strerror(code), *before = "", *name = "TypeError", *advice = "";
	char where[300] = "";

	for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
		if (reasons[i].code == code)
			name = reasons[i].name, before = reasons[i].before, advice = reasons[i].advice;
	if (*advice)
		in_app(t, where);
	transfer_fail(t, name, "%s%.*s%s%s", before, (int)strcspn(why, "\r\n"), why, advice, where);
}

void
transfer_fail_code(struct transfer *t, CURLcode code)
{
	if (t->too_large)
		fail_size(t, "its body has");
	else if (t->head_too_large)
		transfer_fail(t, "TypeError", "the headers of the answer have more than %d bytes", FETCH_HEAD_MAX);
	else if (t->refused)
		transfer_fail_refused(t);
	else
		fail_code(t, code);
}

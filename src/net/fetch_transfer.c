/* fetch_transfer.c -- one hop's options, libcurl's callbacks, redirects, and errors that teach. */
#include "net/fetch_transfer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/err.h"
#include "conf/allow.h"
#include "net/fetch_body.h"
#include "net/head.h"
#include "object/app.h"
#include "object/outbound.h"

enum {
	REDIRECTS_MAX = 20,		/* as the Fetch standard */
	CONNECT_MS = 10000,
};

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif
#define USER_AGENT "drey/" PACKAGE_VERSION

/* ---- where it goes ---- */

static bool
may_reach(struct transfer *t, const struct address *a)
{
	if (t->named || allow_address(t->conf, a))
		return true;
	t->refused = true;
	t->address = *a;
	return false;
}

static curl_socket_t
on_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *sa)
{
	struct address a;

	(void)purpose;
	if (!address_of(&sa->addr, &a) || !may_reach(arg, &a))
		return CURL_SOCKET_BAD;
	return socket(sa->family, sa->socktype | SOCK_CLOEXEC, sa->protocol);
}

/* Also for a connection that was open already, perhaps for another app. */
static int
on_connected(void *arg, char *ip, char *local_ip, int port, int local_port)
{
	struct address a;

	(void)local_ip, (void)port, (void)local_port;
	return address_parse(str_c(ip), &a) && may_reach(arg, &a) ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

/* ---- the answer ---- */

/* Of an answer: what concerned the connection alone (RFC 9110, 7.6.1). */
static const struct str of_connection[] = {
	STR("connection"), STR("keep-alive"), STR("proxy-authenticate"), STR("proxy-connection"), STR("te"), STR("trailer"),
	STR("transfer-encoding"), STR("upgrade"),
};
/* Of a request: that too, what libcurl writes itself, and the Host, which is the URL's. */
static const struct str of_sender[] = {
	STR("content-length"), STR("expect"), STR("host"), STR("proxy-authorization"),
};
static const struct str of_origin[] = { STR("authorization"), STR("cookie") };
static const struct str of_body[] = {
	STR("content-encoding"), STR("content-language"), STR("content-location"), STR("content-type"),
};
/* Says how long the body was before it was decoded, and how it was encoded. */
static const struct str of_coding[] = { STR("content-encoding"), STR("content-length") };

#define is_one_of(name, table) is_in(name, table, sizeof(table) / sizeof(table[0]))

static bool
is_in(struct str name, const struct str *table, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (str_ieq(name, table[i]))
			return true;
	return false;
}

static struct str
trimmed(struct str s)
{
	while (s.n > 0 && strchr(" \t\r\n", s.p[s.n - 1]) != NULL)
		s.n--;
	while (s.n > 0 && strchr(" \t", *s.p) != NULL)
		s.p++, s.n--;
	return s;
}

/* "HTTP/1.1 404 Not Found": a new head; what an interim answer or the hop before said is forgotten. */
static void
take_status(struct transfer *t, struct str line)
{
	struct event *ev = t->event;
	const char *p = memchr(line.p, ' ', line.n);
	struct str rest = p != NULL ? str_n(p + 1, (size_t)(line.p + line.n - p - 1)) : (struct str){ 0 };

	ev->response = (struct message){ .status = rest.n >= 3 ? atoi(rest.p) : 0 };
	ev->outgoing->status_text = rest.n > 4 ? arena_str(&ev->arena, str_n(rest.p + 4, rest.n - 4)) : STR("");
	t->location = (struct str){ 0 };
}

static bool
is_redirect(int status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static bool
has_body(const struct transfer *t)
{
	return !str_eq(t->method, STR("HEAD")) && t->event->response.status != 304 && t->event->response.status != 204;
}

/* The head is complete. */
static void
take_end(struct transfer *t)
{
	const struct message *m = &t->event->response;

	if (m->status < 200)
		return;
	t->in_body = true;
	t->moved = is_redirect(m->status) && t->location.p && t->event->outgoing->redirect == REDIRECT_FOLLOW;
	if (!t->moved && has_body(t))
		list_push(t->heads, &t->head);
}

static void
take_field(struct transfer *t, struct str line)
{
	struct event *ev = t->event;
	const char *colon = memchr(line.p, ':', line.n);
	struct str name, value;

	if (colon == NULL || colon == line.p)
		return;
	name = trimmed(str_n(line.p, (size_t)(colon - line.p)));
	value = trimmed(str_n(colon + 1, (size_t)(line.p + line.n - colon - 1)));
	if (!head_is_name(name) || is_one_of(name, of_connection))
		return;
	value = arena_str(&ev->arena, value);
	message_add_header(&ev->arena, &ev->response, arena_str(&ev->arena, name), value);
	if (str_ieq(name, STR("location")) && !t->location.p)
		t->location = value;
}

static size_t
on_header(char *p, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;
	struct str line = str_n(p, size * n);

	if (t->in_body)			/* a trailer */
		return line.n;
	t->head_bytes += line.n;
	if (t->head_bytes > FETCH_HEAD_MAX) {
		t->head_too_large = true;
		return 0;
	}
	if (line.n >= 5 && memcmp(line.p, "HTTP/", 5) == 0)
		take_status(t, trimmed(line));
	else if (trimmed(line).n > 0)
		take_field(t, line);
	else
		take_end(t);
	return line.n;
}

/* ---- one hop ---- */

static int
read_url(struct transfer *t, const char *url)
{
	CURLUcode rc = curl.url_set(t->url, CURLUPART_URL, url, CURLU_DISALLOW_USER | CURLU_URLENCODE);
	char scheme[16];

	if (rc == CURLUE_USER_NOT_ALLOWED) {
		transfer_fail(t, "TypeError", "a URL with a user name or password is not sent; write them as the header authorization");
		return ERR_ARGUMENT;
	}
	if (rc != CURLUE_OK) {
		transfer_fail(t, "TypeError", "this is not a URL that can be asked: %s", curl.url_strerror(rc));
		return ERR_ARGUMENT;
	}
	transfer_part(t, CURLUPART_SCHEME, 0, scheme, sizeof scheme);
	if (strcasecmp(scheme, "http") != 0 && strcasecmp(scheme, "https") != 0) {
		transfer_fail(t, "TypeError", "the URL must begin with http:// or https://, not with %s:", scheme);
		return ERR_ARGUMENT;
	}
	curl.url_set(t->url, CURLUPART_FRAGMENT, NULL, 0);
	return OK;
}

/* The host by name, or as an address written in the URL: that needs no connection to be refused. */
static int
check_host(struct transfer *t)
{
	struct address a;
	char host[256];

	transfer_part(t, CURLUPART_HOST, 0, host, sizeof host);
	t->named = allow_host(t->conf, str_c(host));
	if (!address_parse(str_c(host), &a) || may_reach(t, &a))
		return OK;
	transfer_fail_refused(t);
	return ERR_LIMIT;
}

static void
add_line(struct transfer *t, const char *fmt, struct str name, struct str value)
{
	char *line = xasprintf(fmt, (int)name.n, name.p, (int)value.n, value.p);

	t->headers = curl.slist_append(t->headers, line);
	free(line);
}

static bool
may_send(const struct transfer *t, struct str name)
{
	if (is_one_of(name, of_connection) || is_one_of(name, of_sender))
		return false;
	if (t->stranger && is_one_of(name, of_origin))
		return false;
	return body_sends(t) || !(t->streams || t->event->request.body.p) || !is_one_of(name, of_body);
}

static int
build_headers(struct transfer *t)
{
	const struct message *m = &t->event->request;

	curl.slist_free_all(t->headers);
	t->headers = NULL;
	for (unsigned i = 0; i < m->nheaders; i++) {
		const struct header *h = &m->headers[i];

		if (!may_send(t, h->name))
			continue;
		if (!head_is_name(h->name) || !head_is_value(h->value)) {
			transfer_fail(t, "TypeError", "the header \"%.*s\" holds what no header may", (int)(h->name.n > 80 ? 80 : h->name.n),
				h->name.p);
			return ERR_ARGUMENT;
		}
		add_line(t, h->value.n > 0 ? "%.*s: %.*s" : "%.*s;%.*s", h->name, h->value);
	}
	if (!message_header(m, STR("content-type")).p)
		add_line(t, "%.*s:%.*s", STR("content-type"), STR(""));	/* libcurl would say it is a form */
	add_line(t, "%.*s:%.*s", STR("expect"), STR(""));		/* and would wait a second for leave to send */
	if (t->in)
		add_line(t, "%.*s: %.*s", STR("transfer-encoding"), STR("chunked"));
	return OK;
}

static void
set_method(struct transfer *t, CURL *c)
{
	body_set(t, c);
	if (str_eq(t->method, STR("HEAD")))
		curl.easy_setopt(c, CURLOPT_NOBODY, 1L);
	else
		curl.easy_setopt(c, CURLOPT_CUSTOMREQUEST, t->method.p);
}

static void
set_callbacks(struct transfer *t, CURL *c)
{
	curl.easy_setopt(c, CURLOPT_PRIVATE, t);
	curl.easy_setopt(c, CURLOPT_ERRORBUFFER, t->error);
	curl.easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, on_socket);
	curl.easy_setopt(c, CURLOPT_OPENSOCKETDATA, t);
	curl.easy_setopt(c, CURLOPT_PREREQFUNCTION, on_connected);
	curl.easy_setopt(c, CURLOPT_PREREQDATA, t);
	curl.easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
	curl.easy_setopt(c, CURLOPT_HEADERDATA, t);
}

static void
set_options(struct transfer *t, CURL *c)
{
	curl.easy_setopt(c, CURLOPT_CURLU, t->url);
	curl.easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	curl.easy_setopt(c, CURLOPT_PROXY, "");			/* whatever the environment says */
	curl.easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl.easy_setopt(c, CURLOPT_QUICK_EXIT, 1L);		/* nobody waits for a resolver that hangs */
	curl.easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl.easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	curl.easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L);
	curl.easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L);
	if (t->conf->fetch.ca)
		curl.easy_setopt(c, CURLOPT_CAINFO, t->conf->fetch.ca);
	curl.easy_setopt(c, CURLOPT_CAPATH, NULL);		/* with a folder it would read all certificates at each connection */
	curl.easy_setopt(c, CURLOPT_HTTPHEADER, t->headers);
	if (!message_header(&t->event->request, STR("user-agent")).p)
		curl.easy_setopt(c, CURLOPT_USERAGENT, USER_AGENT);
	t->decodes = !message_header(&t->event->request, STR("accept-encoding")).p;
	if (t->decodes)
		curl.easy_setopt(c, CURLOPT_ACCEPT_ENCODING, "gzip, deflate");
}

int
transfer_begin(struct transfer *t, CURL *c)
{
	if (t->event->outgoing->redirects == 0 && read_url(t, t->event->outgoing->url.p) < 0)
		return ERR_ARGUMENT;
	if (check_host(t) < 0)
		return ERR_LIMIT;
	if (build_headers(t) < 0)
		return ERR_ARGUMENT;
	t->in_body = t->moved = t->refused = false;
	t->head_bytes = 0;
	t->error[0] = '\0';
	set_options(t, c);
	set_callbacks(t, c);
	set_method(t, c);
	return OK;
}

/* ---- the end of a hop ---- */

static void
origin(struct transfer *t, char *out, size_t n)
{
	char scheme[16], host[256], port[16];

	transfer_part(t, CURLUPART_SCHEME, 0, scheme, sizeof scheme);
	transfer_part(t, CURLUPART_HOST, 0, host, sizeof host);
	transfer_part(t, CURLUPART_PORT, CURLU_DEFAULT_PORT, port, sizeof port);
	snprintf(out, n, "%s://%s:%s", scheme, host, port);
}

/* Fetch standard 4.4, step 12: a POST becomes a GET at 301 and 302, everything but GET and HEAD at 303. */
static void
change_method(struct transfer *t)
{
	int status = t->event->response.status;
	bool post = str_eq(t->method, STR("POST")), safe = str_eq(t->method, STR("GET")) || str_eq(t->method, STR("HEAD"));

	if (!((status == 301 || status == 302) && post) && !(status == 303 && !safe))
		return;
	t->method = STR("GET");
	body_forget(t);
}

static bool
redirect(struct transfer *t)
{
	struct outgoing *out = t->event->outgoing;
	char before[300], after[300], *url = NULL;

	if (++out->redirects > REDIRECTS_MAX) {
		transfer_fail(t, "TypeError", "too many redirects, the last one to %.*s", (int)transfer_shown(t->location).n, t->location.p);
		return false;
	}
	origin(t, before, sizeof before);
	if (read_url(t, t->location.p) < 0)
		return false;
	origin(t, after, sizeof after);
	if (strcasecmp(before, after) != 0)
		t->stranger = true;
	change_method(t);
	if (t->in) {
		transfer_fail(t, "TypeError", "was redirected to %.*s, and its body, a stream, cannot be sent twice; send it there, or send a string",
			(int)transfer_shown(t->location).n, t->location.p);
		return false;
	}
	if (curl.url_get(t->url, CURLUPART_URL, &url, 0) == CURLUE_OK)
		out->url = arena_str(&t->event->arena, str_c(url));
	curl.free(url);
	return true;
}

static void
drop_coding(struct message *m)
{
	unsigned n = 0;

	for (unsigned i = 0; i < m->nheaders; i++)
		if (!is_one_of(m->headers[i].name, of_coding))
			m->headers[n++] = m->headers[i];
	m->nheaders = n;
}

/* The head of the answer, as the app sees it.  false: failed. */
static bool
finish_head(struct transfer *t)
{
	struct event *ev = t->event;
	struct message *m = &ev->response;
	char *url = NULL;

	if (is_redirect(m->status) && t->location.p && ev->outgoing->redirect == REDIRECT_ERROR) {
		transfer_fail(t, "TypeError", "answered with a redirect to %.*s, and redirect = \"error\" was asked for",
			(int)transfer_shown(t->location).n, t->location.p);
		return false;
	}
	if (t->decodes && has_body(t) && message_header(m, STR("content-encoding")).p)
		drop_coding(m);
	if (curl.url_get(t->url, CURLUPART_URL, &url, 0) == CURLUE_OK)
		ev->outgoing->url = arena_str(&ev->arena, str_c(url));
	curl.free(url);
	return true;
}

struct event *
transfer_open(struct transfer *t)
{
	struct event *ev = t->event;
	struct str url;

	if (!finish_head(t))
		return NULL;
	url = transfer_shown(ev->outgoing->url);
	t->shown = xasprintf("%.*s", (int)url.n, url.p);
	body_open(t, &ev->response);
	t->event = NULL;
	return ev;
}

/* All of it is here.  More than may be held in one string is left to be read in pieces. */
static void
complete(struct transfer *t)
{
	struct event *ev = t->event;

	if (!finish_head(t) || !has_body(t))
		return;
	if (t->answer.n > t->conf->fetch.body_max)
		body_open(t, &ev->response);
	else
		ev->response.body = arena_str(&ev->arena, t->answer.p ? buf_slice(&t->answer) : STR(""));
}

bool
transfer_hop_done(struct transfer *t, CURLcode code)
{
	if (code != CURLE_OK) {
		transfer_fail_code(t, code);
		return false;
	}
	if (t->moved)
		return redirect(t);
	if (t->event)
		complete(t);
	body_close(t, NULL);
	return false;
}

/* ---- life ---- */

struct transfer *
transfer_new(struct event *ev, void (*stir)(void *transfer), void *owner)
{
	struct transfer *t = xcalloc(1, sizeof *t);

	list_init(&t->link);
	list_init(&t->head);
	t->event = ev;
	t->conf = ev->app->conf;
	t->method = ev->request.method;
	t->stir = stir;
	t->owner = owner;
	t->url = curl.url();
	must(t->url);
	return t;
}

struct event *
transfer_end(struct transfer *t)
{
	struct event *ev = t->event;

	must(!t->easy && !list_linked(&t->link) && !timer_is_set(&t->limit));
	list_del(&t->head);
	t->event = NULL;
	body_fini(t);
	t->gone = true;
	return ev;
}

void
transfer_free(struct transfer **tp)
{
	struct transfer *t = *tp;

	*tp = NULL;
	must(t->gone);
	curl.url_cleanup(t->url);
	curl.slist_free_all(t->headers);
	free(t->shown);
	free(t);
}

/* http.c -- from libh2o's request to an event, and from its end to the access log. */
#include "net/http.h"

#include <inttypes.h>

#include "base/clock.h"
#include "net/answer.h"
#include "net/client.h"
#include "net/server.h"
#include "net/stream.h"

/* libh2o's own timer reads the wall clock and cannot tell idle from slow; conn.c has better ones.  Ten years: it subtracts this
 * from the time since 1970, so more than that would fire at once. */
#define NEVER_MS (10ull * 365 * 86400 * 1000)

static struct str
str_of(h2o_iovec_t v)
{
	return str_n(v.base, v.len);
}

const struct server_conf *
http_server_of(const struct conn *c, struct str host)
{
	const struct server_conf *s = c->thread->server->options.settings->servers;

	if (s->next == NULL)
		return c->first;
	s = route_server(c->thread->server->options.settings, c->port, host);
	return s != NULL ? s : c->first;
}

/* ---- the way in ---- */

static void
on_answer(struct event *ev)
{
	struct conn *c = ev->caller;

	if (c == NULL) {	/* the connection has died meanwhile */
		event_free(&ev);
		return;
	}
	c->answered = true;
	answer_event(c, ev);
}

static const struct transport http_transport = { .answer = on_answer };

enum { KEPT_HEADERS = 3 };

/* libh2o keeps these to itself; an app expects to see them. */
static void
add_kept_headers(h2o_req_t *req, struct message *m)
{
	m->headers[m->nheaders++] = (struct header){ STR("host"), m->authority };
	if (req->upgrade.base != NULL)
		m->headers[m->nheaders++] = (struct header){ STR("upgrade"), str_of(req->upgrade) };
	if (req->entity.base != NULL) {
		char *n = h2o_mem_alloc_pool(&req->pool, 24);
		m->headers[m->nheaders++] = (struct header){ STR("content-length"), str_n(n, (size_t)sprintf(n, "%zu",
			req->entity.len)) };
	}
}

/* Borrows from the request: event_own() copies should the event outlive it. */
static void
fill_request(struct conn *c, h2o_req_t *req, struct message *m)
{
	m->method = str_of(req->method);
	m->scheme = STR("http");
	m->authority = str_of(req->authority);
	m->path = str_of(req->path);
	if (m->path.n > 7 && m->path.p[0] != '/') {	/* "http://host/path", as head.c let it pass */
		const char *end = m->path.p + m->path.n, *host = m->path.p + 7;
		const char *slash = memchr(host, '/', (size_t)(end - host));
		m->authority = str_n(host, (size_t)((slash != NULL ? slash : end) - host));
		m->path = slash != NULL ? str_n(slash, (size_t)(end - slash)) : STR("/");
	}
	m->body = str_of(req->entity);
	m->headers = h2o_mem_alloc_pool(&req->pool, (req->headers.size + KEPT_HEADERS + CLIENT_HEADERS) * sizeof *m->headers);
	client_headers(http_server_of(c, m->authority), str_n(c->peer, c->peer_n), req, m);
	add_kept_headers(req, m);
}

static void
to_app(struct conn *c, h2o_req_t *req, const struct app_conf *conf)
{
	struct worker *w = c->thread->worker;
	struct event *ev = event_new(EVENT_FETCH, &http_transport, c, w);

	ev->app = &w->runtime->apps[conf->index];
	ev->request_id = c->request_id = runtime_request_id(w->runtime);
	fill_request(c, req, &ev->request);
	c->app = conf->name;
	c->event = ev;
	worker_front(w, ev);
	if (!worker_front_done(w, ev))
		conn_watch(c);
}

static int
on_req(h2o_handler_t *self, h2o_req_t *req)
{
	struct conn *c = conn_of(req);
	const struct location_conf *l;

	(void)self;
	c->req = req;
	if (access_log_on(&c->thread->access))
		c->began_us = clock_us();
	l = route_find(c->thread->server->options.settings, c->port, str_of(req->authority), str_of(req->path_normalized));
	if (l != NULL && l->app != NULL)
		to_app(c, req, l->app);
	else if (l == NULL)
		answer_text(req, 404, "Not found: no location of this server serves this path.");
	else if (site_serve(&c->thread->site, l, req))
		conn_sending(c);
	else
		answer_text(req, 404, "Not found: there is no such file.");
	return 0;
}

/* ---- the end of a request ---- */

static struct str
header_of(const h2o_req_t *req, const h2o_token_t *token)
{
	ssize_t i = h2o_find_header(&req->headers, token, -1);

	return i >= 0 ? str_of(req->headers.entries[i].value) : (struct str){ 0 };
}

static void
log_request(struct conn *c, h2o_req_t *req)
{
	h2o_timestamp_t now;

	h2o_get_timestamp(req->conn->ctx, &req->pool, &now);
	access_log_write(&c->thread->access, &(struct access_entry){
		.client = str_n(c->peer, c->peer_n), .time = str_c(now.str->log), .method = str_of(req->input.method),
		.target = str_of(req->input.path), .version = req->version, .status = c->status ? c->status : req->res.status,
		.bytes = req->bytes_sent - c->head_bytes, .referer = header_of(req, H2O_TOKEN_REFERER),
		.agent = header_of(req, H2O_TOKEN_USER_AGENT), .took_us = clock_us() - c->began_us,
		.request_id = c->request_id, .app = str_c(c->app) });
}

/* libh2o calls its loggers when it is done with a request, sent or cut short, just before the memory goes. */
static void
on_end(h2o_logger_t *self, h2o_req_t *req)
{
	struct conn *c = conn_of(req);

	(void)self;
	if (c->req == NULL)
		return;
	if (access_log_on(&c->thread->access))
		log_request(c, req);
	stream_end(c);
	if (c->event != NULL && c->answered) {
		event_free(&c->event);
	} else if (c->event != NULL) {
		c->event->caller = NULL;
		worker_abandon(c->thread->worker, c->event);
		c->event = NULL;
	}
	c->req = NULL;
	c->answered = false;
	c->head_bytes = 0;
	c->request_id = 0;
	c->app = NULL;
	c->status = 0;
	conn_ended(c);
}

/* ---- beginning and end of a thread ---- */

static void
add_logger(h2o_pathconf_t *path)
{
	h2o_create_logger(path, sizeof(h2o_logger_t))->log_access = on_end;
}

void
http_init(struct thread *t)
{
	h2o_globalconf_t *conf = &t->conf;

	h2o_config_init(conf);
	conf->server_name = h2o_iovec_init(NULL, 0);
	conf->max_request_entity_size = SIZE_MAX / 2;	/* conn.c holds each server's own limit */
	conf->http1.req_timeout = NEVER_MS;
	conf->http1.upgrade_to_http2 = 0;
	h2o_hostconf_t *host = h2o_config_register_host(conf, h2o_iovec_init(H2O_STRLIT("default")), 65535);
	h2o_pathconf_t *path = h2o_config_register_path(host, "/", 0);
	h2o_create_handler(path, sizeof(h2o_handler_t))->on_req = on_req;
	add_logger(path);
	site_init(&t->site, conf, t->server->options.settings, add_logger);
	h2o_context_init(&t->ctx, t->loop.ev, conf);
	t->hosts[0] = host;
	t->hosts[1] = NULL;
}

void
http_fini(struct thread *t)
{
	h2o_context_dispose(&t->ctx);
	h2o_config_dispose(&t->conf);
	site_fini(&t->site);
}

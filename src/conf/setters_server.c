/* setters_server.c -- what stands in server { }: addresses, host names, locations. */
#include "conf/parse.h"

#include <arpa/inet.h>
#include <ctype.h>

#include "base/address.h"
#include "base/err.h"
#include "conf/values.h"

int
set_server(struct parse *p, const struct directive *d, const struct statement *st)
{
	struct settings *s = p->frame->target;
	struct server_conf *server = parse_new(p, sizeof(*server));

	(void)d;
	server->at = st->name.at;
	server->names = parse_new(p, sizeof(*server->names));
	conf_append(s->servers, server);
	p->open_target = server;
	return parse_defaults(p, IN_SERVER, server);
}

/* ---- listen ---- */

/* "*", "localhost" and numbers; no other names, so that nothing is looked up at start. */
static const char *
read_host(struct parse *p, struct str host)
{
	char *s = arena_strdup(&p->settings->arena, arena_str(&p->settings->arena, host).p);
	unsigned char raw[16];
	size_t n = strlen(s);

	if (strcmp(s, "*") == 0)
		return "0.0.0.0";
	if (strcmp(s, "localhost") == 0)
		return "127.0.0.1";
	if (n > 2 && s[0] == '[' && s[n - 1] == ']') {
		s[n - 1] = '\0';
		return inet_pton(AF_INET6, s + 1, raw) == 1 ? s + 1 : NULL;
	}
	return inet_pton(AF_INET, s, raw) == 1 ? s : NULL;
}

static int
read_listen(struct parse *p, const struct token *t, struct listen_conf *l)
{
	const char *colon = strrchr(t->text, ':'), *port = colon ? colon + 1 : t->text;
	int64_t n;

	l->host = "127.0.0.1";
	if (colon)
		l->host = read_host(p, str_n(t->text, (size_t)(colon - t->text)));
	if (!l->host)
		return place_error(t->at, "\"%.80s\" is not [address:]port (the address a number, *, or localhost); write  "
			"listen 127.0.0.1:8787;", t->text);
	if (!value_number(port, &n) || n < 1 || n > 65535)
		return place_error(t->at, "\"%.80s\" is not a port (1 to 65535); write  listen %.*s8787;", port,
			(int)(port - t->text), t->text);
	l->port = (int)n;
	return OK;
}

int
set_listen(struct parse *p, const struct directive *d, const struct statement *st)
{
	struct server_conf *server = p->frame->target;
	struct listen_conf *l = parse_new(p, sizeof(*l));
	int rc = read_listen(p, &st->args[0], l);

	(void)d;
	if (rc != OK)
		return rc;
	l->at = st->name.at;
	for (struct listen_conf *o = server->listens; o; o = o->next)
		if (o->port == l->port && strcmp(o->host, l->host) == 0)
			return place_error(st->name.at, "listen %s stands here twice, first at %s:%d:%d; remove one of the two",
				st->args[0].text, o->at.file, o->at.line, o->at.column);
	conf_append(server->listens, l);
	return OK;
}

/* ---- server_name ---- */

/* Letters, digits, - and . with at most one * in front: *.example.org. "_" is any host. */
static bool
good_host_name(const char *s)
{
	if (strcmp(s, "_") == 0)
		return true;
	if (*s == '[')		/* [::1] */
		return s[strspn(s, "[0123456789abcdef:.]")] == '\0';
	if (strncmp(s, "*.", 2) == 0)
		s += 2;
	return *s && *s != '.' && s[strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-_.")] == '\0';
}

static size_t
count_names(const char **names)
{
	size_t n = 0;

	while (names[n])
		n++;
	return n;
}

int
set_server_name(struct parse *p, const struct directive *d, const struct statement *st)
{
	struct server_conf *server = p->frame->target;
	size_t have = count_names(server->names);
	const char **names = parse_new(p, (have + st->n + 1) * sizeof(*names));

	memcpy(names, server->names, have * sizeof(*names));
	server->names = names;
	for (unsigned i = 0; i < st->n; i++) {
		char *name = arena_strdup(&p->settings->arena, st->args[i].text);

		for (char *c = name; *c; c++)
			*c = (char)tolower((unsigned char)*c);
		if (!good_host_name(name))
			return place_error(st->args[i].at, "\"%.80s\" is not a host name (no scheme, no port, no path); write  %s",
				st->args[i].text, d->write);
		for (size_t j = 0; j < have; j++)
			if (strcmp(names[j], name) == 0)
				return place_error(st->args[i].at, "server_name \"%s\" stands here twice; remove one of the two", name);
		names[have++] = name;
	}
	return OK;
}

int
set_trusted_proxy(struct parse *p, const struct directive *d, const struct statement *st)
{
	struct server_conf *server = p->frame->target;

	for (unsigned i = 0; i < st->n; i++) {
		struct network_conf *n = parse_new(p, sizeof(*n));

		n->text = st->args[i].text;
		if (!network_parse(str_c(n->text), &n->network))
			return place_error(st->args[i].at, "\"%.80s\" is neither an address nor a network (ADDRESS/BITS, with no bits set behind "
				"BITS; no name, no port); write  %s", n->text, d->write);
		conf_append(server->trusted, n);
	}
	return OK;
}

/* ---- location ---- */

/* Exact ones first, then the longest prefix; equals stay in the order of the file. */
static bool
goes_before(const struct location_conf *a, const struct location_conf *b)
{
	if (a->exact != b->exact)
		return a->exact;
	return strlen(a->path) > strlen(b->path);
}

static void
insert_location(struct server_conf *server, struct location_conf *l)
{
	struct location_conf **at = &server->locations;

	while (*at && !goes_before(l, *at))
		at = &(*at)->next;
	l->next = *at;
	*at = l;
}

/* location /path, location = /path, and nginx's location =/path */
static int
read_location(const struct directive *d, const struct statement *st, struct location_conf *l)
{
	const struct token *t = &st->args[st->n - 1], *first = &st->args[0];

	l->path = t->text;
	l->exact = st->n == 2;
	if (st->n == 1 && *t->text == '=') {
		l->path++;
		l->exact = true;
	}
	if (first->text[0] == '~' || strcmp(first->text, "^~") == 0)
		return place_error(first->at, "locations are prefixes, no regular expressions; write  %s", d->write);
	if (st->n == 2 && strcmp(first->text, "=") != 0)
		return place_error(first->at, "\"%.60s\" is not a kind of location (nothing, or =); write  location = %.80s {",
			first->text, *t->text == '/' ? t->text : "/");
	if (*l->path != '/')
		return place_error(t->at, "\"%.80s\" is not a path from the root; write  location %s/%.80s {", t->text,
			l->exact ? "= " : "", l->path);
	return OK;
}

int
set_location(struct parse *p, const struct directive *d, const struct statement *st)
{
	struct server_conf *server = p->frame->target;
	struct location_conf *l = parse_new(p, sizeof(*l));
	int rc = read_location(d, st, l);

	if (rc != OK)
		return rc;
	l->at = st->name.at;
	for (struct location_conf *o = server->locations; o; o = o->next)
		if (o->exact == l->exact && strcmp(o->path, l->path) == 0)
			return place_error(st->name.at, "location %s%s stands here twice, first at %s:%d:%d; remove one of the two",
				l->exact ? "= " : "", l->path, o->at.file, o->at.line, o->at.column);
	insert_location(server, l);
	p->open_target = l;
	return OK;
}

/* A location is served by one thing. */
static int
take_content(struct location_conf *l, const struct statement *st)
{
	struct place o = l->content_at;

	if (o.line)
		return place_error(st->name.at, "this location is served already by what stands at %s:%d:%d; keep one of app, root and alias",
			o.file, o.line, o.column);
	l->content_at = st->name.at;
	return OK;
}

int
set_location_app(struct parse *p, const struct directive *d, const struct statement *st)
{
	struct location_conf *l = p->frame->target;
	struct pending_app *pending = parse_new(p, sizeof(*pending));

	(void)d;
	*pending = (struct pending_app){ NULL, l, st->args[0].text, st->args[0].at };
	conf_append(p->pending, pending);
	return take_content(l, st);
}

int
set_location_files(struct parse *p, const struct directive *d, const struct statement *st)
{
	int rc = take_content(p->frame->target, st);

	return rc == OK ? set_value(p, d, st) : rc;
}

static int
unknown_app(const struct settings *s, const struct pending_app *want)
{
	const struct app_conf *nearest = s->apps;
	struct buf b = { 0 };
	int rc;

	for (struct app_conf *app = s->apps; app; app = app->next) {
		buf_printf(&b, "%s%s", app == s->apps ? "" : ", ", app->name);
		if (value_distance(app->name, want->name) < value_distance(nearest->name, want->name))
			nearest = app;
	}
	if (s->apps)
		rc = place_error(want->at, "no app is called \"%.80s\"; declared are: %s; write  app %s;", want->name, b.p,
			nearest->name);
	else
		rc = place_error(want->at, "no app is called \"%.80s\", none is declared; write  app %.80s { root apps/%.80s; "
			"main main.lua; }  before the server", want->name, want->name, want->name);
	buf_fini(&b);
	return rc;
}

int
parse_link_apps(struct parse *p)
{
	for (struct pending_app *want = p->pending; want; want = want->next) {
		want->location->app = settings_app(p->settings, want->name);
		if (!want->location->app)
			return unknown_app(p->settings, want);
	}
	return OK;
}

/* check.c -- what no single line shows: names that must meet, files that must exist.
 *
 * Whether a class stands in the code is for the Lua host to say; here
 * nothing is run.
 */
#include "conf/parse.h"
#include "conf/values.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/err.h"

/* ---- apps ---- */

static struct class_conf *
find_class(const struct app_conf *app, const char *name)
{
	struct class_conf *c = app->classes;

	while (c && strcmp(c->name, name) != 0)
		c = c->next;
	return c;
}

static int
check_class_of(const struct settings *s, const struct app_conf *app, const struct binding_conf *b)
{
	const struct app_conf *of = b->script_name ? settings_app(s, b->script_name) : app;

	if (!of)
		return place_error(b->at, "no app is called \"%s\"; script_name names the app whose class it is: write  binding %s class_name=%s "
			"script_name=%s;", b->script_name, b->name, b->class_name, app->name);
	if (find_class(of, b->class_name))
		return OK;
	if (of != app)
		return place_error(b->at, "the app %s has no class \"%s\": no migration found for class; add  migrations { v1 { "
			"new_sqlite_classes %s; } }  to it", of->name, b->class_name, b->class_name);
	return place_error(b->at, "class \"%s\" has no migration: no migration found for class; add  migrations { v1 { "
		"new_sqlite_classes %s; } }", b->class_name, b->class_name);
}

static int
check_bindings(const struct settings *s, const struct app_conf *app)
{
	for (struct binding_conf *b = app->bindings; b; b = b->next) {
		if (check_class_of(s, app, b) != OK)
			return ERR_CONF;
		for (struct var_conf *v = app->vars; v; v = v->next)
			if (strcmp(v->name, b->name) == 0)
				return place_error(v->at, "env.%s is the binding at %s:%d:%d already; rename the variable", v->name, b->at.file,
					b->at.line, b->at.column);
	}
	return OK;
}

static int
apply_on_error(const struct app_conf *app)
{
	for (struct on_error_conf *o = app->on_errors; o; o = o->next) {
		struct class_conf *c = find_class(app, o->class_name);

		if (!c)
			return place_error(o->at, "no migration creates the class \"%.80s\"; on_error rollback takes names of classes that one does",
				o->class_name);
		c->rollback = true;
	}
	return OK;
}

/* Storage is kept by app and class, so this is no error; but it is rarely meant. */
static void
warn_same_class(const struct app_conf *app)
{
	for (struct class_conf *c = app->classes; c; c = c->next)
		for (struct app_conf *o = app->next; o; o = o->next)
			if (find_class(o, c->name))
				log_warn("%s:%d:%d: the apps %s and %s both have a class %s; their objects and data are kept apart", c->at.file,
					c->at.line, c->at.column, app->name, o->name, c->name);
}

static int
check_app(const struct settings *s, const struct app_conf *app)
{
	if (!app->main)
		return place_error(app->at, "app \"%s\" has no main; write  main %s.lua;", app->name, app->name);
	warn_same_class(app);
	if (apply_on_error(app) != OK)
		return ERR_CONF;
	return check_bindings(s, app);
}

/* ---- servers ---- */

static const struct listen_conf *
shared_port(const struct server_conf *a, const struct server_conf *b)
{
	for (struct listen_conf *l = b->listens; l; l = l->next)
		for (struct listen_conf *o = a->listens; o; o = o->next)
			if (o->port == l->port)
				return l;
	return NULL;
}

static bool
any_host(const struct server_conf *s)
{
	if (!s->names[0])
		return true;
	for (const char **n = s->names; *n; n++)
		if (strcmp(*n, "_") == 0)
			return true;
	return false;
}

static const char *
shared_name(const struct server_conf *a, const struct server_conf *b)
{
	for (const char **n = a->names; *n; n++)
		for (const char **m = b->names; *m; m++)
			if (strcmp(*n, *m) == 0)
				return *n;
	return any_host(a) && any_host(b) ? "any host" : NULL;
}

/* Two servers on one port are told apart by host alone. */
static int
check_shadow(const struct server_conf *first, const struct server_conf *second)
{
	const struct listen_conf *l = shared_port(first, second);
	const char *name = l ? shared_name(first, second) : NULL;

	if (!name)
		return OK;
	return place_error(l->at, "port %d is served for %s by the server at %s:%d:%d already; write another port, or  "
		"server_name example.org;  in one of them", l->port, name, first->at.file, first->at.line, first->at.column);
}

static int
check_server(const struct server_conf *s)
{
	int rc;

	if (!s->listens)
		return place_error(s->at, "this server listens nowhere; write  server { listen 8787;");
	for (struct location_conf *l = s->locations; l; l = l->next)
		if (!l->app && !l->root && !l->alias)
			return place_error(l->at, "location %s%s is served by nothing; write  app NAME;  or  root DIR;  or  alias DIR;  in it",
				l->exact ? "= " : "", l->path);
	for (struct server_conf *o = s->next; o; o = o->next)
		if ((rc = check_shadow(s, o)) != OK)
			return rc;
	return OK;
}

/* A new segment may be begun between two looks at the disk: store/room.h. */
static int
check_min_free(const struct settings *s)
{
	struct buf least = { 0 };
	int rc = OK;

	if (!s->min_free || s->min_free >= s->journal_segment)
		return OK;
	value_print_size(&least, (int64_t)s->journal_segment);
	rc = place_error(s->min_free_at, "min_free is less than one journal_segment, which the server may need to begin while the disk fills; "
		"write  min_free %s;  or  min_free 0;  to refuse no writes", least.p);
	buf_fini(&least);
	return rc;
}

int
check_names(const struct settings *s)
{
	int rc = check_min_free(s);

	if (rc != OK)
		return rc;

	for (struct app_conf *app = s->apps; app; app = app->next)
		if ((rc = check_app(s, app)) != OK)
			return rc;
	for (struct server_conf *server = s->servers; server; server = server->next)
		if ((rc = check_server(server)) != OK)
			return rc;
	if (!s->servers)
		return place_error((struct place){ s->file, 1, 1 }, "no server: nothing would listen; write  server { listen 8787; "
			"location / { %s%s; } }", s->apps ? "app " : "root ", s->apps ? s->apps->name : "public");
	return OK;
}

/* ---- files ---- */

static int
check_folder(const char *path, struct place at, const char *what)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return place_error(at, "%s \"%s\": %s; create the folder, or write the path from where drey is started", what, path,
			strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return place_error(at, "%s \"%s\" is not a folder; write the folder's name", what, path);
	return OK;
}

static int
check_file(const char *root, const char *name, struct place at, const char *what)
{
	struct buf path = { 0 };
	struct stat st;
	int rc = OK;

	buf_printf(&path, "%s/%s", root, name);
	if (stat(path.p, &st) < 0)
		rc = place_error(at, "%s \"%s\": %s: %s; create the file, or write its name in root", what, name, path.p,
			strerror(errno));
	else if (!S_ISREG(st.st_mode))
		rc = place_error(at, "%s \"%s\": %s is not a file; write the name of a Lua file in root", what, name, path.p);
	buf_fini(&path);
	return rc;
}

static int
check_ca(const struct app_conf *app)
{
	const char *ca = app->fetch.ca;
	struct stat st;

	if (!ca || (stat(ca, &st) == 0 && S_ISREG(st.st_mode)))
		return OK;
	return place_error(app->at, "fetch_ca \"%s\" of app %s is not a file that can be read; write the path of a file of certificates "
		"(PEM), relative to where drey is started", ca, app->name);
}

static int
check_app_files(const struct app_conf *app)
{
	int rc;

	if ((rc = check_folder(app->root, app->root_at, "root")) != OK)
		return rc;
	if ((rc = check_file(app->root, app->main, app->main_at, "main")) != OK || (rc = check_ca(app)) != OK)
		return rc;
	for (struct source_conf *s = app->sources; s; s = s->next)
		if ((rc = check_file(app->root, s->path, s->at, "source")) != OK)
			return rc;
	return OK;
}

/* An exact location's alias may be one file. */
static int
check_location_files(const struct location_conf *l)
{
	struct stat st;

	if (l->alias && l->exact && stat(l->alias, &st) == 0 && S_ISREG(st.st_mode))
		return OK;
	if (l->alias)
		return check_folder(l->alias, l->content_at, "alias");
	return l->root ? check_folder(l->root, l->content_at, "root") : OK;
}

int
check_files(const struct settings *s)
{
	int rc;

	for (struct app_conf *app = s->apps; app; app = app->next)
		if ((rc = check_app_files(app)) != OK)
			return rc;
	for (struct server_conf *server = s->servers; server; server = server->next)
		for (struct location_conf *l = server->locations; l; l = l->next)
			if ((rc = check_location_files(l)) != OK)
				return rc;
	return OK;
}

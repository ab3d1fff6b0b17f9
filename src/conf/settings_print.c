/* settings_print.c -- drey -T: the settings as a file, from the directive table.
 *
 * Defaults are written out, includes are gone; reading it gives the same
 * settings again.
 */
#include "base/err.h"
#include "conf/parse.h"
#include "conf/values.h"

#define NAME_WIDTH 22		/* so that values stand below one another */

static void print_block(struct buf *, int depth, unsigned context, const void *target);

static void
indent(struct buf *out, int depth)
{
	buf_printf(out, "%*s", depth * 4, "");
}

/* "    name                  " */
static void
begin(struct buf *out, int depth, const char *name)
{
	indent(out, depth);
	buf_printf(out, "%-*s ", NAME_WIDTH, name);
}

static void
end(struct buf *out)
{
	buf_c(out, ";\n");
}

/* A variable or a tag may be called like a directive, then it stands in quotes. */
static void
print_name(struct buf *out, int depth, const char *name)
{
	indent(out, depth);
	if (directive_contexts(name))
		buf_printf(out, "\"%s\"", name);
	else
		value_print_word(out, name);
	buf_byte(out, ' ');
}

static void
print_line(struct buf *out, int depth, const char *name, const char *word)
{
	begin(out, depth, name);
	value_print_word(out, word);
	end(out);
}

static void
open_block(struct buf *out, int depth, const char *name, const char *word)
{
	indent(out, depth);
	buf_printf(out, "%s ", name);
	if (word) {
		value_print_word(out, word);
		buf_byte(out, ' ');
	}
	buf_c(out, "{\n");
}

static void
close_block(struct buf *out, int depth)
{
	indent(out, depth);
	buf_c(out, "}\n");
}

/* ---- by kind and offset ---- */

void
directive_print_value(struct buf *out, const struct directive *d, const void *target)
{
	const void *field = (const char *)target + d->offset;

	switch (d->kind) {
	case VALUE_TEXT:
		value_print_word(out, *(const char *const *)field);
		break;
	case VALUE_SIZE:
		value_print_size(out, *(const int64_t *)field);
		break;
	case VALUE_TIME:
		value_print_time(out, *(const int64_t *)field);
		break;
	case VALUE_NUMBER:
		buf_printf(out, "%lld", (long long)*(const int64_t *)field);
		break;
	case VALUE_FLAG:
		buf_c(out, *(const bool *)field ? "on" : "off");
		break;
	case VALUE_CUSTOM:
		break;
	}
}

static void
print_value(struct buf *out, int depth, const struct directive *d, const void *target)
{
	const void *field = (const char *)target + d->offset;

	if (d->kind == VALUE_CUSTOM || (d->kind == VALUE_TEXT && !*(const char *const *)field))
		return;
	begin(out, depth, d->name);
	directive_print_value(out, d, target);
	end(out);
}

static void
print_block(struct buf *out, int depth, unsigned context, const void *target)
{
	for (const struct directive *d = directives; d < directives + directives_n; d++) {
		if (!(d->contexts & context))
			continue;
		if (d->print)
			d->print(out, depth, d, target);
		else if (d->name && !d->opens)
			print_value(out, depth, d, target);
	}
}

void
print_nothing(struct buf *out, int depth, const struct directive *d, const void *target)
{
	(void)out;
	(void)depth;
	(void)d;
	(void)target;
}

/* ---- the server as a whole ---- */

void
print_worker_threads(struct buf *out, int depth, const struct directive *d, const void *target)
{
	const struct settings *s = target;

	begin(out, depth, d->name);
	buf_printf(out, "%u", s->worker_threads);
	end(out);
}

void
print_jurisdictions(struct buf *out, int depth, const struct directive *d, const void *target)
{
	const struct settings *s = target;

	for (int j = 1; j < JURISDICTIONS; j++)
		if (s->within[j])
			print_line(out, depth, d->name, jurisdiction_names[j]);
}

void
print_error_log(struct buf *out, int depth, const struct directive *d, const void *target)
{
	static const char *const words[] = {
		[LOG_ERROR] = "error", [LOG_WARN] = "warn", [LOG_INFO] = "info", [LOG_DEBUG] = "debug",
	};
	const struct settings *s = target;

	begin(out, depth, d->name);
	value_print_word(out, s->error_log);
	buf_printf(out, " %s", words[s->error_log_level]);
	end(out);
}

void
print_access_log(struct buf *out, int depth, const struct directive *d, const void *target)
{
	const struct settings *s = target;

	print_line(out, depth, d->name, s->access_log ? s->access_log : "off");
}

/* ---- apps ---- */

void
print_apps(struct buf *out, int depth, const struct directive *d, const void *target)
{
	const struct settings *s = target;

	for (struct app_conf *app = s->apps; app; app = app->next) {
		buf_byte(out, '\n');
		open_block(out, depth, d->name, app->name);
		print_block(out, depth + 1, d->opens, app);
		close_block(out, depth);
	}
}

void
print_sources(struct buf *out, int depth, const struct directive *d, const void *target)
{
	const struct app_conf *app = target;

	for (struct source_conf *s = app->sources; s; s = s->next)
		print_line(out, depth, d->name, s->path);
}

void
print_bindings(struct buf *out, int depth, const struct directive *d, const void *target)
{
	const struct app_conf *app = target;

	if (!app->bindings)
		return;
	open_block(out, depth, d->name, NULL);
	for (struct binding_conf *b = app->bindings; b; b = b->next) {
		begin(out, depth + 1, "binding");
		buf_printf(out, "%s class_name=%s", b->name, b->class_name);
		if (b->script_name)
			buf_printf(out, " script_name=%s", b->script_name);
		end(out);
	}
	close_block(out, depth);
}

void
print_migrations(struct buf *out, int depth, const struct directive *d, const void *target)
{
	const struct app_conf *app = target;
	const char *tag = NULL;

	if (!app->classes)
		return;
	open_block(out, depth, d->name, NULL);
	for (struct class_conf *c = app->classes; c; c = c->next) {
		if (tag && strcmp(tag, c->tag) != 0)
			close_block(out, depth + 1);
		if (!tag || strcmp(tag, c->tag) != 0) {
			print_name(out, depth + 1, c->tag);
			buf_c(out, "{\n");
		}
		tag = c->tag;
		print_line(out, depth + 2, c->sqlite ? "new_sqlite_classes" : "new_classes", c->name);
	}
	close_block(out, depth + 1);
	close_block(out, depth);
}

void
print_on_error(struct buf *out, int depth, const struct directive *d, const void *target)
{
	const struct app_conf *app = target;

	for (struct on_error_conf *o = app->on_errors; o; o = o->next) {
		begin(out, depth, d->name);
		buf_printf(out, "rollback %s", o->class_name);
		end(out);
	}
}

void
print_vars(struct buf *out, int depth, const struct directive *d, const void *target)
{
	const struct app_conf *app = target;

	if (!app->vars)
		return;
	open_block(out, depth, d->name, NULL);
	for (struct var_conf *v = app->vars; v; v = v->next) {
		print_name(out, depth + 1, v->name);
		value_print_word(out, v->value);
		end(out);
	}
	close_block(out, depth);
}

void
print_profile(struct buf *out, int depth, const struct directive *d, const void *target)
{
	const struct app_conf *app = target;

	if (app->profile)
		print_line(out, depth, d->name, app->profile);
}

void
print_limits(struct buf *out, int depth, const struct directive *d, const void *target)
{
	const struct app_conf *app = target;

	open_block(out, depth, d->name, NULL);
	print_block(out, depth + 1, d->opens, app);
	close_block(out, depth);
}

/* ---- servers ---- */

void
print_servers(struct buf *out, int depth, const struct directive *d, const void *target)
{
	const struct settings *s = target;

	for (struct server_conf *server = s->servers; server; server = server->next) {
		buf_byte(out, '\n');
		open_block(out, depth, d->name, NULL);
		print_block(out, depth + 1, d->opens, server);
		close_block(out, depth);
	}
}

void
print_listens(struct buf *out, int depth, const struct directive *d, const void *target)
{
	const struct server_conf *server = target;

	for (struct listen_conf *l = server->listens; l; l = l->next) {
		begin(out, depth, d->name);
		buf_printf(out, strchr(l->host, ':') ? "[%s]:%d" : "%s:%d", l->host, l->port);
		end(out);
	}
}

void
print_server_names(struct buf *out, int depth, const struct directive *d, const void *target)
{
	const struct server_conf *server = target;

	for (const char **name = server->names; *name; name++)
		print_line(out, depth, d->name, *name);
}

void
print_trusted_proxies(struct buf *out, int depth, const struct directive *d, const void *target)
{
	const struct server_conf *server = target;

	for (const struct network_conf *n = server->trusted; n; n = n->next)
		print_line(out, depth, d->name, n->text);
}

void
print_locations(struct buf *out, int depth, const struct directive *d, const void *target)
{
	const struct server_conf *server = target;

	for (struct location_conf *l = server->locations; l; l = l->next) {
		indent(out, depth);
		buf_printf(out, "%s %s", d->name, l->exact ? "= " : "");
		value_print_word(out, l->path);
		buf_c(out, " {\n");
		print_block(out, depth + 1, d->opens, l);
		close_block(out, depth);
	}
}

void
print_location_app(struct buf *out, int depth, const struct directive *d, const void *target)
{
	const struct location_conf *l = target;

	if (l->app)
		print_line(out, depth, d->name, l->app->name);
}

void
settings_print(const struct settings *s, struct buf *out)
{
	print_block(out, 0, IN_MAIN, s);
}

/* setters_app.c -- what stands in app { }: files, bindings, migrations, variables. */
#include "conf/parse.h"

#include <ctype.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/log.h"
#include "conf/values.h"

/* Names become folders in data_dir. */
static bool
good_app_name(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");

	return n > 0 && n <= 64 && s[n] == '\0' && *s != '-';
}

int
set_app(struct parse *p, const struct directive *d, const struct statement *st)
{
	const struct token *t = &st->args[0];
	struct settings *s = p->frame->target;
	struct app_conf *app = settings_app(s, t->text);

	if (!good_app_name(t->text))
		return place_error(t->at, "\"%.80s\" is not an app's name (letters, digits, _ and -, 64 at most); write  %s", t->text,
			d->write);
	if (app)
		return parse_twice(t, "app", app->at);
	app = parse_new(p, sizeof(*app));
	app->name = t->text;
	app->at = app->root_at = st->name.at;
	app->index = s->napps++;
	conf_append(s->apps, app);
	parse_defaults(p, IN_APP, app);
	parse_defaults(p, IN_ALL_LIMITS, app);
	p->open_target = app;
	return OK;
}

int
set_app_root(struct parse *p, const struct directive *d, const struct statement *st)
{
	struct app_conf *app = p->frame->target;

	if (st->name.at.line)		/* not the default */
		app->root_at = st->args[0].at;
	return set_value(p, d, st);
}

/* main and source are files inside root: what lies outside could not be required, nor reloaded. */
static int
check_inside(const struct directive *d, const struct token *t)
{
	const char *s = t->text;

	if (*s == '/')
		return place_error(t->at, "\"%.200s\" must be relative to the app's root; write  %s", s, d->write);
	for (; s; s = strchr(s, '/'), s = s ? s + 1 : NULL)
		if (strncmp(s, "..", 2) == 0 && (s[2] == '/' || s[2] == '\0'))
			return place_error(t->at, "\"%.200s\" leaves the app's root; move the file into it, or set root further up",
				t->text);
	return OK;
}

int
set_main(struct parse *p, const struct directive *d, const struct statement *st)
{
	struct app_conf *app = p->frame->target;
	int rc = check_inside(d, &st->args[0]);

	app->main_at = st->args[0].at;
	return rc == OK ? set_value(p, d, st) : rc;
}

int
set_source(struct parse *p, const struct directive *d, const struct statement *st)
{
	struct app_conf *app = p->frame->target;
	int rc;

	for (unsigned i = 0; i < st->n; i++) {
		struct source_conf *src = parse_new(p, sizeof(*src));

		if ((rc = parse_word(d, &st->args[i], &src->path)) != OK || (rc = check_inside(d, &st->args[i])) != OK)
			return rc;
		for (struct source_conf *o = app->sources; o; o = o->next)
			if (strcmp(o->path, src->path) == 0)
				return place_error(st->args[i].at, "source \"%s\" stands here twice, first at %s:%d:%d; remove one of the two",
					src->path, o->at.file, o->at.line, o->at.column);
		src->at = st->args[i].at;
		conf_append(app->sources, src);
	}
	return OK;
}

int
set_compatibility_date(struct parse *p, const struct directive *d, const struct statement *st)
{
	static const unsigned char days[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	const char *s = st->args[0].text;
	bool good = strlen(s) == 10;

	for (int i = 0; good && i < 10; i++)
		good = i == 4 || i == 7 ? s[i] == '-' : isdigit((unsigned char)s[i]) != 0;
	if (good) {
		int month = atoi(s + 5), day = atoi(s + 8);

		good = month >= 1 && month <= 12 && day >= 1 && day <= days[month - 1];
	}
	if (!good)
		return place_error(st->args[0].at, "\"%.60s\" is not a date (year-month-day); write  %s", s, d->write);
	((struct app_conf *)p->frame->target)->compatibility_at = st->name.at;
	return set_value(p, d, st);
}

int
set_binding(struct parse *p, const struct directive *d, const struct statement *st)
{
	static const char key[] = "class_name=", script[] = "script_name=";
	const struct token *name = &st->args[0], *class = &st->args[1];
	struct app_conf *app = p->frame->target;
	struct binding_conf *b = parse_new(p, sizeof(*b));

	(void)d;
	if (!value_is_name(name->text))
		return place_error(name->at, "\"%.80s\" is not a binding's name (letters, digits and _); write  "
			"binding COUNTER class_name=Counter;", name->text);
	if (st->n > 2 && (strncmp(st->args[2].text, script, sizeof(script) - 1) != 0 || !good_app_name(st->args[2].text + sizeof(script) - 1)))
		return place_error(st->args[2].at, "\"%.80s\" is not script_name=APP; write  binding %s class_name=Room script_name=chat;",
			st->args[2].text, name->text);
	if (strncmp(class->text, key, sizeof(key) - 1) != 0)
		return place_error(class->at, "\"%.80s\" is not class_name=Class; write  binding %s class_name=%.80s;", class->text,
			name->text, value_is_name(class->text) ? class->text : "Counter");
	b->name = name->text;
	b->class_name = class->text + sizeof(key) - 1;
	b->script_name = st->n > 2 ? st->args[2].text + sizeof(script) - 1 : NULL;
	b->at = st->name.at;
	if (!value_is_name(b->class_name))
		return place_error(class->at, "\"%.80s\" is not a class's name (letters, digits and _); write  binding %s "
			"class_name=Counter;", b->class_name, name->text);
	for (struct binding_conf *o = app->bindings; o; o = o->next)
		if (strcmp(o->name, b->name) == 0)
			return parse_twice(name, "binding", o->at);
	conf_append(app->bindings, b);
	return OK;
}

/* ---- migrations ---- */

int
set_migration(struct parse *p, const struct directive *d, const struct statement *st)
{
	struct app_conf *app = p->frame->target;

	(void)d;
	for (struct migration_tag *o = p->tags; o; o = o->next)
		if (o->app == app && strcmp(o->tag, st->name.text) == 0)
			return parse_twice(&st->name, "migration", o->at);
	struct migration_tag *tag = parse_new(p, sizeof(*tag));

	*tag = (struct migration_tag){ p->tags, app, st->name.text, st->name.at };
	p->tags = tag;
	p->open_target = app;
	return OK;
}

static int
add_class(struct parse *p, const struct token *t, bool sqlite)
{
	struct app_conf *app = p->frame->target;
	struct class_conf *c = parse_new(p, sizeof(*c));

	if (!value_is_name(t->text))
		return place_error(t->at, "\"%.80s\" is not a class's name (letters, digits and _); write  new_sqlite_classes Counter;",
			t->text);
	for (struct class_conf *o = app->classes; o; o = o->next)
		if (strcmp(o->name, t->text) == 0)
			return place_error(t->at, "class \"%s\" begins twice, first at %s:%d:%d; remove it here", t->text, o->at.file,
				o->at.line, o->at.column);
	*c = (struct class_conf){ .name = t->text, .tag = p->frame->name, .sqlite = sqlite, .at = t->at };
	conf_append(app->classes, c);
	return OK;
}

int
set_new_classes(struct parse *p, const struct directive *d, const struct statement *st)
{
	bool sqlite = strcmp(d->name, "new_sqlite_classes") == 0;
	struct buf names = { 0 };
	int rc = OK;

	for (unsigned i = 0; rc == OK && i < st->n; i++) {
		rc = add_class(p, &st->args[i], sqlite);
		buf_printf(&names, " %s", st->args[i].text);
	}
	if (rc == OK && !sqlite)
		log_warn("%s:%d:%d: new_classes gives objects without SQL; for a new class write  new_sqlite_classes%s;",
			st->name.at.file, st->name.at.line, st->name.at.column, names.p);
	buf_fini(&names);
	return rc;
}

int
set_on_error(struct parse *p, const struct directive *d, const struct statement *st)
{
	struct app_conf *app = p->frame->target;

	if (strcmp(st->args[0].text, "rollback") != 0)
		return place_error(st->args[0].at, "on_error knows rollback, not \"%.60s\"; write  %s", st->args[0].text, d->write);
	for (unsigned i = 1; i < st->n; i++) {
		struct on_error_conf *o = parse_new(p, sizeof(*o));

		*o = (struct on_error_conf){ .class_name = st->args[i].text, .at = st->args[i].at };
		conf_append(app->on_errors, o);
	}
	return OK;
}

int
set_var(struct parse *p, const struct directive *d, const struct statement *st)
{
	struct app_conf *app = p->frame->target;
	struct var_conf *v = parse_new(p, sizeof(*v));

	(void)d;
	*v = (struct var_conf){ .name = st->name.text, .value = st->args[0].text, .at = st->name.at };
	if (!value_is_name(v->name))
		return place_error(st->name.at, "\"%.80s\" is not a variable's name (letters, digits and _); write  GREETING \"hi\";",
			v->name);
	for (struct var_conf *o = app->vars; o; o = o->next)
		if (strcmp(o->name, v->name) == 0)
			return parse_twice(&st->name, "variable", o->at);
	conf_append(app->vars, v);
	return OK;
}

int
set_strict_globals(struct parse *p, const struct directive *d, const struct statement *st)
{
	struct app_conf *app = p->frame->target;

	app->strict_written = true;
	return set_value(p, d, st);
}

/* ---- limits ---- */

int
set_profile(struct parse *p, const struct directive *d, const struct statement *st)
{
	const struct token *t = &st->args[0];
	struct app_conf *app = p->frame->target;

	if (strcmp(t->text, "cloudflare") != 0)
		return place_error(t->at, "\"%.60s\" is not a profile, there is one; write  %s", t->text, d->write);
	app->profile = t->text;
	app->profile_at = st->name.at;
	return OK;
}

int
set_limit(struct parse *p, const struct directive *d, const struct statement *st)
{
	struct app_conf *app = p->frame->target;

	if (st->name.at.line) {		/* neither a default nor the profile's */
		struct written_conf *w = parse_new(p, sizeof(*w));

		*w = (struct written_conf){ .name = d->name, .at = st->name.at };
		conf_append(app->written, w);
	}
	return set_value(p, d, st);
}

/* limits.c -- a row for each limit of the directive table, as text or as JSON. */
#include "cmd/limits.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "cmd/options.h"
#include "conf/directives.h"
#include "conf/settings.h"

struct row {
	const struct app_conf *app;
	const struct directive *d;
	const char *block;	/* "limits", "sql_limits" */
	const char *value;
	bool written;		/* or a default */
	struct place at;
};

/* The directive that opens the block in which this one stands. */
static const char *
block_of(const struct directive *d)
{
	for (const struct directive *b = directives; b < directives + directives_n; b++)
		if (b->opens == d->contexts)
			return b->name;
	must(!"a limit stands in a block");
	return NULL;
}

static void
print_heading(struct buf *out, const struct app_conf *app)
{
	buf_printf(out, "%sapp %s\n", out->n ? "\n" : "", app->name);
}

static void
print_text(struct buf *out, const struct row *r)
{
	buf_printf(out, "    %-10s %-16s %-10s default %-10s ", r->block, r->d->name, r->value, r->d->initial);
	if (r->written)
		buf_printf(out, "%s:%d\n", r->at.file, r->at.line);
	else
		buf_c(out, "not written\n");
}

/* Between quotes.  Names and paths: what is not ASCII stays. */
static void
print_string(struct buf *out, const char *s)
{
	buf_byte(out, '"');
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			buf_printf(out, "\\%c", *s);
		else if ((unsigned char)*s < 0x20)
			buf_printf(out, "\\u%04x", (unsigned char)*s);
		else
			buf_byte(out, (unsigned char)*s);
	}
	buf_byte(out, '"');
}

static void
print_json(struct buf *out, const struct row *r)
{
	const struct {
		const char *key, *text;
	} fields[] = {
		{ "app", r->app->name }, { "block", r->block }, { "name", r->d->name }, { "value", r->value },
		{ "default", r->d->initial }, { "original", r->d->original }, { "help", r->d->help },
		{ "file", r->at.file },
	};

	buf_c(out, out->n ? ",\n  {" : "[\n  {");
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (!fields[i].text)
			continue;
		print_string(out, fields[i].key);
		buf_c(out, ": ");
		print_string(out, fields[i].text);
		buf_c(out, ", ");
	}
	buf_printf(out, "\"line\": %d, \"written\": %s}", r->at.line, r->written ? "true" : "false");
}

static void
print_app(struct buf *out, const struct app_conf *app, void (*print)(struct buf *, const struct row *))
{
	struct buf value = { 0 };

	for (const struct directive *d = directives; d < directives + directives_n; d++) {
		struct row r = { .app = app, .d = d };

		if (!directive_is_limit(d))
			continue;
		buf_clear(&value);
		directive_print_value(&value, d, app);
		r.block = block_of(d);
		r.value = value.p;
		r.at = settings_limit_at(app, d->name);
		r.written = r.at.line != app->at.line || r.at.column != app->at.column || strcmp(r.at.file, app->at.file) != 0;
		print(out, &r);
	}
	buf_fini(&value);
}

static int
print_all(const char *path, bool json)
{
	struct settings *set = settings_load(path);
	struct buf out = { 0 };

	if (!set) {
		fprintf(stderr, "drey: %s\n", err_text());
		return EXIT_FAILURE;
	}
	for (const struct app_conf *app = set->apps; app; app = app->next) {
		if (!json)
			print_heading(&out, app);
		print_app(&out, app, json ? print_json : print_text);
	}
	if (json)
		buf_c(&out, out.n ? "\n]\n" : "[]\n");
	fwrite(out.p, 1, out.n, stdout);
	buf_fini(&out);
	settings_free(&set);
	return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int
limits_run(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "conf", required_argument, NULL, 'c' }, { "json", no_argument, NULL, 'j' }, { NULL, 0, NULL, 0 },
	};
	const char *path = OPTIONS_CONF_DEFAULT;
	bool json = false, bad = false;
	int c;

	opterr = 0;
	optind = 0;
	while ((c = getopt_long(argc, argv, "+c:", longs, NULL)) != -1) {
		if (c == 'c')
			path = optarg;
		json |= c == 'j';
		bad |= c == '?';
	}
	if (!bad && optind == argc)
		return print_all(path, json);
	fprintf(stderr, "drey: limits takes nothing else; write  drey limits [-c FILE] [--json]\n");
	return OPTIONS_EXIT_USAGE;
}

/* parse.c -- statements and blocks: the grammar, and what can be wrong with it.
 *
 * One statement at a time: name, arguments, then ; or a block.  It is judged
 * against its row, then its setter is called.  The first error ends it all.
 *
 * A forgotten ; or { shows only in the next line, but it is reported where it
 * should have been: a word that begins a line and is a directive here, or
 * one argument too many, was not meant as an argument.
 */
#include "conf/parse.h"

#include "base/err.h"
#include "conf/values.h"

static int parse_block(struct parse *, struct lexer *, bool braces);

/* ---- texts for errors ---- */

/* The statement as it was written so far; lends, in the settings' arena. */
static const char *
statement_text(struct parse *p, const struct statement *st)
{
	struct buf b = { 0 };
	const char *text;

	value_print_word(&b, st->name.text);
	for (unsigned i = 0; i < st->n && b.n < 200; i++) {
		buf_byte(&b, ' ');
		value_print_word(&b, st->args[i].text);
	}
	text = arena_str(&p->settings->arena, buf_slice(&b)).p;
	buf_fini(&b);
	return text;
}

/* "in app or in location" */
static void
add_contexts(struct buf *b, unsigned contexts)
{
	const char *sep = "";

	for (unsigned bit = 1; bit & IN_ANY; bit <<= 1)
		if (contexts & bit) {
			buf_printf(b, "%s%s", sep, directive_context_name(bit));
			sep = " or ";
		}
}

static void
add_names_here(struct buf *b, unsigned context)
{
	const char *sep = "";

	for (const struct directive *d = directives; d < directives + directives_n; d++)
		if (d->name && (d->contexts & context)) {
			buf_printf(b, "%s%s", sep, d->name);
			sep = ", ";
		}
}

/* A line to copy, in the block it needs. */
static void
add_wrapped(struct buf *b, const struct directive *d)
{
	static const struct {
		unsigned context;
		const char *before, *after;
	} wraps[] = {
		{ IN_MAIN, "", "" }, { IN_APP, "app NAME { ", " }" }, { IN_OBJECTS, "durable_objects { ", " }" },
		{ IN_MIGRATIONS, "migrations { ", " }" }, { IN_MIGRATION, "migrations { v1 { ", " } }" },
		{ IN_LIMITS, "limits { ", " }" }, { IN_SQL_LIMITS, "sql_limits { ", " }" }, { IN_OVERLOAD, "overload { ", " }" }, { IN_SERVER, "server { ", " }" },
		{ IN_LOCATION, "location / { ", " }" },
	};

	for (size_t i = 0; i < sizeof(wraps) / sizeof(wraps[0]); i++)
		if (d->contexts & wraps[i].context) {
			buf_printf(b, "%s%s%s", wraps[i].before, d->write, wraps[i].after);
			return;
		}
}

/* ---- what can be wrong with a name ---- */

/* The block that should have ended for the directive to stand in one of these contexts, or NULL. */
static const struct frame *
unclosed(const struct parse *p, unsigned contexts)
{
	for (const struct frame *f = p->frame; f && f->up; f = f->up)
		if (f->up->context & contexts)
			return f;
	return NULL;
}

static int
misplaced(struct parse *p, const struct token *name)
{
	unsigned contexts = directive_contexts(name->text);
	const struct directive *d = directive_find(name->text, contexts & -contexts);
	const struct frame *open = unclosed(p, contexts);
	struct buf b = { 0 };
	int rc;

	if (open && d->opens)
		return place_error(open->at, "the block \"%s\" opened here is not closed before \"%s\" (%s:%d:%d); write } before it",
			open->title, name->text, name->at.file, name->at.line, name->at.column);
	buf_printf(&b, "\"%s\" cannot stand %s; it belongs ", name->text, directive_context_name(p->frame->context));
	add_contexts(&b, contexts);
	buf_c(&b, "; write  ");
	add_wrapped(&b, d);
	if (open)
		buf_printf(&b, "  (or is the } missing that closes \"%s\", opened at %s:%d:%d?)", open->title, open->at.file,
			open->at.line, open->at.column);
	rc = place_error(name->at, "%s", b.p);
	buf_fini(&b);
	return rc;
}

static int
unknown(struct parse *p, const struct token *name)
{
	const struct directive *d = directive_nearest(name->text, p->frame->context);
	struct buf b = { 0 };
	int rc;

	if (directive_contexts(name->text))
		return misplaced(p, name);
	buf_printf(&b, "unknown directive \"%.100s\"", name->text);
	if (d) {
		buf_printf(&b, "; did you mean \"%s\"? write  ", d->name);
		if (d->contexts & p->frame->context)
			buf_c(&b, d->write);
		else
			add_wrapped(&b, d);
	} else {
		buf_printf(&b, "; write one of those that can stand %s: ", directive_context_name(p->frame->context));
		add_names_here(&b, p->frame->context);
	}
	rc = place_error(name->at, "%s", b.p);
	buf_fini(&b);
	return rc;
}

/* In vars and migrations any word is a name.  But a directive of a block
 * further out was meant for that one: a } is missing.  In vars it shows by its
 * block; a tag of migrations that is called like a directive must be quoted. */
static bool
strayed(struct parse *p, const struct directive *d, const struct statement *st)
{
	if (d->name || st->name.quoted || (!d->opens && !st->block))
		return false;
	return unclosed(p, directive_contexts(st->name.text)) != NULL;
}

/* ---- a statement's words ---- */

static int
missing(struct parse *p, const struct directive *d, const struct statement *st, const struct token *last, const char *before)
{
	const char *text = statement_text(p, st), *end = d->opens ? " {" : ";";

	return place_error(last->end, "missing %c after \"%s\"%s; write  %s%s", end[strlen(end) - 1], text, before, text, end);
}

/* Was this word meant to begin the next statement? */
static bool
begins_next(struct parse *p, const struct directive *d, const struct statement *st, const struct token *last,
	const struct token *word)
{
	const struct directive *next;

	if (word->at.line == last->end.line)
		return false;
	if (d->opens || st->n >= d->max)
		return true;
	next = directive_find(word->text, p->frame->context);
	return next && next->name && !word->quoted;
}

/* Everything up to ; or {. */
static int
read_args(struct parse *p, struct lexer *lx, const struct directive *d, struct statement *st)
{
	const struct token *last = &st->name;
	struct token t;
	int rc;

	for (;;) {
		if ((rc = lexer_next(lx, &t)) != OK)
			return rc;
		switch (t.kind) {
		case TOKEN_SEMICOLON:
			return OK;
		case TOKEN_OPEN:
			st->block = true;
			return OK;
		case TOKEN_CLOSE:
			return missing(p, d, st, last, " before }");
		case TOKEN_END:
			return missing(p, d, st, last, " before the end of the file");
		case TOKEN_WORD:
			break;
		}
		if (begins_next(p, d, st, last, &t))
			return missing(p, d, st, last, "");
		if (st->n == ARGS_MAX)
			return place_error(t.at, "more than %d arguments; write a second \"%s\"", ARGS_MAX, st->name.text);
		st->args[st->n] = t;
		last = &st->args[st->n++];
	}
}

static const char *
plural(unsigned n)
{
	return n == 1 ? "" : "s";
}

static int
check_count(const struct directive *d, const struct statement *st)
{
	const char *bound = d->min == d->max ? "" : st->n < d->min ? "at least " : "at most ";
	unsigned want = st->n < d->min ? d->min : d->max;
	struct place at = st->n > d->max ? st->args[d->max].at : st->name.at;

	if (st->n >= d->min && st->n <= d->max)
		return OK;
	if (d->max == 0)
		return place_error(at, "\"%s\" takes no arguments, found %u; write  %s", st->name.text, st->n, d->write);
	return place_error(at, "\"%s\" takes %s%u argument%s, found %u; write  %s", st->name.text, bound, want, plural(want),
		st->n, d->write);
}

static int
check_end(const struct directive *d, const struct statement *st)
{
	if (d->opens && !st->block)
		return place_error(st->name.at, "\"%s\" opens a block, but ends with ; here; write  %s", st->name.text, d->write);
	if (!d->opens && st->block)
		return place_error(st->name.at, "\"%s\" takes no block, but a { follows; write  %s", st->name.text, d->write);
	return OK;
}

static int
check_once(struct parse *p, const struct directive *d, const struct statement *st)
{
	struct place *seen = &p->frame->seen[d - directives];

	if (seen->line && !d->repeat)
		return place_error(st->name.at, "\"%s\" stands here twice, first at %s:%d:%d; keep one of the two", st->name.text,
			seen->file, seen->line, seen->column);
	*seen = st->name.at;
	return OK;
}

void *
parse_new(struct parse *p, size_t n)
{
	return arena_zalloc(&p->settings->arena, n);
}

int
parse_twice(const struct token *t, const char *what, struct place first)
{
	return place_error(t->at, "%s \"%s\" stands here twice, first at %s:%d:%d; rename one of the two", what, t->text,
		first.file, first.line, first.column);
}

/* ---- blocks ---- */

static void
frame_init(struct parse *p, struct frame *f, unsigned context, void *target)
{
	*f = (struct frame){ .up = p->frame, .context = context, .name = "", .title = "", .target = target };
	f->seen = arena_zalloc(&p->settings->arena, directives_n * sizeof(*f->seen));
}

static int
read_inside(struct parse *p, struct lexer *lx, const struct directive *d, const struct statement *st)
{
	struct frame f;
	int rc;

	frame_init(p, &f, d->opens, p->open_target);
	f.name = st->name.text;
	f.title = statement_text(p, st);
	f.at = st->name.at;
	p->frame = &f;
	rc = parse_block(p, lx, true);
	p->frame = f.up;
	return rc;
}

/* In quotes it is a name where any word may be one, even if a directive is called so. */
static const struct directive *
find_row(const struct parse *p, const struct token *name)
{
	const struct directive *d = name->quoted ? directive_find("", p->frame->context) : NULL;

	return d ? d : directive_find(name->text, p->frame->context);
}

static int
read_statement(struct parse *p, struct lexer *lx, const struct token *name)
{
	const struct directive *d = find_row(p, name);
	struct statement st;
	int rc;

	if (!d)
		return unknown(p, name);
	st.name = *name;
	st.n = 0;
	st.block = false;
	if ((rc = read_args(p, lx, d, &st)) != OK)
		return rc;
	if (strayed(p, d, &st))
		return misplaced(p, name);
	if ((rc = check_end(d, &st)) != OK || (rc = check_count(d, &st)) != OK || (rc = check_once(p, d, &st)) != OK)
		return rc;
	rc = d->set ? d->set(p, d, &st) : set_value(p, d, &st);
	if (rc == OK && d->opens)
		rc = read_inside(p, lx, d, &st);
	return rc;
}

static int
never_closed(const struct frame *f, const struct token *end)
{
	return place_error(f->at, "the block \"%s\" opened here is never closed; write } before the end of the file (line %d)",
		f->title, end->at.line);
}

/* braces: up to the } that closes the frame; else up to the end of the file. */
static int
parse_block(struct parse *p, struct lexer *lx, bool braces)
{
	struct token t;
	int rc;

	for (;;) {
		if ((rc = lexer_next(lx, &t)) != OK)
			return rc;
		switch (t.kind) {
		case TOKEN_WORD:
			if ((rc = read_statement(p, lx, &t)) != OK)
				return rc;
			break;
		case TOKEN_CLOSE:
			if (braces)
				return OK;
			return place_error(t.at, "unexpected }: no block is open here; remove it");
		case TOKEN_END:
			return braces ? never_closed(p->frame, &t) : OK;
		case TOKEN_SEMICOLON:
			return place_error(t.at, "unexpected ;: nothing stands before it; remove it (a block ends with } alone)");
		case TOKEN_OPEN:
			return place_error(t.at, "unexpected {: a block needs a name before it; write for example  server {");
		}
	}
}

int
parse_text(struct parse *p, const char *file, struct str text)
{
	struct lexer lx;

	lexer_init(&lx, &p->settings->arena, file, text);
	return parse_block(p, &lx, false);
}

/* ---- defaults, and the whole ---- */

static int
apply(struct parse *p, const struct directive *d, const char *text)
{
	struct arena *a = &p->settings->arena;
	struct statement st = { .name = { .text = d->name, .at = { "default", 0, 0 } } };
	struct lexer lx;
	struct token t;

	lexer_init(&lx, a, "default", str_c(text));
	while (lexer_next(&lx, &t) == OK && t.kind == TOKEN_WORD)
		st.args[st.n++] = t;
	return d->set ? d->set(p, d, &st) : set_value(p, d, &st);
}

int
parse_defaults(struct parse *p, unsigned context, void *target)
{
	struct frame f;
	int rc = OK;

	frame_init(p, &f, context, target);
	p->frame = &f;
	for (const struct directive *d = directives; rc == OK && d < directives + directives_n; d++)
		if ((d->contexts & context) && d->initial)
			rc = apply(p, d, d->initial);
	p->frame = f.up;
	must(rc == OK);		/* a default its own row refuses is a bug in the table */
	return rc;
}

static bool
is_written(const struct app_conf *app, const struct directive *d)
{
	for (const struct written_conf *w = app->written; w; w = w->next)
		if (strcmp(w->name, d->name) == 0)
			return true;
	return false;
}

/* The original's numbers, where none is written.  When all is read, so that the order in the file does not matter. */
static void
apply_profile(struct parse *p, struct app_conf *app)
{
	struct frame f;

	frame_init(p, &f, IN_ALL_LIMITS, app);
	p->frame = &f;
	for (const struct directive *d = directives; d < directives + directives_n; d++)
		if (d->original && !is_written(app, d))
			must(apply(p, d, d->original) == OK);
	p->frame = f.up;
}

static int
parse_all(struct parse *p, const char *file, struct str text)
{
	struct frame top;
	int rc;

	parse_defaults(p, IN_MAIN, p->settings);
	frame_init(p, &top, IN_MAIN, p->settings);
	p->frame = &top;
	rc = parse_text(p, file, text);
	p->frame = NULL;
	for (struct app_conf *app = p->settings->apps; rc == OK && app; app = app->next) {
		if (app->profile)
			apply_profile(p, app);
		if (!app->strict_written)
			app->strict_globals = app->dev_errors;
	}
	/* It grows with the segments, unless it is written out; then check.c looks at it. */
	if (!p->settings->min_free_at.line && p->settings->min_free < p->settings->journal_segment)
		p->settings->min_free = p->settings->journal_segment;
	return rc == OK ? parse_link_apps(p) : rc;
}

struct settings *
settings_parse(const char *file, struct str text)
{
	struct settings *s = xcalloc(1, sizeof(*s));
	struct source_file source = { .path = file };
	struct parse p = { .settings = s, .file = &source };

	arena_init(&s->arena);
	s->file = source.path = arena_strdup(&s->arena, file);
	include_identify(file, &source);
	if (parse_all(&p, s->file, text) != OK)
		settings_free(&s);
	return s;
}

/* setters.c -- values by kind, and the directives of the server as a whole. */
#include "conf/parse.h"

#include <sched.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "conf/values.h"

/* ---- values by kind ---- */

static const struct {
	const char *what;
	bool (*read)(const char *, int64_t *);
	const char *(*guess)(const char *, struct buf *);
	void (*print)(struct buf *, int64_t);
} kinds[] = {
	[VALUE_SIZE] = { "a size (bytes, or a number with k, m or g)", value_size, value_guess_size, value_print_size },
	[VALUE_TIME] = { "a time (a number with ms, s, m, h or d)", value_time, value_guess_time, value_print_time },
	[VALUE_NUMBER] = { "a whole number", value_number, NULL, NULL },
};

static int
not_a_value(const struct directive *d, const struct token *t)
{
	struct buf b = { 0 };
	const char *guess = kinds[d->kind].guess ? kinds[d->kind].guess(t->text, &b) : NULL;
	int rc;

	if (guess)
		rc = place_error(t->at, "\"%.60s\" is not %s; write  %s %s;", t->text, kinds[d->kind].what, d->name, guess);
	else
		rc = place_error(t->at, "\"%.60s\" is not %s; write  %s", t->text, kinds[d->kind].what, d->write);
	buf_fini(&b);
	return rc;
}

static int
out_of_bounds(const struct directive *d, const struct token *t, bool low)
{
	int64_t bound = low ? d->least : d->most;
	struct buf b = { 0 };
	int rc;

	if (kinds[d->kind].print)
		kinds[d->kind].print(&b, bound);
	else
		buf_printf(&b, "%lld", (long long)bound);
	rc = place_error(t->at, "%s %.60s is too %s, the %s is %s; write  %s %s;", d->name, t->text, low ? "small" : "large",
		low ? "least" : "most", b.p, d->name, b.p);
	buf_fini(&b);
	return rc;
}

static int
read_number(const struct directive *d, const struct token *t, int64_t *n)
{
	if (!kinds[d->kind].read(t->text, n))
		return not_a_value(d, t);
	if (*n < d->least || *n > d->most)
		return out_of_bounds(d, t, *n < d->least);
	return OK;
}

static int
read_flag(const struct directive *d, const struct token *t, bool *flag)
{
	const char *guess = value_guess_flag(t->text);

	if (value_flag(t->text, flag))
		return OK;
	return place_error(t->at, "\"%.60s\" is neither on nor off; write  %s %s;", t->text, d->name, guess ? guess : "on");
}

int
parse_word(const struct directive *d, const struct token *t, const char **word)
{
	if (*t->text == '\0')
		return place_error(t->at, "\"%s\" is given an empty text; write  %s", d->name, d->write);
	*word = t->text;
	return OK;
}

int
set_value(struct parse *p, const struct directive *d, const struct statement *st)
{
	void *field = (char *)p->frame->target + d->offset;

	switch (d->kind) {
	case VALUE_TEXT:
		return parse_word(d, &st->args[0], field);
	case VALUE_FLAG:
		return read_flag(d, &st->args[0], field);
	case VALUE_SIZE:
	case VALUE_TIME:
	case VALUE_NUMBER:
		return read_number(d, &st->args[0], field);	/* never negative: good for uint64_t too */
	case VALUE_CUSTOM:
		break;
	}
	must(!"a row without a setter has a kind");
	return ERR_CONF;
}

/* ---- blocks ---- */

int
set_same(struct parse *p, const struct directive *d, const struct statement *st)
{
	(void)d;
	(void)st;
	p->open_target = p->frame->target;
	return OK;
}

/* ---- the server as a whole ---- */

static unsigned
processors(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 0)
		return (unsigned)CPU_COUNT(&set);
	return sysconf(_SC_NPROCESSORS_ONLN) > 0 ? (unsigned)sysconf(_SC_NPROCESSORS_ONLN) : 1;
}

const char *const jurisdiction_names[JURISDICTIONS] = {
	[JURISDICTION_EU] = "eu", [JURISDICTION_FEDRAMP] = "fedramp", [JURISDICTION_US] = "us"
};

int
set_jurisdiction(struct parse *p, const struct directive *d, const struct statement *st)
{
	struct settings *s = p->frame->target;

	for (unsigned i = 0; i < st->n; i++) {
		int j = 1;

		while (j < JURISDICTIONS && strcmp(jurisdiction_names[j], st->args[i].text) != 0)
			j++;
		if (j == JURISDICTIONS)
			return place_error(st->args[i].at, "\"%.60s\" is not a jurisdiction, there are eu, fedramp and us; write  %s",
				st->args[i].text, d->write);
		s->within[j] = true;
	}
	return OK;
}

int
set_worker_threads(struct parse *p, const struct directive *d, const struct statement *st)
{
	const struct token *t = &st->args[0];
	struct settings *s = p->frame->target;
	int64_t n;

	if (strcmp(t->text, "auto") == 0) {
		s->worker_threads = processors();
		if (s->worker_threads > d->most)
			s->worker_threads = (unsigned)d->most;
		return OK;
	}
	if (!value_number(t->text, &n))
		return place_error(t->at, "\"%.60s\" is not a number of threads; write  %s", t->text, d->write);
	if (n < d->least || n > d->most)
		return place_error(t->at, "worker_threads %.60s is not between %lld and %lld; write  %s", t->text,
			(long long)d->least, (long long)d->most, d->write);
	s->worker_threads = (unsigned)n;
	return OK;
}

int
set_min_free(struct parse *p, const struct directive *d, const struct statement *st)
{
	struct settings *s = p->frame->target;

	s->min_free_at = st->name.at;
	return set_value(p, d, st);
}

int
set_error_log(struct parse *p, const struct directive *d, const struct statement *st)
{
	struct settings *s = p->frame->target;
	int level = st->n > 1 ? log_level_of(st->args[1].text) : LOG_INFO;

	if (strcmp(st->args[0].text, "off") == 0)
		return place_error(st->args[0].at, "the error log cannot be off; write  error_log /dev/null error;");
	if (level < 0)
		return place_error(st->args[1].at, "\"%.60s\" is not a level (error, warn, info or debug); write  error_log %s info;",
			st->args[1].text, st->args[0].text);
	s->error_log_level = (enum log_level)level;
	return parse_word(d, &st->args[0], &s->error_log);
}

int
set_access_log(struct parse *p, const struct directive *d, const struct statement *st)
{
	struct settings *s = p->frame->target;

	s->access_log = NULL;
	if (strcmp(st->args[0].text, "off") == 0)
		return OK;
	return parse_word(d, &st->args[0], &s->access_log);
}

/* values.c -- units and names. */
#include "conf/values.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

struct unit {
	const char *word;
	int64_t of;
};

static const struct unit sizes[] = {	/* largest first: value_print_size() takes the first that divides */
	{ "g", 1 << 30 }, { "m", 1 << 20 }, { "k", 1 << 10 }, { NULL, 0 },
};

static const struct unit times[] = {
	{ "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 }, { NULL, 0 },
};

/* Digits from *s on; false without any, or beyond 63 bits. */
static bool
digits(const char **s, int64_t *out)
{
	int64_t n = 0;

	if (!isdigit((unsigned char)**s))
		return false;
	for (; isdigit((unsigned char)**s); ++*s)
		if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, **s - '0', &n))
			return false;
	*out = n;
	return true;
}

/* Letters from *s on, as a unit; NULL if it is none. */
static const struct unit *
unit_of(const struct unit *units, const char **s)
{
	size_t n = 0;

	while (isalpha((unsigned char)(*s)[n]))
		n++;
	for (const struct unit *u = units; u->word; u++)
		if (strlen(u->word) == n && strncasecmp(u->word, *s, n) == 0) {
			*s += n;
			return u;
		}
	return NULL;
}

bool
value_number(const char *s, int64_t *out)
{
	return digits(&s, out) && *s == '\0';
}

bool
value_size(const char *s, int64_t *out)
{
	const struct unit *u;

	if (!digits(&s, out))
		return false;
	if (*s == '\0')
		return true;
	u = unit_of(sizes, &s);
	return u && *s == '\0' && !__builtin_mul_overflow(*out, u->of, out);
}

bool
value_time(const char *s, int64_t *out)
{
	int64_t n, total = 0;
	const struct unit *u, *before = NULL;

	if (value_number(s, &n))
		return !__builtin_mul_overflow(n, 1000, out);
	while (*s) {
		if (!digits(&s, &n) || !(u = unit_of(times, &s)))
			return false;
		if (before && u <= before)	/* 1h30m, but not 30m1h and not 1h1h */
			return false;
		if (__builtin_mul_overflow(n, u->of, &n) || __builtin_add_overflow(total, n, &total))
			return false;
		before = u;
	}
	*out = total;
	return before != NULL;
}

bool
value_flag(const char *s, bool *out)
{
	*out = strcasecmp(s, "on") == 0;
	return *out || strcasecmp(s, "off") == 0;
}

/* ---- what was meant? ---- */

struct spelling {
	const char *word, *unit;
};

static const char *
guess(const char *s, struct buf *b, const struct spelling *words)
{
	size_t n = strspn(s, "0123456789");
	const char *rest = s + n + strspn(s + n, " _-");

	if (n == 0 || n > 18)
		return NULL;
	for (; words->word; words++)
		if (strcasecmp(rest, words->word) == 0) {
			buf_clear(b);
			buf_add(b, s, n);
			buf_c(b, words->unit);
			return b->p;
		}
	return NULL;
}

const char *
value_guess_size(const char *s, struct buf *b)
{
	static const struct spelling words[] = {
		{ "b", "" }, { "byte", "" }, { "bytes", "" }, { "k", "k" }, { "kb", "k" }, { "kib", "k" }, { "m", "m" },
		{ "mb", "m" }, { "mib", "m" }, { "g", "g" }, { "gb", "g" }, { "gib", "g" }, { NULL, NULL },
	};

	return guess(s, b, words);
}

const char *
value_guess_time(const char *s, struct buf *b)
{
	static const struct spelling words[] = {
		{ "sec", "s" }, { "secs", "s" }, { "second", "s" }, { "seconds", "s" }, { "msec", "ms" }, { "millis", "ms" },
		{ "milliseconds", "ms" }, { "min", "m" }, { "mins", "m" }, { "minute", "m" }, { "minutes", "m" },
		{ "hour", "h" }, { "hours", "h" }, { "day", "d" }, { "days", "d" }, { "s", "s" }, { "ms", "ms" },
		{ "m", "m" }, { "h", "h" }, { "d", "d" }, { NULL, NULL },
	};

	return guess(s, b, words);
}

const char *
value_guess_flag(const char *s)
{
	static const struct spelling words[] = {
		{ "yes", "on" }, { "true", "on" }, { "1", "on" }, { "enable", "on" }, { "enabled", "on" },
		{ "no", "off" }, { "false", "off" }, { "0", "off" }, { "disable", "off" }, { "disabled", "off" },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcasecmp(s, words[i].word) == 0)
			return words[i].unit;
	return NULL;
}

/* ---- writing ---- */

static void
print_unit(struct buf *out, int64_t n, const struct unit *units)
{
	for (const struct unit *u = units; u->word; u++)
		if (n % u->of == 0) {
			buf_printf(out, "%lld%s", (long long)(n / u->of), u->word);
			return;
		}
	buf_printf(out, "%lld", (long long)n);
}

void
value_print_size(struct buf *out, int64_t bytes)
{
	if (bytes == 0)
		buf_c(out, "0");
	else
		print_unit(out, bytes, sizes);
}

void
value_print_time(struct buf *out, int64_t ms)
{
	if (ms == 0)
		buf_c(out, "0s");
	else
		print_unit(out, ms, times);
}

static bool
needs_quotes(const char *s)
{
	return *s == '\0' || *s == '#' || strpbrk(s, " \t\r\n;{}\"'\\") != NULL;
}

void
value_print_word(struct buf *out, const char *s)
{
	if (!needs_quotes(s)) {
		buf_c(out, s);
		return;
	}
	buf_byte(out, '"');
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			buf_byte(out, '\\');
		buf_byte(out, (unsigned char)*s);
	}
	buf_byte(out, '"');
}

bool
value_is_name(const char *s)
{
	if (!isalpha((unsigned char)*s) && *s != '_')
		return false;
	while (isalnum((unsigned char)*s) || *s == '_')
		s++;
	return *s == '\0';
}

/* Optimal string alignment. */
unsigned
value_distance(const char *a, const char *b)
{
	enum { MAX = 32 };
	unsigned d[MAX + 1][MAX + 1];
	size_t n = strlen(a), m = strlen(b);

	if (n > MAX || m > MAX)
		return 2 * MAX;
	for (size_t i = 0; i <= n; i++)
		for (size_t j = 0; j <= m; j++) {
			unsigned best;

			if (i == 0 || j == 0) {
				d[i][j] = (unsigned)(i + j);
				continue;
			}
			best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
			if (d[i - 1][j] + 1 < best)
				best = d[i - 1][j] + 1;
			if (d[i][j - 1] + 1 < best)
				best = d[i][j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && d[i - 2][j - 2] + 1 < best)
				best = d[i - 2][j - 2] + 1;
			d[i][j] = best;
		}
	return d[n][m];
}

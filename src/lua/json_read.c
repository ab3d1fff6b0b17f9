/* json_read.c -- JSON text to Lua values, in one pass.
 *
 * A reader stops at the first thing that is wrong and remembers why and where;
 * line and column are counted only then.  Keys that stand twice: the last wins,
 * as everywhere.
 */
#include <lauxlib.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "lua/json.h"
#include "lua/value.h"

#define EXACT 9007199254740992ULL	/* 2^53: whole numbers up to here are numbers, beyond it int64 */

struct reader {
	lua_State *L;
	const unsigned char *start, *p, *end;	/* *end is a NUL, as behind every Lua string */
	const char *why;		/* NULL: all is well */
	const unsigned char *at;	/* what why is about */
	int depth;
};

static const char control_character[] = "a control character in a string; write it as \\u00";	/* and its two digits */

static bool read_value(struct reader *);

static bool
fail(struct reader *r, const unsigned char *at, const char *why)
{
	r->why = why;
	r->at = at;
	return false;
}

static void
skip(struct reader *r)
{
	while (*r->p == ' ' || *r->p == '\n' || *r->p == '\t' || *r->p == '\r')
		r->p++;
}

/* ---- strings ---- */

unsigned
json_utf8(const unsigned char *p, const unsigned char *end)
{
	size_t left = (size_t)(end - p);

	if (left == 0 || p[0] < 0x80)
		return left > 0;
	if (p[0] < 0xC2 || p[0] > 0xF4 || left < 2 || (p[1] & 0xC0) != 0x80)
		return 0;
	if (p[0] < 0xE0)
		return 2;
	if (left < 3 || (p[2] & 0xC0) != 0x80)
		return 0;
	if (p[0] < 0xF0)	/* no longer than needed, and no half of a surrogate pair */
		return (p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) ? 0 : 3;
	if (left < 4 || (p[3] & 0xC0) != 0x80)
		return 0;
	return (p[0] == 0xF0 && p[1] < 0x90) || (p[0] == 0xF4 && p[1] > 0x8F) ? 0 : 4;
}

/* What ends a run of plain characters: control characters, the quote, the backslash and all that is not ASCII. */
static bool
is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

static int
hex4(const unsigned char *p)
{
	int code = 0;

	for (int i = 0; i < 4; i++) {
		int c = p[i] | 0x20;

		if (p[i] >= '0' && p[i] <= '9')
			code = code * 16 + p[i] - '0';
		else if (c >= 'a' && c <= 'f')
			code = code * 16 + c - 'a' + 10;
		else
			return -1;
	}
	return code;
}

static char *
put_utf8(char *out, int code)
{
	if (code < 0x80) {
		*out++ = (char)code;
		return out;
	}
	if (code < 0x800) {
		*out++ = (char)(0xC0 | code >> 6);
	} else {
		if (code < 0x10000) {
			*out++ = (char)(0xE0 | code >> 12);
		} else {
			*out++ = (char)(0xF0 | code >> 18);
			*out++ = (char)(0x80 | (code >> 12 & 63));
		}
		*out++ = (char)(0x80 | (code >> 6 & 63));
	}
	*out++ = (char)(0x80 | (code & 63));
	return out;
}

/* At \u.  Behind a first half must stand the second. */
static char *
read_unicode(struct reader *r, char *out)
{
	int code = hex4(r->p + 2), low;

	if (code < 0) {
		fail(r, r->p, "invalid escape in a string");
		return NULL;
	}
	if (code < 0xD800 || code > 0xDFFF) {
		r->p += 6;
		return put_utf8(out, code);
	}
	low = code < 0xDC00 && r->p[6] == '\\' && r->p[7] == 'u' ? hex4(r->p + 8) : -1;
	if (low < 0xDC00 || low > 0xDFFF) {
		fail(r, r->p, "half of a surrogate pair in a string");
		return NULL;
	}
	r->p += 12;
	return put_utf8(out, 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00));
}

static char *
read_escape(struct reader *r, char *out)
{
	static const char plain[256] = {
		['"'] = '"', ['\\'] = '\\', ['/'] = '/', ['b'] = '\b', ['f'] = '\f', ['n'] = '\n', ['r'] = '\r', ['t'] = '\t'
	};

	if (r->p[1] == 'u')
		return read_unicode(r, out);
	if (!plain[r->p[1]]) {
		fail(r, r->p, "invalid escape in a string");
		return NULL;
	}
	*out++ = plain[r->p[1]];
	r->p += 2;
	return out;
}

/* Over what may stand in a string as it is. */
static bool
skip_plain(struct reader *r, const unsigned char *quote)
{
	for (;;) {
		unsigned n;

		while (is_plain(*r->p))
			r->p++;
		if (*r->p == '"' || *r->p == '\\')
			return true;
		if (r->p == r->end)
			return fail(r, quote, "a string without an end");
		if (*r->p < 0x20)
			return fail(r, r->p, control_character);
		n = json_utf8(r->p, r->end);
		if (n == 0)
			return fail(r, r->p, "a byte that is not UTF-8");
		r->p += n;
	}
}

/* From the first backslash on.  An escape is never shorter than what it means. */
static bool
read_escaped(struct reader *r, const unsigned char *quote)
{
	char small[512], *out = small, *to;
	const unsigned char *from = quote + 1, *close = r->p;
	bool on_stack;

	while (close < r->end && *close != '"')
		close += *close == '\\' ? 2 : 1;
	if (close >= r->end)
		close = r->end;
	on_stack = (size_t)(close - from) <= sizeof(small);
	if (!on_stack)
		out = lua_newuserdata(r->L, (size_t)(close - from));
	for (to = out;;) {
		memcpy(to, from, (size_t)(r->p - from));
		to += r->p - from;
		if (*r->p == '"')
			break;
		to = read_escape(r, to);
		from = r->p;
		if (!to || !skip_plain(r, quote))
			return false;
	}
	r->p++;
	lua_pushlstring(r->L, out, (size_t)(to - out));
	if (!on_stack)
		lua_remove(r->L, -2);
	return true;
}

static bool
read_string(struct reader *r)
{
	const unsigned char *quote = r->p++;

	if (!skip_plain(r, quote))
		return false;
	if (*r->p == '\\')
		return read_escaped(r, quote);
	lua_pushlstring(r->L, (const char *)quote + 1, (size_t)(r->p - quote - 1));
	r->p++;
	return true;
}

/* ---- numbers ---- */

static bool
is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

/* The digits from p on, as far as they fit. */
static uint64_t
sum(const unsigned char *p, const unsigned char *end, bool *fits)
{
	uint64_t n = 0;

	*fits = end - p < 20 || (end - p == 20 && memcmp(p, "18446744073709551615", 20) <= 0);
	while (*fits && p < end)
		n = n * 10 + (uint64_t)(*p++ - '0');
	return n;
}

static bool
push_double(struct reader *r, const unsigned char *from)
{
	double v = strtod((const char *)from, NULL);

	if (isinf(v))
		return fail(r, from, "a number too large for a double");
	lua_pushnumber(r->L, v);
	return true;
}

static bool
push_whole(struct reader *r, const unsigned char *from, bool negative)
{
	bool fits;
	uint64_t n = sum(from + negative, r->p, &fits);

	if (!fits || (negative && n > 1ULL << 63))
		return push_double(r, from);
	if (n <= EXACT)
		lua_pushnumber(r->L, negative ? -(double)n : (double)n);
	else if (n > INT64_MAX && !negative)
		value_push_uint64(r->L, n);
	else
		value_push_int64(r->L, negative ? (int64_t)(0 - n) : (int64_t)n);
	return true;
}

/* digits.digits with up to 15 of them: both halves of the division are exact, so it rounds once, as strtod() would. */
static bool
push_decimal(struct reader *r, const unsigned char *from, const unsigned char *point, bool negative)
{
	static const double tens[] = { 1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15 };
	uint64_t n = 0;
	double v;

	if (r->p - from - negative > 16)
		return push_double(r, from);
	for (const unsigned char *p = from + negative; p < r->p; p++)
		if (p != point)
			n = n * 10 + (uint64_t)(*p - '0');
	v = (double)n / tens[r->p - point - 1];
	lua_pushnumber(r->L, negative ? -v : v);
	return true;
}

static bool
read_number(struct reader *r)
{
	const unsigned char *from = r->p, *point = NULL;
	bool negative = *r->p == '-';

	r->p += negative;
	if (!is_digit(*r->p))
		return fail(r, from, negative ? "a minus with no digit behind it" : "expected a value");
	if (*r->p == '0' && is_digit(r->p[1]))
		return fail(r, from, "a number with a zero in front");
	while (is_digit(*r->p))
		r->p++;
	if (*r->p == '.') {
		point = r->p++;
		if (!is_digit(*r->p))
			return fail(r, from, "a number with nothing behind its point");
		while (is_digit(*r->p))
			r->p++;
	}
	if ((*r->p | 0x20) == 'e') {
		r->p++;
		r->p += *r->p == '+' || *r->p == '-';
		if (!is_digit(*r->p))
			return fail(r, from, "a number with nothing behind its e");
		while (is_digit(*r->p))
			r->p++;
		return push_double(r, from);
	}
	return point ? push_decimal(r, from, point, negative) : push_whole(r, from, negative);
}

/* ---- arrays, objects, all ---- */

static bool
enter(struct reader *r)
{
	if (++r->depth > JSON_DEPTH_MAX || !lua_checkstack(r->L, 4))
		return fail(r, r->p, "nested deeper than 1000");
	r->p++;
	skip(r);
	return true;
}

/* Behind an element: a comma and what follows it, or the end. */
static bool
more(struct reader *r, unsigned char close, const char *expected, bool *ended)
{
	skip(r);
	if (*r->p == close) {
		*ended = true;
		return true;
	}
	if (*r->p != ',')
		return fail(r, r->p, expected);
	r->p++;
	skip(r);
	return true;
}

static bool
read_array(struct reader *r)
{
	bool ended = false;

	if (!enter(r))
		return false;
	lua_newtable(r->L);
	if (*r->p == ']') {
		value_array_mt(r->L);
		lua_setmetatable(r->L, -2);
	} else {
		for (int i = 1; !ended; i++) {
			if (!read_value(r))
				return false;
			lua_rawseti(r->L, -2, i);
			if (!more(r, ']', "expected , or ]", &ended))
				return false;
		}
	}
	r->p++;
	r->depth--;
	return true;
}

static bool
read_pair(struct reader *r)
{
	if (*r->p != '"')
		return fail(r, r->p, "expected a key in \"quotes\"");
	if (!read_string(r))
		return false;
	skip(r);
	if (*r->p != ':')
		return fail(r, r->p, "expected : behind a key");
	r->p++;
	skip(r);
	if (!read_value(r))
		return false;
	lua_rawset(r->L, -3);
	return true;
}

static bool
read_object(struct reader *r)
{
	bool ended = false;

	if (!enter(r))
		return false;
	if (*r->p == '}') {
		lua_newtable(r->L);
	} else {
		lua_createtable(r->L, 0, 4);
		while (!ended) {
			if (!read_pair(r) || !more(r, '}', "expected , or }", &ended))
				return false;
		}
	}
	r->p++;
	r->depth--;
	return true;
}

static bool
read_word(struct reader *r, const char *word, size_t n)
{
	if (strncmp((const char *)r->p, word, n) != 0)
		return fail(r, r->p, "expected a value");
	r->p += n;
	return true;
}

static bool
read_value(struct reader *r)
{
	switch (*r->p) {
	case '{':
		return read_object(r);
	case '[':
		return read_array(r);
	case '"':
		return read_string(r);
	case 't':
	case 'f':
		lua_pushboolean(r->L, *r->p == 't');
		return *r->p == 't' ? read_word(r, "true", 4) : read_word(r, "false", 5);
	case 'n':
		lua_pushlightuserdata(r->L, NULL);
		return read_word(r, "null", 4);
	default:
		if (r->p == r->end)
			return fail(r, r->p, "the text ends too early");
		return read_number(r);
	}
}

/* ---- what is wrong, and where ---- */

static const char *
hint(const unsigned char *at)
{
	static const struct {
		const char *begin, *text;
	} hints[] = {
		{ "'", ": JSON writes strings in \"double quotes\"" },
		{ "/", ": JSON has no comments" },
		{ "NaN", ": JSON has no NaN; send null" },
		{ "Inf", ": JSON has no Infinity; send null" },
		{ "+", ": JSON numbers have no + in front" },
		{ ".", ": JSON numbers begin with a digit" },
		{ "\xEF\xBB\xBF", ": a byte order mark does not belong into JSON" },
	};

	for (size_t i = 0; i < sizeof(hints) / sizeof(*hints); i++)
		if (strncmp((const char *)at, hints[i].begin, strlen(hints[i].begin)) == 0)
			return hints[i].text;
	return "";
}

/* "JSON: expected a value at line 2, column 5 (byte 11), near 'tru]'" */
static int
explain(const struct reader *r)
{
	char near[24] = "", control[3] = "";
	const unsigned char *line_start = r->start;
	size_t line = 1, n = 0;

	for (const unsigned char *p = r->start; p < r->at; p++)
		if (*p == '\n') {
			line++;
			line_start = p + 1;
		}
	while (n < 12 && r->at[n] >= 0x20 && r->at[n] < 0x7F)
		n++;
	if (n > 0)
		snprintf(near, sizeof(near), ", near '%.*s'", (int)n, r->at);
	if (r->why == control_character)
		snprintf(control, sizeof(control), "%02x", *r->at);
	return err_set(ERR_ARGUMENT, "JSON: %s%s at line %zu, column %zu (byte %zu)%s%s", r->why, control, line,
	    (size_t)(r->at - line_start) + 1, (size_t)(r->at - r->start) + 1, near, hint(r->at));
}

int
json_push(lua_State *L, struct str text)
{
	const unsigned char *start = (const unsigned char *)text.p;
	struct reader r = { L, start, start, start + text.n, NULL, NULL, 0 };
	int top = lua_gettop(L);

	luaL_checkstack(L, 4, "JSON.parse");
	skip(&r);
	if (read_value(&r)) {
		skip(&r);
		if (r.p == r.end)
			return OK;
		fail(&r, r.p, "something follows the value");
	}
	lua_settop(L, top);
	return explain(&r);
}

/* json_write.c -- Lua values to JSON text.
 *
 * The text grows in a userdata of the state: an error on the way, or a toJSON
 * of the app that calls JSON.stringify itself, needs no care.  The walk keeps a
 * chain of the tables it is inside of; it finds cycles, bounds the depth and
 * spells the path when something is refused.
 */
#include <ctype.h>
#include <lauxlib.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/err.h"
#include "lua/json.h"
#include "lua/value.h"

enum {
	TYPE_CDATA = 10,		/* LuaJIT's own; lua.h does not name it */
	HOLES_SAFE = 10,		/* a list up to this long may have any holes, */
	HOLES_RATIO = 2,		/* a longer one as many as elements */
	TEXT_MIN = 256, TEXT_GUESS_MAX = 16384
};

struct step {				/* one table we are inside of */
	const struct step *up;
	const void *table;
	const char *key;		/* NULL: its index i */
	size_t key_n;
	lua_Number i;
	int depth;
};

struct writer {
	lua_State *L;
	char *p;			/* in the userdata at stack index slot */
	size_t n, cap;
	int slot;
	const struct json_kinds *kinds;
	const void *array_mt;
	const char *indent;		/* NULL: none */
	size_t indent_n;
	int sorted;
};

static __thread size_t usual = TEXT_MIN;	/* a guess at the length of the next text: that of the last */

static int write_value(struct writer *, int idx, const struct step *);
static int write_table(struct writer *, int idx, const struct step *, bool ask);

/* ---- bytes ---- */

static void
reserve(struct writer *w, size_t more)
{
	size_t cap = w->cap;
	char *p;

	if (w->cap - w->n >= more)
		return;
	while (cap - w->n < more)
		cap *= 2;
	p = lua_newuserdata(w->L, cap);
	memcpy(p, w->p, w->n);
	lua_replace(w->L, w->slot);
	w->p = p;
	w->cap = cap;
}

static void
add(struct writer *w, const char *p, size_t n)
{
	reserve(w, n);
	memcpy(w->p + w->n, p, n);
	w->n += n;
}

static void
add_byte(struct writer *w, char c)
{
	reserve(w, 1);
	w->p[w->n++] = c;
}

static void
new_line(struct writer *w, int depth)
{
	if (!w->indent)
		return;
	add_byte(w, '\n');
	for (int i = 0; i < depth; i++)
		add(w, w->indent, w->indent_n);
}

/* ---- what is refused: "JSON: value.user.list[2] is a function, which JSON cannot say" ---- */

static void
add_path(struct buf *path, const struct step *at)
{
	size_t i = 0;

	if (!at)
		return;
	add_path(path, at->up);
	if (!at->key) {
		buf_printf(path, "[%.14g]", at->i);
		return;
	}
	while (i < at->key_n && (isalnum((unsigned char)at->key[i]) || at->key[i] == '_'))
		i++;
	if (i > 0 && i == at->key_n && !isdigit((unsigned char)at->key[0]))
		buf_printf(path, ".%s", at->key);
	else
		buf_printf(path, "[\"%.*s\"]", (int)(at->key_n > 40 ? 40 : at->key_n), at->key);
}

static int
refuse(const struct step *at, const char *why)
{
	struct buf path = { 0 };

	add_path(&path, at);
	if (path.n > 400)		/* of a thousand levels the last few tell most */
		err_set(ERR_ARGUMENT, "JSON: value...%s %s", path.p + path.n - 300, why);
	else
		err_set(ERR_ARGUMENT, "JSON: value%s %s", path.p ? path.p : "", why);
	buf_fini(&path);
	return ERR_ARGUMENT;
}

/* ---- strings ---- */

static const char escapes[256] = {	/* 1: \u00xx; 2: not ASCII; else the letter behind the backslash */
	[0 ... 7] = 1, ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', [11] = 1, ['\f'] = 'f', ['\r'] = 'r', [14 ... 31] = 1, ['"'] = '"', ['\\'] = '\\',
	[128 ... 255] = 2
};

static void
add_escape(struct writer *w, unsigned char c, char kind)
{
	char *to = w->p + w->n;

	to[0] = '\\';
	to[1] = kind;
	w->n += 2;
	if (kind != 1)
		return;
	memcpy(to + 1, "u00", 3);
	to[4] = "01"[c >> 4];
	to[5] = "0123456789abcdef"[c & 15];
	w->n += 4;
}

static int
write_string(struct writer *w, const char *s, size_t n, const struct step *at)
{
	const unsigned char *p = (const unsigned char *)s, *end = p + n, *from = p;

	reserve(w, n + 2);
	w->p[w->n++] = '"';
	for (;;) {
		unsigned step;

		while (p < end && !escapes[*p])
			p++;
		if (p < end && escapes[*p] == 2) {
			step = json_utf8(p, end);
			if (step == 0) {
				char why[160];

				snprintf(why, sizeof(why), "is a string that is not UTF-8 (byte %zu is 0x%02x); send bytes as crypto.toBase64(bytes)",
				    (size_t)(p - (const unsigned char *)s) + 1, *p);
				return refuse(at, why);
			}
			p += step;
			continue;
		}
		memcpy(w->p + w->n, from, (size_t)(p - from));
		w->n += (size_t)(p - from);
		if (p == end)
			break;
		reserve(w, (size_t)(end - p) + 8);
		add_escape(w, *p, escapes[*p]);
		from = ++p;
	}
	w->p[w->n++] = '"';
	return OK;
}

/* ---- numbers, dates ---- */

static int
write_number(struct writer *w, double v, const struct step *at)
{
	if (isnan(v))
		return refuse(at, "is nan, which JSON cannot say; write JSON.null or leave it out");
	if (isinf(v))
		return refuse(at, v < 0 ? "is -inf, which JSON cannot say" : "is inf, which JSON cannot say");
	reserve(w, JSON_NUMBER_MAX);
	w->n += json_number(w->p + w->n, v);
	return OK;
}

static int
write_wide(struct writer *w, int idx, const struct step *at)
{
	uint64_t bits;
	enum value_wide kind = value_wide(w->L, idx, &bits);
	char text[24];

	if (kind == VALUE_NOT_WIDE)
		return refuse(at, "is a cdata, which JSON cannot say");
	if (kind == VALUE_INT64)
		add(w, text, (size_t)snprintf(text, sizeof(text), "%lld", (long long)bits));
	else
		add(w, text, (size_t)snprintf(text, sizeof(text), "%llu", (unsigned long long)bits));
	return OK;
}

/* "2026-12-31T23:59:59.000Z", as Date:toISOString() */
static int
write_date(struct writer *w, int idx, const struct step *at)
{
	double ms;
	time_t seconds;
	struct tm tm;
	char text[64];
	int year;

	lua_pushliteral(w->L, "_ms");
	lua_rawget(w->L, idx);
	ms = lua_tonumber(w->L, -1);
	lua_pop(w->L, 1);
	if (!(fabs(ms) <= 8.64e15))
		return refuse(at, "is a Date that is no moment");
	seconds = (time_t)floor(ms / 1000);
	gmtime_r(&seconds, &tm);
	year = tm.tm_year + 1900;
	add(w, text, (size_t)snprintf(text, sizeof(text), year >= 0 && year <= 9999 ? "\"%04d-%02d-%02dT%02d:%02d:%02d.%03dZ\"" :
	    year < 0 ? "\"-%06d-%02d-%02dT%02d:%02d:%02d.%03dZ\"" : "\"+%06d-%02d-%02dT%02d:%02d:%02d.%03dZ\"", abs(year), tm.tm_mon + 1,
	    tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(ms - (double)seconds * 1000)));
	return OK;
}

/* ---- tables ---- */

/* The length of a list; -1: it is an object; -2: a list with too many holes. */
static lua_Number
list_length(lua_State *L, int idx)
{
	lua_Number last = 0, count = 0;

	lua_pushnil(L);
	while (lua_next(L, idx)) {
		lua_Number k;

		lua_pop(L, 1);
		k = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : 0;
		if (!(k >= 1 && k <= 2147483647.0 && floor(k) == k)) {
			lua_pop(L, 1);
			return -1;
		}
		if (k > last)
			last = k;
		count++;
	}
	return last > HOLES_SAFE && last > count * HOLES_RATIO ? -2 : last;
}

static int
write_list(struct writer *w, int idx, int n, struct step *at)
{
	for (int i = 1; i <= n; i++) {
		int rc;

		if (i > 1)
			add_byte(w, ',');
		new_line(w, at->depth);
		at->i = i;
		lua_rawgeti(w->L, idx, i);
		rc = write_value(w, lua_gettop(w->L), at);
		lua_pop(w->L, 1);
		if (rc != OK)
			return rc;
	}
	return OK;
}

/* The key and the value on top; leaves the key. */
static int
write_pair(struct writer *w, struct step *at, bool first)
{
	lua_State *L = w->L;
	int key = lua_gettop(L) - 1, type = lua_type(L, key), rc;
	char number[JSON_NUMBER_MAX + 1];
	char why[80];

	if (type == LUA_TSTRING) {
		at->key = lua_tolstring(L, key, &at->key_n);
	} else if (type == LUA_TNUMBER && isfinite(lua_tonumber(L, key))) {
		at->key_n = json_number(number, lua_tonumber(L, key));
		number[at->key_n] = 0;
		at->key = number;
	} else {
		snprintf(why, sizeof(why), "has a %s for a key; JSON's keys are strings", lua_typename(L, type));
		return refuse(at->up, why);
	}
	if (!first)
		add_byte(w, ',');
	new_line(w, at->depth);
	rc = write_string(w, at->key, at->key_n, at);
	if (rc != OK)
		return rc;
	add(w, ": ", w->indent ? 2 : 1);
	rc = write_value(w, key + 1, at);
	lua_pop(L, 1);
	return rc;
}

static int
write_object(struct writer *w, int idx, struct step *at)
{
	bool first = true;

	lua_pushnil(w->L);
	while (lua_next(w->L, idx)) {
		int rc = write_pair(w, at, first);

		if (rc != OK)
			return rc;
		first = false;
	}
	return OK;
}

/* In the order of the list of keys on top; pops it.  values: the table that has them. */
static int
write_in_order(struct writer *w, int values, struct step *at)
{
	lua_State *L = w->L;
	int keys = lua_gettop(L), n = (int)lua_objlen(L, keys);

	for (int i = 1; i <= n; i++) {
		int rc;

		lua_rawgeti(L, keys, i);
		lua_pushvalue(L, -1);
		lua_rawget(L, values);
		rc = write_pair(w, at, i == 1);
		lua_pop(L, 1);
		if (rc != OK)
			return rc;
	}
	lua_settop(L, keys - 1);
	return OK;
}

static int
write_map(struct writer *w, int idx, struct step *at)
{
	int rc;

	lua_pushliteral(w->L, "_values");
	lua_rawget(w->L, idx);
	lua_pushliteral(w->L, "_keys");
	lua_rawget(w->L, idx);
	if (!lua_istable(w->L, -1) || !lua_istable(w->L, -2))
		return refuse(at->up, "is a broken Map");
	rc = write_in_order(w, lua_gettop(w->L) - 1, at);
	if (rc == OK)
		lua_pop(w->L, 1);
	return rc;
}

static int
write_inside(struct writer *w, int idx, bool map, bool array, struct step *at)
{
	lua_Number n = map ? -1 : list_length(w->L, idx);
	bool list = n > 0 || (n == 0 && array);
	size_t before;
	int rc;

	if (n == -2)
		return refuse(at->up, "is a list with more holes than elements; give it string keys, or JSON.null in the holes");
	add_byte(w, list ? '[' : '{');
	before = w->n;
	if (list) {
		rc = write_list(w, idx, (int)n, at);
	} else if (map) {
		rc = write_map(w, idx, at);
	} else if (w->indent) {
		lua_pushvalue(w->L, w->sorted);
		lua_pushvalue(w->L, idx);
		lua_call(w->L, 1, 1);
		rc = write_in_order(w, idx, at);
	} else {
		rc = write_object(w, idx, at);
	}
	if (rc != OK)
		return rc;
	if (w->n > before)
		new_line(w, at->depth - 1);
	add_byte(w, list ? ']' : '}');
	return OK;
}

/* toJSON of the metatable on top, or of what lies behind it; raw.  Pops the metatable; pushes the function, if there is one. */
static bool
find_to_json(lua_State *L)
{
	for (int hops = 0; hops < 16; hops++) {
		lua_pushliteral(L, "toJSON");
		lua_rawget(L, -2);
		if (lua_isfunction(L, -1)) {
			lua_remove(L, -2);
			return true;
		}
		lua_pop(L, 1);
		lua_pushliteral(L, "__index");
		lua_rawget(L, -2);
		if (!lua_istable(L, -1) || lua_rawequal(L, -1, -2)) {	/* a class that is its own __index: what does it inherit? */
			lua_pop(L, 1);
			if (!lua_getmetatable(L, -1))
				break;
		}
		lua_remove(L, -2);
	}
	lua_pop(L, 1);
	return false;
}

/* What toJSON(value, key) returns stands for the value; it is not asked again. */
static int
write_replaced(struct writer *w, int idx, const struct step *up)
{
	int rc, top = lua_gettop(w->L);

	lua_pushvalue(w->L, idx);
	if (!up)
		lua_pushliteral(w->L, "");
	else if (up->key)
		lua_pushlstring(w->L, up->key, up->key_n);
	else
		lua_pushnumber(w->L, up->i);
	lua_call(w->L, 2, 1);
	rc = lua_istable(w->L, top) ? write_table(w, top, up, false) : write_value(w, top, up);
	lua_settop(w->L, top - 1);
	return rc;
}

static int
write_table(struct writer *w, int idx, const struct step *up, bool ask)
{
	struct step at = { .up = up, .table = lua_topointer(w->L, idx), .depth = up ? up->depth + 1 : 1 };
	const void *mt = NULL;

	for (const struct step *s = up; s; s = s->up)
		if (s->table == at.table)
			return refuse(up, "is a table that contains itself");
	if (at.depth > JSON_DEPTH_MAX || !lua_checkstack(w->L, 10))
		return refuse(up, "is nested deeper than 1000 tables");
	if (lua_getmetatable(w->L, idx)) {
		mt = lua_topointer(w->L, -1);
		if (!ask || mt == w->array_mt || mt == w->kinds->date || mt == w->kinds->map)
			lua_pop(w->L, 1);
		else if (find_to_json(w->L))
			return write_replaced(w, idx, up);
	}
	if (mt && mt == w->kinds->date)
		return write_date(w, idx, up);
	return write_inside(w, idx, mt && mt == w->kinds->map, mt == w->array_mt, &at);
}

/* ---- all ---- */

/* idx is absolute. */
static int
write_value(struct writer *w, int idx, const struct step *at)
{
	lua_State *L = w->L;
	const char *s;
	char why[80];
	size_t n;

	switch (lua_type(L, idx)) {
	case LUA_TSTRING:
		s = lua_tolstring(L, idx, &n);
		return write_string(w, s, n, at);
	case LUA_TNUMBER:
		return write_number(w, lua_tonumber(L, idx), at);
	case LUA_TTABLE:
		return write_table(w, idx, at, true);
	case LUA_TBOOLEAN:
		add(w, lua_toboolean(L, idx) ? "true" : "false", lua_toboolean(L, idx) ? 4 : 5);
		return OK;
	case TYPE_CDATA:
		return write_wide(w, idx, at);
	case LUA_TLIGHTUSERDATA:
		if (lua_touserdata(L, idx))
			break;
		/* fall through */
	case LUA_TNIL:
	case LUA_TNONE:
		add(w, "null", 4);
		return OK;
	}
	snprintf(why, sizeof(why), "is a %s, which JSON cannot say", luaL_typename(L, idx));
	return refuse(at, why);
}

int
json_push_text(lua_State *L, int idx, const struct json_kinds *kinds, const char *indent, int sorted)
{
	struct writer w = { .L = L, .cap = usual, .kinds = kinds, .indent = indent, .indent_n = indent ? strlen(indent) : 0, .sorted = sorted };
	int top = lua_gettop(L), rc;

	luaL_checkstack(L, 10, "JSON.stringify");
	value_array_mt(L);
	w.array_mt = lua_topointer(L, -1);
	lua_pop(L, 1);
	w.p = lua_newuserdata(L, w.cap);
	w.slot = lua_gettop(L);
	rc = write_value(&w, idx, NULL);
	lua_settop(L, w.slot);
	if (rc == OK) {
		lua_pushlstring(L, w.p, w.n);
		lua_replace(L, w.slot);
		usual = w.n + w.n / 8 + 64;
		usual = usual < TEXT_MIN ? TEXT_MIN : usual > TEXT_GUESS_MAX ? TEXT_GUESS_MAX : usual;
	} else {
		lua_settop(L, top);
	}
	return rc;
}

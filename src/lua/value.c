/* value.c -- Lua tables walked into codec bytes, and built from them.
 *
 * All access is raw: no metamethod runs, so nothing here calls the app.  The
 * walk keeps a chain of the tables it is inside of; it finds cycles, bounds
 * the depth and, when something is refused, spells the path.
 *
 * The registry holds, under the addresses of the keys below: the metatables of
 * arrays and dates, the test for int64 and uint64 of ffi and their makers.
 *
 * Thread: the VM's.
 */
#include "lua/value.h"

#include <ctype.h>
#include <lauxlib.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "lua/bind_ref.h"
#include "object/reference.h"
#include "store/codec.h"

enum { TYPE_CDATA = 10 };		/* LuaJIT's own; lua.h does not name it */

struct step {				/* one table we are inside of */
	const struct step *up;
	const void *table;
	int key;			/* stack index of the key being written; 0: its array index is i */
	uint32_t i;
	int depth;
};

struct walk {				/* one value on its way out */
	const char *what;
	struct task *by;		/* whose call it is part of; NULL: of none */
};

static char ffi_key, array_key, date_key, is_int64_key, is_uint64_key, int64_key, uint64_key;

static void
push_kept(lua_State *L, char *key)
{
	lua_pushlightuserdata(L, key);
	lua_rawget(L, LUA_REGISTRYINDEX);
}

static void
keep(lua_State *L, char *key)		/* pops the value */
{
	lua_pushlightuserdata(L, key);
	lua_insert(L, -2);
	lua_rawset(L, LUA_REGISTRYINDEX);
}

void
value_array_mt(lua_State *L)
{
	push_kept(L, &array_key);
}

void
value_date_mt(lua_State *L)
{
	keep(L, &date_key);
}

void
value_open(lua_State *L)
{
	static const char source[] =
	    "local ffi = ...\n"
	    "local int64, uint64 = ffi.typeof 'int64_t', ffi.typeof 'uint64_t'\n"
	    "local istype = ffi.istype\n"
	    "return function(v) return istype(int64, v) end, function(v) return istype(uint64, v) end, int64, uint64\n";

	lua_createtable(L, 0, 1);
	lua_pushliteral(L, "array");
	lua_setfield(L, -2, "__metatable");
	keep(L, &array_key);
	must(luaL_loadbuffer(L, source, sizeof(source) - 1, "=drey/value") == 0);
	lua_getfield(L, LUA_REGISTRYINDEX, "_LOADED");
	lua_getfield(L, -1, "ffi");
	lua_remove(L, -2);
	must(lua_istable(L, -1));
	/* The table of finalizers hangs on ffi's functions alone: were ffi collected, LuaJIT's lua_close() would read freed memory. */
	lua_pushvalue(L, -1);
	keep(L, &ffi_key);
	lua_call(L, 1, 4);
	keep(L, &uint64_key);
	keep(L, &int64_key);
	keep(L, &is_uint64_key);
	keep(L, &is_int64_key);
}

/* ---- writing ---- */

static void
add_key(lua_State *L, struct buf *text, const struct step *at)
{
	const char *k;
	size_t n, i = 0;

	if (at->key == 0) {
		buf_printf(text, "[%u]", at->i);
		return;
	}
	if (lua_type(L, at->key) != LUA_TSTRING) {
		if (lua_type(L, at->key) == LUA_TNUMBER)
			buf_printf(text, "[%.14g]", lua_tonumber(L, at->key));
		else
			buf_printf(text, "[%s]", lua_toboolean(L, at->key) ? "true" : "false");
		return;
	}
	k = lua_tolstring(L, at->key, &n);
	while (i < n && (isalnum((unsigned char)k[i]) || k[i] == '_'))
		i++;
	if (n > 0 && i == n && !isdigit((unsigned char)k[0]))
		buf_printf(text, ".%s", k);
	else
		buf_printf(text, "[\"%.*s\"]", (int)(n > 40 ? 40 : n), k);
}

static void
add_path(lua_State *L, struct buf *text, const struct step *at)
{
	if (!at)
		return;
	add_path(L, text, at->up);
	add_key(L, text, at);
}

static int
refuse(lua_State *L, const struct walk *w, const struct step *at, const char *why)
{
	struct buf path = { 0 };

	if (at)
		buf_byte(&path, ' ');
	add_path(L, &path, at);
	err_set(ERR_ARGUMENT, "%s%s %s", w->what, path.p ? path.p : "", why);
	buf_fini(&path);
	return ERR_ARGUMENT;
}

static int encode(lua_State *, int idx, struct buf *, const struct walk *w, const struct step *up);

/* Are the keys exactly 1..n?  Then n; else -1 and *pairs says how many there are. */
static int64_t
array_length(lua_State *L, int idx, uint32_t *pairs)
{
	size_t n = lua_objlen(L, idx);
	uint32_t seen = 0;
	bool whole = true;

	lua_pushnil(L);
	while (lua_next(L, idx)) {
		lua_pop(L, 1);
		if (whole) {
			lua_Number k = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : 0;

			whole = k >= 1 && k <= (lua_Number)n && floor(k) == k;
		}
		seen++;
	}
	*pairs = seen;
	return whole && seen == n ? (int64_t)n : -1;
}

static bool
has_metatable(lua_State *L, int idx, char *key)
{
	bool same;

	if (!lua_getmetatable(L, idx))
		return false;
	push_kept(L, key);
	same = !lua_isnil(L, -1) && lua_rawequal(L, -1, -2);
	lua_pop(L, 2);
	return same;
}

static int
encode_array(lua_State *L, int idx, uint32_t n, struct buf *out, const struct walk *w, struct step *at)
{
	codec_array(out, n);
	for (at->i = 1; at->i <= n; at->i++) {
		int rc;

		lua_rawgeti(L, idx, (int)at->i);
		rc = encode(L, lua_gettop(L), out, w, at);
		lua_pop(L, 1);
		if (rc != OK)
			return rc;
	}
	return OK;
}

static int
encode_map(lua_State *L, int idx, uint32_t n, struct buf *out, const struct walk *w, struct step *at)
{
	codec_map(out, n);
	lua_pushnil(L);
	while (lua_next(L, idx)) {
		int key = lua_gettop(L) - 1, type = lua_type(L, key), rc;

		at->key = key;
		if (type != LUA_TSTRING && type != LUA_TNUMBER && type != LUA_TBOOLEAN) {
			lua_settop(L, key - 1);
			return refuse(L, w, at->up, "has a key that is neither string, number nor boolean: cannot cross an object boundary");
		}
		rc = encode(L, key, out, w, at);
		if (rc == OK)
			rc = encode(L, key + 1, out, w, at);
		if (rc != OK) {
			lua_settop(L, key - 1);
			return rc;
		}
		lua_settop(L, key);
	}
	return OK;
}

static int
encode_date(lua_State *L, int idx, struct buf *out)
{
	lua_pushliteral(L, "_ms");
	lua_rawget(L, idx);
	codec_date(out, lua_tonumber(L, -1));
	lua_pop(L, 1);
	return OK;
}

/* What goes by reference.  by NULL: this is no call, and it goes nowhere. */
static int
encode_reference(lua_State *L, int idx, struct buf *out, const struct walk *w, const struct step *up)
{
	int place;

	if (!w->by && lua_type(L, idx) != LUA_TFUNCTION)
		return refuse(L, w, up, "is passed by reference, in calls only: it cannot be copied or stored");
	if (!w->by)
		return refuse(L, w, up, "is a function: cannot cross an object boundary");
	place = ref_lend(L, idx, w->by);
	if (place == ERR_ARGUMENT)
		return refuse(L, w, up, ref_disposed);
	if (place >= 0)
		codec_reference(out, (uint32_t)place);
	return place < 0 ? place : OK;
}

static int
encode_table(lua_State *L, int idx, struct buf *out, const struct walk *w, const struct step *up)
{
	struct step at = { .up = up, .table = lua_topointer(L, idx), .depth = up ? up->depth + 1 : 1 };
	uint32_t pairs;
	int64_t n;

	if (has_metatable(L, idx, &date_key))
		return encode_date(L, idx, out);
	if (ref_is_target(L, idx))
		return encode_reference(L, idx, out, w, up);
	for (const struct step *s = up; s; s = s->up)
		if (s->table == at.table)
			return refuse(L, w, up, "is a table that contains itself: cannot cross an object boundary");
	if (at.depth > CODEC_DEPTH_MAX || !lua_checkstack(L, 8))
		return refuse(L, w, NULL, "is nested deeper than 100 tables: cannot cross an object boundary");
	n = array_length(L, idx, &pairs);
	if (n == 0 && !has_metatable(L, idx, &array_key))
		n = -1;
	return n >= 0 ? encode_array(L, idx, (uint32_t)n, out, w, &at) : encode_map(L, idx, pairs, out, w, &at);
}

static bool
cdata_is(lua_State *L, int idx, char *test)
{
	bool is;

	push_kept(L, test);
	lua_pushvalue(L, idx);
	lua_call(L, 1, 1);
	is = lua_toboolean(L, -1);
	lua_pop(L, 1);
	return is;
}

enum value_wide
value_wide(lua_State *L, int idx, uint64_t *bits)
{
	enum value_wide kind = VALUE_NOT_WIDE;

	if (lua_type(L, idx) != TYPE_CDATA)
		return kind;
	if (cdata_is(L, idx, &is_int64_key))
		kind = VALUE_INT64;
	else if (cdata_is(L, idx, &is_uint64_key))
		kind = VALUE_UINT64;
	else
		return kind;
	memcpy(bits, lua_topointer(L, idx), sizeof(*bits));
	return kind;
}

static int
encode_cdata(lua_State *L, int idx, struct buf *out, const struct walk *w, const struct step *up)
{
	uint64_t v;
	enum value_wide kind = value_wide(L, idx, &v);

	if (kind == VALUE_NOT_WIDE)
		return refuse(L, w, up, "is a cdata: cannot cross an object boundary");
	if (kind == VALUE_INT64)
		codec_int64(out, (int64_t)v);
	else
		codec_uint64(out, v);
	return OK;
}

/* idx is absolute. */
static int
encode(lua_State *L, int idx, struct buf *out, const struct walk *w, const struct step *up)
{
	char why[80];
	struct str s;

	switch (lua_type(L, idx)) {
	case LUA_TNIL:
	case LUA_TNONE:
		codec_undefined(out);
		return OK;
	case LUA_TBOOLEAN:
		codec_bool(out, lua_toboolean(L, idx));
		return OK;
	case LUA_TNUMBER:
		codec_number(out, lua_tonumber(L, idx));
		return OK;
	case LUA_TSTRING:
		s.p = lua_tolstring(L, idx, &s.n);
		codec_string(out, s);
		return OK;
	case LUA_TTABLE:
		return encode_table(L, idx, out, w, up);
	case TYPE_CDATA:
		return encode_cdata(L, idx, out, w, up);
	case LUA_TFUNCTION:
		return encode_reference(L, idx, out, w, up);
	case LUA_TUSERDATA:
		if (ref_is_stub(L, idx))
			return encode_reference(L, idx, out, w, up);
		break;
	case LUA_TLIGHTUSERDATA:
		if (!lua_touserdata(L, idx)) {		/* cjson.null */
			codec_null(out);
			return OK;
		}
	}
	snprintf(why, sizeof(why), "is a %s: cannot cross an object boundary", luaL_typename(L, idx));
	return refuse(L, w, up, why);
}

int
value_encode_call(lua_State *L, int idx, struct buf *out, const char *what, struct task *by)
{
	struct walk w = { what, by };

	if (idx < 0 && idx > LUA_REGISTRYINDEX)
		idx = lua_gettop(L) + idx + 1;
	if (!lua_checkstack(L, 8))
		return err_set(ERR_ARGUMENT, "%s: the Lua stack is full", what);
	return encode(L, idx, out, &w, NULL);
}

int
value_encode(lua_State *L, int idx, struct buf *out, const char *what)
{
	return value_encode_call(L, idx, out, what, NULL);
}

/* ---- reading ---- */

struct source {				/* of a call; else both are NULL */
	const struct references *lent;
	struct list *owner;
};

static int decode(lua_State *, struct str *in, const struct source *, int depth);

static void
push_int64(lua_State *L, char *maker, int64_t v)
{
	push_kept(L, maker);
	lua_pushinteger(L, 0);
	lua_call(L, 1, 1);
	memcpy((void *)lua_topointer(L, -1), &v, sizeof(v));
}

void
value_push_int64(lua_State *L, int64_t v)
{
	push_int64(L, &int64_key, v);
}

void
value_push_uint64(lua_State *L, uint64_t v)
{
	push_int64(L, &uint64_key, (int64_t)v);
}

static void
push_date(lua_State *L, double ms)
{
	lua_createtable(L, 0, 1);
	lua_pushliteral(L, "_ms");
	lua_pushnumber(L, ms);
	lua_rawset(L, -3);
	push_kept(L, &date_key);
	lua_setmetatable(L, -2);	/* nil when there is no Date class: a plain table */
}

static int
decode_array(lua_State *L, struct str *in, const struct source *from, uint32_t n, int depth)
{
	lua_createtable(L, n > INT32_MAX ? 0 : (int)n, 0);
	if (n == 0) {
		value_array_mt(L);
		lua_setmetatable(L, -2);
	}
	for (uint32_t i = 1; i <= n; i++) {
		int rc = decode(L, in, from, depth);

		if (rc != OK)
			return rc;
		lua_rawseti(L, -2, (int)i);
	}
	return OK;
}

static int
decode_map(lua_State *L, struct str *in, const struct source *from, uint32_t n, int depth)
{
	/* A claim of many pairs is backed by bytes, but a slot costs more than its bytes: let the table grow by itself. */
	lua_createtable(L, 0, n > 1024 ? 1024 : (int)n);
	for (uint32_t i = 0; i < n; i++) {
		int rc = decode(L, in, from, depth), type;

		if (rc != OK)
			return rc;
		type = lua_type(L, -1);
		if ((type != LUA_TSTRING && type != LUA_TNUMBER && type != LUA_TBOOLEAN) ||
		    (type == LUA_TNUMBER && isnan(lua_tonumber(L, -1))))
			return err_set(ERR_CORRUPT, "a table key of a type that cannot be one");
		rc = decode(L, in, from, depth);
		if (rc != OK)
			return rc;
		lua_rawset(L, -3);
	}
	return OK;
}

static int
decode(lua_State *L, struct str *in, const struct source *from, int depth)
{
	struct codec_item item;
	int rc = codec_read(in, &item);

	if (rc != OK)
		return rc;
	switch (item.type) {
	case CODEC_NULL:
		lua_pushlightuserdata(L, NULL);
		return OK;
	case CODEC_UNDEFINED:
		lua_pushnil(L);
		return OK;
	case CODEC_FALSE:
	case CODEC_TRUE:
		lua_pushboolean(L, item.type == CODEC_TRUE);
		return OK;
	case CODEC_INT:
		lua_pushnumber(L, (lua_Number)item.i);
		return OK;
	case CODEC_DOUBLE:
		lua_pushnumber(L, item.d);
		return OK;
	case CODEC_STRING:
		lua_pushlstring(L, item.s.p, item.s.n);
		return OK;
	case CODEC_DATE:
		push_date(L, item.d);
		return OK;
	case CODEC_INT64:
		value_push_int64(L, item.i);
		return OK;
	case CODEC_UINT64:
		value_push_uint64(L, (uint64_t)item.i);
		return OK;
	case CODEC_REFERENCE:
		if (!from->lent || (uint64_t)item.i >= from->lent->n)
			return err_set(ERR_CORRUPT, "a reference where none can be");
		ref_push(L, from->lent->of[item.i], from->owner);
		return OK;
	case CODEC_ARRAY:
	case CODEC_MAP:
		break;
	}
	if (depth >= CODEC_DEPTH_MAX || !lua_checkstack(L, 8))
		return err_set(ERR_CORRUPT, "tables nested deeper than %d", CODEC_DEPTH_MAX);
	return item.type == CODEC_ARRAY ? decode_array(L, in, from, item.count, depth + 1) :
		decode_map(L, in, from, item.count, depth + 1);
}

int
value_push_call(lua_State *L, struct str *in, const struct references *lent, struct list *owner)
{
	struct source from = { lent, owner };
	int top = lua_gettop(L), rc;

	if (!lua_checkstack(L, 8))
		return err_set(ERR_CORRUPT, "the Lua stack is full");
	rc = decode(L, in, &from, 0);
	if (rc != OK)
		lua_settop(L, top);
	return rc;
}

int
value_push(lua_State *L, struct str *in)
{
	return value_push_call(L, in, NULL, NULL);
}

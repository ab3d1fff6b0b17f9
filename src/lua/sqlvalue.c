/* sqlvalue.c -- the table of types, both ways:
 *
 *	nil, JSON.null		NULL		nil in { name = value }, JSON.null in arrays
 *	boolean			INTEGER 0, 1
 *	number			INTEGER when whole and within +-2^53, else REAL
 *	int64, uint64 cdata	INTEGER		a number, or int64 cdata beyond +-2^53
 *	string			TEXT		string
 *	Date			TEXT "2026-12-31T23:59:59.250Z", which SQLite's date functions read
 *	Blob(bytes)		BLOB		string
 *
 * Thread: the VM's.
 */
#include "lua/sqlvalue.h"

#include <lauxlib.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "lua/host.h"
#include "lua/stored.h"
#include "lua/value.h"
#include "store/codec.h"

#define EXACT 9007199254740992.0	/* 2^53: whole numbers up to here are exact in a double */

enum { TYPE_CDATA = 10 };		/* LuaJIT's own; lua.h does not name it */

static char blob_key;			/* its address keeps the metatable of Blobs in the registry */

/* ---- Lua to SQL ---- */

static bool
is_blob(lua_State *L, int idx)
{
	bool is;

	if (!lua_getmetatable(L, idx))
		return false;
	lua_pushlightuserdata(L, &blob_key);
	lua_rawget(L, LUA_REGISTRYINDEX);
	is = lua_rawequal(L, -1, -2);
	lua_pop(L, 2);
	return is;
}

/* "2026-12-31T23:59:59.250Z"; takes the place of the Date on the stack, which keeps it alive. */
static bool
bind_date(lua_State *L, int idx, double ms, struct sql_value *to)
{
	double seconds = floor(ms / 1000);
	time_t t = (time_t)seconds;
	struct tm tm;
	char text[64];
	size_t n;

	if (!gmtime_r(&t, &tm))
		return false;
	n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	n += (size_t)snprintf(text + n, sizeof(text) - n, ".%03dZ", (int)(ms - seconds * 1000));
	lua_pushlstring(L, text, n);
	lua_replace(L, idx);
	to->type = SQL_TEXT;
	to->s.p = lua_tolstring(L, idx, &to->s.n);
	return true;
}

/* A Date or an int64; false: neither. */
static bool
bind_encoded(lua_State *L, int idx, struct sql_value *to)
{
	struct buf *bytes = stored_scratch(L);
	struct codec_item item;
	struct str in;

	if (value_encode(L, idx, bytes, "") < 0)
		return false;
	in = buf_slice(bytes);
	if (codec_read(&in, &item) < 0)
		return false;
	if (item.type == CODEC_DATE)
		return bind_date(L, idx, item.d, to);
	if (item.type != CODEC_INT64 && (item.type != CODEC_UINT64 || item.i < 0))
		return false;
	to->type = SQL_INTEGER;
	to->i = item.i;
	return true;
}

static void
bind_number(double d, struct sql_value *to)
{
	bool whole = d >= -EXACT && d <= EXACT && floor(d) == d;

	to->type = whole ? SQL_INTEGER : SQL_REAL;
	to->i = whole ? (int64_t)d : 0;
	to->r = d;
}

static void
bind_string(lua_State *L, int idx, enum sql_type type, struct sql_value *to)
{
	to->type = type;
	to->s.p = lua_tolstring(L, idx, &to->s.n);
}

/* The value at idx of the stack; false: SQL has none like it. */
static bool
bind_value(lua_State *L, int idx, struct sql_value *to)
{
	memset(to, 0, sizeof(*to));
	switch (lua_type(L, idx)) {
	case LUA_TNIL:
		return true;
	case LUA_TBOOLEAN:
		to->type = SQL_INTEGER;
		to->i = lua_toboolean(L, idx);
		return true;
	case LUA_TNUMBER:
		bind_number(lua_tonumber(L, idx), to);
		return true;
	case LUA_TSTRING:
		bind_string(L, idx, SQL_TEXT, to);
		return true;
	case LUA_TLIGHTUSERDATA:
		return !lua_touserdata(L, idx);		/* JSON.null */
	case LUA_TTABLE:
		if (!is_blob(L, idx))
			return bind_encoded(L, idx, to);
		lua_getfield(L, idx, "bytes");
		lua_replace(L, idx);
		bind_string(L, idx, SQL_BLOB, to);
		return to->s.p != NULL;
	case TYPE_CDATA:
		return bind_encoded(L, idx, to);
	}
	return false;
}

/* The arguments from idx on. */
void
sqlvalue_bindings(lua_State *L, int idx, int n, struct sql_value *to)
{
	for (int i = 0; i < n; i++) {
		const char *type = luaL_typename(L, idx + i);

		if (bind_value(L, idx + i, &to[i]))
			continue;
		err_set(ERR_ARGUMENT, "binding %d is a %s, which SQL has no type for: bind nil, a boolean, a number, an int64, a string, "
		    "a Date or Blob(bytes); a table goes as JSON.stringify(t)", i + 1, type);
		host_raise(L);
	}
}

/* ---- SQL to Lua ---- */

static void
push_int(lua_State *L, int64_t i)
{
	struct buf *bytes;
	struct str in;

	if (i >= -(int64_t)EXACT && i <= (int64_t)EXACT) {
		lua_pushnumber(L, (lua_Number)i);
		return;
	}
	bytes = stored_scratch(L);
	codec_int64(bytes, i);
	in = buf_slice(bytes);
	must(value_push(L, &in) == OK);
}

/* Column i of the row at hand; NULL as JSON.null if null is true, else as nil. */
static void
push_column(lua_State *L, struct cursor *c, int i, bool null)
{
	struct sql_value v;

	sql_value(c, i, &v);
	switch (v.type) {
	case SQL_INTEGER:
		push_int(L, v.i);
		return;
	case SQL_REAL:
		lua_pushnumber(L, v.r);
		return;
	case SQL_TEXT:
	case SQL_BLOB:
		lua_pushlstring(L, v.s.p, v.s.n);
		return;
	case SQL_NULL:
		break;
	}
	if (null)
		lua_pushlightuserdata(L, NULL);
	else
		lua_pushnil(L);
}

/* Pushes the names of the columns, one by one; returns the stack index of the first. */
int
sqlvalue_names(lua_State *L, struct cursor *c)
{
	int n = sql_columns(c), first = lua_gettop(L) + 1;

	luaL_checkstack(L, n + 8, "too many columns");
	for (int i = 0; i < n; i++) {
		struct str name = sql_column_name(c, i);

		lua_pushlstring(L, name.p, name.n);
	}
	return first;
}

/* { name = value }; names: the stack index of the first name. */
void
sqlvalue_row(lua_State *L, struct cursor *c, int names)
{
	int n = sql_columns(c);

	lua_createtable(L, 0, n);
	for (int i = 0; i < n; i++) {
		lua_pushvalue(L, names + i);
		push_column(L, c, i, false);
		lua_rawset(L, -3);
	}
}

/* { value, value, ... } */
void
sqlvalue_array(lua_State *L, struct cursor *c, int names)
{
	int n = sql_columns(c);

	(void)names;
	lua_createtable(L, n, 0);
	for (int i = 0; i < n; i++) {
		push_column(L, c, i, true);
		lua_rawseti(L, -2, i + 1);
	}
}

/* ---- for lua/drey ---- */

void
sqlvalue_blob_mt(lua_State *L)
{
	lua_pushlightuserdata(L, &blob_key);
	lua_insert(L, -2);
	lua_rawset(L, LUA_REGISTRYINDEX);
}

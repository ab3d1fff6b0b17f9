/* bind_sql.c -- native.sql: exec, and cursors.
 *
 * A cursor is a userdata that holds a struct cursor of the store.  The store
 * kills open cursors itself when their database rolls back, is deleted or
 * closed; what is left here then only says so.  Closing one late, in __gc,
 * is harmless.
 *
 * The environment of the userdata is the ctx.storage.sql that made it: it says
 * whose cursor this is.
 *
 * See doc/api/sql.md.
 */
#include <lauxlib.h>
#include <string.h>

#include "base/err.h"
#include "lua/host.h"
#include "lua/sqlvalue.h"
#include "lua/stored.h"
#include "lua/value.h"
#include "lua/vm.h"
#include "store/sql.h"

enum { BINDINGS_SMALL = 16 };		/* bindings kept on the C stack */

/* Their addresses are keys in the registry. */
static char cursor_key, methods_key, raw_key;

struct rows {
	struct list link;		/* vm->cursors */
	struct cursor *c;		/* NULL: ended early by one() */
	int64_t read, written;		/* as they were then */
};

static void
push_kept(lua_State *L, char *key)
{
	lua_pushlightuserdata(L, key);
	lua_rawget(L, LUA_REGISTRYINDEX);
}

/* ---- cursors ---- */

static struct rows *
check_rows(lua_State *L)
{
	struct rows *r = lua_touserdata(L, 1);
	bool is = false;

	if (r && lua_getmetatable(L, 1)) {
		push_kept(L, &cursor_key);
		is = lua_rawequal(L, -1, -2);
		lua_pop(L, 2);
	}
	if (!is)
		stored_refuse(L, "a method of a cursor is called with a colon: cursor:toArray()");
	return r;
}

static struct object *
owner(lua_State *L)
{
	struct object *o;

	lua_getfenv(L, 1);
	o = host_owner(L, -1);
	lua_pop(L, 1);
	return o;
}

/* Moves to the next row; false: there is none. */
static bool
move(lua_State *L, struct object *o, struct rows *r, int (*next)(struct cursor *))
{
	int rc = r->c ? next(r->c) : 0;

	if (rc < 0)
		stored_fail(L, o);
	return rc > 0;
}

static bool
step(lua_State *L, struct object *o, struct rows *r)
{
	return move(L, o, r, sql_next);
}

static void
end(struct rows *r)
{
	if (!r->c)
		return;
	r->read = sql_rows_read(r->c);
	r->written = sql_rows_written(r->c);
	sql_close(&r->c);
}

/* for row in cursor do */
static int
l_call(lua_State *L)
{
	struct rows *r = check_rows(L);
	struct object *o = owner(L);

	if (!step(L, o, r))
		return 0;
	sqlvalue_row(L, r->c, sqlvalue_names(L, r->c));
	return 1;
}

/* cursor:next() -> { done = false, value = row } or { done = true } */
static int
l_next(lua_State *L)
{
	struct rows *r = check_rows(L);
	bool more = step(L, owner(L), r);

	lua_createtable(L, 0, 2);
	lua_pushboolean(L, !more);
	lua_setfield(L, -2, "done");
	if (more) {
		int result = lua_gettop(L);

		sqlvalue_row(L, r->c, sqlvalue_names(L, r->c));
		lua_setfield(L, result, "value");
		lua_settop(L, result);
	}
	return 1;
}

#define TOO_LARGE "SQL query result set is too large to fit in memory. Use a streaming iterator (e.g. `for row in cursor` or " \
	"`cursor:raw()`) or add a LIMIT clause instead of calling toArray() on a very large result set."

static int
all(lua_State *L, void (*push)(lua_State *, struct cursor *, int names))
{
	struct rows *r = check_rows(L);
	struct object *o = owner(L);
	int names = r->c ? sqlvalue_names(L, r->c) : 0, n = 0, list;

	lua_newtable(L);
	list = lua_gettop(L);
	/* An INSERT, say, has no columns: nothing to read. */
	while (!(r->c && sql_columns(r->c) == 0) && move(L, o, r, sql_walk)) {
		push(L, r->c, names);
		lua_rawseti(L, list, ++n);
		stored_room(L, TOO_LARGE);
	}
	if (n == 0) {				/* an empty list stays a list in JSON */
		value_array_mt(L);
		lua_setmetatable(L, list);
	}
	return 1;
}

static int
l_toArray(lua_State *L)
{
	return all(L, sqlvalue_row);
}

/* cursor:one(), cursor:one { allowNone = true } */
static int
l_one(lua_State *L)
{
	struct rows *r = check_rows(L);
	struct object *o = owner(L);
	bool none_ok = false;

	if (lua_istable(L, 2)) {
		lua_getfield(L, 2, "allowNone");
		none_ok = lua_toboolean(L, -1);
	}
	if (!step(L, o, r)) {
		if (!none_ok)
			return stored_refuse(L, "Expected exactly one result from SQL query, but got no results.");
		lua_pushnil(L);
		return 1;
	}
	sqlvalue_row(L, r->c, sqlvalue_names(L, r->c));
	if (step(L, o, r)) {
		end(r);
		return stored_refuse(L, "Expected exactly one result from SQL query, but got multiple results.");
	}
	return 1;
}

/* cursor:raw(): lua/drey/sql.lua makes it. */
static int
l_raw(lua_State *L)
{
	check_rows(L);
	push_kept(L, &raw_key);
	lua_pushvalue(L, 1);
	lua_call(L, 1, 1);
	return 1;
}

static int
l_next_array(lua_State *L)
{
	struct rows *r = check_rows(L);

	if (!step(L, owner(L), r))
		return 0;
	sqlvalue_array(L, r->c, 0);
	return 1;
}

static int
l_arrays(lua_State *L)
{
	return all(L, sqlvalue_array);
}

/* cancel(cursor, why) */
static int
l_cancel(lua_State *L)
{
	struct rows *r = check_rows(L);

	if (r->c)
		sql_cancel(r->c, luaL_checkstring(L, 2));
	return 0;
}

static int
push_column_names(lua_State *L, struct rows *r)
{
	int first, n = r->c ? sql_columns(r->c) : 0;

	lua_createtable(L, n, 0);
	value_array_mt(L);
	lua_setmetatable(L, -2);
	first = n ? sqlvalue_names(L, r->c) : 0;
	for (int i = n; i > 0; i--)
		lua_rawseti(L, first - 1, i);
	return 1;
}

static int
push_rows_read(lua_State *L, struct rows *r)
{
	lua_pushnumber(L, (lua_Number)(r->c ? sql_rows_read(r->c) : r->read));
	return 1;
}

static int
push_rows_written(lua_State *L, struct rows *r)
{
	lua_pushnumber(L, (lua_Number)(r->c ? sql_rows_written(r->c) : r->written));
	return 1;
}

static const struct {
	const char *name;
	int (*push)(lua_State *, struct rows *);
} properties[] = {
	{ "columnNames", push_column_names },
	{ "rowsRead", push_rows_read },
	{ "rowsWritten", push_rows_written },
};

static int
l_index(lua_State *L)
{
	struct rows *r = check_rows(L);
	const char *name;

	push_kept(L, &methods_key);
	lua_pushvalue(L, 2);
	lua_rawget(L, -2);
	if (!lua_isnil(L, -1) || lua_type(L, 2) != LUA_TSTRING)
		return 1;
	name = lua_tostring(L, 2);
	for (size_t i = 0; i < sizeof(properties) / sizeof(properties[0]); i++)
		if (strcmp(properties[i].name, name) == 0)
			return properties[i].push(L, r);
	return 0;
}

static int
l_gc(lua_State *L)
{
	struct rows *r = lua_touserdata(L, 1);

	list_del(&r->link);
	sql_close(&r->c);
	return 0;
}

void
sql_lose_cursors(struct vm *vm)
{
	struct list *n;

	while ((n = list_shift(&vm->cursors)))
		sql_close(&container_of(n, struct rows, link)->c);
}

static int
l_tostring(lua_State *L)
{
	lua_pushliteral(L, "SqlStorageCursor");
	return 1;
}

/* ---- ctx.storage.sql ---- */

static struct object *
check_sql(lua_State *L)
{
	struct object *o = host_owner(L, 1);
	const struct class_conf *conf = o->class->conf;

	if (!conf || conf->sqlite)
		return o;
	err_set(ERR_ARGUMENT, "SQL is not available: class \"%s\" was created with new_classes (tag %s). Create a new class with "
	    "new_sqlite_classes; an existing class cannot be switched.", o->class->name, conf->tag ? conf->tag : "?");
	host_raise(L);
	return NULL;
}

/* sql:exec(query, ...) -> cursor */
static int
l_exec(lua_State *L)
{
	struct object *o = check_sql(L);
	int n = lua_gettop(L) > 2 ? lua_gettop(L) - 2 : 0;
	struct sql_value small[BINDINGS_SMALL], *bindings = small;
	struct rows *r;
	struct str query;

	if (lua_type(L, 2) != LUA_TSTRING)
		return stored_refuse(L, "sql:exec(query, ...) takes the SQL text first, then a value for each ? in it");
	query.p = lua_tolstring(L, 2, &query.n);
	r = lua_newuserdata(L, sizeof(*r));
	memset(r, 0, sizeof(*r));
	lua_insert(L, 3);
	if (n > BINDINGS_SMALL) {
		bindings = lua_newuserdata(L, (size_t)n * sizeof(*bindings));
		lua_insert(L, 4);
	}
	sqlvalue_bindings(L, n > BINDINGS_SMALL ? 5 : 4, n, bindings);
	lua_pushvalue(L, 1);
	lua_setfenv(L, 3);
	push_kept(L, &cursor_key);
	list_push(&vm_of(L)->cursors, &r->link);
	lua_setmetatable(L, 3);		/* before there is something to close: nothing can be lost in between */
	r->c = sql_exec(o->db, query, bindings, n);
	if (!r->c || sql_wrote(r->c))
		object_confirm(o);	/* also when it failed: statements before the last may have happened */
	if (!r->c)
		return stored_fail(L, o);
	lua_settop(L, 3);
	return 1;
}

/* sql.databaseSize: bytes */
static int
l_size(lua_State *L)
{
	struct object *o = check_sql(L);
	uint64_t bytes;

	if (db_size(o->db, &bytes) < 0)
		return stored_fail(L, o);
	lua_pushnumber(L, (lua_Number)bytes);
	return 1;
}

/* sql.setup(Blob, raw): the mark of bytes, and the function that makes cursor:raw(). */
static int
l_setup(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	luaL_checktype(L, 2, LUA_TFUNCTION);
	lua_settop(L, 2);
	lua_pushlightuserdata(L, &raw_key);
	lua_insert(L, 2);
	lua_rawset(L, LUA_REGISTRYINDEX);
	sqlvalue_blob_mt(L);
	return 0;
}

static const luaL_Reg methods[] = {
	{ "next", l_next },
	{ "toArray", l_toArray },
	{ "one", l_one },
	{ "raw", l_raw },
	{ NULL, NULL }
};

static const luaL_Reg metamethods[] = {
	{ "__call", l_call },
	{ "__index", l_index },
	{ "__gc", l_gc },
	{ "__tostring", l_tostring },
	{ NULL, NULL }
};

static const luaL_Reg functions[] = {
	{ "exec", l_exec },
	{ "size", l_size },
	{ "next_array", l_next_array },
	{ "arrays", l_arrays },
	{ "cancel", l_cancel },
	{ "setup", l_setup },
	{ NULL, NULL }
};

static void
keep_table(lua_State *L, char *key, const luaL_Reg *entries)
{
	lua_pushlightuserdata(L, key);
	lua_newtable(L);
	luaL_register(L, NULL, entries);
	if (entries == metamethods) {		/* apps must not reach __gc */
		lua_pushliteral(L, "cursor");
		lua_setfield(L, -2, "__metatable");
	}
	lua_rawset(L, LUA_REGISTRYINDEX);
}

void
bind_sql(lua_State *L)
{
	keep_table(L, &cursor_key, metamethods);
	keep_table(L, &methods_key, methods);
	lua_newtable(L);
	luaL_register(L, NULL, functions);
	lua_setfield(L, -2, "sql");
}

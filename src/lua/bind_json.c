/* bind_json.c -- native.json: parse, stringify, null and the mark of arrays.
 *
 *	parse(text)			the value; or nil and what is wrong
 *	stringify(value, indent)	the text; or nil and what is wrong
 *	setup(Date, Map, sorted)	once: two metatables, and what lists the keys of a table in order
 *
 * lua/drey/json.lua turns what is wrong into an error at the line of its caller.
 * lua-cjson is not asked: it cuts numbers to 14 digits, lets NaN, 0x10 and bad UTF-8 pass, and
 * knows no empty array.  Apps that require "cjson" get it as it is; its null is ours.
 */
#include <lauxlib.h>

#include "base/err.h"
#include "lua/host.h"
#include "lua/json.h"
#include "lua/value.h"

static char setup_key;		/* in the registry: { Date, Map, sorted } */

static int
push_trouble(lua_State *L)
{
	lua_pushnil(L);
	lua_pushstring(L, err_text());
	return 2;
}

static int
l_parse(lua_State *L)
{
	struct str text;

	text.p = luaL_checklstring(L, 1, &text.n);
	return json_push(L, text) == OK ? 1 : push_trouble(L);
}

static int
l_setup(lua_State *L)
{
	lua_settop(L, 3);
	lua_pushlightuserdata(L, &setup_key);
	lua_createtable(L, 3, 0);
	for (int i = 1; i <= 3; i++) {
		lua_pushvalue(L, i);
		lua_rawseti(L, -2, i);
	}
	lua_rawset(L, LUA_REGISTRYINDEX);
	return 0;
}

static int
l_stringify(lua_State *L)
{
	struct json_kinds kinds;
	const char *indent = luaL_optstring(L, 2, NULL);

	lua_settop(L, 2);
	lua_pushlightuserdata(L, &setup_key);
	lua_rawget(L, LUA_REGISTRYINDEX);
	for (int i = 1; i <= 3; i++)
		lua_rawgeti(L, 3, i);
	kinds.date = lua_topointer(L, 4);
	kinds.map = lua_topointer(L, 5);
	return json_push_text(L, 1, &kinds, indent, 6) == OK ? 1 : push_trouble(L);
}

static const luaL_Reg functions[] = { { "parse", l_parse }, { "setup", l_setup }, { "stringify", l_stringify }, { NULL, NULL } };

void
bind_json(lua_State *L)
{
	lua_newtable(L);
	luaL_register(L, NULL, functions);
	lua_pushlightuserdata(L, NULL);
	lua_setfield(L, -2, "null");
	value_array_mt(L);
	lua_setfield(L, -2, "array_mt");
	lua_setfield(L, -2, "json");
}

/* bind_json.c -- native.json: a lua-cjson of our own, and the mark of arrays.
 *
 * Apps that require "cjson" get another instance, so that its settings (numbers,
 * sparse arrays) cannot reach in here.  Numbers that JSON does not have
 * (NaN, 0x10, Infinity) are refused in both directions; errors of decode
 * keep their "at character N".
 */
#include <lauxlib.h>
#include <lua-cjson.h>

#include "lua/host.h"
#include "lua/value.h"

/* Calls cjson.name(false). */
static void
switch_off(lua_State *L, const char *name)
{
	lua_getfield(L, -1, name);
	lua_pushboolean(L, 0);
	lua_call(L, 1, 0);
}

void
bind_json(lua_State *L)
{
	lua_pushcfunction(L, luaopen_cjson);
	lua_call(L, 0, 1);
	switch_off(L, "decode_invalid_numbers");
	switch_off(L, "encode_invalid_numbers");
	value_array_mt(L);
	lua_setfield(L, -2, "array_mt");
	lua_setfield(L, -2, "json");
}

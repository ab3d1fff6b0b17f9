/* sandbox.c -- a short list of what is allowed; everything else is not there.
 *
 * The real global table is left to drey's own functions.  Even if an app
 * found it, it would find nothing there: package, io, ffi and debug are
 * never opened or are gone again before the first line of an app runs.
 */
#include "lua/sandbox.h"

#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "lua/require.h"
#include "lua/value.h"

static const char *const base_allowed[] = {
	"assert", "error", "getmetatable", "ipairs", "next", "pairs", "pcall", "rawequal", "rawget", "rawset", "select",
	"setmetatable", "tonumber", "tostring", "type", "unpack", "xpcall", "_VERSION", NULL
};
static const char *const libraries_allowed[] = { "string", "table", "math", "bit", "coroutine", NULL };
static const char *const os_allowed[] = { "time", "date", "clock", NULL };
static const char *const real_dropped[] = {
	"os", "ffi", "jit", "dofile", "loadfile", "newproxy", "module", "gcinfo", "print", "collectgarbage",
	"load", "loadstring", "getfenv", "setfenv", NULL
};

/* ---- load, loadstring: text only, in the app's globals ---- */

static int
load_reader(lua_State *L, struct vm *vm, const char *name)
{
	(void)vm;
	lua_getfield(L, LUA_REGISTRYINDEX, "drey.load");
	lua_pushvalue(L, 1);
	lua_pushstring(L, name);
	lua_pushliteral(L, "t");
	lua_call(L, 3, 2);
	return 2;
}

static int
l_load(lua_State *L)
{
	struct vm *vm = vm_of(L);
	const char *name = luaL_optstring(L, 2, "=(load)");
	int env = lua_gettop(L) >= 4 && !lua_isnil(L, 4) ? 4 : 0;

	if (lua_type(L, 1) == LUA_TFUNCTION) {
		load_reader(L, vm, name);
		if (lua_isnil(L, -2))
			return 2;
		lua_pop(L, 1);
	} else {
		size_t n;
		const char *text = luaL_checklstring(L, 1, &n);

		if (luaL_loadbufferx(L, text, n, lua_gettop(L) >= 2 && !lua_isnil(L, 2) ? name : text, "t") != 0) {
			lua_pushnil(L);
			lua_insert(L, -2);
			return 2;
		}
	}
	if (env)
		lua_pushvalue(L, env);
	else
		vm_push(L, vm, REF_GLOBALS);
	lua_setfenv(L, -2);
	return 1;
}

/* ---- getfenv, setfenv: never drey's own ---- */

/* Pushes the function that argument 1 means (a function or a level); level 0 and C frames have none: 0. */
static int
push_function(lua_State *L)
{
	lua_Debug ar;
	int level;

	if (lua_isfunction(L, 1)) {
		lua_pushvalue(L, 1);
		return 1;
	}
	level = luaL_optint(L, 1, 1);
	luaL_argcheck(L, level >= 0, 1, "level must be non-negative");
	if (level == 0)
		return 0;
	if (!lua_getstack(L, level, &ar))
		luaL_argerror(L, 1, "invalid level");
	lua_getinfo(L, "f", &ar);
	return 1;
}

static bool
is_app_function(lua_State *L, int idx)
{
	lua_Debug ar;

	if (!lua_isfunction(L, idx) || lua_iscfunction(L, idx))
		return false;
	lua_pushvalue(L, idx);
	lua_getinfo(L, ">S", &ar);
	return strncmp(ar.source, "=drey/", 6) != 0;
}

static int
l_getfenv(lua_State *L)
{
	if (push_function(L) && is_app_function(L, -1))
		lua_getfenv(L, -1);
	else
		vm_push(L, vm_of(L), REF_GLOBALS);
	return 1;
}

static int
l_setfenv(lua_State *L)
{
	luaL_checktype(L, 2, LUA_TTABLE);
	if (!push_function(L) || !is_app_function(L, -1))
		return luaL_error(L, "setfenv: the environment of this function cannot be changed");
	lua_pushvalue(L, 2);
	lua_setfenv(L, -2);
	return 1;
}

/* ---- collectgarbage: the app may ask and may collect, not steer ---- */

static int
l_collectgarbage(lua_State *L)
{
	static const char *const names[] = { "collect", "count", "step", NULL };
	int which = luaL_checkoption(L, 1, "collect", names);

	if (which == 1) {
		lua_pushnumber(L, (lua_Number)vm_of(L)->used / 1024);
		return 1;
	}
	lua_pushinteger(L, lua_gc(L, which == 0 ? LUA_GCCOLLECT : LUA_GCSTEP, which == 0 ? 0 : luaL_optint(L, 2, 0)));
	return 1;
}

static const luaL_Reg guarded[] = {
	{ "load", l_load },
	{ "loadstring", l_load },
	{ "getfenv", l_getfenv },
	{ "setfenv", l_setfenv },
	{ "collectgarbage", l_collectgarbage },
	{ "require", require_module },
	{ NULL, NULL }
};

static void
open_library(lua_State *L, lua_CFunction open, const char *name)
{
	lua_pushcfunction(L, open);
	lua_pushstring(L, name);
	lua_call(L, 1, 0);
}

static void
drop(lua_State *L, const char *const *names)
{
	for (; *names; names++) {
		lua_pushnil(L);
		lua_setglobal(L, *names);
	}
}

/* Copies the named fields of the table at from into the table on top. */
static void
copy(lua_State *L, int from, const char *const *names)
{
	for (; *names; names++) {
		lua_getfield(L, from, *names);
		lua_setfield(L, -2, *names);
	}
}

void
sandbox_open(struct vm *vm)
{
	lua_State *L = vm->L;

	open_library(L, luaopen_base, "");
	open_library(L, luaopen_table, LUA_TABLIBNAME);
	open_library(L, luaopen_string, LUA_STRLIBNAME);
	open_library(L, luaopen_math, LUA_MATHLIBNAME);
	open_library(L, luaopen_bit, LUA_BITLIBNAME);
	open_library(L, luaopen_os, LUA_OSLIBNAME);
	open_library(L, luaopen_jit, LUA_JITLIBNAME);	/* this is what turns the JIT on */
	lua_pushcfunction(L, luaopen_ffi);
	lua_pushliteral(L, LUA_FFILIBNAME);
	lua_call(L, 1, 1);
	lua_getfield(L, LUA_REGISTRYINDEX, "_LOADED");
	lua_pushvalue(L, -2);
	lua_setfield(L, -2, "ffi");
	lua_pop(L, 2);
	value_open(L);
	lua_getglobal(L, "string");
	lua_pushnil(L);
	lua_setfield(L, -2, "dump");
	lua_pop(L, 1);
	lua_getglobal(L, "load");
	lua_setfield(L, LUA_REGISTRYINDEX, "drey.load");
	lua_pushliteral(L, "");				/* its metatable is every string's */
	lua_getmetatable(L, -1);
	lua_pushliteral(L, "the metatable of strings is read-only");
	lua_setfield(L, -2, "__metatable");
	lua_pop(L, 2);
}

/* ffi and os are gone from where drey's own functions could hand them on by mistake. */
static void
close_real(lua_State *L)
{
	drop(L, real_dropped);
	lua_pushnil(L);
	lua_setfield(L, LUA_REGISTRYINDEX, "_LOADED");
}

static void
copy_init_globals(struct vm *vm, int globals)
{
	lua_State *L = vm->L;

	vm_push(L, vm, REF_INIT);
	lua_getfield(L, -1, "globals");
	if (lua_istable(L, -1)) {
		lua_pushnil(L);
		while (lua_next(L, -2)) {
			lua_pushvalue(L, -2);
			lua_insert(L, -2);
			lua_rawset(L, globals);
		}
	}
	lua_pop(L, 2);
}

/* A new global: forgotten is the word local, most often. */
static int
l_new_global(lua_State *L)
{
	if (lua_type(L, 2) != LUA_TSTRING) {
		lua_rawset(L, 1);
		return 0;
	}
	return luaL_error(L, "the global variable \"%s\" is written, which all objects on this thread would share. Write local %s = ... (or local "
	    "function), self.%s for what belongs to one object, or, if you mean it, rawset(_G, \"%s\", value) (strict_globals on)",
	    lua_tostring(L, 2), lua_tostring(L, 2), lua_tostring(L, 2), lua_tostring(L, 2));
}

/* Of the table at globals. */
static void
guard_globals(lua_State *L, int globals)
{
	lua_newtable(L);
	lua_pushcfunction(L, l_new_global);
	lua_setfield(L, -2, "__newindex");
	lua_setmetatable(L, globals);
}

void
sandbox_close(struct vm *vm)
{
	lua_State *L = vm->L;
	int globals;

	lua_newtable(L);
	globals = lua_gettop(L);
	copy(L, LUA_GLOBALSINDEX, base_allowed);
	copy(L, LUA_GLOBALSINDEX, libraries_allowed);
	lua_newtable(L);
	lua_getglobal(L, "os");
	lua_insert(L, -2);
	copy(L, lua_gettop(L) - 1, os_allowed);
	lua_setfield(L, globals, "os");
	lua_pop(L, 1);
	for (const luaL_Reg *r = guarded; r->name; r++) {
		lua_pushcfunction(L, r->func);
		lua_setfield(L, globals, r->name);
	}
	lua_pushvalue(L, globals);
	lua_setfield(L, globals, "_G");
	vm_push(L, vm, REF_NATIVE);		/* print goes where console.log goes */
	lua_getfield(L, -1, "console");
	lua_getfield(L, -1, "log");
	lua_setfield(L, globals, "print");
	lua_pop(L, 2);
	copy_init_globals(vm, globals);
	if (vm->app->conf->strict_globals)
		guard_globals(L, globals);
	close_real(L);
	lua_pushvalue(L, globals);
	lua_replace(L, LUA_GLOBALSINDEX);	/* every coroutine made from now on inherits it */
	vm_keep(vm, REF_GLOBALS);
}

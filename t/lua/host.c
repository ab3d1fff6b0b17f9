/* host.c -- a Lua with every library and the parts of native that need no server: t/lua/host FILE.lua [ARGUMENT...]
 *
 * FILE runs as under luajit, and finds native.json and what else is C but
 * belongs to no task in the global "native".
 */
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>

#include "lua/host.h"
#include "lua/value.h"
#include "lua/vm.h"

static void
open_native(lua_State *L)
{
	luaL_openlibs(L);
	if (luaL_dostring(L, "require 'ffi'") != 0)
		abort();
	value_open(L);
	lua_newtable(L);
	bind_json(L);
	bind_crypto(L);
	lua_setglobal(L, "native");
}

static void
set_arguments(lua_State *L, int argc, char **argv)
{
	lua_newtable(L);
	for (int i = 1; i < argc; i++) {
		lua_pushstring(L, argv[i]);
		lua_rawseti(L, -2, i - 1);
	}
	lua_setglobal(L, "arg");
}

int
main(int argc, char **argv)
{
	struct app_conf conf = { .limits.memory = 1 << 30 };
	struct app app = { .conf = &conf };
	struct vm *vm = vm_new(NULL, NULL, &app);
	int status = 2;

	open_native(vm->L);
	set_arguments(vm->L, argc, argv);
	if (argc < 2)
		fprintf(stderr, "usage: %s FILE.lua [ARGUMENT...]\n", argv[0]);
	else if (luaL_dofile(vm->L, argv[1]) != 0)
		fprintf(stderr, "%s\n", lua_tostring(vm->L, -1));
	else
		status = (int)lua_tointeger(vm->L, -1);
	vm_free(&vm);
	return status;
}

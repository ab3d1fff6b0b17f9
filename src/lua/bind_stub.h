/* bind_stub.h -- ids as Lua values, for the host. */
#ifndef DREY_LUA_BIND_STUB_H
#define DREY_LUA_BIND_STUB_H

#include "lua/vm.h"

void stub_push_id(lua_State *, const struct class *, const struct object_id *, struct str name);	/* name.p NULL: not known */

#endif

/* bind_ctx.h -- what the host must know of waitUntil: its events look like calls. */
#ifndef DREY_LUA_BIND_CTX_H
#define DREY_LUA_BIND_CTX_H

#include "lua/vm.h"

struct kept;

/* true: a waitUntil; pushes its function, gives the request it may read. */
bool background_take(struct event *, lua_State *to, struct kept **);

#endif

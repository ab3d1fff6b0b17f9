/* bind_http.h -- messages between Lua tables and bytes, for those who send and answer. */
#ifndef DREY_LUA_BIND_HTTP_H
#define DREY_LUA_BIND_HTTP_H

#include "lua/vm.h"

void http_push_headers(lua_State *, const struct message *);	/* a list: name in lower case, value, ... */
/* idx is such a list; copies into the arena.  ERR_ARGUMENT: not strings, or with a line end. */
int http_take_headers(lua_State *, int idx, struct arena *, struct message *);
/* idx should be a Response; copies it into ev->response.  ERR_ARGUMENT says what is wrong with it. */
int http_take_response(struct vm *, lua_State *, int idx, struct event *);

#endif

/* bind_http.h -- messages between Lua tables and bytes, for those who send and answer. */
#ifndef DREY_LUA_BIND_HTTP_H
#define DREY_LUA_BIND_HTTP_H

#include "lua/vm.h"

struct kept;
struct task;

/* The request behind the handle at idx: of an event that runs, or one kept for the running task.  NULL: it has ended. */
struct message *http_request(lua_State *, int idx);
/* A handler began work that outlives its event (waitUntil): its request stays readable for that work.  A reference to the copy,
 * made once per event, for that work's task->kept; NULL: this task has no request. */
struct kept *http_keep(struct task *);
void http_unkeep(struct kept **);

void http_push_headers(lua_State *, const struct message *);	/* a list: name in lower case, value, ... */
/* idx is such a list; copies into the arena.  ERR_ARGUMENT: not strings, or with a line end. */
int http_take_headers(lua_State *, int idx, struct arena *, struct message *);
/* idx should be a Response; copies it into ev->response.  ERR_ARGUMENT says what is wrong with it. */
int http_take_response(struct vm *, lua_State *, int idx, struct event *);

#endif

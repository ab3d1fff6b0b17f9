/* call.h -- what a task sends out, and waits for: a call to an object, a request to another server.
 *
 *	t = task_waits(L, ...)
 *	ev = call_new(t, kind)  ... fill it in; event_free() when that fails
 *	return call_await(L, t, ev, resume)
 *
 * resume finds the answer in t->answer, pushes what the call returns and frees it.
 */
#ifndef DREY_LUA_CALL_H
#define DREY_LUA_CALL_H

#include "lua/task.h"
#include "object/event.h"

struct event *call_new(struct task *, enum event_kind);
/* Takes.  Through the object's output gate; parks unless the answer is there already. */
int call_await(lua_State *, struct task *, struct event *, int (*resume)(struct task *, lua_State *));
/* The same for a call whose arguments parcel_pack() packed: pushes what it returns. */
int call_send(lua_State *, struct task *, struct event *);
/* Raises if an object inside its own gate would wait for itself: nobody delivers that call before the caller lets the gate go. */
void call_refuse_deadlock(lua_State *, const struct task *, const struct object_id *to);
int call_push_failure(struct task *, lua_State *to);	/* false, and the error of t->answer; returns 2 */

#endif

/* bind_promise.h -- async(): a task that belongs to no event, and what it keeps awake.
 *
 *	task --async(fn)--> child task, begun once this one waits or ends
 *	  |                   |
 *	  | await: parks      | ends: lua/drey/promise.lua settles the promise
 *	  +<------- wake -----+
 *
 * A child holds its object awake, in a front module the graceful stop off,
 * until it has ended; a reset ends it with its object.  A token names a task and
 * which of its waits: a wake that comes too late finds nobody.
 *
 * Lives in: the VM.  Thread: its worker only.
 */
#ifndef DREY_LUA_BIND_PROMISE_H
#define DREY_LUA_BIND_PROMISE_H

#include <lua.h>

struct failure;
struct task;

/* A child that runs the function at fn; raises above the limit.  what: who asks, for the error. */
struct task *async_start(lua_State *, int fn, const char *what);
/* A child has ended, well or not, or is dropped with its object: what it kept awake may sleep.  Before task_release(). */
void async_let_go(struct task *);
void promise_lost(struct task *, const struct failure *);	/* the child was cut off: its promise raises this */

#endif

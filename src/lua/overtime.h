/* overtime.h -- what happens to an event that used up its CPU limit, and to its object and VM.
 *
 *	ended by the hook      the event fails, its object is reset
 *	leapt out of           the same; the VM is lost, so every object of the app on this worker is reset (what they
 *	                       had written is committed first), waiting front events fail, the app is loaded anew;
 *	                       the class at fault runs without the JIT from then on
 *
 * Owner: the host.  Thread: the worker's.
 */
#ifndef DREY_LUA_OVERTIME_H
#define DREY_LUA_OVERTIME_H

#include "lua/task.h"

void overtime_hook(lua_State *, lua_Debug *);	/* a lua_Hook: raises what the event is told */
/* The task's run was struck and gave this status.  true: the VM is lost, and all that belonged to it is dealt with.  false: go on with
 * the end of the task; a failure of it then says why (overtime_explain). */
bool overtime_end(struct task *, int status);
/* If the task was ended for its CPU limit: the failure says so. */
void overtime_explain(struct task *, struct arena *, struct failure *);
/* A storage call broke the db because time is up: resets the object, raises.  Else returns. */
void overtime_raise(lua_State *, struct object *);
/* The allocator refuses.  Compiled code cannot bear an error there (the packaged LuaJIT walks into nowhere): then this does not return,
 * the VM is lost. */
void overtime_full(struct vm *);
void overtime_add_memory(struct vm *, struct buf *);	/* "not enough memory: ..." */
void overtime_slow(struct task *);		/* turns the JIT off or on for who runs next */
bool overtime_load(struct vm *);		/* if the app could not be loaded after a loss: tries again.  false: err_text() */

#endif

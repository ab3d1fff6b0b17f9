/* bind_ref.h -- functions and objects passed by reference: what a VM lends, and its stubs of what others lent.
 *
 *	export   a value of this VM that others may call; in its scope
 *	stub     a userdata; behind it a holder of somebody's reference, on the list of its owner
 *	scope    whoever lends and keeps: an instance; in a front module the tasks of one event together
 *
 * A stub that came with the arguments of a call belongs to the task that runs the call, one that
 * came with a result, or was made by dup(), to the scope.  When an owner ends its stubs
 * are disposed; when a scope ends, what it lent is gone, whoever still holds it.
 * Nothing here is freed by the garbage collector alone, so a VM may be lost.
 *
 * Thread: the VM's.
 */
#ifndef DREY_LUA_BIND_REF_H
#define DREY_LUA_BIND_REF_H

#include <lua.h>
#include <stdbool.h>

#include "base/list.h"

struct event;
struct reference;
struct scope;
struct task;
struct vm;

extern const char ref_disposed[];		/* "is an RPC stub used after being disposed." */

bool ref_is_target(lua_State *, int idx);	/* an object of a class made with RpcTarget:extend()? */
bool ref_is_stub(lua_State *, int idx);
/* A function, a target or a stub, for a message of this task: its place in vm->lent.  ERR_ARGUMENT: a stub that was disposed; ERR_LIMIT.
 * May raise for want of memory. */
int ref_lend(lua_State *, int idx, struct task *by);
void ref_push(lua_State *, struct reference *, struct list *owner);	/* a stub; holds */
struct list *ref_kept(struct task *);		/* the list of what its scope keeps */
void ref_drop_stubs(struct list *owner);	/* disposes all */

/* Pushes what calls ev->target onto the coroutine: how many values (function and first arguments), or ERR_GONE. */
int ref_push_target(struct task *, struct event *);
void ref_join(struct task *, struct event *);	/* a front task runs the call of ev->target, which is live: in the scope that lent it */

void scope_share(struct task *of, struct task *with);	/* work of the same front module's event */
void scope_leave(struct scope **);		/* a front task ends; nulls yours; NULL is fine */
void scope_end(struct scope **);		/* an instance ends; nulls yours; NULL is fine */

#endif

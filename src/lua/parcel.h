/* parcel.h -- the values of a call: its arguments, or what it returned.
 *
 *	parcel_pack   Lua values --> vm->scratch and vm->lent     may raise, refuse; nobody else knows of it yet
 *	parcel_send   --> the event, which owns them from then on
 *	parcel_open   the event's --> Lua values of the receiver
 *
 * Thread: the VM's.
 */
#ifndef DREY_LUA_PARCEL_H
#define DREY_LUA_PARCEL_H

#include "lua/task.h"
#include "object/event.h"

enum parcel_kind { PARCEL_ARGUMENTS, PARCEL_RESULTS };

/* The n values of L from first on, as an array; for the task's call, or its answer.  ERR_ARGUMENT, ERR_LIMIT. */
int parcel_pack(lua_State *, int first, int n, struct task *, enum parcel_kind);
void parcel_send(struct vm *, struct event *, enum parcel_kind);	/* into args and lent, or result and returned */
/* Pushes them: how many, or an error; stubs for what came by reference go on the list of their owner. */
int parcel_open(lua_State *, struct str bytes, const struct references *, struct list *owner);

#endif

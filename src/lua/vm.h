/* vm.h -- one app's Lua state on one worker: memory, globals, classes, tasks.
 *
 * The allocator counts.  While the app's code runs (vm->strict) it refuses
 * what goes above limits memory, which Lua turns into a "not enough memory"
 * error in that task; the host's own few allocations between tasks, which
 * nobody could catch, always succeed.
 *
 * Owner: the worker's host.  Thread: that worker's only.
 */
#ifndef DREY_LUA_VM_H
#define DREY_LUA_VM_H

#include <lua.h>

#include "base/list.h"
#include "base/slabs.h"
#include "base/timers.h"
#include "object/object.h"

struct host;
struct task;
struct watch;

/* What the host reaches for on the hot path, kept as registry references. */
enum vm_ref {
	REF_GLOBALS,		/* the app's global table */
	REF_NATIVE,
	REF_INIT,		/* the table lua/drey/init.lua returned */
	REF_MODULES,		/* embedded modules that are loaded, by name */
	REF_LOADED,		/* what require gave, by name */
	REF_ENV,
	REF_FRONT_CTX,
	REF_FRONT_FETCH,	/* the front module's fetch; nil when there is none */
	REF_RESPONSE,		/* metatable of responses */
	REF_ERROR,		/* metatable of error tables that came from elsewhere */
	REF_ID,			/* metatable of ids */
	REF_RUN_TARGET,		/* of lua/drey/ref.lua: calls a method of an RpcTarget */
	REF_RUN_FRONT,		/* functions of lua/drey/park.lua that start a task */
	REF_RUN_FETCH,
	REF_RUN_WAKE,
	REF_METHOD,		/* init.method */
	REF_LOST,		/* init.lost */
	REF_STATUS, REF_HEADERS, REF_BODY, REF_SERIAL,	/* the strings "status", "_headers", "_body", "_serial" */
	REF_COUNT
};

struct vm_class {
	int table;		/* reference of the class; LUA_NOREF: the app does not return it */
	int known;		/* reference of { method name = true } that init.method let pass */
	bool slow;		/* its code was leapt out of: it runs without the JIT */
};

struct vm {
	lua_State *L;
	struct host *host;
	struct worker *worker;		/* NULL in a throwaway VM */
	struct watch *watch;		/* the worker's */
	unsigned life;			/* counts Lua states: a reference or a coroutine of an earlier one means nothing */
	char *unloaded;			/* owned; the state was lost and this is why the app could not be loaded again */
	struct buf over;		/* what the event that runs is told about its CPU limit, once the hook fired */
	struct list cursors;		/* of sql: they own memory that is not Lua's */
	struct list readers;		/* of streams: likewise */
	unsigned nreaders, readers_most;	/* of them; so many, and the garbage collector looks for those nobody holds */
	bool slow, front_slow;		/* some class is slow; the front module is */
	bool jit_off;
	const struct app *app;
	struct slabs slabs;		/* where the state lives */
	size_t used, max;
	bool strict;
	size_t collect_at;		/* collect garbage between tasks above this */
	size_t settled;			/* used after the last full collection */
	bool untrimmed;			/* much was freed since memory went back to the kernel */
	struct timer rest;		/* looks whether the VM has become quiet */
	unsigned runs, runs_seen;	/* how often code ran; and when the timer last looked */
	int ref[REF_COUNT];
	struct vm_class *classes;	/* by class->index */
	struct task *current;		/* whose code runs now */
	struct task **tasks;		/* by task->index */
	unsigned ntasks, tasks_cap;
	struct list idle;		/* tasks with a coroutine ready to be used again */
	unsigned nidle;
	struct list vacant;		/* tasks without one */
	uint64_t async;			/* tasks of async() that have not ended */
	struct list front;		/* running tasks that belong to no object */
	struct buf scratch;		/* values on their way out */
	struct references lent;		/* what they refer to */
	uint64_t exports;		/* functions and RpcTargets that are lent out */
};

struct vm *vm_new(struct host *, struct worker *, const struct app *);	/* a bare state with libraries; see sandbox, loader */
void vm_free(struct vm **);
/* The state was left in the middle of something: it is never touched again, not even closed.  Its memory goes as one; a bare new one
 * takes its place. */
void vm_lose(struct vm *);
struct vm *vm_of(lua_State *);
void vm_keep(struct vm *, enum vm_ref);		/* pops a value and keeps it */
static inline void
vm_push(lua_State *L, const struct vm *vm, enum vm_ref r)
{
	lua_rawgeti(L, LUA_REGISTRYINDEX, vm->ref[r]);
}
void vm_tidy(struct vm *);			/* between tasks: collects when memory runs short */
void vm_stir(struct vm *);			/* something ran or went: look in a while whether it was the last for now */

#endif

/* task.h -- one coroutine running one event, from its first line to its answer.
 *
 *	 task_new    task_run               waits (a native call)
 *	IDLE ------> READY ------> RUNNING ----------------------> PARKED
 *	  ^                        |    ^                            |  |
 *	  +---- host_done ---------+    +------- task_wake ----------+  +-- task_drop: never resumed, gone
 *
 * Coroutines that ended well are used again; one that raised is left to the
 * garbage collector.  A coroutine is anchored in the registry as long as its task
 * exists.  Only native calls may park: they push the park mark and yield, which
 * passes through coroutines of the app (lua/drey/park.lua) up to the host.
 *
 * A native call that waits: task_waits() first (may it?), then start what it
 * waits for, last `return task_park()`.  When it has come, task_wake(); the resume
 * function then pushes what the call returns: true and values, or false and an error.
 *
 * Owner: the VM.  Thread: the VM's.
 */
#ifndef DREY_LUA_TASK_H
#define DREY_LUA_TASK_H

#include "base/timers.h"
#include "lua/vm.h"
#include "object/waiter.h"

enum task_kind { TASK_FRONT, TASK_WAKE, TASK_CALL, TASK_FETCH, TASK_BACKGROUND, TASK_ASYNC };

struct task {
	struct waiter waiter;
	struct list link;		/* vm->idle, vm->vacant, vm->front, or its instance's tasks */
	struct vm *vm;
	lua_State *co;
	int anchor;
	unsigned index;			/* in vm->tasks */
	uint32_t generation;		/* counts uses, so that a handle of an earlier one is known */
	enum task_kind kind;
	bool parked;
	struct event *event;		/* what it runs; NULL for a constructor and for the front's waitUntil */
	struct object *object;		/* NULL: front module */
	struct event *call;		/* out, its answer is awaited; its caller is this task */
	struct event *answer;		/* has come back */
	int (*resume)(struct task *, lua_State *to);	/* pushes results, returns how many; < 0: stay parked */
	int (*got)(struct task *, lua_State *);	/* what follows when the input gate is its own */
	struct timer sleep;		/* sleep(), or the start of a front's waitUntil */
	struct word synced;		/* of storage:sync() */
	struct timer limit;		/* runs while it holds the input gate: blockConcurrencyWhile, transaction */
	struct pipe *pipe;		/* it writes a stream: the writer's end */
	struct reader *reads;		/* the stream it waits for a piece of */
	struct kept *kept;		/* the request that waitUntil work may read after its event: see bind_http.h */
	const void *raised;		/* identity of an error that went through a transaction; NULL: none */
	struct buf raised_at;		/* its traceback, of when it was raised */
	int64_t left_us;		/* processor time its event may still use */
	size_t logged;			/* bytes it wrote to the log */
	double waits;			/* how often it began to await a promise */
	struct timeouts *timeouts;	/* a front module's: shared with what its event began */
	struct scope *scope;		/* likewise; NULL: it lent and kept nothing by reference */
	struct list stubs;		/* of what came by reference with the arguments of its call */
	struct timeout *ticking;	/* runs this interval's callback */
};

/* The engine's part of an object: object->instance. */
struct instance {
	int table;			/* registry reference; LUA_NOREF until the constructor is done */
	unsigned life;			/* of the VM that built it */
	double serial;			/* what its ctx carries */
	struct list tasks;
	struct timeouts *timeouts;	/* NULL: none was ever set */
	struct scope *scope;		/* NULL: it lent and kept nothing by reference */
};

struct task *task_new(struct vm *, enum task_kind, struct event *, struct object *);	/* borrows both until host_done() or task_drop() */
void task_run(struct task *, int nargs);	/* function (first time) and arguments are on task->co */
void task_release(struct task *, bool reusable);	/* its event is the caller's now; its locks and transactions are gone */
void task_drop(struct task *);			/* a parked one: never to be resumed */
void tasks_lose(struct vm *);			/* the Lua state is gone: none of them can run any more */
void tasks_fini(struct vm *);			/* all of them, at the end of the VM */

struct task *task_waits(lua_State *, const char *what);	/* may this call wait here?  raises; what: "sleep()".
						 * NULL: the object is being reset, `return task_hang(L)` */
int task_park(lua_State *, struct task *, int (*resume)(struct task *, lua_State *));	/* `return task_park(...)` */
int task_hang(lua_State *);			/* parks for good: the object is being reset */
void task_start(struct task *);			/* a new one that belongs to no event: its function is on its stack; begins in a tick to come */
bool task_begun(const struct task *);		/* has it? */
void task_wake_later(struct task *);		/* in a tick to come, never here: while another task runs */
void task_wake(struct task *);			/* now, or when the object's input gate lets it */
void task_unwait(struct task *);		/* forgets what it waits for; nothing comes any more */
/* Takes the input gate and calls got(), or parks until it is this task's turn and calls it then; got() pushes as a resume function. */
int task_lock(lua_State *, struct task *, int (*got)(struct task *, lua_State *));
bool task_locks(const struct task *);		/* does it hold the input gate? */
void task_unlocked(struct task *);		/* it gave one lock back: perhaps the last */
void task_interrupt(struct task *);		/* a parked front task whose client left: raises in it */

void task_push_mark(lua_State *);		/* what a parked call yields */
/* A message handler: an error that is undone and raised again keeps the traceback of its first time.  Allocates nothing in Lua. */
int task_trace(lua_State *);
bool task_raised(const struct task *, const void *error, struct str *traceback);
double task_handle(const struct task *);
struct task *task_find(struct vm *, double handle);	/* NULL: it has ended */
struct task *task_by_handle(struct vm *, double handle);	/* NULL: it has ended, or has no event */

/* outcome.c: the coroutine has ended with this lua_resume() status. Takes the task. */
void host_done(struct task *, int status);

#endif

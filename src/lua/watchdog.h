/* watchdog.h -- ends Lua code that runs for too long, also where Lua itself cannot be stopped.
 *
 * LuaJIT's hooks never fire in compiled code, nor in its C functions (a
 * pattern that backtracks for hours).  So a thread looks at the clocks of the
 * workers and sends a signal to one whose event has used up its time:
 *
 *	time's up   1st signal   a hook at every instruction: interpreted code raises, past every pcall
 *	a while on  further ones if the interrupted instruction is LuaJIT's or of its making: siglongjmp out of lua_resume().
 *	                         Elsewhere (malloc, SQLite, drey): the next signal tries again
 *
 * After such a leap the state may be in pieces: WATCH_LOST says that nothing
 * of it may be touched again, not even to close it.  Code that must not be leapt out
 * of though it calls Lua holds the watch meanwhile.
 *
 * Time is the thread's processor time, charged to an event whenever the
 * watchdog looks: what waits costs nothing, what runs on costs what it uses, and
 * of many short runs those that are seen pay for the others; on a machine
 * with too much to do that is too little, never too much.
 *
 * Lives in: one per worker, in its host.  Thread: the worker's; what the watchdog's thread
 * and the signal handler touch is atomic or marked.
 */
#ifndef DREY_LUA_WATCHDOG_H
#define DREY_LUA_WATCHDOG_H

#include <lua.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/list.h"

enum { WATCH_LOST = -1 };		/* beside lua_resume()'s own results */
enum { WATCH_RANGES = 256 };

struct watch_ranges {			/* where code may be leapt out of */
	unsigned n;
	struct { uintptr_t from, to; } at[WATCH_RANGES];
};

struct watch {
	/* written by the worker around each run, read by all three */
	atomic_uint run;		/* odd: inside lua_resume() */
	_Atomic int64_t left_us;	/* what the event that runs may still use; the watchdog takes from it */
	lua_State *co;
	sigjmp_buf out;
	/* between the watchdog and the handler */
	atomic_uint target;		/* the run that is to end */
	atomic_uint handled;		/* signals */
	struct watch_ranges *_Atomic ranges;
	/* the handler's and the worker's */
	volatile sig_atomic_t struck;	/* the hook is set */
	volatile sig_atomic_t held;
	bool overtime;			/* the last run was struck; whoever looks clears it */
	lua_Hook hook;
	atomic_bool *told;		/* for SQLite: set while time is up and the run goes on */
	/* the watchdog's, under its lock */
	struct list link;
	bool attached;
	pthread_t thread;
	clockid_t clock;
	int64_t limit_us;		/* the least of all apps: says how often to look */
	int64_t seen_us, struck_us;	/* processor time at the last look; when the first signal was sent */
	int64_t seen_at_us;		/* clock_us() at the last look */
	unsigned seen_run, sent, looks;
	struct watch_ranges buffers[2];
};

void watch_init(struct watch *, int64_t limit_us, lua_Hook, atomic_bool *told);	/* limit 0: never looks; hook: must raise */
void watch_fini(struct watch *);
/* lua_resume() that ends.  *left_us: the event's budget, and what is left of it. */
int watch_resume(struct watch *, lua_State *co, int nargs, int64_t *left_us);

/* Nobody holds it, and Lua runs. */
bool watch_inside(const struct watch *);
_Noreturn void watch_leap(struct watch *);	/* what the handler does, from a call out of Lua */

static inline void
watch_hold(struct watch *w)
{
	w->held++;
	atomic_signal_fence(memory_order_seq_cst);
}

static inline void
watch_release(struct watch *w)
{
	atomic_signal_fence(memory_order_seq_cst);
	w->held--;
}

#endif

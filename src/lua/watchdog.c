/* watchdog.c -- one thread for all watches, a signal, and a way out.
 *
 * The watchdog's thread lives as long as a watch is attached; a watch attaches
 * itself in its first run, from the thread that runs.
 *
 *	worker     run 7 ....................................... run 8 (even: outside)
 *	watchdog        look  look  look: 0 left, target = 7, kill    look: even, nothing
 *	handler                             run == target? strike
 *
 * A signal that comes late finds another run than its target and does nothing.
 *
 * Not leapt out of: a dead VM's machine code stays mapped (LuaJIT has told
 * libgcc's unwinder about it, which would read it at the next error thrown); about
 * 5 KB are lost with each VM.
 *
 * Who calls Lua and owns something meanwhile?  (A leap is like a Lua error
 * that nobody sees, so what is safe from "not enough memory" is safe; the rest
 * holds the watch.  And only a call that was under way at the first signal and lasts
 * for the grace after it can be leapt out of at all: the hook lets no other begin.)
 *
 *	transactionSync        a savepoint: the object's; its reset rolls back
 *	blockConcurrencyWhile  the input gate: the object's; its reset opens it
 *	sql cursors            a statement: the db's; the cursor hangs on vm->cursors
 *	toArray, one, list     the statement stands on its row meanwhile: the cursor's; no statement is stepped inside Lua
 *	put, RPC arguments     vm->scratch
 *	stub calls             arguments are encoded before the event exists; stub:fetch(url) holds
 *	errors into failures   malloc'd texts: outside of a run, or held (block.failed, abort)
 *	console                vm->scratch
 *	JSON                   lua-cjson's buffer: about 1 KB lost with the VM
 */
#include "lua/watchdog.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "base/clock.h"
#include "base/err.h"

#define SIGNAL SIGVTALRM

enum {
	LOOK_MIN_US = 1000, LOOK_MAX_US = 100000, DOZE_MAX_US = 1000000,
	GRACE_MIN_US = 4000, GRACE_MAX_US = 250000,	/* from the first signal to the next */
	REREAD = 32					/* signals after which new machine code may have come */
};

static __thread struct watch *mine;

static struct {
	pthread_mutex_t lock;
	pthread_cond_t cond;		/* on the monotonic clock */
	pthread_t thread;
	struct list watches;
	bool ready, runs;
	unsigned life;			/* counts threads: one that was told to end does not go on for the next one's watches */
	int64_t pause_us;
} dog = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* ---- in the signal handler ---- */

static uintptr_t
interrupted_at(const ucontext_t *at)
{
#if defined(__x86_64__)
	return (uintptr_t)at->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
	return (uintptr_t)at->uc_mcontext.pc;
#else
	(void)at;
	return 0;			/* in no range: hooks only */
#endif
}

static bool
may_leap(const struct watch *w, uintptr_t pc)
{
	const struct watch_ranges *r = atomic_load_explicit(&w->ranges, memory_order_acquire);

	if (w->held || !r)
		return false;
	for (unsigned i = 0; i < r->n; i++)
		if (pc >= r->at[i].from && pc < r->at[i].to)
			return true;
	return false;
}

static void
on_signal(int number, siginfo_t *info, void *context)
{
	struct watch *w = mine;
	unsigned run;

	(void)number;
	(void)info;
	if (!w)
		return;
	atomic_fetch_add_explicit(&w->handled, 1, memory_order_release);
	run = atomic_load_explicit(&w->run, memory_order_relaxed);
	if (!(run & 1) || run != atomic_load_explicit(&w->target, memory_order_acquire))
		return;
	if (!w->struck) {
		w->struck = 1;
		atomic_store_explicit(w->told, true, memory_order_relaxed);
		lua_sethook(w->co, w->hook, LUA_MASKCOUNT, 1);
		return;
	}
	if (may_leap(w, interrupted_at(context)))
		siglongjmp(w->out, 1);
}

/* ---- on the worker's thread ---- */

static void
calm(struct watch *w)
{
	w->struck = 0;
	w->overtime = true;
	atomic_store_explicit(w->told, false, memory_order_relaxed);
}

/* The handler has leapt here: the signal it was in is still blocked. */
static int
lost(struct watch *w)
{
	sigset_t set;

	atomic_fetch_add_explicit(&w->run, 1, memory_order_release);
	w->held = 0;
	calm(w);
	sigemptyset(&set);
	sigaddset(&set, SIGNAL);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	return WATCH_LOST;
}

bool
watch_inside(const struct watch *w)
{
	return w && !w->held && (atomic_load_explicit(&w->run, memory_order_relaxed) & 1);
}

void
watch_leap(struct watch *w)
{
	siglongjmp(w->out, 1);
}

static void attach(struct watch *);

int
watch_resume(struct watch *w, lua_State *co, int nargs, int64_t *left_us)
{
	unsigned run = atomic_load_explicit(&w->run, memory_order_relaxed);
	int status;

	if (!w->attached)
		attach(w);
	mine = w;
	if (sigsetjmp(w->out, 0) != 0)
		return lost(mine);
	w->co = co;
	atomic_store_explicit(&w->left_us, *left_us, memory_order_relaxed);
	atomic_store_explicit(&w->run, run + 1, memory_order_release);
	status = lua_resume(co, nargs);
	atomic_store_explicit(&w->run, run + 2, memory_order_release);
	*left_us = atomic_load_explicit(&w->left_us, memory_order_relaxed);
	if (w->struck) {
		lua_sethook(co, NULL, 0, 0);
		calm(w);
	}
	return status;
}

/* ---- the addresses of LuaJIT and of what it compiled ---- */

/* A line of /proc/self/maps: LuaJIT's own code, or memory of nobody's that can be executed. */
static bool
is_luas(const char *line, uintptr_t *from, uintptr_t *to)
{
	unsigned long a, b;
	char rights[5];
	int name = 0;

	if (sscanf(line, "%lx-%lx %4s %*s %*s %*s %n", &a, &b, rights, &name) != 3 || rights[2] != 'x' || name == 0)
		return false;
	*from = a;
	*to = b;
	return line[name] == '\0' || line[name] == '\n' || strstr(line + name, "/libluajit") != NULL;
}

static void
read_ranges(struct watch_ranges *r)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char line[512];

	r->n = 0;
	if (!f)
		return;			/* out of descriptors: hooks only, this time */
	while (r->n < WATCH_RANGES && fgets(line, sizeof(line), f))
		if (is_luas(line, &r->at[r->n].from, &r->at[r->n].to))
			r->n++;
	fclose(f);
}

/* The handler may still read the other buffer; it is done with this one, for it has handled every signal since. */
static void
publish(struct watch *w)
{
	struct watch_ranges *now = atomic_load_explicit(&w->ranges, memory_order_relaxed);
	struct watch_ranges *next = now == &w->buffers[0] ? &w->buffers[1] : &w->buffers[0];

	read_ranges(next);
	atomic_store_explicit(&w->ranges, next, memory_order_release);
}

/* ---- the watchdog's thread ---- */

static int64_t
bounded(int64_t n, int64_t least, int64_t most)
{
	return n < least ? least : n > most ? most : n;
}

static void
strike(struct watch *w, unsigned run, int64_t now)
{
	bool first = run != atomic_load_explicit(&w->target, memory_order_relaxed);

	if (w->sent != atomic_load_explicit(&w->handled, memory_order_acquire))
		return;			/* it has not run since the last one */
	if (first) {
		w->struck_us = now;
		w->looks = 0;
		publish(w);
		atomic_store_explicit(&w->target, run, memory_order_release);
	} else if (now - w->struck_us < bounded(w->limit_us / 8, GRACE_MIN_US, GRACE_MAX_US)) {
		return;
	} else if (++w->looks % REREAD == 0) {
		publish(w);
	}
	w->sent++;
	pthread_kill(w->thread, SIGNAL);
}

static int64_t
processor_us(const struct watch *w)
{
	struct timespec ts = { 0 };

	clock_gettime(w->clock, &ts);
	return ts.tv_sec * INT64_C(1000000) + ts.tv_nsec / 1000;
}

/* Returns how soon to look again. */
static int64_t
look(struct watch *w)
{
	int64_t often = bounded(w->limit_us / 16, LOOK_MIN_US, LOOK_MAX_US), now = processor_us(w), wall = clock_us(), cost, left = 1;
	unsigned run = atomic_load_explicit(&w->run, memory_order_acquire), seen = w->seen_run;
	bool slept = run == seen && !(run & 1);

	/* A long run used the processor time since the last look.  Of many short ones some are seen: each stands for those that were
	 * not, so it is charged the whole time between two looks, as the chance to be seen is a share of that. */
	cost = run - seen > 2 ? wall - w->seen_at_us : now - w->seen_us;
	if (run & 1)
		left = atomic_fetch_sub_explicit(&w->left_us, cost, memory_order_relaxed) - cost;
	w->seen_run = run;
	w->seen_us = now;
	w->seen_at_us = wall;
	if (left <= 0) {
		strike(w, run, now);
		return LOOK_MIN_US;
	}
	return slept ? bounded(w->limit_us / 4, LOOK_MIN_US, DOZE_MAX_US) : often;
}

/* The lock is held.  When nothing runs, it looks less and less often. */
static void
look_at_all(void)
{
	int64_t soonest = DOZE_MAX_US;

	list_each_safe (n, &dog.watches) {
		int64_t soon = look(container_of(n, struct watch, link));

		if (soon < soonest)
			soonest = soon;
	}
	dog.pause_us = soonest > 2 * dog.pause_us ? 2 * dog.pause_us : soonest;
}

static void *
on_watch(void *arg)
{
	unsigned life = (unsigned)(uintptr_t)arg;

	pthread_setname_np(pthread_self(), "watchdog");
	pthread_mutex_lock(&dog.lock);
	while (life == dog.life) {
		struct timespec until;

		look_at_all();
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += (dog.pause_us % 1000000) * 1000;
		until.tv_sec += dog.pause_us / 1000000 + until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		pthread_cond_timedwait(&dog.cond, &dog.lock, &until);
	}
	pthread_mutex_unlock(&dog.lock);
	return NULL;
}

/* ---- coming and going ---- */

static void
make_ready(void)
{
	struct sigaction act = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART };
	pthread_condattr_t attr;

	if (dog.ready)
		return;
	list_init(&dog.watches);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&dog.cond, &attr);
	pthread_condattr_destroy(&attr);
	sigemptyset(&act.sa_mask);
	must(sigaction(SIGNAL, &act, NULL) == 0);
	dog.ready = true;
}

/* Signals are for the workers, not for it. */
static void
start_thread(void)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	must(pthread_create(&dog.thread, NULL, on_watch, (void *)(uintptr_t)dog.life) == 0);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	dog.runs = true;
}

static void
attach(struct watch *w)
{
	w->attached = true;
	if (!w->limit_us)
		return;
	w->thread = pthread_self();
	must(pthread_getcpuclockid(w->thread, &w->clock) == 0);
	w->seen_us = processor_us(w);
	w->seen_at_us = clock_us();
	pthread_mutex_lock(&dog.lock);
	make_ready();
	list_push(&dog.watches, &w->link);
	dog.pause_us = LOOK_MIN_US;
	if (!dog.runs)
		start_thread();
	pthread_mutex_unlock(&dog.lock);
}

void
watch_init(struct watch *w, int64_t limit_us, lua_Hook hook, atomic_bool *told)
{
	memset(w, 0, sizeof(*w));
	list_init(&w->link);
	w->limit_us = limit_us;
	w->hook = hook;
	w->told = told;
}

void
watch_fini(struct watch *w)
{
	pthread_t gone;
	bool last;

	if (!w->attached || !w->limit_us)	/* not on the list; whether w->link is linked, only the lock may tell */
		return;
	w->attached = false;
	pthread_mutex_lock(&dog.lock);
	list_del(&w->link);
	last = list_empty(&dog.watches);
	gone = dog.thread;
	if (last) {
		dog.runs = false;
		dog.life++;
		pthread_cond_broadcast(&dog.cond);
	}
	pthread_mutex_unlock(&dog.lock);
	if (last)
		pthread_join(gone, NULL);
	if (mine == w)
		mine = NULL;
}

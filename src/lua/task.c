/* task.c -- coroutines, taken from a pool, run, parked, resumed, dropped.
 *
 * Trap: lua_yield() inside a callback of table.sort or string.gsub raises
 * LuaJIT's "attempt to yield across C-call boundary"; task_waits() says
 * it better, and before anything was sent.
 */
#include "lua/task.h"

#include <lauxlib.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "lua/bind_http.h"
#include "lua/bind_ref.h"
#include "lua/bind_stream.h"
#include "lua/host.h"
#include "lua/overtime.h"
#include "lua/timeouts.h"
#include "lua/traceback.h"
#include "lua/watchdog.h"
#include "object/worker.h"

enum { IDLE_MAX = 256 };		/* coroutines kept ready per VM */
#define HANDLE_SLOTS 1048576.0		/* a handle is generation * this + index: exact in a double */

static char park_mark;

static void
on_wake(struct waiter *w)
{
	struct task *t = container_of(w, struct task, waiter);
	int n;

	must(t->parked && t->resume);
	n = t->resume(t, t->co);
	if (n >= 0)
		task_run(t, n);
}

/* An input gate that closes for good tells us; engine.forget() drops the task right after, or has done so. */
static void
on_cancel(struct waiter *w, const struct failure *why)
{
	(void)w;
	(void)why;
}

static void
on_sleep(struct timer *timer)
{
	task_wake(container_of(timer, struct task, sleep));
}

static void
on_limit(struct timer *timer)
{
	struct task *t = container_of(timer, struct task, limit);
	struct failure why = { .overloaded = true, .reset = true };
	struct buf text = { 0 };
	char place[512];

	must(t->object);
	buf_printf(&text, "A call to blockConcurrencyWhile() in a Durable Object waited for too long. "
	    "The call was canceled and the Durable Object was reset.%s",
	    host_limit(t->vm->app->conf, "block_timeout", place, sizeof(place)));
	why.message = buf_slice(&text);
	object_break(t->object, &why);		/* copies */
	buf_fini(&text);
}

static struct task *
make(struct vm *vm)
{
	struct task *t = xcalloc(1, sizeof(*t));

	if (vm->ntasks == vm->tasks_cap) {
		vm->tasks_cap = vm->tasks_cap ? vm->tasks_cap * 2 : 64;
		vm->tasks = xrealloc(vm->tasks, vm->tasks_cap * sizeof(struct task *));
	}
	must(vm->ntasks < (unsigned)HANDLE_SLOTS);
	t->vm = vm;
	t->index = vm->ntasks;
	vm->tasks[vm->ntasks++] = t;
	t->waiter.wake = on_wake;
	t->waiter.cancel = on_cancel;
	list_init(&t->waiter.link);
	list_init(&t->link);
	list_init(&t->synced.link);
	list_init(&t->stubs);
	timer_init(&t->sleep, on_sleep);
	timer_init(&t->limit, on_limit);
	return t;
}

static struct task *
take(struct vm *vm)
{
	struct list *l = list_shift(&vm->idle);
	struct task *t;

	if (l) {
		vm->nidle--;
		return container_of(l, struct task, link);
	}
	l = list_shift(&vm->vacant);
	t = l ? container_of(l, struct task, link) : make(vm);
	lua_checkstack(vm->L, 4);
	t->co = lua_newthread(vm->L);
	t->anchor = luaL_ref(vm->L, LUA_REGISTRYINDEX);
	return t;
}

struct task *
task_new(struct vm *vm, enum task_kind kind, struct event *ev, struct object *o)
{
	struct task *t = take(vm);

	t->kind = kind;
	t->event = ev;
	t->object = o;
	t->left_us = vm->app->conf->limits.cpu_ms * 1000;
	t->logged = 0;
	if (ev)
		ev->task = t;
	list_push(o ? &((struct instance *)o->instance)->tasks : &vm->front, &t->link);
	return t;
}

void
task_unwait(struct task *t)
{
	if (t->call) {
		t->call->caller = NULL;		/* the answer, when it comes, finds nobody */
		if (t->call->kind == EVENT_OUTBOUND)
			worker_abandon(t->vm->worker, t->call);
		t->call = NULL;
	}
	if (t->answer)
		event_free(&t->answer);
	if (timer_is_set(&t->sleep))
		timer_clear(&t->vm->worker->timers, &t->sleep);
	stream_unwait(t);
	list_del(&t->waiter.link);
	list_del(&t->synced.link);
	t->resume = NULL;
	t->parked = false;
}

void
task_release(struct task *t, bool reusable)
{
	struct vm *vm = t->vm;
	struct object *o = t->object;

	task_unwait(t);
	stream_cut(t);
	if (timer_is_set(&t->limit))
		timer_clear(&vm->worker->timers, &t->limit);
	if (t->event)
		t->event->task = NULL;
	t->event = NULL;
	t->object = NULL;
	t->waiter.section = 0;
	t->raised = NULL;
	buf_fini(&t->raised_at);
	http_unkeep(&t->kept);
	timeouts_ran(&t->ticking);
	timeouts_leave(&t->timeouts);
	ref_drop_stubs(&t->stubs);
	scope_leave(&t->scope);
	t->generation++;
	list_del(&t->link);
	if (o)
		object_let_go(o, &t->waiter);
	if (reusable && vm->nidle < IDLE_MAX) {
		lua_settop(t->co, 0);
		vm->nidle++;
		list_insert(&vm->idle, &t->link);	/* the warmest first */
		return;
	}
	luaL_unref(vm->L, LUA_REGISTRYINDEX, t->anchor);
	t->co = NULL;
	list_insert(&vm->vacant, &t->link);
}

void
task_drop(struct task *t)
{
	must(t->vm->current != t);
	stream_leave(t);
	task_release(t, false);
}

void
tasks_lose(struct vm *vm)
{
	list_splice(&vm->vacant, &vm->idle);
	vm->nidle = 0;
	for (unsigned i = 0; i < vm->ntasks; i++) {
		vm->tasks[i]->co = NULL;
		vm->tasks[i]->anchor = LUA_NOREF;
	}
}

/* The server ends while something that a front module lent is being called.  Its caller may be on another thread, and no more there. */
static void
end_callback(struct vm *vm, struct task *t)
{
	static const struct failure why = { .message = STR("the server stops"), .retryable = true };
	struct event *ev = t->event;

	if (!ev || t->object || !ev->target)
		return;
	t->event = NULL;
	if (ev->home == vm->worker && ev->caller) {
		task_unwait(ev->caller);
		event_free(&ev);
	} else if (ev->home == vm->worker) {
		event_free(&ev);
	} else {
		event_fail_with(ev, &why);
		worker_answer(vm->worker, ev);
	}
}

void
tasks_fini(struct vm *vm)
{
	for (unsigned i = 0; i < vm->ntasks; i++)
		end_callback(vm, vm->tasks[i]);
	for (unsigned i = 0; i < vm->ntasks; i++) {
		if (vm->tasks[i]->call)
			vm->tasks[i]->call->caller = NULL;
		if (vm->tasks[i]->answer)
			event_free(&vm->tasks[i]->answer);
		http_unkeep(&vm->tasks[i]->kept);
		buf_fini(&vm->tasks[i]->raised_at);
		stream_cut(vm->tasks[i]);
		timeouts_ran(&vm->tasks[i]->ticking);
		timeouts_leave(&vm->tasks[i]->timeouts);
		ref_drop_stubs(&vm->tasks[i]->stubs);
		scope_leave(&vm->tasks[i]->scope);
		if (vm->worker) {
			timer_clear(&vm->worker->timers, &vm->tasks[i]->sleep);
			timer_clear(&vm->worker->timers, &vm->tasks[i]->limit);
		}
		free(vm->tasks[i]);
	}
	free(vm->tasks);
	vm->tasks = NULL;
	vm->ntasks = 0;
}

void
task_run(struct task *t, int nargs)
{
	struct vm *vm = t->vm;
	int status;

	must(!vm->current && t->co);
	vm_stir(vm);
	if (vm->slow)
		overtime_slow(t);
	vm->current = t;
	vm->strict = true;
	t->parked = false;
	t->resume = NULL;
	status = watch_resume(vm->watch, t->co, nargs, &t->left_us);
	vm->strict = false;
	vm->current = NULL;
	if (vm->watch->overtime && overtime_end(t, status))
		return;
	if (status == LUA_YIELD) {
		char place[128];

		lua_settop(t->co, 0);
		if (t->parked)
			return;
		traceback_place(t->co, 0, place, sizeof(place));
		lua_pushfstring(t->co, "%scoroutine.yield() gives control back to whoever resumed this coroutine; a handler is "
		    "resumed by the server: call sleep(), a stub or fetch() to wait, or yield inside a coroutine.wrap(function() ... end)", place);
		status = LUA_ERRRUN;
	}
	host_done(t, status);
	vm_tidy(vm);
}

struct task *
task_waits(lua_State *L, const char *what)
{
	struct task *t = host_task(L);

	if (!lua_isyieldable(L))
		host_error(L, "%s waits, and Lua cannot wait inside transactionSync() or a callback of table.sort or string.gsub: do it "
		    "before or after, and keep the result in a local", what);
	if (t->call || t->resume)	/* an earlier wait that could not park */
		task_unwait(t);
	if (t->event && t->event->kind == EVENT_FETCH)
		event_own(t->event);
	if (t->object) {
		object_yield(t->object);
		if (t->object->reset)		/* the commit failed */
			return NULL;
	}
	return t;
}

void
task_push_mark(lua_State *L)
{
	lua_pushlightuserdata(L, &park_mark);
}

int
task_park(lua_State *L, struct task *t, int (*resume)(struct task *, lua_State *))
{
	t->resume = resume;
	t->parked = true;
	task_push_mark(L);
	return lua_yield(L, 1);
}

static int
stay(struct task *t, lua_State *to)
{
	(void)t;
	(void)to;
	return -1;
}

int
task_hang(lua_State *L)
{
	return task_park(L, host_task(L), stay);
}

void
task_wake_later(struct task *t)
{
	if (t->object)
		object_wake(t->object, &t->waiter);
	else
		timer_set(&t->vm->worker->timers, &t->sleep, clock_ms());
}

static int
begin(struct task *t, lua_State *to)
{
	(void)t;
	(void)to;
	return 0;
}

void
task_start(struct task *t)
{
	t->resume = begin;
	t->parked = true;
	task_wake_later(t);
}

bool
task_begun(const struct task *t)
{
	return t->resume != begin;
}

void
task_wake(struct task *t)
{
	if (!t->parked)
		return;			/* come before it could park: the call looks itself */
	if (t->object)
		object_wake(t->object, &t->waiter);
	else
		on_wake(&t->waiter);
}

void
task_interrupt(struct task *t)
{
	static const struct failure gone = { .message = STR("client disconnected") };
	struct event *call = t->call;
	struct worker *worker = t->vm->worker;

	if (!t->parked || !t->co)
		return;
	stream_leave(t);
	task_unwait(t);
	lua_pushboolean(t->co, 0);
	failure_push(t->co, t->vm->ref[REF_ERROR], &gone, false);
	lua_pushnil(t->co);
	lua_setfield(t->co, -2, "remote");
	lua_pushboolean(t->co, 1);
	lua_setfield(t->co, -2, "clientDisconnected");
	if (call)
		worker_abandon(worker, call);
	task_run(t, 2);
}

/* ---- errors that are raised again ---- */

int
task_trace(lua_State *L)
{
	struct task *t = vm_of(L)->current;
	const void *error = lua_topointer(L, 1);
	struct str message = { 0 };

	if (!t || !error || error == t->raised)	/* or again, on its way out of the transaction around */
		return 1;
	if (lua_type(L, 1) == LUA_TSTRING)
		message.p = lua_tolstring(L, 1, &message.n);
	t->raised = error;
	buf_clear(&t->raised_at);
	traceback_add(L, 1, message, &t->raised_at);
	return 1;
}

bool
task_raised(const struct task *t, const void *error, struct str *traceback)
{
	if (!error || error != t->raised || t->raised_at.n == 0)
		return false;
	*traceback = (struct str){ t->raised_at.p + 1, t->raised_at.n - 1 };	/* without its first line feed */
	return true;
}

/* ---- the input gate ---- */

bool
task_locks(const struct task *t)
{
	return t->object && t->object->input.owner == &t->waiter;
}

void
task_unlocked(struct task *t)
{
	if (!task_locks(t))
		timer_clear(&t->vm->worker->timers, &t->limit);
}

/* Just now; the clock runs from the outermost. */
static int
lock_taken(struct task *t, lua_State *to, int (*got)(struct task *, lua_State *))
{
	if (!timer_is_set(&t->limit))
		timer_set(&t->vm->worker->timers, &t->limit, clock_ms() + t->vm->app->conf->limits.block_timeout_ms);
	return got(t, to);
}

/* It may be this task's turn; if another was faster, it stands in line again. */
static int
try_lock(struct task *t, lua_State *to)
{
	int rc = object_lock(t->object, &t->waiter);

	if (rc == ERR_BUSY)
		return -1;
	must(rc == OK);		/* the depth is this task's own, and it holds nothing yet */
	return lock_taken(t, to, t->got);
}

int
task_lock(lua_State *L, struct task *t, int (*got)(struct task *, lua_State *))
{
	int rc = object_lock(t->object, &t->waiter), n;

	if (rc == ERR_BUSY) {
		t->got = got;
		return task_park(L, t, try_lock);
	}
	if (rc != OK)
		return host_raise(L);
	n = lock_taken(t, L, got);
	return n < 0 ? task_hang(L) : n;
}

double
task_handle(const struct task *t)
{
	return t->generation * HANDLE_SLOTS + t->index;
}

struct task *
task_find(struct vm *vm, double handle)
{
	uint64_t h = handle >= 0 && handle < 9e15 ? (uint64_t)handle : UINT64_MAX;
	uint64_t index = h % (uint64_t)HANDLE_SLOTS;
	struct task *t = index < vm->ntasks ? vm->tasks[index] : NULL;

	return t && t->co && t->generation == (uint32_t)(h / (uint64_t)HANDLE_SLOTS) ? t : NULL;
}

struct task *
task_by_handle(struct vm *vm, double handle)
{
	struct task *t = task_find(vm, handle);

	return t && t->event ? t : NULL;
}

/* overtime.c -- the limit is used up: whose fault, who else is hit, what everybody is told.
 *
 * The words for the event at fault are made once, by the hook (which knows
 * the line), and kept in vm->over until its task has ended.
 */
#include "lua/overtime.h"

#include <dlfcn.h>
#include <lauxlib.h>
#include <luajit.h>
#include <stdlib.h>
#include <unwind.h>

#include "base/err.h"
#include "base/log.h"
#include "lua/bind_promise.h"
#include "lua/host.h"
#include "lua/loader.h"
#include "lua/traceback.h"
#include "lua/watchdog.h"
#include "object/worker.h"

/* ---- the words ---- */

static void
add_time(struct buf *out, int64_t ms)
{
	if (ms % 1000 == 0)
		buf_printf(out, "%lld s", (long long)(ms / 1000));
	else
		buf_printf(out, "%lld ms", (long long)ms);
}

/* place: "looper.lua:12: ", or ""; inside: ", in the handler at looper.lua:10", or "". */
static void
tell(struct task *t, const char *place, const char *inside)
{
	struct buf *out = &t->vm->over;
	const struct app_conf *conf = t->vm->app->conf;
	struct place at = settings_limit_at(conf, "cpu");
	char label[256];

	buf_clear(out);
	buf_c(out, place);
	if (t->object)
		buf_printf(out, "Durable Object exceeded its CPU time limit and was reset. %s", object_label(t->object, label, sizeof(label)).p);
	else
		buf_printf(out, "Worker exceeded CPU time limit. The front module of %s", conf->name);
	buf_c(out, " used more than ");
	add_time(out, conf->limits.cpu_ms);
	buf_printf(out, " in one event%s (limits cpu, %s:%d); do less in one event, or raise the limit", inside,
	    at.file ? at.file : "configuration", at.line);
}

static void
failure_of(struct vm *vm, struct object *o, struct failure *why)
{
	*why = (struct failure){ .message = buf_slice(&vm->over), .overloaded = true, .reset = o != NULL };
}

static void
reset(struct vm *vm, struct object *o)
{
	struct failure why;

	failure_of(vm, o, &why);
	object_break(o, &why);
}

/* ---- while it runs ---- */

void
overtime_hook(lua_State *L, lua_Debug *ar)
{
	struct vm *vm = vm_of(L);
	char place[160];

	(void)ar;
	if (!vm->over.n) {
		traceback_place(L, 0, place, sizeof(place));
		tell(vm->current, place, "");
	}
	lua_pushlstring(L, vm->over.p, vm->over.n);
	lua_error(L);
}

void
overtime_raise(lua_State *L, struct object *o)
{
	struct vm *vm = vm_of(L);
	char place[160];

	if (!atomic_load_explicit(&o->worker->overtime, memory_order_relaxed))
		return;
	traceback_place(L, 1, place, sizeof(place));
	tell(vm->current, place, "");
	reset(vm, o);
	lua_pushlstring(L, vm->over.p, vm->over.n);
	lua_error(L);
}

/* ---- no memory in compiled code ---- */

enum { FRAMES_MAX = 24 };		/* from compiled code down to the allocator there are some five */

/* Code that no file on disk holds was made by the JIT. */
static _Unwind_Reason_Code
on_frame(struct _Unwind_Context *at, void *arg)
{
	int *left = arg;
	Dl_info known;

	*left = dladdr((void *)_Unwind_GetIP(at), &known) ? *left - 1 : -1;
	return *left > 0 ? _URC_NO_REASON : _URC_END_OF_STACK;	/* libgcc aborts if it has to go on from there */
}

void
overtime_full(struct vm *vm)
{
	int left = FRAMES_MAX;

	if (!vm->current || !watch_inside(vm->watch) || vm->jit_off)
		return;
	_Unwind_Backtrace(on_frame, &left);
	if (left >= 0)
		return;
	overtime_add_memory(vm, &vm->over);
	watch_leap(vm->watch);
}

void
overtime_add_memory(struct vm *vm, struct buf *out)
{
	struct place at = settings_limit_at(vm->app->conf, "memory");

	buf_printf(out, "not enough memory: all objects of app %s on this thread together may use %llu bytes (limits memory, %s:%d)",
	    vm->app->name, (unsigned long long)vm->max, at.file ? at.file : "configuration", at.line);
}

void
overtime_slow(struct task *t)
{
	struct vm *vm = t->vm;
	bool off = t->object ? vm->classes[t->object->class->index].slow : vm->front_slow;

	if (off == vm->jit_off)
		return;
	luaJIT_setmode(vm->L, 0, LUAJIT_MODE_ENGINE | (off ? LUAJIT_MODE_OFF : LUAJIT_MODE_ON));
	vm->jit_off = off;
}

/* ---- the VM is lost ---- */

static void
mark_slow(struct task *t)
{
	struct vm *vm = t->vm;

	vm->slow = true;
	if (t->object)
		vm->classes[t->object->class->index].slow = true;
	else
		vm->front_slow = true;
}

/* Where the handler begins: the line it was stopped at nobody can tell.  The new VM knows. */
static void
find_handler(struct task *t, char *inside, size_t n)
{
	struct vm *vm = t->vm;
	lua_State *L = vm->L;
	lua_Debug ar;

	if (!t->object) {
		vm_push(L, vm, REF_FRONT_FETCH);
	} else {
		struct str method = t->kind == TASK_WAKE ? STR("constructor") : t->kind == TASK_FETCH ? STR("fetch") :
			t->kind == TASK_CALL ? t->event->method : STR("");

		lua_rawgeti(L, LUA_REGISTRYINDEX, vm->classes[t->object->class->index].table);
		if (lua_istable(L, -1)) {
			lua_pushlstring(L, method.p, method.n);
			lua_rawget(L, -2);
			lua_remove(L, -2);
		}
	}
	if (!lua_isfunction(L, -1) || lua_iscfunction(L, -1)) {
		lua_pop(L, 1);
		return;
	}
	lua_getinfo(L, ">S", &ar);
	snprintf(inside, n, ", in the handler at %s:%d", ar.short_src, ar.linedefined);
}

static void
load_again(struct vm *vm)
{
	vm_lose(vm);
	free(vm->unloaded);
	vm->unloaded = NULL;
	if (loader_load(vm) == OK)
		return;
	log_error("app %s cannot be loaded again: %s", vm->app->name, err_text());
	vm->unloaded = xstrdup(err_text());
}

bool
overtime_load(struct vm *vm)
{
	if (!vm->unloaded)
		return true;
	load_again(vm);
	if (vm->unloaded)
		err_set(ERR_LUA, "%s", vm->unloaded);
	return !vm->unloaded;
}

static void
fail_front(struct task *t, const struct failure *why)
{
	struct vm *vm = t->vm;
	struct event *ev = t->event;

	if (t->kind == TASK_ASYNC)
		async_let_go(t);
	else if (!ev || ev->target)	/* its waitUntil; a callback */
		worker_release(vm->worker);
	task_release(t, false);
	if (!ev)
		return;
	event_fail_with(ev, why);
	worker_answer(vm->worker, ev);
}

/* Everybody but the one at fault; who waits for its answer hears what it would have been. */
static void
fail_others(struct vm *vm, struct task *guilty, const struct failure *its)
{
	struct buf text = { 0 };
	char label[256];
	struct failure why = { .retryable = true, .reset = true };

	buf_printf(&text, "Durable Object reset because its Lua VM was lost: %s exceeded a limit",
	    guilty->object ? object_label(guilty->object, label, sizeof(label)).p : "a request in the front module");
	why.message = buf_slice(&text);
	worker_break_app(vm->worker, vm->app, guilty->object, &why);
	why.message = STR("Worker restarted because its Lua VM was lost: another event exceeded a limit");
	why.reset = false;
	for (;;) {			/* one that goes may take others along */
		struct list *n = vm->front.next == &guilty->link ? guilty->link.next : vm->front.next;
		struct task *t = container_of(n, struct task, link);

		if (n == &vm->front)
			break;
		fail_front(t, t->call && t->call == guilty->event ? its : &why);
	}
	buf_fini(&text);
}

static void
lose(struct task *t)
{
	struct vm *vm = t->vm;
	struct failure why;
	char inside[160] = "";

	mark_slow(t);
	load_again(vm);
	if (!vm->over.n) {
		if (!vm->unloaded)
			find_handler(t, inside, sizeof(inside));
		tell(t, "", inside);
	}
	failure_of(vm, t->object, &why);
	host_log_failure(t, &why);
	if (t->object)
		object_break(t->object, &why);	/* its events are answered with it at the end of this turn */
	fail_others(vm, t, &why);
	if (!t->object)
		fail_front(t, &why);
	buf_clear(&vm->over);
}

/* ---- the end of the task ---- */

bool
overtime_end(struct task *t, int status)
{
	struct vm *vm = t->vm;
	char place[160];

	vm->watch->overtime = false;
	if (status == WATCH_LOST) {
		lose(t);
		return true;
	}
	if (status == 0 || status == LUA_YIELD) {	/* it came to an end by itself at this very moment */
		buf_clear(&vm->over);
		return false;
	}
	if (!vm->over.n) {
		traceback_place(t->co, 0, place, sizeof(place));
		tell(t, place, "");
	}
	if (t->object)
		reset(vm, t->object);
	return false;
}

void
overtime_explain(struct task *t, struct arena *a, struct failure *f)
{
	struct failure why;

	if (!t->vm->over.n)
		return;
	failure_of(t->vm, t->object, &why);
	why.traceback = f->traceback;
	why.message = arena_str(a, why.message);
	*f = why;
	buf_clear(&t->vm->over);
}

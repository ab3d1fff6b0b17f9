/* bind_promise.c -- native.promise: what stands behind async, await and Promise (lua/drey/promise.lua).
 *
 *	start(fn) -> handle	a child task that runs fn
 *	token() -> handle, turn	the running task, and the wait it is about to begin
 *	wait()			parks until wake(handle, turn), or until the task is cancelled
 *	wake(handle, turn)	nothing, when that wait is over
 *	cancel(handle)		a child that waits gets an AbortError there; one that has not begun never does
 *	aborted() -> err	an AbortError
 *	keep(handle)		the request of the running task stays readable in that child
 *	unheard(err)		logs an error that nobody awaited
 */
#include "lua/bind_promise.h"

#include <lauxlib.h>

#include "base/err.h"
#include "base/log.h"
#include "lua/bind_http.h"
#include "lua/bind_ref.h"
#include "lua/host.h"
#include "lua/task.h"
#include "lua/traceback.h"
#include "object/worker.h"

static int
over(lua_State *L, struct vm *vm, const char *what)
{
	const struct app_conf *conf = vm->app->conf;
	char place[512];

	return host_error(L, "%s: %llu calls are in flight already; await some of them first%s", what,
	    (unsigned long long)conf->limits.async, host_limit(conf, "async", place, sizeof(place)));
}

struct task *
async_start(lua_State *L, int fn, const char *what)
{
	struct task *by = host_task(L), *t;
	struct vm *vm = by->vm;

	if (vm->async >= vm->app->conf->limits.async)
		over(L, vm, what);
	vm->async++;
	t = task_new(vm, TASK_ASYNC, NULL, by->object);
	lua_pushvalue(L, fn);
	lua_xmove(L, t->co, 1);
	if (t->object) {
		input_share(&t->object->input, &by->waiter, &t->waiter);
		object_hold(t->object);
	} else {
		scope_share(by, t);
		worker_hold(vm->worker);
	}
	task_start(t);
	return t;
}

static int
l_start(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TFUNCTION);
	lua_pushnumber(L, task_handle(async_start(L, 1, "async")));
	return 1;
}

void
async_let_go(struct task *t)
{
	t->vm->async--;
	if (t->object)
		object_release(t->object);
	else
		worker_release(t->vm->worker);
}

void
promise_lost(struct task *t, const struct failure *why)
{
	lua_State *L = t->vm->L;

	lua_checkstack(L, 8);
	vm_push(L, t->vm, REF_LOST);
	lua_pushnumber(L, task_handle(t));
	failure_push(L, t->vm->ref[REF_ERROR], why, false);
	if (lua_pcall(L, 2, 0, 0) != 0)
		lua_pop(L, 1);		/* no memory for that either: it stays unsettled */
}

static int
l_token(lua_State *L)
{
	struct task *t = host_task(L);

	lua_pushnumber(L, task_handle(t));
	lua_pushnumber(L, ++t->waits);
	return 2;
}

static int
woken(struct task *t, lua_State *to)
{
	(void)t;
	lua_pushboolean(to, 1);
	return 1;
}

static int
l_wait(lua_State *L)
{
	struct task *t = task_waits(L, "await()");

	return t ? task_park(L, t, woken) : task_hang(L);
}

static int
l_wake(lua_State *L)
{
	struct task *t = task_find(vm_of(L), luaL_checknumber(L, 1));

	if (t && t->parked && t->resume == woken && t->waits == luaL_checknumber(L, 2) && !list_linked(&t->waiter.link))
		task_wake_later(t);
	return 0;
}

static int
l_aborted(lua_State *L)
{
	static const struct failure why = { .message = STR("The operation was aborted"), .name = STR("AbortError") };

	failure_push(L, vm_of(L)->ref[REF_ERROR], &why, false);
	lua_pushnil(L);
	lua_setfield(L, -2, "remote");
	return 1;
}

static int
cancelled(struct task *t, lua_State *to)
{
	(void)t;
	lua_pushboolean(to, 0);
	return 1 + l_aborted(to);
}

static int
l_cancel(lua_State *L)
{
	struct task *t = task_find(vm_of(L), luaL_checknumber(L, 1));
	struct event *call;

	if (!t || !t->parked || t->kind != TASK_ASYNC)
		return 0;
	if (!task_begun(t)) {
		async_let_go(t);
		task_drop(t);
		return 0;
	}
	call = t->call;
	task_unwait(t);
	t->resume = cancelled;
	t->parked = true;
	task_wake_later(t);
	if (call)
		worker_abandon(t->vm->worker, call);
	return 0;
}

static int
l_keep(lua_State *L)
{
	struct task *by = host_task(L), *t = task_find(vm_of(L), luaL_checknumber(L, 1));

	if (t && !t->kept)
		t->kept = http_keep(by);
	return 0;
}

static int
l_unheard(lua_State *L)
{
	struct vm *vm = vm_of(L);
	struct buf text = { 0 };

	buf_c(&text, "async: nobody awaited the function that raised: ");
	traceback_describe(L, 1, NULL, &text);
	host_log(vm->current, LOG_ERROR, text.p);
	buf_fini(&text);
	return 0;
}

static const luaL_Reg functions[] = {
	{ "start", l_start }, { "token", l_token }, { "wait", l_wait }, { "wake", l_wake },
	{ "cancel", l_cancel }, { "aborted", l_aborted }, { "keep", l_keep }, { "unheard", l_unheard }, { NULL, NULL }
};

void
bind_promise(lua_State *L)
{
	lua_newtable(L);
	luaL_register(L, NULL, functions);
	lua_setfield(L, -2, "promise");
}

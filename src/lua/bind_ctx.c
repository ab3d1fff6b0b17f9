/* bind_ctx.c -- native.ctx: what stands behind ctx:blockConcurrencyWhile, waitUntil and abort.
 *
 * blockConcurrencyWhile (put together in lua/drey/park.lua):
 *
 *	lock     takes the input gate, or parks until it is this task's turn; starts the clock
 *	fn       runs in the same coroutine
 *	unlock   gives the gate back, to whoever took it: fn may be in a coroutine that outlived its task
 *	failed   the message handler while fn runs: resets the object with the error, then the task hangs
 *
 * state() is a table made of object/life.h: what the object does and why it is awake.
 *
 * waitUntil(fn) is an event that the object sends to itself: it waits in
 * the mailbox, keeps the object awake until fn has ended, and a reset ends it as
 * any other.  In a front module it is a task of its own, begun in the next tick; a
 * graceful stop waits for it.  Either carries a copy of the request whose handler began it.
 */
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "lua/bind_ctx.h"
#include "lua/bind_http.h"
#include "lua/bind_ref.h"
#include "lua/host.h"
#include "lua/task.h"
#include "lua/timeouts.h"
#include "lua/traceback.h"
#include "lua/watchdog.h"
#include "object/worker.h"

/* ---- blockConcurrencyWhile ---- */

static int
locked(struct task *t, lua_State *to)
{
	lua_pushboolean(to, 1);
	lua_pushnumber(to, task_handle(t));
	return 2;
}

static int
l_lock(lua_State *L)
{
	struct task *t;

	host_owner(L, 1);
	luaL_checktype(L, 2, LUA_TFUNCTION);
	t = task_waits(L, "ctx:blockConcurrencyWhile()");
	return t ? task_lock(L, t, locked) : task_hang(L);
}

static int
l_unlock(lua_State *L)
{
	struct task *t = host_task(L);

	if (!task_locks(t) || lua_tonumber(L, 1) != task_handle(t))
		return host_error(L, "the handler that called ctx:blockConcurrencyWhile(fn) ended before fn did");
	object_unlock(t->object, &t->waiter);
	task_unlocked(t);
	return 0;
}

static void
reset(lua_State *L, struct object *o, struct failure *why)
{
	(void)L;
	why->reset = true;
	object_break(o, why);
}

static int
l_failed(lua_State *L)
{
	struct object *o = host_object(L);
	struct arena a;
	struct failure why;

	watch_hold(vm_of(L)->watch);
	arena_init(&a);
	failure_from_lua(L, 1, L, &a, &why);
	host_log_failure(host_task(L), &why);
	reset(L, o, &why);
	arena_fini(&a);
	watch_release(vm_of(L)->watch);
	return 0;
}

static int
l_hang(lua_State *L)
{
	return task_hang(L);
}

static int
l_abort(lua_State *L)
{
	struct object *o = host_owner(L, 1);
	struct buf text = { 0 };
	struct failure why = { 0 };

	watch_hold(vm_of(L)->watch);
	if (lua_isnoneornil(L, 2))
		buf_c(&text, "Application called abort() to reset Durable Object.");
	else
		traceback_describe(L, 2, NULL, &text);
	why.message = buf_slice(&text);
	reset(L, o, &why);
	buf_fini(&text);
	watch_release(vm_of(L)->watch);
	return task_hang(L);
}

/* ---- state ---- */

static void
set_count(lua_State *L, const char *name, unsigned n)
{
	lua_pushnumber(L, n);
	lua_setfield(L, -2, name);
}

static int
l_state(lua_State *L)
{
	struct object *o = host_owner(L, 1);
	struct life_reasons r = life_reasons(o);
	struct buf why = { 0 };

	life_look(o);
	lua_createtable(L, 0, 12);
	lua_pushstring(L, life_name(o->life.stage));
	lua_setfield(L, -2, "state");
	lua_pushnumber(L, (lua_Number)(clock_wall_ms() - (clock_ms() - o->life.since_ms)));
	lua_setfield(L, -2, "since");
	set_count(L, "events", r.events);
	set_count(L, "queued", r.queued);
	set_count(L, "background", r.background);
	set_count(L, "async", r.async);
	set_count(L, "streams", r.streams);
	set_count(L, "timers", r.timers);
	set_count(L, "words", r.words);
	lua_pushboolean(L, r.transaction);
	lua_setfield(L, -2, "transaction");
	lua_pushboolean(L, r.blocked);
	lua_setfield(L, -2, "blocked");
	watch_hold(vm_of(L)->watch);
	life_tell(&r, &why);
	lua_pushlstring(L, why.p ? why.p : "", why.n);
	buf_fini(&why);
	watch_release(vm_of(L)->watch);
	lua_setfield(L, -2, "why");
	return 1;
}

/* ---- waitUntil ---- */

struct background {
	struct vm *vm;
	unsigned life;		/* of the VM: fn is of no other */
	int fn;			/* registry reference; LUA_NOREF once it runs */
	struct kept *kept;	/* its task's, once it runs */
};

static void
on_background_end(struct event *ev)
{
	struct background *b = ev->caller;

	if (b->life == b->vm->life)
		luaL_unref(b->vm->L, LUA_REGISTRYINDEX, b->fn);	/* it never ran: the object was reset first */
	http_unkeep(&b->kept);
	free(b);
	event_free(&ev);
}

static const struct transport background = { on_background_end };

bool
background_take(struct event *ev, lua_State *to, struct kept **kept)
{
	struct background *b = ev->caller;

	if (ev->transport != &background)
		return false;
	lua_rawgeti(to, LUA_REGISTRYINDEX, b->fn);
	luaL_unref(to, LUA_REGISTRYINDEX, b->fn);
	b->fn = LUA_NOREF;
	*kept = b->kept;
	b->kept = NULL;
	return true;
}

static void
spawn_in_object(struct vm *vm, struct task *t, int fn)
{
	struct background *b = xmalloc(sizeof(*b));
	struct event *ev = event_new(EVENT_CALL, &background, b, vm->worker);
	struct object *o = t->object;

	ev->own = true;
	b->vm = vm;
	b->life = vm->life;
	b->fn = fn;
	b->kept = http_keep(t);
	ev->app = vm->app;
	ev->class = o->class;
	ev->id = o->id;
	ev->request_id = t->event ? t->event->request_id : runtime_request_id(vm->worker->runtime);
	life_pin(o);
	worker_send(vm->worker, ev);
}

static void
spawn_in_front(struct vm *vm, lua_State *L, struct task *by)
{
	struct task *t = task_new(vm, TASK_BACKGROUND, NULL, NULL);

	t->kept = http_keep(by);
	timeouts_share(by, t);
	scope_share(by, t);
	lua_pushvalue(L, 2);
	lua_xmove(L, t->co, 1);
	worker_hold(vm->worker);	/* until end_background() */
	task_start(t);
}

static int
l_spawn(lua_State *L)
{
	struct task *t = host_task(L);

	if (lua_type(L, 2) != LUA_TFUNCTION)
		return host_error(L, "ctx:waitUntil(fn) takes a function, which runs once this handler waits or has ended; got %s",
		    luaL_typename(L, 2));
	if (!t->object) {
		spawn_in_front(t->vm, L, t);
		return 0;
	}
	host_owner(L, 1);
	lua_pushvalue(L, 2);
	spawn_in_object(t->vm, t, luaL_ref(L, LUA_REGISTRYINDEX));
	return 0;
}

static const luaL_Reg methods[] = { { "waitUntil", l_spawn }, { "abort", l_abort }, { "state", l_state }, { NULL, NULL } };
static const luaL_Reg parts[] = {
	{ "lock", l_lock }, { "unlock", l_unlock }, { "failed", l_failed }, { "hang", l_hang }, { NULL, NULL }
};

void
bind_ctx(lua_State *L)
{
	lua_newtable(L);
	luaL_register(L, NULL, methods);
	lua_setfield(L, -2, "ctx");
	lua_newtable(L);
	luaL_register(L, NULL, parts);
	lua_setfield(L, -2, "block");
}

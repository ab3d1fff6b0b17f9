/* bind_timers.c -- native.timers: set(what, fn, ms, repeats) -> id, clear(id). */
#include <lauxlib.h>
#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/map.h"
#include "lua/host.h"
#include "lua/task.h"
#include "lua/timeouts.h"
#include "lua/traceback.h"
#include "object/worker.h"

#define MS_MAX 2147483647.0		/* 24.8 days, as sleep() */
enum {
	ADVICE_MS = 10000,		/* an object that waits longer is better off with an alarm */
	RETRY_MS = 10			/* the mailbox was full */
};

struct timeout {
	struct list link;		/* in its owner's set, due or running */
	struct timer timer;
	struct timeouts *owner;
	uint64_t id;
	int fn;				/* registry reference */
	int64_t due_ms;
	int64_t period_ms;		/* 0: once */
	struct task *task;		/* runs it: an interval's callback */
	uint64_t request_id;		/* of the event that set it */
};

struct timeouts {
	struct vm *vm;
	unsigned life;			/* of the VM: the functions are of no other */
	struct object *object;		/* NULL: a front module's event */
	unsigned tasks;			/* that share it, in a front module */
	uint64_t last_id;
	struct list set, due, running;
	struct map by_id;
	struct tick *tick;		/* an event is out */
	struct timer retry;
};

/* The event's caller: it may come back after its owner has gone. */
struct tick {
	struct timeouts *owner;
};

static void on_retry(struct timer *);

/* ---- owners ---- */

static struct timeouts *
owner_new(struct vm *vm, struct object *o)
{
	struct timeouts *ts = xcalloc(1, sizeof(*ts));

	ts->vm = vm;
	ts->life = vm->life;
	ts->object = o;
	ts->tasks = 1;
	list_init(&ts->set);
	list_init(&ts->due);
	list_init(&ts->running);
	map_init(&ts->by_id);
	timer_init(&ts->retry, on_retry);
	return ts;
}

static struct timeouts **
owner_of(struct task *t)
{
	return t->object ? &((struct instance *)t->object->instance)->timeouts : &t->timeouts;
}

static void
drop(struct timeout *t)
{
	struct timeouts *ts = t->owner;

	timer_clear(&ts->vm->worker->timers, &t->timer);
	list_del(&t->link);
	map_del(&ts->by_id, str_n(&t->id, sizeof(t->id)));
	if (ts->life == ts->vm->life)
		luaL_unref(ts->vm->L, LUA_REGISTRYINDEX, t->fn);
	if (t->task)
		t->task->ticking = NULL;
	if (ts->object)
		object_linger_end(ts->object);
	free(t);
}

void
timeouts_end(struct timeouts **tsp)
{
	struct timeouts *ts = *tsp;
	struct timeout *t;

	*tsp = NULL;
	if (!ts)
		return;
	for (size_t i = 0; (t = map_next(&ts->by_id, &i));)
		drop(t);
	map_fini(&ts->by_id);
	timer_clear(&ts->vm->worker->timers, &ts->retry);
	if (ts->tick)
		ts->tick->owner = NULL;
	free(ts);
}

void
timeouts_leave(struct timeouts **tsp)
{
	if (*tsp && --(*tsp)->tasks == 0)
		timeouts_end(tsp);
	*tsp = NULL;
}

void
timeouts_share(struct task *of, struct task *with)
{
	must(!of->object && !with->object && !with->timeouts);
	if (!of->timeouts)
		of->timeouts = owner_new(of->vm, NULL);
	with->timeouts = of->timeouts;
	with->timeouts->tasks++;
}

/* ---- one that is due runs ---- */

/* Pushes its function onto the task's coroutine; what runs once is gone now, so that it may be set again. */
static void
begin(struct timeout *t, struct task *by)
{
	lua_rawgeti(by->co, LUA_REGISTRYINDEX, t->fn);
	if (t->period_ms == 0) {
		drop(t);
		return;
	}
	list_del(&t->link);
	list_push(&t->owner->running, &t->link);
	t->task = by;
	by->ticking = t;
}

static void
run_in_front(struct timeout *t)
{
	struct timeouts *ts = t->owner;
	struct task *by = task_new(ts->vm, TASK_BACKGROUND, NULL, NULL);

	by->timeouts = ts;
	ts->tasks++;
	worker_hold(ts->vm->worker);		/* until the task's end, as waitUntil work */
	begin(t, by);
	task_run(by, 0);
}

static void
on_answer(struct event *ev)
{
	struct tick *k = ev->caller;
	struct timeouts *ts = k->owner;

	if (ts) {		/* it was never delivered */
		ts->tick = NULL;
		timer_set(&ts->vm->worker->timers, &ts->retry, clock_ms() + RETRY_MS);
	}
	free(k);
	event_free(&ev);
}

static const struct transport transport = { on_answer };

static void
post(struct timeouts *ts)
{
	struct object *o = ts->object;
	struct event *ev;

	if (ts->tick || list_empty(&ts->due))
		return;
	ts->tick = xmalloc(sizeof(*ts->tick));
	ts->tick->owner = ts;
	ev = event_new(EVENT_CALL, &transport, ts->tick, ts->vm->worker);
	ev->own = true;
	ev->app = ts->vm->app;
	ev->class = o->class;
	ev->id = o->id;
	ev->request_id = list_first(&ts->due, struct timeout, link)->request_id;
	worker_send(ts->vm->worker, ev);
}

static void
on_retry(struct timer *timer)
{
	post(container_of(timer, struct timeouts, retry));
}

bool
timeouts_deliver(struct vm *vm, struct object *o, struct event *ev)
{
	struct tick *k = ev->caller;
	struct timeouts *ts;
	struct task *by;
	struct timeout *t;

	if (ev->transport != &transport)
		return false;
	ts = k->owner;
	k->owner = NULL;
	if (ts)
		ts->tick = NULL;
	if (!ts || list_empty(&ts->due)) {	/* cleared meanwhile, or of an instance that has ended */
		object_answer(o, ev);
		return true;
	}
	t = list_first(&ts->due, struct timeout, link);
	by = task_new(vm, TASK_BACKGROUND, ev, o);
	begin(t, by);
	post(ts);
	task_run(by, 0);
	return true;
}

/* ---- the clock ---- */

static void
arm(struct timeout *t)
{
	list_del(&t->link);
	list_push(&t->owner->set, &t->link);
	timer_set(&t->owner->vm->worker->timers, &t->timer, t->due_ms);
}

static void
on_time(struct timer *timer)
{
	struct timeout *t = container_of(timer, struct timeout, timer);

	list_del(&t->link);
	list_push(&t->owner->due, &t->link);
	if (t->owner->object)
		post(t->owner);
	else
		run_in_front(t);
}

void
timeouts_ran(struct timeout **tp)
{
	struct timeout *t = *tp;
	int64_t late;

	*tp = NULL;
	if (!t)
		return;
	t->task = NULL;
	t->due_ms += t->period_ms;
	late = clock_ms() - t->due_ms;
	if (late > 0)
		t->due_ms += (late + t->period_ms - 1) / t->period_ms * t->period_ms;
	arm(t);
}

/* ---- what Lua calls ---- */

static void
advise(lua_State *L, struct task *by, double ms)
{
	static char advised;
	char place[128], text[400];

	if (!by->object || ms <= ADVICE_MS)
		return;
	lua_pushlightuserdata(L, &advised);
	lua_rawget(L, LUA_REGISTRYINDEX);
	if (lua_isnil(L, -1)) {
		lua_pushlightuserdata(L, &advised);
		lua_pushboolean(L, 1);
		lua_rawset(L, LUA_REGISTRYINDEX);
		traceback_place(L, 1, place, sizeof(place));
		snprintf(text, sizeof(text), "%sa timer of %.0f ms keeps this object in memory and is lost with it. An alarm is not: "
		    "ctx.storage:setAlarm(Date.now() + %.0f), and the work in the method alarm()", place, ms, ms);
		host_log(by, LOG_WARN, text);
	}
	lua_pop(L, 1);
}

static double
check_ms(lua_State *L, int idx, const char *what)
{
	double ms = lua_isnoneornil(L, idx) ? 0 : lua_tonumber(L, idx);

	if (!lua_isnoneornil(L, idx) && lua_type(L, idx) != LUA_TNUMBER)
		host_error(L, "%s(fn, ms): the milliseconds are a number, not a %s", what, luaL_typename(L, idx));
	if (!(ms <= MS_MAX))
		host_error(L, "%s(fn, ms): at most 2147483647 milliseconds (24 days), not %.14g; use an alarm: ctx.storage:setAlarm(time)", what, ms);
	return ms < 0 ? 0 : ceil(ms);
}

static struct timeout *
make(struct timeouts *ts, struct task *by, double ms, bool repeats)
{
	struct timeout *t = xcalloc(1, sizeof(*t));
	int64_t now = clock_ms();

	t->owner = ts;
	t->id = ++ts->last_id;
	t->period_ms = !repeats ? 0 : ms < 1 ? 1 : (int64_t)ms;
	t->due_ms = now + (repeats ? t->period_ms : (int64_t)ms);
	t->request_id = by->event ? by->event->request_id : runtime_request_id(ts->vm->worker->runtime);
	list_init(&t->link);
	timer_init(&t->timer, on_time);
	map_put(&ts->by_id, str_n(&t->id, sizeof(t->id)), t);
	if (ts->object)
		object_linger(ts->object);
	return t;
}

static int
l_set(lua_State *L)
{
	const char *what = luaL_checkstring(L, 1);
	struct task *by = host_task(L);
	struct timeouts **tsp = owner_of(by);
	uint64_t max = by->vm->app->conf->limits.timers;
	struct timeout *t;
	char place[512];
	double ms;
	int fn;

	if (lua_type(L, 2) != LUA_TFUNCTION)
		return host_error(L, "%s(fn, ms) takes a function, not a %s", what, luaL_typename(L, 2));
	ms = check_ms(L, 3, what);
	if (!*tsp)
		*tsp = owner_new(by->vm, by->object);
	if ((*tsp)->by_id.n >= max)
		return host_error(L, "%s: %llu timers are set, as many as %s may have; clear those that are no longer needed, or let "
		    "one interval look at a list%s", what, (unsigned long long)max, by->object ? "one object" : "one request",
		    host_limit(by->vm->app->conf, "timers", place, sizeof(place)));
	advise(L, by, ms);
	lua_pushvalue(L, 2);
	fn = luaL_ref(L, LUA_REGISTRYINDEX);
	t = make(*tsp, by, ms, lua_toboolean(L, 4));
	t->fn = fn;
	arm(t);
	lua_pushnumber(L, (lua_Number)t->id);
	return 1;
}

/* Anything that is no timer of this object is left alone, as everywhere. */
static int
l_clear(lua_State *L)
{
	struct timeouts *ts = *owner_of(host_task(L));
	double n = lua_type(L, 1) == LUA_TNUMBER ? lua_tonumber(L, 1) : 0;
	uint64_t id = n >= 1 && n < 9e15 ? (uint64_t)n : 0;
	struct timeout *t = ts ? map_get(&ts->by_id, str_n(&id, sizeof(id))) : NULL;

	if (t)
		drop(t);
	return 0;
}

static const luaL_Reg functions[] = { { "set", l_set }, { "clear", l_clear }, { NULL, NULL } };

void
bind_timers(lua_State *L)
{
	lua_newtable(L);
	luaL_register(L, NULL, functions);
	lua_setfield(L, -2, "timers");
}

/* outcome.c -- the end of a task: what it returned, or raised, on its way to whoever waits for it.
 *
 *	front     a Response                --> worker_answer
 *	fetch     a Response                --> object_answer, through the output gate
 *	call      values, as one array      --> object_answer; of what a front module lent: worker_answer
 *	wake      the instance              --> object_awake, or object_break
 *	async     nothing: lua/drey/promise.lua has its values
 *	background  nothing; in an object its event is answered all the same: it kept the object awake
 *
 * Any of them may have raised instead: that is logged here, once, and becomes the event's failure.
 */
#include <lauxlib.h>
#include <stdio.h>

#include "base/err.h"
#include "base/log.h"
#include "lua/bind_http.h"
#include "lua/bind_promise.h"
#include "lua/host.h"
#include "lua/overtime.h"
#include "lua/task.h"
#include "lua/parcel.h"
#include "lua/traceback.h"
#include "object/worker.h"

enum { RETURNED_MAX = 4 * HOST_VALUES_MAX };

void
host_log_failure(struct task *t, const struct failure *f)
{
	struct buf text = { 0 };

	if (f->remote)			/* logged where it was raised */
		return;
	buf_str(&text, f->message);
	if (f->traceback.n) {
		buf_c(&text, "\n");
		buf_str(&text, f->traceback);
	}
	host_log(t, LOG_ERROR, text.p);
	buf_fini(&text);
}

/* The coroutine raised.  Its stack may be full to the brim, so its error is looked at on the main one. */
static void
take_error(struct task *t, int status, struct arena *a, struct failure *f)
{
	lua_State *L = t->vm->L;
	struct str traceback;

	lua_checkstack(L, 8);
	lua_xmove(t->co, L, 1);
	failure_from_lua(L, -1, t->co, a, f);
	if (!f->remote && task_raised(t, lua_topointer(L, -1), &traceback))
		f->traceback = arena_str(a, traceback);
	lua_pop(L, 1);
	if (status == LUA_ERRMEM || str_eq(f->message, STR("not enough memory"))) {	/* the latter raised again, by coroutine.wrap */
		struct buf text = { 0 };

		overtime_add_memory(t->vm, &text);
		f->message = arena_str(a, buf_slice(&text));
		buf_fini(&text);
	}
	overtime_explain(t, a, f);
	host_log_failure(t, f);
}

/* Its error goes into the event and the log. */
static void
fail_event(struct task *t, int status)
{
	take_error(t, status, &t->event->arena, &t->event->failure);
	t->event->failed = true;
	if (t->object)
		object_raised(t->object);
}

/* What a handler returned cannot be sent: err_text() says why. */
static void
refuse_result(struct task *t, const char *place)
{
	if (place)
		event_fail(t->event, "%s (%s)", err_text(), place);
	else
		event_fail(t->event, "%s", err_text());
	host_log_failure(t, &t->event->failure);
}

static const char *
place_of_front(struct vm *vm, char *buf, size_t n)
{
	lua_Debug ar;

	vm_push(vm->L, vm, REF_FRONT_FETCH);
	if (!lua_isfunction(vm->L, -1)) {
		lua_pop(vm->L, 1);
		return NULL;
	}
	lua_getinfo(vm->L, ">S", &ar);
	snprintf(buf, n, "%s:%d", ar.short_src, ar.linedefined);
	return buf;
}

static void
end_front(struct task *t, int status)
{
	struct worker *worker = t->vm->worker;
	struct event *ev = t->event;
	char place[200];

	if (status != 0)
		fail_event(t, status);
	else if (http_take_response(t->vm, t->co, 1, ev) != OK)
		refuse_result(t, place_of_front(t->vm, place, sizeof(place)));
	task_release(t, status == 0);
	worker_answer(worker, ev);
}

/* To the caller; if the object is being reset by now, with why. */
static void
answer_from_object(struct task *t, bool reusable)
{
	struct object *o = t->object;
	struct event *ev = t->event;

	task_release(t, reusable);
	if (o->reset)
		event_fail_with(ev, o->reset);
	object_answer(o, ev);
}

/* Of a callback: its worker was held while it ran. */
static void
answer_from_front(struct task *t, bool reusable)
{
	struct worker *w = t->vm->worker;
	struct event *ev = t->event;

	task_release(t, reusable);
	worker_release(w);
	worker_answer(w, ev);
}

static void
end_fetch(struct task *t, int status)
{
	if (status != 0)
		fail_event(t, status);
	else if (http_take_response(t->vm, t->co, lua_gettop(t->co) ? 1 : (lua_pushnil(t->co), 1), t->event) != OK)
		refuse_result(t, NULL);
	answer_from_object(t, status == 0);
}

/* All that the method returned, as one array. */
static int
pack_results(struct task *t)
{
	int n = lua_gettop(t->co), rc;

	if (n == 0)
		return OK;
	rc = parcel_pack(t->co, 1, n, t, PARCEL_RESULTS);
	if (rc == OK)
		parcel_send(t->vm, t->event, PARCEL_RESULTS);
	return rc;
}

static void
refuse_results(struct task *t)
{
	struct str method = t->event->method;
	char place[200];

	if (t->event->target)
		snprintf(place, sizeof(place), "%.*s, passed by reference", method.p ? (int)method.n : 10, method.p ? method.p : "a function");
	else
		snprintf(place, sizeof(place), "%s:%.*s", t->object->class->name, (int)method.n, method.p);
	refuse_result(t, place);
}

static void
end_call(struct task *t, int status)
{
	if (status != 0)
		fail_event(t, status);
	else if (pack_results(t) != OK)
		refuse_results(t);
	if (t->object)
		answer_from_object(t, status == 0);
	else
		answer_from_front(t, status == 0);
}

static void
end_wake(struct task *t, int status)
{
	struct object *o = t->object;
	struct instance *in = o->instance;
	struct failure why = { 0 };
	struct arena a;

	if (status == 0) {
		lua_settop(t->co, 1);
		in->table = luaL_ref(t->co, LUA_REGISTRYINDEX);
		task_release(t, true);
		if (!o->reset)
			object_awake(o);
		return;
	}
	arena_init(&a);
	take_error(t, status, &a, &why);
	why.reset = true;
	task_release(t, false);
	object_break(o, &why);
	arena_fini(&a);
}

static void
end_background(struct task *t, int status)
{
	struct failure why;
	struct arena a;

	if (status != 0 && t->event) {
		fail_event(t, status);
	} else if (status != 0) {
		arena_init(&a);
		take_error(t, status, &a, &why);
		arena_fini(&a);
	}
	if (t->event) {
		answer_from_object(t, status == 0);
		return;
	}
	worker_release(t->vm->worker);
	task_release(t, status == 0);
}

/* What the function raised is in its promise; this is the task itself, out of memory or time.  Whoever awaits it is told. */
static void
end_async(struct task *t, int status)
{
	struct failure why;
	struct arena a;

	if (status != 0) {
		arena_init(&a);
		take_error(t, status, &a, &why);
		promise_lost(t, &why);
		arena_fini(&a);
	}
	async_let_go(t);
	task_release(t, status == 0);
}

/* It has returned, but a coroutine of it has not, and nobody will resume that one: what the caller was told would not be so. */
static int
left_open(struct task *t)
{
	lua_settop(t->co, 0);
	lua_pushliteral(t->co, "the handler ended inside storage:transaction(fn) or ctx:blockConcurrencyWhile(fn): fn is in a coroutine that "
	    "was not resumed to its end; the transaction was rolled back");
	return LUA_ERRRUN;
}

void
host_done(struct task *t, int status)
{
	static void (*const ends[])(struct task *, int) = {
		[TASK_FRONT] = end_front, [TASK_WAKE] = end_wake, [TASK_CALL] = end_call,
		[TASK_FETCH] = end_fetch, [TASK_BACKGROUND] = end_background, [TASK_ASYNC] = end_async
	};

	if (status == 0 && lua_gettop(t->co) > RETURNED_MAX)
		lua_settop(t->co, RETURNED_MAX);	/* too many in any case, and a stack has an end */
	if (status == 0)
		must(lua_checkstack(t->co, 8));
	if (status == 0 && task_locks(t) && !t->object->reset)
		status = left_open(t);
	ends[t->kind](t, status);
}

/* call.c -- a task's event goes out, its answer wakes it. */
#include "lua/call.h"

#include "base/err.h"
#include "lua/bind_ref.h"
#include "lua/host.h"
#include "lua/parcel.h"
#include "lua/traceback.h"
#include "object/worker.h"

static void
on_answer(struct event *ev)
{
	struct task *t = ev->caller;

	if (!t) {			/* its task has ended without it */
		event_free(&ev);
		return;
	}
	must(t->call == ev);
	t->call = NULL;
	t->answer = ev;
	task_wake(t);
}

static const struct transport transport = { on_answer };

struct event *
call_new(struct task *t, enum event_kind kind)
{
	struct event *ev = event_new(kind, &transport, t, t->vm->worker);

	ev->request_id = t->event ? t->event->request_id : runtime_request_id(t->vm->worker->runtime);
	ev->app = t->vm->app;
	return ev;
}

int
call_await(lua_State *L, struct task *t, struct event *ev, int (*resume)(struct task *, lua_State *))
{
	t->call = ev;
	if (t->object)
		object_emit(t->object, ev);
	else
		worker_send(t->vm->worker, ev);
	if (t->answer)
		return resume(t, L);
	return task_park(L, t, resume);
}

static int
called(struct task *t, lua_State *to)
{
	int n;

	must(t->answer);
	if (t->answer->failed) {
		n = call_push_failure(t, to);
	} else {
		lua_pushboolean(to, 1);
		n = parcel_open(to, t->answer->result, &t->answer->returned, t->answer->returned.n ? ref_kept(t) : NULL);
		must(n >= 0);		/* packed in this process */
		n++;
	}
	event_free(&t->answer);
	return n;
}

int
call_send(lua_State *L, struct task *t, struct event *ev)
{
	parcel_send(t->vm, ev, PARCEL_ARGUMENTS);
	return call_await(L, t, ev, called);
}

void
call_refuse_deadlock(lua_State *L, const struct task *t, const struct object_id *to)
{
	if (t->object && input_inside(&t->object->input, &t->waiter) && id_equal(&t->object->id, to))
		host_error(L, "a call of an object to itself inside blockConcurrencyWhile() or storage:transaction() would wait for ever: "
		    "no other event is let in before they end. Call the method directly, as in self:method(), or call the stub before or after");
}

int
call_push_failure(struct task *t, lua_State *to)
{
	lua_pushboolean(to, 0);
	failure_push(to, t->vm->ref[REF_ERROR], &t->answer->failure, t->vm->app->conf->dev_errors);
	return 2;
}

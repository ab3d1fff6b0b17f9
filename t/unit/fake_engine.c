/* fake_engine.c -- see fake_engine.h. */
#include "fake_engine.h"

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "object/parts.h"

struct task {
	struct waiter waiter;
	struct list link;
	struct fake_engine *engine;
	struct object *object;		/* NULL: front */
	struct event *event;		/* NULL: the constructor */
	struct event *out;		/* a call it waits for */
	void (*go_on)(struct task *);
	uint64_t transaction;
	char came[128];			/* the answer of that call */
	bool came_failed;
};

static struct fake_engine *
engine_of(struct engine *e)
{
	return container_of(e, struct fake_engine, engine);
}

static struct fake_engine *
home_of(struct object *o)
{
	return engine_of(o->worker->engine);
}

static void __attribute__((format(printf, 2, 3)))
trace(struct fake_engine *fe, const char *fmt, ...)
{
	size_t n = fe->traced;
	va_list ap;

	if (n > sizeof(fe->trace) - 200)
		return;
	va_start(ap, fmt);
	if (n)
		fe->trace[n++] = ' ';
	fe->traced = n + (size_t)vsnprintf(fe->trace + n, sizeof(fe->trace) - n, fmt, ap);
	va_end(ap);
}

static void
enter(struct fake_engine *fe)
{
	must(fe->inside++ == 0);	/* the promise of engine.h */
}

static void
leave(struct fake_engine *fe)
{
	fe->inside--;
}

static void
result(struct event *ev, const char *text)
{
	ev->result = arena_str(&ev->arena, str_c(text));
}

static void
result_number(struct event *ev, int64_t n)
{
	char text[32];

	snprintf(text, sizeof(text), "%lld", (long long)n);
	result(ev, text);
}

static void
finish(struct task *t)
{
	struct event *ev = t->event;
	struct object *o = t->object;

	list_del(&t->link);
	if (t->out) {
		t->out->caller = NULL;
		worker_abandon(t->engine->worker, t->out);
	}
	free(t);
	if (ev)
		ev->task = NULL;
	if (ev && o)
		object_answer(o, ev);
	else if (ev)
		worker_answer(ev->home, ev);
}

static void
on_wake(struct waiter *waiter)
{
	struct task *t = container_of(waiter, struct task, waiter);
	struct fake_engine *fe = t->engine;

	enter(fe);
	must(input_admits(&t->object->input, waiter));
	trace(fe, "go:%s", t->event ? t->event->method.p : "constructor");
	t->go_on(t);
	leave(fe);
}

static void
on_cancel(struct waiter *waiter, const struct failure *why)
{
	struct task *t = container_of(waiter, struct task, waiter);
	struct fake_engine *fe = t->engine;

	enter(fe);
	fe->cancels++;
	trace(fe, "cancel");
	if (t->event)
		event_fail_with(t->event, why);
	finish(t);
	leave(fe);
}

static struct task *
park(struct fake_engine *fe, struct object *o, struct event *ev, void (*go_on)(struct task *))
{
	struct task *t = xcalloc(1, sizeof(*t));

	t->engine = fe;
	t->object = o;
	t->event = ev;
	t->go_on = go_on;
	list_init(&t->waiter.link);
	t->waiter.wake = on_wake;
	t->waiter.cancel = on_cancel;
	list_push(&fe->tasks, &t->link);
	if (ev)
		ev->task = t;
	if (o)
		object_yield(o);
	return t;
}

/* ---- what the handlers do ---- */

static void
add(struct object *o, int64_t n)
{
	object_confirm(o);
	fake_db_set(o->db, fake_db_number(o->db) + n);
}

static void
go_echo(struct task *t)
{
	result(t->event, t->event->args.p);
	finish(t);
}

static void
go_number(struct task *t)
{
	result_number(t->event, fake_db_number(t->object->db));
	finish(t);
}

static void
go_unlock(struct task *t)
{
	object_unlock(t->object, &t->waiter);
	go_echo(t);
}

static void
go_lock(struct task *t)
{
	if (object_lock(t->object, &t->waiter) == ERR_BUSY)
		return;			/* stalled; tried again when it is our turn */
	trace(t->engine, "locked:%s", t->event->args.p);
	t->go_on = go_unlock;
}

static void
go_came(struct task *t)
{
	if (t->came_failed)
		event_fail(t->event, "%s", t->came);
	else
		result(t->event, t->came);
	finish(t);
}

static void
on_called(struct event *ev)
{
	struct task *t = ev->caller;

	must(ev->answering);
	if (t) {
		t->out = NULL;
		t->came_failed = ev->failed;
		snprintf(t->came, sizeof(t->came), "%.*s", (int)(ev->failed ? ev->failure.message.n : ev->result.n),
			ev->failed ? ev->failure.message.p : ev->result.p);
		if (t->object) {
			object_wake(t->object, &t->waiter);
		} else {
			struct fake_engine *fe = t->engine;

			enter(fe);
			t->go_on(t);
			leave(fe);
		}
	}
	event_free(&ev);
}

static const struct transport stub = { on_called };

static struct event *
call(struct task *t, const struct class *class, const char *object, const char *method)
{
	struct event *ev = event_new(EVENT_CALL, &stub, t, t->engine->worker);

	ev->app = class->app;
	ev->class = class;
	ev->name = arena_str(&ev->arena, str_c(object));
	id_from_name(&class->key, ev->name, &ev->id);
	ev->method = arena_str(&ev->arena, str_c(method));
	ev->args = arena_str(&ev->arena, STR("x"));
	ev->owned = true;
	t->out = ev;
	return ev;
}

static void
do_echo(struct object *o, struct event *ev)
{
	result(ev, ev->args.p);
	object_answer(o, ev);
}

static void
do_get(struct object *o, struct event *ev)
{
	result_number(ev, fake_db_number(o->db));
	object_answer(o, ev);
}

static void
do_inc(struct object *o, struct event *ev)
{
	add(o, 1);
	do_get(o, ev);
}

static void
do_inc_raise(struct object *o, struct event *ev)
{
	add(o, 1);
	event_fail(ev, "boom");
	object_answer(o, ev);
}

static void
do_inc_park(struct object *o, struct event *ev)
{
	add(o, 1);
	park(home_of(o), o, ev, go_number);
}

static void
do_park(struct object *o, struct event *ev)
{
	park(home_of(o), o, ev, go_echo);
}

static void
do_yield(struct object *o, struct event *ev)
{
	add(o, 1);
	object_yield(o);
	add(o, 10);
	do_get(o, ev);
}

static void
do_lock(struct object *o, struct event *ev)
{
	go_lock(park(home_of(o), o, ev, go_lock));
}

static void
do_call(struct object *o, struct event *ev)
{
	struct task *t = park(home_of(o), o, ev, go_came);

	object_emit(o, call(t, o->class, ev->args.p, "inc"));
}

/* The call is made in the open transaction, before the yield: so it waits at the gate with it. */
static void
do_inc_call(struct object *o, struct event *ev)
{
	struct task *t = park(home_of(o), o, ev, go_came);

	add(o, 1);
	object_emit(o, call(t, o->class, ev->args.p, "inc"));
}

static void
go_end(struct task *t, bool keep)
{
	struct object *o = t->object;
	int rc = object_end(o, &t->waiter, t->transaction, keep);

	if (o->reset)
		return;			/* forget() answers */
	must(rc == OK);
	go_number(t);
}

static void
go_keep(struct task *t)
{
	go_end(t, true);
}

static void
go_undo(struct task *t)
{
	go_end(t, false);
}

/* Takes the lock and begins; false: stalled, tried again when it is our turn. */
static bool
begin(struct task *t)
{
	if (object_lock(t->object, &t->waiter) == ERR_BUSY)
		return false;
	must(object_begin(t->object, &t->transaction) == OK);
	add(t->object, 1);
	return true;
}

static void
go_txn(struct task *t)
{
	if (begin(t))
		t->go_on = strcmp(t->event->method.p, "txn") == 0 ? go_keep : go_undo;
}

static void
do_txn(struct object *o, struct event *ev)
{
	go_txn(park(home_of(o), o, ev, go_txn));
}

static void
do_txn_call(struct object *o, struct event *ev)
{
	struct task *t = park(home_of(o), o, ev, go_keep);

	must(begin(t));
	object_emit(o, call(t, o->class, ev->args.p, "inc"));
}

static void
do_txn_nest(struct object *o, struct event *ev)
{
	struct task *t = park(home_of(o), o, ev, go_keep);
	uint64_t inner;

	must(begin(t));
	must(object_lock(o, &t->waiter) == OK && object_begin(o, &inner) == OK);
	add(o, 100);
	must(object_undo(o, t->transaction) == ERR_ARGUMENT);	/* not while another runs inside it */
	must(object_undo(o, inner) == OK && !object_within(o, inner) && object_within(o, t->transaction));
	must(object_end(o, &t->waiter, inner, false) == OK);
	must(object_end(o, &t->waiter, inner, false) == ERR_ARGUMENT);
}

static void
do_inc_abort(struct object *o, struct event *ev)
{
	add(o, 1);
	park(home_of(o), o, ev, go_echo);
	add(o, 1);
	object_break(o, &(struct failure){ .message = STR("aborted") });
	must(o->state == OBJECT_AWAKE);		/* not while we are on the stack */
}

static void
do_inc_spoil(struct object *o, struct event *ev)
{
	add(o, 1);
	fake_db_spoil(o->db, "database or disk is full: SQLITE_FULL");
	do_get(o, ev);
}

static const struct { const char *name; void (*run)(struct object *, struct event *); } handlers[] = {
	{ "call", do_call },
	{ "echo", do_echo },
	{ "get", do_get },
	{ "inc", do_inc },
	{ "inc+abort", do_inc_abort },
	{ "inc+call", do_inc_call },
	{ "inc+park", do_inc_park },
	{ "inc+raise", do_inc_raise },
	{ "inc+spoil", do_inc_spoil },
	{ "lock", do_lock },
	{ "park", do_park },
	{ "txn", do_txn },
	{ "txn+call", do_txn_call },
	{ "txn+nest", do_txn_nest },
	{ "txn+undo", do_txn },
	{ "yield", do_yield },
};

/* ---- engine.h ---- */

static void
on_deliver(struct engine *e, struct object *o, struct event *ev)
{
	struct fake_engine *fe = engine_of(e);

	enter(fe);
	must(o->state == OBJECT_AWAKE && input_admits(&o->input, NULL));
	trace(fe, "deliver:%s", ev->method.p);
	for (unsigned i = 0; i < sizeof(handlers) / sizeof(*handlers); i++)
		if (strcmp(handlers[i].name, ev->method.p) == 0) {
			handlers[i].run(o, ev);
			leave(fe);
			return;
		}
	must(!"a method of this fake");
}

static void
go_built(struct task *t)
{
	struct object *o = t->object;
	bool ok = strcmp(t->came, "no") != 0;

	finish(t);
	if (ok)
		object_awake(o);
	else
		object_break(o, &(struct failure){ .message = STR("constructor failed") });
}

static void
on_build(struct engine *e, struct object *o)
{
	struct fake_engine *fe = engine_of(e);

	enter(fe);
	must(o->state == OBJECT_WAKING);
	fe->wakes++;
	trace(fe, "wake");
	o->instance = fe;
	switch (fe->build) {
	case BUILD_AT_ONCE:
		object_awake(o);
		break;
	case BUILD_PARKS:
		park(fe, o, NULL, go_built);
		break;
	case BUILD_FAILS:
		object_break(o, &(struct failure){ .message = STR("constructor failed") });
		break;
	}
	leave(fe);
}

static void
on_forget(struct engine *e, struct object *o, const struct failure *why)
{
	struct fake_engine *fe = engine_of(e);

	enter(fe);
	fe->forgets++;
	trace(fe, why ? "reset" : "forget");
	list_each_safe(n, &fe->tasks) {
		struct task *t = container_of(n, struct task, link);

		if (t->object != o)
			continue;
		must(why && !list_linked(&t->waiter.link));
		if (t->event)
			event_fail_with(t->event, why);
		finish(t);
	}
	leave(fe);
}

static void
on_abandon(struct engine *e, struct event *ev)
{
	struct fake_engine *fe = engine_of(e);

	enter(fe);
	fe->abandons++;
	trace(fe, "abandon");
	if (ev->task) {
		event_fail(ev, "abandoned");
		finish(ev->task);
	}
	leave(fe);
}

static void
on_front(struct engine *e, struct event *ev)
{
	struct fake_engine *fe = engine_of(e);

	enter(fe);
	trace(fe, "front");
	if (!ev->request.path.p) {
		result(ev, "hello");
		worker_answer(fe->worker, ev);
	} else {
		struct task *t = park(fe, NULL, ev, go_came);

		worker_send(fe->worker, call(t, &ev->app->classes[0], ev->request.path.p, ev->request.method.p));
	}
	leave(fe);
}

static void
on_call_front(struct engine *e, struct event *ev)
{
	struct fake_engine *fe = engine_of(e);

	enter(fe);
	trace(fe, "callback");
	result(ev, "called");
	worker_answer(fe->worker, ev);
	leave(fe);
}

static const struct engine_ops fake_ops = { on_front, on_build, on_deliver, on_forget, on_abandon, on_call_front };

/* ---- the scene ---- */

static struct scene *playing;

static void
on_reply(struct event *ev)
{
	struct reply *r = ev->caller;

	must(ev->answering);		/* not ck_assert(): it writes a file each time, and some scenes measure */
	r->came++;
	r->order = ++playing->answers;
	r->failed = ev->failed;
	r->reset = ev->failure.reset;
	r->retryable = ev->failure.retryable;
	r->overloaded = ev->failure.overloaded;
	snprintf(r->text, sizeof(r->text), "%.*s", (int)(ev->failed ? ev->failure.message.n : ev->result.n),
		ev->failed ? ev->failure.message.p : ev->result.p);
	r->event = NULL;
	event_free(&ev);
}

static const struct transport loopback = { on_reply };

static void
on_come_round(void *arg)
{
	atomic_fetch_add((atomic_uint *)arg, 1);
}

static void
add_worker(struct scene *s, unsigned i)
{
	struct fake_engine *fe = &s->engines[i];

	fe->engine.ops = &fake_ops;
	list_init(&fe->tasks);
	fe->worker = worker_new(&s->runtime, i, on_come_round, &s->wakes[i]);
	worker_set_engine(fe->worker, &fe->engine);
}

void
scene_open(struct scene *s, unsigned workers, bool sync_at_once)
{
	playing = s;
	log_open("/dev/null", LOG_ERROR);
	s->class_conf = (struct class_conf){ .name = "Counter", .sqlite = true };
	if (!s->app_conf.overload.queue)
		s->app_conf.overload.queue = 1000;
	if (!s->app_conf.overload.bytes)
		s->app_conf.overload.bytes = 32 << 20;
	if (!s->app_conf.limits.idle_hibernate_ms)
		s->app_conf.limits.idle_hibernate_ms = 1000000;
	if (!s->app_conf.limits.idle_evict_ms)
		s->app_conf.limits.idle_evict_ms = 1000000;
	s->app_conf.name = "app";
	s->app_conf.classes = &s->class_conf;
	s->settings.apps = &s->app_conf;
	s->settings.napps = 1;
	s->settings.worker_threads = workers;
	s->store = fake_store_new(sync_at_once);
	runtime_init(&s->runtime, &s->settings, s->store);
	for (unsigned i = 0; i < workers; i++)
		add_worker(s, i);
	s->w = s->runtime.workers[0];
}

void
scene_close(struct scene *s)
{
	unsigned n = s->runtime.nworkers;

	for (unsigned i = 0; i < n; i++) {
		worker_stop(s->runtime.workers[i]);
		ck_assert_uint_eq(s->runtime.workers[i]->objects.map.n, 0);
		ck_assert(list_empty(&s->engines[i].tasks));
	}
	ck_assert_uint_eq(fake_store_open(s->store), 0);
	for (unsigned i = 0; i < n; i++) {
		struct worker *w = s->runtime.workers[i];

		worker_free(&w);
	}
	runtime_fini(&s->runtime);
	fake_store_free(&s->store);
}

struct event *
scene_event(struct scene *s, struct reply *r, const char *object, const char *method, const char *args)
{
	const struct class *class = &s->runtime.apps[0].classes[0];
	struct event *ev = event_new(EVENT_CALL, &loopback, r, s->w);

	ev->app = class->app;
	ev->class = class;
	ev->name = str_c(object);
	id_from_name(&class->key, ev->name, &ev->id);
	ev->method = str_c(method);
	ev->args = str_c(args);
	memset(r, 0, sizeof(*r));
	r->event = ev;
	return ev;
}

void
scene_send(struct scene *s, struct reply *r, const char *object, const char *method, const char *args)
{
	worker_send(s->w, scene_event(s, r, object, method, args));
}

void
scene_front(struct scene *s, struct reply *r, const char *object, const char *method)
{
	struct event *ev = event_new(EVENT_FETCH, &loopback, r, s->w);

	ev->app = &s->runtime.apps[0];
	ev->request.path = str_c(object);
	ev->request.method = str_c(method);
	memset(r, 0, sizeof(*r));
	r->event = ev;
	worker_front(s->w, ev);
}

struct object *
scene_object(struct scene *s, const char *name)
{
	struct object_id id;

	id_from_name(&s->runtime.apps[0].classes[0].key, str_c(name), &id);
	return registry_get(&s->w->objects, &id);
}

static struct task *
parked(struct scene *s, const char *object)
{
	struct object *o = scene_object(s, object);

	list_each(n, &s->engines[0].tasks) {
		struct task *t = container_of(n, struct task, link);

		if (t->object == o && !list_linked(&t->waiter.link))
			return t;
	}
	ck_abort_msg("no task of %s is parked", object);
}

void
scene_wake(struct scene *s, const char *object)
{
	struct task *t = parked(s, object);

	object_wake(t->object, &t->waiter);
}

void
scene_drop(struct scene *s, const char *object)
{
	struct task *t = parked(s, object);
	bool was = engine_enter(s->w, t->object);
	struct object *o = t->object;

	event_fail(t->event, "stopped");
	object_let_go(o, &t->waiter);
	if (o->reset)
		event_fail_with(t->event, o->reset);
	finish(t);
	engine_leave(s->w, o, was);
}

void
scene_build(struct scene *s, const char *object, bool ok)
{
	struct task *t = parked(s, object);

	snprintf(t->came, sizeof(t->came), "%s", ok ? "yes" : "no");
	object_wake(t->object, &t->waiter);
}

unsigned
scene_tick(struct scene *s)
{
	unsigned n = 1;

	while (worker_tick(s->w))
		ck_assert_uint_lt(++n, 10000);
	return n;
}

const char *
scene_trace(struct scene *s)
{
	static char last[sizeof(s->engines[0].trace)];

	memcpy(last, s->engines[0].trace, sizeof(last));
	s->engines[0].trace[0] = '\0';
	s->engines[0].traced = 0;
	return last;
}

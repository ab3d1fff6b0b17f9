/* serve.c -- one turn of one ready object; every entry into the engine.
 *
 * A turn is one thing: a reset that was asked for, a wake-up, one stalled task, one
 * event.  An object with more to do goes to the end of the line, so a busy
 * one cannot keep the others waiting.
 */
#include "base/err.h"
#include "base/log.h"
#include "object/parts.h"

bool
engine_enter(struct worker *w, struct object *o)
{
	bool was_inside = w->in_engine;

	w->in_engine = true;
	if (o)
		o->in_engine = true;
	return was_inside;
}

/* A reset that was asked for inside happens now.  (Not while one runs already: then o->state is BROKEN.) */
void
engine_leave(struct worker *w, struct object *o, bool was_inside)
{
	w->in_engine = was_inside;
	if (!o)
		return;
	o->in_engine = false;
	if (o->reset && o->state != OBJECT_BROKEN && !w->in_engine)
		reset_run(o);
}

static const struct engine_ops *
ops(const struct worker *w)
{
	return w->engine->ops;
}

void
serve_front(struct worker *w, struct event *ev)
{
	bool was = engine_enter(w, NULL);

	ops(w)->front(w->engine, ev);
	engine_leave(w, NULL, was);
}

void
serve_forget(struct object *o, const struct failure *why)
{
	struct worker *w = o->worker;
	bool was = engine_enter(w, o);

	ops(w)->forget(w->engine, o, why);
	engine_leave(w, o, was);
	o->instance = NULL;
}

/* Reached by id alone: its own file may know its name. */
static void
read_name(struct object *o)
{
	struct str name;
	char label[256];

	if (o->name.p || !db_exists(o->db))
		return;
	if (db_meta_get(o->db, META_NAME, &name) != OK) {
		log_warn("reading the name of %s: %s", object_label(o, label, sizeof(label)).p, err_text());
		return;
	}
	object_know_name(o, name);
	o->name_stored = o->name.p != NULL;
}

static void
wake(struct object *o)
{
	struct worker *w = o->worker;
	bool was;

	read_name(o);
	object_become(o, OBJECT_WAKING);
	was = engine_enter(w, o);
	ops(w)->wake(w->engine, o);
	engine_leave(w, o, was);
}

static void
go_on(struct object *o, struct waiter *waiter)
{
	bool was = engine_enter(o->worker, o);

	waiter->wake(waiter);
	engine_leave(o->worker, o, was);
}

/* Then there is no use in running it. */
static bool
caller_gone(struct event *ev)
{
	if (!atomic_load_explicit(&ev->abandoned, memory_order_relaxed))
		return false;
	event_fail(ev, "the caller went away before its %s began", ev->kind == EVENT_CALL ? "call" : "request");
	return true;
}

static void
deliver(struct object *o, struct event *ev)
{
	struct worker *w = o->worker;
	bool was;

	if (caller_gone(ev)) {
		ev->object = NULL;
		worker_answer(w, ev);
		return;
	}
	w->events++;
	o->running++;
	o->callers += !ev->own;
	was = engine_enter(w, o);
	ops(w)->deliver(w->engine, o, ev);
	engine_leave(w, o, was);
}

/* An object that is to sleep takes no event while nothing runs; then it only waits for its words to leave.  What it
 * sent to itself is this instance's, though, so that and what came before it is taken first. */
static bool
event_waits(const struct object *o)
{
	if (o->mailbox.n == 0)
		return false;
	if (o->state == OBJECT_ASLEEP)
		return true;
	return o->state == OBJECT_AWAKE && input_admits(&o->input, NULL) && !(o->evict && o->running == 0 && o->mailbox.own == 0);
}

static bool
may_evict(const struct object *o)
{
	return o->evict && o->state == OBJECT_AWAKE && o->running == 0 && o->mailbox.own == 0 && !o->input.owner &&
		list_empty(&o->input.stalled) && gate_empty(&o->gate) && !list_linked(&o->dirty_link);
}

bool
serve_has_work(const struct object *o)
{
	return o->reset || input_waits(&o->input) || event_waits(o) || may_evict(o);
}

/* The instance sleeps, the object stays for the events that wait for the next one. */
static void
evict(struct object *o)
{
	if (!settle_durable(o))
		return;
	o->evict = false;
	serve_forget(o, NULL);
	object_become(o, OBJECT_ASLEEP);
	object_db_free(o);
	object_db_new(o);
}

static void
turn(struct object *o)
{
	struct waiter *waiter;

	if (o->reset)
		reset_run(o);
	else if (may_evict(o))
		evict(o);
	else if (o->state == OBJECT_ASLEEP)
		wake(o);
	else if ((waiter = input_next(&o->input)))
		go_on(o, waiter);
	else
		deliver(o, mailbox_shift(&o->mailbox));
	if (object_undoes(o))
		object_yield(o);
}

bool
serve_turn(struct worker *w)
{
	struct list *n = list_shift(&w->ready);
	struct object *o;

	if (!n)
		return false;
	o = container_of(n, struct object, ready_link);
	if (serve_has_work(o))
		turn(o);
	if (serve_has_work(o))
		object_ready(o);
	else
		idle_rest(o);
	return true;
}

void
serve_callback(struct worker *w, struct event *ev)
{
	bool was;

	if (caller_gone(ev)) {
		worker_answer(w, ev);
		return;
	}
	w->events++;
	was = engine_enter(w, NULL);
	ops(w)->call_front(w->engine, ev);
	engine_leave(w, NULL, was);
}

bool
serve_abandoned(struct worker *w)
{
	struct list *n = list_shift(&w->abandoned);
	struct event *ev;
	struct object *o;
	bool was;

	if (!n)
		return false;
	ev = container_of(n, struct event, link);
	o = ev->object;
	was = engine_enter(w, o);
	ops(w)->abandon(w->engine, ev);
	engine_leave(w, o, was);
	return true;
}

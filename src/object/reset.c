/* reset.c -- the end of an instance that went wrong.
 *
 *	in the order they were said   words that saw what is dropped: broken
 *	                              stalled tasks: cancelled
 *	                              events in progress: answered by engine.forget
 *	                              events in the mailbox: answered here
 *	left at the gate              words that saw only what is committed
 */
#include <stdlib.h>

#include "base/err.h"
#include "base/log.h"
#include "object/parts.h"

/* The reason and its bytes, one block. */
struct reason {
	struct failure failure;
	struct arena arena;
};

void
object_break(struct object *o, const struct failure *why)
{
	struct reason *r;

	if (o->reset)
		return;
	r = xcalloc(1, sizeof(*r));
	arena_init(&r->arena);
	failure_copy(&r->arena, &r->failure, why);
	r->failure.reset = true;
	o->reset = &r->failure;
	if (o->worker->in_engine)
		object_ready(o);
	else
		reset_run(o);
}

void
worker_break_app(struct worker *w, const struct app *app, const struct object *guilty, const struct failure *why)
{
	struct object *o;

	must(w->in_engine);
	for (size_t i = 0; (o = map_next(&w->objects.map, &i));) {
		if (o->class->app != app || (o->state != OBJECT_WAKING && o->state != OBJECT_AWAKE))
			continue;
		if (o != guilty)
			object_yield(o);
		object_break(o, why);
	}
}

static void
reason_free(struct failure **why)
{
	struct reason *r = container_of(*why, struct reason, failure);

	*why = NULL;
	arena_fini(&r->arena);
	free(r);
}

static void
drop_uncommitted(struct object *o)
{
	db_rollback(o->db);
	transactions_forget(o);
	o->relaxed = false;
	list_del(&o->dirty_link);
}

static void
answer_mailbox(struct object *o)
{
	struct event *ev;

	while ((ev = mailbox_shift(&o->mailbox))) {
		ev->object = NULL;
		event_fail_with(ev, o->reset);
		worker_answer(o->worker, ev);
	}
}

static void
drop_instance(struct object *o, bool built)
{
	struct worker *w = o->worker;
	bool was = engine_enter(w, o);

	input_fini(&o->input, o->reset);
	engine_leave(w, o, was);
	if (built)
		serve_forget(o, o->reset);
	must(o->running == 0);		/* the engine answered every event it had */
	must(list_empty(&o->input.stalled));
	input_init(&o->input);
}

/* A database that broke says the same error for ever; the next instance gets a fresh one. */
static void
renew_db(struct object *o)
{
	drop_uncommitted(o);
	o->name_stored = false;
	if (!db_broken(o->db))
		return;
	object_db_free(o);
	object_db_new(o);
}

void
reset_run(struct object *o)
{
	bool built = o->state != OBJECT_ASLEEP;
	char label[256];

	must(o->reset && !o->worker->in_engine);
	log_info("object reset %s: %.*s", object_label(o, label, sizeof(label)).p,
		(int)o->reset->message.n, o->reset->message.p);
	idle_stir(o);
	object_become(o, OBJECT_BROKEN);
	drop_uncommitted(o);
	gate_break_open(&o->gate, o->reset);
	drop_instance(o, built);
	answer_mailbox(o);
	renew_db(o);
	list_del(&o->ready_link);
	if (gate_empty(&o->gate))
		list_del(&o->gate_link);
	o->evict = false;
	reason_free(&o->reset);
	object_become(o, OBJECT_ASLEEP);
	idle_rest(o);
}

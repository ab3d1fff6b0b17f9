/* worker.c -- the way in, the way out, and the tick. */
#include "object/worker.h"

#include "base/clock.h"
#include "base/err.h"
#include "object/parts.h"

enum {
	STEPS_PER_PASS = 1024,	/* turns before deeds are settled and words leave: about 10 ms of small handlers */
	PASSES_PER_TICK = 4	/* before the loop looks at its sockets again */
};

static const char stopping_text[] =
	"Connection closed: this Durable Object instance is no longer active. Reconnect or retry the request.";

static const struct failure stopping = {
	.message = { stopping_text, sizeof(stopping_text) - 1 },
	.retryable = true
};

/* ---- the way in ---- */

void
worker_front(struct worker *w, struct event *ev)
{
	must(!ev->class && ev->home == w);
	w->fronts++;
	if (w->stopping) {
		event_fail_with(ev, &stopping);
		worker_answer(w, ev);
		return;
	}
	w->events++;
	serve_front(w, ev);
}

/* May it be delivered at all?  If not, it is failed. */
static bool
admit(struct worker *w, struct event *ev)
{
	if (w->failed)
		settle_refuse(w, ev);
	else if (w->stopping)
		event_fail_with(ev, &stopping);
	else if (ev->target && !ev->target->live)
		reference_refuse(ev);
	return !ev->failed;
}

static void
accept_event(struct worker *w, struct event *ev)
{
	struct object *o;

	if (!admit(w, ev)) {
		worker_answer(w, ev);
		return;
	}
	if (!ev->class) {
		list_push(&w->callbacks, &ev->link);
		return;
	}
	o = registry_get(&w->objects, &ev->id);
	if (!o) {
		o = object_new(w, ev->class, &ev->id);
		registry_add(&w->objects, o);
	}
	if (mailbox_push(&o->mailbox, ev, clock_ms()) != OK) {
		event_fail(ev, "%s", err_text());
		ev->failure.overloaded = true;
		worker_answer(w, ev);
		idle_rest(o);
		return;
	}
	ev->object = o;
	object_know_name(o, ev->name);
	idle_stir(o);
	if (!ev->own)
		o->life.called_ms = w->now_ms;
	life_look(o);
	if (serve_has_work(o))
		object_ready(o);
}

static void
post(struct worker *to, struct event *ev)
{
	if (queue_push(&to->inbox, ev))
		to->wake(to->wake_arg);
}

bool
worker_poke(struct worker *to, struct poke *poke)
{
	bool first;

	if (!queue_poke(&to->inbox, poke, &first))
		return false;
	if (first)
		to->wake(to->wake_arg);
	return true;
}

/* Its task may have ended while it waited at the gate. */
static void
send_out(struct worker *w, struct event *ev)
{
	struct outbound *out = w->runtime->outbound;

	if (atomic_load_explicit(&ev->abandoned, memory_order_relaxed))
		event_fail(ev, "aborted before it left");
	else if (!out)
		event_fail(ev, "nobody here carries requests to other servers");
	else if (admit(w, ev)) {
		out->ops->send(out, ev);
		return;
	}
	worker_answer(w, ev);
}

static unsigned
owner_of(const struct worker *w, const struct event *ev)
{
	return ev->class ? id_owner(&ev->id, w->runtime->nworkers) : ev->target ? ev->target->home : w->index;
}

void
worker_send(struct worker *w, struct event *ev)
{
	unsigned owner;

	if (ev->kind == EVENT_OUTBOUND) {
		send_out(w, ev);
		return;
	}
	must((ev->class || ev->target) && !ev->answering);
	owner = owner_of(w, ev);
	if (owner == w->index) {
		accept_event(w, ev);
		return;
	}
	event_own(ev);			/* its connection stays on this thread */
	post(w->runtime->workers[owner], ev);
}

/* ---- the way out ---- */

void
worker_answer(struct worker *w, struct event *ev)
{
	list_del(&ev->link);		/* of worker->abandoned */
	ev->answering = true;
	if (ev->home == w)
		list_push(&w->answers, &ev->link);
	else
		post(ev->home, ev);
}

void
worker_return(struct event *ev)
{
	must(ev->kind == EVENT_OUTBOUND && !ev->answering);
	ev->answering = true;
	post(ev->home, ev);
}

/* A transport may run a task that waited for this answer; so it is called from the tick only, and counts as the engine. */
static void
hand_over(struct worker *w, struct event *ev)
{
	bool was = engine_enter(w, NULL);

	if (!ev->class && !ev->target && ev->kind != EVENT_OUTBOUND)
		w->fronts--;
	ev->transport->answer(ev);
	engine_leave(w, NULL, was);
}

bool
worker_front_done(struct worker *w, struct event *ev)
{
	if (!ev->answering || w->in_engine)	/* inside another event's answer: the tick will do */
		return false;
	list_del(&ev->link);		/* of worker->answers */
	hand_over(w, ev);
	return true;
}

static bool
answer_one(struct worker *w)
{
	struct list *n = list_shift(&w->answers);

	if (!n)
		return false;
	hand_over(w, container_of(n, struct event, link));
	return true;
}

/* One call of what a front module lent: that may be gone since it was accepted. */
static void
call_one(struct worker *w)
{
	struct list *n = list_shift(&w->callbacks);
	struct event *ev;

	if (!n)
		return;
	ev = container_of(n, struct event, link);
	if (admit(w, ev))
		serve_callback(w, ev);
	else
		worker_answer(w, ev);
}

/* On this thread and on no list means: the engine has it. */
void
worker_abandon(struct worker *w, struct event *ev)
{
	must(ev->home == w);
	if (atomic_exchange(&ev->abandoned, true))
		return;
	if (ev->kind == EVENT_OUTBOUND) {
		if (w->runtime->outbound)
			w->runtime->outbound->ops->look(w->runtime->outbound);
		return;
	}
	if (owner_of(w, ev) != w->index)
		return;
	if (list_linked(&ev->link) || list_linked(&ev->word.link))
		return;
	list_push(&w->abandoned, &ev->link);
}

/* ---- work without an event ---- */

void
worker_hold(struct worker *w)
{
	w->late++;
}

void
worker_release(struct worker *w)
{
	must(w->late > 0);
	w->late--;
}

/* ---- the tick ---- */

static void
take_inbox(struct worker *w)
{
	struct list all = LIST_INIT(all), *n;

	queue_take(&w->inbox, &all);
	while ((n = list_shift(&all))) {
		struct event *ev = container_of(n, struct event, link);

		if (ev->answering)
			list_push(&w->answers, n);
		else
			accept_event(w, ev);
	}
}

/* What they wake may poke again: those wait for the next tick. */
static void
take_pokes(struct worker *w)
{
	struct list all = LIST_INIT(all);
	bool was = engine_enter(w, NULL);
	struct poke *poke;

	queue_take_pokes(&w->inbox, &all);
	while ((poke = poke_next(&all)))
		poke->wake(poke, w);
	engine_leave(w, NULL, was);
}

static bool
more(const struct worker *w)
{
	return !list_empty(&w->ready) || !list_empty(&w->answers) || !list_empty(&w->callbacks) ||
		!list_empty(&w->abandoned);
}

static void
fire_timers(struct worker *w)
{
	bool was = engine_enter(w, NULL);

	timers_run(&w->timers, w->now_ms);
	engine_leave(w, NULL, was);
}

static void
run(struct worker *w)
{
	for (int steps = 0; steps < STEPS_PER_PASS && more(w); steps++) {
		serve_abandoned(w);
		answer_one(w);
		call_one(w);
		serve_turn(w);
	}
}

bool
worker_tick(struct worker *w)
{
	bool sleepers;

	must(!w->in_engine);
	w->ticks++;
	w->now_ms = clock_ms();
	settle_failure(w);
	take_inbox(w);
	take_pokes(w);
	fire_timers(w);
	for (int pass = 0; pass < PASSES_PER_TICK; pass++) {
		run(w);
		settle_dirty(w);
		settle_gates(w);
		settle_ask(w);
		if (!more(w))
			break;
	}
	shard_tick(w->shard);
	sleepers = idle_run(w);
	return more(w) || sleepers;
}

int64_t
worker_next(const struct worker *w)
{
	return more(w) ? 0 : timers_next(&w->timers);
}

static bool
inbox_empty(const struct worker *w)
{
	struct queue *q = (struct queue *)&w->inbox;
	bool empty;

	pthread_mutex_lock(&q->lock);
	empty = list_empty(&q->events) && list_empty(&q->pokes);
	pthread_mutex_unlock(&q->lock);
	return empty;
}

bool
worker_idle(const struct worker *w)
{
	return w->resting == w->objects.map.n && w->fronts == 0 && (w->late == 0 || w->stopping) && !more(w) && inbox_empty(w);
}

/* ---- the end ---- */

static bool
runs(const struct object *o)
{
	return o->running > 0 || o->mailbox.n > 0 || o->state == OBJECT_WAKING || o->input.owner ||
		!list_empty(&o->input.stalled);
}

static void
end_what_runs(struct worker *w)
{
	struct object *o;

	for (size_t i = 0; (o = map_next(&w->objects.map, &i));)
		if (runs(o))
			object_break(o, &stopping);
}

/* Answers may bring tasks back to life that make more answers; nothing new begins any more, so it ends. */
static void
let_words_leave(struct worker *w)
{
	do {
		run(w);
		end_what_runs(w);
		settle_dirty(w);
		if (shard_wait(w->shard, w->wanted) != OK)
			settle_failure(w);
		settle_gates(w);
	} while (more(w));
}

void
worker_stop(struct worker *w)
{
	struct object *o;

	must(!w->in_engine);
	w->stopping = true;
	w->now_ms = clock_ms();
	settle_failure(w);
	take_inbox(w);
	let_words_leave(w);
	for (size_t i = 0; (o = map_next(&w->objects.map, &i));)
		idle_sleep(&o);
}

/* idle.c -- who has nothing to do, and how it goes to sleep.
 *
 * Each app has one line of resting objects: all of an app rest equally long, so
 * the line is sorted by itself and only its head is ever looked at.  The
 * timer makes the loop come round; the end of the tick does the work, a few objects at a time.
 *
 * chaos_evict: every so often a random object is told to sleep, resting or not.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "object/parts.h"

enum { SLEEPS_PER_TICK = 64 };

static void
on_idle(struct timer *t)
{
	(void)t;			/* idle_run() is at the end of this very tick */
}

static int64_t
chaos_period(const struct worker *w)
{
	int64_t shortest = 0;

	for (unsigned i = 0; i < w->runtime->settings->napps; i++) {
		int64_t ms = w->runtime->apps[i].conf->chaos_evict_ms;

		if (ms > 0 && (!shortest || ms < shortest))
			shortest = ms;
	}
	return shortest;
}

static void
on_chaos(struct timer *t)
{
	struct worker *w = container_of(t, struct worker, chaos_timer);
	struct object *o = registry_random(&w->objects);

	if (o && o->class->app->conf->chaos_evict_ms > 0)
		object_evict(o);
	timer_set(&w->timers, t, w->now_ms + chaos_period(w));
}

void
idle_init(struct worker *w)
{
	unsigned n = w->runtime->settings->napps;

	w->idle = xcalloc(n ? n : 1, sizeof(*w->idle));
	for (unsigned i = 0; i < n; i++)
		list_init(&w->idle[i]);
	list_init(&w->lingering);
	timer_init(&w->idle_timer, on_idle);
	timer_init(&w->chaos_timer, on_chaos);
	if (chaos_period(w) > 0)
		timer_set(&w->timers, &w->chaos_timer, w->now_ms + chaos_period(w));
}

void
idle_fini(struct worker *w)
{
	timer_clear(&w->timers, &w->idle_timer);
	timer_clear(&w->timers, &w->chaos_timer);
	free(w->idle);
	w->idle = NULL;
}

bool
idle_quiet(const struct object *o)
{
	return (o->state == OBJECT_AWAKE || o->state == OBJECT_ASLEEP) && o->running == 0 && o->mailbox.n == 0 &&
		gate_empty(&o->gate) && !o->input.owner && list_empty(&o->input.stalled) && !o->reset &&
		!list_linked(&o->dirty_link) && !list_linked(&o->ready_link);
}

static int64_t
due(const struct object *o)
{
	return o->state == OBJECT_ASLEEP ? 0 : o->idle_since_ms + o->class->app->conf->limits.idle_hibernate_ms;
}

static void
arm(struct worker *w, int64_t due_ms)
{
	if (!timer_is_set(&w->idle_timer) || w->idle_timer.due_ms > due_ms)
		timer_set(&w->timers, &w->idle_timer, due_ms);
}

/* What is left of an object after a reset is at the head: it goes at the end of the tick. */
void
idle_rest(struct object *o)
{
	struct worker *w = o->worker;
	struct list *line = &w->idle[o->class->app->index];

	life_look(o);
	if (list_linked(&o->idle_link) || !idle_quiet(o))
		return;
	w->resting++;
	if (o->lingers > 0) {
		list_push(&w->lingering, &o->idle_link);
		return;
	}
	o->idle_since_ms = w->now_ms;
	list_insert(o->state == OBJECT_ASLEEP ? line : line->prev, &o->idle_link);
	arm(w, due(o));
}

void
idle_stir(struct object *o)
{
	if (!list_linked(&o->idle_link))
		return;
	list_del(&o->idle_link);
	o->worker->resting--;
}

void
object_linger(struct object *o)
{
	o->lingers++;
	life_pin(o);
}

void
object_linger_end(struct object *o)
{
	must(o->lingers > 0);
	if (--o->lingers > 0 || !list_linked(&o->idle_link))
		return;
	idle_stir(o);
	idle_rest(o);
}

void
idle_sleep(struct object **op)
{
	struct object *o = *op;
	char label[256];

	*op = NULL;
	must(idle_quiet(o));
	idle_stir(o);
	log_debug("object asleep %s", object_label(o, label, sizeof(label)).p);
	if (o->state == OBJECT_AWAKE) {
		serve_forget(o, NULL);
		object_become(o, OBJECT_ASLEEP);
	}
	life_look(o);
	object_db_free(o);
	registry_remove(&o->worker->objects, o);
	object_free(&o);
}

bool
idle_run(struct worker *w)
{
	int budget = SLEEPS_PER_TICK;
	int64_t next = INT64_MAX;

	for (unsigned i = 0; i < w->runtime->settings->napps; i++) {
		struct object *o;

		while ((o = list_first(&w->idle[i], struct object, idle_link)) && due(o) <= w->now_ms && budget-- > 0)
			if (settle_durable(o))
				idle_sleep(&o);
		if (o && due(o) < next)
			next = due(o);
	}
	if (next != INT64_MAX)
		arm(w, next);
	return next <= w->now_ms;
}

/* life.c -- looked at after each event; costs a few comparisons unless something changed. */
#include "object/life.h"

#include "base/clock.h"
#include "base/log.h"
#include "object/parts.h"

static const char *const names[] = {
	[LIFE_INACTIVE] = "inactive", [LIFE_ACTIVE] = "active", [LIFE_PINNED] = "idle, not hibernateable",
	[LIFE_RESTING] = "idle, hibernateable"
};

static const char pinned_text[] = "This Durable Object was put to sleep with work under way: no event came for limits idle_evict, and "
	"nothing it had begun was younger than limits pending_io. Reconnect or retry the request.";

const char *
life_name(enum life_stage stage)
{
	return names[stage];
}

/* While it is being reset, or only its last words have not left, it is what it was: these moments say nothing. */
static enum life_stage
judge(const struct object *o)
{
	bool words = !gate_empty(&o->gate);

	if (o->state == OBJECT_BROKEN)
		return o->life.stage;
	if (o->state == OBJECT_ASLEEP && o->mailbox.n == 0 && !words)
		return LIFE_INACTIVE;
	if (o->state != OBJECT_AWAKE || o->callers > 0 || o->streams > 0 || o->mailbox.n > o->mailbox.own)
		return LIFE_ACTIVE;
	if (words)
		return o->life.stage == LIFE_PINNED ? LIFE_PINNED : LIFE_ACTIVE;
	return o->running > 0 || o->lingers > 0 || o->mailbox.n > 0 ? LIFE_PINNED : LIFE_RESTING;
}

struct life_reasons
life_reasons(const struct object *o)
{
	struct life_reasons r = {
		.events = o->callers, .queued = (unsigned)(o->mailbox.n - o->mailbox.own), .async = o->holds > o->streams ? o->holds - o->streams : 0,
		.background = o->running - o->callers - o->holds + (unsigned)o->mailbox.own,
		.streams = o->streams, .timers = o->lingers, .transaction = o->transactions > 0, .blocked = o->input.owner != NULL
	};

	list_each(n, &o->gate.words)
		r.words++;
	return r;
}

static void
add(struct buf *out, unsigned n, const char *one, const char *many)
{
	if (n > 0)
		buf_printf(out, "%s%u %s", out->n ? ", " : "", n, n == 1 ? one : many);
}

void
life_tell(const struct life_reasons *r, struct buf *out)
{
	add(out, r->events, "event", "events");
	add(out, r->queued, "event queued", "events queued");
	add(out, r->background, "background task", "background tasks");
	add(out, r->async, "async call", "async calls");
	add(out, r->streams, "stream", "streams");
	add(out, r->timers, "timer", "timers");
	add(out, r->words, "word waiting for the disk", "words waiting for the disk");
	if (r->transaction)
		buf_printf(out, "%san open transaction", out->n ? ", " : "");
	if (r->blocked)
		buf_printf(out, "%sits input gate is held", out->n ? ", " : "");
}

static void
log_change(const struct object *o, enum life_stage stage)
{
	struct life_reasons why = life_reasons(o);
	struct buf text = { 0 };
	char label[256];

	life_tell(&why, &text);
	log_debug("object %s is %s%s%.*s; it was %s for %lld ms", object_label(o, label, sizeof(label)).p, names[stage], text.n ? ": " : "",
	    (int)text.n, text.n ? text.p : "", names[o->life.stage], (long long)(o->worker->now_ms - o->life.since_ms));
	buf_fini(&text);
}

static int64_t
pin_due(const struct object *o)
{
	int64_t quiet = o->life.called_ms + o->class->app->conf->limits.idle_evict_ms;

	return quiet > o->life.pinned_until_ms ? quiet : o->life.pinned_until_ms;
}

/* Timers alone go with the instance; who waits inside for an answer, or for time to pass, is ended. */
static void
on_pin(struct timer *timer)
{
	static const struct failure why = { .message = { pinned_text, sizeof(pinned_text) - 1 }, .retryable = true, .reset = true };
	struct object *o = container_of(timer, struct object, life.pin);

	if (judge(o) != LIFE_PINNED)
		return;			/* if it becomes so again, the clock is set again */
	if (pin_due(o) > o->worker->now_ms)
		timer_set(&o->worker->timers, timer, pin_due(o));
	else if (o->running == 0)
		object_evict(o);
	else
		object_break(o, &why);
}

void
life_init(struct object *o)
{
	o->life.since_ms = o->worker->now_ms;
	timer_init(&o->life.pin, on_pin);
}

void
life_fini(struct object *o)
{
	timer_clear(&o->worker->timers, &o->life.pin);
}

void
life_look(struct object *o)
{
	enum life_stage stage = judge(o);

	if (stage == LIFE_PINNED && !timer_is_set(&o->life.pin))
		timer_set(&o->worker->timers, &o->life.pin, pin_due(o));
	if (stage == o->life.stage)
		return;
	if (log_shows(LOG_DEBUG))
		log_change(o, stage);
	o->life.stage = stage;
	o->life.since_ms = o->worker->now_ms;
}

void
life_pin(struct object *o)
{
	o->life.pinned_until_ms = o->worker->now_ms + o->class->app->conf->limits.pending_io_ms;
}

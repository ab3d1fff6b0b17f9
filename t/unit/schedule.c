/* schedule.c -- an engine for scripts, and the dice; see schedule.h.
 *
 * A script is what one event does, a letter a step:
 *
 *	w write   u write, allowUnconfirmed   r read   p park   s storage:sync()
 *	L lock (blockConcurrencyWhile)   U unlock   B begin a transaction   E end it   R undo it   t throw   A abort   x a critical error of the database
 *	0-3 call that object (with a script of its own) and wait for the answer
 *
 * The front module is left out: its words wait for nothing.
 */
#include "schedule.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "judge.h"
#include "object/parts.h"

enum { WORKERS = 2, STEPS = 160, PARKED_MAX = 512 };

struct task {
	struct waiter waiter;
	struct word synced;
	struct list link;
	struct machine *home;
	struct object *object;
	struct event *event, *out;	/* event NULL: the constructor; out: a call that has not come back */
	const char *script;
	struct tale *tale;
	struct held {			/* the innermost last */
		uint64_t transaction;	/* 0: a plain lock */
		uint32_t mark;
	} held[16];
	unsigned locks;
	bool syncs;			/* waits for the disk, not for the dice */
};

struct machine {
	struct engine engine;
	struct worker *worker;
	struct list tasks;
	unsigned inside;
};

static struct {
	struct life *life;
	struct settings settings;
	struct app_conf app_conf;
	struct class_conf class_conf;
	struct runtime runtime;
	struct store *store;
	struct machine machines[WORKERS];
	struct object_id ids[OBJECTS];
	uint64_t dice;
	bool dead;			/* the power is gone: what still comes is heard by nobody */
} s;

static const char *const names[OBJECTS] = { "zero", "one", "two", "three" };

/* Of every event: whose tale it is, and who waits for its answer. */
struct caller {
	struct tale *tale;
	struct task *task;		/* NULL: outside, or gone */
};

static struct caller *
caller_of(const struct event *ev)
{
	return ev->caller;
}

/* ---- dice ---- */

static unsigned
roll(unsigned n)
{
	s.dice ^= s.dice << 13;
	s.dice ^= s.dice >> 7;
	s.dice ^= s.dice << 17;
	return (unsigned)(s.dice >> 33) % n;
}

static const char *
write_script(struct arena *a, bool may_call)
{
	static const char often[] = "wwwwwrrrruuppp", seldom[] = "wwwrrruppsLUUBBBEERtAx0123";
	char text[16];
	unsigned n = 1 + roll(10);

	for (unsigned i = 0; i < n; i++) {
		text[i] = roll(3) ? often[roll(sizeof(often) - 1)] : seldom[roll(sizeof(seldom) - 1)];
		if (isdigit((unsigned char)text[i]) && !may_call)
			text[i] = 'r';
		if (text[i] == 'B' && breakage != SOUND && breakage < BROKEN_UNDO)
			text[i] = 'L';	/* or an assertion of theirs would be faster than the judge */
		if (strchr("tAx", text[i]) && roll(3))
			text[i] = 'w';
	}
	text[n] = '\0';
	return arena_str(a, str_c(text)).p;
}

unsigned
judge_object(const unsigned char id[32])
{
	for (unsigned i = 0; i < OBJECTS; i++)
		if (memcmp(s.ids[i].b, id, 32) == 0)
			return i;
	must(!"an object of this schedule");
	return 0;
}

/* ---- tasks ---- */

static struct machine *
machine_of(struct engine *e)
{
	return container_of(e, struct machine, engine);
}

static void
enter(struct machine *m)
{
	if (m->inside++)
		judge_fault("the engine was entered twice");
}

static void
leave(struct machine *m)
{
	m->inside--;
}

static void
finish(struct task *t)
{
	struct event *ev = t->event;
	struct object *o = t->object;

	if (t->out) {
		caller_of(t->out)->task = NULL;
		worker_abandon(t->home->worker, t->out);
	}
	list_del(&t->link);
	list_del(&t->synced.link);
	if (!s.dead)
		judge_said(t->tale);
	free(t);
	ev->task = NULL;
	object_answer(o, ev);
}

/* The innermost lock or transaction. */
static void
unlock(struct task *t, bool keep)
{
	struct held *h = &t->held[--t->locks];
	struct object *o = t->object;

	if (!s.dead)
		judge_locks(o, t, false);
	if (!h->transaction) {
		object_unlock(o, &t->waiter);
		return;
	}
	if (!keep && !s.dead)
		judge_undone(o, h->mark);
	t->tale->inside = o->transactions > 1;
	object_end(o, &t->waiter, h->transaction, keep);
}

static struct event *out_event(struct task *, unsigned to);

static void
on_synced(struct word *word, const struct failure *broken)
{
	struct task *t = container_of(word, struct task, synced);

	must(!broken);
	t->syncs = false;
	if (!s.dead)
		judge_synced(t->tale);
	object_wake(t->object, &t->waiter);
}

enum outcome { GOES_ON, PARKED, ENDED };

static enum outcome
step_lock(struct task *t)
{
	int rc;

	object_yield(t->object);
	if (t->object->reset)
		return PARKED;
	rc = object_lock(t->object, &t->waiter);
	if (rc == ERR_BUSY) {
		t->script--;		/* its turn may come */
		return PARKED;
	}
	if (rc == OK) {
		t->held[t->locks++] = (struct held){ 0 };
		judge_locks(t->object, t, true);
		s.life->locks++;
	}
	return GOES_ON;
}

static enum outcome
step_begin(struct task *t)
{
	unsigned held = t->locks;
	enum outcome now = step_lock(t);
	struct held *h = &t->held[held];

	if (now != GOES_ON || t->locks == held)
		return now;
	if (object_begin(t->object, &h->transaction) < 0)
		return PARKED;		/* the commit before it was refused: it is being reset */
	h->mark = judge_begins(t->object, t->tale);
	s.life->transactions++;
	return GOES_ON;
}

static enum outcome
step_end(struct task *t, bool keep)
{
	if (!t->locks || !t->held[t->locks - 1].transaction)
		return GOES_ON;
	unlock(t, keep);
	return t->object->reset ? PARKED : GOES_ON;
}

static enum outcome
step_sync(struct task *t)
{
	object_yield(t->object);
	if (t->object->reset)
		return PARKED;
	t->synced.say = on_synced;
	if (object_sync(t->object, &t->synced)) {
		judge_synced(t->tale);
		return GOES_ON;
	}
	t->syncs = true;
	return PARKED;
}

/* What raises under a lock resets the object, as blockConcurrencyWhile() says; a transaction is undone. */
static enum outcome
step_throw(struct task *t)
{
	while (t->locks && t->held[t->locks - 1].transaction)
		unlock(t, false);
	if (t->object->reset)
		return PARKED;
	if (t->locks == 0) {
		event_fail(t->event, "boom");
		return ENDED;
	}
	object_break(t->object, &(struct failure){ .message = STR("boom, locked") });
	return PARKED;
}

static enum outcome
step(struct task *t, char letter)
{
	struct object *o = t->object;

	switch (letter) {
	case 'w':
		object_confirm(o);
		judge_write(o, t->tale, false);
		return GOES_ON;
	case 'u':
		object_relax(o);
		judge_write(o, t->tale, true);
		return GOES_ON;
	case 'r':
		judge_read(o, t->tale);
		return GOES_ON;
	case 'p':
		object_yield(o);
		return PARKED;
	case 's':
		return step_sync(t);
	case 'L':
		return step_lock(t);
	case 'U':
		if (t->locks && !t->held[t->locks - 1].transaction)
			unlock(t, true);
		return GOES_ON;
	case 'B':
		return step_begin(t);
	case 'E':
		return step_end(t, true);
	case 'R':
		return step_end(t, false);
	case 't':
		return step_throw(t);
	case 'A':
		object_break(o, &(struct failure){ .message = STR("aborted") });
		return PARKED;
	case 'x':
		fake_db_spoil(o->db, "database or disk is full: SQLITE_FULL");
		judge_dropped(o->db);
		return ENDED;
	default:
		object_emit(o, out_event(t, (unsigned)(letter - '0')));
		object_yield(o);
		s.life->calls++;
		return PARKED;
	}
}

static void
go(struct task *t)
{
	enum outcome now = s.dead ? ENDED : GOES_ON;

	if (!s.dead)
		judge_runs(t->object, t);
	while (now == GOES_ON && *t->script)
		now = step(t, *t->script++);
	if (now == PARKED) {
		s.life->parks++;
		judge_parked(t->object);
		return;
	}
	while (t->locks)
		unlock(t, true);
	finish(t);
}

static void
on_wake(struct waiter *waiter)
{
	struct task *t = container_of(waiter, struct task, waiter);
	struct machine *m = t->home;
	struct object *o = t->object;

	enter(m);
	if (t->event) {
		go(t);
	} else {			/* the constructor has waited long enough */
		bool ok = roll(8) > 0;

		list_del(&t->link);
		free(t);
		if (ok)
			object_awake(o);
		else
			object_break(o, &(struct failure){ .message = STR("constructor failed") });
	}
	leave(m);
}

static void
on_cancel(struct waiter *waiter, const struct failure *why)
{
	struct task *t = container_of(waiter, struct task, waiter);
	struct machine *m = t->home;

	enter(m);
	if (t->event) {
		event_fail_with(t->event, why);
		finish(t);
	} else {
		list_del(&t->link);
		free(t);
	}
	leave(m);
}

static struct task *
task_new(struct machine *m, struct object *o, struct event *ev)
{
	struct task *t = xcalloc(1, sizeof(*t));

	t->home = m;
	t->object = o;
	t->event = ev;
	t->waiter.wake = on_wake;
	t->waiter.cancel = on_cancel;
	list_init(&t->waiter.link);
	list_init(&t->synced.link);
	list_push(&m->tasks, &t->link);
	if (ev) {
		ev->task = t;
		t->script = ev->args.p;
		t->tale = caller_of(ev)->tale;
	}
	return t;
}

/* ---- events ---- */

static struct event *
make_event(const struct transport *transport, struct task *by, struct worker *home, unsigned object)
{
	const struct class *class = &s.runtime.apps[0].classes[0];
	struct caller *c = xcalloc(1, sizeof(*c));
	struct event *ev = event_new(EVENT_CALL, transport, c, home);

	c->tale = judge_tale(object, by ? by->tale : NULL);
	c->task = by;
	ev->app = class->app;
	ev->class = class;
	ev->name = arena_str(&ev->arena, str_c(names[object]));
	ev->id = s.ids[object];
	ev->args = str_c(write_script(&ev->arena, !by));
	ev->owned = true;
	ev->own = roll(8) == 0;		/* nobody waits for it: its object may be put to sleep over it */
	return ev;
}

static void
on_reply(struct event *ev)
{
	struct caller *c = caller_of(ev);

	if (c->task) {
		c->task->out = NULL;
		object_wake(c->task->object, &c->task->waiter);
	}
	if (!s.dead)
		judge_came(c->tale, ev);
	free(c);
	event_free(&ev);
}

static const struct transport outside = { on_reply }, stub = { on_reply };

static struct event *
out_event(struct task *t, unsigned to)
{
	return t->out = make_event(&stub, t, t->home->worker, to);
}

static void
send_from_outside(void)
{
	struct worker *w = s.machines[0].worker;

	s.life->events++;
	worker_send(w, make_event(&outside, NULL, w, roll(OBJECTS)));
}

/* ---- engine.h ---- */

static void
on_deliver(struct engine *e, struct object *o, struct event *ev)
{
	struct machine *m = machine_of(e);
	struct task *t;

	enter(m);
	t = task_new(m, o, ev);
	if (!s.dead)
		judge_delivered(o, t->tale);
	go(t);
	leave(m);
}

static void
on_build(struct engine *e, struct object *o)
{
	struct machine *m = machine_of(e);

	enter(m);
	o->instance = m;
	if (!s.dead)
		judge_instance(o, 1);
	switch (roll(12)) {
	case 0:
		object_break(o, &(struct failure){ .message = STR("constructor failed") });
		break;
	case 1:
	case 2:
		task_new(m, o, NULL);
		break;
	default:
		object_awake(o);
	}
	leave(m);
}

static void
on_forget(struct engine *e, struct object *o, const struct failure *why)
{
	struct machine *m = machine_of(e);

	enter(m);
	if (!s.dead)
		judge_instance(o, -1);
	s.life->resets += why != NULL;
	s.life->sleeps += why == NULL;
	list_each_safe(n, &m->tasks) {
		struct task *t = container_of(n, struct task, link);

		if (t->object != o)
			continue;
		if (!why)
			judge_fault("object %u fell asleep over a task", judge_object(o->id.b));
		if (!t->event) {
			list_del(&t->link);
			free(t);
			continue;
		}
		if (why)
			event_fail_with(t->event, why);
		finish(t);
	}
	leave(m);
}

static void
on_abandon(struct engine *e, struct event *ev)
{
	(void)e;
	(void)ev;			/* the task goes on to its end, as one of the app's would */
}

static void
on_front(struct engine *e, struct event *ev)
{
	(void)e;
	(void)ev;
	must(!"a schedule has no front module");
}

static const struct engine_ops ops = { on_front, on_build, on_deliver, on_forget, on_abandon, NULL };

/* ---- the world ---- */

static void
on_come_round(void *arg)
{
	(void)arg;
}

static void
open_world(struct store *store)
{
	s.store = store;
	s.dead = false;
	runtime_init(&s.runtime, &s.settings, s.store);
	for (unsigned i = 0; i < WORKERS; i++) {
		struct machine *m = &s.machines[i];

		m->engine.ops = &ops;
		m->inside = 0;
		list_init(&m->tasks);
		m->worker = worker_new(&s.runtime, i, on_come_round, NULL);
		worker_set_engine(m->worker, &m->engine);
	}
	for (unsigned i = 0; i < OBJECTS; i++)
		id_from_name(&s.runtime.apps[0].classes[0].key, str_c(names[i]), &s.ids[i]);
}

/* Stops take turns: what one worker ends may come back to the other, which answers it while it stops. */
static void
close_world(void)
{
	for (unsigned i = 0; i < WORKERS; i++)
		worker_stop(s.machines[i].worker);
	for (unsigned round = 0; round < 4; round++)
		for (unsigned i = 0; i < WORKERS; i++)
			worker_tick(s.machines[i].worker);
	for (unsigned i = 0; i < WORKERS; i++) {
		if (!list_empty(&s.machines[i].tasks))
			judge_fault("a task was left over");
		worker_free(&s.machines[i].worker);
	}
	runtime_fini(&s.runtime);
	fake_store_free(&s.store);
}

static void
cut_power(void)
{
	struct store *left = fake_store_after_crash(s.store);

	s.life->cuts++;
	judge_store(left);
	s.dead = true;
	close_world();
	open_world(left);
}

/* ---- what the dice do ---- */

static void
wake_somebody(void)
{
	struct task *can[PARKED_MAX];
	unsigned n = 0;

	for (unsigned i = 0; i < WORKERS; i++)
		list_each(l, &s.machines[i].tasks) {
			struct task *t = container_of(l, struct task, link);

			if (n < PARKED_MAX && !t->out && !t->syncs && !list_linked(&t->waiter.link) && t->object->state != OBJECT_BROKEN)
				can[n++] = t;
		}
	if (n) {
		struct task *t = can[roll(n)];

		object_wake(t->object, &t->waiter);
	}
}

static struct object *
somebody(void)
{
	const struct object_id *id = &s.ids[roll(OBJECTS)];

	return registry_get(&s.machines[id_owner(id, WORKERS)].worker->objects, id);
}

static void
evict_somebody(void)
{
	struct object *o = somebody();

	if (o)
		object_evict(o);
}

static void
sync_a_bit(void)
{
	uint64_t durable = store_durable(s.store), behind = fake_store_commits(s.store) - durable;

	if (behind)
		fake_store_sync_to(s.store, durable + 1 + roll((unsigned)behind));
}

/* A caller from outside hangs up. */
static void
abandon_somebody(void)
{
	for (unsigned i = 0; i < WORKERS; i++)
		list_each(l, &s.machines[i].tasks) {
			struct task *t = container_of(l, struct task, link);

			if (t->event && t->event->transport == &outside && roll(3) == 0) {
				s.life->abandoned++;
				worker_abandon(t->event->home, t->event);
				return;
			}
		}
}

/* A parked task alone, as one that used up its time. */
static void
remove_somebody(void)
{
	for (unsigned i = 0; i < WORKERS; i++)
		list_each(l, &s.machines[i].tasks) {
			struct task *t = container_of(l, struct task, link);
			struct object *o = t->object;
			bool was;

			if (!t->event || roll(3))
				continue;
			was = engine_enter(s.machines[i].worker, o);
			for (unsigned k = t->locks; k--;) {
				judge_locks(o, t, false);
				if (t->held[k].transaction)
					judge_undone(o, t->held[k].mark);
			}
			list_del(&t->waiter.link);
			object_let_go(o, &t->waiter);
			event_fail(t->event, "stopped");
			if (o->reset)
				event_fail_with(t->event, o->reset);
			s.life->removals++;
			finish(t);
			engine_leave(s.machines[i].worker, o, was);
			return;
		}
}

static void
refuse_a_commit(void)
{
	s.life->refusals++;
	fake_store_refuse(s.store, "FOREIGN KEY constraint failed: SQLITE_CONSTRAINT");
}

static void
tick_somebody(void)
{
	worker_tick(s.machines[roll(WORKERS)].worker);
}

static const struct {
	unsigned weight;
	void (*act)(void);
} acts[] = {
	{ 300, send_from_outside }, { 300, tick_somebody }, { 200, wake_somebody }, { 120, sync_a_bit },
	{ 30, evict_somebody }, { 10, abandon_somebody }, { 6, remove_somebody }, { 8, refuse_a_commit }, { 6, cut_power },
};

static void
act(void)
{
	unsigned all = 0, dice, i = 0;

	for (unsigned k = 0; k < sizeof(acts) / sizeof(*acts); k++)
		all += acts[k].weight;
	for (dice = roll(all); dice >= acts[i].weight; i++)
		dice -= acts[i].weight;
	s.life->steps++;
	acts[i].act();
}

/* Two objects that hold their locks and call each other wait for ever; the real server has block_timeout. */
static void
break_a_lock(void)
{
	for (unsigned i = 0; i < WORKERS; i++)
		list_each(l, &s.machines[i].tasks) {
			struct task *t = container_of(l, struct task, link);

			if (t->locks && t->out) {
				object_break(t->object, &(struct failure){ .message = STR("block_timeout") });
				return;
			}
		}
}

static void
drain(void)
{
	for (unsigned i = 0; i < 400; i++) {
		wake_somebody();
		fake_store_sync(s.store);
		for (unsigned k = 0; k < WORKERS; k++)
			worker_tick(s.machines[k].worker);
		if (i > 200 && i % 20 == 0)
			break_a_lock();
	}
}

void
schedule_run(uint64_t seed, struct life *life)
{
	memset(&s, 0, sizeof(s));
	s.life = life;
	s.dice = seed * 0x9e3779b97f4a7c15u + 1;
	log_open("/dev/null", LOG_ERROR);
	s.class_conf = (struct class_conf){ .name = "Thing", .sqlite = true };
	s.app_conf = (struct app_conf){ .name = "app", .classes = &s.class_conf };
	s.app_conf.overload.queue = roll(4) ? 1000 : 3;
	s.app_conf.overload.bytes = 1 << 20;
	s.app_conf.limits.idle_hibernate_ms = roll(2) ? 1000000 : 0;
	s.app_conf.limits.idle_evict_ms = roll(2) ? 1000000 : 0;
	s.settings.apps = &s.app_conf;
	s.settings.napps = 1;
	s.settings.worker_threads = WORKERS;
	open_world(fake_store_new(roll(8) == 0));
	judge_begin(life, s.store);
	for (unsigned i = 0; i < STEPS && !life->fault[0]; i++)
		act();
	if (!life->fault[0] && roll(2))
		drain();
	close_world();
	if (!life->fault[0])
		judge_end();
}

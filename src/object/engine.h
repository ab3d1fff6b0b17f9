/* engine.h -- who runs the code.
 *
 * The runtime calls these; src/lua implements them, tests use a fake.
 * One engine per worker; every call is on that worker's thread and never
 * nested inside another call into the same engine.
 */
#ifndef DREY_OBJECT_ENGINE_H
#define DREY_OBJECT_ENGINE_H

struct engine;
struct event;
struct failure;
struct object;

struct engine_ops {
	/* An outside request for an app's front module.  Takes the event; it ends, now or later, with worker_answer(). */
	void (*front)(struct engine *, struct event *);
	/* Build the instance (constructor).  Ends, now or later, with object_awake() or object_break(). */
	void (*wake)(struct engine *, struct object *);
	/* Run a handler.  Takes the event; it ends, now or later, with object_answer(). */
	void (*deliver)(struct engine *, struct object *, struct event *);
	/* Drop the instance.  With why: every event in progress is answered with it (object_answer) before this returns,
	 * and parked tasks are gone.  Without: nothing is in progress. */
	void (*forget)(struct engine *, struct object *, const struct failure *why);
	/* The caller of this event no longer waits (ev->abandoned is set): tell its task.  May be called for events already answered by
	 * the engine but still at a gate: then nothing. */
	void (*abandon)(struct engine *, struct event *);
	/* Call ev->target, which a front module of this worker lent and which is live.  Takes the event; it ends, now or later, with
	 * worker_answer(). */
	void (*call_front)(struct engine *, struct event *);
};

struct engine {
	const struct engine_ops *ops;
};

#endif

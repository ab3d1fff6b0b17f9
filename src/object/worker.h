/* worker.h -- one thread's share of the runtime, and the end of its tick.
 *
 * The loop that owns a worker calls worker_tick() after each round of
 * I/O.  Deeds first, then words:
 *
 *	1. take what other threads sent, fire timers
 *	2. run what is ready, one event per object in turn; hand finished events to their callers here
 *	3. settle: commit every dirty object, hand the pages to the journal
 *	4. let words whose commit is durable leave their gates
 *	5. again while anything became ready (bounded), then idle objects
 *
 * The engine is never entered from inside another call: worker_send(),
 * worker_answer(), worker_abandon() and object_wake() only write down what
 * the tick then does.  (worker_front() is the one call that runs code at once.)
 *
 * An object that ran twenty events in one tick commits once.
 *
 * Other threads reach a worker through its queue and its wake callback
 * only.  runtime holds what all workers share.
 */
#ifndef DREY_OBJECT_WORKER_H
#define DREY_OBJECT_WORKER_H

#include <stdatomic.h>

#include "base/timers.h"
#include "object/app.h"
#include "object/engine.h"
#include "object/outbound.h"
#include "object/queue.h"
#include "object/registry.h"
#include "store/store.h"

struct runtime {
	const struct settings *settings;
	struct app *apps;
	struct store *store;
	struct worker **workers;	/* nworkers; all made before the first event */
	unsigned nworkers;
	struct outbound *outbound;	/* who carries requests out of the house; NULL: nobody.  Set before the first event */
	atomic_uint_fast64_t next_request;
};

struct worker {
	struct runtime *runtime;
	unsigned index;
	struct engine *engine;
	struct shard *shard;
	struct timers timers;
	struct registry objects;
	struct queue inbox;
	void (*wake)(void *arg);	/* makes the loop come round; any thread may call */
	void *wake_arg;
	struct list ready, dirty, gates;
	struct list syncs;		/* words of storage:sync(): they wait for the disk and hold no answer up */
	struct list answers;		/* finished events of this thread, on their way to transport->answer() */
	struct list callbacks;		/* calls of what front modules here have lent */
	struct list abandoned;		/* running events whose caller has gone: the engine is to be told */
	struct list *idle;		/* one per app: objects with nothing to do, oldest first */
	struct list lingering;		/* objects with nothing to do but their timers */
	size_t resting;			/* objects on all of these */
	uint64_t fronts;		/* events of front modules that are out */
	uint64_t late;			/* work of front modules that goes on after its answer */
	uint64_t wanted, asked;		/* newest commit a word here waits for; newest the shard was asked to wake us for */
	uint64_t seen_durable;		/* gates were opened up to this */
	struct timer idle_timer, chaos_timer;
	int64_t now_ms;			/* of this tick */
	atomic_bool overtime;		/* the engine: the code that runs has used up its time; SQL stops, too */
	bool in_engine;			/* a call into the engine, or a transport's answer, is on the stack */
	bool failed;			/* the store failed and everybody here was told */
	bool stopping;
	uint64_t ticks, events;
};

void runtime_init(struct runtime *, const struct settings *, struct store *);
void runtime_fini(struct runtime *);
uint64_t runtime_request_id(struct runtime *);

/* Made on any thread before the loops start; used on its own only. wake may be called from any thread. */
struct worker *worker_new(struct runtime *, unsigned index, void (*wake)(void *), void *arg);
void worker_set_engine(struct worker *, struct engine *);	/* borrows */
void worker_free(struct worker **);		/* after worker_stop() */

/* An outside request for ev->app's front module; runs at once on this thread.  Takes. */
void worker_front(struct worker *, struct event *);
/* Right after worker_front(): was it answered by that call?  Then it goes to its transport now instead of in the tick, while all that
 * belongs to it is warm; nothing it says waits for a commit.  false: it is out. */
bool worker_front_done(struct worker *, struct event *);
/* An event for the object ev->class, ev->id, or for ev->target of a front module, wherever it lives, or (EVENT_OUTBOUND) for the
 * outside.  Takes. */
void worker_send(struct worker *, struct event *);
/* From the outside: an EVENT_OUTBOUND is answered and goes home.  Takes; any thread. */
void worker_return(struct event *);
/* A finished event goes back to its transport, on its home thread.  Takes. */
void worker_answer(struct worker *, struct event *);
/* poke->wake() runs in a tick of that worker, inside the engine.  Any thread.  false: it is under way already. */
bool worker_poke(struct worker *, struct poke *);
/* The caller of ev is gone; ev is still out, and comes back.  Marks it; if it runs on this thread its task is told, and if it has not
 * begun it never does. */
void worker_abandon(struct worker *, struct event *);

/* Work of a front module that outlives its event (waitUntil) puts a graceful stop off: each hold needs its release. */
void worker_hold(struct worker *);
void worker_release(struct worker *);

/* The engine lost the memory of all live objects of an app.  What others than guilty (may be NULL) wrote is whole: it is committed; then
 * all are reset.  Only from inside the engine. */
void worker_break_app(struct worker *, const struct app *, const struct object *guilty, const struct failure *);

bool worker_tick(struct worker *);		/* true: more is ready, come back without waiting */
int64_t worker_next(const struct worker *);	/* clock_ms() of the earliest thing to do, or INT64_MAX */
/* Nothing in progress: no event, no word, nothing dirty; nor held, unless it is stopping. */
bool worker_idle(const struct worker *);
/* Puts every object to sleep; after the last event is done.  What is still in progress is answered with a retryable failure; waits for
 * the journal.  From then on every event is answered so. */
void worker_stop(struct worker *);

#endif

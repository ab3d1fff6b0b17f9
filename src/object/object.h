/* object.h -- one live instance of a class: state, mailbox, gates, database.
 *
 *	         event                 constructor done
 *	ASLEEP ---------> WAKING ---------------------> AWAKE
 *	   ^                 |                            |
 *	   |                 | failed                     | idle: engine.forget, db_free
 *	   +-----------------+----------------------------+
 *	                     |      reset: BROKEN for the length of object_break()
 *
 * An object exists in memory from its first event until it sleeps; asleep
 * means freed: nothing of it is left but its file.  (ASLEEP is the state of the
 * first and the last instant.)
 *
 * running counts events delivered and not yet answered by the engine; words
 * at the gate are counted by the gate.  It may sleep when there are neither,
 * nothing is in the mailbox, nothing is uncommitted and its last commit is durable.
 *
 * Owner: the worker's registry.  Thread: the owning worker only.
 */
#ifndef DREY_OBJECT_OBJECT_H
#define DREY_OBJECT_OBJECT_H

#include "object/app.h"
#include "object/event.h"
#include "object/gate.h"
#include "object/input.h"
#include "object/mailbox.h"
#include "store/db.h"

enum object_state { OBJECT_ASLEEP, OBJECT_WAKING, OBJECT_AWAKE, OBJECT_BROKEN };

struct object {
	struct object_id id;
	const struct class *class;
	char *name;			/* owned; NULL: not known */
	enum object_state state;
	struct worker *worker;
	struct mailbox mailbox;
	struct input_gate input;
	struct gate gate;
	struct db *db;
	void *instance;			/* the engine's */
	unsigned running;
	bool name_stored;
	bool in_engine;			/* a call into the engine for this object is on the stack: a reset waits for its end */
	struct failure *reset;		/* why, once object_break() was called; owned */
	int64_t idle_since_ms;
	struct list ready_link;		/* worker->ready: has events or waiters to serve */
	struct list dirty_link;		/* worker->dirty: an implicit transaction is open */
	struct list gate_link;		/* worker->gates: words wait */
	struct list idle_link;		/* worker->idle: oldest first */
};

/* Called by the engine: */
void object_awake(struct object *);				/* the constructor is done */
void object_break(struct object *, const struct failure *);	/* copies; reset: uncommitted writes are dropped, all waiters told */
void object_answer(struct object *, struct event *);		/* takes the finished event: to its caller, through the gate */
void object_emit(struct object *, struct event *);		/* takes a new event for another object: leaves through the gate */
/* A task is about to park: what it wrote so far is committed now (an implicit transaction ends at a yield). */
void object_yield(struct object *);
/* What a parked task waited for has come: wakes it now or when the input gate lets it. */
void object_wake(struct object *, struct waiter *);
/* blockConcurrencyWhile.  ERR_BUSY: input_stall() was called, park; wake comes when it is this task's turn, then lock again. */
int object_lock(struct object *, struct waiter *);
void object_unlock(struct object *, struct waiter *);

struct str object_label(const struct object *, char *buf, size_t n);	/* "chat/ChatRoom/room-7", or the id's first digits when nameless; for logs */

#endif

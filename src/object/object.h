/* object.h -- one live instance of a class: state, mailbox, gates, database.
 *
 *	         event                 constructor done
 *	ASLEEP ---------> WAKING ---------------------> AWAKE
 *	 ^  ^                |                            |  |
 *	 |  |                | failed               reset |  | idle: engine.forget, db_free
 *	 |  |                +----------> BROKEN <--------+  |
 *	 |  +---- everybody told ----------+                 |
 *	 +---------------------------------------------------+
 *
 * An object exists in memory from its first event until it sleeps; asleep
 * means freed: nothing of it is left but its file.  (ASLEEP is the state of the
 * first and the last instant.)
 *
 * A reset (object_break) is the life of one instance, not of the object:
 * BROKEN lasts while uncommitted writes are dropped, open words broken,
 * stalled tasks cancelled, the instance forgotten and the mailbox answered.
 * Then the object is ASLEEP again in the same memory: words that saw only
 * committed state keep their tickets and leave when these are durable, the next
 * event builds a new instance behind them, and with neither it is freed
 * at the end of the tick.
 *
 * lingers counts its timers: they keep it from going to sleep by itself, but neither
 * from an evict nor from the end of the server.  How long that may last: life.h.
 *
 * running counts events delivered and not yet answered by the engine, and holds; words
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
#include "object/life.h"
#include "object/mailbox.h"
#include "store/db.h"

enum object_state { OBJECT_ASLEEP, OBJECT_WAKING, OBJECT_AWAKE, OBJECT_BROKEN };

struct object {
	struct object_id id;
	const struct class *class;
	struct str name;		/* owned; any bytes; p NULL: not known */
	enum object_state state;
	struct worker *worker;
	struct mailbox mailbox;
	struct input_gate input;
	struct gate gate;
	struct word sleep;		/* at the gate: it is to sleep, and closing its database would wait for the disk */
	struct db *db;
	void *instance;			/* the engine's */
	unsigned running;
	unsigned callers;		/* of running: events that somebody else waits for */
	unsigned holds;			/* of running: work without an event */
	unsigned streams;		/* of holds: somebody reads what it writes */
	unsigned lingers;		/* timers that are set */
	bool name_stored;
	struct transaction *transaction;	/* the innermost of storage:transaction(); see transaction.c */
	unsigned transactions;		/* those that are not rolled back: while there is one, nothing commits */
	uint64_t last_transaction;
	bool relaxed;			/* no answer needs to wait for the open transaction: all its writes said so (allowUnconfirmed) */
	uint64_t confirmed;		/* the newest commit that answers wait for */
	bool in_engine;			/* a call into the engine for this object is on the stack: a reset waits for its end */
	bool evict;			/* to sleep as soon as nothing runs; new events wait for the next instance */
	struct failure *reset;		/* why, once object_break() was called; owned */
	struct life_state life;
	int64_t idle_since_ms;
	struct list ready_link;		/* worker->ready: has events or waiters to serve */
	struct list dirty_link;		/* worker->dirty: an implicit transaction is open */
	struct list gate_link;		/* worker->gates: words wait */
	struct list idle_link;		/* worker->idle of its app: oldest first */
};

/* Called by the engine: */
void object_awake(struct object *);				/* the constructor is done */
/* Copies; reset: uncommitted writes are dropped, all waiters told.  The first reason wins.  At once, or, while the worker is inside
 * the engine, at the end of that call. */
void object_break(struct object *, const struct failure *);
void object_answer(struct object *, struct event *);		/* takes the finished event: to its caller, through the gate */
void object_emit(struct object *, struct event *);		/* takes a new event for another object: leaves through the gate */
/* A task is about to park: what it wrote so far is committed now (an implicit transaction ends at a yield). */
void object_yield(struct object *);
/* A handler raised: with on_error rollback, what it wrote since it last waited is undone.  (Before it ran, all was committed.) */
void object_raised(struct object *);
/* What a parked task waited for has come.  Never runs it here: the tick does, when the input gate lets it. */
void object_wake(struct object *, struct waiter *);
/* Before a write.  relax: answers need not wait for its commit, unless its transaction holds a write that was confirmed. */
void object_relax(struct object *);
void object_confirm(struct object *);
/* storage:sync(), after object_yield().  true: all that was committed so far is on disk.  Else the word is borrowed until then, when it
 * is said, or until list_del(&word->link); if the store fails, never: the reset that follows ends whoever waits. */
bool object_sync(struct object *, struct word *);
/* blockConcurrencyWhile.  ERR_BUSY: input_stall() was called, park; wake comes when it is this task's turn, then lock again. */
int object_lock(struct object *, struct waiter *);
void object_unlock(struct object *, struct waiter *);
/* storage:transaction(), once the task has the lock, which object_end() gives back.  They nest.  ERR_STORE: it did not begin, the lock is
 * still held; or the commit of what was written before failed, and the object is being reset. */
int object_begin(struct object *, uint64_t *id);
bool object_within(const struct object *, uint64_t id);		/* begun, neither ended nor rolled back? */
int object_undo(struct object *, uint64_t id);			/* rollback(), at once; only within.  ERR_ARGUMENT: another runs inside it */
/* Keep or undo; the outermost commits, which may reset the object.  ERR_ARGUMENT: unknown, nothing happened; or it held one that had not
 * ended, and all was undone.  ERR_STORE: lost. */
int object_end(struct object *, struct waiter *, uint64_t id, bool keep);
/* A task is gone, or its handler has ended: what it left open is rolled back, its locks are given back.  Left inside
 * blockConcurrencyWhile: the object is reset.  Before its answer; inside a call of the engine.  A task without either: nothing. */
void object_let_go(struct object *, struct waiter *);
/* Work that outlives its event (waitUntil) keeps the object awake: each hold needs its release, a forget(why) included. */
void object_hold(struct object *);
void object_release(struct object *);
/* Held work writes a stream: somebody waits for that.  Before its release: the end. */
void object_stream(struct object *);
void object_stream_end(struct object *);
/* A timer of the app is set: until its end the object rests, but does not go to sleep by itself; see life.h. */
void object_linger(struct object *);
void object_linger_end(struct object *);
void object_evict(struct object *);	/* sleeps as soon as nothing runs and its words have left */

struct str object_label(const struct object *, char *buf, size_t n);	/* "chat/ChatRoom/room-7", or the id's first digits when nameless or the name holds a NUL; for logs */

#endif

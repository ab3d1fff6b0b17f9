/* schedule.h -- random lives of a few objects, and a judge that knows what was promised.
 *
 *	script "wpLrUc3"      one event: write, park, lock, read, unlock, call object 3
 *	    | engine          runs scripts; every park, write, read and answer goes to the judge
 *	    v
 *	judge                 one instance; arrival order; a lock keeps the others out; what was written
 *	                      without a yield in between, or in a transaction, is committed together; no word leaves before
 *	                      what it saw is durable; every event comes back once; a power cut
 *	                      loses nothing that was answered
 *
 * All is single-threaded and follows from the seed: the same seed gives the same life.  Two workers take turns, so
 * that events also travel between them.
 *
 * An object's number is a serial written twice, in its upper and in its lower half: two
 * writes without a yield.  Serials are never used again, so a number tells which write it was.
 */
#ifndef DREY_SCHEDULE_H
#define DREY_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

/* Ways in which the gates can be broken on purpose; see breakage.c. */
enum breakage {
	SOUND,
	BROKEN_HOLD,		/* words do not wait at the gate */
	BROKEN_STAMP,		/* words wait for the commit before theirs */
	BROKEN_OPEN,		/* the gate opens for all when anything became durable */
	BROKEN_CONFIRM,		/* one write that may leave early speaks for all of its transaction */
	BROKEN_LOCK,		/* events are delivered to a locked object */
	BROKEN_TURN,		/* a stalled task goes on though another holds the lock */
	BROKEN_ORDER,		/* the mailbox gives the newest first */
	BROKEN_ROLLBACK,	/* a reset keeps what was not committed */
	BROKEN_YIELD,		/* a yield does not end the transaction */
	BROKEN_TELL,		/* words that saw a lost transaction are forgotten */
	BROKEN_LOSS,		/* ... or leave as if nothing had happened */
	BROKEN_UNDO,		/* a transaction that is undone keeps its writes */
	BREAKAGES
};

extern enum breakage breakage;

struct life {
	unsigned steps, events, calls, commits, parks, locks, transactions, removals, resets, sleeps, cuts, refusals, abandoned;
	char fault[300];	/* the first promise that was broken; empty: none */
};

void schedule_run(uint64_t seed, struct life *);

#endif

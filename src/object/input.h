/* input.h -- the input gate: who may run inside an object now.
 *
 * Open: any event may be delivered, any parked task may go on.
 * Locked by a task (blockConcurrencyWhile, a storage transaction): only that
 * task runs; everybody else is stalled, in order, until it unlocks.
 * What that task starts meanwhile (async) is inside, too, or it could not wait for it;
 * but only the task itself may lock again.
 * Locks nest within one task, to a depth of 64.  A task that goes while it holds
 * some must let go: object_let_go().
 *
 * Lives in: struct object.  Thread: the owning worker only.
 */
#ifndef DREY_OBJECT_INPUT_H
#define DREY_OBJECT_INPUT_H

#include <stdbool.h>

#include "object/waiter.h"

enum { INPUT_DEPTH_MAX = 64 };

struct input_gate {
	const struct waiter *owner;	/* NULL: open */
	unsigned depth;
	uint64_t section;		/* counts: from the first lock to the last unlock */
	bool shared;			/* others than the owner are inside */
	struct list stalled;		/* waiters whose time had come */
};

void input_init(struct input_gate *);
bool input_admits(const struct input_gate *, const struct waiter *);	/* NULL: a new event */
bool input_inside(const struct input_gate *, const struct waiter *);	/* is it locked, and this one let in all the same? */
void input_share(struct input_gate *, const struct waiter *by, struct waiter *child);	/* if by is inside, child is, too */
/* ERR_BUSY: another task's (stall, then try again); ERR_LIMIT: too deep; ERR_ARGUMENT: inside, but not the owner. */
int input_lock(struct input_gate *, struct waiter *);
bool input_unlock(struct input_gate *, const struct waiter *);	/* true: open now, serve the stalled */
bool input_drop(struct input_gate *, const struct waiter *);	/* that task is gone: all its locks; true: it had some */
void input_stall(struct input_gate *, struct waiter *);		/* borrows until woken or cancelled */
bool input_waits(const struct input_gate *);			/* would input_next() give one? */
struct waiter *input_next(struct input_gate *);			/* the first stalled one that is admitted, taken off; or NULL */
void input_fini(struct input_gate *, const struct failure *);	/* cancels all stalled */

#endif

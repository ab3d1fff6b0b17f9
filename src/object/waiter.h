/* waiter.h -- a parked task, and how to get it going again.
 *
 * A task that waits (for an answer, a timer, its turn at the input gate)
 * embeds one waiter.  Exactly one of wake and cancel is called, once per
 * parking, on the owning worker's thread.  A waiter is also the task's
 * identity at the input gate.
 */
#ifndef DREY_OBJECT_WAITER_H
#define DREY_OBJECT_WAITER_H

#include <stdint.h>

#include "base/list.h"

struct failure;

struct waiter {
	uint64_t section;				/* of the input gate, in which it is or was; 0: never in one */
	struct list link;				/* on an input gate, when what it waited for has come but it may not run yet */
	void (*wake)(struct waiter *);			/* go on: it has come */
	void (*cancel)(struct waiter *, const struct failure *);	/* it never will: raise this */
};

#endif

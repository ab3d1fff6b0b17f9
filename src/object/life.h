/* life.h -- what an object is doing, since when, and why it is still in memory.
 *
 *	INACTIVE --event--> ACTIVE <--event-- RESTING --idle_hibernate--> asleep: INACTIVE
 *	                      |  ^               ^
 *	                      |  +--event-- PINNED --what it began has ended
 *	                      |               | ^
 *	                      +---answered----+-+  idle_evict without an event, and all that it began is older
 *	                                           than pending_io: put to sleep, what is left of its work ended
 *
 * ACTIVE: somebody outside waits for it.  PINNED: nobody does, but its timers, waitUntil or async work are
 * not done: asleep it would lose them.  RESTING: it would lose fields of self only.
 *
 * A change of life is a line in the log, at debug.  The admin's words and ctx:state() are made of the same.
 *
 * Lives in: struct object.  Thread: the owning worker only.
 */
#ifndef DREY_OBJECT_LIFE_H
#define DREY_OBJECT_LIFE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "base/timers.h"

struct object;

enum life_stage { LIFE_INACTIVE, LIFE_ACTIVE, LIFE_PINNED, LIFE_RESTING };

struct life_state {
	enum life_stage stage;
	int64_t since_ms;		/* clock_ms() */
	int64_t called_ms;		/* when an event of somebody else last came or was answered */
	int64_t pinned_until_ms;	/* what it began keeps it that long at most */
	struct timer pin;		/* then it is looked at again */
};

struct life_reasons {
	unsigned events, queued;	/* of others: running, waiting at the door */
	unsigned background;		/* of its own: waitUntil, a timer's callback */
	unsigned async, streams, timers, words;
	bool transaction, blocked;
};

void life_init(struct object *);
void life_fini(struct object *);
void life_look(struct object *);		/* something has changed: notes it, logs it, sets the clock of one that is pinned */
void life_pin(struct object *);			/* it began something: pending_io runs from now on */
struct life_reasons life_reasons(const struct object *);
void life_tell(const struct life_reasons *, struct buf *out);	/* "2 events, 1 timer"; nothing when there is none */
const char *life_name(enum life_stage);		/* "active", "idle, not hibernateable", ... */

#endif

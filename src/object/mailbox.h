/* mailbox.h -- events that wait for their object, in arrival order, and how much may wait.
 *
 * At the door each event is measured against the block overload: how many
 * wait, how many bytes they carry, how long the oldest has waited, how many came
 * within 10 seconds.  What is too much is refused there and then; what is inside stays in line.
 * What an object sends to itself (a timer, waitUntil) is never too much, and counts for nothing but its place.
 *
 * Lives in: struct object.  Thread: the owning worker only.
 */
#ifndef DREY_OBJECT_MAILBOX_H
#define DREY_OBJECT_MAILBOX_H

#include "object/event.h"

struct app_conf;

struct mailbox {
	struct list events;
	const struct app_conf *conf;
	uint64_t n, bytes;
	uint64_t own;			/* of n: what the object sent to itself */
	int64_t window_ms;		/* when the present 10 seconds began */
	uint64_t came;			/* since then */
};

void mailbox_init(struct mailbox *, const struct app_conf *);	/* borrows */
/* Takes the event, or ERR_OVERLOADED with the directive and its place, and it is still yours.  now_ms: clock_ms(). */
int mailbox_push(struct mailbox *, struct event *, int64_t now_ms);
struct event *mailbox_shift(struct mailbox *);		/* gives the oldest, or NULL */

#endif

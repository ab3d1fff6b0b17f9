/* mailbox.h -- events that wait for their object, in arrival order.
 *
 * Lives in: struct object.  Thread: the owning worker only.
 */
#ifndef DREY_OBJECT_MAILBOX_H
#define DREY_OBJECT_MAILBOX_H

#include "object/event.h"

struct mailbox {
	struct list events;
	uint64_t n, max;
};

void mailbox_init(struct mailbox *, uint64_t max);
int mailbox_push(struct mailbox *, struct event *);	/* takes the event, or ERR_OVERLOADED and it is still yours */
struct event *mailbox_shift(struct mailbox *);		/* gives the oldest, or NULL */

#endif

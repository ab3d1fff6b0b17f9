/* queue.h -- events from other threads to one worker.
 *
 * Many writers, one reader.  A push tells whether the reader must be woken:
 * only the first into an empty queue does, so a burst costs one wake-up.
 */
#ifndef DREY_OBJECT_QUEUE_H
#define DREY_OBJECT_QUEUE_H

#include <pthread.h>
#include <stdbool.h>

#include "base/list.h"

struct event;

struct queue {
	pthread_mutex_t lock;
	struct list events;
};

void queue_init(struct queue *);
void queue_fini(struct queue *);			/* must be empty */
bool queue_push(struct queue *, struct event *);	/* takes; true: wake the reader */
void queue_take(struct queue *, struct list *all);	/* moves everything, in order, onto the caller's list */

#endif

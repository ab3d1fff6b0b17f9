/* queue.h -- events from other threads to one worker.
 *
 * Many writers, one reader.  A push tells whether the reader must be woken:
 * only the first into an empty queue does, so a burst costs one wake-up.
 *
 * A poke says no more than "look at it again": posted twice before it was
 * taken, it comes once.  It may be posted to one queue while it lies in another.
 */
#ifndef DREY_OBJECT_QUEUE_H
#define DREY_OBJECT_QUEUE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/list.h"

struct event;
struct worker;

struct poke {
	struct list link;
	atomic_bool posted;
	void (*wake)(struct poke *, struct worker *);	/* in a tick of the worker that took it; NULL: it ended first */
};

struct queue {
	pthread_mutex_t lock;
	struct list events, pokes;
};

void queue_init(struct queue *);
void queue_fini(struct queue *);			/* must be empty */
bool queue_push(struct queue *, struct event *);	/* takes; true: wake the reader */
void poke_init(struct poke *, void (*wake)(struct poke *, struct worker *));
bool queue_poke(struct queue *, struct poke *, bool *first);	/* false: it lies in a queue already; first: wake the reader */
void queue_take_pokes(struct queue *, struct list *all);
struct poke *poke_next(struct list *taken);		/* off that list: it may be posted again; or NULL */
void queue_take(struct queue *, struct list *all);	/* moves everything, in order, onto the caller's list */

#endif

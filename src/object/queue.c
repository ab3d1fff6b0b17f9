/* queue.c -- a list under a lock that is held for a few instructions.
 *
 * The mutex is also what makes an event's bytes, written by one thread,
 * seen by the other.
 */
#include "object/queue.h"

#include "base/err.h"
#include "object/event.h"

void
queue_init(struct queue *q)
{
	must(pthread_mutex_init(&q->lock, NULL) == 0);
	list_init(&q->events);
}

void
queue_fini(struct queue *q)
{
	must(list_empty(&q->events));
	must(pthread_mutex_destroy(&q->lock) == 0);
}

bool
queue_push(struct queue *q, struct event *ev)
{
	bool first;

	must(!list_linked(&ev->link));
	pthread_mutex_lock(&q->lock);
	first = list_empty(&q->events);
	list_push(&q->events, &ev->link);
	pthread_mutex_unlock(&q->lock);
	return first;
}

void
queue_take(struct queue *q, struct list *all)
{
	pthread_mutex_lock(&q->lock);
	list_splice(all, &q->events);
	pthread_mutex_unlock(&q->lock);
}

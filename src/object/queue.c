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
	list_init(&q->pokes);
}

void
queue_fini(struct queue *q)
{
	must(list_empty(&q->events) && list_empty(&q->pokes));
	must(pthread_mutex_destroy(&q->lock) == 0);
}

bool
queue_push(struct queue *q, struct event *ev)
{
	bool first;

	must(!list_linked(&ev->link));
	pthread_mutex_lock(&q->lock);
	first = list_empty(&q->events) && list_empty(&q->pokes);
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

void
poke_init(struct poke *poke, void (*wake)(struct poke *, struct worker *))
{
	list_init(&poke->link);
	atomic_init(&poke->posted, false);
	poke->wake = wake;
}

bool
queue_poke(struct queue *q, struct poke *poke, bool *first)
{
	if (atomic_exchange(&poke->posted, true))
		return false;
	pthread_mutex_lock(&q->lock);
	*first = list_empty(&q->events) && list_empty(&q->pokes);
	list_push(&q->pokes, &poke->link);
	pthread_mutex_unlock(&q->lock);
	return true;
}

void
queue_take_pokes(struct queue *q, struct list *all)
{
	pthread_mutex_lock(&q->lock);
	list_splice(all, &q->pokes);
	pthread_mutex_unlock(&q->lock);
}

struct poke *
poke_next(struct list *taken)
{
	struct list *n = list_shift(taken);
	struct poke *poke;

	if (!n)
		return NULL;
	poke = container_of(n, struct poke, link);
	atomic_store(&poke->posted, false);
	return poke;
}

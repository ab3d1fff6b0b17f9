/* mailbox.c -- a line of events with a length. */
#include "object/mailbox.h"

#include "base/err.h"

void
mailbox_init(struct mailbox *m, uint64_t max)
{
	list_init(&m->events);
	m->n = 0;
	m->max = max;
}

int
mailbox_push(struct mailbox *m, struct event *ev)
{
	if (m->n >= m->max)
		return err_set(ERR_OVERLOADED, "Durable Object is overloaded. Too many requests queued. "
			"(%llu wait; limits { mailbox %llu; })", (unsigned long long)m->n, (unsigned long long)m->max);
	must(!list_linked(&ev->link));
	list_push(&m->events, &ev->link);
	m->n++;
	return OK;
}

struct event *
mailbox_shift(struct mailbox *m)
{
	struct list *n = list_shift(&m->events);

	if (!n)
		return NULL;
	m->n--;
	return container_of(n, struct event, link);
}

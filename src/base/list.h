/* list.h -- a doubly linked list whose links live inside its members.
 *
 * A member is on at most one list per link.  list_node_init() makes a link
 * that is on none, so list_linked() can be asked and list_del() is harmless.
 */
#ifndef DREY_BASE_LIST_H
#define DREY_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next, *prev;
};

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#define LIST_INIT(name) { &(name), &(name) }

static inline void
list_init(struct list *l)
{
	l->next = l->prev = l;
}

static inline bool
list_empty(const struct list *l)
{
	return l->next == l;
}

/* Is this member's link on some list? */
static inline bool
list_linked(const struct list *n)
{
	return n->next != n;
}

static inline void
list_insert(struct list *prev, struct list *n)
{
	n->prev = prev;
	n->next = prev->next;
	prev->next->prev = n;
	prev->next = n;
}

static inline void
list_push(struct list *l, struct list *n)	/* at the tail */
{
	list_insert(l->prev, n);
}

static inline void
list_del(struct list *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
	list_init(n);
}

static inline struct list *
list_shift(struct list *l)	/* from the head, or NULL */
{
	struct list *n = l->next;

	if (n == l)
		return NULL;
	list_del(n);
	return n;
}

/* Move all members of from to the tail of to. */
static inline void
list_splice(struct list *to, struct list *from)
{
	if (list_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	list_init(from);
}

#define list_first(l, type, member) (list_empty(l) ? NULL : container_of((l)->next, type, member))

#define list_each(n, l) for (struct list *n = (l)->next; n != (l); n = n->next)

/* The body may delete the current member. */
#define list_each_safe(n, l) \
	for (struct list *n = (l)->next, *n##_next = n->next; n != (l); n = n##_next, n##_next = n->next)

#endif

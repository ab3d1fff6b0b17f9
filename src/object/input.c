/* input.c -- one owner, one depth, one line of those who must wait. */
#include "object/input.h"

#include "base/err.h"

static struct waiter *
waiter_of(struct list *link)
{
	return container_of(link, struct waiter, link);
}

void
input_init(struct input_gate *g)
{
	g->owner = NULL;
	g->depth = 0;
	g->shared = false;
	list_init(&g->stalled);
}

bool
input_admits(const struct input_gate *g, const struct waiter *w)
{
	return !g->owner || (w && w->section == g->section);
}

bool
input_inside(const struct input_gate *g, const struct waiter *w)
{
	return g->owner && input_admits(g, w);
}

void
input_share(struct input_gate *g, const struct waiter *by, struct waiter *child)
{
	if (!input_inside(g, by))
		return;
	child->section = g->section;
	g->shared = true;
}

int
input_lock(struct input_gate *g, struct waiter *w)
{
	must(w);
	if (!input_admits(g, w))
		return err_set(ERR_BUSY, "another task of this object is inside blockConcurrencyWhile()");
	if (g->owner && g->owner != w)
		return err_set(ERR_ARGUMENT, "blockConcurrencyWhile() and transaction() cannot be called by an async function that was "
		    "started inside one: call them in the function that started it, or take async away");
	if (g->depth == INPUT_DEPTH_MAX)
		return err_set(ERR_LIMIT, "blockConcurrencyWhile() calls are nested too deeply.");
	if (!g->owner) {
		g->owner = w;
		g->shared = false;
		w->section = ++g->section;
	}
	g->depth++;
	return OK;
}

bool
input_unlock(struct input_gate *g, const struct waiter *w)
{
	must(g->owner == w && g->depth > 0);
	if (--g->depth > 0)
		return false;
	g->owner = NULL;
	return true;
}

bool
input_drop(struct input_gate *g, const struct waiter *w)
{
	if (g->owner != w)
		return false;
	g->owner = NULL;
	g->depth = 0;
	return true;
}

void
input_stall(struct input_gate *g, struct waiter *w)
{
	must(!list_linked(&w->link));
	list_push(&g->stalled, &w->link);
}

bool
input_waits(const struct input_gate *g)
{
	if (!g->owner || list_linked(&g->owner->link))
		return !list_empty(&g->stalled);
	if (g->shared)
		list_each(n, &g->stalled)
			if (input_admits(g, waiter_of(n)))
				return true;
	return false;
}

struct waiter *
input_next(struct input_gate *g)
{
	list_each(n, &g->stalled) {
		struct waiter *w = waiter_of(n);

		if (!input_admits(g, w))
			continue;
		list_del(n);
		return w;
	}
	return NULL;
}

/* A cancelled task may unlink others of its object from the line, or stall no more. */
void
input_fini(struct input_gate *g, const struct failure *why)
{
	struct list *n;

	while ((n = list_shift(&g->stalled)))
		waiter_of(n)->cancel(waiter_of(n), why);
	g->owner = NULL;
	g->depth = 0;
}

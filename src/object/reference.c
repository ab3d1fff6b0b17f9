/* reference.c -- see reference.h.
 *
 * The last holder may let go after the home worker is gone, when the server
 * ends: then nobody else can know of it, and it ends right here.
 */
#include "object/reference.h"

#include <stdlib.h>

#include "base/err.h"
#include "object/worker.h"

static void
on_poke(struct poke *poke, struct worker *w)
{
	struct reference *r = container_of(poke, struct reference, poke);

	must(w || !r->live);
	r->end(r);
}

void
reference_init(struct reference *r, struct worker *home, void (*end)(struct reference *))
{
	atomic_init(&r->holders, 1);
	r->runtime = home->runtime;
	r->home = home->index;
	r->live = true;
	r->end = end;
	poke_init(&r->poke, on_poke);
}

struct reference *
reference_hold(struct reference *r)
{
	must(atomic_fetch_add_explicit(&r->holders, 1, memory_order_relaxed) > 0);
	return r;
}

void
reference_drop(struct reference **rp)
{
	struct reference *r = *rp;
	struct worker *home;

	*rp = NULL;
	if (atomic_fetch_sub_explicit(&r->holders, 1, memory_order_acq_rel) > 1)
		return;
	home = r->runtime->workers[r->home];
	if (home)
		must(worker_poke(home, &r->poke));
	else
		r->end(r);
}

/* An object's next instance may lend another; what a request in the front module lent is gone with it. */
void
reference_refuse(struct event *ev)
{
	event_fail(ev, "The execution context which hosts this callback is no longer running.");
	ev->failure.retryable = ev->target->class != NULL;
}

/* ---- lists ---- */

unsigned
references_add(struct references *rs, struct reference *r)
{
	if (rs->n == rs->room) {
		rs->room = rs->room ? rs->room * 2 : 8;
		rs->of = xrealloc(rs->of, rs->room * sizeof(struct reference *));
	}
	rs->of[rs->n] = r;
	return rs->n++;
}

void
references_clear(struct references *rs)
{
	while (rs->n > 0)
		reference_drop(&rs->of[--rs->n]);
}

void
references_fini(struct references *rs)
{
	references_clear(rs);
	free(rs->of);
	*rs = (struct references){ 0 };
}

void
references_move(struct arena *a, struct references *to, struct references *from)
{
	if (from->n == 0)
		return;
	must(to->n == 0);
	to->of = arena_alloc(a, from->n * sizeof(struct reference *));
	memcpy(to->of, from->of, from->n * sizeof(struct reference *));
	to->n = from->n;
	from->n = 0;
}

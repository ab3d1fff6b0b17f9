/* timers.c -- a binary heap of pointers; each timer knows its place in it.
 *
 * Setting, moving and clearing cost log n; the earliest is looked up free.
 */
#include "base/timers.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/str.h"

#define CAP_MIN 16

void
timers_init(struct timers *ts)
{
	*ts = (struct timers){ 0 };
}

void
timers_fini(struct timers *ts)
{
	for (size_t i = 0; i < ts->n; i++)
		ts->heap[i]->slot = 0;
	free(ts->heap);
	timers_init(ts);
}

void
timer_init(struct timer *t, void (*fire)(struct timer *))
{
	*t = (struct timer){ .fire = fire };
}

/* Of one due time the one that was set first: setTimeout(f, 0) in a row keeps its order. */
static bool
before(const struct timer *a, const struct timer *b)
{
	return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->nth < b->nth;
}

static void
place(struct timers *ts, size_t i, struct timer *t)
{
	ts->heap[i] = t;
	t->slot = i + 1;
}

static void
sift_up(struct timers *ts, size_t i, struct timer *t)
{
	while (i > 0 && before(t, ts->heap[(i - 1) / 2])) {
		place(ts, i, ts->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	place(ts, i, t);
}

static void
sift_down(struct timers *ts, size_t i, struct timer *t)
{
	for (size_t c; (c = 2 * i + 1) < ts->n; i = c) {
		if (c + 1 < ts->n && before(ts->heap[c + 1], ts->heap[c]))
			c++;
		if (before(t, ts->heap[c]))
			break;
		place(ts, i, ts->heap[c]);
	}
	place(ts, i, t);
}

/* t's due time is new, or t comes to a place that is not its own: up or down? */
static void
settle(struct timers *ts, size_t i, struct timer *t)
{
	if (i > 0 && before(t, ts->heap[(i - 1) / 2]))
		sift_up(ts, i, t);
	else
		sift_down(ts, i, t);
}

static void
resize(struct timers *ts, size_t cap)
{
	ts->heap = xrealloc(ts->heap, cap * sizeof(*ts->heap));
	ts->cap = cap;
}

void
timer_set(struct timers *ts, struct timer *t, int64_t due_ms)
{
	must(t->fire);
	t->due_ms = due_ms;
	t->nth = ts->set++;
	if (t->slot) {
		must(t->slot <= ts->n && ts->heap[t->slot - 1] == t);
		settle(ts, t->slot - 1, t);
		return;
	}
	if (ts->n == ts->cap)
		resize(ts, ts->cap ? ts->cap * 2 : CAP_MIN);
	ts->n++;
	sift_up(ts, ts->n - 1, t);
}

void
timer_clear(struct timers *ts, struct timer *t)
{
	size_t i = t->slot - 1;
	struct timer *last;

	if (!t->slot)
		return;
	must(i < ts->n && ts->heap[i] == t);	/* on this heap, not on another's */
	t->slot = 0;
	last = ts->heap[--ts->n];
	if (last != t)
		settle(ts, i, last);
	/* Shrink at a quarter, to a half: the next timer_set() does not grow again. */
	if (ts->cap > CAP_MIN && ts->n < ts->cap / 4)
		resize(ts, ts->cap / 2);
}

int64_t
timers_next(const struct timers *ts)
{
	return ts->n ? ts->heap[0]->due_ms : INT64_MAX;
}

/* At most as many as were set when we came: a timer that sets itself again
 * for now waits for the next run instead of keeping the worker here for ever. */
unsigned
timers_run(struct timers *ts, int64_t now_ms)
{
	size_t budget = ts->n;
	unsigned fired = 0;

	while (budget-- > 0 && ts->n > 0 && ts->heap[0]->due_ms <= now_ms) {
		struct timer *t = ts->heap[0];

		timer_clear(ts, t);
		fired++;
		t->fire(t);
	}
	return fired;
}

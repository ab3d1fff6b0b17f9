/* timers.h -- timers of any length on one heap, by the monotonic clock.
 *
 * libh2o keeps one list per constant delay and reads the wall clock, so a
 * stepped clock would fire a day of timers at once; these do not mind.
 *
 * Owner: one worker.  Thread: that worker's only.
 */
#ifndef DREY_BASE_TIMERS_H
#define DREY_BASE_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct timer {
	int64_t due_ms;			/* clock_ms() */
	size_t slot;			/* place in the heap + 1; 0 = not set */
	uint64_t nth;			/* of all that were set on the heap */
	void (*fire)(struct timer *);	/* the timer is off its heap when called, and may be freed or set again */
};

struct timers {
	struct timer **heap;		/* earliest first */
	size_t n, cap;
	uint64_t set;			/* how often one was set */
};

void timers_init(struct timers *);
void timers_fini(struct timers *);
void timer_init(struct timer *, void (*fire)(struct timer *));
void timer_set(struct timers *, struct timer *, int64_t due_ms);	/* borrows until it fires or timer_clear(); moves it if set already */
void timer_clear(struct timers *, struct timer *);		/* harmless when not set */
static inline bool
timer_is_set(const struct timer *t)
{
	return t->slot != 0;
}
int64_t timers_next(const struct timers *);	/* due time of the earliest, or INT64_MAX */
unsigned timers_run(struct timers *, int64_t now_ms);	/* fires all that are due, by due time and then in the order they were set; returns how many */

#endif

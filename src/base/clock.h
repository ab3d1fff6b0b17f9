/* clock.h -- what time it is, in the units the callers use.
 *
 * Monotonic time runs timers and measures; wall time is only ever shown to
 * people and to apps (Date.now).
 */
#ifndef DREY_BASE_CLOCK_H
#define DREY_BASE_CLOCK_H

#include <stdint.h>

int64_t clock_ms(void);			/* monotonic, milliseconds */
int64_t clock_us(void);			/* monotonic, microseconds */
int64_t clock_wall_ms(void);		/* since 1970-01-01 UTC; never smaller than an earlier answer of this thread */
int clock_stamp(char *buf, int size);	/* "2026-11-23T10:00:00.123Z"; returns its length */

#endif

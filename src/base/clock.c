/* clock.c -- clock_gettime() in the units the callers use.
 *
 * Thread: any.
 */
#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static struct timespec
now(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ts;
}

int64_t
clock_ms(void)
{
	struct timespec ts = now(CLOCK_MONOTONIC);

	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t
clock_us(void)
{
	struct timespec ts = now(CLOCK_MONOTONIC);

	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t
clock_wall_ms(void)
{
	static __thread int64_t last;
	struct timespec ts = now(CLOCK_REALTIME);
	int64_t ms = (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;

	if (ms > last)
		last = ms;
	return last;
}

/* Log lines come many a second, and gmtime_r() takes a lock: its answer is kept while the second lasts. */
int
clock_stamp(char *buf, int size)
{
	static __thread time_t second = -1;
	static __thread char text[24];
	struct timespec ts = now(CLOCK_REALTIME);
	struct tm tm;

	if (ts.tv_sec != second) {
		gmtime_r(&ts.tv_sec, &tm);
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
		second = ts.tv_sec;
	}
	return snprintf(buf, (size_t)size, "%s.%03ldZ", text, ts.tv_nsec / 1000000);
}

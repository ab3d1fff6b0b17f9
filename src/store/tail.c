/* tail.c -- segments are made, filled ahead, written and synced; see tail.h. */
#include "store/tail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "store/disk.h"
#include "store/journal.h"

enum {
	CHUNK = 64 << 10,		/* of zeros */
	AHEAD_MIN = 64 << 10, AHEAD_MAX = 1 << 20,
	RETRY_MS = 50
};

static char zeros[CHUNK];		/* not const: in .bss, which costs neither binary nor memory */

int
tail_open(struct tail *t)
{
	t->fd = -1;
	t->dirfd = open(t->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (t->dirfd < 0)
		return err_set(ERR_IO, "open %s: %s", t->dir, strerror(errno));
	files_init(&t->files, 1);
	if (t->room)
		room_look(t->room, t->dirfd, 0);
	return OK;
}

void
tail_close(struct tail *t)
{
	if (t->fd >= 0)
		close(t->fd);
	close(t->dirfd);
	files_fini(&t->files);
}

/* -- a full disk -- */

static bool
no_room(int error)
{
	return error == ENOSPC || error == EDQUOT;
}

static void
tail_starve(struct tail *t, bool starved)
{
	t->starved = starved;
	if (t->room)
		room_starve(t->room, starved);
}

/* After a call that failed and changed nothing: has it failed for want of room, and may it be tried again?  Sleeps before it says so.
 * *until: 0 at first. */
static bool
tail_waits(struct tail *t, int64_t *until)
{
	const struct timespec pause = { 0, RETRY_MS * 1000000 };
	int error = errno;

	if (!no_room(error))
		return false;
	if (*until == 0)
		*until = clock_ms() + t->patience_ms;
	tail_starve(t, true);
	if (clock_ms() < *until && !failure_is(t->failure)) {
		nanosleep(&pause, NULL);
		return true;
	}
	errno = error;
	return false;
}

/* -- a new segment -- */

int
tail_begin(struct tail *t, uint64_t segment, bool spare)
{
	char path[4096], from[4096];
	int64_t until = 0;
	struct stat st;

	journal_path(path, sizeof path, t->dir, segment);
	snprintf(from, sizeof from, "%s/spare", t->dir);
	if (t->fd >= 0)
		close(t->fd);
	t->fd = -1;
	while (spare && rename(from, path) != 0)
		if (!tail_waits(t, &until))
			return failure_set(t->failure, "rename %s to %s: %s", from, path, strerror(errno));
	while ((t->fd = files_try_open(&t->files, path, O_RDWR | O_CLOEXEC | (spare ? 0 : O_CREAT | O_EXCL))) < 0)
		if (!tail_waits(t, &until))
			return failure_set(t->failure, "open %s: %s", path, strerror(errno));
	files_refill(&t->files);
	if (fstat(t->fd, &st) != 0)
		return failure_set(t->failure, "stat %s: %s", path, strerror(errno));
	if (fsync(t->dirfd) != 0)
		return failure_set(t->failure, "fsync %s: %s", t->dir, strerror(errno));
	t->segment = segment;
	t->written = 0;
	t->filled = (uint64_t)st.st_size;
	return OK;
}

/* -- writing -- */

/* Zeros up to end and some further: in small steps at first, so that a server starts and a small one stays small. */
static int
tail_fill(struct tail *t, uint64_t end)
{
	uint64_t ahead = t->filled < AHEAD_MIN ? AHEAD_MIN : t->filled > AHEAD_MAX ? AHEAD_MAX : t->filled, to = end + ahead;

	if (to > t->segment_max)
		to = end > t->segment_max ? end : t->segment_max;
	while (t->filled < to) {
		size_t n = to - t->filled < CHUNK ? (size_t)(to - t->filled) : CHUNK;

		if (disk_write(t->fd, zeros, n, (off_t)t->filled) != 0)
			return -1;
		t->filled += n;
	}
	return 0;
}

/* The file is to reach to end before a record is written there. */
static int
tail_reach(struct tail *t, uint64_t end)
{
	int64_t until = 0;

	if (end <= t->filled && !t->starved)
		return 0;
	while (tail_fill(t, end) != 0) {
		if (t->filled >= end && no_room(errno)) {
			tail_starve(t, true);	/* room for this one, but for how many more? */
			return 0;
		}
		if (!tail_waits(t, &until))
			return -1;
	}
	tail_starve(t, false);
	return 0;
}

int
tail_write(struct tail *t, const void *data, size_t n)
{
	char path[4096];

	journal_path(path, sizeof path, t->dir, t->segment);
	if (tail_reach(t, t->written + n) != 0 || disk_write(t->fd, data, n, (off_t)t->written) != 0)
		return failure_set(t->failure, "write %s: %s", path, strerror(errno));
	t->written += n;
	if (fdatasync(t->fd) != 0)
		return failure_set(t->failure, "fdatasync %s: %s", path, strerror(errno));
	if (t->room)
		room_look(t->room, t->dirfd, n);
	return OK;
}

void
tail_rest(struct tail *t)
{
	if (t->room)
		room_look(t->room, t->dirfd, 0);
	if (t->starved && t->fd >= 0 && tail_fill(t, t->written) == 0)
		tail_starve(t, false);
}

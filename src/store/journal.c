/* journal.c -- append, group commit, segments; see journal.h. */
#include "store/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "store/disk.h"
#include "store/files.h"
#include "store/record.h"

enum {
	QUEUE_MAX = 64 << 20,	/* bytes gathered and not yet written; more makes the appender wait */
	KICK_BYTES = 256 << 10,	/* enough to write without being asked */
	KICK_NS = 1000000,	/* and what nobody asks for is written after this time */
	FILL_MIN = 64 << 10, FILL_MAX = 1 << 20,
	BATCH_KEPT = 4 << 20	/* a larger buffer is not kept for reuse */
};

struct batch {
	struct batch *next;
	uint64_t segment, last;		/* last: commit number */
	struct buf bytes;
};

struct closed {				/* a segment that gets no more records */
	uint64_t segment, last;
};

struct journal {
	char *dir;
	int dirfd;			/* kept: a sync of the directory must not fail for want of a descriptor */
	struct failure *failure;
	uint64_t segment_max;
	void (*on_durable)(void *arg);
	void (*on_rotate)(void *arg);
	void *arg;

	_Atomic uint64_t segment, durable;

	pthread_t thread;
	pthread_mutex_t mutex;		/* guards all down to the next blank line */
	pthread_cond_t work, progress;
	struct batch *head, *tail, *unused;
	uint64_t last;			/* number given last */
	uint64_t segment_bytes;		/* appended to the current segment */
	uint64_t queued;
	struct closed *closed;		/* oldest first */
	size_t closed_n, closed_cap;
	bool idle, napping, kicked, stopping, spare;
	unsigned waiters;
	struct journal_stats stats;

	/* the journal thread's own */
	struct files files;		/* for patience, and a descriptor in reserve */
	int fd;
	uint64_t fd_segment, written, filled;
};

static char zeros[FILL_MAX];		/* not const: in .bss, which costs neither binary nor memory */

void
journal_path(char *path, size_t size, const char *dir, uint64_t segment)
{
	snprintf(path, size, "%s/%016" PRIx64 ".log", dir, segment);
}

static void
spare_path(const struct journal *j, char *path, size_t size)
{
	snprintf(path, size, "%s/spare", j->dir);
}

/* -- appending -- */

static struct batch *
batch_begin(struct journal *j, uint64_t segment)
{
	struct batch *b = j->unused;

	if (b)
		j->unused = NULL;
	else
		b = xcalloc(1, sizeof *b);
	b->next = NULL;
	b->segment = segment;
	if (j->tail)
		j->tail->next = b;
	else
		j->head = b;
	j->tail = b;
	return b;
}

static struct batch *
batch_for(struct journal *j, uint64_t segment)
{
	struct batch *b = j->tail;

	if (!b || b->segment != segment)
		b = batch_begin(j, segment);
	if (j->segment_bytes == 0) {
		char head[SEGMENT_HEAD];

		segment_head(head, segment, j->last + 1);
		buf_add(&b->bytes, head, sizeof head);
		j->segment_bytes = sizeof head;
		j->queued += sizeof head;
	}
	return b;
}

/* Wakes the thread when it sleeps: at the first record, then when somebody asks or enough has gathered. */
static void
journal_signal(struct journal *j)
{
	if (j->idle || (j->napping && (j->kicked || j->queued >= KICK_BYTES)))
		pthread_cond_signal(&j->work);
}

static void
journal_rotate(struct journal *j, uint64_t segment)
{
	if (j->closed_n == j->closed_cap) {
		j->closed_cap = j->closed_cap ? j->closed_cap * 2 : 8;
		j->closed = xrealloc(j->closed, j->closed_cap * sizeof *j->closed);
	}
	j->closed[j->closed_n++] = (struct closed){ segment, j->last };
	j->segment_bytes = 0;
	atomic_store(&j->segment, segment + 1);
}

/* With the lock held.  Room in the queue and in the segment, or why not. */
static int
journal_admit(struct journal *j, uint64_t segment, uint64_t bytes)
{
	while (j->queued > QUEUE_MAX && !failure_is(j->failure)) {
		j->waiters++;
		pthread_cond_wait(&j->progress, &j->mutex);
		j->waiters--;
	}
	if (failure_is(j->failure))
		return failure_err(j->failure);
	if (segment != atomic_load(&j->segment))
		return JOURNAL_ROTATED;
	if (j->segment_bytes > SEGMENT_HEAD && j->segment_bytes + bytes > j->segment_max) {
		journal_rotate(j, segment);
		return JOURNAL_ROTATED;
	}
	return OK;
}

int
journal_append(struct journal *j, uint64_t segment, struct buf *record, uint64_t body, uint64_t *commit)
{
	int rc;
	bool rotated;

	pthread_mutex_lock(&j->mutex);
	rc = journal_admit(j, segment, record->n);
	rotated = rc == JOURNAL_ROTATED && j->segment_bytes == 0;
	if (rc == OK) {
		struct batch *b = batch_for(j, segment);

		*commit = b->last = ++j->last;
		record_stamp(record->p, body, segment, *commit);
		buf_add(&b->bytes, record->p, record->n);
		j->segment_bytes += record->n;
		j->queued += record->n;
		j->stats.commits++;
		j->stats.bytes += record->n;
		journal_signal(j);
	}
	pthread_mutex_unlock(&j->mutex);
	if (rotated)
		j->on_rotate(j->arg);
	return rc;
}

void
journal_kick(struct journal *j)
{
	pthread_mutex_lock(&j->mutex);
	if (!j->kicked) {
		j->kicked = true;
		journal_signal(j);
	}
	pthread_mutex_unlock(&j->mutex);
}

int
journal_wait(struct journal *j, uint64_t commit)
{
	pthread_mutex_lock(&j->mutex);
	must(commit <= j->last);
	while (atomic_load(&j->durable) < commit && !failure_is(j->failure)) {
		j->kicked = true;
		journal_signal(j);
		j->waiters++;
		pthread_cond_wait(&j->progress, &j->mutex);
		j->waiters--;
	}
	pthread_mutex_unlock(&j->mutex);
	return atomic_load(&j->durable) >= commit ? OK : failure_err(j->failure);
}

void
journal_wake(struct journal *j)
{
	pthread_mutex_lock(&j->mutex);
	pthread_cond_broadcast(&j->progress);
	pthread_cond_broadcast(&j->work);
	pthread_mutex_unlock(&j->mutex);
}

uint64_t
journal_segment(const struct journal *j)
{
	return atomic_load_explicit(&j->segment, memory_order_acquire);
}

uint64_t
journal_durable(const struct journal *j)
{
	return atomic_load_explicit(&j->durable, memory_order_seq_cst);
}

/* -- the journal thread -- */

/* With the lock held: the next batch to write, NULL to stop. */
static struct batch *
journal_take(struct journal *j)
{
	struct batch *b;
	bool slept = false;

	while (!j->head && !j->stopping && !failure_is(j->failure)) {
		j->idle = slept = true;
		pthread_cond_wait(&j->work, &j->mutex);
		j->idle = false;
	}
	/* Woken by the first commit of a worker's tick: the others of that tick follow at once, and then the worker asks. */
	if (slept && j->head && !j->head->next && !j->kicked && j->queued < KICK_BYTES && !j->stopping) {
		struct timespec until;

		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += KICK_NS;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		j->napping = true;
		pthread_cond_timedwait(&j->work, &j->mutex, &until);
		j->napping = false;
	}
	b = j->head;
	if (!b || failure_is(j->failure))
		return NULL;
	j->head = b->next;
	if (!j->head)
		j->tail = NULL;
	j->kicked = false;
	return b;
}

/* A file of the segment's name, empty or recycled, its name on disk. */
static int
segment_open(struct journal *j, uint64_t segment, bool spare)
{
	char path[4096], from[4096];
	struct stat st;

	journal_path(path, sizeof path, j->dir, segment);
	spare_path(j, from, sizeof from);
	if (j->fd >= 0)
		close(j->fd);
	if (spare && rename(from, path) != 0)
		return failure_set(j->failure, "rename %s to %s: %s", from, path, strerror(errno));
	j->fd = files_try_open(&j->files, path, O_RDWR | O_CLOEXEC | (spare ? 0 : O_CREAT | O_EXCL));
	if (j->fd < 0)
		return failure_set(j->failure, "open %s: %s", path, strerror(errno));
	files_refill(&j->files);
	if (fstat(j->fd, &st) != 0)
		return failure_set(j->failure, "stat %s: %s", path, strerror(errno));
	if (fsync(j->dirfd) != 0)
		return failure_set(j->failure, "fsync %s: %s", j->dir, strerror(errno));
	j->fd_segment = segment;
	j->written = 0;
	j->filled = (uint64_t)st.st_size;
	return OK;
}

/* Zeros ahead of the write position: in small steps at first, so that a server starts and a small one stays small. */
static int
segment_fill(struct journal *j, uint64_t end)
{
	uint64_t step = j->filled < FILL_MIN ? FILL_MIN : j->filled > FILL_MAX ? FILL_MAX : j->filled, to;

	if (end <= j->filled)
		return 0;
	to = end + step;
	if (to > j->segment_max)
		to = end > j->segment_max ? end : j->segment_max;
	for (uint64_t at = end; at < to; at += FILL_MAX)
		if (disk_write(j->fd, zeros, to - at < FILL_MAX ? (size_t)(to - at) : FILL_MAX, (off_t)at) != 0)
			return -1;
	j->filled = to;
	return 0;
}

static int
batch_write(struct journal *j, const struct batch *b)
{
	char path[4096];

	journal_path(path, sizeof path, j->dir, b->segment);
	if (disk_write(j->fd, b->bytes.p, b->bytes.n, (off_t)j->written) != 0 ||
	    segment_fill(j, j->written + b->bytes.n) != 0)
		return failure_set(j->failure, "write %s: %s", path, strerror(errno));
	j->written += b->bytes.n;
	if (fdatasync(j->fd) != 0)
		return failure_set(j->failure, "fdatasync %s: %s", path, strerror(errno));
	return OK;
}

static void
batch_reuse(struct journal *j, struct batch *b)
{
	buf_clear(&b->bytes);
	if (b->bytes.cap > BATCH_KEPT)
		buf_fini(&b->bytes);
	if (!j->unused) {
		j->unused = b;
		return;
	}
	buf_fini(&b->bytes);
	free(b);
}

/* Without the lock. */
static int
journal_write(struct journal *j, struct batch *b)
{
	bool spare;
	int rc = OK;

	if (j->fd_segment != b->segment) {
		pthread_mutex_lock(&j->mutex);
		spare = j->spare;
		pthread_mutex_unlock(&j->mutex);
		rc = segment_open(j, b->segment, spare);
		/* Only now: as long as the flag is up the checkpoint thread makes no other file of that name. */
		pthread_mutex_lock(&j->mutex);
		j->spare &= !spare;
		pthread_mutex_unlock(&j->mutex);
	}
	return rc == OK ? batch_write(j, b) : rc;
}

static void *
journal_main(void *arg)
{
	struct journal *j = arg;
	struct batch *b;

	pthread_mutex_lock(&j->mutex);
	while ((b = journal_take(j))) {
		int rc;

		pthread_mutex_unlock(&j->mutex);
		rc = journal_write(j, b);
		pthread_mutex_lock(&j->mutex);
		j->stats.syncs++;
		j->queued -= b->bytes.n;
		if (rc == OK && !failure_is(j->failure))
			atomic_store(&j->durable, b->last);
		batch_reuse(j, b);
		if (j->waiters)
			pthread_cond_broadcast(&j->progress);
		pthread_mutex_unlock(&j->mutex);
		if (rc == OK)
			j->on_durable(j->arg);
		pthread_mutex_lock(&j->mutex);
	}
	pthread_mutex_unlock(&j->mutex);
	return NULL;
}

/* -- life -- */

struct journal *
journal_new(const struct journal_options *o)
{
	int dirfd = open(o->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct journal *j;
	pthread_condattr_t monotonic;

	if (dirfd < 0) {
		err_set(ERR_IO, "open %s: %s", o->dir, strerror(errno));
		return NULL;
	}
	j = xcalloc(1, sizeof *j);
	j->dir = xstrdup(o->dir);
	j->dirfd = dirfd;
	files_init(&j->files, 1);
	j->failure = o->failure;
	j->segment_max = o->segment_max;
	j->on_durable = o->on_durable;
	j->on_rotate = o->on_rotate;
	j->arg = o->arg;
	j->last = o->last_commit;
	j->fd = -1;
	atomic_init(&j->segment, o->first_segment);
	atomic_init(&j->durable, o->last_commit);
	pthread_mutex_init(&j->mutex, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&j->work, &monotonic);
	pthread_cond_init(&j->progress, &monotonic);
	pthread_condattr_destroy(&monotonic);
	must(pthread_create(&j->thread, NULL, journal_main, j) == 0);
	return j;
}

static void
journal_drop_batches(struct journal *j)
{
	struct batch *b;

	if (j->unused) {
		j->unused->next = j->head;
		j->head = j->unused;
	}
	while ((b = j->head)) {
		j->head = b->next;
		buf_fini(&b->bytes);
		free(b);
	}
}

void
journal_free(struct journal **jp)
{
	struct journal *j = *jp;
	char path[4096];

	pthread_mutex_lock(&j->mutex);
	j->stopping = true;
	pthread_cond_broadcast(&j->work);
	pthread_mutex_unlock(&j->mutex);
	pthread_join(j->thread, NULL);
	if (j->fd >= 0)
		close(j->fd);
	if (!failure_is(j->failure)) {
		if (j->segment_bytes)
			journal_rotate(j, atomic_load(&j->segment));
		journal_retire(j, UINT64_MAX);
		spare_path(j, path, sizeof path);
		if (j->spare && unlink(path) != 0)
			failure_set(j->failure, "unlink %s: %s", path, strerror(errno));
	}
	close(j->dirfd);
	files_fini(&j->files);
	journal_drop_batches(j);
	free(j->closed);
	pthread_mutex_destroy(&j->mutex);
	pthread_cond_destroy(&j->work);
	pthread_cond_destroy(&j->progress);
	free(j->dir);
	free(j);
	*jp = NULL;
}

/* -- retiring -- */

uint64_t
journal_closed(struct journal *j, uint64_t *last_commit)
{
	struct closed c = { 0, 0 };

	pthread_mutex_lock(&j->mutex);
	if (j->closed_n)
		c = j->closed[j->closed_n - 1];
	pthread_mutex_unlock(&j->mutex);
	*last_commit = c.last;
	return c.segment;
}

/* The oldest closed segment up to this one; *keep: may its file become the spare? */
static uint64_t
journal_oldest(struct journal *j, uint64_t upto, bool *keep)
{
	uint64_t segment = 0;

	pthread_mutex_lock(&j->mutex);
	if (j->closed_n && j->closed[0].segment <= upto)
		segment = j->closed[0].segment;
	*keep = !j->spare && !j->stopping;
	pthread_mutex_unlock(&j->mutex);
	return segment;
}

static void
journal_retired(struct journal *j, bool spare)
{
	pthread_mutex_lock(&j->mutex);
	memmove(j->closed, j->closed + 1, --j->closed_n * sizeof *j->closed);
	j->spare |= spare;
	pthread_mutex_unlock(&j->mutex);
}

int
journal_retire(struct journal *j, uint64_t upto)
{
	char path[4096], spare[4096];
	uint64_t segment;
	struct stat st;
	bool keep;

	spare_path(j, spare, sizeof spare);
	while ((segment = journal_oldest(j, upto, &keep))) {
		journal_path(path, sizeof path, j->dir, segment);
		/* One giant transaction must not make every later segment as large. */
		keep = keep && stat(path, &st) == 0 && (uint64_t)st.st_size <= j->segment_max;
		if ((keep ? rename(path, spare) : unlink(path)) != 0)
			return failure_set(j->failure, "retire %s: %s", path, strerror(errno));
		if (fsync(j->dirfd) != 0)
			return failure_set(j->failure, "fsync %s: %s", j->dir, strerror(errno));
		journal_retired(j, keep);
	}
	return OK;
}

void
journal_stats(struct journal *j, struct journal_stats *s)
{
	pthread_mutex_lock(&j->mutex);
	*s = j->stats;
	s->segments = j->closed_n + (j->segment_bytes > 0);
	pthread_mutex_unlock(&j->mutex);
}

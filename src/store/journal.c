/* journal.c -- append, group commit, segments; see journal.h. */
#include "store/journal.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "store/record.h"
#include "store/tail.h"

enum {
	QUEUE_MAX = 64 << 20,	/* bytes gathered and not yet written; more makes the appender wait */
	KICK_BYTES = 256 << 10,	/* enough to write without being asked */
	KICK_NS = 1000000,	/* and what nobody asks for is written after this time */
	REST_MS = 1000,		/* between two looks at the disk while there is nothing to write */
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

	struct tail newest;		/* the journal thread's own; its dirfd also the checkpoint thread's */
};

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
journal_weigh(struct journal *j, uint64_t bytes)
{
	pthread_mutex_lock(&j->mutex);
	if (j->segment_bytes)
		j->segment_bytes += bytes;
	pthread_mutex_unlock(&j->mutex);
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

/* With the lock held; true: woken, or the time is up. */
static bool
journal_sleep(struct journal *j, int64_t ns)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	ns += until.tv_nsec;
	until.tv_sec += ns / 1000000000;
	until.tv_nsec = ns % 1000000000;
	return pthread_cond_timedwait(&j->work, &j->mutex, &until) == 0;
}

/* With the lock held: until there is something to do. */
static bool
journal_idle(struct journal *j)
{
	bool slept = false;

	while (!j->head && !j->stopping && !failure_is(j->failure)) {
		bool woken;

		j->idle = slept = true;
		woken = journal_sleep(j, REST_MS * INT64_C(1000000));
		j->idle = false;
		if (woken)
			continue;
		pthread_mutex_unlock(&j->mutex);
		tail_rest(&j->newest);
		pthread_mutex_lock(&j->mutex);
	}
	return slept;
}

/* With the lock held: the next batch to write, NULL to stop. */
static struct batch *
journal_take(struct journal *j)
{
	struct batch *b;
	bool slept = journal_idle(j);

	/* Woken by the first commit of a worker's tick: the others of that tick follow at once, and then the worker asks. */
	if (slept && j->head && !j->head->next && !j->kicked && j->queued < KICK_BYTES && !j->stopping) {
		j->napping = true;
		journal_sleep(j, KICK_NS);
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

	if (j->newest.segment != b->segment) {
		pthread_mutex_lock(&j->mutex);
		spare = j->spare;
		pthread_mutex_unlock(&j->mutex);
		rc = tail_begin(&j->newest, b->segment, spare);
		/* Only now: as long as the flag is up the checkpoint thread makes no other file of that name. */
		pthread_mutex_lock(&j->mutex);
		j->spare &= !spare;
		pthread_mutex_unlock(&j->mutex);
	}
	return rc == OK ? tail_write(&j->newest, b->bytes.p, b->bytes.n) : rc;
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
	struct journal *j = xcalloc(1, sizeof *j);
	pthread_condattr_t monotonic;

	j->dir = xstrdup(o->dir);
	j->newest = (struct tail){
		.dir = j->dir, .failure = o->failure, .room = o->room, .segment_max = o->segment_max, .patience_ms = o->patience_ms
	};
	if (tail_open(&j->newest) != OK) {
		free(j->dir);
		free(j);
		return NULL;
	}
	j->failure = o->failure;
	j->segment_max = o->segment_max;
	j->on_durable = o->on_durable;
	j->on_rotate = o->on_rotate;
	j->arg = o->arg;
	j->last = o->last_commit;
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
	if (!failure_is(j->failure)) {
		if (j->segment_bytes)
			journal_rotate(j, atomic_load(&j->segment));
		journal_retire(j, UINT64_MAX);
		spare_path(j, path, sizeof path);
		if (j->spare && unlink(path) != 0)
			failure_set(j->failure, "unlink %s: %s", path, strerror(errno));
	}
	tail_close(&j->newest);
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
		/* Databases are closed without their pages after a failure: the journal is where these are. */
		if (failure_is(j->failure))
			return failure_err(j->failure);
		journal_path(path, sizeof path, j->dir, segment);
		/* One giant transaction must not make every later segment as large. */
		keep = keep && stat(path, &st) == 0 && (uint64_t)st.st_size <= j->segment_max;
		if ((keep ? rename(path, spare) : unlink(path)) != 0)
			return failure_set(j->failure, "retire %s: %s", path, strerror(errno));
		if (fsync(j->newest.dirfd) != 0)
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

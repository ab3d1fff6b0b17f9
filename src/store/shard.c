/* shard.c -- one worker's share of the store; see store.h and shard.h. */
#include "store/shard.h"

#include <stdlib.h>

#include "base/err.h"
#include "store/capture.h"
#include "store/checkpoint.h"
#include "store/inside.h"
#include "store/vfs.h"

enum {
	TICK_PAGES = 128,	/* about a millisecond of an event loop */
	TEMP_MAX = 1 << 20
};

struct shard *
shard_new(struct store *st, unsigned index, void (*wake)(void *arg), void *arg)
{
	struct shard *s = xcalloc(1, sizeof *s);

	s->store = st;
	s->index = index;
	s->wake = wake;
	s->arg = arg;
	s->tick_pages = TICK_PAGES;
	page_pool_init(&s->pool);
	files_init(&s->files, st->files_max);
	list_init(&s->journaled);
	list_init(&s->over);
	list_init(&s->warm);
	s->temp_max = TEMP_MAX;
	vfs_register(s);
	pthread_mutex_init(&s->mutex, NULL);
	pthread_mutex_lock(&st->mutex);
	must(index < st->shards_max && !st->shards[index]);
	st->shards[index] = s;
	pthread_mutex_unlock(&st->mutex);
	return s;
}

void
shard_free(struct shard **sp)
{
	struct shard *s = *sp;
	struct store *st = s->store;

	must(list_empty(&s->journaled) && list_empty(&s->over) && atomic_load(&s->databases) == 0);
	pthread_mutex_lock(&st->mutex);
	st->shards[s->index] = NULL;
	unsynced_move(&st->orphans, &s->unsynced);
	pthread_mutex_unlock(&st->mutex);
	checkpoint_poke(st->checkpoint);
	vfs_unregister(s);
	files_fini(&s->files);
	page_pool_fini(&s->pool);
	buf_fini(&s->record);
	pthread_mutex_destroy(&s->mutex);
	free(s);
	*sp = NULL;
}

void
shard_want(struct shard *s, uint64_t commit)
{
	struct journal *j = s->store->journal;
	uint64_t want = atomic_load(&s->want);

	/* The earliest wish counts: its gates open first, and the worker then wishes again. */
	while ((want == 0 || commit < want) && !atomic_compare_exchange_weak(&s->want, &want, commit))
		;
	if (commit > journal_durable(j) && !failure_is(&s->store->failure)) {
		journal_kick(j);
		return;
	}
	/* It became durable (or never will) before the wish was seen. */
	if (atomic_exchange(&s->want, 0) != 0)
		s->wake(s->arg);
}

int
shard_wait(struct shard *s, uint64_t commit)
{
	return journal_wait(s->store->journal, commit);
}

/* Waits, when it must, until all of c's commits may go to its file. */
static int
settle(struct shard *s, struct capture *c)
{
	if (c->last_commit <= journal_durable(s->store->journal))
		return OK;
	return shard_wait(s, c->last_commit);
}

static void
tick_over(struct shard *s, unsigned *budget)
{
	while (*budget && !list_empty(&s->over)) {
		struct capture *c = list_first(&s->over, struct capture, over);
		int rc;

		if (settle(s, c) != OK)
			return;
		rc = capture_flush(c, UINT64_MAX, budget);
		if (rc < 0)
			return;
		if (rc > 0)
			list_del(&c->over);
	}
}

static void
tick_old(struct shard *s, uint64_t target, unsigned *budget)
{
	struct capture *c;

	while (*budget && (c = list_first(&s->journaled, struct capture, journaled)) && c->since <= target) {
		if (settle(s, c) != OK || capture_flush(c, target, budget) < 0)
			return;
		*budget -= *budget > 0;		/* opening a file costs as much as a page */
	}
}

void
shard_tick(struct shard *s)
{
	uint64_t target = atomic_load(&s->target);
	unsigned budget = s->tick_pages + 2 * s->committed;
	struct capture *c;

	s->committed = 0;
	if (failure_is(&s->store->failure))
		return;
	tick_over(s, &budget);
	tick_old(s, target, &budget);
	if (failure_is(&s->store->failure))
		return;
	c = list_first(&s->journaled, struct capture, journaled);
	if (!list_empty(&s->over) || (c && c->since <= target)) {
		s->wake(s->arg);	/* more to do, after the worker's other business */
		return;
	}
	if (atomic_load(&s->done) < target) {
		atomic_store(&s->done, target);
		checkpoint_poke(s->store->checkpoint);
	}
}

void
shard_wrote(struct shard *s, const struct klass *k, const unsigned char id[PATHS_ID])
{
	pthread_mutex_lock(&s->mutex);
	unsynced_add(&s->unsynced, k, id);
	pthread_mutex_unlock(&s->mutex);
}

struct klass *
shard_klass(struct shard *s, const char *app, const char *class_name)
{
	struct store *st = s->store;
	struct klass *k = s->klass;

	if (k && strcmp(k->name.p, class_name) == 0 && strcmp(k->app.p, app) == 0)
		return k;
	pthread_mutex_lock(&st->mutex);
	k = klass_get(&st->klasses, st->dir, app, class_name);
	pthread_mutex_unlock(&st->mutex);
	if (k)
		s->klass = k;
	return k;
}

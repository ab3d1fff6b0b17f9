/* checkpoint.c -- one round per closed segment; see checkpoint.h. */
#include "store/checkpoint.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/err.h"
#include "store/inside.h"
#include "store/shard.h"
#include "store/spill.h"

struct checkpoint {
	struct store *store;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	bool poked, stopping;
};

/* Sleeps until poked; false: stop. */
static bool
checkpoint_sleep(struct checkpoint *c)
{
	bool go;

	pthread_mutex_lock(&c->mutex);
	while (!c->poked && !c->stopping)
		pthread_cond_wait(&c->cond, &c->mutex);
	c->poked = false;
	go = !c->stopping && !failure_is(&c->store->failure);
	pthread_mutex_unlock(&c->mutex);
	return go;
}

static void
ask_shards(struct store *st, uint64_t target)
{
	pthread_mutex_lock(&st->mutex);
	for (unsigned i = 0; i < st->shards_max; i++) {
		struct shard *s = st->shards[i];

		/* A shard that is new since needs asking too: an object may have moved into it. */
		if (s && atomic_load(&s->target) < target) {
			atomic_store(&s->target, target);
			s->wake(s->arg);
		}
	}
	pthread_mutex_unlock(&st->mutex);
}

/* True: all shards are done with target, and *all holds what they wrote. */
static bool
collect(struct store *st, uint64_t target, struct unsynced *all)
{
	bool done = true;

	pthread_mutex_lock(&st->mutex);
	for (unsigned i = 0; i < st->shards_max; i++)
		done &= !st->shards[i] || atomic_load(&st->shards[i]->done) >= target;
	for (unsigned i = 0; done && i < st->shards_max; i++) {
		struct shard *s = st->shards[i];

		if (!s)
			continue;
		pthread_mutex_lock(&s->mutex);
		unsynced_move(all, &s->unsynced);
		pthread_mutex_unlock(&s->mutex);
	}
	if (done)
		unsynced_move(all, &st->orphans);
	pthread_mutex_unlock(&st->mutex);
	return done;
}

/* One round; false: stop. */
static bool
checkpoint_round(struct checkpoint *c, uint64_t target, uint64_t last_commit)
{
	struct store *st = c->store;
	struct unsynced all = { 0 };
	bool ok;

	for (ask_shards(st, target); !collect(st, target, &all); ask_shards(st, target))
		if (!checkpoint_sleep(c))
			return false;
	ok = journal_wait(st->journal, last_commit) == OK &&
	     unsynced_sync(&all, st->dir, st->whole, &st->failure) == OK &&
	     journal_retire(st->journal, target) == OK;
	if (ok)
		spill_retire(st, target);
	unsynced_fini(&all);
	return ok;
}

static void *
checkpoint_main(void *arg)
{
	struct checkpoint *c = arg;
	uint64_t target, last_commit;

	for (;;) {
		while ((target = journal_closed(c->store->journal, &last_commit)))
			if (!checkpoint_round(c, target, last_commit))
				return NULL;
		if (!checkpoint_sleep(c))
			return NULL;
	}
}

struct checkpoint *
checkpoint_new(struct store *st)
{
	struct checkpoint *c = xcalloc(1, sizeof *c);

	c->store = st;
	pthread_mutex_init(&c->mutex, NULL);
	pthread_cond_init(&c->cond, NULL);
	must(pthread_create(&c->thread, NULL, checkpoint_main, c) == 0);
	return c;
}

void
checkpoint_poke(struct checkpoint *c)
{
	pthread_mutex_lock(&c->mutex);
	c->poked = true;
	pthread_cond_signal(&c->cond);
	pthread_mutex_unlock(&c->mutex);
}

void
checkpoint_free(struct checkpoint **cp)
{
	struct checkpoint *c = *cp;

	pthread_mutex_lock(&c->mutex);
	c->stopping = true;
	pthread_cond_signal(&c->cond);
	pthread_mutex_unlock(&c->mutex);
	pthread_join(c->thread, NULL);
	pthread_mutex_destroy(&c->mutex);
	pthread_cond_destroy(&c->cond);
	free(c);
	*cp = NULL;
}

/* runtime.c -- what all workers share, and how a worker is made and freed. */
#include <stdlib.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/err.h"
#include "object/parts.h"

/* Request ids begin anywhere, so that those of two runs of the server differ in the logs. */
void
runtime_init(struct runtime *rt, const struct settings *settings, struct store *store)
{
	uint64_t first;

	must(settings->worker_threads > 0 && store);
	must(getrandom(&first, sizeof(first), 0) == sizeof(first));
	rt->settings = settings;
	rt->store = store;
	rt->outbound = NULL;
	rt->apps = apps_new(settings);
	rt->nworkers = settings->worker_threads;
	rt->workers = xcalloc(rt->nworkers, sizeof(*rt->workers));
	atomic_init(&rt->next_request, first);
}

void
runtime_fini(struct runtime *rt)
{
	for (unsigned i = 0; i < rt->nworkers; i++)
		must(!rt->workers[i]);
	free(rt->workers);
	rt->workers = NULL;
	apps_free(&rt->apps, rt->settings->napps);
}

uint64_t
runtime_request_id(struct runtime *rt)
{
	return atomic_fetch_add_explicit(&rt->next_request, 1, memory_order_relaxed);
}

struct worker *
worker_new(struct runtime *rt, unsigned index, void (*wake)(void *), void *arg)
{
	struct worker *w = xcalloc(1, sizeof(*w));

	must(index < rt->nworkers && !rt->workers[index]);
	w->runtime = rt;
	w->index = index;
	w->wake = wake;
	w->wake_arg = arg;
	w->now_ms = clock_ms();
	w->shard = shard_new(rt->store, index, wake, arg);
	timers_init(&w->timers);
	registry_init(&w->objects);
	queue_init(&w->inbox);
	list_init(&w->ready);
	list_init(&w->dirty);
	list_init(&w->gates);
	list_init(&w->syncs);
	list_init(&w->answers);
	list_init(&w->callbacks);
	list_init(&w->abandoned);
	idle_init(w);
	rt->workers[index] = w;
	return w;
}

void
worker_set_engine(struct worker *w, struct engine *engine)
{
	w->engine = engine;
}

/* Sent after worker_stop(): every thread has ended, nobody is left to answer. */
static void
drop_inbox(struct worker *w)
{
	struct list late = LIST_INIT(late), *n;
	struct poke *poke;

	queue_take(&w->inbox, &late);
	while ((n = list_shift(&late))) {
		struct event *ev = container_of(n, struct event, link);

		event_free(&ev);
	}
	queue_take_pokes(&w->inbox, &late);
	while ((poke = poke_next(&late)))
		poke->wake(poke, NULL);
}

void
worker_free(struct worker **wp)
{
	struct worker *w = *wp;

	*wp = NULL;
	if (!w)
		return;
	must(list_empty(&w->callbacks));
	must(list_empty(&w->ready) && list_empty(&w->gates) && list_empty(&w->syncs) && list_empty(&w->answers) && list_empty(&w->abandoned));
	drop_inbox(w);
	queue_fini(&w->inbox);
	registry_fini(&w->objects);
	idle_fini(w);
	timers_fini(&w->timers);
	shard_free(&w->shard);
	w->runtime->workers[w->index] = NULL;
	free(w);
}

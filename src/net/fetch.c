/* fetch.c -- the fetch thread: queue in, libcurl's multi handle, answers out. */
#include "net/fetch.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "net/fetch_body.h"
#include "net/fetch_transfer.h"
#include "object/pipe.h"
#include "object/queue.h"
#include "object/worker.h"

enum {
	SPARE_MAX = 64,			/* easy handles kept: each holds some KB */
	CONNECTIONS_KEPT = 512,
	POLL_MAX_MS = 60000,
};

/* fetch_transfer.h: an app's turn: so many of its requests are out, the others wait here. */
struct turn {
	struct list waiting;
	uint64_t running;
};

struct fetch {
	struct outbound outbound;
	const struct settings *settings;
	struct queue inbox;
	pthread_mutex_t start;
	atomic_bool started;		/* written under start */
	bool joins;
	pthread_t thread;
	atomic_bool stop;
	atomic_bool look;		/* some event is abandoned */
	_Atomic(CURLM *) multi;		/* NULL until the thread has it */
	_Atomic(char *) broken;		/* why it never will; then the senders themselves refuse */
	/* the thread's own: */
	struct turn *turns;		/* by app->index */
	struct list running;
	struct list heads;		/* of running: fetch_transfer.h */
	struct timers timers;
	CURL *spare[SPARE_MAX];
	unsigned nspare;
};

static void
wake(struct fetch *f)
{
	CURLM *multi = atomic_load(&f->multi);

	if (multi != NULL)		/* else it looks by itself once it has one */
		curl.multi_wakeup(multi);
}

/* ---- one transfer's way ---- */

static CURL *
easy_take(struct fetch *f)
{
	return f->nspare > 0 ? f->spare[--f->nspare] : curl.easy_init();
}

static void
easy_give(struct fetch *f, CURL *easy)
{
	if (f->nspare == SPARE_MAX) {
		curl.easy_cleanup(easy);
		return;
	}
	curl.easy_reset(easy);
	f->spare[f->nspare++] = easy;
}

static void
leave_multi(struct fetch *f, struct transfer *t)
{
	if (t->easy == NULL)
		return;
	curl.multi_remove_handle(f->multi, t->easy);
	easy_give(f, t->easy);
	t->easy = NULL;
}

/* Answered or failed: home. */
static void
end(struct fetch *f, struct transfer *t)
{
	struct event *ev;

	leave_multi(f, t);
	timer_clear(&f->timers, &t->limit);
	list_del(&t->link);
	t->turn->running -= t->runs;
	ev = transfer_end(t);		/* from here on nobody stirs it */
	if (ev)
		worker_return(ev);
	if (!atomic_load(&t->poke.posted))
		transfer_free(&t);
}

/* The next hop, or the first.  false: it could not begin, and is failed. */
static bool
begin(struct fetch *f, struct transfer *t)
{
	t->easy = easy_take(f);
	if (t->easy == NULL)
		transfer_fail(t, "Error", "not enough memory");
	else if (transfer_begin(t, t->easy) == OK && curl.multi_add_handle(f->multi, t->easy) == CURLM_OK)
		return true;
	transfer_fail(t, "Error", "libcurl refused it");	/* unless it says better already */
	if (t->easy != NULL)
		easy_give(f, t->easy);
	t->easy = NULL;
	return false;
}

static void
start_waiting(struct fetch *f, struct turn *turn)
{
	struct transfer *t;

	while ((t = list_first(&turn->waiting, struct transfer, link)) && turn->running < t->conf->limits.fetches) {
		list_del(&t->link);
		list_push(&f->running, &t->link);
		turn->running++;
		t->runs = true;
		if (!begin(f, t))
			end(f, t);
	}
}

static void
start_all(struct fetch *f)
{
	for (unsigned i = 0; i < f->settings->napps; i++)
		start_waiting(f, &f->turns[i]);
}

/* The app's own limit is for all of it; fetch_timeout for each wait of it, but that for the reader. */
static int64_t
due(const struct transfer *t)
{
	int64_t idle = (t->stuck_out && !t->event ? clock_ms() : t->last_ms) + t->conf->fetch.timeout_ms;

	return idle < t->deadline_ms ? idle : t->deadline_ms;
}

/* It only fails here; it is taken out when all timers that are due have fired. */
static void
on_limit(struct timer *timer)
{
	struct transfer *t = container_of(timer, struct transfer, limit);
	struct fetch *f = t->owner;
	int64_t now = clock_ms();

	if (t->deadline_ms <= now)
		transfer_fail(t, "TimeoutError", "no complete answer within the %lld ms that were asked for", (long long)t->asked_ms);
	else if (due(t) > now)
		timer_set(&f->timers, &t->limit, due(t));
	else
		transfer_fail(t, "TimeoutError", "%s within %lld ms; allow more with  fetch_timeout TIME;  in app %s (%s:%d)",
			t->event ? "no answer" : "nothing more", (long long)t->conf->fetch.timeout_ms, t->conf->name, t->conf->at.file,
			t->conf->at.line);
}

/* Another thread read, wrote or left at the other end of a pipe. */
static void
on_poke(struct poke *poke, struct worker *none)
{
	struct transfer *t = container_of(poke, struct transfer, poke);

	(void)none;
	if (t->gone)
		transfer_free(&t);
	else if (t->out && pipe_cancelled(t->out))
		end(t->owner, t);
	else
		body_resume(t);
}

/* Any thread. */
static void
stir(void *transfer)
{
	struct transfer *t = transfer;
	struct fetch *f = t->owner;
	bool first;

	if (queue_poke(&f->inbox, &t->poke, &first) && first)
		wake(f);
}

static void
accept_event(struct fetch *f, struct event *ev)
{
	struct transfer *t = transfer_new(ev, stir, f);
	struct turn *turn = &f->turns[ev->app->index];

	t->turn = turn;
	t->heads = &f->heads;
	t->last_ms = clock_ms();
	t->asked_ms = ev->outgoing->timeout_ms;
	t->deadline_ms = t->asked_ms > 0 ? t->last_ms + t->asked_ms : INT64_MAX;
	poke_init(&t->poke, on_poke);
	body_take(t);
	timer_init(&t->limit, on_limit);
	timer_set(&f->timers, &t->limit, due(t));
	list_push(&turn->waiting, &t->link);
}

/* ---- a round ---- */

static void
take_inbox(struct fetch *f)
{
	struct list all = LIST_INIT(all), pokes = LIST_INIT(pokes), *n;
	struct poke *poke;

	queue_take(&f->inbox, &all);
	queue_take_pokes(&f->inbox, &pokes);
	while ((n = list_shift(&all)))
		accept_event(f, container_of(n, struct event, link));
	while ((poke = poke_next(&pokes)))
		poke->wake(poke, NULL);
}

static void
end_if(struct fetch *f, struct list *transfers, bool (*is)(struct transfer *))
{
	list_each_safe(n, transfers) {
		struct transfer *t = container_of(n, struct transfer, link);

		if (is(t))
			end(f, t);
	}
}

static void
end_where(struct fetch *f, bool (*is)(struct transfer *))
{
	end_if(f, &f->running, is);
	for (unsigned i = 0; i < f->settings->napps; i++)
		end_if(f, &f->turns[i].waiting, is);
}

static bool
is_abandoned(struct transfer *t)
{
	if (!t->event || !atomic_load_explicit(&t->event->abandoned, memory_order_relaxed))
		return false;
	transfer_fail(t, "AbortError", "aborted");
	return true;
}

static bool
is_late(struct transfer *t)
{
	return t->failed;
}

static bool
is_any(struct transfer *t)
{
	transfer_fail(t, "Error", "the server is stopping");
	if (t->event)
		t->event->failure.retryable = true;
	return true;
}

static void
reap(struct fetch *f)
{
	struct CURLMsg *m;
	int left;

	while ((m = curl.multi_info_read(f->multi, &left))) {
		struct transfer *t;
		CURLcode code = m->data.result;

		if (m->msg != CURLMSG_DONE)
			continue;
		must(curl.easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&t) == CURLE_OK);
		if (transfer_hop_done(t, code)) {
			leave_multi(f, t);
			if (begin(f, t))
				continue;
		}
		end(f, t);
	}
}

/* Those whose body has not come with their head. */
static void
open_heads(struct fetch *f)
{
	struct transfer *t;

	while ((t = list_first(&f->heads, struct transfer, head))) {
		struct event *ev;

		list_del(&t->head);
		ev = transfer_open(t);
		if (ev)
			worker_return(ev);
		else
			end(f, t);
	}
}

static int
wait_ms(const struct fetch *f)
{
	int64_t next = timers_next(&f->timers) - clock_ms();

	return next < 0 ? 0 : next > POLL_MAX_MS ? POLL_MAX_MS : (int)next;
}

/* Whether to look is asked before the inbox is taken: so an event that was sent and at once abandoned is seen by one of the two. */
static void
round_once(struct fetch *f)
{
	bool look = atomic_exchange(&f->look, false);
	int running;

	take_inbox(f);
	if (look)
		end_where(f, is_abandoned);
	if (timers_run(&f->timers, clock_ms()) > 0)
		end_where(f, is_late);
	start_all(f);
	curl.multi_perform(f->multi, &running);
	reap(f);
	open_heads(f);
	start_all(f);			/* in the places that became free */
	curl.multi_poll(f->multi, NULL, 0, wait_ms(f), NULL);
}

/* ---- the thread ---- */

static CURLM *
open_multi(void)
{
	CURLM *multi;

	if (curl_load() < 0)
		return NULL;
	multi = curl.multi_init();
	if (multi == NULL) {
		err_set(ERR_MEMORY, "libcurl: not enough memory");
		return NULL;
	}
	curl.multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_KEPT);
	return multi;
}

static void
close_multi(struct fetch *f)
{
	CURLM *multi = atomic_exchange(&f->multi, NULL);

	while (f->nspare > 0)
		curl.easy_cleanup(f->spare[--f->nspare]);
	curl.multi_cleanup(multi);
}

/* libcurl cannot be had: each event is told, by whoever sent it. */
static void
refuse_all(struct fetch *f)
{
	struct list all = LIST_INIT(all), *n;

	queue_take(&f->inbox, &all);
	while ((n = list_shift(&all))) {
		struct event *ev = container_of(n, struct event, link);

		event_fail(ev, "fetch needs libcurl: %s", f->broken);
		worker_return(ev);
	}
}

static void
give_up(struct fetch *f)
{
	log_error("fetch needs libcurl: %s", err_text());
	atomic_store(&f->broken, xstrdup(err_text()));
	refuse_all(f);
}

static void *
thread_main(void *arg)
{
	struct fetch *f = arg;
	CURLM *multi;

	pthread_setname_np(pthread_self(), "drey-fetch");
	multi = open_multi();
	if (multi == NULL) {
		give_up(f);
		return NULL;
	}
	atomic_store(&f->multi, multi);
	while (!atomic_load(&f->stop))
		round_once(f);
	take_inbox(f);
	end_where(f, is_any);
	take_inbox(f);			/* pokes of those */
	close_multi(f);
	return NULL;
}

static void
start_once(struct fetch *f)
{
	int e;

	if (atomic_load(&f->started))
		return;
	pthread_mutex_lock(&f->start);
	if (!f->started) {
		e = pthread_create(&f->thread, NULL, thread_main, f);
		if (e != 0) {
			err_set(ERR_MEMORY, "start of its thread: %s", strerror(e));
			give_up(f);
		}
		f->joins = e == 0;
		atomic_store(&f->started, true);
	}
	pthread_mutex_unlock(&f->start);
}

/* ---- what workers call ---- */

static void
on_send(struct outbound *out, struct event *ev)
{
	struct fetch *f = container_of(out, struct fetch, outbound);
	bool first = queue_push(&f->inbox, ev);

	start_once(f);
	if (atomic_load(&f->broken))
		refuse_all(f);
	else if (first)
		wake(f);
}

static void
on_look(struct outbound *out)
{
	struct fetch *f = container_of(out, struct fetch, outbound);

	if (!atomic_exchange(&f->look, true))
		wake(f);
}

static const struct outbound_ops ops = { on_send, on_look };

struct outbound *
fetch_new(const struct settings *settings)
{
	struct fetch *f = xcalloc(1, sizeof *f);

	f->outbound.ops = &ops;
	f->settings = settings;
	queue_init(&f->inbox);
	must(pthread_mutex_init(&f->start, NULL) == 0);
	f->turns = xcalloc(settings->napps + 1, sizeof *f->turns);
	for (unsigned i = 0; i < settings->napps; i++)
		list_init(&f->turns[i].waiting);
	list_init(&f->running);
	list_init(&f->heads);
	timers_init(&f->timers);
	return &f->outbound;
}

void
fetch_free(struct outbound **out)
{
	struct fetch *f;

	if (*out == NULL)
		return;
	f = container_of(*out, struct fetch, outbound);
	*out = NULL;
	atomic_store(&f->stop, true);
	if (f->joins) {
		wake(f);
		pthread_join(f->thread, NULL);
	}
	must(list_empty(&f->running));
	timers_fini(&f->timers);
	queue_fini(&f->inbox);
	pthread_mutex_destroy(&f->start);
	free(f->broken);
	free(f->turns);
	free(f);
}

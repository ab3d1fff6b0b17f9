/* check_runtime.c -- the runtime over the real store: what was answered is on disk.
 *
 * The fake engine stores its number in the object's own database here, so
 * fake_store.h is answered by the real journal instead of fake_store.c.
 */
#include <check.h>
#include <ftw.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "fake_engine.h"
#include "store/kv.h"

static struct scene s;
static char dir[256];

/* ---- fake_store.h, really ---- */

static int
on_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

struct store *
fake_store_new(bool sync_at_once)
{
	struct store_options options = { .dir = dir, .journal_segment = 1 << 20, .open_files = 16, .overlay_max = 1 << 20,
		.shards = SCENE_WORKERS };
	struct store *st;

	must(!sync_at_once);
	st = store_open(&options);
	if (!st)
		ck_abort_msg("%s", err_text());
	return st;
}

void
fake_store_free(struct store **st)
{
	store_close(st);
}

unsigned
fake_store_open(const struct store *st)
{
	struct store_stats stats;

	store_stats((struct store *)st, &stats);
	return (unsigned)stats.databases_open;
}

int64_t
fake_db_number(struct db *db)
{
	struct str value;
	int64_t n = 0;

	if (kv_get(db, STR("n"), &value) == 1)
		memcpy(&n, value.p, sizeof(n));
	return n;
}

void
fake_db_set(struct db *db, int64_t n)
{
	kv_put(db, STR("n"), str_n(&n, sizeof(n)));	/* after the store failed it may refuse: the gate will say so */
}

void
fake_db_spoil(struct db *db, const char *why)
{
	(void)db, (void)why;
	must(!"not here");
}

/* ---- scenes ---- */

static void
begin(unsigned workers)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(dir, sizeof(dir), "%s/drey-check-XXXXXX", tmp ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	scene_open(&s, workers, false);
}

static void
end(void)
{
	scene_close(&s);
	nftw(dir, on_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* What an event loop does between ticks: nothing, until a timer is due or somebody calls wake.  A wake-up that was forgotten ends the test here. */
static void
wait_for_wake(struct worker *w)
{
	int64_t bound = clock_ms() + 20000;

	while (atomic_exchange(&s.wakes[w->index], 0) == 0 && worker_next(w) > clock_ms()) {
		must(clock_ms() < bound);
		sched_yield();
	}
}

static void
tick_until(const struct reply *r)
{
	while (worker_tick(s.w) || !r->came)
		if (!r->came && worker_next(s.w) > 0)
			wait_for_wake(s.w);
	ck_assert_uint_eq(r->came, 1);
}

START_TEST(a_counter_counts_through_sleep_and_through_a_restart)
{
	struct reply r;

	begin(1);
	for (int life = 0; life < 3; life++) {
		for (int i = 0; i < 10; i++) {
			scene_send(&s, &r, "a", "inc", "");
			tick_until(&r);
			ck_assert_uint_ge(store_durable(s.store), db_last_commit(scene_object(&s, "a")->db));
		}
		object_evict(scene_object(&s, "a"));
		scene_tick(&s);
		ck_assert_ptr_null(scene_object(&s, "a"));
	}
	ck_assert_str_eq(r.text, "30");
	scene_close(&s);
	scene_open(&s, 1, false);
	scene_send(&s, &r, "a", "inc", "");
	tick_until(&r);
	ck_assert_str_eq(r.text, "31");
	end();
}
END_TEST

START_TEST(a_name_is_found_in_the_file)
{
	struct reply r;
	struct event *ev;

	begin(1);
	scene_send(&s, &r, "room-7", "inc", "");
	tick_until(&r);
	scene_close(&s);
	scene_open(&s, 1, false);
	ev = scene_event(&s, &r, "room-7", "get", "");
	ev->name = (struct str){ NULL, 0 };
	worker_send(s.w, ev);
	tick_until(&r);
	ck_assert(str_eq(scene_object(&s, "room-7")->name, STR("room-7")));
	end();
}
END_TEST

START_TEST(a_journal_that_cannot_be_written_breaks_the_gates)
{
	struct rlimit was, tiny = { 1, 0 };
	struct reply saved, r, after;

	begin(1);
	signal(SIGXFSZ, SIG_IGN);
	scene_send(&s, &saved, "a", "inc", "");
	tick_until(&saved);
	ck_assert_str_eq(saved.text, "1");
	getrlimit(RLIMIT_FSIZE, &was);
	tiny.rlim_max = was.rlim_max;
	setrlimit(RLIMIT_FSIZE, &tiny);
	scene_send(&s, &r, "a", "inc", "");
	tick_until(&r);
	setrlimit(RLIMIT_FSIZE, &was);	/* Check writes a file too */
	ck_assert(r.failed && r.reset && !r.retryable);
	ck_assert_msg(strncmp(r.text, "storage failed: ", 16) == 0, "%s", r.text);
	ck_assert_ptr_nonnull(strstr(r.text, "; the write is not saved"));
	scene_send(&s, &after, "b", "get", "");
	tick_until(&after);
	ck_assert(after.failed);
	end();
}
END_TEST

/* ---- load on two threads ---- */

enum { LOAD_EVENTS = 10000, LOAD_OUT = 32, LOAD_OBJECTS = 50 };

struct load {
	struct worker *w;
	unsigned sent, came, bad;
	pthread_t thread;
};

static atomic_uint load_done;

static void
on_load(struct event *ev)
{
	struct load *l = ev->caller;

	l->bad += ev->failed;
	l->came++;
	event_free(&ev);
}

static const struct transport load_transport = { on_load };

static void
load_send(struct load *l)
{
	const struct class *class = &s.runtime.apps[0].classes[0];
	struct event *ev = event_new(EVENT_CALL, &load_transport, l, l->w);

	ev->app = class->app;
	ev->class = class;
	ev->name = str_c(arena_printf(&ev->arena, "n%u", l->sent++ % LOAD_OBJECTS));
	id_from_name(&class->key, ev->name, &ev->id);
	ev->method = STR("inc");
	ev->args = STR("");
	worker_send(l->w, ev);
}

static void *
on_run(void *arg)
{
	struct load *l = arg;
	unsigned came;

	while (l->came < LOAD_EVENTS) {
		while (l->sent < LOAD_EVENTS && l->sent - l->came < LOAD_OUT)
			load_send(l);
		came = l->came;
		if (!worker_tick(l->w) && l->came == came)
			wait_for_wake(l->w);
	}
	atomic_fetch_add(&load_done, 1);
	while (atomic_load(&load_done) < 2 || !worker_idle(l->w))
		if (!worker_tick(l->w))
			sched_yield();
	return NULL;
}

START_TEST(two_workers_count_exactly_while_objects_are_put_to_sleep)
{
	struct load load[2];
	struct reply r;
	int64_t start = clock_us(), sum = 0;
	char name[16];

	s.app_conf.chaos_evict_ms = 2;
	begin(2);
	for (unsigned i = 0; i < 2; i++) {
		load[i] = (struct load){ .w = s.runtime.workers[i] };
		ck_assert_int_eq(pthread_create(&load[i].thread, NULL, on_run, &load[i]), 0);
	}
	for (unsigned i = 0; i < 2; i++)
		pthread_join(load[i].thread, NULL);
	if (getenv("CK_VERBOSE"))
		printf("%d durable increments: %.1f us each, %u + %u instances\n", 2 * LOAD_EVENTS,
			(double)(clock_us() - start) / (2 * LOAD_EVENTS), s.engines[0].wakes, s.engines[1].wakes);
	ck_assert_uint_eq(load[0].bad + load[1].bad, 0);
	ck_assert_uint_gt(s.engines[0].forgets + s.engines[1].forgets, 0);
	scene_close(&s);
	scene_open(&s, 1, false);	/* one worker now: who owns an object is decided anew */
	for (unsigned i = 0; i < LOAD_OBJECTS; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		scene_send(&s, &r, name, "get", "");
		tick_until(&r);
		sum += atoll(r.text);
	}
	ck_assert_int_eq(sum, 2 * LOAD_EVENTS);
	end();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("runtime");
	TCase *t = tcase_create("runtime");
	SRunner *sr;
	int failed;

	store_configure_sqlite();
	sr = srunner_create(suite);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, a_counter_counts_through_sleep_and_through_a_restart);
	tcase_add_test(t, a_name_is_found_in_the_file);
	tcase_add_test(t, a_journal_that_cannot_be_written_breaks_the_gates);
	tcase_add_test(t, two_workers_count_exactly_while_objects_are_put_to_sleep);
	suite_add_tcase(suite, t);
	srunner_run_all(sr, getenv("CK_VERBOSE") ? CK_VERBOSE : CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

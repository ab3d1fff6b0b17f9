/* check_timers.c -- timers on a heap; time is a number here, nobody sleeps. */
#include <check.h>
#include <stdlib.h>

#include "base/list.h"
#include "base/timers.h"

static struct timers ts;

struct probe {
	struct timer t;
	int fired;
};

static int64_t last_due;
static unsigned total;

static void
on_fire(struct timer *t)
{
	struct probe *p = container_of(t, struct probe, t);

	ck_assert(!timer_is_set(t));
	ck_assert_int_ge(t->due_ms, last_due);
	last_due = t->due_ms;
	p->fired++;
	total++;
}

START_TEST(an_empty_heap_waits_for_ever)
{
	timers_init(&ts);
	ck_assert(timers_next(&ts) == INT64_MAX);
	ck_assert_uint_eq(timers_run(&ts, INT64_MAX), 0);
	timers_fini(&ts);
}
END_TEST

START_TEST(due_timers_fire_in_order_and_others_wait)
{
	struct probe p[1000];
	unsigned due = 0;

	timers_init(&ts);
	srandom(2);
	last_due = -1;
	for (int i = 0; i < 1000; i++) {
		timer_init(&p[i].t, on_fire);
		p[i].fired = 0;
		timer_set(&ts, &p[i].t, random() % 10000);
		due += p[i].t.due_ms <= 5000;
	}
	ck_assert_uint_eq(timers_run(&ts, 5000), due);
	for (int i = 0; i < 1000; i++) {
		ck_assert_int_eq(p[i].fired, p[i].t.due_ms <= 5000);
		ck_assert_int_eq(timer_is_set(&p[i].t), p[i].t.due_ms > 5000);
	}
	ck_assert_int_gt(timers_next(&ts), 5000);
	ck_assert_uint_eq(timers_run(&ts, 10000), 1000 - due);
	ck_assert(timers_next(&ts) == INT64_MAX);
	timers_fini(&ts);
}
END_TEST

static struct probe row[200];
static int expected;

static void
on_fire_in_turn(struct timer *t)
{
	struct probe *p = container_of(t, struct probe, t);

	ck_assert_int_eq(p - row, expected);
	expected++;
}

START_TEST(timers_of_one_due_time_fire_in_the_order_they_were_set)
{
	timers_init(&ts);
	expected = 0;
	for (int i = 0; i < 200; i++)
		timer_init(&row[i].t, on_fire_in_turn);
	/* Some are set late or twice, and two due times lie side by side. */
	for (int i = 199; i >= 100; i -= 3)
		timer_set(&ts, &row[i].t, 5);
	for (int i = 0; i < 200; i++)
		timer_set(&ts, &row[i].t, i < 100 ? 7 : 8);
	ck_assert_uint_eq(timers_run(&ts, 8), 200);
	ck_assert_int_eq(expected, 200);
	timers_fini(&ts);
}
END_TEST

START_TEST(a_timer_moves_both_ways_and_can_be_cleared)
{
	struct probe a = { 0 }, b = { 0 };

	timers_init(&ts);
	last_due = -1;
	timer_init(&a.t, on_fire);
	timer_init(&b.t, on_fire);
	timer_clear(&ts, &a.t);			/* harmless */
	timer_set(&ts, &a.t, 100);
	timer_set(&ts, &b.t, 200);
	timer_set(&ts, &b.t, 50);
	ck_assert_int_eq(timers_next(&ts), 50);
	timer_set(&ts, &b.t, 300);
	ck_assert_int_eq(timers_next(&ts), 100);
	timer_clear(&ts, &a.t);
	ck_assert(!timer_is_set(&a.t));
	ck_assert_int_eq(timers_next(&ts), 300);
	ck_assert_uint_eq(timers_run(&ts, 299), 0);
	ck_assert_uint_eq(timers_run(&ts, 300), 1);
	ck_assert_int_eq(a.fired, 0);
	ck_assert_int_eq(b.fired, 1);
	timers_fini(&ts);
}
END_TEST

/* Every timer knows its place, and no parent is due after its child. */
static bool
heap_is_good(void)
{
	for (size_t i = 0; i < ts.n; i++)
		if (ts.heap[i]->slot != i + 1 || ts.heap[(i ? i - 1 : 0) / 2]->due_ms > ts.heap[i]->due_ms)
			return false;
	return true;
}

START_TEST(a_random_walk_keeps_the_heap_in_order)
{
	struct probe p[300];

	timers_init(&ts);
	srandom(3);
	for (int i = 0; i < 300; i++)
		timer_init(&p[i].t, on_fire);
	for (int step = 0; step < 20000; step++) {
		struct timer *t = &p[random() % 300].t;

		if (random() % 3)
			timer_set(&ts, t, random() % 1000);
		else
			timer_clear(&ts, t);
		if (!heap_is_good())
			ck_abort_msg("step %d", step);
	}
	last_due = -1;
	timers_run(&ts, 1000);
	ck_assert_uint_eq(ts.n, 0);
	timers_fini(&ts);
}
END_TEST

static void
on_fire_again(struct timer *t)
{
	total++;
	timer_set(&ts, t, t->due_ms);
}

START_TEST(a_timer_that_sets_itself_for_now_waits_for_the_next_run)
{
	struct probe again = { 0 }, other = { 0 };

	timers_init(&ts);
	total = 0;
	last_due = -1;
	timer_init(&again.t, on_fire_again);
	timer_init(&other.t, on_fire);
	timer_set(&ts, &again.t, 10);
	ck_assert_uint_eq(timers_run(&ts, 20), 1);
	ck_assert_uint_eq(timers_run(&ts, 20), 1);
	ck_assert_uint_eq(total, 2);
	ck_assert(timer_is_set(&again.t));
	timers_fini(&ts);
	ck_assert(!timer_is_set(&again.t));
}
END_TEST

static void
on_fire_free(struct timer *t)
{
	free(container_of(t, struct probe, t));
	total++;
}

START_TEST(a_timer_may_be_freed_by_its_own_callback)
{
	timers_init(&ts);
	total = 0;
	for (int i = 0; i < 100; i++) {
		struct probe *p = calloc(1, sizeof(*p));

		timer_init(&p->t, on_fire_free);
		timer_set(&ts, &p->t, i % 7);
	}
	ck_assert_uint_eq(timers_run(&ts, 7), 100);
	ck_assert_uint_eq(total, 100);
	timers_fini(&ts);
}
END_TEST

static struct probe victim;

static void
on_fire_clear_victim(struct timer *t)
{
	(void)t;
	timer_clear(&ts, &victim.t);
}

START_TEST(a_timer_cleared_by_an_earlier_one_does_not_fire)
{
	struct probe killer = { 0 };

	timers_init(&ts);
	timer_init(&killer.t, on_fire_clear_victim);
	timer_init(&victim.t, on_fire);
	timer_set(&ts, &killer.t, 1);
	timer_set(&ts, &victim.t, 2);
	ck_assert_uint_eq(timers_run(&ts, 5), 1);
	ck_assert_int_eq(victim.fired, 0);
	timers_fini(&ts);
}
END_TEST

START_TEST(the_heap_gives_memory_back)
{
	static struct probe p[10000];

	timers_init(&ts);
	last_due = -1;
	for (int i = 0; i < 10000; i++) {
		timer_init(&p[i].t, on_fire);
		timer_set(&ts, &p[i].t, i);
	}
	ck_assert_uint_ge(ts.cap, 10000);
	ck_assert_uint_eq(timers_run(&ts, 10000), 10000);
	ck_assert_uint_le(ts.cap, 16);
	timers_fini(&ts);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("timers");
	TCase *tc = tcase_create("timers");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_add_test(tc, an_empty_heap_waits_for_ever);
	tcase_add_test(tc, due_timers_fire_in_order_and_others_wait);
	tcase_add_test(tc, timers_of_one_due_time_fire_in_the_order_they_were_set);
	tcase_add_test(tc, a_timer_moves_both_ways_and_can_be_cleared);
	tcase_add_test(tc, a_random_walk_keeps_the_heap_in_order);
	tcase_add_test(tc, a_timer_that_sets_itself_for_now_waits_for_the_next_run);
	tcase_add_test(tc, a_timer_may_be_freed_by_its_own_callback);
	tcase_add_test(tc, a_timer_cleared_by_an_earlier_one_does_not_fire);
	tcase_add_test(tc, the_heap_gives_memory_back);
	srunner_run_all(sr, getenv("CK_VERBOSE") ? CK_VERBOSE : CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

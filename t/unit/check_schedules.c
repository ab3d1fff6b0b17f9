/* check_schedules.c -- thousands of random lives of a few objects keep every promise, and a broken gate does not get by.
 *
 * SCHEDULES=n in the environment: how many lives (5,000 unless set); SCHEDULE_SEED=n: the first seed.
 * A fault names its seed; SCHEDULE_SEED=seed SCHEDULES=1 lives that life again.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "schedule.h"

enum { CAUGHT_BY_JUDGE = 3, NOT_CAUGHT = 4, LIVES_TO_CATCH = 400 };

static unsigned long
number(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoul(text, NULL, 10) : otherwise;
}

static void
add(struct life *sum, const struct life *life)
{
	sum->steps += life->steps;
	sum->events += life->events;
	sum->calls += life->calls;
	sum->commits += life->commits;
	sum->parks += life->parks;
	sum->locks += life->locks;
	sum->transactions += life->transactions;
	sum->removals += life->removals;
	sum->resets += life->resets;
	sum->sleeps += life->sleeps;
	sum->cuts += life->cuts;
	sum->refusals += life->refusals;
	sum->abandoned += life->abandoned;
}

START_TEST(every_promise_holds_in_thousands_of_random_lives)
{
	unsigned long n = number("SCHEDULES", 5000), seed = number("SCHEDULE_SEED", 1);
	struct life sum = { 0 }, life;

	for (unsigned long i = 0; i < n; i++) {
		schedule_run(seed + i, &life);
		if (life.fault[0])
			ck_abort_msg("seed %lu, step %u: %s", seed + i, life.steps, life.fault);
		add(&sum, &life);
	}
	printf("%lu lives: %u events, %u calls, %u commits, %u parks, %u locks, %u transactions, %u resets, %u sleeps, %u power cuts, "
	    "%u refused commits, %u callers gone, %u tasks removed\n", n, sum.events, sum.calls, sum.commits, sum.parks, sum.locks,
	    sum.transactions, sum.resets, sum.sleeps, sum.cuts, sum.refusals, sum.abandoned, sum.removals);
	if (n >= 5000)		/* the dice must not have left a part of it out */
		ck_assert(sum.calls && sum.locks && sum.transactions && sum.removals && sum.resets && sum.sleeps && sum.cuts && sum.refusals && sum.abandoned);
}
END_TEST

START_TEST(the_same_seed_gives_the_same_life)
{
	struct life a, b;

	for (uint64_t seed = 1; seed < 50; seed++) {
		schedule_run(seed, &a);
		schedule_run(seed, &b);
		ck_assert_mem_eq(&a, &b, sizeof(a));
	}
}
END_TEST

/* In a child: a broken gate may also run into an assertion, which is as good. */
static int
live_broken(enum breakage how)
{
	struct life life;

	breakage = how;
	freopen("/dev/null", "w", stderr);
	for (uint64_t seed = 1; seed <= LIVES_TO_CATCH; seed++) {
		schedule_run(seed, &life);
		if (life.fault[0])
			return CAUGHT_BY_JUDGE;
	}
	return NOT_CAUGHT;
}

START_TEST(a_broken_gate_is_noticed)
{
	pid_t child = fork();
	int status;

	ck_assert(child >= 0);
	if (child == 0)
		_exit(live_broken((enum breakage)_i));
	ck_assert(waitpid(child, &status, 0) == child);
	ck_assert_msg(WIFSIGNALED(status) || WEXITSTATUS(status) != NOT_CAUGHT, "breakage %d went unnoticed in %d lives", _i, LIVES_TO_CATCH);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != CAUGHT_BY_JUDGE)
		printf("breakage %d: an assertion was faster than the judge\n", _i);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("schedules");
	TCase *tc = tcase_create("schedules");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 600);
	tcase_add_test(tc, every_promise_holds_in_thousands_of_random_lives);
	tcase_add_test(tc, the_same_seed_gives_the_same_life);
	tcase_add_loop_test(tc, a_broken_gate_is_noticed, SOUND + 1, BREAKAGES);
	suite_add_tcase(suite, tc);
	sr = srunner_create(suite);
	srunner_run_all(sr, getenv("CK_VERBOSE") ? CK_VERBOSE : CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

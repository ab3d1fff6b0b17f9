/* check_clock.c -- what time it is. */
#include <check.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include "base/clock.h"

START_TEST(monotonic_time_only_moves_forward)
{
	int64_t us = clock_us(), ms = clock_ms();

	for (int i = 0; i < 10000; i++) {
		int64_t us2 = clock_us(), ms2 = clock_ms();

		ck_assert_int_ge(us2, us);
		ck_assert_int_ge(ms2, ms);
		us = us2;
		ms = ms2;
	}
	ck_assert_int_gt(us, 0);
}
END_TEST

START_TEST(both_monotonic_units_tell_the_same_time)
{
	int64_t before = clock_us() / 1000, ms = clock_ms(), after = clock_us() / 1000;

	ck_assert_int_le(before, ms);
	ck_assert_int_le(ms, after);
}
END_TEST

START_TEST(wall_time_is_the_systems_and_never_goes_back)
{
	struct timeval tv;
	int64_t before, t;

	gettimeofday(&tv, NULL);
	before = (int64_t)tv.tv_sec * 1000 + tv.tv_usec / 1000;
	t = clock_wall_ms();
	ck_assert_int_ge(t, before - 1);	/* gettimeofday and the coarse end of a millisecond */
	ck_assert_int_lt(t, before + 60000);
	for (int i = 0; i < 10000; i++) {
		int64_t t2 = clock_wall_ms();

		ck_assert_int_ge(t2, t);
		t = t2;
	}
}
END_TEST

START_TEST(a_stamp_is_utc_with_milliseconds)
{
	char s[64], want[32];
	regex_t re;
	time_t before, after;
	struct tm tm;
	int n;

	setenv("TZ", "America/New_York", 1);
	tzset();
	ck_assert_int_eq(regcomp(&re, "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z$", REG_EXTENDED), 0);
	do {	/* again only if the second changed under our hands */
		before = time(NULL);
		n = clock_stamp(s, sizeof(s));
		after = time(NULL);
	} while (before != after);
	ck_assert_int_eq(n, 24);
	ck_assert_uint_eq(strlen(s), 24);
	ck_assert_int_eq(regexec(&re, s, 0, NULL, 0), 0);
	strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%S", gmtime_r(&before, &tm));
	s[19] = '\0';
	ck_assert_str_eq(s, want);
	regfree(&re);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("clock");
	TCase *tc = tcase_create("clock");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_add_test(tc, monotonic_time_only_moves_forward);
	tcase_add_test(tc, both_monotonic_units_tell_the_same_time);
	tcase_add_test(tc, wall_time_is_the_systems_and_never_goes_back);
	tcase_add_test(tc, a_stamp_is_utc_with_milliseconds);
	srunner_run_all(sr, getenv("CK_VERBOSE") ? CK_VERBOSE : CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

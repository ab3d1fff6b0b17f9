/* check_values.c -- units, flags and names, read and written. */
#include <check.h>
#include <stdlib.h>

#include "conf/values.h"

START_TEST(sizes_times_and_numbers_are_read_exactly)
{
	static const struct {
		bool (*read)(const char *, int64_t *);
		const char *text;
		int64_t want;		/* -1: refused */
	} cases[] = {
		{ value_size, "0", 0 }, { value_size, "512", 512 }, { value_size, "64k", 65536 }, { value_size, "64K", 65536 },
		{ value_size, "32m", 33554432 }, { value_size, "10g", INT64_C(10737418240) }, { value_size, "", -1 },
		{ value_size, "k", -1 }, { value_size, "-1", -1 }, { value_size, "1.5m", -1 }, { value_size, "1 m", -1 },
		{ value_size, "1kk", -1 }, { value_size, "8589934592g", -1 }, { value_size, "8589934591g", INT64_C(8589934591) << 30 },
		{ value_size, "9223372036854775807", INT64_MAX }, { value_size, "9223372036854775808", -1 },
		{ value_time, "10s", 10000 }, { value_time, "500ms", 500 }, { value_time, "15m", 900000 }, { value_time, "2h", 7200000 },
		{ value_time, "1d", 86400000 }, { value_time, "1h30m", 5400000 }, { value_time, "1m30s5ms", 90005 },
		{ value_time, "7", 7000 }, { value_time, "0", 0 }, { value_time, "30m1h", -1 }, { value_time, "1h1h", -1 },
		{ value_time, "1h30", -1 }, { value_time, "", -1 }, { value_time, "s", -1 }, { value_time, "-5s", -1 },
		{ value_time, "9223372036854775807", -1 }, { value_time, "106751991168d", -1 }, { value_number, "42", 42 },
		{ value_number, "042", 42 }, { value_number, "+42", -1 }, { value_number, "4 2", -1 }, { value_number, "", -1 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t got;
		bool ok = cases[i].read(cases[i].text, &got);

		ck_assert_msg(ok == (cases[i].want >= 0), "\"%s\"", cases[i].text);
		if (ok)
			ck_assert_int_eq(got, cases[i].want);
	}
}
END_TEST

START_TEST(a_value_written_reads_back)
{
	static const int64_t numbers[] = { 0, 1, 999, 1000, 1023, 1024, 1500, 60000, 90000, 1 << 20, 86400000, INT64_MAX };
	struct buf b = { 0 };
	int64_t got;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		buf_clear(&b);
		value_print_size(&b, numbers[i]);
		ck_assert(value_size(b.p, &got));
		ck_assert_int_eq(got, numbers[i]);
		buf_clear(&b);
		value_print_time(&b, numbers[i]);
		ck_assert(value_time(b.p, &got));
		ck_assert_int_eq(got, numbers[i]);
	}
	buf_fini(&b);
}
END_TEST

START_TEST(flags_are_on_and_off_and_nothing_else)
{
	bool flag;

	ck_assert(value_flag("on", &flag) && flag);
	ck_assert(value_flag("OFF", &flag) && !flag);
	ck_assert(!value_flag("yes", &flag));
	ck_assert(!value_flag("", &flag));
}
END_TEST

START_TEST(what_was_meant_is_guessed_where_it_is_plain)
{
	struct buf b = { 0 };

	ck_assert_str_eq(value_guess_size("10GB", &b), "10g");
	ck_assert_str_eq(value_guess_size("10 kib", &b), "10k");
	ck_assert_str_eq(value_guess_size("10bytes", &b), "10");
	ck_assert_ptr_null(value_guess_size("many", &b));
	ck_assert_ptr_null(value_guess_size("10x", &b));
	ck_assert_str_eq(value_guess_time("5min", &b), "5m");
	ck_assert_str_eq(value_guess_time("5_minutes", &b), "5m");
	ck_assert_ptr_null(value_guess_time("soon", &b));
	ck_assert_str_eq(value_guess_flag("True"), "on");
	ck_assert_str_eq(value_guess_flag("0"), "off");
	ck_assert_ptr_null(value_guess_flag("maybe"));
	buf_fini(&b);
}
END_TEST

START_TEST(words_are_quoted_only_where_the_lexer_needs_it)
{
	static const struct {
		const char *word, *want;
	} cases[] = {
		{ "plain", "plain" }, { "/a/b-c.d:80", "/a/b-c.d:80" }, { "a#b", "a#b" }, { "", "\"\"" }, { "#a", "\"#a\"" },
		{ "a b", "\"a b\"" }, { "a;b", "\"a;b\"" }, { "a{b}", "\"a{b}\"" }, { "a\"b", "\"a\\\"b\"" },
		{ "a\\b", "\"a\\\\b\"" }, { "a'b", "\"a'b\"" },
	};
	struct buf b = { 0 };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buf_clear(&b);
		value_print_word(&b, cases[i].word);
		ck_assert_str_eq(b.p, cases[i].want);
	}
	buf_fini(&b);
}
END_TEST

START_TEST(names_are_lua_names)
{
	ck_assert(value_is_name("Counter"));
	ck_assert(value_is_name("_x9"));
	ck_assert(!value_is_name(""));
	ck_assert(!value_is_name("9x"));
	ck_assert(!value_is_name("a-b"));
	ck_assert(!value_is_name("caf\xc3\xa9"));
}
END_TEST

START_TEST(distance_counts_letters_and_swaps)
{
	ck_assert_uint_eq(value_distance("listen", "listen"), 0);
	ck_assert_uint_eq(value_distance("listen", "lissen"), 1);
	ck_assert_uint_eq(value_distance("listen", "litsen"), 1);
	ck_assert_uint_eq(value_distance("listen", "liste"), 1);
	ck_assert_uint_eq(value_distance("", "abc"), 3);
	ck_assert_uint_eq(value_distance("abc", "xyz"), 3);
	ck_assert_uint_eq(value_distance("a_name_that_is_longer_than_32_letters", "a"), 64);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("values");
	TCase *tc = tcase_create("values");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_add_test(tc, sizes_times_and_numbers_are_read_exactly);
	tcase_add_test(tc, a_value_written_reads_back);
	tcase_add_test(tc, flags_are_on_and_off_and_nothing_else);
	tcase_add_test(tc, what_was_meant_is_guessed_where_it_is_plain);
	tcase_add_test(tc, words_are_quoted_only_where_the_lexer_needs_it);
	tcase_add_test(tc, names_are_lua_names);
	tcase_add_test(tc, distance_counts_letters_and_swaps);
	srunner_run_all(sr, getenv("CK_VERBOSE") ? CK_VERBOSE : CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

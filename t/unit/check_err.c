/* check_err.c -- codes, texts and must(). */
#include <check.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

START_TEST(a_text_is_set_once_and_read_at_the_border)
{
	ck_assert_int_eq(err_set(ERR_STORE, "open %s: %s", "a.sqlite", "denied"), ERR_STORE);
	ck_assert_int_eq(err_code(), ERR_STORE);
	ck_assert_str_eq(err_text(), "open a.sqlite: denied");
}
END_TEST

START_TEST(a_text_may_wrap_the_one_below)
{
	err_set(ERR_IO, "disk full");
	err_set(ERR_STORE, "commit 7: %s", err_text());
	ck_assert_str_eq(err_text(), "commit 7: disk full");
}
END_TEST

START_TEST(a_text_too_long_is_cut_not_overrun)
{
	char *long_text = malloc(100000);

	memset(long_text, 'x', 99999);
	long_text[99999] = '\0';
	err_set(ERR_IO, "%s", long_text);
	ck_assert_uint_lt(strlen(err_text()), 5000);
	ck_assert_uint_gt(strlen(err_text()), 1000);
	free(long_text);
}
END_TEST

START_TEST(every_code_has_a_name_and_no_other_number_has)
{
	static const struct {
		int code;
		const char *name;
	} want[] = {
		{ OK, "ok" }, { ERR_MEMORY, "memory" }, { ERR_IO, "io" }, { ERR_CONF, "conf" },
		{ ERR_STORE, "store" }, { ERR_CORRUPT, "corrupt" }, { ERR_LIMIT, "limit" },
		{ ERR_OVERLOADED, "overloaded" }, { ERR_GONE, "gone" }, { ERR_ARGUMENT, "argument" },
		{ ERR_LUA, "lua" }, { ERR_BUSY, "busy" }, { 1, "unknown" }, { ERR_BUSY - 1, "unknown" },
	};

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		ck_assert_str_eq(err_name(want[i].code), want[i].name);
}
END_TEST

static void *
other_thread(void *arg)
{
	(void)arg;
	err_set(ERR_LUA, "theirs");
	return NULL;
}

START_TEST(threads_do_not_see_each_others_errors)
{
	pthread_t t;

	err_set(ERR_IO, "mine");
	ck_assert_int_eq(pthread_create(&t, NULL, other_thread, NULL), 0);
	pthread_join(t, NULL);
	ck_assert_str_eq(err_text(), "mine");
	ck_assert_int_eq(err_code(), ERR_IO);
}
END_TEST

START_TEST(must_aborts_when_the_world_is_not_as_promised)
{
	must(1 + 1 == 2);
	must(1 + 1 == 3);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("err");
	TCase *tc = tcase_create("err");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_add_test(tc, a_text_is_set_once_and_read_at_the_border);
	tcase_add_test(tc, a_text_may_wrap_the_one_below);
	tcase_add_test(tc, a_text_too_long_is_cut_not_overrun);
	tcase_add_test(tc, every_code_has_a_name_and_no_other_number_has);
	tcase_add_test(tc, threads_do_not_see_each_others_errors);
	tcase_add_test_raise_signal(tc, must_aborts_when_the_world_is_not_as_promised, SIGABRT);
	srunner_run_all(sr, getenv("CK_VERBOSE") ? CK_VERBOSE : CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

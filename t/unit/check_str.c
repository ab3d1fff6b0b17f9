/* check_str.c -- slices and growing buffers. */
#include <check.h>
#include <stdlib.h>

#include "base/str.h"

START_TEST(slices_compare_by_bytes_and_length)
{
	ck_assert(str_eq(STR("abc"), str_c("abc")));
	ck_assert(!str_eq(STR("abc"), STR("abd")));
	ck_assert(!str_eq(STR("abc"), STR("ab")));
	ck_assert(str_eq(str_n("a\0b", 3), str_n("a\0b", 3)));
	ck_assert(!str_eq(str_n("a\0b", 3), str_n("a\0c", 3)));
	ck_assert(str_eq(STR(""), str_c(NULL)));
}
END_TEST

START_TEST(order_is_by_unsigned_bytes_then_the_shorter_first)
{
	ck_assert_int_lt(str_cmp(STR("a"), STR("b")), 0);
	ck_assert_int_gt(str_cmp(STR("b"), STR("a")), 0);
	ck_assert_int_lt(str_cmp(STR("a"), STR("ab")), 0);
	ck_assert_int_gt(str_cmp(STR("ab"), STR("a")), 0);
	ck_assert_int_gt(str_cmp(STR("\xff"), STR("a")), 0);
	ck_assert_int_eq(str_cmp(STR("ab"), STR("ab")), 0);
	ck_assert_int_eq(str_cmp(STR(""), str_c(NULL)), 0);
}
END_TEST

START_TEST(case_is_folded_for_ascii_only)
{
	ck_assert(str_ieq(STR("Content-Length"), STR("content-LENGTH")));
	ck_assert(!str_ieq(STR("content-length"), STR("content-lengt")));
	ck_assert(!str_ieq(STR("\xc4"), STR("\xe4")));
	ck_assert(!str_ieq(STR("["), STR("{")));	/* 0x20 apart, and no letters */
	ck_assert(!str_ieq(STR("@"), STR("`")));
}
END_TEST

START_TEST(a_prefix_is_found_only_where_it_is)
{
	ck_assert(str_starts(STR("/counter/x"), STR("/counter/")));
	ck_assert(str_starts(STR("x"), STR("")));
	ck_assert(str_starts(STR(""), STR("")));
	ck_assert(!str_starts(STR("/count"), STR("/counter/")));
	ck_assert(!str_starts(STR("/cOunter/"), STR("/counter/")));
}
END_TEST

START_TEST(a_buffer_grows_and_stays_terminated)
{
	struct buf b = { 0 };

	for (int i = 0; i < 10000; i++)
		buf_byte(&b, (unsigned char)('a' + i % 26));
	ck_assert_uint_eq(b.n, 10000);
	ck_assert_uint_lt(b.n, b.cap);
	ck_assert_int_eq(b.p[10000], '\0');
	for (int i = 0; i < 10000; i++)
		ck_assert_int_eq(b.p[i], 'a' + i % 26);
	buf_fini(&b);
	ck_assert_ptr_null(b.p);
}
END_TEST

START_TEST(a_buffer_holds_any_byte)
{
	struct buf b = { 0 };

	buf_c(&b, "x");
	buf_byte(&b, 0);
	buf_add(&b, "\0y", 2);
	buf_str(&b, STR("z"));
	ck_assert(str_eq(buf_slice(&b), str_n("x\0\0yz", 5)));
	buf_fini(&b);
}
END_TEST

START_TEST(printf_into_a_buffer_takes_the_room_it_needs)
{
	struct buf b = { 0 };
	char *want = xasprintf("%0*d-%s", 5000, 42, "end");

	buf_printf(&b, "%0*d", 5000, 42);
	buf_printf(&b, "-%s", "end");
	buf_printf(&b, "%s", "");
	ck_assert_uint_eq(b.n, 5004);
	ck_assert_str_eq(b.p, want);
	free(want);
	buf_fini(&b);
}
END_TEST

START_TEST(a_cleared_buffer_keeps_its_memory)
{
	struct buf b = { 0 };
	char *p;

	buf_clear(&b);			/* an empty one too */
	buf_c(&b, "hello");
	p = b.p;
	buf_clear(&b);
	ck_assert_uint_eq(b.n, 0);
	ck_assert_str_eq(b.p, "");
	buf_c(&b, "ho");
	ck_assert_ptr_eq(b.p, p);
	ck_assert_str_eq(b.p, "ho");
	buf_fini(&b);
}
END_TEST

START_TEST(a_reserve_beyond_memory_aborts_with_a_message)
{
	struct buf b = { 0 };

	buf_c(&b, "x");
	buf_reserve(&b, SIZE_MAX);
}
END_TEST

START_TEST(allocations_of_nothing_are_something)
{
	void *p = xmalloc(0), *q = xcalloc(0, 0);

	ck_assert_ptr_nonnull(p);
	ck_assert_ptr_nonnull(q);
	p = xrealloc(p, 0);
	ck_assert_ptr_nonnull(p);
	free(p);
	free(q);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("str");
	TCase *tc = tcase_create("str");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_add_test(tc, slices_compare_by_bytes_and_length);
	tcase_add_test(tc, order_is_by_unsigned_bytes_then_the_shorter_first);
	tcase_add_test(tc, case_is_folded_for_ascii_only);
	tcase_add_test(tc, a_prefix_is_found_only_where_it_is);
	tcase_add_test(tc, a_buffer_grows_and_stays_terminated);
	tcase_add_test(tc, a_buffer_holds_any_byte);
	tcase_add_test(tc, printf_into_a_buffer_takes_the_room_it_needs);
	tcase_add_test(tc, a_cleared_buffer_keeps_its_memory);
	tcase_add_test_raise_signal(tc, a_reserve_beyond_memory_aborts_with_a_message, 6);
	tcase_add_test(tc, allocations_of_nothing_are_something);
	srunner_run_all(sr, getenv("CK_VERBOSE") ? CK_VERBOSE : CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

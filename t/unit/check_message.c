/* check_message.c -- messages: copies that borrow nothing, headers that grow. */
#include <check.h>
#include <stdlib.h>

#include "object/message.h"

START_TEST(a_copy_outlives_what_it_was_copied_from)
{
	char method[] = "POST", path[] = "/a?b=c", name[] = "X-One", value[] = "1", body[] = "b\0dy";
	struct header h = { str_c(name), str_c(value) };
	struct message from = { .method = str_c(method), .path = str_c(path), .headers = &h, .nheaders = 1,
		.body = str_n(body, 4), .status = 201 }, to;
	struct arena a;

	arena_init(&a);
	message_copy(&a, &to, &from);
	memset(method, 'x', 4), memset(path, 'x', 6), memset(name, 'x', 5), memset(value, 'x', 1), memset(body, 'x', 4);
	memset(&h, 0, sizeof(h));
	ck_assert(str_eq(to.method, STR("POST")));
	ck_assert(str_eq(to.path, STR("/a?b=c")));
	ck_assert(str_eq(to.body, str_n("b\0dy", 4)));
	ck_assert(str_eq(message_header(&to, STR("x-one")), STR("1")));
	ck_assert_int_eq(to.status, 201);
	ck_assert_ptr_null(to.authority.p);
	arena_fini(&a);
}
END_TEST

START_TEST(no_body_and_an_empty_body_stay_apart)
{
	struct message none = { .status = 204 }, empty = { .body = STR("") }, to;
	struct arena a;

	arena_init(&a);
	message_copy(&a, &to, &none);
	ck_assert_ptr_null(to.body.p);
	message_copy(&a, &to, &empty);
	ck_assert_ptr_nonnull(to.body.p);
	ck_assert_uint_eq(to.body.n, 0);
	arena_fini(&a);
}
END_TEST

START_TEST(a_header_is_found_without_case_and_the_first_one_wins)
{
	struct message m = { .status = 200 };
	struct arena a;

	arena_init(&a);
	message_add_header(&a, &m, STR("Accept"), STR("a"));
	message_add_header(&a, &m, STR("ACCEPT"), STR("b"));
	ck_assert(str_eq(message_header(&m, STR("aCCEPT")), STR("a")));
	ck_assert_ptr_null(message_header(&m, STR("Accep")).p);
	arena_fini(&a);
}
END_TEST

START_TEST(adding_a_header_leaves_a_borrowed_array_alone)
{
	struct header theirs[] = { { STR("A"), STR("1") }, { STR("guard"), STR("guard") } };
	struct message m = { .headers = theirs, .nheaders = 1 };
	struct arena a;

	arena_init(&a);
	for (int i = 0; i < 100; i++)
		message_add_header(&a, &m, STR("X"), str_c(arena_printf(&a, "%d", i)));
	ck_assert(str_eq(theirs[1].name, STR("guard")));
	ck_assert_uint_eq(m.nheaders, 101);
	ck_assert(str_eq(m.headers[0].value, STR("1")));
	ck_assert(str_eq(m.headers[100].value, STR("99")));
	arena_fini(&a);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("message");
	TCase *t = tcase_create("message");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_test(t, a_copy_outlives_what_it_was_copied_from);
	tcase_add_test(t, no_body_and_an_empty_body_stay_apart);
	tcase_add_test(t, a_header_is_found_without_case_and_the_first_one_wins);
	tcase_add_test(t, adding_a_header_leaves_a_borrowed_array_alone);
	suite_add_tcase(s, t);
	srunner_run_all(sr, getenv("CK_VERBOSE") ? CK_VERBOSE : CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* check_event.c -- events: one allocation, one copy, the first failure. */
#include <check.h>
#include <malloc.h>
#include <stdlib.h>

#include "object/event.h"

static struct event *
event(void)
{
	return event_new(EVENT_CALL, NULL, NULL, NULL);
}

START_TEST(owning_copies_what_was_borrowed_and_does_so_once)
{
	char name[] = "room", path[] = "/x";
	struct event *ev = event();
	const char *mine;

	ev->name = str_c(name);
	ev->request.path = str_c(path);
	event_own(ev);
	memset(name, '!', 4), memset(path, '!', 2);
	ck_assert(str_eq(ev->name, STR("room")));
	ck_assert(str_eq(ev->request.path, STR("/x")));
	mine = ev->name.p;
	event_own(ev);
	ck_assert_ptr_eq(ev->name.p, mine);
	ck_assert_ptr_null(ev->method.p);
	event_free(&ev);
	ck_assert_ptr_null(ev);
}
END_TEST

START_TEST(the_first_failure_wins_and_an_overruling_one_replaces_it)
{
	struct event *ev = event();
	struct failure lost = { .message = STR("not saved"), .reset = true };

	event_fail(ev, "no %s", "luck");
	event_fail(ev, "later");
	event_fail_with(ev, &lost);
	ck_assert(ev->failed);
	ck_assert(str_eq(ev->failure.message, STR("no luck")));
	ck_assert(!ev->failure.reset);
	event_overrule(ev, &lost);
	ck_assert(str_eq(ev->failure.message, STR("not saved")));
	ck_assert(ev->failure.reset);
	event_free(&ev);
}
END_TEST

START_TEST(a_failure_is_copied_with_all_it_says)
{
	char text[] = "boom", trace[] = "at x";
	struct failure why = { .message = str_c(text), .traceback = str_c(trace), .name = STR("TypeError"), .retryable = true };
	struct event *ev = event();

	event_fail_with(ev, &why);
	memset(text, '!', 4), memset(trace, '!', 4);
	ck_assert(str_eq(ev->failure.message, STR("boom")));
	ck_assert(str_eq(ev->failure.traceback, STR("at x")));
	ck_assert(str_eq(ev->failure.name, STR("TypeError")));
	ck_assert(ev->failure.retryable);
	event_free(&ev);
}
END_TEST

START_TEST(a_small_event_is_one_allocation_that_the_thread_cache_serves)
{
	struct event *ev = event();

	ck_assert_uint_le(malloc_usable_size(ev), 1032);
	ev->args = arena_str(&ev->arena, STR("a few bytes of arguments"));
	ck_assert(ev->args.p > (char *)ev && ev->args.p < (char *)ev + 1024);
	event_free(&ev);
}
END_TEST

START_TEST(a_large_event_grows_beyond_its_first_bytes)
{
	static char big[100000];
	struct event *ev = event();

	memset(big, 'b', sizeof(big));
	ev->args = str_n(big, sizeof(big));
	event_own(ev);
	ck_assert(ev->args.p != big && str_eq(ev->args, str_n(big, sizeof(big))));
	event_free(&ev);
}
END_TEST

START_TEST(a_request_id_is_sixteen_hex_digits)
{
	struct event *ev = event();
	char out[17];

	ev->request_id = 0xabcdef;
	event_request_id(ev, out);
	ck_assert_str_eq(out, "0000000000abcdef");
	event_free(&ev);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("event");
	TCase *t = tcase_create("event");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_test(t, owning_copies_what_was_borrowed_and_does_so_once);
	tcase_add_test(t, the_first_failure_wins_and_an_overruling_one_replaces_it);
	tcase_add_test(t, a_failure_is_copied_with_all_it_says);
	tcase_add_test(t, a_small_event_is_one_allocation_that_the_thread_cache_serves);
	tcase_add_test(t, a_large_event_grows_beyond_its_first_bytes);
	tcase_add_test(t, a_request_id_is_sixteen_hex_digits);
	suite_add_tcase(s, t);
	srunner_run_all(sr, getenv("CK_VERBOSE") ? CK_VERBOSE : CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* check_mailbox.c -- first in, first out, and a length that is kept. */
#include <check.h>
#include <stdlib.h>

#include "base/err.h"
#include "object/mailbox.h"

START_TEST(events_come_out_in_the_order_they_went_in)
{
	struct mailbox m;
	struct event *ev[3];

	mailbox_init(&m, 10);
	for (int i = 0; i < 3; i++) {
		ev[i] = event_new(EVENT_CALL, NULL, NULL, NULL);
		ck_assert_int_eq(mailbox_push(&m, ev[i]), OK);
	}
	for (int i = 0; i < 3; i++) {
		ck_assert_ptr_eq(mailbox_shift(&m), ev[i]);
		event_free(&ev[i]);
	}
	ck_assert_ptr_null(mailbox_shift(&m));
	ck_assert_uint_eq(m.n, 0);
}
END_TEST

START_TEST(a_full_mailbox_gives_the_event_back_and_names_the_directive)
{
	struct event *one = event_new(EVENT_CALL, NULL, NULL, NULL), *two = event_new(EVENT_CALL, NULL, NULL, NULL);
	struct mailbox m;

	mailbox_init(&m, 1);
	ck_assert_int_eq(mailbox_push(&m, one), OK);
	ck_assert_int_eq(mailbox_push(&m, two), ERR_OVERLOADED);
	ck_assert_ptr_nonnull(strstr(err_text(), "Durable Object is overloaded. Too many requests queued."));
	ck_assert_ptr_nonnull(strstr(err_text(), "limits { mailbox 1; }"));
	ck_assert_ptr_eq(mailbox_shift(&m), one);
	ck_assert_int_eq(mailbox_push(&m, two), OK);
	mailbox_shift(&m);
	event_free(&one);
	event_free(&two);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("mailbox");
	TCase *t = tcase_create("mailbox");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_test(t, events_come_out_in_the_order_they_went_in);
	tcase_add_test(t, a_full_mailbox_gives_the_event_back_and_names_the_directive);
	suite_add_tcase(s, t);
	srunner_run_all(sr, getenv("CK_VERBOSE") ? CK_VERBOSE : CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

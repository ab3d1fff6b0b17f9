/* check_mailbox.c -- first in, first out, and a door that says no. */
#include <check.h>
#include <stdlib.h>

#include "base/err.h"
#include "conf/settings.h"
#include "object/mailbox.h"

static struct event *
sized(const char *args)
{
	struct event *ev = event_new(EVENT_CALL, NULL, NULL, NULL);

	ev->args = str_c(args);
	return ev;
}

static void
ck_refused(struct mailbox *m, int64_t now_ms, const char *text)
{
	struct event *ev = sized("123");

	ck_assert_int_eq(mailbox_push(m, ev, now_ms), ERR_OVERLOADED);
	ck_assert_str_eq(err_text(), text);
	event_free(&ev);
}

static void
empty(struct mailbox *m)
{
	struct event *ev;

	while ((ev = mailbox_shift(m)))
		event_free(&ev);
	ck_assert_uint_eq(m->n, 0);
	ck_assert_uint_eq(m->bytes, 0);
}

START_TEST(events_come_out_in_the_order_they_went_in)
{
	const struct app_conf conf = { .overload = { .queue = 3, .bytes = 100 } };
	struct mailbox m;
	struct event *ev[3];

	mailbox_init(&m, &conf);
	for (int i = 0; i < 3; i++) {
		ev[i] = sized("");
		ck_assert_int_eq(mailbox_push(&m, ev[i], 0), OK);
	}
	for (int i = 0; i < 3; i++) {
		ck_assert_ptr_eq(mailbox_shift(&m), ev[i]);
		event_free(&ev[i]);
	}
	ck_assert_ptr_null(mailbox_shift(&m));
}
END_TEST

/* Each text is the original's, and says where the number stands. */
START_TEST(what_is_too_much_is_given_back_with_the_directive_and_its_place)
{
	struct written_conf queue = { .name = "queue", .at = { "site.conf", 7, 1 } };
	struct app_conf conf = { .overload = { .queue = 2, .bytes = 5, .age_ms = 100, .rate = 1 }, .at = { "site.conf", 3, 1 }, .written = &queue };
	struct mailbox m;

	mailbox_init(&m, &conf);
	ck_assert_int_eq(mailbox_push(&m, sized("1234567"), 1000), OK);		/* alone it may be larger than all */
	ck_refused(&m, 1000, "Durable Object is overloaded. Too much data queued. "
	    "(overload bytes, site.conf:3: 7 bytes wait, 3 more would be above 5)");
	ck_assert_uint_eq(m.n, 1);
	empty(&m);
	ck_assert_int_eq(mailbox_push(&m, sized("1"), 1000), OK);
	ck_assert_int_eq(mailbox_push(&m, sized("1"), 1000), OK);
	ck_refused(&m, 1000, "Durable Object is overloaded. Too many requests queued. (overload queue, site.conf:7: 2 wait, at most 2 may)");
	event_free(&(struct event *){ mailbox_shift(&m) });
	ck_refused(&m, 1101, "Durable Object is overloaded. Requests queued for too long. "
	    "(overload age, site.conf:3: the oldest has waited 101 ms, at most 100 ms are allowed)");
	ck_assert_int_eq(mailbox_push(&m, sized("1"), 1100), OK);
	empty(&m);
}
END_TEST

START_TEST(events_are_counted_in_windows_of_ten_seconds)
{
	const struct app_conf conf = { .overload = { .queue = 100, .bytes = 100, .rate = 1 }, .at = { "site.conf", 3, 1 } };
	struct mailbox m;

	mailbox_init(&m, &conf);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(mailbox_push(&m, sized(""), 5000), OK);
	ck_refused(&m, 14999, "Durable Object is overloaded. Too many requests for the same object within a 10 second window. "
	    "(overload rate, site.conf:3: 10 came, at most 1 a second may)");
	ck_assert_int_eq(mailbox_push(&m, sized(""), 15000), OK);
	empty(&m);
}
END_TEST

START_TEST(what_an_object_sends_to_itself_is_never_too_much)
{
	const struct app_conf conf = { .overload = { .queue = 1, .bytes = 1, .age_ms = 1, .rate = 1 } };
	struct mailbox m;

	mailbox_init(&m, &conf);
	for (int i = 0; i < 20; i++) {
		struct event *ev = sized("12345");

		ev->own = true;
		ck_assert_int_eq(mailbox_push(&m, ev, 1000 * i), OK);
	}
	ck_assert_uint_eq(m.bytes, 0);
	empty(&m);
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
	tcase_add_test(t, what_is_too_much_is_given_back_with_the_directive_and_its_place);
	tcase_add_test(t, events_are_counted_in_windows_of_ten_seconds);
	tcase_add_test(t, what_an_object_sends_to_itself_is_never_too_much);
	suite_add_tcase(s, t);
	srunner_run_all(sr, getenv("CK_VERBOSE") ? CK_VERBOSE : CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* check_input.c -- the input gate: one owner, nested locks, everybody else in line. */
#include <check.h>
#include <stdlib.h>

#include "base/err.h"
#include "object/input.h"

static unsigned cancelled;

static void
on_cancel(struct waiter *w, const struct failure *why)
{
	(void)w, (void)why;
	cancelled++;
}

static void
waiter_init(struct waiter *w)
{
	list_init(&w->link);
	w->section = 0;
	w->wake = NULL;
	w->cancel = on_cancel;
}

START_TEST(an_open_gate_admits_all_and_a_locked_one_its_owner_only)
{
	struct waiter a, b;
	struct input_gate g;

	waiter_init(&a), waiter_init(&b), input_init(&g);
	ck_assert(input_admits(&g, NULL) && input_admits(&g, &a));
	ck_assert_int_eq(input_lock(&g, &a), OK);
	ck_assert(input_admits(&g, &a));
	ck_assert(!input_admits(&g, &b) && !input_admits(&g, NULL));
	ck_assert_int_eq(input_lock(&g, &b), ERR_BUSY);
	ck_assert(input_unlock(&g, &a));
	ck_assert(input_admits(&g, &b) && input_admits(&g, NULL));
}
END_TEST

START_TEST(locks_nest_to_a_depth_of_64)
{
	struct waiter a;
	struct input_gate g;

	waiter_init(&a), input_init(&g);
	for (int i = 0; i < 64; i++)
		ck_assert_int_eq(input_lock(&g, &a), OK);
	ck_assert_int_eq(input_lock(&g, &a), ERR_LIMIT);
	ck_assert_str_eq(err_text(), "blockConcurrencyWhile() calls are nested too deeply.");
	for (int i = 0; i < 63; i++)
		ck_assert(!input_unlock(&g, &a));
	ck_assert(!input_admits(&g, NULL));
	ck_assert(input_unlock(&g, &a));
}
END_TEST

START_TEST(the_stalled_come_in_order_and_the_owner_passes_them)
{
	struct waiter a, b, c;
	struct input_gate g;

	waiter_init(&a), waiter_init(&b), waiter_init(&c), input_init(&g);
	input_lock(&g, &c);
	input_stall(&g, &a), input_stall(&g, &b), input_stall(&g, &c);
	ck_assert_ptr_eq(input_next(&g), &c);
	ck_assert_ptr_null(input_next(&g));
	input_unlock(&g, &c);
	ck_assert_ptr_eq(input_next(&g), &a);
	ck_assert_int_eq(input_lock(&g, &a), OK);
	ck_assert_ptr_null(input_next(&g));
	input_unlock(&g, &a);
	ck_assert_ptr_eq(input_next(&g), &b);
	ck_assert_ptr_null(input_next(&g));
}
END_TEST

START_TEST(a_task_that_is_gone_holds_nothing)
{
	struct waiter a, b;
	struct input_gate g;

	waiter_init(&a), waiter_init(&b), input_init(&g);
	input_lock(&g, &a);
	input_lock(&g, &a);
	input_stall(&g, &b);
	ck_assert(!input_drop(&g, &b));
	ck_assert(!input_admits(&g, NULL));
	ck_assert(input_drop(&g, &a));
	ck_assert(!input_drop(&g, &a));
	ck_assert(input_admits(&g, NULL));
	ck_assert_ptr_eq(input_next(&g), &b);
	ck_assert_int_eq(input_lock(&g, &b), OK);
	ck_assert(input_unlock(&g, &b));	/* and no depth is left of the other */
}
END_TEST

START_TEST(what_the_owner_starts_inside_is_inside_and_not_in_the_next_section)
{
	struct waiter a, b, child, other;
	struct input_gate g;

	waiter_init(&a), waiter_init(&b), waiter_init(&child), waiter_init(&other), input_init(&g);
	input_share(&g, &a, &other);		/* open: it is as anybody */
	ck_assert(!input_inside(&g, &other));
	input_lock(&g, &a);
	input_share(&g, &b, &other);		/* b is not inside */
	input_share(&g, &a, &child);
	ck_assert(input_inside(&g, &child) && !input_admits(&g, &other));
	ck_assert_int_eq(input_lock(&g, &child), ERR_ARGUMENT);
	input_stall(&g, &other);
	ck_assert(!input_waits(&g));
	input_stall(&g, &child);
	ck_assert(input_waits(&g));
	ck_assert_ptr_eq(input_next(&g), &child);
	input_unlock(&g, &a);
	ck_assert_int_eq(input_lock(&g, &b), OK);
	ck_assert(!input_admits(&g, &child) && !input_admits(&g, &a));
	ck_assert_int_eq(input_lock(&g, &child), ERR_BUSY);
}
END_TEST

START_TEST(closing_the_gate_cancels_the_stalled_once_and_opens_it)
{
	struct waiter a, b;
	struct input_gate g;

	waiter_init(&a), waiter_init(&b), input_init(&g);
	input_lock(&g, &a);
	input_stall(&g, &b), input_stall(&g, &a);
	input_fini(&g, NULL);
	input_fini(&g, NULL);
	ck_assert_uint_eq(cancelled, 2);
	ck_assert(!list_linked(&a.link) && !list_linked(&b.link));
	ck_assert(input_admits(&g, NULL));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("input");
	TCase *t = tcase_create("input");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_test(t, an_open_gate_admits_all_and_a_locked_one_its_owner_only);
	tcase_add_test(t, locks_nest_to_a_depth_of_64);
	tcase_add_test(t, the_stalled_come_in_order_and_the_owner_passes_them);
	tcase_add_test(t, a_task_that_is_gone_holds_nothing);
	tcase_add_test(t, what_the_owner_starts_inside_is_inside_and_not_in_the_next_section);
	tcase_add_test(t, closing_the_gate_cancels_the_stalled_once_and_opens_it);
	suite_add_tcase(s, t);
	srunner_run_all(sr, getenv("CK_VERBOSE") ? CK_VERBOSE : CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

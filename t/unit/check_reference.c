/* check_reference.c -- what one VM lends to others: holders, the last of them, calls of what is gone. */
#include <check.h>
#include <stdlib.h>

#include "fake_engine.h"

static struct scene s;

struct lent {
	struct reference reference;
	unsigned ended;
};

static void
on_end(struct reference *r)
{
	container_of(r, struct lent, reference)->ended++;
}

static void
lend(struct lent *l, unsigned worker)
{
	*l = (struct lent){ 0 };
	reference_init(&l->reference, s.runtime.workers[worker], on_end);
}

/* As bind_ref.c does when its scope ends. */
static void
withdraw(struct lent *l)
{
	l->reference.live = false;
}

static struct event *
call(struct reply *r, struct lent *l)
{
	struct event *ev = scene_event(&s, r, "a", "echo", "x");

	ev->class = NULL;
	ev->method = (struct str){ 0 };
	ev->target = reference_hold(&l->reference);
	return ev;
}

START_TEST(the_last_holder_ends_it_in_a_tick_of_its_home)
{
	struct lent l;
	struct reference *first = &l.reference, *second;

	scene_open(&s, 2, false);
	lend(&l, 1);
	second = reference_hold(first);
	reference_drop(&first);
	ck_assert_ptr_null(first);
	worker_tick(s.runtime.workers[1]);
	ck_assert_uint_eq(l.ended, 0);
	reference_drop(&second);
	worker_tick(s.w);
	ck_assert_uint_eq(l.ended, 0);
	worker_tick(s.runtime.workers[1]);
	ck_assert_uint_eq(l.ended, 1);
	scene_close(&s);
}
END_TEST

START_TEST(an_event_lets_go_of_all_that_it_carried)
{
	struct lent target, argument, result;
	struct references one = { 0 };
	struct event *ev;
	struct reply r;

	scene_open(&s, 1, false);
	lend(&target, 0);
	lend(&argument, 0);
	lend(&result, 0);
	ev = call(&r, &target);
	ck_assert_uint_eq(references_add(&one, &argument.reference), 0);
	references_move(&ev->arena, &ev->lent, &one);
	ck_assert_uint_eq(one.n, 0);
	references_add(&one, &result.reference);
	references_move(&ev->arena, &ev->returned, &one);
	references_fini(&one);
	event_free(&ev);
	worker_tick(s.w);
	ck_assert_uint_eq(target.ended, 0);
	ck_assert_uint_eq(argument.ended, 1);
	ck_assert_uint_eq(result.ended, 1);
	reference_drop(&(struct reference *){ &target.reference });
	worker_tick(s.w);
	ck_assert_uint_eq(target.ended, 1);
	scene_close(&s);
}
END_TEST

START_TEST(a_call_of_what_a_front_module_lent_runs_on_its_home)
{
	struct lent l;
	struct reply r;

	scene_open(&s, 2, false);
	lend(&l, 1);
	worker_send(s.w, call(&r, &l));
	worker_tick(s.w);
	ck_assert_uint_eq(r.came, 0);
	ck_assert(!worker_idle(s.runtime.workers[1]));
	worker_tick(s.runtime.workers[1]);
	ck_assert_str_eq(s.engines[1].trace, "callback");
	worker_tick(s.w);
	ck_assert_uint_eq(r.came, 1);
	ck_assert_str_eq(r.text, "called");
	ck_assert(worker_idle(s.w) && worker_idle(s.runtime.workers[1]));
	withdraw(&l);
	reference_drop(&(struct reference *){ &l.reference });
	scene_close(&s);
	ck_assert_uint_eq(l.ended, 1);
}
END_TEST

START_TEST(a_call_of_what_is_gone_is_refused_and_wakes_no_object)
{
	struct lent l;
	struct reply front, object;
	struct event *ev;

	scene_open(&s, 1, false);
	lend(&l, 0);
	withdraw(&l);
	worker_send(s.w, call(&front, &l));
	ev = call(&object, &l);
	ev->class = l.reference.class = &s.runtime.apps[0].classes[0];
	worker_send(s.w, ev);
	worker_tick(s.w);
	ck_assert(front.failed && object.failed && object.retryable);
	ck_assert_str_eq(front.text, "The execution context which hosts this callback is no longer running.");
	ck_assert_uint_eq(s.engines[0].wakes, 0);
	ck_assert_ptr_null(scene_object(&s, "a"));
	reference_drop(&(struct reference *){ &l.reference });
	scene_close(&s);
}
END_TEST

START_TEST(one_that_goes_while_its_call_waits_is_not_called)
{
	struct lent l;
	struct reply r;

	scene_open(&s, 1, false);
	lend(&l, 0);
	worker_send(s.w, call(&r, &l));
	withdraw(&l);
	worker_tick(s.w);
	ck_assert(r.failed && !r.retryable);
	ck_assert_str_eq(scene_trace(&s), "");
	reference_drop(&(struct reference *){ &l.reference });
	scene_close(&s);
}
END_TEST

START_TEST(a_call_whose_caller_has_gone_never_begins)
{
	struct lent l;
	struct reply r;

	scene_open(&s, 1, false);
	lend(&l, 0);
	worker_send(s.w, call(&r, &l));
	worker_abandon(s.w, r.event);
	worker_tick(s.w);
	ck_assert(r.failed);
	ck_assert_str_eq(scene_trace(&s), "");
	withdraw(&l);
	reference_drop(&(struct reference *){ &l.reference });
	scene_close(&s);
}
END_TEST

START_TEST(a_holder_that_outlives_the_home_ends_it_itself)
{
	struct lent l;
	struct reference *held;

	scene_open(&s, 1, false);
	lend(&l, 0);
	held = &l.reference;
	withdraw(&l);
	worker_stop(s.w);
	worker_free(&s.runtime.workers[0]);
	reference_drop(&held);
	ck_assert_uint_eq(l.ended, 1);
	runtime_fini(&s.runtime);
	fake_store_free(&s.store);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("reference");
	TCase *t = tcase_create("reference");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(t, the_last_holder_ends_it_in_a_tick_of_its_home);
	tcase_add_test(t, an_event_lets_go_of_all_that_it_carried);
	tcase_add_test(t, a_call_of_what_a_front_module_lent_runs_on_its_home);
	tcase_add_test(t, a_call_of_what_is_gone_is_refused_and_wakes_no_object);
	tcase_add_test(t, one_that_goes_while_its_call_waits_is_not_called);
	tcase_add_test(t, a_call_whose_caller_has_gone_never_begins);
	tcase_add_test(t, a_holder_that_outlives_the_home_ends_it_itself);
	suite_add_tcase(suite, t);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

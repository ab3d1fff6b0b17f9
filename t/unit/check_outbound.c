/* check_outbound.c -- requests that leave the house: through the gate, home through the queue, once. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "fake_engine.h"

static struct scene s;

/* Carries nothing: what was sent lies here until the test says more. */
static struct outbound out;
static struct event *sent[8];
static unsigned nsent, looks;

static void
on_send(struct outbound *o, struct event *ev)
{
	(void)o;
	sent[nsent++] = ev;
}

static void
on_look(struct outbound *o)
{
	(void)o;
	looks++;
}

static const struct outbound_ops ops = { on_send, on_look };

/* What came back; the last one. */
static unsigned came;
static bool failed;
static char text[200];

static void
on_answer(struct event *ev)
{
	came++;
	failed = ev->failed;
	snprintf(text, sizeof(text), "%.*s", (int)ev->failure.message.n, ev->failed ? ev->failure.message.p : "");
	event_free(&ev);
}

static const struct transport transport = { on_answer };

static struct event *
request(void)
{
	struct event *ev = event_new(EVENT_OUTBOUND, &transport, NULL, s.w);

	ev->app = &s.runtime.apps[0];
	ev->outgoing = arena_zalloc(&ev->arena, sizeof(*ev->outgoing));
	return ev;
}

static void
open_scene(void)
{
	scene_open(&s, 1, false);
	out.ops = &ops;
	s.runtime.outbound = &out;
	nsent = looks = came = 0;
}

/* An object with a commit that is not on disk yet. */
static struct object *
dirty_object(struct reply *r)
{
	scene_send(&s, r, "a", "inc+park", "");
	scene_tick(&s);
	ck_assert_ptr_nonnull(scene_object(&s, "a"));
	return scene_object(&s, "a");
}

static void
finish(struct reply *r)
{
	scene_wake(&s, "a");
	scene_tick(&s);
	fake_store_sync(s.store);
	scene_tick(&s);
	ck_assert_uint_eq(r->came, 1);
	scene_close(&s);
}

START_TEST(it_leaves_an_object_when_what_it_saw_is_durable)
{
	struct reply r;
	struct object *o;

	open_scene();
	o = dirty_object(&r);
	object_emit(o, request());
	scene_tick(&s);
	ck_assert_uint_eq(nsent, 0);
	fake_store_sync(s.store);
	scene_tick(&s);
	ck_assert_uint_eq(nsent, 1);
	worker_return(sent[0]);
	ck_assert_uint_eq(came, 0);		/* another thread's word: the tick brings it */
	scene_tick(&s);
	ck_assert(came == 1 && !failed);
	finish(&r);
}
END_TEST

START_TEST(a_front_modules_leaves_at_once)
{
	open_scene();
	worker_send(s.w, request());
	ck_assert_uint_eq(nsent, 1);
	ck_assert(atomic_load(&s.wakes[0]) == 0);
	worker_return(sent[0]);
	ck_assert(atomic_load(&s.wakes[0]) == 1);
	scene_tick(&s);
	ck_assert(came == 1 && s.w->fronts == 0);
	scene_close(&s);
}
END_TEST

START_TEST(one_abandoned_at_the_gate_never_leaves)
{
	struct reply r;
	struct event *ev;

	open_scene();
	ev = request();
	object_emit(dirty_object(&r), ev);
	worker_abandon(s.w, ev);
	fake_store_sync(s.store);
	scene_tick(&s);
	ck_assert(nsent == 0 && came == 1 && failed);
	ck_assert_str_eq(text, "aborted before it left");
	finish(&r);
}
END_TEST

START_TEST(one_abandoned_on_its_way_is_looked_for_once_and_comes_back)
{
	open_scene();
	worker_send(s.w, request());
	worker_abandon(s.w, sent[0]);
	worker_abandon(s.w, sent[0]);
	ck_assert_uint_eq(looks, 1);
	event_fail(sent[0], "aborted");
	worker_return(sent[0]);
	scene_tick(&s);
	ck_assert(came == 1 && failed);
	scene_close(&s);
}
END_TEST

START_TEST(a_reset_breaks_what_saw_lost_writes)
{
	static const struct failure why = { .message = STR("lost") };
	struct reply r;
	struct object *o;

	open_scene();
	o = dirty_object(&r);
	fake_store_sync(s.store);
	scene_tick(&s);
	fake_db_set(o->db, 7);
	object_emit(o, request());
	object_break(o, &why);
	scene_tick(&s);
	ck_assert(nsent == 0 && came == 1 && failed);
	ck_assert_str_eq(text, "lost");
	ck_assert_uint_eq(r.came, 1);
	scene_close(&s);
}
END_TEST

START_TEST(nothing_leaves_when_the_store_has_failed_or_the_worker_stops)
{
	open_scene();
	fake_store_fail(s.store, "no disk");
	scene_tick(&s);
	worker_send(s.w, request());
	scene_tick(&s);
	ck_assert(nsent == 0 && came == 1 && failed && strstr(text, "no disk"));
	worker_stop(s.w);
	worker_send(s.w, request());
	ck_assert_uint_eq(nsent, 0);
	worker_tick(s.w);
	ck_assert_uint_eq(came, 2);
	scene_close(&s);
}
END_TEST

START_TEST(one_that_comes_home_while_the_worker_stops_is_answered)
{
	open_scene();
	worker_send(s.w, request());
	worker_stop(s.w);
	worker_return(sent[0]);
	worker_stop(s.w);
	ck_assert_uint_eq(came, 1);
	scene_close(&s);
}
END_TEST

START_TEST(without_a_carrier_it_fails)
{
	open_scene();
	s.runtime.outbound = NULL;
	worker_send(s.w, request());
	scene_tick(&s);
	ck_assert(came == 1 && failed);
	scene_close(&s);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("outbound");
	TCase *tc = tcase_create("outbound");
	SRunner *runner;
	int n;

	tcase_add_test(tc, it_leaves_an_object_when_what_it_saw_is_durable);
	tcase_add_test(tc, a_front_modules_leaves_at_once);
	tcase_add_test(tc, one_abandoned_at_the_gate_never_leaves);
	tcase_add_test(tc, one_abandoned_on_its_way_is_looked_for_once_and_comes_back);
	tcase_add_test(tc, a_reset_breaks_what_saw_lost_writes);
	tcase_add_test(tc, nothing_leaves_when_the_store_has_failed_or_the_worker_stops);
	tcase_add_test(tc, one_that_comes_home_while_the_worker_stops_is_answered);
	tcase_add_test(tc, without_a_carrier_it_fails);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	n = srunner_ntests_failed(runner);
	srunner_free(runner);
	return n == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

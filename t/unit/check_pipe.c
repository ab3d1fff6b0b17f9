/* check_pipe.c -- pieces of a body on their way: the gate, the window, both ends on their own workers. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "fake_engine.h"
#include "object/parts.h"
#include "object/pipe.h"

static struct scene s;
static unsigned told, roomed;

static void
on_data(void *arg)
{
	(void)arg;
	told++;
}

static void
on_room(void *arg)
{
	(void)arg;
	roomed++;
}

static void
open_scene(unsigned workers)
{
	told = roomed = 0;
	scene_open(&s, workers, false);
}

/* The pieces that can be read now, joined by commas; an end is ".", a failure "!why". */
static const char *
read_all(struct pipe *p)
{
	static char text[256];
	struct piece *x;
	size_t n = 0;

	text[0] = '\0';
	while ((x = pipe_read(p))) {
		const char *mark = x->kind == PIECE_END ? "." : x->kind == PIECE_FAILED ? "!" : "";

		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s%.*s", n ? "," : "", mark, (int)x->n, x->bytes);
		piece_free(p, &x);
	}
	return text;
}

START_TEST(pieces_of_a_front_module_come_at_once_and_in_order)
{
	struct pipe *w, *r;

	open_scene(1);
	w = r = pipe_new(s.w);
	pipe_attach(r, s.w, on_data, NULL);
	pipe_write(w, NULL, STR("a"));
	pipe_write(w, NULL, STR(""));
	pipe_write(w, NULL, STR("b"));
	pipe_close(&w, NULL, NULL);
	ck_assert_uint_eq(told, 0);		/* in the tick, not here */
	scene_tick(&s);
	ck_assert_uint_eq(told, 1);
	ck_assert_str_eq(read_all(r), "a,b,.");
	pipe_cancel(&r);
	scene_close(&s);
}
END_TEST

/* An object that is awake: a task of it is parked. */
static struct object *
awake(struct reply *parked)
{
	scene_send(&s, parked, "a", "park", "x");
	scene_tick(&s);
	return scene_object(&s, "a");
}

START_TEST(a_piece_waits_until_what_it_saw_is_on_disk)
{
	struct pipe *w, *r;
	struct reply r1;
	struct object *o;

	open_scene(1);
	o = awake(&r1);
	w = r = pipe_new(s.w);
	pipe_attach(r, s.w, on_data, NULL);
	pipe_write(w, o, STR("before"));
	ck_assert_str_eq(read_all(r), "before");
	fake_db_set(o->db, 1);
	pipe_write(w, o, STR("after"));
	pipe_close(&w, o, NULL);
	scene_tick(&s);
	ck_assert_str_eq(read_all(r), "");
	fake_store_sync(s.store);
	scene_tick(&s);
	ck_assert_str_eq(read_all(r), "after,.");
	pipe_cancel(&r);
	scene_wake(&s, "a");
	scene_tick(&s);
	scene_close(&s);
}
END_TEST

START_TEST(a_lost_transaction_fails_the_pipe_and_nothing_comes_after)
{
	struct pipe *w, *r;
	struct reply r1;
	struct object *o;

	open_scene(1);
	o = awake(&r1);
	w = r = pipe_new(s.w);
	fake_db_set(o->db, 1);
	pipe_write(w, o, STR("never"));
	object_break(o, &(struct failure){ .message = STR("aborted") });
	pipe_write(w, NULL, STR("too late"));
	pipe_close(&w, NULL, NULL);
	scene_tick(&s);
	ck_assert_str_eq(read_all(r), "!aborted");
	pipe_cancel(&r);
	scene_close(&s);
}
END_TEST

START_TEST(a_writer_far_ahead_is_told_when_there_is_room)
{
	static char big[PIPE_WINDOW];
	struct pipe *w, *r;
	struct piece *x;

	open_scene(1);
	w = r = pipe_new(s.w);
	pipe_write(w, NULL, str_n(big, sizeof(big) - 1));
	ck_assert(!pipe_full(w));
	pipe_write(w, NULL, STR("xx"));
	ck_assert(pipe_full(w));
	pipe_on_room(w, on_room, NULL);
	scene_tick(&s);
	ck_assert_uint_eq(roomed, 0);
	x = pipe_read(r);
	scene_tick(&s);
	ck_assert_uint_eq(roomed, 0);		/* read, but not yet done with */
	piece_free(r, &x);
	scene_tick(&s);
	ck_assert_uint_eq(roomed, 1);
	ck_assert(!pipe_full(w));
	pipe_on_room(w, on_room, NULL);		/* asked when there is room already: told all the same */
	scene_tick(&s);
	ck_assert_uint_eq(roomed, 2);
	pipe_close(&w, NULL, NULL);
	pipe_cancel(&r);
	scene_close(&s);
}
END_TEST

START_TEST(a_reader_that_leaves_is_known_to_the_writer)
{
	static char big[PIPE_WINDOW];
	struct pipe *w, *r;

	open_scene(1);
	w = r = pipe_new(s.w);
	pipe_write(w, NULL, str_n(big, sizeof(big)));
	pipe_on_room(w, on_room, NULL);
	pipe_cancel(&r);
	ck_assert(pipe_cancelled(w) && !pipe_full(w));
	scene_tick(&s);
	ck_assert_uint_eq(roomed, 1);
	pipe_write(w, NULL, STR("to nobody"));
	pipe_close(&w, NULL, NULL);
	scene_tick(&s);
	scene_close(&s);
}
END_TEST

START_TEST(the_reader_may_move_to_another_worker_while_a_poke_is_under_way)
{
	struct pipe *w, *r;
	struct worker *second;

	open_scene(2);
	second = s.runtime.workers[1];
	w = r = pipe_new(s.w);
	pipe_attach(r, s.w, on_data, NULL);
	pipe_write(w, NULL, STR("a"));
	pipe_attach(r, second, on_data, NULL);
	scene_tick(&s);
	ck_assert_uint_eq(told, 0);		/* it went on to the second */
	worker_tick(second);
	ck_assert_uint_eq(told, 1);
	ck_assert_str_eq(read_all(r), "a");
	pipe_close(&w, NULL, NULL);
	worker_tick(second);
	ck_assert_str_eq(read_all(r), ".");
	pipe_cancel(&r);
	scene_close(&s);
}
END_TEST

START_TEST(a_poke_that_nobody_takes_any_more_leaks_nothing)
{
	struct pipe *w, *r;

	open_scene(2);
	w = r = pipe_new(s.w);
	pipe_attach(r, s.runtime.workers[1], on_data, NULL);
	pipe_write(w, NULL, STR("a"));
	pipe_close(&w, NULL, &(struct failure){ .message = STR("stopped") });
	pipe_cancel(&r);
	scene_close(&s);
	ck_assert_uint_eq(told, 0);
}
END_TEST

START_TEST(an_end_on_no_workers_thread_is_told_at_once)
{
	static char big[PIPE_WINDOW];
	struct pipe *w, *r;
	struct piece *x;

	open_scene(1);
	w = r = pipe_new(NULL);
	pipe_attach(r, NULL, on_data, NULL);
	pipe_on_room(w, on_room, NULL);
	ck_assert_uint_eq(roomed, 1);		/* there is room already */
	pipe_write(w, NULL, str_n(big, sizeof(big)));
	ck_assert_uint_eq(told, 1);
	ck_assert(pipe_full(w));
	x = pipe_read(r);
	ck_assert_uint_eq(roomed, 1);
	piece_free(r, &x);
	ck_assert_uint_eq(roomed, 2);
	pipe_close(&w, NULL, NULL);
	ck_assert_uint_eq(told, 2);
	pipe_cancel(&r);
	ck_assert_uint_eq(roomed, 2);		/* the writer has given its end back: it never runs again */
	scene_close(&s);
}
END_TEST

START_TEST(a_cancel_is_told_to_a_writer_on_no_workers_thread)
{
	struct pipe *w, *r;

	open_scene(1);
	w = r = pipe_new(NULL);
	pipe_on_room(w, on_room, NULL);
	pipe_cancel(&r);
	ck_assert_uint_eq(roomed, 2);
	ck_assert(pipe_cancelled(w));
	pipe_close(&w, NULL, NULL);
	scene_close(&s);
}
END_TEST

START_TEST(a_reader_that_aborts_stops_the_writer_and_reads_why)
{
	static const struct failure why = { .message = STR("enough"), .name = STR("AbortError") };
	struct pipe *w, *r;
	struct piece *x;

	open_scene(1);
	w = r = pipe_new(s.w);
	pipe_attach(r, s.w, on_data, NULL);
	pipe_write(w, NULL, STR("never read"));
	pipe_abort(r, &why);
	ck_assert(pipe_cancelled(w));
	ck_assert_uint_eq(told, 0);		/* in the tick */
	scene_tick(&s);
	ck_assert_uint_eq(told, 1);
	pipe_write(w, NULL, STR("too late"));
	pipe_close(&w, NULL, NULL);
	x = pipe_read(r);
	ck_assert(x && x->kind == PIECE_FAILED && x->name_n == 10 && memcmp(x->bytes, "enoughAbortError", 16) == 0);
	piece_free(r, &x);
	ck_assert_ptr_null(pipe_read(r));
	pipe_cancel(&r);
	scene_close(&s);
}
END_TEST

/* ---- two threads ---- */

enum { PIECES = 20000 };

static struct pipe *shared;

static void *
write_pieces(void *arg)
{
	struct pipe *w = shared;

	(void)arg;
	for (int i = 0; i < PIECES; i++)
		pipe_write(w, NULL, str_n((char *)&i, sizeof(i)));
	pipe_close(&w, NULL, NULL);
	return NULL;
}

START_TEST(two_threads_pass_thousands_of_pieces_in_order)
{
	pthread_t id;
	struct piece *x;
	int want = 0;

	open_scene(2);
	shared = pipe_new(s.w);
	pipe_attach(shared, s.runtime.workers[1], on_data, NULL);
	ck_assert_int_eq(pthread_create(&id, NULL, write_pieces, NULL), 0);
	for (bool ended = false; !ended;) {
		worker_tick(s.runtime.workers[1]);
		while ((x = pipe_read(shared))) {
			if (x->kind == PIECE_BYTES) {
				must(memcmp(x->bytes, &want, sizeof(want)) == 0);
				want++;
			}
			ended = x->kind == PIECE_END;
			piece_free(shared, &x);
		}
	}
	ck_assert_int_eq(want, PIECES);
	ck_assert_int_eq(pthread_join(id, NULL), 0);
	pipe_cancel(&shared);
	scene_close(&s);
}
END_TEST

/* A writer on a thread of its own, which sleeps until it is told. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool room;
} outside = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false };

static void
on_outside(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&outside.lock);
	outside.room = true;
	pthread_cond_signal(&outside.changed);
	pthread_mutex_unlock(&outside.lock);
}

static void
await_room(void)
{
	pthread_mutex_lock(&outside.lock);
	while (!outside.room)
		pthread_cond_wait(&outside.changed, &outside.lock);
	outside.room = false;
	pthread_mutex_unlock(&outside.lock);
}

enum { BIG = 60000, MOST = 400 };

static void *
write_with_room(void *arg)
{
	static char big[BIG];
	struct pipe *w = arg;

	pipe_on_room(w, on_outside, NULL);
	for (int i = 0; i < MOST && !pipe_cancelled(w); i++) {
		while (pipe_full(w))
			await_room();
		pipe_write(w, NULL, str_n(big, sizeof(big)));
	}
	pipe_close(&w, NULL, NULL);
	return NULL;
}

/* Reads so many bytes, then leaves; the writer always comes to its end. */
static void
read_some(size_t most)
{
	struct pipe *r = pipe_new(NULL);
	struct worker *w = s.runtime.workers[1];
	pthread_t id;
	size_t n = 0;

	pipe_attach(r, w, on_data, NULL);
	ck_assert_int_eq(pthread_create(&id, NULL, write_with_room, r), 0);
	for (bool ended = false; !ended && n < most;) {
		struct piece *x = pipe_read(r);

		worker_tick(w);
		if (!x)
			continue;
		n += x->n;
		ended = x->kind == PIECE_END;
		piece_free(r, &x);
	}
	pipe_cancel(&r);
	ck_assert_int_eq(pthread_join(id, NULL), 0);
	ck_assert_uint_ge(n, most < (size_t)BIG * MOST ? most : (size_t)BIG * MOST);
}

START_TEST(a_writer_on_another_thread_waits_for_room_and_for_a_reader_that_leaves)
{
	open_scene(2);
	read_some(SIZE_MAX);
	for (size_t most = 1; most < 2000000; most += 150000)
		read_some(most);
	scene_close(&s);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("pipe");
	TCase *tc = tcase_create("pipe");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, pieces_of_a_front_module_come_at_once_and_in_order);
	tcase_add_test(tc, a_piece_waits_until_what_it_saw_is_on_disk);
	tcase_add_test(tc, a_lost_transaction_fails_the_pipe_and_nothing_comes_after);
	tcase_add_test(tc, a_writer_far_ahead_is_told_when_there_is_room);
	tcase_add_test(tc, a_reader_that_leaves_is_known_to_the_writer);
	tcase_add_test(tc, the_reader_may_move_to_another_worker_while_a_poke_is_under_way);
	tcase_add_test(tc, a_poke_that_nobody_takes_any_more_leaks_nothing);
	tcase_add_test(tc, an_end_on_no_workers_thread_is_told_at_once);
	tcase_add_test(tc, a_cancel_is_told_to_a_writer_on_no_workers_thread);
	tcase_add_test(tc, a_reader_that_aborts_stops_the_writer_and_reads_why);
	tcase_add_test(tc, a_writer_on_another_thread_waits_for_room_and_for_a_reader_that_leaves);
	tcase_add_test(tc, two_threads_pass_thousands_of_pieces_in_order);
	suite_add_tcase(suite, tc);
	sr = srunner_create(suite);
	srunner_run_all(sr, getenv("CK_VERBOSE") ? CK_VERBOSE : CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

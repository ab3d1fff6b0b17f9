/* check_loop.c -- one thread's event loop: wake-ups are never lost, few, and an idle loop rests. */
#include "net/loop.h"

#include <check.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/err.h"

static struct loop l;

static void
open_loop(void)
{
	ck_assert_int_eq(loop_init(&l), OK);
	loop_open(&l);
}

static void
close_loop(void)
{
	loop_close(&l);
	loop_fini(&l);
}

START_TEST(a_wake_up_before_the_wait_is_not_lost)
{
	open_loop();
	loop_wake(&l);
	int64_t before = clock_ms();
	loop_run(&l, 10000);
	ck_assert_int_lt(clock_ms() - before, 5000);
	ck_assert(!atomic_load(&l.woken));
	close_loop();
}
END_TEST

START_TEST(many_wake_ups_cost_one_round)
{
	open_loop();
	for (int i = 0; i < 1000; i++)
		loop_wake(&l);
	loop_run(&l, 10000);
	int64_t before = clock_ms();
	loop_run(&l, 50);	/* nothing is left that would end this wait */
	ck_assert_int_ge(clock_ms() - before, 45);
	close_loop();
}
END_TEST

static atomic_int posted;

static void *
poster(void *arg)
{
	for (int i = 0; i < 20000; i++) {
		atomic_fetch_add(&posted, 1);
		loop_wake(arg);
	}
	return NULL;
}

/* Each post is followed by a wake-up; so a loop that waits with posts unseen would wait for ever. */
START_TEST(no_wake_up_is_lost_between_threads)
{
	pthread_t id[2];
	int seen = 0;

	open_loop();
	atomic_store(&posted, 0);
	for (int i = 0; i < 2; i++)
		pthread_create(&id[i], NULL, poster, &l);
	while (seen < 40000) {
		int64_t before = clock_ms();
		loop_run(&l, 10000);
		ck_assert_int_lt(clock_ms() - before, 9000);
		seen = atomic_load(&posted);
	}
	for (int i = 0; i < 2; i++)
		pthread_join(id[i], NULL);
	close_loop();
}
END_TEST

static int written;

static void
on_written(h2o_socket_t *sock, const char *err)
{
	(void)sock;
	ck_assert_ptr_null(err);
	written++;
}

START_TEST(a_finished_write_is_told_at_once_though_epoll_knows_nothing)
{
	int fd[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	open_loop();
	h2o_socket_t *sock = h2o_evloop_socket_create(l.ev, fd[0], 0);
	h2o_iovec_t out = { (char *)"x", 1 };
	written = 0;
	h2o_socket_write(sock, &out, 1, on_written);
	int64_t before = clock_ms();
	loop_run(&l, 10000);
	ck_assert_int_eq(written, 1);
	ck_assert_int_lt(clock_ms() - before, 5000);
	h2o_socket_close(sock);
	close(fd[1]);
	close_loop();
}
END_TEST

START_TEST(an_idle_loop_uses_no_processor_time)
{
	struct rusage a, b;

	open_loop();
	uint64_t rounds = l.rounds;
	getrusage(RUSAGE_THREAD, &a);
	loop_run(&l, 300);
	getrusage(RUSAGE_THREAD, &b);
	ck_assert_uint_eq(l.rounds, rounds + 1);
	ck_assert_int_lt((b.ru_utime.tv_usec - a.ru_utime.tv_usec) + (b.ru_stime.tv_usec - a.ru_stime.tv_usec), 20000);
	close_loop();
}
END_TEST

START_TEST(a_wait_ends_when_it_should)
{
	open_loop();
	int64_t before = clock_ms();
	loop_run(&l, 30);
	int64_t took = clock_ms() - before;
	ck_assert_int_ge(took, 28);
	loop_run(&l, -5);	/* already due */
	close_loop();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("loop");
	TCase *tc = tcase_create("loop");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, a_wake_up_before_the_wait_is_not_lost);
	tcase_add_test(tc, many_wake_ups_cost_one_round);
	tcase_add_test(tc, no_wake_up_is_lost_between_threads);
	tcase_add_test(tc, a_finished_write_is_told_at_once_though_epoll_knows_nothing);
	tcase_add_test(tc, an_idle_loop_uses_no_processor_time);
	tcase_add_test(tc, a_wait_ends_when_it_should);
	srunner_run_all(sr, getenv("CK_VERBOSE") ? CK_VERBOSE : CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* check_queue.c -- events between threads: order, and one wake-up for a burst. */
#include <check.h>
#include <sched.h>
#include <stdlib.h>

#include "object/event.h"
#include "object/queue.h"

enum { WRITERS = 3, EACH = 20000 };

START_TEST(only_the_first_into_an_empty_queue_wakes_the_reader)
{
	struct event *a = event_new(EVENT_CALL, NULL, NULL, NULL), *b = event_new(EVENT_CALL, NULL, NULL, NULL);
	struct list all = LIST_INIT(all);
	struct queue q;

	queue_init(&q);
	ck_assert(queue_push(&q, a));
	ck_assert(!queue_push(&q, b));
	queue_take(&q, &all);
	ck_assert_ptr_eq(container_of(list_shift(&all), struct event, link), a);
	ck_assert(queue_push(&q, a));
	queue_take(&q, &all);
	ck_assert_ptr_eq(container_of(list_shift(&all), struct event, link), b);
	ck_assert_ptr_eq(container_of(list_shift(&all), struct event, link), a);
	queue_fini(&q);
	event_free(&a);
	event_free(&b);
}
END_TEST

struct writer {
	struct queue *q;
	uint64_t number;
	pthread_t thread;
};

static void *
on_write(void *arg)
{
	struct writer *w = arg;

	for (uint64_t i = 0; i < EACH; i++) {
		struct event *ev = event_new(EVENT_CALL, NULL, NULL, NULL);

		ev->request_id = w->number << 32 | i;
		queue_push(w->q, ev);
	}
	return NULL;
}

START_TEST(each_writer_is_read_in_its_own_order_and_nothing_is_lost)
{
	struct writer writers[WRITERS];
	uint64_t next[WRITERS] = { 0 }, n = 0;
	struct list all = LIST_INIT(all), *link;
	struct queue q;

	queue_init(&q);
	for (int i = 0; i < WRITERS; i++) {
		writers[i] = (struct writer){ .q = &q, .number = (uint64_t)i };
		ck_assert_int_eq(pthread_create(&writers[i].thread, NULL, on_write, &writers[i]), 0);
	}
	while (n < (uint64_t)WRITERS * EACH) {
		queue_take(&q, &all);
		if (list_empty(&all))
			sched_yield();
		while ((link = list_shift(&all))) {
			struct event *ev = container_of(link, struct event, link);

			ck_assert_uint_eq(ev->request_id & 0xffffffff, next[ev->request_id >> 32]++);
			event_free(&ev);
			n++;
		}
	}
	for (int i = 0; i < WRITERS; i++)
		pthread_join(writers[i].thread, NULL);
	queue_fini(&q);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("queue");
	TCase *t = tcase_create("queue");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_test(t, only_the_first_into_an_empty_queue_wakes_the_reader);
	tcase_add_test(t, each_writer_is_read_in_its_own_order_and_nothing_is_lost);
	suite_add_tcase(s, t);
	srunner_run_all(sr, getenv("CK_VERBOSE") ? CK_VERBOSE : CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

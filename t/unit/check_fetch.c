/* check_fetch.c -- the fetch thread against a server of this program: workers on several threads send, abandon, stop. */
#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fake_engine.h"
#include "net/fetch.h"

enum { THREADS = 4, ROUNDS = 60, PER_ROUND = 8 };

static struct scene s;
static struct allow_conf all = { .kind = ALLOW_ALL, .text = "all" };

/* ---- a server: "/" is answered at once, "/stall" never ---- */

static struct {
	int listener, port;
	pthread_t thread;
	atomic_bool stop;
} server;

static bool
serve_one(int fd)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
	char head[4096];
	ssize_t n = recv(fd, head, sizeof(head) - 1, 0);

	if (n <= 0)
		return false;
	head[n] = '\0';
	if (!strstr(head, "GET /stall"))
		ck_assert_int_eq(send(fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL), sizeof(answer) - 1);
	return true;
}

static void *
serve(void *arg)
{
	struct pollfd fds[1000] = { { .fd = server.listener, .events = POLLIN } };
	nfds_t n = 1;

	while (!atomic_load(&server.stop)) {
		poll(fds, n, 20);
		for (nfds_t i = n; i-- > 1;) {
			if (fds[i].revents && !serve_one(fds[i].fd)) {
				close(fds[i].fd);
				fds[i] = fds[--n];
			}
		}
		if (fds[0].revents && n < 1000)
			fds[n++] = (struct pollfd){ .fd = accept(server.listener, NULL, NULL), .events = POLLIN };
	}
	while (n-- > 1)
		close(fds[n].fd);
	return arg;
}

static void
start_server(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);

	atomic_store(&server.stop, false);
	server.listener = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert(bind(server.listener, (struct sockaddr *)&a, n) == 0 && listen(server.listener, 512) == 0);
	ck_assert(getsockname(server.listener, (struct sockaddr *)&a, &n) == 0);
	server.port = ntohs(a.sin_port);
	ck_assert(pthread_create(&server.thread, NULL, serve, NULL) == 0);
}

static void
stop_server(void)
{
	atomic_store(&server.stop, true);
	pthread_join(server.thread, NULL);
	close(server.listener);
}

/* ---- requests ---- */

struct asked {
	struct event *event;	/* while it is out */
	bool came, failed;
	int status;
	char text[300];
};

static void
on_answer(struct event *ev)
{
	struct asked *a = ev->caller;

	a->event = NULL;
	a->came = true;
	a->failed = ev->failed;
	a->status = ev->response.status;
	snprintf(a->text, sizeof(a->text), "%.*s", (int)ev->failure.message.n, ev->failed ? ev->failure.message.p : "");
	event_free(&ev);
}

static const struct transport transport = { on_answer };

static void
ask(struct worker *w, struct asked *a, const char *path)
{
	struct event *ev = event_new(EVENT_OUTBOUND, &transport, a, w);

	*a = (struct asked){ .event = ev };
	ev->app = &s.runtime.apps[0];
	ev->request.method = STR("GET");
	ev->outgoing = arena_zalloc(&ev->arena, sizeof(*ev->outgoing));
	ev->outgoing->url = str_c(arena_printf(&ev->arena, "http://127.0.0.1:%d%s", server.port, path));
	worker_send(w, ev);
}

static void
tick_until(struct worker *w, struct asked *asked, unsigned n)
{
	for (unsigned i = 0, spins = 0; i < n; i += asked[i].came) {
		worker_tick(w);
		usleep(200);
		ck_assert_uint_lt(spins++, 100000);
		if (asked[i].came)
			spins = 0;
	}
}

static void
open_scene(void)
{
	start_server();
	s.app_conf = (struct app_conf){ .fetch = { .allow = &all, .timeout_ms = 20000, .body_max = 1000 }, .limits.fetches = 20 };
	scene_open(&s, THREADS, true);
	s.runtime.outbound = fetch_new(&s.settings);
}

static void
close_scene(void)
{
	fetch_free(&s.runtime.outbound);
	scene_close(&s);
	stop_server();
}

/* ---- scenes ---- */

START_TEST(an_answer_comes_home)
{
	struct asked a;

	open_scene();
	ask(s.w, &a, "/");
	tick_until(s.w, &a, 1);
	ck_assert_msg(!a.failed && a.status == 200, "%s", a.text);
	close_scene();
}
END_TEST

/* Every third stalls and is abandoned, some right away. */
static void *
hustle(void *arg)
{
	struct worker *w = arg;
	struct asked asked[PER_ROUND];

	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned i = 0; i < PER_ROUND; i++) {
			ask(w, &asked[i], i % 3 == 0 ? "/stall" : "/");
			if (i % 3 == 0 && round % 2)
				worker_abandon(w, asked[i].event);
		}
		worker_tick(w);
		for (unsigned i = 0; i < PER_ROUND; i += 3)
			if (asked[i].event)
				worker_abandon(w, asked[i].event);
		tick_until(w, asked, PER_ROUND);
		for (unsigned i = 0; i < PER_ROUND; i++)
			ck_assert_msg(i % 3 == 0 ? asked[i].failed && strstr(asked[i].text, "aborted") : asked[i].status == 200, "%u: %s", i,
				asked[i].text);
	}
	return NULL;
}

START_TEST(workers_on_many_threads_send_and_abandon_and_each_gets_its_own_back)
{
	pthread_t threads[THREADS];

	open_scene();
	for (unsigned i = 0; i < THREADS; i++)
		ck_assert(pthread_create(&threads[i], NULL, hustle, s.runtime.workers[i]) == 0);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	close_scene();
}
END_TEST

START_TEST(at_the_end_all_that_is_out_or_waits_comes_home_failed)
{
	struct asked asked[50];		/* more than limits fetches lets out */

	open_scene();
	for (unsigned i = 0; i < 50; i++)
		ask(s.w, &asked[i], "/stall");
	fetch_free(&s.runtime.outbound);
	tick_until(s.w, asked, 50);
	for (unsigned i = 0; i < 50; i++)
		ck_assert_msg(asked[i].failed && strstr(asked[i].text, "the server is stopping"), "%s", asked[i].text);
	close_scene();
}
END_TEST

START_TEST(a_server_that_never_fetches_has_no_thread_to_end)
{
	open_scene();
	close_scene();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("fetch");
	TCase *tc = tcase_create("fetch");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, an_answer_comes_home);
	tcase_add_test(tc, workers_on_many_threads_send_and_abandon_and_each_gets_its_own_back);
	tcase_add_test(tc, at_the_end_all_that_is_out_or_waits_comes_home_failed);
	tcase_add_test(tc, a_server_that_never_fetches_has_no_thread_to_end);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

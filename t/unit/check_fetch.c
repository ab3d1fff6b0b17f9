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
#include "object/pipe.h"

enum { THREADS = 4, ROUNDS = 60, PER_ROUND = 8 };

static struct scene s;
static struct allow_conf all = { .kind = ALLOW_ALL, .text = "all" };

/* ---- a server: "/" is answered at once, "/stall" never, "/part" by half, "/cut" too, and then it hangs up ---- */

static struct {
	int listener, port;
	pthread_t thread;
	atomic_bool stop;
} server;

/* A body in pieces, to its last chunk: how many bytes of x are in it? */
static unsigned
read_chunks(int fd, char *head, size_t room, ssize_t n)
{
	unsigned found = 0;
	char *p = strstr(head, "\r\n\r\n") + 4;
	char last[6] = "";

	while (n > 0) {
		for (; *p; p++) {
			found += *p == 'X';
			memmove(last, last + 1, 4);
			last[4] = *p;
		}
		if (strcmp(last, "0\r\n\r\n") == 0)
			return found;
		n = recv(fd, head, room - 1, 0);
		head[n > 0 ? n : 0] = '\0';
		p = head;
	}
	return found;
}

static bool
serve_one(int fd)
{
	char head[4096], answer[200];
	ssize_t n = recv(fd, head, sizeof(head) - 1, 0);
	int length = 5;
	bool cut;

	if (n <= 0)
		return false;
	head[n] = '\0';
	if (strstr(head, "GET /stall"))
		return true;
	cut = strstr(head, "GET /cut");
	if (cut || strstr(head, "GET /part"))
		length = 100000;
	if (strstr(head, "POST /"))
		n = snprintf(answer, sizeof(answer), "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n%08u", read_chunks(fd, head, sizeof(head), n));
	else
		n = snprintf(answer, sizeof(answer), "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\nhello", length);
	send(fd, answer, (size_t)n, MSG_NOSIGNAL);
	return !cut;
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
	struct pipe *stream;	/* of the answer */
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
	a->stream = ev->response.stream;
	ev->response.stream = NULL;
	if (ev->failed)
		snprintf(a->text, sizeof(a->text), "%.*s", (int)ev->failure.message.n, ev->failure.message.p);
	else
		snprintf(a->text, sizeof(a->text), "%.*s", (int)ev->response.body.n, ev->response.body.p ? ev->response.body.p : "");
	event_free(&ev);
}

static const struct transport transport = { on_answer };

static void
ask_with(struct worker *w, struct asked *a, const char *path, struct pipe *body)
{
	struct event *ev = event_new(EVENT_OUTBOUND, &transport, a, w);

	*a = (struct asked){ .event = ev };
	ev->app = &s.runtime.apps[0];
	ev->request.method = body ? STR("POST") : STR("GET");
	ev->request.stream = body;
	ev->outgoing = arena_zalloc(&ev->arena, sizeof(*ev->outgoing));
	ev->outgoing->url = str_c(arena_printf(&ev->arena, "http://127.0.0.1:%d%s", server.port, path));
	worker_send(w, ev);
}

static void
ask(struct worker *w, struct asked *a, const char *path)
{
	ask_with(w, a, path, NULL);
}

/* The next piece, whatever it takes. */
static struct piece *
next_piece(struct worker *w, struct pipe *p)
{
	struct piece *x;

	for (unsigned spins = 0; !(x = pipe_read(p)); spins++) {
		worker_tick(w);
		usleep(200);
		ck_assert_uint_lt(spins, 100000);
	}
	return x;
}

static void
on_look(void *arg)
{
	(void)arg;
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

START_TEST(the_head_comes_home_before_the_body_and_a_reader_that_leaves_ends_it)
{
	struct asked a;
	struct piece *x;

	open_scene();
	ask(s.w, &a, "/part");
	tick_until(s.w, &a, 1);
	ck_assert_msg(!a.failed && a.status == 200 && a.stream, "%s", a.text);
	pipe_attach(a.stream, s.w, on_look, NULL);
	x = next_piece(s.w, a.stream);
	ck_assert(x->kind == PIECE_BYTES && x->n == 5 && memcmp(x->bytes, "hello", 5) == 0);
	piece_free(a.stream, &x);
	pipe_cancel(&a.stream);
	close_scene();
}
END_TEST

START_TEST(a_body_that_is_cut_breaks_its_stream_off)
{
	struct asked a;
	struct piece *x;

	open_scene();
	ask(s.w, &a, "/cut");
	tick_until(s.w, &a, 1);
	if (a.stream) {			/* else its end came with its head */
		pipe_attach(a.stream, s.w, on_look, NULL);
		while ((x = next_piece(s.w, a.stream))->kind == PIECE_BYTES)
			piece_free(a.stream, &x);
		ck_assert(x->kind == PIECE_FAILED && memmem(x->bytes, x->n, "(after 5 bytes of its body)", 27));
		piece_free(a.stream, &x);
		pipe_cancel(&a.stream);
	} else {
		ck_assert_msg(a.failed && strstr(a.text, "cut in the middle"), "%s", a.text);
	}
	close_scene();
}
END_TEST

static void *
write_body(void *arg)
{
	static char big[30000];
	struct pipe *w = arg;

	memset(big, 'X', sizeof(big));
	for (int i = 0; i < 20; i++)
		pipe_write(w, NULL, str_n(big, sizeof(big)));
	pipe_close(&w, NULL, NULL);
	return NULL;
}

START_TEST(a_request_in_pieces_arrives_whole_while_it_is_written_by_another_thread)
{
	struct pipe *body;
	struct asked a;
	pthread_t writer;

	open_scene();
	body = pipe_new(s.w);
	ask_with(s.w, &a, "/", body);
	ck_assert(pthread_create(&writer, NULL, write_body, body) == 0);
	tick_until(s.w, &a, 1);
	pthread_join(writer, NULL);
	ck_assert_msg(!a.failed && strcmp(a.text, "00600000") == 0, "%s", a.text);
	close_scene();
}
END_TEST

START_TEST(a_request_whose_body_breaks_off_fails)
{
	struct asked a;
	struct pipe *body;

	open_scene();
	body = pipe_new(s.w);
	ask_with(s.w, &a, "/", body);
	pipe_write(body, NULL, STR("half"));
	pipe_close(&body, NULL, &(struct failure){ .message = STR("lost the rest") });
	tick_until(s.w, &a, 1);
	ck_assert_msg(a.failed && strstr(a.text, "its body broke off: lost the rest"), "%s", a.text);
	close_scene();
}
END_TEST

/* Streams that are opened and given up, read a little, or left to the end of the thread. */
static void *
open_and_leave(void *arg)
{
	struct worker *w = arg;
	struct asked asked[PER_ROUND];
	struct piece *x;

	for (unsigned round = 0; round < ROUNDS / 2; round++) {
		for (unsigned i = 0; i < PER_ROUND; i++)
			ask(w, &asked[i], i % 2 ? "/part" : "/");
		tick_until(w, asked, PER_ROUND);
		for (unsigned i = 1; i < PER_ROUND; i += 2) {
			ck_assert_msg(asked[i].stream, "%s", asked[i].text);
			pipe_attach(asked[i].stream, w, on_look, NULL);
			if (i % 4 == 1) {
				x = next_piece(w, asked[i].stream);
				piece_free(asked[i].stream, &x);
			}
			pipe_cancel(&asked[i].stream);
		}
	}
	return NULL;
}

START_TEST(workers_on_many_threads_open_streams_and_leave_them)
{
	pthread_t threads[THREADS];

	open_scene();
	for (unsigned i = 0; i < THREADS; i++)
		ck_assert(pthread_create(&threads[i], NULL, open_and_leave, s.runtime.workers[i]) == 0);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	close_scene();
}
END_TEST

START_TEST(at_the_end_a_stream_that_is_still_read_breaks_off)
{
	struct asked a;
	struct piece *x;

	open_scene();
	ask(s.w, &a, "/part");
	tick_until(s.w, &a, 1);
	fetch_free(&s.runtime.outbound);
	pipe_attach(a.stream, s.w, on_look, NULL);
	x = next_piece(s.w, a.stream);
	piece_free(a.stream, &x);
	x = next_piece(s.w, a.stream);
	ck_assert(x->kind == PIECE_FAILED && memmem(x->bytes, x->n, "the server is stopping", 22));
	piece_free(a.stream, &x);
	pipe_cancel(&a.stream);
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
	tcase_add_test(tc, the_head_comes_home_before_the_body_and_a_reader_that_leaves_ends_it);
	tcase_add_test(tc, a_body_that_is_cut_breaks_its_stream_off);
	tcase_add_test(tc, a_request_in_pieces_arrives_whole_while_it_is_written_by_another_thread);
	tcase_add_test(tc, a_request_whose_body_breaks_off_fails);
	tcase_add_test(tc, workers_on_many_threads_open_streams_and_leave_them);
	tcase_add_test(tc, at_the_end_a_stream_that_is_still_read_breaks_off);
	tcase_add_test(tc, at_the_end_all_that_is_out_or_waits_comes_home_failed);
	tcase_add_test(tc, a_server_that_never_fetches_has_no_thread_to_end);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

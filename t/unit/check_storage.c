/* check_storage.c -- ctx.storage, .kv and .sql as an object sees them, over the real engine and the real store.
 *
 * The scenes are methods of a class, in storage/scenes.lua beside this file;
 * each runs as a test of its own, in a new object of a new data directory. A
 * scene fails by raising.
 */
#include <check.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "lua/host_engine.h"
#include "object/event.h"
#include "object/worker.h"
#include "store/codec.h"

enum { SCENES_MAX = 200, ANSWER_MS = 20000 };

static char scenes[SCENES_MAX][96];
static int nscenes;

/* ---- a small server without sockets ---- */

struct bench {
	char dir[128];
	struct settings *settings;
	struct store *store;
	struct runtime runtime;
	struct worker *worker;
	struct engine *engine;
	int wakes;		/* an eventfd: the journal's thread says that something is durable */
};

struct answer {
	bool came, failed;
	char text[4096];
};

static void
on_wake(void *arg)
{
	struct bench *b = arg;
	uint64_t one = 1;

	ck_assert_int_eq(write(b->wakes, &one, sizeof(one)), sizeof(one));
}

static const char conf[] =
    "worker_threads 1;\n"
    "data_dir %s/data;\n"
    "app scenes {\n"
    "	root %s/t/unit/storage;\n"
    "	main scenes.lua;\n"
    "	durable_objects { binding S class_name=Scenes; binding OLD class_name=Old; }\n"
    "	migrations { v1 { new_sqlite_classes Scenes; new_classes Old; } }\n"
    "	limits { kv_key 64; kv_value 4k; kv_batch 10; }\n"
    "}\n"
    "server { listen 8787; location / { app scenes; } }\n";

static void
write_conf(const char *dir, const char *path)
{
	const char *src = getenv("srcdir");
	char *top = realpath(src ? src : ".", NULL);
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(top);
	ck_assert_ptr_nonnull(f);
	fprintf(f, conf, dir, top);
	ck_assert_int_eq(fclose(f), 0);
	free(top);
}

static void
bench_open(struct bench *b)
{
	const char *tmp = getenv("TMPDIR");
	struct store_options options;
	char path[160];

	snprintf(b->dir, sizeof(b->dir), "%s/check_storage.XXXXXX", tmp ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(b->dir));
	snprintf(path, sizeof(path), "%s/site.conf", b->dir);
	write_conf(b->dir, path);
	b->settings = settings_load(path);
	ck_assert_msg(b->settings != NULL, "%s", err_text());
	options = (struct store_options){
		.dir = b->settings->data_dir, .journal_segment = 1 << 20, .open_files = 16, .overlay_max = 16 << 20, .shards = 1
	};
	store_configure_sqlite();
	b->store = store_open(&options);
	ck_assert_msg(b->store != NULL, "%s", err_text());
	b->wakes = eventfd(0, EFD_NONBLOCK);
	runtime_init(&b->runtime, b->settings, b->store);
	b->worker = worker_new(&b->runtime, 0, on_wake, b);
	b->engine = host_new(b->worker);
	ck_assert_msg(b->engine != NULL, "%s", err_text());
	worker_set_engine(b->worker, b->engine);
}

static void
bench_close(struct bench *b)
{
	char command[200];

	worker_stop(b->worker);
	host_free(&b->engine);
	worker_free(&b->worker);
	runtime_fini(&b->runtime);
	ck_assert_int_eq(store_close(&b->store), OK);
	settings_free(&b->settings);
	close(b->wakes);
	snprintf(command, sizeof(command), "rm -rf '%s'", b->dir);
	ck_assert_int_eq(system(command), 0);
}

/* A string result as it is; any other as a sign that it came. */
static void
on_answer(struct event *ev)
{
	struct answer *a = ev->caller;
	struct str in = ev->result, text = STR("(no text)");
	struct codec_item item;

	if (ev->failed)
		text = ev->failure.message;
	else if (in.n && codec_read(&in, &item) == OK && item.type == CODEC_STRING)
		text = item.s;
	a->came = true;
	a->failed = ev->failed;
	snprintf(a->text, sizeof(a->text), "%.*s", (int)text.n, text.p);
	event_free(&ev);
}

static const struct transport transport = { .answer = on_answer };

/* Calls class:method() of the object "one" and waits for the answer. */
static void
bench_call(struct bench *b, const char *class, const char *method, struct answer *a)
{
	struct event *ev = event_new(EVENT_CALL, &transport, a, b->worker);
	int64_t until = clock_ms() + ANSWER_MS;
	struct buf args = { 0 };

	memset(a, 0, sizeof(*a));
	ev->app = &b->runtime.apps[0];
	ev->class = app_class(ev->app, class);
	ck_assert_ptr_nonnull(ev->class);
	ev->name = STR("one");
	id_from_name(&ev->class->key, ev->name, &ev->id);
	ev->method = str_c(method);
	codec_array(&args, 0);
	ev->args = arena_str(&ev->arena, buf_slice(&args));
	buf_fini(&args);
	worker_send(b->worker, ev);
	while (!a->came && clock_ms() < until) {
		struct pollfd p = { .fd = b->wakes, .events = POLLIN };
		uint64_t n;

		if (!worker_tick(b->worker) && !a->came)
			poll(&p, 1, 100);
		(void)!read(b->wakes, &n, sizeof(n));
	}
	ck_assert_msg(a->came, "%s: no answer", method);
}

/* ---- tests ---- */

START_TEST(a_scene_of_the_storage_plays_to_its_end)
{
	struct bench b;
	struct answer a;

	bench_open(&b);
	bench_call(&b, "Scenes", scenes[_i], &a);
	ck_assert_msg(!a.failed, "%s: %s", scenes[_i], a.text);
	bench_close(&b);
}
END_TEST

START_TEST(what_was_put_is_there_after_a_restart_of_the_object)
{
	struct bench b;
	struct answer a;

	bench_open(&b);
	bench_call(&b, "Scenes", "keep_something", &a);
	ck_assert_msg(!a.failed, "%s", a.text);
	worker_stop(b.worker);		/* every object sleeps */
	b.worker->stopping = false;
	bench_call(&b, "Scenes", "find_it_again", &a);
	ck_assert_msg(!a.failed, "%s", a.text);
	bench_close(&b);
}
END_TEST

START_TEST(a_cursor_of_an_instance_that_is_gone_is_refused)
{
	struct bench b;
	struct answer a;

	bench_open(&b);
	bench_call(&b, "Scenes", "leave_a_cursor_open", &a);
	ck_assert_msg(!a.failed, "%s", a.text);
	worker_stop(b.worker);
	b.worker->stopping = false;
	bench_call(&b, "Scenes", "use_the_old_cursor", &a);
	ck_assert_msg(!a.failed, "%s", a.text);
	bench_close(&b);
}
END_TEST

START_TEST(a_class_made_with_new_classes_has_no_sql)
{
	struct bench b;
	struct answer a;

	bench_open(&b);
	bench_call(&b, "Old", "try_sql", &a);
	ck_assert(a.failed);
	ck_assert_ptr_nonnull(strstr(a.text, "SQL is not available: class \"Old\" was created with new_classes (tag v1)."));
	bench_call(&b, "Old", "try_kv", &a);
	ck_assert_msg(!a.failed, "%s", a.text);
	bench_close(&b);
}
END_TEST

/* Every "function Scenes:name(" of scenes.lua whose name begins with "it_". */
static void
read_scenes(void)
{
	const char *src = getenv("srcdir");
	char path[512], line[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/t/unit/storage/scenes.lua", src ? src : ".");
	f = fopen(path, "r");
	if (!f) {
		fprintf(stderr, "%s: run this from the top of the source tree, or set srcdir\n", path);
		exit(1);
	}
	while (nscenes < SCENES_MAX && fgets(line, sizeof(line), f))
		if (sscanf(line, "function Scenes:%95[a-zA-Z0-9_](", scenes[nscenes]) == 1 && strncmp(scenes[nscenes], "it_", 3) == 0)
			nscenes++;
	fclose(f);
}

int
main(void)
{
	Suite *suite = suite_create("storage");
	TCase *tc = tcase_create("storage");
	SRunner *sr;
	int failed;

	log_open(getenv("CK_VERBOSE") ? "stderr" : "/dev/null", LOG_INFO);	/* what a scene provokes is logged as well */
	read_scenes();
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, a_scene_of_the_storage_plays_to_its_end, 0, nscenes);
	tcase_add_test(tc, what_was_put_is_there_after_a_restart_of_the_object);
	tcase_add_test(tc, a_cursor_of_an_instance_that_is_gone_is_refused);
	tcase_add_test(tc, a_class_made_with_new_classes_has_no_sql);
	suite_add_tcase(suite, tc);
	sr = srunner_create(suite);
	srunner_run_all(sr, getenv("CK_VERBOSE") ? CK_VERBOSE : CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return nscenes > 0 && failed == 0 ? 0 : 1;
}

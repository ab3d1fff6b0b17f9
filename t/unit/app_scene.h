/* app_scene.h -- one app on one worker with a real store and the real Lua host, without HTTP.
 *
 *	struct scene s;
 *	scene_open(&s, main_lua, "Counter Room");	every class gets a binding of its name in upper case
 *	struct answer a = scene_get(&s, "/path");	one request through the front module
 *	scene_close(&s);
 */
#ifndef DREY_T_APP_SCENE_H
#define DREY_T_APP_SCENE_H

#include <check.h>
#include <ctype.h>
#include <ftw.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "lua/host_engine.h"
#include "object/worker.h"

struct scene {
	char dir[64];
	struct settings settings;
	struct app_conf app;
	struct runtime runtime;
	struct store *store;
	struct worker *worker;
	struct engine *engine;
	int wake[2];		/* a pipe: the worker is wanted */
	char log[100];
};

struct answer {
	bool came, failed;
	int status;
	struct event *event;	/* freed by answer_free() */
};

static inline void
scene_write(const struct scene *s, const char *name, const char *text)
{
	char *path = xasprintf("%s/app/%s", s->dir, name);
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
	free(path);
}

static inline void
scene_wake(void *arg)
{
	struct scene *s = arg;

	if (write(s->wake[1], "w", 1) < 0)
		return;
}

static inline const struct app_conf *
scene_app(struct scene *s, const char *classes)
{
	struct app_conf *app = &s->app;
	char *words = xstrdup(classes), *save = NULL;
	struct arena *a = &s->settings.arena;

	for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		struct class_conf *class = arena_zalloc(a, sizeof(*class));
		struct binding_conf *binding = arena_zalloc(a, sizeof(*binding));
		char *upper = arena_strdup(a, w);

		for (char *c = upper; *c; c++)
			*c = (char)toupper((unsigned char)*c);
		class->name = arena_strdup(a, w);
		class->sqlite = true;
		class->next = app->classes;
		app->classes = class;
		binding->name = upper;
		binding->class_name = class->name;
		binding->at = (struct place){ "site.conf", 14, 5 };
		binding->next = app->bindings;
		app->bindings = binding;
	}
	free(words);
	return app;
}

/* Settings and files, nothing running yet. */
static inline void
scene_init(struct scene *s, const char *main_lua, const char *classes)
{
	struct var_conf *var;

	memset(s, 0, sizeof(*s));
	snprintf(s->dir, sizeof(s->dir), "%s/drey-scene-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(s->dir));
	arena_init(&s->settings.arena);
	s->settings.file = "site.conf";
	s->settings.worker_threads = 1;
	s->settings.data_dir = arena_printf(&s->settings.arena, "%s/data", s->dir);
	s->settings.apps = &s->app;
	s->settings.napps = 1;
	s->app = (struct app_conf){
		.name = "app", .root = arena_printf(&s->settings.arena, "%s/app", s->dir), .main = "main.lua",
		.main_at = { "site.conf", 7, 3 },
		.limits = { .kv_key = 2048, .kv_value = 2 << 20, .kv_batch = 128, .storage = 1 << 30, .memory = 64 << 20,
		    .cpu_ms = 30000, .console = 1 << 20, .rpc_message = 32 << 20, .references = 1000, .idle_hibernate_ms = 60000, .idle_evict_ms = 60000, .pending_io_ms = 60000, .block_timeout_ms = 30000 },
		.overload = { .queue = 1000, .bytes = 32 << 20, .age_ms = 10000 }
	};
	var = arena_zalloc(&s->settings.arena, sizeof(*var));
	var->name = "GREETING";
	var->value = "hi";
	s->app.vars = var;
	scene_app(s, classes);
	ck_assert_int_eq(mkdir(s->app.root, 0700), 0);
	scene_write(s, "main.lua", main_lua);
	snprintf(s->log, sizeof(s->log), "%s/error.log", s->dir);
	ck_assert_int_eq(log_open(s->log, LOG_DEBUG), OK);
}

static inline void
scene_start(struct scene *s)
{
	struct store_options options = { .dir = s->settings.data_dir, .journal_segment = 4 << 20, .open_files = 100,
		.overlay_max = 1 << 20, .shards = 1 };
	static bool configured;

	ck_assert_int_eq(pipe(s->wake), 0);
	if (!configured)
		store_configure_sqlite();	/* once per process */
	configured = true;
	s->store = store_open(&options);
	ck_assert_msg(s->store != NULL, "%s", err_text());
	runtime_init(&s->runtime, &s->settings, s->store);
	s->worker = worker_new(&s->runtime, 0, scene_wake, s);
	s->engine = host_new(s->worker);
	ck_assert_msg(s->engine != NULL, "%s", s->engine ? "" : err_text());
	worker_set_engine(s->worker, s->engine);
}

static inline void
scene_open(struct scene *s, const char *main_lua, const char *classes)
{
	scene_init(s, main_lua, classes);
	scene_start(s);
}

static inline int
scene_unlink(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static inline void
scene_fini(struct scene *s)
{
	arena_fini(&s->settings.arena);
	log_open("stderr", LOG_ERROR);
	nftw(s->dir, scene_unlink, 8, FTW_DEPTH | FTW_PHYS);
}

static inline void
scene_stop(struct scene *s)
{
	worker_stop(s->worker);
	host_free(&s->engine);
	worker_free(&s->worker);
	runtime_fini(&s->runtime);
	ck_assert_int_eq(store_close(&s->store), OK);
	close(s->wake[0]);
	close(s->wake[1]);
}

static inline void
scene_close(struct scene *s)
{
	scene_stop(s);
	scene_fini(s);
}

/* Waits until something happens, at most until the worker's next timer. */
static inline void
scene_rest(struct scene *s)
{
	struct pollfd p = { .fd = s->wake[0], .events = POLLIN };
	char junk[64];
	int64_t wait;

	wait = worker_next(s->worker) - clock_ms();
	if (wait > 100)
		wait = 100;
	if (wait > 0 && poll(&p, 1, (int)wait) > 0 && read(s->wake[0], junk, sizeof(junk)) < 0)
		return;
}

static inline void
scene_on_answer(struct event *ev)
{
	struct answer *a = ev->caller;

	a->came = true;
	a->event = ev;
	a->failed = ev->failed;
	a->status = ev->failed ? 500 : ev->response.status;
}

static const struct transport scene_transport = { scene_on_answer };

/* Sends a request and returns at once; the answer must live until it came. */
static inline struct event *
scene_send(struct scene *s, struct answer *a, const char *method, const char *path, const char *body)
{
	static struct header headers[] = { { { "Host", 4 }, { "drey.test", 9 } }, { { "X-Test", 6 }, { "one", 3 } },
		{ { "x-test", 6 }, { "two", 3 } } };
	struct event *ev = event_new(EVENT_FETCH, &scene_transport, a, s->worker);

	memset(a, 0, sizeof(*a));
	ev->app = &s->runtime.apps[0];
	ev->request_id = 0xabc;
	ev->request = (struct message){
		.method = str_c(method), .scheme = STR("http"), .authority = STR("drey.test"), .path = str_c(path),
		.client = STR("127.0.0.1"), .headers = headers, .nheaders = 3, .body = body ? str_c(body) : (struct str){ 0 }
	};
	worker_front(s->worker, ev);
	return ev;
}

static inline void
scene_wait(struct scene *s, struct answer *a)
{
	int64_t end = clock_ms() + 10000;

	while (!a->came && clock_ms() < end)
		if (!worker_tick(s->worker) && !a->came)
			scene_rest(s);
	ck_assert_msg(a->came, "no answer within 10 s");
}

static inline struct answer
scene_get(struct scene *s, const char *path)
{
	struct answer a;

	scene_send(s, &a, "GET", path, NULL);
	scene_wait(s, &a);
	a.event->caller = NULL;
	return a;
}

/* Its body, or its failure's message, as a C string that lives with it. */
static inline const char *
answer_text(const struct answer *a)
{
	struct str s = a->failed ? a->event->failure.message : a->event->response.body;

	return s.p ? arena_str(&a->event->arena, s).p : "";
}

static inline void
answer_free(struct answer *a)
{
	event_free(&a->event);
}

#define assert_answer(s, path, want_status, want) do { \
	struct answer answer_ = scene_get((s), (path)); \
	ck_assert_str_eq(answer_text(&answer_), (want)); \
	ck_assert_int_eq(answer_.status, (want_status)); \
	answer_free(&answer_); \
} while (0)

static inline int
scene_run(Suite *suite)
{
	SRunner *sr = srunner_create(suite);
	int failed;

	srunner_run_all(sr, getenv("CK_VERBOSE") ? CK_VERBOSE : CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? 1 : 0;
}

#endif

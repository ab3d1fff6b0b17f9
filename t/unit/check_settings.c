/* check_settings.c -- configurations read whole: values, defaults, every mistake, printing.
 *
 * conf/ beside this file holds one broken configuration per mistake;
 * conf/broken.h has the whole message each must give, line and column included.
 */
#include <check.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "conf/parse.h"
#include "conf/settings.h"
#include "conf/broken.h"

#define BROKEN_N ((int)(sizeof(broken) / sizeof(broken[0])))

/* The broken files name one another and their app by relative paths. */
static void
enter_conf(void)
{
	const char *src = getenv("srcdir");
	char *dir = xasprintf("%s/t/unit/conf", src ? src : ".");

	ck_assert_msg(chdir(dir) == 0, "run this from the top of the source tree, or set srcdir");
	free(dir);
}

START_TEST(a_broken_file_is_refused_with_its_place_and_the_line_to_write)
{
	struct settings *s;

	enter_conf();
	s = settings_load(broken[_i].file);
	ck_assert_msg(s == NULL, "%s was accepted", broken[_i].file);
	ck_assert_int_eq(err_code(), ERR_CONF);
	ck_assert_str_eq(err_text(), broken[_i].message);
}
END_TEST

START_TEST(every_broken_file_is_in_the_table)
{
	struct dirent *e;
	DIR *d;
	int files = 0;

	enter_conf();
	d = opendir(".");
	ck_assert_ptr_nonnull(d);
	while ((e = readdir(d))) {
		const char *dot = strrchr(e->d_name, '.');
		bool found = false;

		if (!dot || strcmp(dot, ".conf") != 0)
			continue;
		files++;
		for (int i = 0; i < BROKEN_N; i++)
			found = found || strcmp(broken[i].file, e->d_name) == 0;
		ck_assert_msg(found, "%s is in no table", e->d_name);
	}
	closedir(d);
}
END_TEST

/* ---- scenes of text ---- */

static struct settings *
parse(const char *text)
{
	struct settings *s = settings_parse("test.conf", str_c(text));

	ck_assert_msg(s != NULL, "%s", err_text());
	return s;
}

static void
refuse(const char *text, const char *message)
{
	struct settings *s = settings_parse("test.conf", str_c(text));

	ck_assert_msg(s == NULL, "accepted: %s", text);
	ck_assert_str_eq(err_text(), message);
}

START_TEST(defaults_are_those_of_the_table)
{
	struct settings *s = parse("app a { main a.lua; } server { listen 8787; location / { app a; } }");
	struct app_conf *a = s->apps;
	struct server_conf *server = s->servers;

	ck_assert_uint_ge(s->worker_threads, 1);
	ck_assert_str_eq(s->data_dir, "data");
	ck_assert_str_eq(s->error_log, "stderr");
	ck_assert_int_eq(s->error_log_level, LOG_INFO);
	ck_assert_ptr_null(s->access_log);
	ck_assert_ptr_null(s->pid);
	ck_assert_uint_eq(s->journal_segment, 64 << 20);
	ck_assert_uint_eq(s->open_files, 1024);
	ck_assert_uint_eq(s->overlay_max, 16 << 20);
	ck_assert_uint_eq(s->min_free, 64 << 20);
	ck_assert_int_eq(s->min_free_at.line, 0);
	ck_assert_int_eq(s->full_timeout_ms, 30000);
	ck_assert_int_eq(s->shutdown_timeout_ms, 30000);
	ck_assert_str_eq(a->root, ".");
	ck_assert_int_eq(a->root_at.line, 1);
	ck_assert(!a->dev_errors);
	ck_assert_ptr_null(a->compatibility_date);
	ck_assert_uint_eq(a->limits.kv_key, 2048);
	ck_assert_uint_eq(a->limits.kv_value, 2 << 20);
	ck_assert_uint_eq(a->limits.kv_batch, 128);
	ck_assert_uint_eq(a->limits.storage, UINT64_C(10) << 30);
	ck_assert_uint_eq(a->limits.memory, 256 << 20);
	ck_assert_uint_eq(a->limits.rpc_message, 32 << 20);
	ck_assert_int_eq(a->limits.cpu_ms, 30000);
	ck_assert_uint_eq(a->limits.console, 1 << 20);
	ck_assert_uint_eq(a->overload.queue, 1000);
	ck_assert_uint_eq(a->overload.bytes, 32 << 20);
	ck_assert_int_eq(a->overload.age_ms, 10000);
	ck_assert_uint_eq(a->overload.rate, 0);
	ck_assert_uint_eq(a->limits.timers, 10000);
	ck_assert_int_eq(a->limits.pending_io_ms, 15 * 60 * 1000);
	ck_assert_int_eq(a->limits.idle_hibernate_ms, 10000);
	ck_assert_int_eq(a->limits.idle_evict_ms, 100000);
	ck_assert_int_eq(a->limits.block_timeout_ms, 30000);
	ck_assert_ptr_null(a->profile);
	ck_assert_uint_eq(a->sql_limits.length, 32 << 20);
	ck_assert_uint_eq(a->sql_limits.statement, 1 << 20);
	ck_assert_uint_eq(a->sql_limits.columns, 2000);
	ck_assert_uint_eq(a->sql_limits.params, 32766);
	ck_assert_uint_eq(a->sql_limits.expr_depth, 1000);
	ck_assert_uint_eq(a->sql_limits.compound_select, 500);
	ck_assert_uint_eq(a->sql_limits.function_arg, 127);
	ck_assert_uint_eq(a->sql_limits.like_pattern, 50000);
	ck_assert_uint_eq(a->sql_limits.trigger_depth, 1000);
	ck_assert_uint_eq(a->sql_limits.vdbe_op, 250000000);
	ck_assert_str_eq(server->listens->host, "127.0.0.1");
	ck_assert_int_eq(server->listens->port, 8787);
	ck_assert_ptr_null(server->names[0]);
	ck_assert_uint_eq(server->client_max_body_size, 32 << 20);
	ck_assert_uint_eq(server->client_header_size, 64 << 10);
	ck_assert_int_eq(server->client_timeout_ms, 30000);
	ck_assert_int_eq(server->keepalive_timeout_ms, 75000);
	settings_free(&s);
	ck_assert_ptr_null(s);
}
END_TEST

/* Every directive once, with a value that is not its default. */
static const char full[] =
	"jurisdiction us eu; worker_threads 3; data_dir \"my data\"; error_log logs/error.log debug; access_log stdout;\n"
	"pid drey.pid; journal_segment 1m; open_files 64; overlay_max 1500k; min_free 2m; full_timeout 7s; shutdown_timeout 1500ms;\n"
	"app chat {\n"
	"    root apps/chat; main worker.lua; source room.lua limiter.lua; source more.lua;\n"
	"    compatibility_date 2025-11-23; dev_errors on; profile cloudflare; on_error rollback Limiter Other;\n"
	"    durable_objects { binding ROOM class_name=Room; binding LIMITER class_name=Limiter; binding SELF class_name=Room script_name=chat; }\n"
	"    migrations { v1 { new_sqlite_classes Room Other; } \"app\" { new_sqlite_classes Limiter; } }\n"
	"    vars { GREETING \"hi; \\\"you\\\" \\\\ {}\"; EMPTY ''; \"include\" x; root y; NEWLINE \"a\\nb\"; }\n"
	"    limits { kv_key 1k; kv_value 1023; kv_batch 7; storage 3g; memory 64m; rpc_message 1m; cpu 50ms; console 2k;\n"
	"             references 14; fetches 3; timers 13; pending_io 20m; idle_hibernate 0; idle_evict 3m; block_timeout 1m30s; }\n"
	"    overload { queue 12; bytes 5k; age 0; rate 9; }\n"
	"    sql_limits { length 5m; statement 2k; columns 11; params 12; expr_depth 13; compound_select 14;\n"
	"                 function_arg 15; like_pattern 16; trigger_depth 17; vdbe_op 18000; }\n"
	"    fetch_allow none api.internal *.example.org; fetch_allow 10.0.0.0/8 all; fetch_timeout 5s; fetch_body_max 1m; fetch_ca ca.pem;\n"
	"}\n"
	"app idle { main idle.lua; }\n"
	"server {\n"
	"    listen 8787; listen *:8788; listen [::1]:8789; listen localhost:8790;\n"
	"    trusted_proxy 10.0.0.0/8 ::1; trusted_proxy 127.0.0.1;\n"
	"    server_name Example.org *.example.org; server_name _;\n"
	"    client_max_body_size 1g; client_header_size 16k; client_timeout 5s; keepalive_timeout 0s;\n"
	"    location / { root public; } location /static/ { alias files/; }\n"
	"    location = / { app chat; } location /chat/ { app chat; } location \"/with space/\" { app idle; }\n"
	"}\n"
	"server { listen 9000; }\n";

START_TEST(every_directive_lands_in_its_field)
{
	struct settings *s = parse(full);
	struct app_conf *a = s->apps;
	struct server_conf *server = s->servers;
	struct location_conf *l = server->locations;

	ck_assert_uint_eq(s->worker_threads, 3);
	ck_assert_str_eq(s->data_dir, "my data");
	ck_assert_str_eq(s->error_log, "logs/error.log");
	ck_assert_int_eq(s->error_log_level, LOG_DEBUG);
	ck_assert_str_eq(s->access_log, "stdout");
	ck_assert_str_eq(s->pid, "drey.pid");
	ck_assert_uint_eq(s->journal_segment, 1 << 20);
	ck_assert_uint_eq(s->open_files, 64);
	ck_assert_uint_eq(s->overlay_max, 1500 << 10);
	ck_assert_uint_eq(s->min_free, 2 << 20);
	ck_assert_int_eq(s->min_free_at.line, 2);
	ck_assert_int_eq(s->full_timeout_ms, 7000);
	ck_assert_int_eq(s->shutdown_timeout_ms, 1500);
	ck_assert_uint_eq(s->napps, 2);
	ck_assert_str_eq(a->name, "chat");
	ck_assert_str_eq(a->root, "apps/chat");
	ck_assert_int_eq(a->root_at.line, 4);
	ck_assert_str_eq(a->main, "worker.lua");
	ck_assert_int_eq(a->main_at.line, 4);
	ck_assert_int_eq(a->main_at.column, 26);
	ck_assert_str_eq(a->sources->path, "room.lua");
	ck_assert_str_eq(a->sources->next->path, "limiter.lua");
	ck_assert_str_eq(a->sources->next->next->path, "more.lua");
	ck_assert_str_eq(a->compatibility_date, "2025-11-23");
	ck_assert(a->dev_errors);
	ck_assert(s->within[JURISDICTION_EU] && s->within[JURISDICTION_US] && !s->within[JURISDICTION_FEDRAMP]);
	ck_assert_str_eq(a->bindings->name, "ROOM");
	ck_assert_str_eq(a->bindings->class_name, "Room");
	ck_assert_str_eq(a->bindings->next->class_name, "Limiter");
	ck_assert_str_eq(a->classes->name, "Room");
	ck_assert_str_eq(a->classes->tag, "v1");
	ck_assert(a->classes->sqlite);
	ck_assert_str_eq(a->classes->next->next->name, "Limiter");
	ck_assert_str_eq(a->classes->next->next->tag, "app");
	ck_assert_str_eq(a->on_errors->class_name, "Limiter");
	ck_assert_str_eq(a->on_errors->next->class_name, "Other");
	ck_assert_str_eq(a->vars->value, "hi; \"you\" \\ {}");
	ck_assert_str_eq(a->vars->next->value, "");
	ck_assert_str_eq(a->vars->next->next->name, "include");
	ck_assert_uint_eq(a->limits.kv_key, 1024);
	ck_assert_uint_eq(a->limits.kv_value, 1023);
	ck_assert_uint_eq(a->limits.kv_batch, 7);
	ck_assert_uint_eq(a->limits.storage, UINT64_C(3) << 30);
	ck_assert_uint_eq(a->limits.memory, 64 << 20);
	ck_assert_uint_eq(a->limits.rpc_message, 1 << 20);
	ck_assert_int_eq(a->limits.cpu_ms, 50);
	ck_assert_uint_eq(a->limits.console, 2048);
	ck_assert_uint_eq(a->overload.queue, 12);
	ck_assert_uint_eq(a->overload.bytes, 5 << 10);
	ck_assert_int_eq(a->overload.age_ms, 0);
	ck_assert_uint_eq(a->overload.rate, 9);
	ck_assert_uint_eq(a->limits.references, 14);
	ck_assert_uint_eq(a->limits.fetches, 3);
	ck_assert_uint_eq(a->limits.timers, 13);
	ck_assert_int_eq(a->limits.pending_io_ms, 20 * 60 * 1000);
	ck_assert_int_eq(a->limits.idle_hibernate_ms, 0);
	ck_assert_int_eq(a->limits.idle_evict_ms, 180000);
	ck_assert_int_eq(a->limits.block_timeout_ms, 90000);
	ck_assert_uint_eq(a->sql_limits.length, 5 << 20);
	ck_assert_uint_eq(a->sql_limits.statement, 2048);
	ck_assert_uint_eq(a->sql_limits.columns, 11);
	ck_assert_uint_eq(a->sql_limits.params, 12);
	ck_assert_uint_eq(a->sql_limits.expr_depth, 13);
	ck_assert_uint_eq(a->sql_limits.compound_select, 14);
	ck_assert_uint_eq(a->sql_limits.function_arg, 15);
	ck_assert_uint_eq(a->sql_limits.like_pattern, 16);
	ck_assert_uint_eq(a->sql_limits.trigger_depth, 17);
	ck_assert_uint_eq(a->sql_limits.vdbe_op, 18000);
	ck_assert_int_eq(settings_limit_at(a, "kv_batch").line, 9);
	ck_assert_int_eq(settings_limit_at(a, "params").line, 12);
	ck_assert_int_eq(settings_limit_at(a, "trigger_depth").line, 13);
	ck_assert_int_eq(settings_limit_at(a->next, "params").line, 16);
	ck_assert_str_eq(a->next->name, "idle");
	ck_assert_uint_eq(a->next->index, 1);
	ck_assert_str_eq(server->listens->next->host, "0.0.0.0");
	ck_assert_str_eq(server->listens->next->next->host, "::1");
	ck_assert_int_eq(server->listens->next->next->port, 8789);
	ck_assert_str_eq(server->listens->next->next->next->host, "127.0.0.1");
	ck_assert_str_eq(server->names[0], "example.org");
	ck_assert_str_eq(server->names[2], "_");
	ck_assert_ptr_null(server->names[3]);
	ck_assert_uint_eq(server->client_max_body_size, 1 << 30);
	ck_assert_int_eq(server->keepalive_timeout_ms, 0);
	ck_assert_str_eq(l->path, "/");
	ck_assert(l->exact);
	ck_assert_ptr_eq(l->app, a);
	ck_assert_str_eq(l->next->path, "/with space/");
	ck_assert_str_eq(l->next->next->path, "/static/");
	ck_assert_str_eq(l->next->next->alias, "files/");
	ck_assert_str_eq(l->next->next->next->path, "/chat/");
	ck_assert_str_eq(l->next->next->next->next->root, "public");
	ck_assert_int_eq(server->next->listens->port, 9000);
	settings_free(&s);
}
END_TEST

/* ---- printing ---- */

static void
same_text(const char *a, const char *b)
{
	ck_assert_int_eq(a == NULL, b == NULL);
	if (a)
		ck_assert_str_eq(a, b);
}

static void
same_app(const struct app_conf *a, const struct app_conf *b)
{
	const struct source_conf *sa = a->sources, *sb = b->sources;
	const struct binding_conf *ba = a->bindings, *bb = b->bindings;
	const struct class_conf *ca = a->classes, *cb = b->classes;
	const struct var_conf *va = a->vars, *vb = b->vars;

	same_text(a->name, b->name);
	same_text(a->root, b->root);
	same_text(a->main, b->main);
	same_text(a->compatibility_date, b->compatibility_date);
	ck_assert_int_eq(a->dev_errors, b->dev_errors);
	ck_assert_uint_eq(a->index, b->index);
	ck_assert_mem_eq(&a->limits, &b->limits, sizeof(a->limits));
	ck_assert_mem_eq(&a->overload, &b->overload, sizeof(a->overload));
	ck_assert_mem_eq(&a->sql_limits, &b->sql_limits, sizeof(a->sql_limits));
	same_text(a->profile, b->profile);
	for (; sa && sb; sa = sa->next, sb = sb->next)
		same_text(sa->path, sb->path);
	for (; ba && bb; ba = ba->next, bb = bb->next) {
		same_text(ba->name, bb->name);
		same_text(ba->class_name, bb->class_name);
	}
	for (; ca && cb; ca = ca->next, cb = cb->next) {
		same_text(ca->name, cb->name);
		same_text(ca->tag, cb->tag);
		ck_assert_int_eq(ca->sqlite, cb->sqlite);
	}
	for (; va && vb; va = va->next, vb = vb->next) {
		same_text(va->name, vb->name);
		same_text(va->value, vb->value);
	}
	ck_assert(!sa && !sb && !ba && !bb && !ca && !cb && !va && !vb);
}

static void
same_server(const struct server_conf *a, const struct server_conf *b)
{
	const struct listen_conf *la = a->listens, *lb = b->listens;
	const struct location_conf *oa = a->locations, *ob = b->locations;
	const char **na = a->names, **nb = b->names;

	ck_assert_uint_eq(a->client_max_body_size, b->client_max_body_size);
	ck_assert_uint_eq(a->client_header_size, b->client_header_size);
	ck_assert_int_eq(a->client_timeout_ms, b->client_timeout_ms);
	ck_assert_int_eq(a->keepalive_timeout_ms, b->keepalive_timeout_ms);
	for (; la && lb; la = la->next, lb = lb->next) {
		same_text(la->host, lb->host);
		ck_assert_int_eq(la->port, lb->port);
	}
	for (; *na && *nb; na++, nb++)
		same_text(*na, *nb);
	for (; oa && ob; oa = oa->next, ob = ob->next) {
		same_text(oa->path, ob->path);
		ck_assert_int_eq(oa->exact, ob->exact);
		same_text(oa->root, ob->root);
		same_text(oa->alias, ob->alias);
		same_text(oa->app ? oa->app->name : NULL, ob->app ? ob->app->name : NULL);
	}
	ck_assert(!la && !lb && !*na && !*nb && !oa && !ob);
}

static void
same_settings(const struct settings *a, const struct settings *b)
{
	const struct app_conf *aa = a->apps, *ab = b->apps;
	const struct server_conf *sa = a->servers, *sb = b->servers;

	ck_assert_uint_eq(a->worker_threads, b->worker_threads);
	same_text(a->data_dir, b->data_dir);
	same_text(a->pid, b->pid);
	same_text(a->error_log, b->error_log);
	ck_assert_int_eq(a->error_log_level, b->error_log_level);
	same_text(a->access_log, b->access_log);
	ck_assert_uint_eq(a->journal_segment, b->journal_segment);
	ck_assert_uint_eq(a->open_files, b->open_files);
	ck_assert_uint_eq(a->min_free, b->min_free);
	ck_assert_int_eq(a->full_timeout_ms, b->full_timeout_ms);
	ck_assert_uint_eq(a->overlay_max, b->overlay_max);
	ck_assert_int_eq(a->shutdown_timeout_ms, b->shutdown_timeout_ms);
	ck_assert_uint_eq(a->napps, b->napps);
	for (; aa && ab; aa = aa->next, ab = ab->next)
		same_app(aa, ab);
	for (; sa && sb; sa = sa->next, sb = sb->next)
		same_server(sa, sb);
	ck_assert(!aa && !ab && !sa && !sb);
}

static void
check_round_trip(const char *text)
{
	struct settings *s = parse(text), *again;
	struct buf one = { 0 }, two = { 0 };

	settings_print(s, &one);
	again = parse(one.p);
	same_settings(s, again);
	settings_print(again, &two);
	ck_assert_str_eq(one.p, two.p);
	settings_free(&s);
	settings_free(&again);
	buf_fini(&one);
	buf_fini(&two);
}

START_TEST(what_is_printed_reads_back_to_the_same_settings)
{
	check_round_trip("");
	check_round_trip("server { listen 1; }");
	check_round_trip(full);
}
END_TEST

START_TEST(what_is_printed_holds_every_directive_that_has_a_value)
{
	struct settings *s = parse(full);
	struct buf out = { 0 };

	settings_print(s, &out);
	for (const struct directive *d = directives; d < directives + directives_n; d++)
		if (d->name && strcmp(d->name, "include") != 0 && strcmp(d->name, "new_classes") != 0)
			ck_assert_msg(strstr(out.p, d->name) != NULL, "%s is not printed", d->name);
	settings_free(&s);
	buf_fini(&out);
}
END_TEST

/* ---- the profile ---- */

static void
check_profile(const char *text)
{
	struct settings *s = parse(text);
	const struct app_conf *a = s->apps;

	ck_assert_str_eq(a->profile, "cloudflare");
	ck_assert_uint_eq(a->limits.kv_batch, 99);		/* written */
	ck_assert_uint_eq(a->limits.memory, 128 << 20);
	ck_assert_uint_eq(a->limits.storage, UINT64_C(10) << 30);
	ck_assert_uint_eq(a->overload.queue, 1000);		/* the original has no number */
	ck_assert_uint_eq(a->sql_limits.params, 32766);		/* written, though it is the default */
	ck_assert_uint_eq(a->sql_limits.length, 4 << 20);
	ck_assert_uint_eq(a->sql_limits.statement, 100000);
	ck_assert_uint_eq(a->sql_limits.columns, 100);
	ck_assert_uint_eq(a->sql_limits.expr_depth, 100);
	ck_assert_uint_eq(a->sql_limits.compound_select, 5);
	ck_assert_uint_eq(a->sql_limits.function_arg, 127);
	ck_assert_uint_eq(a->sql_limits.like_pattern, 50);
	ck_assert_uint_eq(a->sql_limits.trigger_depth, 10);
	ck_assert_uint_eq(a->sql_limits.vdbe_op, 25000);
	ck_assert_uint_eq(a->next->sql_limits.columns, 2000);	/* the other app's are its own */
	settings_free(&s);
	check_round_trip(text);
}

START_TEST(a_profile_fills_in_what_is_not_written_wherever_it_stands)
{
	check_profile("app a { main a.lua; profile cloudflare; limits { kv_batch 99; } sql_limits { params 32766; } } app b { main b.lua; }");
	check_profile("app a { limits { kv_batch 99; } sql_limits { params 32766; } main a.lua; profile cloudflare; } app b { main b.lua; }");
}
END_TEST

START_TEST(a_limit_of_the_profile_is_placed_at_the_profile)
{
	struct settings *s = parse("app a {\n main a.lua;\n profile cloudflare;\n sql_limits {\n  columns 70;\n }\n}\n");

	ck_assert_int_eq(settings_limit_at(s->apps, "columns").line, 5);
	ck_assert_int_eq(settings_limit_at(s->apps, "params").line, 3);
	ck_assert_int_eq(settings_limit_at(s->apps, "queue").line, 1);
	settings_free(&s);
	refuse("app a { profile aws; }", "test.conf:1:17: \"aws\" is not a profile, there is one; write  profile cloudflare;");
	refuse("app a { sql_limits { params 100000; } }",
	    "test.conf:1:29: params 100000 is too large, the most is 32766; write  params 32766;");
}
END_TEST

/* ---- the table itself ---- */

/* A row's line to copy must be accepted where the row says it may stand. */
START_TEST(every_line_to_copy_can_be_copied)
{
	static const struct {
		unsigned context;
		const char *before, *after;
	} wraps[] = {
		{ IN_MAIN, "", "" },
		{ IN_APP, "app x { ", " }" },
		{ IN_OBJECTS, "app x { durable_objects { ", " } }" },
		{ IN_MIGRATIONS, "app x { migrations { ", " } }" },
		{ IN_MIGRATION, "app x { migrations { v1 { ", " } } }" },
		{ IN_VARS, "app x { vars { ", " } }" },
		{ IN_LIMITS, "app x { limits { ", " } }" },
		{ IN_SQL_LIMITS, "app x { sql_limits { ", " } }" },
		{ IN_OVERLOAD, "app x { overload { ", " } }" },
		{ IN_SERVER, "app counter { } server { ", " }" },
		{ IN_LOCATION, "app counter { } server { location / { ", " } }" },
	};
	int tried = 0;

	for (const struct directive *d = directives; d < directives + directives_n; d++) {
		ck_assert_ptr_nonnull(d->write);
		ck_assert_ptr_nonnull(d->help);
		for (size_t i = 0; i < sizeof(wraps) / sizeof(wraps[0]); i++) {
			bool server = d->name && strcmp(d->name, "server") == 0;
			struct settings *s;
			char *text;

			if (!(d->contexts & wraps[i].context))
				continue;
			text = xasprintf("%s%s%s%s", server ? "app counter { } " : "", wraps[i].before, d->write, wraps[i].after);
			s = settings_parse("copied", str_c(text));
			ck_assert_msg(s != NULL, "%s\n%s", text, err_text());
			settings_free(&s);
			free(text);
			tried++;
		}
	}
	ck_assert_int_ge(tried, (int)directives_n);
}
END_TEST

START_TEST(the_nearest_name_is_found_and_far_ones_are_not)
{
	ck_assert_str_eq(directive_nearest("lissten", IN_SERVER)->name, "listen");
	ck_assert_str_eq(directive_nearest("datadir", IN_MAIN)->name, "data_dir");
	ck_assert_str_eq(directive_nearest("lcoation", IN_SERVER)->name, "location");
	ck_assert_str_eq(directive_nearest("servers", IN_MAIN)->name, "server");
	ck_assert_ptr_null(directive_nearest("proxy_pass", IN_LOCATION));
	ck_assert_ptr_null(directive_nearest("x", IN_MAIN));
	ck_assert_ptr_null(directive_nearest("a_name_that_is_much_longer_than_any_directive", IN_MAIN));
}
END_TEST

/* ---- single rules ---- */

START_TEST(min_free_grows_with_the_segments_unless_it_is_written)
{
	struct settings *s = parse("journal_segment 1g;");

	ck_assert_uint_eq(s->min_free, 1 << 30);
	settings_free(&s);
	s = parse("min_free 0; journal_segment 1g;");
	ck_assert_uint_eq(s->min_free, 0);
	settings_free(&s);
}
END_TEST

START_TEST(a_bound_itself_is_allowed)
{
	struct settings *s = parse("open_files 4; journal_segment 64k; shutdown_timeout 0s;");

	ck_assert_uint_eq(s->open_files, 4);
	settings_free(&s);
	refuse("open_files 3;", "test.conf:1:12: open_files 3 is too small, the least is 4; write  open_files 4;");
	refuse("shutdown_timeout 3601s;",
		"test.conf:1:18: shutdown_timeout 3601s is too large, the most is 1h; write  shutdown_timeout 1h;");
}
END_TEST

START_TEST(arguments_may_stand_on_lines_of_their_own)
{
	struct settings *s = parse("server {\n listen 80;\n server_name a.org\n   b.org\n   c.org;\n}");

	ck_assert_str_eq(s->servers->names[2], "c.org");
	settings_free(&s);
}
END_TEST

START_TEST(an_app_may_be_declared_behind_the_server_that_uses_it)
{
	struct settings *s = parse("server { listen 80; location / { app late; } } app late { main m.lua; }");

	ck_assert_ptr_eq(s->servers->locations->app, s->apps);
	ck_assert_ptr_eq(settings_app(s, "late"), s->apps);
	ck_assert_ptr_null(settings_app(s, "never"));
	settings_free(&s);
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_named)
{
	enter_conf();
	ck_assert_ptr_null(settings_load("nowhere.conf"));
	ck_assert_int_eq(err_code(), ERR_CONF);
	ck_assert_str_eq(err_text(),
		"cannot read the configuration nowhere.conf: No such file or directory; name another with  drey -c FILE");
	ck_assert_ptr_null(settings_load("app"));
	ck_assert_str_eq(err_text(),
		"cannot read the configuration app: Is a directory; name another with  drey -c FILE");
	ck_assert_ptr_null(settings_load("/dev/zero"));
}
END_TEST

START_TEST(a_nul_byte_is_refused)
{
	static const char text[] = "data_dir da\0ta;";

	ck_assert_ptr_null(settings_parse("test.conf", str_n(text, sizeof(text) - 1)));
	ck_assert_str_eq(err_text(), "test.conf:1:10: a NUL byte in a word; a configuration is plain text");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("settings");
	TCase *tc = tcase_create("settings");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_add_loop_test(tc, a_broken_file_is_refused_with_its_place_and_the_line_to_write, 0, BROKEN_N);
	tcase_add_test(tc, every_broken_file_is_in_the_table);
	tcase_add_test(tc, defaults_are_those_of_the_table);
	tcase_add_test(tc, every_directive_lands_in_its_field);
	tcase_add_test(tc, what_is_printed_reads_back_to_the_same_settings);
	tcase_add_test(tc, what_is_printed_holds_every_directive_that_has_a_value);
	tcase_add_test(tc, a_profile_fills_in_what_is_not_written_wherever_it_stands);
	tcase_add_test(tc, a_limit_of_the_profile_is_placed_at_the_profile);
	tcase_add_test(tc, every_line_to_copy_can_be_copied);
	tcase_add_test(tc, the_nearest_name_is_found_and_far_ones_are_not);
	tcase_add_test(tc, min_free_grows_with_the_segments_unless_it_is_written);
	tcase_add_test(tc, a_bound_itself_is_allowed);
	tcase_add_test(tc, arguments_may_stand_on_lines_of_their_own);
	tcase_add_test(tc, an_app_may_be_declared_behind_the_server_that_uses_it);
	tcase_add_test(tc, a_file_that_cannot_be_read_is_named);
	tcase_add_test(tc, a_nul_byte_is_refused);
	srunner_run_all(sr, getenv("CK_VERBOSE") ? CK_VERBOSE : CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

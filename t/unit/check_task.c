/* check_task.c -- tasks park, are resumed, pass through the app's own coroutines, and end. */
#include "t/unit/app_scene.h"

#define FRONT(body) "local Echo = DurableObject:extend 'Echo'\n" \
	"function Echo:echo(...) return ... end\n" \
	"function Echo:fail() error('boom') end\n" \
	"function Echo:slow(ms) sleep(ms) return 'slept' end\n" \
	"return { Echo = Echo, fetch = function(request, env, ctx)\n" body "\nend }"

static void
answers(const char *main_lua, int status, const char *want)
{
	struct scene s;

	scene_open(&s, main_lua, "Echo");
	assert_answer(&s, "/", status, want);
	assert_answer(&s, "/", status, want);	/* and with a used coroutine */
	scene_close(&s);
}

START_TEST(sleep_parks_and_goes_on)
{
	answers(FRONT("local before = Date.now() sleep(30) return Response.new(tostring(Date.now() - before >= 29))"), 200, "true");
	answers(FRONT("local ok, e = pcall(sleep, -1) return Response.new(e)"), 200,
	    "main.lua:6: sleep(ms): milliseconds from 0 to 2147483647, not -1");
}
END_TEST

START_TEST(a_waiting_call_passes_through_pcall_metamethods_and_iterators)
{
	answers(FRONT("local e = env.ECHO:getByName 'a'\n"
	    "local ok, v = pcall(function() return e:echo(1) end)\n"
	    "local t = setmetatable({}, { __index = function(_, k) return e:echo(k .. '!') end })\n"
	    "local sum = 0\n"
	    "for x in function(_, last) last = (last or 0) + 1 if last < 4 then return e:echo(last) end end do sum = sum + x end\n"
	    "return Response.new(v .. t.key .. sum)"), 200, "1key!6");
}
END_TEST

START_TEST(a_waiting_call_passes_through_the_apps_own_coroutines)
{
	answers(FRONT("local e = env.ECHO:getByName 'a'\n"
	    "local gen = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(e:echo(i)) end return 'end' end)\n"
	    "local outer = coroutine.create(function(x) local y = coroutine.yield(gen() + x) sleep(1) return gen() + y end)\n"
	    "local _, a = coroutine.resume(outer, 10)\n"
	    "local _, b = coroutine.resume(outer, 20)\n"
	    "local ok, err = coroutine.resume(coroutine.create(function() e:fail() end))\n"
	    "return Response.new(a .. ' ' .. b .. ' ' .. gen() .. ' ' .. gen() .. ' ' .. tostring(ok) .. ' ' .. err.message .. ' '\n"
	    "  .. coroutine.status(outer) .. select('#', coroutine.resume(coroutine.create(function() end))))"), 200,
	    "11 22 3 end false main.lua:3: boom dead1");
}
END_TEST

START_TEST(waiting_inside_sort_and_gsub_is_a_clear_error)
{
	static const char want[] = "main.lua:8: a call to another object waits, and Lua cannot wait inside transactionSync() or a callback of "
	    "table.sort or string.gsub: do it before or after, and keep the result in a local";

	answers(FRONT("local e = env.ECHO:getByName 'a'\n"
	    "local ok, err = pcall(table.sort, { 2, 1 }, function(a, b)\n return e:echo(a) < e:echo(b) end)\n"
	    "return Response.new(err)"), 200, want);
	answers(FRONT("local e = env.ECHO:getByName 'a'\n"
	    "local ok, err = pcall(string.gsub, 'x', 'x', function(a)\n local v = e:echo(a) return v end)\n"
	    "return Response.new(err)"), 200, want);
}
END_TEST

START_TEST(yielding_to_the_server_is_an_error_that_explains)
{
	struct scene s;
	struct answer a;

	scene_open(&s, FRONT("coroutine.yield(1) return Response.new 'x'"), "Echo");
	for (int i = 0; i < 3; i++) {
		a = scene_get(&s, "/");
		ck_assert_int_eq(a.status, 500);
		ck_assert_ptr_nonnull(strstr(answer_text(&a), "coroutine.yield() gives control back"));
		answer_free(&a);
	}
	scene_close(&s);
}
END_TEST

START_TEST(a_wait_that_could_not_park_is_forgotten)
{
	answers(FRONT("local e = env.ECHO:getByName 'a'\n"
	    "local inner = coroutine.wrap(function() return e:slow(20) end)\n"
	    "local ok = pcall(table.sort, { 2, 1 }, function(a, b) return inner() end)\n"
	    "return Response.new(tostring(ok) .. e:echo 'next')"), 200, "falsenext");
}
END_TEST

START_TEST(many_tasks_wait_at_once_and_all_end)
{
	struct scene s;
	struct answer a[300];

	scene_open(&s, FRONT("return Response.new(env.ECHO:getByName(request.url):slow(20))"), "Echo");
	for (int i = 0; i < 300; i++) {
		char path[20];

		snprintf(path, sizeof(path), "/%d", i % 7);
		scene_send(&s, &a[i], "GET", path, NULL);
	}
	for (int i = 0; i < 300; i++) {
		scene_wait(&s, &a[i]);
		ck_assert_str_eq(answer_text(&a[i]), "slept");
		answer_free(&a[i]);
	}
	scene_close(&s);
}
END_TEST

START_TEST(hot_calls_survive_the_jit)
{
	answers(FRONT("local e, sum = env.ECHO:getByName 'a', 0\n"
	    "for i = 1, 2000 do local a, b = e:echo(i, 'x' .. i) assert(b == 'x' .. i) sum = sum + a end\n"
	    "for i = 1, 200 do local ok = pcall(e.fail, e) assert(not ok) end\n"
	    "return Response.new(tostring(sum))"), 200, "2001000");
}
END_TEST

START_TEST(a_client_that_leaves_is_told_to_the_front_task)
{
	struct scene s;
	struct answer a, b;
	struct event *ev;

	scene_open(&s, "local seen = 'nothing'\n" FRONT(
	    "if request.url:find 'what' then return Response.new(seen) end\n"
	    "local ok, e = pcall(function() return env.ECHO:getByName('a'):slow(60) end)\n"
	    "seen = tostring(ok) .. ' ' .. e.message .. ' ' .. tostring(e.clientDisconnected) .. ' ' .. tostring(request.signal.aborted)\n"
	    "error(e)"), "Echo");
	ev = scene_send(&s, &a, "GET", "/", NULL);
	worker_tick(s.worker);
	ck_assert(!a.came);
	worker_abandon(s.worker, ev);
	scene_wait(&s, &a);
	ck_assert_str_eq(answer_text(&a), "client disconnected");
	answer_free(&a);
	b = scene_get(&s, "/what");
	ck_assert_str_eq(answer_text(&b), "false client disconnected true true");
	answer_free(&b);
	scene_close(&s);
}
END_TEST

START_TEST(the_object_sees_that_the_client_left)
{
	struct scene s;
	struct answer a;
	struct event *ev;
	int64_t end = clock_ms() + 5000;

	scene_open(&s, "local saw = 'nothing'\nlocal Echo = DurableObject:extend 'Echo'\n"
	    "function Echo:fetch(r) sleep(20) saw = tostring(r.signal.aborted) return Response.new 'late' end\n"
	    "return { Echo = Echo, fetch = function(request, env)\n"
	    "if request.url:find 'saw' then return Response.new(saw) end return env.ECHO:getByName('a'):fetch(request) end }", "Echo");
	ev = scene_send(&s, &a, "GET", "/", NULL);
	worker_tick(s.worker);
	worker_abandon(s.worker, ev);
	scene_wait(&s, &a);
	ck_assert(a.failed);
	answer_free(&a);
	for (;;) {
		a = scene_get(&s, "/saw");
		ck_assert_msg(clock_ms() < end, "%s", answer_text(&a));
		if (strcmp(answer_text(&a), "true") == 0)
			break;
		answer_free(&a);
		if (!worker_tick(s.worker))
			scene_rest(&s);
	}
	answer_free(&a);
	scene_close(&s);
}
END_TEST

START_TEST(runaway_code_ends_in_an_error)
{
	struct scene s;
	struct answer a;
	static const struct { const char *path, *text; } cases[] = {
		{ "/?recurse", "stack overflow" }, { "/?many", "values returned: a call gives at most 250" },
		{ "/?args", "arguments: a call takes at most 250" }, { "/?huge", "... (1000000 bytes)" }, { "/?wrapped", "stack overflow" }
	};

	scene_open(&s, "local Echo = DurableObject:extend 'Echo'\n"
	    "local function f() return 1 + f() end\nlocal t = {} for i = 1, 7000 do t[i] = i end\n"
	    "function Echo:recurse() return f() end\nfunction Echo:many() return unpack(t) end\n"
	    "function Echo:args() end\nfunction Echo:huge() error(('x'):rep(1000000), 0) end\n"
	    "function Echo:wrapped() return coroutine.wrap(f)() end\n"
	    "return { Echo = Echo, fetch = function(request, env)\n"
	    "local e, name = env.ECHO:getByName 'a', request.url:match '?(.*)'\n"
	    "if name == 'args' then e:args(unpack(t)) end\n"
	    "e[name](e) end }", "Echo");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		a = scene_get(&s, cases[i].path);
		ck_assert(a.failed);
		ck_assert_msg(strstr(answer_text(&a), cases[i].text) != NULL, "%.300s", answer_text(&a));
		answer_free(&a);
	}
	scene_close(&s);
}
END_TEST

START_TEST(wait_until_runs_on_after_the_answer)
{
	struct scene s;
	struct answer a;
	int64_t end = clock_ms() + 5000;

	scene_open(&s, "local done = 'no'\n" FRONT(
	    "if request.url:find 'done' then return Response.new(done) end\n"
	    "ctx:waitUntil(function() sleep(5) done = 'yes' end) return Response.new(done)"), "Echo");
	assert_answer(&s, "/", 200, "no");
	ck_assert(!worker_idle(s.worker));	/* a graceful stop waits for it */
	do {
		a = scene_get(&s, "/done");
		ck_assert_msg(clock_ms() < end, "waitUntil never ran");
		if (strcmp(answer_text(&a), "yes") == 0)
			break;
		answer_free(&a);
		if (!worker_tick(s.worker))
			scene_rest(&s);
	} while (1);
	answer_free(&a);
	ck_assert(worker_idle(s.worker));
	scene_close(&s);
}
END_TEST

START_TEST(wait_until_that_raises_or_never_ends_holds_no_stop_for_ever)
{
	struct scene s;

	scene_open(&s, FRONT("local raise = request.url:find 'raise'\n"
	    "ctx:waitUntil(function() if raise then error 'late' end sleep(1e6) end)\n"
	    "return Response.new 'ok'"), "Echo");
	assert_answer(&s, "/raise", 200, "ok");
	while (worker_tick(s.worker))
		;
	ck_assert(worker_idle(s.worker));
	assert_answer(&s, "/", 200, "ok");
	ck_assert(!worker_idle(s.worker));
	worker_stop(s.worker);
	ck_assert(worker_idle(s.worker));
	scene_close(&s);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("task");
	TCase *tc = tcase_create("task");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, sleep_parks_and_goes_on);
	tcase_add_test(tc, a_waiting_call_passes_through_pcall_metamethods_and_iterators);
	tcase_add_test(tc, a_waiting_call_passes_through_the_apps_own_coroutines);
	tcase_add_test(tc, waiting_inside_sort_and_gsub_is_a_clear_error);
	tcase_add_test(tc, yielding_to_the_server_is_an_error_that_explains);
	tcase_add_test(tc, a_wait_that_could_not_park_is_forgotten);
	tcase_add_test(tc, many_tasks_wait_at_once_and_all_end);
	tcase_add_test(tc, hot_calls_survive_the_jit);
	tcase_add_test(tc, a_client_that_leaves_is_told_to_the_front_task);
	tcase_add_test(tc, the_object_sees_that_the_client_left);
	tcase_add_test(tc, runaway_code_ends_in_an_error);
	tcase_add_test(tc, wait_until_runs_on_after_the_answer);
	tcase_add_test(tc, wait_until_that_raises_or_never_ends_holds_no_stop_for_ever);
	suite_add_tcase(s, tc);
	return scene_run(s);
}

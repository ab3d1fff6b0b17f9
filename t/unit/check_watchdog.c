/* check_watchdog.c -- endless code ends: by a hook, by a leap, and nobody else is hit. */
#include <check.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "lua/watchdog.h"

enum { LIMIT_US = 40000 };

static atomic_bool told;
static atomic_bool spun;

static void
on_time_up(lua_State *L, lua_Debug *ar)
{
	(void)ar;
	lua_pushliteral(L, "time is up");
	lua_error(L);
}

static int
l_spin(lua_State *L)		/* C of ours that calls Lua all the time, and owns something */
{
	struct watch *w = lua_touserdata(L, lua_upvalueindex(1));

	watch_hold(w);
	for (int64_t until = clock_us() + 10000000; atomic_load(&w->handled) < 4 && clock_us() < until;)
		for (int i = 0; i < 1000; i++)
			lua_pushinteger(L, i), lua_tostring(L, -1), lua_pop(L, 1);
	atomic_store(&spun, true);
	watch_release(w);
	return 0;
}

struct scene {
	struct watch w;
	lua_State *L;
	int64_t left;
	bool lost;
};

static void
begin(struct scene *s)
{
	watch_init(&s->w, LIMIT_US, on_time_up, &told);
	s->L = luaL_newstate();
	s->left = LIMIT_US;
	s->lost = false;
	luaL_openlibs(s->L);
	lua_pushlightuserdata(s->L, &s->w);
	lua_pushcclosure(s->L, l_spin, 1);
	lua_setglobal(s->L, "spin");
}

static void
end(struct scene *s)
{
	if (!s->lost)
		lua_close(s->L);
	watch_fini(&s->w);
	ck_assert(!atomic_load(&told));
}

/* Runs the text as a coroutine. */
static int
run(struct scene *s, lua_State **co, const char *text)
{
	*co = lua_newthread(s->L);
	ck_assert_int_eq(luaL_loadstring(*co, text), 0);
	return watch_resume(&s->w, *co, 0, &s->left);
}

START_TEST(what_ends_in_time_gives_its_results)
{
	struct scene s;
	lua_State *co;

	begin(&s);
	ck_assert_int_eq(run(&s, &co, "return 1, 'two'"), 0);
	ck_assert_str_eq(lua_tostring(co, 2), "two");
	ck_assert_int_eq(run(&s, &co, "error('boom', 0)"), LUA_ERRRUN);
	ck_assert_str_eq(lua_tostring(co, -1), "boom");
	ck_assert_int_eq(run(&s, &co, "coroutine.yield(1)"), LUA_YIELD);
	ck_assert(!s.w.overtime);
	end(&s);
}
END_TEST

START_TEST(interpreted_code_raises_past_every_pcall)
{
	struct scene s;
	lua_State *co;

	begin(&s);
	ck_assert_int_eq(run(&s, &co, "jit.off(true, true) while true do pcall(function() while true do end end) end"), LUA_ERRRUN);
	ck_assert_str_eq(lua_tostring(co, -1), "time is up");
	ck_assert(s.w.overtime);
	ck_assert_int_le(s.left, 0);
	end(&s);
}
END_TEST

START_TEST(the_hook_is_gone_with_the_run_it_was_for_and_comes_again_for_the_next)
{
	struct scene s;
	lua_State *co;

	begin(&s);
	for (int i = 0; i < 3; i++) {
		s.left = LIMIT_US;
		ck_assert_int_eq(run(&s, &co, "jit.off(true, true) while true do end"), LUA_ERRRUN);
		ck_assert(s.w.overtime);
		s.w.overtime = false;
		s.left = LIMIT_US;
		ck_assert_int_eq(run(&s, &co, "local n = 0 for i = 1, 1000 do n = n + i end return n"), 0);
		ck_assert_int_eq(lua_tointeger(co, 1), 500500);
		ck_assert(!s.w.overtime);
	}
	end(&s);
}
END_TEST

static const char *const unstoppable[] = {
	"while true do end",
	"local n = 0 while true do n = n + 1 if n > 1e9 then n = 0 end end",
	"return (('a'):rep(40)):find(('a?'):rep(40) .. ('a'):rep(40) .. 'b')",
	"table.sort({ 3, 2, 1 }, function() while true do end end)",
};

START_TEST(compiled_code_and_patterns_are_leapt_out_of)
{
	struct scene s;
	lua_State *co;

	begin(&s);
	ck_assert_int_eq(run(&s, &co, unstoppable[_i]), WATCH_LOST);
	ck_assert(s.w.overtime);
	s.lost = true;			/* and leaks: it has no allocator of its own here */
	s.L = luaL_newstate();
	luaL_openlibs(s.L);
	s.left = LIMIT_US;
	s.w.overtime = false;
	ck_assert_int_eq(run(&s, &co, "local ok, e = pcall(error, 'thrown') return e"), 0);
	ck_assert_str_eq(lua_tostring(co, 1), "thrown");
	ck_assert(!s.w.overtime);
	lua_close(s.L);
	end(&s);
}
END_TEST

/* The error that the hook then throws takes its time, too: on a busy machine one more signal may come meanwhile, and is free to leap. */
START_TEST(who_holds_the_watch_is_not_leapt_out_of)
{
	struct scene s;
	lua_State *co;
	int status;

	begin(&s);
	status = run(&s, &co, "jit.off(true, true) spin() return 1");
	ck_assert(atomic_load(&spun));
	ck_assert_uint_ge(atomic_load(&s.w.handled), 4);
	s.lost = status == WATCH_LOST;
	if (!s.lost) {
		ck_assert_int_eq(status, LUA_ERRRUN);
		ck_assert_str_eq(lua_tostring(co, -1), "time is up");
	}
	end(&s);
}
END_TEST

START_TEST(a_budget_is_used_up_over_several_runs_and_waiting_is_free)
{
	struct scene s;
	lua_State *co;
	int rounds = 0, status;

	begin(&s);
	co = lua_newthread(s.L);
	ck_assert_int_eq(luaL_loadstring(co, "jit.off(true, true) while true do for i = 1, 1000000 do end coroutine.yield() end"), 0);
	while ((status = watch_resume(&s.w, co, 0, &s.left)) == LUA_YIELD && ++rounds < 1000)
		usleep(rounds < 4 ? LIMIT_US : 0);
	ck_assert_int_eq(status, LUA_ERRRUN);
	ck_assert_int_ge(rounds, 2);
	end(&s);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("watchdog");
	TCase *c = tcase_create("watchdog");
	SRunner *r;
	int failed;

#ifdef __SANITIZE_THREAD__
	printf("skipped: ThreadSanitizer delivers signals late, and never to code it did not compile\n");
	return EXIT_SUCCESS;
#endif
	tcase_set_timeout(c, 60);
	tcase_add_test(c, what_ends_in_time_gives_its_results);
	tcase_add_test(c, interpreted_code_raises_past_every_pcall);
	tcase_add_test(c, the_hook_is_gone_with_the_run_it_was_for_and_comes_again_for_the_next);
	tcase_add_loop_test(c, compiled_code_and_patterns_are_leapt_out_of, 0, (int)(sizeof(unstoppable) / sizeof(unstoppable[0])));
	tcase_add_test(c, who_holds_the_watch_is_not_leapt_out_of);
	tcase_add_test(c, a_budget_is_used_up_over_several_runs_and_waiting_is_free);
	suite_add_tcase(s, c);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

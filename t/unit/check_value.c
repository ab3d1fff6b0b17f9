/* check_value.c -- Lua values cross as bytes and come back the same. */
#include <check.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdlib.h>

#include "base/err.h"
#include "lua/value.h"
#include "store/codec.h"

static lua_State *
open_state(void)
{
	lua_State *L = luaL_newstate();

	luaL_openlibs(L);
	lua_getglobal(L, "require");
	lua_pushliteral(L, "ffi");
	lua_call(L, 1, 0);
	value_open(L);
	return L;
}

/* Runs code that returns a function same(copy) and a value; sends the value through the codec and asks same. */
static void
round_trip(const char *code)
{
	lua_State *L = open_state();
	struct buf bytes = { 0 };
	struct str in;

	if (luaL_dostring(L, code))
		ck_abort_msg("%s", lua_tostring(L, -1));
	ck_assert_int_eq(lua_gettop(L), 2);
	ck_assert_msg(value_encode(L, 2, &bytes, "argument 1") == OK, "%s", err_text());
	in = buf_slice(&bytes);
	lua_settop(L, 1);
	ck_assert_int_eq(value_push(L, &in), OK);
	ck_assert_uint_eq(in.n, 0);
	if (lua_pcall(L, 1, 1, 0))
		ck_abort_msg("%s: %s", code, lua_tostring(L, -1));
	ck_assert_msg(lua_toboolean(L, -1), "%s", code);
	buf_fini(&bytes);
	lua_close(L);
}

static void
refused(const char *code, const char *text)
{
	lua_State *L = open_state();
	struct buf bytes = { 0 };

	if (luaL_dostring(L, code))
		ck_abort_msg("%s", lua_tostring(L, -1));
	ck_assert_int_eq(value_encode(L, 1, &bytes, "argument 1"), ERR_ARGUMENT);
	ck_assert_str_eq(err_text(), text);
	ck_assert_int_eq(lua_gettop(L), 1);
	buf_fini(&bytes);
	lua_close(L);
}

START_TEST(scalars_come_back_as_they_were)
{
	round_trip("return function(v) return v == nil end, nil");
	round_trip("return function(v) return v == true end, true");
	round_trip("return function(v) return v == false end, false");
	round_trip("return function(v) return v == 0.1 end, 0.1");
	round_trip("return function(v) return v == -2^53 end, -2^53");
	round_trip("return function(v) return v ~= v end, 0/0");
	round_trip("return function(v) return v == math.huge end, math.huge");
	round_trip("return function(v) return v == 'a\\0b\\255' end, 'a\\0b\\255'");
}
END_TEST

START_TEST(whole_64_bit_numbers_stay_whole)
{
	round_trip("return function(v) return type(v) == 'cdata' and v == 9007199254740993LL end, 9007199254740993LL");
	round_trip("return function(v) return tostring(v) == '-9223372036854775808LL' end, -9223372036854775808LL");
	round_trip("return function(v) return tostring(v) == '18446744073709551615ULL' end, 18446744073709551615ULL");
}
END_TEST

START_TEST(tables_are_copied_with_all_their_keys)
{
	round_trip("return function(v) return #v == 3 and v[3] == 'c' end, { 'a', 'b', 'c' }");
	round_trip("return function(v) return v.a.b.c == 1 and v[true] == 'yes' and v[1.5] == 'x' end, "
	    "{ a = { b = { c = 1 } }, [true] = 'yes', [1.5] = 'x' }");
	round_trip("return function(v) return v[1] == 1 and v[2] == nil and v[3] == 3 end, { 1, nil, 3 }");
	round_trip("local t = { 1 } return function(v) return v[1] ~= v[2] and v[2][1] == 1 end, { t, t }");
	round_trip("return function(v) return next(v) == nil and getmetatable(v) == nil end, {}");
}
END_TEST

START_TEST(a_marked_empty_array_stays_an_array)
{
	lua_State *L = open_state();
	struct buf bytes = { 0 };
	struct str in;

	lua_newtable(L);
	value_array_mt(L);
	lua_setmetatable(L, -2);
	ck_assert_int_eq(value_encode(L, -1, &bytes, "x"), OK);
	in = buf_slice(&bytes);
	ck_assert_int_eq(value_push(L, &in), OK);
	ck_assert_int_eq(lua_getmetatable(L, -1), 1);
	value_array_mt(L);
	ck_assert(lua_rawequal(L, -1, -2));
	buf_fini(&bytes);
	lua_close(L);
}
END_TEST

START_TEST(a_date_keeps_its_class)
{
	lua_State *L = open_state();
	struct buf bytes = { 0 };
	struct str in;

	lua_newtable(L);
	lua_pushvalue(L, -1);
	value_date_mt(L);
	lua_newtable(L);
	lua_pushnumber(L, 1700000000123);
	lua_setfield(L, -2, "_ms");
	lua_pushvalue(L, 1);
	lua_setmetatable(L, -2);
	ck_assert_int_eq(value_encode(L, -1, &bytes, "x"), OK);
	in = buf_slice(&bytes);
	ck_assert_int_eq(value_push(L, &in), OK);
	ck_assert_int_eq(lua_getmetatable(L, -1), 1);
	ck_assert(lua_rawequal(L, -1, 1));
	lua_getfield(L, -2, "_ms");
	ck_assert_double_eq(lua_tonumber(L, -1), 1700000000123);
	buf_fini(&bytes);
	lua_close(L);
}
END_TEST

START_TEST(what_cannot_cross_is_named_by_its_path)
{
	refused("return print", "argument 1 is a function: cannot cross an object boundary");
	refused("return { user = { cb = print } }", "argument 1 .user.cb is a function: cannot cross an object boundary");
	refused("return { { 1, { ['a b'] = coroutine.create(print) } } }",
	    "argument 1 [1][2][\"a b\"] is a thread: cannot cross an object boundary");
	refused("return { a = io.stdout }", "argument 1 .a is a userdata: cannot cross an object boundary");
	refused("local t = {} t.me = { t } return t",
	    "argument 1 .me[1] is a table that contains itself: cannot cross an object boundary");
	refused("return { x = { [print] = 1 } }",
	    "argument 1 .x has a key that is neither string, number nor boolean: cannot cross an object boundary");
	refused("return { c = require('ffi').new('int[3]') }", "argument 1 .c is a cdata: cannot cross an object boundary");
}
END_TEST

START_TEST(depth_is_bounded)
{
	round_trip("local t = {} for i = 1, 99 do t = { t } end return function(v) return true end, t");
	refused("local t = {} for i = 1, 100 do t = { t } end return t",
	    "argument 1 is nested deeper than 100 tables: cannot cross an object boundary");
}
END_TEST

START_TEST(bad_bytes_are_refused_and_leave_nothing)
{
	lua_State *L = open_state();
	struct buf deep = { 0 };
	static const char nil_key[] = "\x81\xc7\x00\x01\x01", cut[] = "\x93\x01";
	struct str in = { nil_key, sizeof(nil_key) - 1 };

	ck_assert_int_eq(value_push(L, &in), ERR_CORRUPT);
	in = (struct str){ cut, sizeof(cut) - 1 };
	ck_assert_int_eq(value_push(L, &in), ERR_CORRUPT);
	for (int i = 0; i < 101; i++)
		codec_array(&deep, 1);
	codec_null(&deep);
	in = buf_slice(&deep);
	ck_assert_int_eq(value_push(L, &in), ERR_CORRUPT);
	ck_assert_int_eq(lua_gettop(L), 0);
	buf_fini(&deep);
	lua_close(L);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("value");
	TCase *tc = tcase_create("value");
	SRunner *sr;
	int failed;

	tcase_add_test(tc, scalars_come_back_as_they_were);
	tcase_add_test(tc, whole_64_bit_numbers_stay_whole);
	tcase_add_test(tc, tables_are_copied_with_all_their_keys);
	tcase_add_test(tc, a_marked_empty_array_stays_an_array);
	tcase_add_test(tc, a_date_keeps_its_class);
	tcase_add_test(tc, what_cannot_cross_is_named_by_its_path);
	tcase_add_test(tc, depth_is_bounded);
	tcase_add_test(tc, bad_bytes_are_refused_and_leave_nothing);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, getenv("CK_VERBOSE") ? CK_VERBOSE : CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? 1 : 0;
}

/* check_sandbox.c -- what an app cannot reach, and how its files are found. */
#include "t/unit/app_scene.h"

/* Runs expression lines in a front module's fetch; its text is the answer. */
static void
answers(const char *body, const char *want)
{
	struct scene s;
	char *text = xasprintf("return { fetch = function(request, env, ctx)\n%s\nend }", body);

	scene_open(&s, text, "");
	assert_answer(&s, "/", 200, want);
	scene_close(&s);
	free(text);
}

/* host_new() fails with this text. */
static void
load_fails(const char *main_lua, const char *classes, const char *want)
{
	struct scene s;

	scene_init(&s, main_lua, classes);
	ck_assert_int_ne(host_check(&s.settings), OK);
	ck_assert_str_eq(err_text(), want);
	scene_fini(&s);
}

START_TEST(dangerous_names_are_not_there)
{
	answers("local found = {}\n"
	    "for _, name in ipairs { 'io', 'debug', 'ffi', 'jit', 'package', 'dofile', 'loadfile', 'module', 'newproxy', 'gcinfo' } do\n"
	    "  if _G[name] ~= nil then found[#found + 1] = name end end\n"
	    "for _, name in ipairs { 'execute', 'exit', 'getenv', 'remove', 'rename', 'setlocale', 'tmpname' } do\n"
	    "  if os[name] ~= nil then found[#found + 1] = 'os.' .. name end end\n"
	    "if string.dump then found[#found + 1] = 'string.dump' end\n"
	    "return Response.new(table.concat(found, ' ') .. type(os.time()) .. type(os.clock()) .. type(os.date()))",
	    "numbernumberstring");
}
END_TEST

START_TEST(no_environment_leads_to_the_real_globals)
{
	answers("local G = _G\n"
	    "local bad = {}\n"
	    "local function look(what, env) if env ~= G then bad[#bad + 1] = what end end\n"
	    "look('0', getfenv(0)) look('1', getfenv(1)) look('print', getfenv(tostring)) look('Response', getfenv(Response.new))\n"
	    "look('thread', coroutine.wrap(function() return getfenv(0) end)())\n"
	    "for level = 1, 3 do local ok, env = pcall(getfenv, level) if ok then look('level ' .. level, env) end end\n"
	    "return Response.new(#bad == 0 and 'ok' or table.concat(bad, ' '))", "ok");
	answers("local ok1, e = pcall(setfenv, Response.new, {})\n"
	    "local ok2 = pcall(setfenv, 0, {})\n"
	    "local f = setfenv(function() return x end, { x = 7 })\n"
	    "return Response.new(tostring(ok1) .. tostring(ok2) .. f())", "falsefalse7");
}
END_TEST

START_TEST(bytecode_is_refused_text_is_loaded)
{
	answers("local f, e = load('\\27LJ\\2')\n"
	    "local g = loadstring('return 41 + ...')\n"
	    "local parts, i = { 'return ', '5' }, 0\n"
	    "local h = load(function() i = i + 1 return parts[i] end)\n"
	    "local k = load('return x', 'name', 't', { x = 9 })\n"
	    "return Response.new(tostring(f) .. g(1) .. h() .. k() .. tostring(getfenv(g) == _G))", "nil4259true");
	answers("local ok, e = loadstring('x x', '=t') return Response.new(tostring(ok) .. e)", "nilt:1: '=' expected near 'x'");
}
END_TEST

START_TEST(the_metatable_of_strings_is_read_only)
{
	answers("local mt = getmetatable('')\n"
	    "local ok = pcall(setmetatable, {}, mt)\n"
	    "return Response.new(type(mt) .. ('x'):rep(2))", "stringxx");
}
END_TEST

START_TEST(require_finds_files_below_the_root_only)
{
	static const char body[] = "return { fetch = function(request)\n"
	    "  local name = request.url:match('?(.*)$')\n"
	    "  local ok, v = pcall(require, name)\n"
	    "  return Response.new(ok and v.name or v)\nend }";
	struct scene s;

	scene_init(&s, body, "");
	scene_write(&s, "rooms.lua", "return { name = 'rooms ' .. ... }");
	scene_write(&s, "bad.lua", "return {\n name = }");
	scene_write(&s, "a.lua", "return require 'b'");
	scene_write(&s, "b.lua", "return require 'a'");
	scene_write(&s, "code.lua", "\033LJ");
	scene_start(&s);
	assert_answer(&s, "/?rooms", 200, "rooms rooms");
	assert_answer(&s, "/?bad", 200, "bad.lua:2: unexpected symbol near '}'");
	assert_answer(&s, "/?a", 200, "require \"a\": it is being loaded already, by a file that it requires itself");
	assert_answer(&s, "/?code", 200, "code.lua: this is compiled Lua; only source text is loaded");
	assert_answer(&s, "/?../app/rooms", 200,
	    "require \"../app/rooms\": write a name like \"lib.rooms\"; paths with \"..\" do not leave the app's root");
	assert_answer(&s, "/?/etc/passwd", 200,
	    "require \"/etc/passwd\": absolute paths are not allowed; names are relative to the app's root");
	assert_answer(&s, "/?a b", 200, "require: \"a b\" is not a module name");
	scene_close(&s);
	answers("local cjson = require 'cjson' return Response.new(cjson.encode { 1 } .. tostring(cjson == require 'cjson'))", "[1]true");
	answers("local ok, e = pcall(require, 'nope') return Response.new((e:gsub(' in /.*', '')))",
	    "module \"nope\" not found: there is no nope.lua and no nope/init.lua");
	answers("return Response.new(tostring((pcall(require, 'drey.park'))) .. tostring((pcall(require, 'ffi'))))", "falsefalse");
}
END_TEST

START_TEST(memory_ends_in_an_error_of_that_task_alone)
{
	static const char body[] = "return { fetch = function(request)\n"
	    "  if request.url:find 'bomb' then local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1000) .. i end end\n"
	    "  if request.url:find 'garbage' then for i = 1, 200 do local s = ('x'):rep(1000000) .. i end end\n"
	    "  return Response.new 'alive' end }";
	struct scene s;
	struct answer a;

	scene_open(&s, body, "");
	for (int i = 0; i < 5; i++) {
		a = scene_get(&s, "/bomb");
		ck_assert_int_eq(a.status, 500);
		ck_assert_ptr_nonnull(strstr(answer_text(&a), "(limits memory, "));
		answer_free(&a);
		assert_answer(&s, "/", 200, "alive");
		assert_answer(&s, "/garbage", 200, "alive");
	}
	scene_close(&s);
}
END_TEST

START_TEST(a_missing_class_names_the_binding_and_what_to_write)
{
	load_fails("local Counter = DurableObject:extend 'Counter'", "Counter",
	    "site.conf:14: binding COUNTER: class \"Counter\" not found: main.lua returned nil (did you forget \"return Counter\"?)");
	load_fails("return { fetch = function() end }", "Counter",
	    "site.conf:14: binding COUNTER: class \"Counter\" not found: main.lua returned a table without it "
	    "(did you forget \"return { fetch = fetch, Counter = Counter }\"?)");
	load_fails("return DurableObject:extend 'Counters'", "Counter",
	    "site.conf:14: binding COUNTER: class \"Counter\" not found: main.lua returned the classes Counters");
}
END_TEST

START_TEST(a_broken_file_names_its_line)
{
	load_fails("local x = 1\nlocal y = = 2\n", "", "main.lua:2: unexpected symbol near '='");
	load_fails("local x\nreturn x.y\n", "",
	    "main.lua:2: attempt to index local 'x' (a nil value)\n\tmain.lua:2: in main chunk");
	load_fails("return env.COUNTER:getByName 'x'", "", "main.lua:1: attempt to index global 'env' (a nil value)\n\tmain.lua:1: in main chunk");
	load_fails("\nerror {}", "", "main.lua:2: (error object is a table value)\n\tmain.lua:2: in main chunk");
	load_fails("error()", "", "main.lua:1: (error object is a nil value)\n\tmain.lua:1: in main chunk");
	load_fails("local function f() error 'x' end\ncoroutine.wrap(function() f() end)()", "", "main.lua:1: x\n\tmain.lua:2: in main chunk");
	load_fails("sleep(1)", "", "main.lua:1: this works only inside a handler, not while the app's files are loaded\n"
	    "\tmain.lua:1: in main chunk");
}
END_TEST

START_TEST(sources_beside_main_bring_classes)
{
	struct source_conf source = { .path = "room.lua", .at = { "site.conf", 9, 3 } };
	struct scene s;

	scene_init(&s, "return { fetch = function(r, env) return Response.new(env.ROOM:getByName('a'):hi()) end }", "Room");
	s.app.sources = &source;
	ck_assert_int_eq(host_check(&s.settings), ERR_CONF);
	ck_assert_ptr_nonnull(strstr(err_text(), "site.conf:9: app app: source room.lua: there is no such file"));
	scene_write(&s, "room.lua", "local Room = DurableObject:extend 'Room'\nfunction Room:hi() return 'hi' end\nreturn Room");
	scene_start(&s);
	assert_answer(&s, "/", 200, "hi");
	scene_close(&s);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("sandbox");
	TCase *tc = tcase_create("sandbox");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, dangerous_names_are_not_there);
	tcase_add_test(tc, no_environment_leads_to_the_real_globals);
	tcase_add_test(tc, bytecode_is_refused_text_is_loaded);
	tcase_add_test(tc, the_metatable_of_strings_is_read_only);
	tcase_add_test(tc, require_finds_files_below_the_root_only);
	tcase_add_test(tc, memory_ends_in_an_error_of_that_task_alone);
	tcase_add_test(tc, a_missing_class_names_the_binding_and_what_to_write);
	tcase_add_test(tc, a_broken_file_names_its_line);
	tcase_add_test(tc, sources_beside_main_bring_classes);
	suite_add_tcase(s, tc);
	return scene_run(s);
}

/* check_host.c -- the Lua engine on the real runtime: front module, ids, calls, errors, resets. */
#include "t/unit/app_scene.h"

static void
answers(const char *main_lua, const char *classes, int status, const char *want)
{
	struct scene s;

	scene_open(&s, main_lua, classes);
	assert_answer(&s, "/", status, want);
	scene_close(&s);
}

#define FRONT(body) "return { fetch = function(request, env, ctx)\n" body "\nend }"
#define COUNTER "local Counter = DurableObject:extend 'Counter'\n"
#define WITH(body) "return { Counter = Counter, fetch = function(request, env, ctx)\n" body "\nend }"

static char *
log_text(const struct scene *s)
{
	FILE *f = fopen(s->log, "r");
	char *text = xcalloc(1, 65536);

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_gt(fread(text, 1, 65535, f), 0);
	fclose(f);
	return text;
}

START_TEST(a_front_module_reads_the_request_and_answers)
{
	answers(FRONT("return Response.new(request.method .. ' ' .. request.url .. ' ' .. request.headers:get 'X-Test' .. ' ' .. env.GREETING)"),
	    "", 200, "GET http://drey.test/ one, two hi");
	answers(FRONT("return Response.json({ a = 1 }, { status = 201 })"), "", 201, "{\"a\":1}");
}
END_TEST

START_TEST(response_headers_leave_as_bytes)
{
	struct scene s;
	struct answer a;

	scene_open(&s, FRONT("local r = Response.new('x') r.headers:append('set-cookie', 'a=1') r.headers:append('set-cookie', 'b=2') return r"), "");
	a = scene_get(&s, "/");
	ck_assert_uint_eq(a.event->response.nheaders, 3);
	ck_assert(str_eq(a.event->response.headers[0].value, STR("text/plain;charset=UTF-8")));
	ck_assert(str_eq(a.event->response.headers[2].value, STR("b=2")));
	answer_free(&a);
	scene_close(&s);
}
END_TEST

START_TEST(wrong_answers_teach)
{
	answers(FRONT("return nil"), "", 500, "fetch must return a Response, got nil (main.lua:1)");
	answers(FRONT("return { status = 200 }"), "", 500, "fetch must return a Response, got table (main.lua:1)");
	answers(FRONT("local r = Response.new 'x' r.status = 'fine' return r"), "", 500,
	    "response.status must be a number from 200 to 599 (main.lua:1)");
	answers(FRONT("local r = Response.new 'x' rawset(r, '_headers', { 'a', 'b\\r\\nc: d' }) return r"), "", 500,
	    "a header holds a line end or NUL, or has no name (main.lua:1)");
	answers("return {}", "", 500, "main.lua has no fetch(request, env, ctx) to answer requests from outside: return { fetch = "
	    "function(request, env) return Response.new \"ok\" end } from it");
	answers(FRONT("return Response.new(tostring(env.NOPE))"), "", 500, "main.lua:2: env.NOPE is not declared; declared: GREETING");
}
END_TEST

START_TEST(an_error_says_where_and_is_logged_once_with_its_trace)
{
	struct scene s;
	struct answer a;
	char *text;

	scene_open(&s, "local function inner() error 'boom' end\n" FRONT("inner() return 1"), "");
	a = scene_get(&s, "/");
	ck_assert_str_eq(answer_text(&a), "main.lua:1: boom");
	ck_assert(str_eq(a.event->failure.traceback, STR("\tmain.lua:1: in inner\n\tmain.lua:3: in function <main.lua:2>")));
	answer_free(&a);
	text = log_text(&s);
	ck_assert_ptr_nonnull(strstr(text, "main.lua:1: boom\\n\tmain.lua:1: in inner\\n\tmain.lua:3: in function <main.lua:2> "
	    "object=app request=0000000000000abc"));
	ck_assert_ptr_null(strstr(strstr(text, "boom") + 1, "boom"));
	free(text);
	scene_close(&s);
}
END_TEST

START_TEST(every_kind_of_error_begins_with_the_authors_line_and_shows_no_frame_of_ours)
{
	static const char app[] = COUNTER
	    "local function inner() error 'boom' end\n"
	    "function Counter:call() inner() end\n"
	    "function Counter:fetch() local x x = x.y end\n"
	    "function Counter:index() local x x = x.y end\n"
	    "function Counter:empty() error() end\n"
	    "function Counter:bare() error {} end\n"
	    "function Counter:wrapped() coroutine.wrap(function() inner() end)() end\n"
	    "function Counter:yields() coroutine.yield(1) end\n"
	    "function Counter:block() self.ctx:blockConcurrencyWhile(function() inner() end) end\n"
	    "local Bad = DurableObject:extend 'Bad'\n"
	    "function Bad:constructor(ctx, env) self:super(ctx, env) inner() end\n"
	    "function Bad:hi() end\n"
	    "return { Counter = Counter, Bad = Bad, fetch = function(request, env)\n"
	    "local name, c = request.url:match '?(.*)', env.COUNTER:getByName 'a'\n"
	    "if name == 'bad' then env.BAD:getByName 'b':hi() end\n"
	    "local r = c[name](c, request) return r end }";
	static const struct { const char *path, *message, *frames; } cases[] = {
		{ "/?call", "main.lua:2: boom", "\tmain.lua:2: in inner\n\tmain.lua:3: in function <main.lua:3>" },
		{ "/?fetch", "main.lua:4: attempt to index local 'x' (a nil value)", "\tmain.lua:4: in fetch" },
		{ "/?index", "main.lua:5: attempt to index local 'x' (a nil value)", "\tmain.lua:5: in function <main.lua:5>" },
		{ "/?empty", "main.lua:6: (error object is a nil value)", "\tmain.lua:6: in function <main.lua:6>" },
		{ "/?bare", "main.lua:7: (error object is a table value)", "\tmain.lua:7: in function <main.lua:7>" },
		{ "/?wrapped", "main.lua:2: boom", "\tmain.lua:8: in function <main.lua:8>" },
		{ "/?yields", "main.lua:9: coroutine.yield() gives control back", "\tmain.lua:9: in function <main.lua:9>" },
		{ "/?block", "main.lua:2: boom", "\tmain.lua:2: in inner\n\tmain.lua:10: in function <main.lua:10>\n\tmain.lua:10: in function <main.lua:10>" },
		{ "/?bad", "main.lua:2: boom", "\tmain.lua:2: in inner\n\tmain.lua:12: in constructor" },
	};
	struct scene s;
	char want[300];

	scene_init(&s, app, "Counter Bad");
	s.app.dev_errors = true;
	scene_start(&s);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct answer a = scene_get(&s, cases[i].path);

		ck_assert_msg(strncmp(answer_text(&a), cases[i].message, strlen(cases[i].message)) == 0, "%s", answer_text(&a));
		snprintf(want, sizeof(want), "%s\n\tmain.lua:%d: in function <main.lua:14>", cases[i].frames,
		    strcmp(cases[i].path, "/?bad") == 0 ? 16 : 17);
		ck_assert_str_eq(arena_str(&a.event->arena, a.event->failure.traceback).p, want);
		answer_free(&a);
	}
	scene_close(&s);
}
END_TEST

START_TEST(a_stack_overflow_is_told_shortly_and_soon)
{
	struct scene s;
	struct answer a;
	const char *frames;
	int64_t start;

	scene_open(&s, "local function f() return 1 + f() end\n" FRONT("f()"), "");
	start = clock_ms();
	a = scene_get(&s, "/");
	ck_assert_int_lt(clock_ms() - start, 1000);	/* looking at all 16,000 frames took 4 s */
	ck_assert_str_eq(answer_text(&a), "main.lua:1: stack overflow");
	frames = arena_str(&a.event->arena, a.event->failure.traceback).p;
	ck_assert_msg(strncmp(frames, "\tmain.lua:1: in f\n\tmain.lua:1: in f\n", 36) == 0, "%s", frames);
	ck_assert_ptr_nonnull(strstr(frames, "\n\t...\n\tmain.lua:1: in f\n"));
	ck_assert_ptr_nonnull(strstr(frames, "main.lua:1: in f\n\tmain.lua:3: in function <main.lua:2>"));
	ck_assert_uint_lt(strlen(frames), 600);
	answer_free(&a);
	scene_close(&s);
}
END_TEST

START_TEST(ids_are_checked_against_their_class)
{
	static const char app[] = COUNTER "local Room = DurableObject:extend 'Room'\n"
	    "return { Counter = Counter, Room = Room, fetch = function(request, env)\n"
	    "local C, R, out = env.COUNTER, env.ROOM, {}\n"
	    "local function add(v) out[#out + 1] = tostring(v) end\n"
	    "local id = C:idFromName 'x'\n"
	    "add(#id:toString() == 64 and id:toString() == tostring(id)) add(id == C:idFromName 'x') add(id.name)\n"
	    "add(C:idFromString(tostring(id)):equals(id)) add(C:idFromString(tostring(id)) == id) add(C:idFromString(tostring(id)).name)\n"
	    "add(C:newUniqueId() == C:newUniqueId()) add(C:get(id).name)\n"
	    "for _, f in ipairs { function() return C:idFromString 'xyz' end, function() return R:idFromString(tostring(id)) end,\n"
	    "  function() return R:get(id) end, function() return C:get 'x' end, function() return C.getByName 'x' end,\n"
	    "  function() return C:getByName(7) end } do local ok, e = pcall(f) add(e) end\n"
	    "return Response.new(table.concat(out, '\\n')) end }";
	struct scene s;
	struct answer a;
	const char *t;

	scene_open(&s, app, "Counter Room");
	a = scene_get(&s, "/");
	t = answer_text(&a);
	ck_assert_msg(strncmp(t, "true\ntrue\nx\ntrue\ntrue\nnil\nfalse\nx\n", 34) == 0, "%s", t);
	ck_assert_ptr_nonnull(strstr(t, "Invalid Durable Object ID: must be 64 hex digits"));
	ck_assert_ptr_nonnull(strstr(t, "Durable Object ID is not valid for this namespace."));
	ck_assert_ptr_nonnull(strstr(t, "It is of class Counter, the namespace of class Room"));
	ck_assert_ptr_nonnull(strstr(t, "main.lua:12: get(id) takes an id, made by idFromName, idFromString or newUniqueId, not a string"));
	ck_assert_ptr_nonnull(strstr(t, "namespaces are called with a colon: env.BINDING:getByName(name)"));
	ck_assert_ptr_nonnull(strstr(t, "env.COUNTER:getByName(name) takes a string, not a number"));
	ck_assert_uint_eq(s.worker->objects.map.n, 0);
	answer_free(&a);
	scene_close(&s);
}
END_TEST

START_TEST(methods_are_called_with_copies_and_several_results)
{
	answers(COUNTER "function Counter:mix(t, n, ...) t.x = 'changed' return t, n, select('#', ...), nil end\n"
	    WITH("local t = { x = 'mine', list = { 1, 2 } }\n"
	    "local a, b, c, d = env.COUNTER:getByName 'a':mix(t, nil, nil, nil)\n"
	    "return Response.new(t.x .. a.x .. #a.list .. tostring(b) .. c .. tostring(d)\n"
	    "  .. select('#', env.COUNTER:getByName 'a':mix({})))"), "Counter", 200, "minechanged2nil2nil4");
}
END_TEST

START_TEST(arguments_that_cannot_cross_are_refused_where_they_stand)
{
	answers(COUNTER "function Counter:take() end\nfunction Counter:give() return { f = coroutine.create(print) } end\n"
	    WITH("local c = env.COUNTER:getByName 'a'\nlocal ok, e = pcall(function()\nc:take({ user = { cb = coroutine.create(print) } }) end)\n"
	    "local ok2, e2 = pcall(c.give, c)\n"
	    "return Response.new(e .. '\\n' .. e2.message)"), "Counter", 200,
	    "main.lua:7: argument 1 .user.cb is a thread: cannot cross an object boundary\n"
	    "the result .f is a thread: cannot cross an object boundary (Counter:give)");
}
END_TEST

START_TEST(only_public_methods_answer)
{
	answers(COUNTER "function Counter:increment() end\nfunction Counter:_helper() end\n"
	    WITH("local out = {}\n"
	    "for _, name in ipairs { '_helper', 'incremnt', 'alarm', 'constructor', 'extend' } do\n"
	    "  local c = env.COUNTER:getByName 'a' local ok, e = pcall(c[name], c) out[#out + 1] = e.message end\n"
	    "return Response.new(table.concat(out, '\\n'))"), "Counter", 200,
	    "no such RPC method '_helper': names that begin with _ are private to Counter\n"
	    "The RPC receiver does not implement the method \"incremnt\". (did you mean increment?)\n"
	    "'alarm' is a reserved method and cannot be called over RPC.\n"
	    "'constructor' is a reserved method and cannot be called over RPC.\n"
	    "The RPC receiver does not implement the method \"extend\".");
}
END_TEST

START_TEST(errors_cross_with_their_fields_and_only_the_thrower_logs)
{
	struct scene s;
	char *text;

	scene_open(&s, COUNTER "function Counter:fail() error { message = 'no', name = 'RangeError', code = 7, list = { 1 } } end\n"
	    "function Counter:through() return self.env.COUNTER:getByName 'b':fail() end\n"
	    WITH("local c = env.COUNTER:getByName 'a'\nlocal ok, e = pcall(c.through, c)\n"
	    "return Response.new(table.concat({ tostring(ok), e.message, e.name, tostring(e.remote), e.code, #e.list, tostring(e.retryable), "
	    "tostring(e) }, ' '))"), "Counter");
	assert_answer(&s, "/", 200, "false no RangeError true 7 1 nil no");
	text = log_text(&s);
	ck_assert_ptr_nonnull(strstr(text, "error no\\n\tmain.lua:2: in function <main.lua:2> object=app/Counter/b request=0000000000000abc"));
	ck_assert_ptr_null(strstr(strstr(text, "error no") + 1, "error no"));
	free(text);
	scene_close(&s);
}
END_TEST

START_TEST(stub_fetch_passes_requests_on_and_makes_new_ones)
{
	static const char app[] = COUNTER
	    "function Counter:fetch(r) return Response.new(r.method .. ' ' .. r.url .. ' ' .. (r.headers:get 'x-a' or r.headers:get 'x-test')\n"
	    "  .. ' ' .. r:text(), { status = 203, headers = { ['x-b'] = 'back' } }) end\n"
	    WITH("local c = env.COUNTER:getByName 'a'\n"
	    "if request.url:find 'new' then local r = c:fetch('https://fake/p?q=1#frag', { method = 'POST', headers = { ['X-A'] = 'yes' }, body = 'B' })\n"
	    "  return Response.new(r.status .. r.headers:get 'x-b' .. ' ' .. r:text()) end\n"
	    "if request.url:find 'bare' then return c:fetch('http://fake?x', { headers = { ['x-a'] = '1' } }) end\n"
	    "if request.url:find 'rel' then return c:fetch '/path' end\n"
	    "return c:fetch(request)");
	struct scene s;
	struct answer a;

	scene_open(&s, app, "Counter");
	assert_answer(&s, "/p", 203, "GET http://drey.test/p one, two ");
	assert_answer(&s, "/new", 200, "203back POST https://fake/p?q=1 yes B");
	assert_answer(&s, "/bare", 203, "GET http://fake/?x 1 ");
	a = scene_get(&s, "/rel");
	ck_assert_int_eq(a.status, 500);
	answer_free(&a);
	scene_close(&s);
	answers(COUNTER WITH("local c = env.COUNTER:getByName 'a' local ok, e = pcall(c.fetch, c, request) return Response.new(e.message)"),
	    "Counter", 200, "Handler does not export a fetch() function.");
}
END_TEST

START_TEST(a_request_kept_too_long_says_so)
{
	struct scene s;
	struct answer a;

	scene_open(&s, "local kept\n" FRONT("if not kept then kept = request return Response.new 'kept' end return Response.new(kept.url)"), "");
	assert_answer(&s, "/", 200, "kept");
	a = scene_get(&s, "/");
	ck_assert_ptr_nonnull(strstr(answer_text(&a), "this request has ended: read its method, url, headers and body while its handler runs"));
	answer_free(&a);
	scene_close(&s);
}
END_TEST

START_TEST(the_constructor_runs_once_and_its_error_reaches_every_caller)
{
	struct scene s;
	struct answer a[3];

	scene_open(&s, "local runs, bad = 0, false\n" COUNTER
	    "function Counter:constructor(ctx, env) self:super(ctx, env) runs = runs + 1 sleep(5) if bad then error 'bad start' end end\n"
	    "function Counter:runs() return runs .. ' ' .. self.ctx.id.name .. ' ' .. self.env.GREETING end\n"
	    WITH("if request.url:find 'bad' then bad = true else bad = false end\n"
	    "local c = env.COUNTER:getByName(request.url:match '?(.*)')\n"
	    "local ok, e = pcall(c.runs, c) return Response.new(ok and e or e.message .. tostring(e.durableObjectReset))"), "Counter");
	for (int i = 0; i < 3; i++)
		scene_send(&s, &a[i], "GET", "/?x", NULL);
	for (int i = 0; i < 3; i++) {
		scene_wait(&s, &a[i]);
		ck_assert_str_eq(answer_text(&a[i]), "1 x hi");
		answer_free(&a[i]);
	}
	assert_answer(&s, "/bad?y", 200, "main.lua:3: bad starttrue");
	assert_answer(&s, "/?y", 200, "3 y hi");
	scene_close(&s);
}
END_TEST

START_TEST(block_concurrency_while_holds_all_others_back)
{
	struct scene s;
	struct answer a[4];
	static const char *const want[] = { "loaded 1", "loaded 2", "loaded 3", "loaded 4" };

	scene_open(&s, COUNTER
	    "function Counter:constructor(ctx, env) self:super(ctx, env)\n"
	    "  local a, b = ctx:blockConcurrencyWhile(function() sleep(20) return 'loaded', 0 end) self.v, self.n = a, b end\n"
	    "function Counter:get() return self.ctx:blockConcurrencyWhile(function() local n = self.n sleep(3) self.n = n + 1\n"
	    "  return self.v .. ' ' .. self.n end) end\n"
	    WITH("return Response.new(env.COUNTER:getByName 'a':get())"), "Counter");
	for (int i = 0; i < 4; i++)
		scene_send(&s, &a[i], "GET", "/", NULL);
	for (int i = 0; i < 4; i++) {
		scene_wait(&s, &a[i]);
		ck_assert_str_eq(answer_text(&a[i]), want[i]);
		answer_free(&a[i]);
	}
	scene_close(&s);
}
END_TEST

static const char block[] = "local life = 0\n" COUNTER
	"function Counter:constructor(ctx, env) self:super(ctx, env) life = life + 1 end\n"
	"function Counter:put() self.ctx.storage:put('a', 1) self.ctx:blockConcurrencyWhile(function() error 'inside' end) end\n"
	"function Counter:slow() pcall(function() self.ctx:blockConcurrencyWhile(function() sleep(10000) end) end) return 'caught' end\n"
	"function Counter:wait() sleep(10000) end\n"
	"function Counter:nest(n) if n == 0 then return 'deep' end\n"
	"  local v = self.ctx:blockConcurrencyWhile(function() return (self:nest(n - 1)) end) return v end\n"
	"function Counter:abort() self.ctx.storage:put('b', 1) pcall(function() self.ctx:abort 'enough' end) return 'went on' end\n"
	"function Counter:look() return life .. tostring((self.ctx.storage:get 'a')) .. tostring((self.ctx.storage:get 'b')) end\n"
	WITH("local c = env.COUNTER:getByName 'a'\nlocal name, n = request.url:match '?(%a*)(%d*)'\n"
	"local ok, e = pcall(c[name], c, tonumber(n)) return Response.new(ok and tostring(e) or e.message .. ' ' .. tostring(e.durableObjectReset)\n"
	"  .. ' ' .. tostring(e.overloaded))");

START_TEST(a_failure_inside_a_block_resets_the_object_and_tells_all_callers)
{
	struct scene s;
	struct answer waiting;

	scene_open(&s, block, "Counter");
	scene_send(&s, &waiting, "GET", "/?wait", NULL);
	assert_answer(&s, "/?put", 200, "main.lua:4: inside true nil");
	scene_wait(&s, &waiting);
	ck_assert_str_eq(answer_text(&waiting), "main.lua:4: inside true nil");
	answer_free(&waiting);
	assert_answer(&s, "/?look", 200, "21nil");
	scene_close(&s);
}
END_TEST

START_TEST(a_block_that_takes_too_long_resets_the_object)
{
	struct scene s;

	scene_init(&s, block, "Counter");
	s.app.limits.block_timeout_ms = 30;
	scene_start(&s);
	assert_answer(&s, "/?slow", 200, "A call to blockConcurrencyWhile() in a Durable Object waited for too long. "
	    "The call was canceled and the Durable Object was reset. (limits block_timeout, configuration:0) true true");
	assert_answer(&s, "/?look", 200, "2nilnil");
	scene_close(&s);
}
END_TEST

START_TEST(blocks_nest_to_a_depth_of_64)
{
	struct scene s;

	scene_open(&s, block, "Counter");
	assert_answer(&s, "/?nest64", 200, "deep");
	assert_answer(&s, "/?nest3", 200, "deep");
	scene_close(&s);
}
END_TEST

START_TEST(abort_cannot_be_caught_and_drops_what_was_not_committed)
{
	struct scene s;

	scene_open(&s, block, "Counter");
	assert_answer(&s, "/?abort", 200, "enough true nil");
	assert_answer(&s, "/?look", 200, "2nilnil");
	scene_close(&s);
}
END_TEST

START_TEST(wait_until_keeps_the_object_working_after_its_answer)
{
	struct scene s;
	struct answer a;
	int64_t end = clock_ms() + 5000;

	scene_open(&s, COUNTER "function Counter:go() self.ctx:waitUntil(function() sleep(5) self.ctx.storage:put('k', 'done') end) return 'gone' end\n"
	    "function Counter:look() return tostring((self.ctx.storage:get 'k')) end\n"
	    WITH("local c = env.COUNTER:getByName 'a' return Response.new(c[request.url:match '?(.*)'](c))"), "Counter");
	assert_answer(&s, "/?go", 200, "gone");
	for (;;) {
		a = scene_get(&s, "/?look");
		ck_assert_msg(clock_ms() < end, "waitUntil never ran");
		if (strcmp(answer_text(&a), "done") == 0)
			break;
		ck_assert_str_eq(answer_text(&a), "nil");
		answer_free(&a);
		if (!worker_tick(s.worker))
			scene_rest(&s);
	}
	answer_free(&a);
	scene_close(&s);
}
END_TEST

START_TEST(a_ctx_of_another_object_is_refused)
{
	answers("local stolen\n" COUNTER
	    "function Counter:steal() stolen = self.ctx end\nfunction Counter:use() local v = stolen.storage:get 'x' return v end\n"
	    WITH("env.COUNTER:getByName 'a':steal()\nlocal b = env.COUNTER:getByName 'b' local ok, e = pcall(b.use, b)\n"
	    "local ok2, e2 = pcall(function() stolen.storage:put('x', 1) end)\n"
	    "return Response.new(e.message .. '\\n' .. e2)"), "Counter", 200,
	    "main.lua:4: this ctx belongs to another object (or to an instance that was reset)\n"
	    "main.lua:8: the front module has no object: this works inside the methods of an object");
}
END_TEST

START_TEST(what_was_stored_is_there_after_a_restart)
{
	struct scene s;

	scene_open(&s, COUNTER "function Counter:inc() local n = (self.ctx.storage:get 'n' or 0) + 1 self.ctx.storage:put('n', n) return n end\n"
	    WITH("return Response.new(tostring(env.COUNTER:getByName 'a':inc()))"), "Counter");
	assert_answer(&s, "/", 200, "1");
	assert_answer(&s, "/", 200, "2");
	scene_stop(&s);
	scene_start(&s);
	assert_answer(&s, "/", 200, "3");
	scene_close(&s);
}
END_TEST

START_TEST(a_name_outlives_delete_all_and_a_write_in_the_same_transaction)
{
	struct scene s;

	scene_open(&s, COUNTER "function Counter:put() self.ctx.storage:put('k', 1) return 'put' end\n"
	    "function Counter:anew() self.ctx.storage:deleteAll() self.ctx.storage:put('k', 2) return 'anew' end\n"
	    "function Counter:gone() self.ctx.storage:deleteAll() return 'gone' end\n"
	    "function Counter:who() return tostring(self.ctx.id.name) .. tostring(self.ctx.storage:get 'k') end\n"
	    WITH("local C, verb = env.COUNTER, request.url:match '?(.*)'\n"
	    "local stub = verb == 'who' and C:get(C:idFromString(tostring(C:idFromName 'a'))) or C:getByName 'a'\n"
	    "return Response.new(stub[verb](stub))"), "Counter");
	assert_answer(&s, "/?put", 200, "put");
	assert_answer(&s, "/?anew", 200, "anew");
	scene_stop(&s);
	scene_start(&s);
	assert_answer(&s, "/?who", 200, "a2");
	assert_answer(&s, "/?gone", 200, "gone");
	assert_answer(&s, "/?put", 200, "put");
	scene_stop(&s);
	scene_start(&s);
	assert_answer(&s, "/?who", 200, "a1");
	assert_answer(&s, "/?gone", 200, "gone");
	scene_stop(&s);
	scene_start(&s);
	assert_answer(&s, "/?who", 200, "nilnil");
	scene_close(&s);
}
END_TEST

START_TEST(what_was_prepared_is_taken_once_and_runs)
{
	struct scene s;
	char *text, *first;

	scene_init(&s, "console.log 'loaded'\n" COUNTER "function Counter:hi() return self.ctx.id.name .. self.env.GREETING end\n"
	    WITH("return Response.new(env.COUNTER:getByName 'a':hi())"), "Counter");
	ck_assert_int_eq(host_prepare(&s.settings), OK);
	ck_assert_int_eq(host_prepare(&s.settings), OK);	/* the newer one counts */
	scene_start(&s);
	assert_answer(&s, "/", 200, "ahi");
	scene_stop(&s);
	scene_start(&s);			/* nothing is left of it: loaded anew */
	assert_answer(&s, "/", 200, "ahi");
	text = log_text(&s);
	first = strstr(strstr(text, "info loaded") + 1, "info loaded");
	ck_assert_ptr_nonnull(strstr(first + 1, "info loaded"));
	ck_assert_ptr_null(strstr(strstr(first + 1, "info loaded") + 1, "info loaded"));
	free(text);
	scene_write(&s, "main.lua", "x = = 1");
	ck_assert_int_eq(host_prepare(&s.settings), ERR_LUA);
	ck_assert_msg(strncmp(err_text(), "main.lua:1: ", 12) == 0, "%s", err_text());
	scene_close(&s);
}
END_TEST

START_TEST(console_prints_tables_and_says_who_speaks)
{
	struct scene s;
	char *text;

	scene_open(&s, COUNTER "function Counter:say() console.warn('hi', { 1, 'two', name = 'x', deep = { a = { b = { c = { d = { e = 1 } } } } } }, nil, true) end\n"
	    WITH("env.COUNTER:getByName 'room-7':say() return Response.new 'ok'"), "Counter");
	assert_answer(&s, "/", 200, "ok");
	text = log_text(&s);
	ck_assert_ptr_nonnull(strstr(text, "warn hi { 1, \"two\", "));
	ck_assert_ptr_nonnull(strstr(text, "name = \"x\""));
	ck_assert_ptr_nonnull(strstr(text, "{ ... }"));
	ck_assert_ptr_nonnull(strstr(text, "nil true object=app/Counter/room-7 request=0000000000000abc"));
	free(text);
	scene_close(&s);
}
END_TEST

START_TEST(a_tostring_that_logs_spoils_nobodys_line)
{
	struct scene s;
	char *text;

	scene_open(&s, COUNTER "function Counter:say() local ctx = self.ctx\n"
	    "local t = setmetatable({}, { __tostring = function() console.log('inside', {}) ctx.storage:put('k', 'value') return 'T' end })\n"
	    "console.log('before', t, { t, key = t }, 'after') end\n"
	    WITH("env.COUNTER:getByName 'a':say() return Response.new 'ok'"), "Counter");
	assert_answer(&s, "/", 200, "ok");
	text = log_text(&s);
	ck_assert_ptr_nonnull(strstr(text, "info inside {} object="));
	ck_assert_ptr_nonnull(strstr(text, "info before T { T, key = T } after object="));
	free(text);
	scene_close(&s);
}
END_TEST

START_TEST(nothing_of_an_object_is_left_in_the_vm_after_it_slept)
{
	struct scene s;
	struct answer a;
	double before = 0, after;
	int64_t end;

	scene_init(&s, COUNTER "function Counter:hi() return self.ctx.id.name end\n"
	    WITH("if request.url:find 'memory' then collectgarbage() collectgarbage() return Response.new(tostring(collectgarbage 'count')) end\n"
	    "for i = 1, 1000 do env.COUNTER:get(env.COUNTER:newUniqueId()):hi() end return Response.new 'ok'"), "Counter");
	s.app.limits.idle_hibernate_ms = 1;
	scene_start(&s);
	for (int round = 0; round < 4; round++) {
		assert_answer(&s, "/", 200, "ok");
		end = clock_ms() + 10000;
		while (s.worker->objects.map.n > 0 && clock_ms() < end)
			if (!worker_tick(s.worker))
				scene_rest(&s);
		ck_assert_uint_eq(s.worker->objects.map.n, 0);
		a = scene_get(&s, "/memory");
		after = atof(answer_text(&a));
		answer_free(&a);
		if (round == 1)
			before = after;
	}
	ck_assert_msg(after <= before + 16, "%g KiB before, %g KiB after 2000 more objects", before, after);
	scene_close(&s);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("host");
	TCase *tc = tcase_create("host");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_front_module_reads_the_request_and_answers);
	tcase_add_test(tc, response_headers_leave_as_bytes);
	tcase_add_test(tc, wrong_answers_teach);
	tcase_add_test(tc, an_error_says_where_and_is_logged_once_with_its_trace);
	tcase_add_test(tc, every_kind_of_error_begins_with_the_authors_line_and_shows_no_frame_of_ours);
	tcase_add_test(tc, a_stack_overflow_is_told_shortly_and_soon);
	tcase_add_test(tc, ids_are_checked_against_their_class);
	tcase_add_test(tc, methods_are_called_with_copies_and_several_results);
	tcase_add_test(tc, arguments_that_cannot_cross_are_refused_where_they_stand);
	tcase_add_test(tc, only_public_methods_answer);
	tcase_add_test(tc, errors_cross_with_their_fields_and_only_the_thrower_logs);
	tcase_add_test(tc, stub_fetch_passes_requests_on_and_makes_new_ones);
	tcase_add_test(tc, a_request_kept_too_long_says_so);
	tcase_add_test(tc, the_constructor_runs_once_and_its_error_reaches_every_caller);
	tcase_add_test(tc, block_concurrency_while_holds_all_others_back);
	tcase_add_test(tc, a_failure_inside_a_block_resets_the_object_and_tells_all_callers);
	tcase_add_test(tc, a_block_that_takes_too_long_resets_the_object);
	tcase_add_test(tc, blocks_nest_to_a_depth_of_64);
	tcase_add_test(tc, abort_cannot_be_caught_and_drops_what_was_not_committed);
	tcase_add_test(tc, wait_until_keeps_the_object_working_after_its_answer);
	tcase_add_test(tc, a_ctx_of_another_object_is_refused);
	tcase_add_test(tc, what_was_stored_is_there_after_a_restart);
	tcase_add_test(tc, a_name_outlives_delete_all_and_a_write_in_the_same_transaction);
	tcase_add_test(tc, what_was_prepared_is_taken_once_and_runs);
	tcase_add_test(tc, a_tostring_that_logs_spoils_nobodys_line);
	tcase_add_test(tc, console_prints_tables_and_says_who_speaks);
	tcase_add_test(tc, nothing_of_an_object_is_left_in_the_vm_after_it_slept);
	suite_add_tcase(s, tc);
	return scene_run(s);
}

"""The class: rows A2-*."""

import re
import signal
import threading
import time

import pytest

from drey import SLOW, eventually
from kit import KIT, call, export, refused

LIFE = KIT + """
local Life = DurableObject:extend "Life"
function Life:constructor(ctx, env)
	self:super(ctx, env)
	self.n = 0
	console.log("constructed", ctx.id.name)
end
function Life:touch() self.n = self.n + 1; return self.n end
function Life:_secret() return "secret" end
routes["/stub"] = function(_, env) env.LIFE:getByName("only-a-stub"); return Response.new "stub" end
""" + export("Life")


def births(d, name):
    return len(re.findall(rf"constructed {name}\b", d.log()))


def test_A2_01_an_instance_is_made_on_the_first_call_only(drey):
    d = drey(LIFE, bindings={"LIFE": "Life"})
    assert births(d, "a") == 0
    assert call(d, "LIFE", "a", "touch") == 1
    assert call(d, "LIFE", "a", "touch") == 2
    assert births(d, "a") == 1


def test_A2_02_the_constructor_runs_at_each_wake_and_not_for_a_stub(drey):
    d = drey(LIFE, bindings={"LIFE": "Life"}, limits={"idle_hibernate": "50ms"})
    assert d.get("/stub").text == "stub"
    for n in (1, 2, 3):
        # The count in memory starts anew with each constructor.  Asking keeps it awake, so: not all the time.
        eventually(lambda: time.sleep(0.15) or call(d, "LIFE", "a", "touch") == 1 and births(d, "a") >= n,
                   what="a new instance")
    assert births(d, "only-a-stub") == 0


def test_A2_03_super_must_come_first(drey):
    bad = KIT + """
    local Bad = DurableObject:extend "Bad"
    function Bad:constructor(ctx, env)
    	self.x = self.ctx.id
    	self:super(ctx, env)
    end
    function Bad:hi() return "hi" end
    """ + export("Bad")
    d = drey(bad, bindings={"BAD": "Bad"})
    line = 1 + bad[: bad.index("self.x =")].count("\n")
    with refused(f"worker.lua:{line}:", "self:super(ctx, env)"):
        call(d, "BAD", "a", "hi")
    d.write("worker.lua", bad.replace("self.x = self.ctx.id", ""))
    d.restart()
    assert call(d, "BAD", "a", "hi") == "hi"


def test_A2_03_a_class_without_a_constructor_has_ctx_and_env(drey):
    lua = KIT + """
    local Plain = DurableObject:extend "Plain"
    function Plain:see() return { self.ctx.id:toString(), self.env.WORD } end
    """ + export("Plain")
    d = drey(lua, bindings={"PLAIN": "Plain"}, vars={"WORD": "hello"})
    hexid, word = call(d, "PLAIN", "a", "see")
    assert re.fullmatch("[0-9a-f]{64}", hexid) and word == "hello"


BLOCK = KIT + """
local Slow = DurableObject:extend "Slow"
function Slow:constructor(ctx, env)
	self:super(ctx, env)
	ctx:blockConcurrencyWhile(function()
		self.v = ctx.storage:get "k" or 41
		sleep(200)
		self.v = self.v + 1
	end)
end
function Slow:fetch() return Response.new(tostring(self.v)) end
routes["/slow"] = function(request, env) return env.SLOW:getByName("one"):fetch(request) end
""" + export("Slow")


def test_A2_04_block_concurrency_while_holds_all_events(drey, worker_threads):
    d = drey(BLOCK, bindings={"SLOW": "Slow"}, worker_threads=worker_threads)
    start = time.monotonic()
    replies, times = d.storm(["/slow"] * 10, connections=10), time.monotonic() - start
    assert [r.text for r in replies] == ["42"] * 10
    assert times >= 0.2
    # All of them, not only the first: nobody was answered before the 200 ms were over.
    seen = []

    def one():
        begin = time.monotonic()
        seen.append((d.get("/slow").text, time.monotonic() - begin))

    d.restart()
    threads = [threading.Thread(target=one) for _ in range(10)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert [text for text, _ in seen] == ["42"] * 10
    assert max(took for _, took in seen) >= 0.2


def test_A2_05_block_concurrency_while_gives_the_value_and_a_failure_resets(drey):
    lua = KIT + """
    local B = DurableObject:extend "B"
    function B:constructor(ctx, env) self:super(ctx, env); self.n = 0 end
    function B:value()
    	self.n = self.n + 1
    	local a, b = self.ctx:blockConcurrencyWhile(function() sleep(1); return "one", "two" end)
    	return { a, b, self.n }
    end
    function B:fail()
    	pcall(function()
    		self.ctx:blockConcurrencyWhile(function() sleep(50); error "the callback failed" end)
    	end)
    	return "caught it"
    end
    """ + export("B")
    d = drey(lua, bindings={"B": "B"})
    assert call(d, "B", "a", "value") == ["one", "two", 1]
    failures = []

    def waiting(method):
        with refused("the callback failed") as seen:
            call(d, "B", "a", method)
        failures.append(seen.error)

    threads = [threading.Thread(target=waiting, args=("fail",))]
    threads[0].start()
    time.sleep(0.02)  # only so that some arrive while it is blocked; whoever comes later meets the new instance
    threads[0].join()
    assert failures[0].get("durableObjectReset") is True
    assert call(d, "B", "a", "value") == ["one", "two", 1]


def test_A2_06_a_block_that_lasts_too_long_resets(drey):
    lua = KIT + """
    local B = DurableObject:extend "B"
    function B:hang() self.ctx:blockConcurrencyWhile(function() sleep(60000) end) end
    function B:hi() return "hi" end
    """ + export("B")
    d = drey(lua, bindings={"B": "B"}, limits={"block_timeout": "300ms"})
    start = time.monotonic()
    with refused("blockConcurrencyWhile"):
        call(d, "B", "a", "hang")
    assert 0.3 <= time.monotonic() - start < 2 * SLOW
    assert call(d, "B", "a", "hi") == "hi"


def test_A2_07_public_methods_are_rpc_methods(drey):
    d = drey(LIFE, bindings={"LIFE": "Life"})
    assert call(d, "LIFE", "a", "touch") == 1
    with refused("_secret"):
        call(d, "LIFE", "a", "_secret")


def test_A2_08_the_fetch_handler_passes_status_headers_and_body(drey):
    lua = """
    local F = DurableObject:extend "F"
    function F:fetch(request)
    	return Response.new("made of " .. request:text(), {
    		status = 418, headers = { ["X-Kind"] = "teapot", ["Content-Type"] = "text/x-tea" },
    	})
    end
    return { F = F, fetch = function(request, env) return env.F:getByName("a"):fetch(request) end }
    """
    d = drey(lua, bindings={"F": "F"})
    r = d.post("/", b"clay\0\xff")
    assert (r.status, r.body) == (418, b"made of clay\0\xff")
    assert r.header("x-kind") == "teapot" and r.header("content-type") == "text/x-tea"


def test_A2_09_ctx_has_id_storage_wait_until_and_env(drey):
    lua = KIT + """
    local C = DurableObject:extend "C"
    function C:see()
    	self.ctx:waitUntil(function() sleep(50); self.ctx.storage:put("later", "done") end)
    	return { self.ctx.id:toString(), self.ctx.id.name, type(self.ctx.storage), self.env.WORD }
    end
    function C:later() return self.ctx.storage:get "later" end
    routes["/id"] = function(_, env) return Response.new(env.C:idFromName("a"):toString()) end
    """ + export("C")
    d = drey(lua, bindings={"C": "C"}, vars={"WORD": "w"})
    hexid = d.get("/id").text
    assert call(d, "C", "a", "see") == [hexid, "a", "table", "w"]
    eventually(lambda: call(d, "C", "a", "later") == "done", what="the work of waitUntil")


def test_A2_10_fields_live_in_memory_and_are_lost_with_it(drey):
    d = drey(LIFE, bindings={"LIFE": "Life"}, limits={"idle_hibernate": "300ms"})
    assert call(d, "LIFE", "a", "touch") == 1
    assert call(d, "LIFE", "a", "touch") == 2
    # Three ticks of the idle clock without a call, then: gone.
    d.wait_log("constructed a")
    before = births(d, "a")

    def gone():
        time.sleep(0.7)
        return call(d, "LIFE", "a", "touch") == 1

    eventually(gone, within=10, what="a fresh instance")
    assert births(d, "a") > before


GLOBALS = KIT + """
local shared = 0
local G = DurableObject:extend "G"
function G:write() oops = self.ctx.id.name end
function G:read() return oops end
function G:field(v) self.v = v or self.v; return self.v end
function G:share() shared = shared + 1; return shared end
function G:meant() rawset(_G, "meant", 7); meant = meant + 1; return meant end
""" + export("G")


@pytest.mark.parametrize("conf", [{"strict_globals": "on"}, {"dev_errors": "on"}])
def test_A2_11_a_global_by_accident_is_an_error_with_its_name_and_line(drey, conf):
    d = drey(GLOBALS, bindings={"G": "G"}, worker_threads=1, app_conf=conf)
    line = 1 + GLOBALS[: GLOBALS.index("oops =")].count("\n")
    with refused(f'worker.lua:{line}: the global variable "oops" is written', "Write local oops = ...", "self.oops", "(strict_globals on)"):
        call(d, "G", "a", "write")
    assert call(d, "G", "b", "read") is None
    assert call(d, "G", "a", "meant") == 8


def test_A2_11_fields_are_never_shared_and_locals_of_a_module_are(drey):
    d = drey(GLOBALS, bindings={"G": "G"}, worker_threads=1)
    assert call(d, "G", "a", "field", "mine") == "mine"
    assert call(d, "G", "b", "field") is None
    assert [call(d, "G", name, "share") for name in ("a", "b", "a")] == [1, 2, 3]
    call(d, "G", "a", "write")
    assert call(d, "G", "b", "read") == "a", "without strict_globals"


def test_A2_11_strict_globals_off_goes_before_dev_errors(drey):
    d = drey(GLOBALS, bindings={"G": "G"}, worker_threads=1, app_conf={"strict_globals": "off", "dev_errors": "on"})
    call(d, "G", "a", "write")
    assert call(d, "G", "b", "read") == "a"


def test_A2_11_a_global_of_the_main_file_stops_the_start(drey):
    d = drey("helper = function() end\nreturn { fetch = function() end }", start=False, app_conf={"strict_globals": "on"})
    code, said = d.start_fails()
    assert code == 1 and 'worker.lua:1: the global variable "helper" is written' in said


FRONT_LATE = KIT + """
local C = DurableObject:extend "C"
function C:put(v) self.ctx.storage:put("k", v) end
function C:get() return self.ctx.storage:get "k" end
routes["/late"] = function(_, env, ctx)
	ctx:waitUntil(function() sleep(2000); env.C:getByName("a"):put "done" end)
	return Response.new "at once"
end
routes["/never"] = function(_, _, ctx)
	ctx:waitUntil(function() sleep(600000) end)
	return Response.new "at once"
end
""" + export("C")


def test_B2_01_wait_until_of_a_front_module_outlasts_a_graceful_stop(drey):
    d = drey(FRONT_LATE, bindings={"C": "C"})
    start = time.monotonic()
    assert d.get("/late").text == "at once"
    assert time.monotonic() - start < 1.8
    d.stop()
    assert time.monotonic() - start >= 2
    d.start()
    assert call(d, "C", "a", "get") == "done"


def test_B2_01_wait_until_that_never_ends_is_cut_at_shutdown_timeout(drey):
    d = drey(FRONT_LATE, bindings={"C": "C"}, top_conf={"shutdown_timeout": "1500ms"})
    assert d.get("/never").text == "at once"
    start = time.monotonic()
    d.stop()
    assert 1.45 < time.monotonic() - start < 10 * SLOW
    d.start()
    assert d.get("/never").text == "at once"
    start = time.monotonic()
    d.stop(signal.SIGINT)
    assert time.monotonic() - start < 1.4


AFTERWARDS = KIT + """
local C = DurableObject:extend "C"
function C:seen(path) return self.ctx.storage:get(path) end
local function read(request)
	return { request.url:match "//[^/]+(/.*)", request.method, request.headers:get "x-word", request:text() }
end
function C:fetch(request)
	if request.url:match "forwarded" then
		self.ctx.storage:put("/forwarded", read(request))
	end
	self.ctx:waitUntil(function()
		sleep(30)
		self.ctx:waitUntil(function() sleep(30); self.ctx.storage:put("/object", read(request)) end)
	end)
	return Response.new "at once"
end
function C:keep(path, what) self.ctx.storage:put(path, what) end
routes["/object"] = function(request, env) return env.C:getByName("o"):fetch(request) end
routes["/front"] = function(request, env, ctx)
	ctx:waitUntil(function()
		sleep(30)
		ctx:waitUntil(function() sleep(30); env.C:getByName("a"):keep("/front", read(request)) end)
	end)
	ctx:waitUntil(function() sleep(60); env.C:getByName("a"):keep("/second", read(request)) end)
	return Response.new "at once"
end
routes["/forwarded"] = function(request, env, ctx)
	ctx:waitUntil(function() sleep(30); env.C:getByName("a"):fetch(request) end)
	return Response.new "at once"
end
local last
routes["/remember"] = function(request, _, ctx)
	last = request
	ctx:waitUntil(function() sleep(1) end)
	return Response.new "remembered"
end
routes["/recall"] = function() return Response.new(last:text()) end
""" + export("C")


def test_A2_09_wait_until_may_still_read_the_request_of_its_handler(drey, worker_threads):
    d = drey(AFTERWARDS, bindings={"C": "C"}, worker_threads=worker_threads)
    headers = {"x-word": "w"}
    for path in ("/front", "/object", "/forwarded"):
        assert d.post(path, b"the body\0", headers=headers).text == "at once"
        d.post("/call", json={"binding": "C", "name": "b", "method": "seen", "args": ["k"]})  # the connection's memory is used again
    for path, name in (("/front", "a"), ("/second", "a"), ("/object", "o"), ("/forwarded", "a")):
        eventually(lambda: call(d, "C", name, "seen", path), what=f"the work after {path}")
        asked = "/front" if path == "/second" else path
        assert call(d, "C", name, "seen", path) == [asked, "POST", "w", "the body\0"]


def test_A2_09_a_request_is_kept_for_its_own_work_only(drey):
    d = drey(AFTERWARDS, bindings={"C": "C"}, worker_threads=1)  # both in one VM
    assert d.get("/remember").text == "remembered"
    assert d.get("/recall").status == 500
    assert "this request has ended" in d.log()

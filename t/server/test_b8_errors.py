"""What callers may know of a failure (B8-01), overload (B8-02 to B8-05), retry (B8-06), abort (B2-02), calls in a circle (A4-13)."""

import re
import threading
import time

import pytest

from drey import SLOW, eventually
from kit import KIT, call, export, refused

ERRORS = KIT + """
local E = DurableObject:extend "E"
function E:constructor(ctx, env)
	self:super(ctx, env)
	if ctx.id.name == "stillborn" then error "the constructor failed" end
end
function E:app() error { message = "the app said no", code = 7 } end
function E:text() error "plain text" end
function E:no_response() return coroutine.create(print) end
function E:abort() self.ctx.storage:put("lost", 1); self.ctx:abort "out of order" end
function E:block() self.ctx:blockConcurrencyWhile(function() error "not while I wait" end) end
function E:hang() self.ctx:blockConcurrencyWhile(function() sleep(60000) end) end
function E:loop()
	self.ctx.storage.sql:exec("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n")
end
function E:sleep(ms) sleep(ms); return "slept" end
function E:hold(ms) self.ctx:blockConcurrencyWhile(function() sleep(ms) end); return "held" end
function E:take(text) return #text end
function E:get(key) return self.ctx.storage:get(key) end
function E:put(key, value) self.ctx.storage:put(key, value) end
function E:guarded()
	local ok, e = pcall(function() self.ctx.storage:put("lost", 1); self.ctx:abort "no way to catch it" end)
	self.ctx.storage:put("caught", tostring(ok) .. tostring(e))
	return "came back"
end
function E:around()
	self.ctx:waitUntil(function() sleep(50); self.ctx:abort { message = "from a table" } end)
	sleep(10000)
	return "came back"
end
function E:fetch(request)
	local path = URL.new(request.url).pathname
	if path == "/app" then error "the app said no" end
	if path == "/abort" then self.ctx:abort "out of order" end
	if path == "/hold" then self.ctx:blockConcurrencyWhile(function() sleep(1000) end) end
	return Response.new "ok"
end
routes["/http"] = function(request, env)
	local url = URL.new(request.url)
	return env.E:getByName(url.searchParams:get "name"):fetch("http://o" .. url.searchParams:get "path")
end
""" + export("E")


def flags(error):
    return {f for f in ("remote", "retryable", "overloaded", "durableObjectReset") if error.get(f)}


def failure_of(d, name, method, *args):
    with refused() as seen:
        call(d, "E", name, method, *args)
    assert seen.error, f"{method} should have failed"
    return seen.error


# What went wrong -> its words, and what the caller may do about it.
CASES = {
    "app": ("the app said no", {"remote"}),
    "text": ("plain text", {"remote"}),
    "no_response": ("the result", {"remote"}),
    "missing": ("missing", {"remote"}),
    "abort": ("out of order", {"remote", "durableObjectReset"}),
    "block": ("not while I wait", {"remote", "durableObjectReset"}),
    "hang": ("A call to blockConcurrencyWhile() in a Durable Object waited for too long. The call was canceled and the "
             "Durable Object was reset.", {"remote", "overloaded", "durableObjectReset"}),
    "loop": ("Durable Object exceeded its CPU time limit and was reset.", {"remote", "overloaded", "durableObjectReset"}),
}


@pytest.mark.parametrize("method", CASES)
def test_B8_01_an_error_says_what_its_caller_may_do(drey, method):
    d = drey(ERRORS, bindings={"E": "E"}, limits={"block_timeout": "200ms", "cpu": "100ms"}, worker_threads=1)
    words, expected = CASES[method]
    error = failure_of(d, "a", method)
    assert words in error["message"], error
    assert flags(error) == expected, error
    assert call(d, "E", "a", "take", "abc") == 3, "the object serves again"


def test_B8_01_a_constructor_that_fails_tells_every_caller(drey):
    d = drey(ERRORS, bindings={"E": "E"})
    for _ in range(2):
        error = failure_of(d, "stillborn", "take", "abc")
        assert "the constructor failed" in error["message"]
        assert flags(error) == {"remote", "durableObjectReset"}, error


FAILS_TO_READ = KIT + """
local E = DurableObject:extend "E"
function E:put(key, value) self.ctx.storage:put(key, value) end
function E:get(key) return self.ctx.storage:get(key) end
""" + export("E")


def test_B8_01_broken_storage_is_a_reset(drey):
    d = drey(FAILS_TO_READ, bindings={"E": "E"})
    call(d, "E", "a", "put", "k", "v" * 100000)
    d.stop()
    object_id, = d.databases("E")
    with open(d.db("E", object_id), "r+b") as f:
        f.seek(0)
        f.write(b"\xff" * 16384)
    d.start()
    error = failure_of(d, "a", "get", "k")
    assert flags(error) == {"remote", "durableObjectReset"}, error


def test_B8_01_a_server_that_stops_says_retry(drey):
    lua = ERRORS.replace('routes["/http"]', """routes["/told"] = function(request, env)
	local stub = env.E:getByName "a"
	local ok, e = pcall(stub.sleep, stub, 60000)
	console.log("told:", e.message, "retryable", tostring(e.retryable), "reset", tostring(e.durableObjectReset),
		"overloaded", tostring(e.overloaded), "remote", tostring(e.remote))
	return Response.new "told"
end
routes["/http"]""")
    d = drey(lua, bindings={"E": "E"}, top_conf={"shutdown_timeout": "100ms"})
    c = d.raw()
    c.request("GET", "/told")
    assert c.silent(0.3)
    d.stop()
    d.wait_log(r"told: Connection closed: this Durable Object instance is no longer active\. Reconnect or retry the request\. "
               "retryable true reset true overloaded nil remote true")


def test_B8_01_from_outside_500_or_503_and_when_to_come_back(drey):
    d = drey(ERRORS, bindings={"E": "E"}, limits={"block_timeout": "200ms"})
    assert d.get("/http?name=a&path=/app").status == 500
    assert d.get("/http?name=a&path=/abort").status == 500
    r = d.get("/http?name=a&path=/hold")
    assert r.status == 503 and int(r.header("retry-after")) >= 1


# ---- overload ----

def line_of(d, text):
    lines = d.conf().splitlines()
    at = next(i for i, line in enumerate(lines, 1) if text in line)
    return rf"{re.escape(d.conf_path)}:{at}"


class Held:
    """The object holds its gate; what comes meanwhile waits."""

    def __init__(self, d, ms, name="a"):
        self.d, self.name, self.results, self.threads = d, name, [], []
        self.add("hold", ms)
        # A first event that waits: until then nobody knows that the gate is held.
        time.sleep(0.15 * SLOW)

    def add(self, method, *args):
        def work():
            try:
                self.results.append(call(self.d, "E", self.name, method, *args))
            except AssertionError as e:
                self.results.append(e)

        t = threading.Thread(target=work)
        self.threads.append(t)
        t.start()

    def end(self):
        for t in self.threads:
            t.join()
        return self.results


def overloaded(d, words, directive, *args, name="a"):
    error = failure_of(d, name, "take", *args)
    assert re.search(rf"^Durable Object is overloaded\. {re.escape(words)} \(overload {directive}, {line_of(d, directive + ' ')}: ", error["message"]), error
    assert flags(error) == {"remote", "overloaded"}, error


def test_B8_02_too_many_queued_is_503_with_retry_after_and_an_error_for_a_call(drey):
    d = drey(ERRORS, bindings={"E": "E"}, app_conf={"overload": {"queue": "3"}})
    held = Held(d, 1500 * SLOW)
    for _ in range(6):
        held.add("take", "abc")
    eventually(lambda: len(held.results) == 3, what="the three that found the queue full")
    overloaded(d, "Too many requests queued.", "queue", "x")
    r = d.get("/http?name=a&path=/")
    assert r.status == 503 and int(r.header("retry-after")) >= 1
    assert call(d, "E", "other", "take", "abc") == 3, "another object serves"
    results = held.end()
    assert results.count(3) == 3 and results.count("held") == 1, results
    assert call(d, "E", "a", "take", "abc") == 3


def test_B8_03_too_much_data_queued_has_its_own_text(drey):
    d = drey(ERRORS, bindings={"E": "E"}, app_conf={"overload": {"bytes": "100k"}})
    assert call(d, "E", "a", "take", "x" * 200000) == 200000, "one event alone may be larger"
    held = Held(d, 1500 * SLOW)
    held.add("take", "x" * 90000)
    time.sleep(0.2 * SLOW)
    overloaded(d, "Too much data queued.", "bytes", "x" * 20000)
    assert not held.results, "the object still holds"
    held.add("take", "small")
    assert sorted(map(str, held.end())) == ["5", "90000", "held"]


def test_B8_04_queued_too_long_has_its_own_text(drey):
    d = drey(ERRORS, bindings={"E": "E"}, app_conf={"overload": {"age": "300ms"}})
    held = Held(d, 1500 * SLOW)
    held.add("take", "abc")
    time.sleep(0.5)
    overloaded(d, "Requests queued for too long.", "age", "x")
    assert sorted(map(str, held.end())) == ["3", "held"], "what waits keeps its place"
    assert call(d, "E", "a", "take", "abc") == 3


def test_B8_05_too_many_in_ten_seconds_has_its_own_text(drey):
    d = drey(ERRORS, bindings={"E": "E"}, app_conf={"overload": {"rate": "2"}})
    for _ in range(20):
        call(d, "E", "a", "take", "abc")
    overloaded(d, "Too many requests for the same object within a 10 second window.", "rate", "x")
    assert call(d, "E", "other", "take", "abc") == 3


# ---- retry ----

RETRY = KIT + """
local E = DurableObject:extend "E"
function E:fail(kind)
	self.ctx.storage:put("n", (self.ctx.storage:get "n" or 0) + 1)
	error { message = kind, retryable = kind ~= "app", overloaded = kind == "overloaded" or nil }
end
function E:recover()
	local n = (self.ctx.storage:get "n" or 0) + 1
	self.ctx.storage:put("n", n)
	if n < 3 then error { message = "not yet", retryable = true } end
	return n
end
function E:calls() return self.ctx.storage:get "n" end
local C = DurableObject:extend "C"
function C:try(name, method, ...)
	local args = { ... }
	return retry(function() local stub = self.env.E:getByName(name); return stub[method](stub, unpack(args)) end,
		{ attempts = 4, base = 1 })
end
""" + export("E", "C")


def test_B8_06_retry_tries_again_what_may_be_and_nothing_else(drey, worker_threads):
    d = drey(RETRY, bindings={"E": "E", "C": "C"}, worker_threads=worker_threads)
    assert call(d, "C", "c", "try", "late", "recover") == 3
    for name, calls in (("gone", 4), ("overloaded", 1), ("app", 1)):
        with refused(name):
            call(d, "C", "c", "try", name, "fail", name)
        assert call(d, "E", name, "calls") == calls, name


# ---- abort ----

def test_B2_02_abort_cannot_be_caught_and_keeps_what_was_stored(drey):
    d = drey(ERRORS, bindings={"E": "E"})
    call(d, "E", "a", "put", "kept", "yes")
    error = failure_of(d, "a", "guarded")
    assert error["message"] == "no way to catch it" and flags(error) == {"remote", "durableObjectReset"}
    assert call(d, "E", "a", "get", "kept") == "yes"
    assert call(d, "E", "a", "get", "lost") is None, "a write before it is not committed"
    assert call(d, "E", "a", "get", "caught") is None, "pcall never returned"
    error = failure_of(d, "a", "abort")
    assert error["message"] == "out of order"


def test_B2_02_every_caller_in_flight_gets_the_reason(drey):
    d = drey(ERRORS, bindings={"E": "E"})
    seen = []

    def one():
        seen.append(failure_of(d, "a", "sleep", 60000))

    threads = [threading.Thread(target=one) for _ in range(3)]
    for t in threads:
        t.start()
    time.sleep(0.3 * SLOW)  # only so that they are inside; whoever comes later sleeps until the next abort
    assert failure_of(d, "a", "around")["message"] == "from a table"
    eventually(lambda: len(seen) == 3 or (call_abort(d), False)[1], what="the callers' errors")
    for t in threads:
        t.join()
    assert {e["message"] for e in seen} <= {"from a table", "out of order"} and all(flags(e) == {"remote", "durableObjectReset"} for e in seen)


def call_abort(d):
    failure_of(d, "a", "abort")
    time.sleep(0.05)


# ---- calls in a circle ----

CIRCLE = KIT + """
local C = DurableObject:extend "C"
function C:me() return self.env.C:getByName(self.ctx.id.name) end
function C:inc() self.n = (self.n or 0) + 1; return self.n end
function C:open() return self:me():inc() end
local function itself(self)
	local n = self:me():inc()
	return n
end
function C:locked() return self.ctx:blockConcurrencyWhile(function() return itself(self) end) end
function C:transaction() return self.ctx.storage:transaction(function() return itself(self) end) end
function C:beside() return self.ctx:blockConcurrencyWhile(function() return await(async(function() return itself(self) end)) end) end
function C:over(other)
	return self.ctx:blockConcurrencyWhile(function() return self.env.C:getByName(other):back(self.ctx.id.name) end)
end
function C:back(to) return self.env.C:getByName(to):inc() end
""" + export("C")


def test_A4_13_an_object_may_call_itself(drey, worker_threads):
    d = drey(CIRCLE, bindings={"C": "C"}, worker_threads=worker_threads)
    start = time.monotonic()
    assert call(d, "C", "a", "open") == 1
    assert time.monotonic() - start < 1 * SLOW
    assert call(d, "C", "a", "inc") == 2


@pytest.mark.parametrize("method", ["locked", "transaction", "beside"])
def test_A4_13_a_call_to_itself_that_could_only_hang_is_an_error_at_once(drey, method):
    d = drey(CIRCLE, bindings={"C": "C"})
    start = time.monotonic()
    with refused("a call of an object to itself inside blockConcurrencyWhile() or storage:transaction() would wait for ever", "worker.lua:"):
        call(d, "C", "a", method)
    assert time.monotonic() - start < 1 * SLOW
    assert call(d, "C", "a", "inc") == 1


def test_A4_13_a_longer_circle_is_bounded_by_block_timeout(drey, worker_threads):
    d = drey(CIRCLE, bindings={"C": "C"}, worker_threads=worker_threads, limits={"block_timeout": "500ms"})
    start = time.monotonic()
    with refused("blockConcurrencyWhile() in a Durable Object waited for too long") as seen:
        call(d, "C", "a", "over", "b")
    assert flags(seen.error) == {"remote", "overloaded", "durableObjectReset"}
    assert time.monotonic() - start < 2 * SLOW
    assert call(d, "C", "a", "inc") == 1 and call(d, "C", "b", "inc") == 1

"""async, await and Promise: several waits at once; rows B2-01 (with a promise) and B7-11."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from drey import eventually
from kit import KIT, CallFailed, call, export, refused

APP = KIT + """
local T = DurableObject:extend "T"
function T:slow(ms, value) sleep(ms); self.done = (self.done or 0) + 1; return value, self.done end
function T:fails(text) sleep(1); error(text or "it failed") end
function T:count() return self.done or 0 end
function T:put(key, value) self.ctx.storage:put(key, value) end
function T:value(key) return self.ctx.storage:get(key) end

local function now() return Date.now() end

routes["/fan-out"] = function(_, env)
	local begun, tasks = now(), {}
	for i = 1, 20 do
		local t = env.T:getByName("fan" .. i)
		tasks[i] = async(t.slow, t, 100, i)
	end
	local results = await(Promise.all(tasks))
	local ms = now() - begun
	for i = 1, 20 do assert(results[i] == i) end
	return Response.new(ms < 1500 and "together" or "one after the other: " .. ms)
end
routes["/values"] = function()
	local a, b, c = await(async(function(x, y) sleep(1); return x, nil, y end, 1, 3))
	assert(a == 1 and b == nil and c == 3)
	assert(select("#", await(async(function() end))) == 0)
	assert(await("plain") == "plain" and await(nil) == nil)
	local p = async(function() return 7 end)
	assert(await(p) == 7 and await(p) == 7 and p:await() == 7)
	return Response.new "right"
end
routes["/raises"] = function(_, env)
	local t = env.T:getByName "r"
	local ok, e = pcall(await, async(t.fails, t, "boom"))
	assert(not ok and e.remote and e.message:find "boom", tostring(e.message))
	local ok2, e2 = pcall(await, async(function() sleep(1); error { code = 42 } end))
	assert(not ok2 and e2.code == 42)
	local ok3, e3 = pcall(await, async(function() error "with a place" end))
	assert(not ok3 and tostring(e3):find "^worker.lua:%d+: with a place$", tostring(e3))
	return Response.new "right"
end
routes["/all"] = function()
	local r = await(Promise.all { a = async(function() sleep(2); return "A" end), b = "B", c = Promise.resolve "C" })
	assert(r.a == "A" and r.b == "B" and r.c == "C")
	assert(next(await(Promise.all {})) == nil)
	local late = async(function() sleep(10000) end)
	local ok, e = pcall(await, Promise.all { late, async(function() sleep(1); error("first", 0) end) })
	assert(not ok and e == "first")
	late:cancel()
	local s = await(Promise.allSettled { Promise.resolve(1), async(function() error("x", 0) end) })
	assert(s[1].status == "fulfilled" and s[1].value == 1 and s[2].status == "rejected" and s[2].reason == "x")
	return Response.new "right"
end
routes["/race"] = function()
	local reached = false
	local race = Promise.race {
		async(function() sleep(1); return "fast" end),
		async(function() sleep(60000); reached = true; return "slow" end),
	}
	assert(await(race) == "fast")
	race:cancel()
	return Response.new(reached and "the slow one ended" or "right")
end
routes["/cancel"] = function()
	local seen, begun
	local p = async(function()
		local ok, e = pcall(sleep, 60000)
		seen = e
		error(e)
	end)
	sleep(1)
	p:cancel()
	local ok, e = pcall(await, p)
	assert(not ok and e.name == "AbortError", tostring(e))
	sleep(1)
	assert(seen and seen.name == "AbortError", "the function was not told")
	local q = async(function() begun = true end)
	q:cancel()
	q:cancel()
	sleep(1)
	assert(not begun, "it began though it was cancelled before")
	assert(not pcall(await, q))
	return Response.new "right"
end
routes["/resolvers"] = function()
	local p, resolve = Promise.withResolvers()
	async(function() sleep(1); resolve("said", 2) end)
	local a, b = await(p)
	resolve "too late"
	assert(a == "said" and b == 2 and await(p) == "said")
	return Response.new "right"
end
routes["/nested"] = function()
	local function tree(depth)
		if depth == 0 then return 1 end
		local l, r = async(tree, depth - 1), async(tree, depth - 1)
		return await(l) + await(r)
	end
	assert(tree(8) == 256)
	local co = coroutine.wrap(function() return await(async(function() sleep(1); return "inside" end)) end)
	assert(co() == "inside")
	return Response.new "right"
end
routes["/many"] = function()
	local list = {}
	for i = 1, 5000 do list[i] = async(function() sleep(0); return i end) end
	local sum = 0
	for _, v in ipairs(await(Promise.all(list))) do sum = sum + v end
	return Response.new(tostring(sum))
end
routes["/too-many"] = function()
	local list, err = {}, nil
	for i = 1, 101 do
		local ok, e = pcall(async, sleep, 60000)
		if ok then list[i] = e else err = e end
	end
	for _, p in pairs(list) do p:cancel() end
	sleep(5)
	assert(await(async(function() return 1 end)) == 1, "the cancelled ones still count")
	return Response.new(err)
end
routes["/misuse"] = function()
	local said = {}
	local function try(fn) said[#said + 1] = select(2, pcall(fn)) end
	try(function() local _ = async(5) end)
	try(function() local _ = async(async(function() end)) end)
	try(function() local _ = Promise.all "x" end)
	try(function() local _ = Promise.race(async(function() end)) end)
	return Response.new(table.concat(said, "\\n"))
end
routes["/unheard"] = function()
	async(function() error "nobody hears this" end)
	return Response.new "gone"
end
routes["/wait-until"] = function(request, _, ctx)
	ctx:waitUntil(async(function() sleep(20); console.log("late: " .. request:text()) end))
	return Response.new "at once"
end

local W = DurableObject:extend "W"
function W:begin(ms) self.ctx:waitUntil(async(function() sleep(ms); self.ctx.storage:put("late", "kept") end)); return "at once" end
function W:late() return self.ctx.storage:get "late" end
function W:built() return self.serial end
function W:constructor(ctx, env) self:super(ctx, env); self.serial = tostring(self) end
function W:meet() self.promise, self.resolve = Promise.withResolvers(); return await(self.promise) end
function W:say(text) self.resolve(text); return "said" end
function W:abort() async(function() sleep(60000) end); async(function() sleep(60000) end); self.ctx:abort "enough" end
function W:both(env)
	local a, b = self.env.T:getByName "x", self.env.T:getByName "y"
	return await(Promise.all { async(a.slow, a, 30, "x"), async(b.slow, b, 30, "y") })
end
function W:writes()
	local s = self.ctx.storage
	await(Promise.all { async(function() s:put("a", 1); sleep(1); s:put("b", 2) end), async(function() s:put("c", 3) end) })
	return s:get "a" + s:get "b" + s:get "c"
end
""" + export("T", "W")


def start(drey, **kw):
    return drey(APP, bindings={"T": "T", "W": "W"}, **kw)


@pytest.mark.parametrize("path", ["values", "raises", "all", "race", "cancel", "resolvers", "nested"])
def test_async_and_await(drey, path):
    r = start(drey).get("/" + path)
    assert (r.status, r.text) == (200, "right"), r.text


def test_calls_run_together(drey, worker_threads):
    assert start(drey, worker_threads=worker_threads).get("/fan-out").text == "together"


def test_an_object_has_several_calls_under_way(drey, worker_threads):
    d = start(drey, worker_threads=worker_threads)
    assert call(d, "W", "w", "both") == ["x", "y"]


def test_thousands_at_once_and_no_more_than_the_limit(drey):
    d = start(drey, limits={"async": "6000"})
    assert d.get("/many").text == str(5000 * 5001 // 2)
    d = start(drey, limits={"async": "100"})
    for _ in range(3):
        text = d.get("/too-many").text
        assert "async: 100 calls are in flight already" in text, text
        assert "(limits async, " in text and text.startswith("worker.lua:"), text


def test_misuse_is_explained(drey):
    lines = start(drey).get("/misuse").text.split("\n")
    assert "async(fn, ...) takes a function and its arguments" in lines[0] and lines[0].endswith("got a number"), lines
    assert lines[1].endswith("got a table (a promise already)"), lines
    assert "Promise.all takes a table of promises" in lines[2], lines
    assert "Promise.race takes a table of promises" in lines[3], lines
    assert all(line.startswith("worker.lua:") for line in lines), lines


def test_B7_11_an_error_that_nobody_awaits_is_logged(drey):
    d = start(drey)
    assert d.get("/unheard").text == "gone"
    d.wait_log(r"async: nobody awaited the function that raised: worker.lua:\d+: nobody hears this")


def test_B2_01_wait_until_takes_a_promise(drey):
    d = start(drey)
    assert d.post("/wait-until", b"the body").text == "at once"
    d.wait_log("late: the body")
    begun = time.monotonic()
    assert call(d, "W", "w", "begin", 300) == "at once"
    assert time.monotonic() - begun < 0.3
    eventually(lambda: call(d, "W", "w", "late") == "kept")


def test_B2_01_work_under_way_keeps_the_object_awake(drey):
    d = start(drey, limits={"idle_hibernate": "50ms"})
    before = call(d, "W", "w", "built")
    call(d, "W", "w", "begin", 1500)
    eventually(lambda: call(d, "W", "w", "late") == "kept", within=10)
    assert call(d, "W", "w", "built") == before, "it slept over its own work"
    eventually(lambda: call(d, "W", "w", "built") != before or time.sleep(0.2), within=10)


def test_one_event_waits_for_what_another_says(drey):
    d = start(drey)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(call, d, "W", "w", "meet")
        eventually(lambda: said(d))
        assert waiting.result(timeout=10) == "hello"


def said(d):
    try:
        return call(d, "W", "w", "say", "hello") == "said"
    except CallFailed:
        return False      # nobody has come to the meeting yet


def test_a_reset_ends_what_runs_beside(drey):
    d = start(drey)
    for _ in range(5):
        with refused("enough"):
            call(d, "W", "w", "abort")
    assert call(d, "W", "w", "writes") == 6


def test_a_graceful_stop_waits_for_work_under_way(drey):
    d = start(drey)
    d.post("/wait-until", b"before the end")
    d.stop()
    assert "late: before the end" in d.log()

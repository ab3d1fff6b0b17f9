"""setTimeout, setInterval, scheduler.wait and Date.now: rows B11-15 and A11-06."""

import re
import time

from drey import eventually
from kit import KIT, call, export, refused

APP = KIT + """
local T = DurableObject:extend "T"
function T:constructor(ctx, env)
	self:super(ctx, env)
	self.seen = {}
	ctx.storage:put("built", (ctx.storage:get "built" or 0) + 1)
end
function T:note(v) self.seen[#self.seen + 1] = v end
function T:list() return JSON.array(self.seen) end
function T:built() return self.ctx.storage:get "built" end
function T:waits()
	local late = {}
	for i, wait in ipairs { sleep, scheduler.wait, sleep, scheduler.wait, sleep } do
		local from = Date.now()
		wait(10 * i)
		late[i] = Date.now() - from - 10 * i
	end
	return late
end
function T:order()
	for i = 1, 5 do setTimeout(function() self:note("b" .. i) end, 20) end
	setTimeout(function(...) self:note(select("#", ...) .. tostring((...))) end, 10, nil, nil)
	setTimeout(function(a, b) self:note(a .. b) end, 0, "x", "y")
	setTimeout(function() self:note "negative" end, -5)
	self:note "first"
end
function T:nested() setTimeout(function() self:note(1); setTimeout(function() self:note(2) end) self:note "then" end) end
function T:cleared()
	local a = setTimeout(function() self:note "never" end, 10)
	setTimeout(function() self:note "kept" end, 10)
	clearTimeout(a)
	clearTimeout(a)
	for _, junk in ipairs { 0, -1, 1e300, 0 / 0, "1", {}, true, 99999 } do clearTimeout(junk) end
	clearTimeout(nil)
	-- One clears the next, due at the same moment.
	local c
	setTimeout(function() self:note "clears"; clearTimeout(c) end, 20)
	c = setTimeout(function() self:note "never" end, 20)
	setTimeout(function() self:note "end" end, 21)
end
function T:ticks(ms, n)
	local from, id = Date.now(), nil
	id = setInterval(function()
		self:note(Date.now() - from)
		if #self.seen == n then clearInterval(id) end
	end, ms)
end
function T:slowTicks()
	local id
	id = setInterval(function()
		self:note "in"
		sleep(45)
		self:note "out"
		if #self.seen >= 6 then clearInterval(id) end
	end, 10)
end
function T:many(n)
	self.order, self.count = true, 0
	for i = 1, n do setTimeout(function() self.order = self.order and self.count == i - 1; self.count = i end, 5) end
end
function T:counted() return { self.count, self.order } end
function T:fails()
	setTimeout(function() error "the timer's own error" end)
	setTimeout(function() self:note "after" end, 1)
	local id
	id = setInterval(function()
		self:note "tick"
		if #self.seen > 3 then clearInterval(id) end
		error "again"
	end, 5)
end
function T:later(ms, v) setTimeout(function() self.ctx.storage:put("later", v) end, ms) end
function T:stored() return self.ctx.storage:get "later" end
function T:abort() self.ctx:abort "enough" end
function T:blocked()
	local release = Date.now() + 80
	setTimeout(function() self:note(Date.now() >= release and "after the block" or "during it") end, 5)
	setInterval(function() self:note(Date.now() >= release and "tick" or "during it") end, 5)
	self.ctx:blockConcurrencyWhile(function() sleep(85) end)
end
function T:calls()
	setTimeout(function()
		sleep(1)
		self:note(self.env.T:getByName("other"):built())
		self.ctx.storage:put("later", "from a timer")
		self:note "stored"
	end)
end
function T:spins()
	self:every(1)
	setTimeout(function() local n = 0; while true do n = n + 1 end end, 150)
end
function T:every(ms) setInterval(function() self:note "tick" end, ms) end
function T:stopAll() for id = 1, 10 do clearInterval(id) end end
function T:try(kind, ...)
	local f = { timeout = setTimeout, interval = setInterval }
	local ok, e = pcall(f[kind], ...)
	return e
end
function T:callsBad() setTimeout("x", 1) end
function T:badTime() setTimeout(print, "soon") end
function T:farTime() setTimeout(print, 2 ^ 31) end
function T:clock()
	local last = Date.now()
	for _ = 1, 200000 do
		local now = Date.now()
		if now < last then return "backwards" end
		last = now
	end
	return "forwards"
end
routes["/front"] = function(request, env, ctx)
	local t, how = env.T:getByName "front", request:text()
	if how == "dies" then
		setTimeout(function() t:note "never" end, 30)
	elseif how == "lives" then
		setTimeout(function() t:note "waited for" end, 5)
		sleep(30)
	elseif how == "interval" then
		local n = 0
		setInterval(function() if n < 3 then n = n + 1; t:note(n) end end, 5)
		while n < 3 do sleep(5) end
	elseif how == "waitUntil" then
		setTimeout(function() t:note "after the answer"; setTimeout(function() t:note "and one more" end, 5) end, 20)
		ctx:waitUntil(function()
			for _ = 1, 500 do
				if #t:list() == 6 then return end
				sleep(10)
			end
		end)
	end
	return Response.new "answered"
end
""" + export("T")
ONE = {"T": "T"}


def listed(d, name="a"):
    return call(d, "T", name, "list")


def until(d, want, name="a"):
    eventually(lambda: listed(d, name) == want, what=f"{want}, {listed(d, name)} now,")


def test_B11_15_waits_take_as_long_as_asked(drey):
    d = drey(APP, bindings=ONE)
    tries = [call(d, "T", "a", "waits") for _ in range(5)]
    assert all(ms >= -1 for late in tries for ms in late), tries  # the wall clock is slewed at times
    assert any(max(late) <= 20 for late in tries), tries


def test_B11_15_timers_run_in_the_order_they_come_due(drey, worker_threads):
    d = drey(APP, bindings=ONE, worker_threads=worker_threads)
    call(d, "T", "a", "order")
    until(d, ["first", "xy", "negative", "2nil", "b1", "b2", "b3", "b4", "b5"])
    call(d, "T", "b", "nested")
    until(d, [1, "then", 2], "b")


def test_B11_15_a_timer_can_be_cleared_until_it_runs(drey):
    d = drey(APP, bindings=ONE)
    call(d, "T", "a", "cleared")
    until(d, ["kept", "clears", "end"])


def test_B11_15_an_interval_keeps_to_its_period(drey):
    d = drey(APP, bindings=ONE)
    call(d, "T", "a", "ticks", 20, 20)
    eventually(lambda: len(listed(d)) == 20, within=10)
    at = listed(d)
    assert at == sorted(at), at
    # Never early; wall and monotonic clock may differ by a little.
    assert all(ms >= 20 * (i + 1) - 3 for i, ms in enumerate(at)), at
    call(d, "T", "b", "slowTicks")
    until(d, ["in", "out"] * 3, "b")
    time.sleep(0.1)  # nothing may come: it was cleared
    assert listed(d, "b") == ["in", "out"] * 3


def test_ten_thousand_timers_run_in_order_and_no_more_can_be_set(drey):
    d = drey(APP, bindings=ONE)
    call(d, "T", "a", "many", 10000)
    eventually(lambda: call(d, "T", "a", "counted") == [10000, True], within=20)
    with refused("worker.lua:", "setTimeout: 10000 timers are set, as many as one object may have", "(limits timers, "):
        call(d, "T", "b", "many", 10001)
    eventually(lambda: call(d, "T", "b", "counted") == [10000, True], within=20)


def test_an_error_in_a_callback_is_logged_and_breaks_nothing(drey):
    d = drey(APP, bindings=ONE)
    call(d, "T", "a", "fails")
    eventually(lambda: listed(d).count("tick") >= 2 and "after" in listed(d))
    d.wait_log(r"worker\.lua:\d+: the timer's own error.*object=app/T/a")
    d.wait_log(r"worker\.lua:\d+: again.*object=app/T/a")
    assert call(d, "T", "a", "built") == 1


def test_a_reset_clears_all_timers(drey):
    d = drey(APP, bindings=ONE)
    call(d, "T", "a", "later", 60, "from before")
    call(d, "T", "a", "every", 5)
    with refused("enough"):
        call(d, "T", "a", "abort")
    assert listed(d) == []
    call(d, "T", "a", "every", 100)
    eventually(lambda: listed(d) == ["tick"])
    assert call(d, "T", "a", "stored") is None and call(d, "T", "a", "built") == 2


def test_blockConcurrencyWhile_holds_timers_back(drey):
    d = drey(APP, bindings=ONE)
    call(d, "T", "a", "blocked")
    eventually(lambda: len(listed(d)) >= 3)
    assert "during it" not in listed(d) and "after the block" in listed(d)
    call(d, "T", "a", "stopAll")


def test_a_callback_may_do_what_a_method_may_and_its_writes_stay(drey):
    d = drey(APP, bindings=ONE)
    call(d, "T", "a", "calls")
    until(d, [1, "stored"])
    d.kill9()
    d.start()
    assert call(d, "T", "a", "stored") == "from a timer"


def test_a_callback_that_never_ends_is_stopped_and_the_timers_go_on_in_others(drey):
    d = drey(APP, bindings=ONE, limits={"cpu": "100ms"}, worker_threads=1)
    for n in range(3):
        call(d, "T", f"spins{n}", "spins")
        d.wait_log(rf"exceeded its CPU time limit.*T/spins{n}")
        assert call(d, "T", f"spins{n}", "built") == 2
    call(d, "T", "b", "every", 5)
    eventually(lambda: len(listed(d, "b")) > 3)
    call(d, "T", "b", "stopAll")


def test_what_is_no_timer_is_refused_at_its_line(drey):
    d = drey(APP, bindings=ONE)
    with refused("worker.lua:", "setTimeout(fn, ms) takes a function, not a string"):
        call(d, "T", "a", "callsBad")
    with refused("worker.lua:", "setTimeout(fn, ms): the milliseconds are a number, not a string"):
        call(d, "T", "a", "badTime")
    with refused("at most 2147483647 milliseconds (24 days), not 2147483648; use an alarm"):
        call(d, "T", "a", "farTime")


def test_A7_17_a_pending_timer_keeps_its_object_awake_for_pending_io_at_most(drey):
    d = drey(APP, bindings=ONE, limits={"idle_hibernate": "100ms", "idle_evict": "100ms", "pending_io": "1s"})
    call(d, "T", "a", "later", 700, "woke")
    time.sleep(0.5)  # longer than idle_hibernate; a call would keep it awake
    eventually(lambda: call(d, "T", "a", "stored") == "woke")
    assert call(d, "T", "a", "built") == 1, "it slept though a timer was set"
    call(d, "T", "b", "every", 300)
    time.sleep(0.5)
    assert call(d, "T", "b", "built") == 1
    # An interval keeps it for pending_io in all; then it sleeps between two ticks.
    eventually(lambda: gone(d, "b"), within=5)
    # A cleared one does not.
    call(d, "T", "c", "every", 100000)
    call(d, "T", "c", "stopAll")
    eventually(lambda: gone(d, "c"), within=5)


def gone(d, name):
    """Leaves it alone for as long as it takes to fall asleep; asking wakes it."""
    time.sleep(0.45)
    return call(d, "T", name, "built") > 1


def test_a_timer_holds_up_neither_a_stop_nor_an_evict(drey):
    d = drey(APP, bindings=ONE, app_conf={"chaos_evict": "50ms"})
    call(d, "T", "a", "every", 100000)
    eventually(lambda: call(d, "T", "a", "built") > 1, what="the eviction")
    call(d, "T", "a", "every", 1)
    d.stop(within=10)


def test_in_front_timers_live_as_long_as_their_event(drey):
    d = drey(APP, bindings=ONE)
    for how in ("dies", "lives", "interval", "waitUntil"):
        assert d.post("/front", body=how).text == "answered"
    until(d, ["waited for", 1, 2, 3, "after the answer", "and one more"], "front")


def test_A11_06_a_long_timer_in_an_object_gets_the_alarm_recipe_once(drey):
    d = drey(APP, bindings=ONE, worker_threads=1)
    call(d, "T", "a", "later", 5000, "x")
    assert "setAlarm" not in d.log()
    call(d, "T", "a", "later", 60000, "x")
    call(d, "T", "b", "later", 60000, "x")
    d.wait_log(r"worker\.lua:\d+: a timer of 60000 ms .* ctx\.storage:setAlarm\(Date\.now\(\) \+ 60000\)")
    assert len(re.findall("setAlarm", d.log())) == 1


def test_time_does_not_run_backwards(drey):
    d = drey(APP, bindings=ONE)
    assert call(d, "T", "a", "clock") == "forwards"

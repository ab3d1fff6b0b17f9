"""What an object is doing and how long it stays: rows B5-01 to B5-04, as the log tells it at level debug and ctx:state() does."""

import re
import threading
import time

from drey import SLOW, eventually
from kit import KIT, call, export, refused

LIFE = KIT + """
local kept_by = {}
local L = DurableObject:extend "L"
function L:constructor(ctx, env) self:super(ctx, env); console.log("built " .. tostring(ctx.id.name)) end
function L:hi() return "hi" end
function L:state() return self.ctx:state() end
function L:timer(ms) setTimeout(function() end, ms) end
function L:interval(ms)
	local id
	id = setInterval(function() self.ctx.storage:put("ticks", (self.ctx.storage:get "ticks" or 0) + 1) end, ms)
end
function L:after(ms, word)
	self.ctx:waitUntil(function()
		sleep(ms)
		self.ctx.storage:put("word", word)
	end)
end
function L:word() return self.ctx.storage:get "word" end
function L:ticks() return self.ctx.storage:get "ticks" end
function L:call(other, ms) return self.env.L:getByName(other):slow(ms) end
function L:call_later(other, ms)
	self.ctx:waitUntil(function() self.ctx.storage:put("word", self.env.L:getByName(other):slow(ms)) end)
end
function L:slow(ms) sleep(ms); return "slow result" end
function L:start_async(ms) async(function() sleep(ms) end) end
function L:inside()
	local seen
	self.ctx.storage:transaction(function() self.ctx.storage:put("k", 1); seen = self.ctx:state() end)
	return seen
end
function L:background()
	self.ctx:waitUntil(function() sleep(50); self.seen = self.ctx:state(); self.seen.since = nil end)
end
function L:seen_in_background() return self.seen end
function L:remember() kept_by[self.ctx.id.name] = self.ctx; self.ctx:abort "gone" end
function L:stale(other)
	local storage = kept_by[other].storage
	return storage:get "word"
end
function L:fetch(request)
	return Response.new(stream(function(writer)
		for i = 1, 20 do writer:write(i .. "\\n"); sleep(100) end
	end))
end
routes["/stream"] = function(request, env) return env.L:getByName("s"):fetch(request) end
routes["/slow"] = function(request, env) return Response.new(env.L:getByName("a"):slow(1000)) end
""" + export("L")

ONE = {"L": "L"}


def debug(drey, **limits):
    d = drey(LIFE, bindings=ONE, start=False, limits=limits)
    d.edit_conf("error.log info", "error.log debug")
    return d.start()


def lives(d, name):
    """The states the object went through, with the reasons."""
    return re.findall(rf"object app/L/{name} is ([^;\n]+); it was ([^;\n]+?) for (\d+) ms", d.log())


def names(d, name):
    return [state.split(":")[0] for state, _, _ in lives(d, name)]


def test_B5_01_the_states_are_in_the_log_with_reason_and_duration(drey):
    d = debug(drey, idle_hibernate="200ms", idle_evict="600ms", pending_io="200ms")
    call(d, "L", "a", "hi")
    eventually(lambda: names(d, "a") == ["active", "idle, hibernateable", "inactive"], what="the states of a")
    told = lives(d, "a")
    assert told[0][0] == "active: 1 event queued" and told[0][1] == "inactive", told
    assert int(told[2][2]) >= 200, "hibernateable for idle_hibernate"
    call(d, "L", "b", "interval", 50)
    eventually(lambda: names(d, "b") == ["active", "idle, not hibernateable", "inactive"], what="the states of b")
    told = lives(d, "b")
    assert told[1][0] == "idle, not hibernateable: 1 timer" and int(told[2][2]) >= 590, told
    assert call(d, "L", "a", "hi") == "hi" and d.log().count("built a") == 2


def test_B5_01_ctx_state_says_why_an_object_is_awake(drey):
    d = drey(LIFE, bindings=ONE, top_conf={"shutdown_timeout": "100ms"})
    seen = call(d, "L", "a", "state")
    assert seen["state"] == "active" and seen["events"] == 1 and seen["why"] == "1 event", seen
    assert abs(seen["since"] - time.time() * 1000) < 20000
    call(d, "L", "a", "timer", 60000)
    call(d, "L", "a", "timer", 60000)
    call(d, "L", "a", "start_async", 60000)
    call(d, "L", "a", "after", 60000, "x")
    seen = call(d, "L", "a", "state")
    assert seen["why"] == "1 event, 1 background task, 1 async call, 2 timers", seen
    seen = call(d, "L", "a", "inside")
    assert seen["transaction"] is True and seen["blocked"] is True
    assert seen["why"].endswith("an open transaction, its input gate is held"), seen
    call(d, "L", "b", "background")
    seen = eventually(lambda: call(d, "L", "b", "seen_in_background"))
    assert seen["background"] == 1 and seen["events"] in (0, 1), seen


def test_B5_02_idle_for_idle_hibernate_pinned_for_idle_evict(drey):
    d = debug(drey, idle_hibernate="300ms", idle_evict="1500ms", pending_io="100ms")
    call(d, "L", "free", "hi")
    call(d, "L", "pinned", "interval", 100)
    eventually(lambda: names(d, "free")[-1] == "inactive")
    assert names(d, "pinned")[-1] != "inactive"
    eventually(lambda: names(d, "pinned")[-1] == "inactive")
    assert 1400 <= int(lives(d, "pinned")[-1][2]) < 4000 * SLOW
    assert call(d, "L", "pinned", "ticks") >= 5, "it ran meanwhile"


def test_B5_02_an_event_begins_the_time_anew(drey):
    d = debug(drey, idle_hibernate="100ms", idle_evict="1s", pending_io="100ms")
    call(d, "L", "a", "interval", 10000)
    for _ in range(8):
        time.sleep(0.2)
        call(d, "L", "a", "hi")
    if not SLOW > 1:
        assert d.log().count("built a") == 1
    eventually(lambda: names(d, "a")[-1] == "inactive")


def test_B5_03_work_without_a_caller_pins_for_pending_io_at_most(drey):
    d = debug(drey, idle_hibernate="100ms", idle_evict="200ms", pending_io="1s")
    call(d, "L", "a", "after", 500, "in time")
    eventually(lambda: names(d, "a")[-1] == "inactive")
    assert call(d, "L", "a", "word") == "in time" and d.log().count("built a") == 2
    call(d, "L", "b", "after", 60000, "never")
    eventually(lambda: names(d, "b")[-1] == "inactive", what="the end of b")
    assert 900 <= int(lives(d, "b")[-1][2]) < 4000 * SLOW
    d.wait_log(r"object reset app/L/b: This Durable Object was put to sleep with work under way: no event came for limits idle_evict")
    assert call(d, "L", "b", "word") is None


def test_B5_03_what_somebody_waits_for_is_never_cut(drey):
    d = debug(drey, idle_hibernate="100ms", idle_evict="200ms", pending_io="300ms")
    start = time.monotonic()
    assert call(d, "L", "a", "call", "b", 1500) == "slow result"
    assert time.monotonic() - start >= 1.5
    assert d.log().count("built a") == 1 and "object reset" not in d.log()
    r = d.get("/stream")
    assert r.status == 200 and len(r.text.split()) == 20, "a stream that is read goes on"
    assert "object reset" not in d.log()


def test_B5_03_each_call_that_goes_out_has_its_own_time(drey):
    d = debug(drey, idle_hibernate="100ms", idle_evict="100ms", pending_io="2s")
    call(d, "L", "a", "call_later", "b", 700)
    eventually(lambda: names(d, "a")[-1] == "inactive")
    assert call(d, "L", "a", "word") == "slow result"


def test_B5_04_a_stop_waits_for_requests_in_flight(drey):
    d = drey(LIFE, bindings=ONE)
    c = d.raw()
    c.request("GET", "/slow")
    assert c.silent(0.2)
    stop = threading.Thread(target=d.stop)
    stop.start()
    r = c.reply()
    assert r.status == 200 and r.text == "slow result"
    stop.join()


def test_B5_04_one_server_owns_the_data(drey):
    d = drey(LIFE, bindings=ONE)
    second = drey(LIFE, bindings=ONE, start=False)
    second.edit_conf(f"data_dir {second.data}", f"data_dir {d.data}")
    code, said = second.start_fails()
    assert code != 0 and d.data in said, said
    assert call(d, "L", "a", "hi") == "hi"


def test_B5_04_storage_of_an_instance_that_is_gone_is_refused(drey):
    d = drey(LIFE, bindings=ONE, worker_threads=1)
    with refused("gone"):
        call(d, "L", "a", "remember")
    with refused("this ctx belongs to another object (or to an instance that was reset)"):
        call(d, "L", "a", "stale", "a")

"""Gates, coalescing, empty objects: rows B4-10 to B4-13, B4-37, B4-38."""

import contextlib
import os
import threading
import time

import pytest

from drey import eventually
from http_raw import Closed
from kit import KIT, call, export, refused

GATES = KIT + """
local G = DurableObject:extend "G"
function G:put(k, v) self.ctx.storage:put(k, v); return v end
function G:get(k) return self.ctx.storage:get(k) end
function G:two(n)
	self.ctx.storage:put("first", n)
	self.ctx.storage:put("second", n)
end
function G:both() return { self.ctx.storage:get "first", self.ctx.storage:get "second" } end
function G:raise() self.ctx.storage:put("raised", true); error "after the write" end
function G:outgoing()
	self.ctx.storage:put("told", true)
	return self.env.W:getByName("witness"):hear()
end
function G:wipe()
	for key in pairs(self.ctx.storage:list()) do self.ctx.storage:delete(key) end
	self.ctx.storage.sql:exec "DROP TABLE t"
end
function G:nothing() return self.ctx.storage:get "never" == nil end
function G:forget() self.ctx.storage:put("x", 1); self.ctx.storage:deleteAll() end
function G:slowRead()
	local before = self.ctx.storage:get "n" or 0
	self.ctx.storage:put("n", before + 1)
	return before
end
local W = DurableObject:extend "W"
function W:hear() console.log("heard at", Date.now()); return Date.now() end
routes["/put"] = function(_, env) return Response.new(tostring(env.G:getByName("a"):put("k", Date.now()))) end
routes["/get"] = function(_, env) return Response.new(tostring(env.G:getByName("a"):get "k")) end
routes["/read"] = function(_, env) return Response.new(tostring(env.G:getByName("a"):slowRead())) end
routes["/hello"] = function() return Response.new "hello" end
""" + export("G", "W")

BOTH = {"G": "G", "W": "W"}
SLOW_SYNC = {"DREY_SLOW_SYNC_MS": "200"}


def timed(f):
    start = time.monotonic()
    value = f()
    return value, time.monotonic() - start


def test_B4_10_no_reply_leaves_before_its_write_is_durable(drey, worker_threads):
    d = drey(GATES, bindings=BOTH, worker_threads=worker_threads, preload=["slow_sync"], env=SLOW_SYNC)
    r, took = timed(lambda: d.get("/put"))
    assert r.status == 200 and took >= 0.2
    # What wrote nothing and saw nothing new does not wait; the best of some, for the machine may be busy.
    hellos = [timed(lambda: d.get("/hello")) for _ in range(5)]
    assert all(r.text == "hello" for r, _ in hellos) and min(took for _, took in hellos) < 0.2


def test_B4_10_a_reader_waits_for_the_write_it_saw(drey):
    d = drey(GATES, bindings=BOTH, preload=["slow_sync"], env=SLOW_SYNC)
    d.get("/put")
    arrived = {}

    def write():
        arrived["write"] = (d.get("/put").text, time.monotonic())

    seen = None
    for _ in range(20):
        writer = threading.Thread(target=write)
        writer.start()
        old = None
        while writer.is_alive():
            value = d.get("/get").text
            if old is not None and value != old:
                seen = time.monotonic()
                # This value was read while its commit was under way; it came out no earlier than the commit was durable.
                writer.join()
                assert value == arrived["write"][0]
                assert seen >= arrived["write"][1] - 0.1
                break
            old = value
        writer.join()
        if seen:
            break
    assert seen, "no reader ever met a write under way"


def test_B4_10_an_error_waits_too_and_an_outgoing_call_leaves_after_the_write(drey):
    d = drey(GATES, bindings=BOTH, preload=["slow_sync"], env=SLOW_SYNC)
    r, took = timed(lambda: d.post("/call", json={"binding": "G", "name": "a", "method": "raise"}))
    assert r.json()["ok"] is False and took >= 0.2
    assert call(d, "G", "a", "get", "raised") is True
    before = time.time() * 1000
    heard = call(d, "G", "b", "outgoing")
    assert heard - before >= 200


def test_B4_10_a_failed_sync_is_an_error_never_a_false_success(drey):
    d = drey(GATES, bindings=BOTH, preload=["fault"])
    acknowledged = int(d.get("/put").text)
    d.stop()
    statuses = []
    for after in range(0, 8):
        d.faults(f"sync - EIO {after}")
        d.start(ready=False)
        process = d.process
        try:
            d.wait_ready()
            for _ in range(10):
                r = d.get("/put")
                statuses.append(r.status)
                if r.status != 200:
                    assert r.status >= 500
                    break
                acknowledged = int(r.text)
        except (AssertionError, OSError, Closed):
            pass  # it may fail before it serves, or go while we ask
        assert process.wait(15) > 0, "it must end by itself, and not with success"
        d.process = None
        assert "fdatasync" in d.log() or "fsync" in d.log()
    assert 500 in statuses or 503 in statuses, statuses
    d.faults()
    d.start()
    found = int(d.get("/get").text)
    assert found >= acknowledged, "an acknowledged write is missing"


def test_B4_11_no_event_comes_between_a_read_and_its_write(drey, worker_threads):
    d = drey(GATES, bindings=BOTH, worker_threads=worker_threads)
    replies = d.storm(["/read"] * 300, connections=32)
    assert sorted(int(r.text) for r in replies) == list(range(300))


@pytest.mark.limit(90)
def test_B4_12_writes_without_a_yield_between_are_one(drey):
    d = drey(GATES, bindings=BOTH)
    for turn in range(8):
        stop = threading.Event()
        last = [0]

        def hammer():
            n = turn * 100000
            try:
                with d.client() as c:
                    while not stop.is_set():
                        n += 1
                        call(d, "G", "a", "two", n, client=c)
                        last[0] = n
            except (OSError, Closed):
                pass

        t = threading.Thread(target=hammer)
        t.start()
        eventually(lambda: last[0], what="a first write")
        time.sleep(0.03 * turn)  # to die at another moment each turn
        d.kill9()
        stop.set()
        t.join()
        d.start()
        first, second = call(d, "G", "a", "both")
        assert first == second, "half of a transaction"
        assert first >= last[0], "an acknowledged write is missing"


TELLER = """
function G:pay(n, way)
	local s = self.ctx.storage
	s:put("n", n)
	s.sql:exec "CREATE TABLE IF NOT EXISTS t (n)"
	s.sql:exec("INSERT INTO t VALUES (?)", n)
	if way == "waits" then sleep(1) s:put("n", n + 1) end
	if way == "caught" then pcall(error, "inside") return n end
	if way ~= "well" then error("after the write of " .. n) end
	return n
end
function G:paid()
	local s = self.ctx.storage
	local ok, rows = pcall(function() return s.sql:exec("SELECT group_concat(n) AS n FROM t"):one().n end)
	return { s:get "n" or 0, ok and rows or "" }
end
routes["/burst"] = function(_, env)	-- many in one tick, every other one fails
	local stub, waits = env.G:getByName "burst", {}
	for i = 1, 40 do waits[i] = async(function() return (pcall(stub.pay, stub, i, i % 2 == 0 and "well" or "fails")) end) end
	for i = 1, 40 do waits[i] = await(waits[i]) end
	local well = 0
	for i = 1, 40 do well = well + (waits[i] and 1 or 0) end
	return Response.json { well, stub:paid() }
end
"""
WITH_TELLER = GATES.replace("local W =", TELLER + "local W =", 1)


def test_B4_13_a_write_before_an_error_stays(drey):
    d = drey(WITH_TELLER, bindings=BOTH)
    for n, way in enumerate(["fails", "waits", "caught"], 1):
        with refused("after the write") if way != "caught" else contextlib.nullcontext():
            call(d, "G", "a", "pay", 10 * n, way)
    d.kill9()
    d.start()
    assert call(d, "G", "a", "paid") == [30, "10,20,30"]


def test_B4_13_with_on_error_rollback_it_is_undone(drey, worker_threads):
    d = drey(WITH_TELLER, bindings=BOTH, worker_threads=worker_threads, app_conf={"on_error": "rollback G"})
    with refused("after the write of 5") as seen:
        call(d, "G", "new", "pay", 5, "fails")
    assert not seen.error.get("durableObjectReset")
    assert call(d, "G", "new", "paid") == [0, ""]
    call(d, "G", "a", "pay", 10, "well")
    call(d, "G", "a", "pay", 20, "caught")
    for way in "fails", "waits":
        with refused("after the write"):
            call(d, "G", "a", "pay", 30, way)
    # What was written before it waited was committed then.
    assert call(d, "G", "a", "paid") == [30, "10,20,30"]
    # Others of the same tick keep what they wrote, and are answered.
    well, (n, rows) = d.get("/burst").json()
    assert well == 20 and n == 40 and rows == ",".join(str(i) for i in range(2, 41, 2))
    d.kill9()
    d.start()
    assert call(d, "G", "a", "paid") == [30, "10,20,30"]
    assert call(d, "G", "burst", "paid") == [40, rows]
    assert call(d, "G", "new", "paid") == [0, ""]
    d.stop()
    assert len(d.databases("G")) == 2
    d.start()


def test_B4_13_on_error_is_checked(drey):
    d = drey(WITH_TELLER, bindings=BOTH, app_conf={"on_error": "rollback G W"})
    assert " ".join(d.run("-T").stdout.split()).count("on_error rollback") == 2
    d.edit_conf("rollback G W", "rollback Nobody")
    assert 'no migration creates the class "Nobody"' in d.run("-t").stderr
    d.edit_conf("rollback Nobody", "ignore G")
    assert 'on_error knows rollback, not "ignore"; write  on_error rollback Ledger;' in d.run("-t").stderr


def test_B4_38_an_object_whose_rows_and_tables_are_gone_is_still_there(drey):
    d = drey(WITH_TELLER, bindings=BOTH)
    for name in "a", "b":
        call(d, "G", name, "pay", 1, "well")
    call(d, "G", "a", "wipe")
    call(d, "G", "b", "forget")
    d.stop()
    (left,) = d.databases("G")
    assert d.sql("G", left, "SELECT count(*) FROM _cf_KV") == [(0,)]
    d.start()


def test_B4_37_an_object_that_stored_nothing_has_no_file(drey):
    d = drey(GATES, bindings=BOTH)
    assert call(d, "G", "reader", "nothing") is True
    assert call(d, "G", "wiped", "forget") is None
    assert call(d, "G", "writer", "put", "k", 1) == 1
    d.stop()
    assert len(d.databases("G")) == 1 and d.databases("W") == []
    d.start()
    assert call(d, "G", "wiped", "get", "x") is None
    call(d, "G", "writer", "forget")
    d.stop()
    assert d.databases() == []


def test_after_a_clean_stop_an_object_is_one_plain_sqlite_file(drey):
    d = drey(GATES, bindings=BOTH)
    call(d, "G", "a", "put", "k", "v")
    d.stop()
    (object_id,) = d.databases("G")
    path = d.db("G", object_id)
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert d.sql("G", object_id, "PRAGMA integrity_check") == [("ok",)]
    assert d.sql("G", object_id, "SELECT key FROM _cf_KV") == [("k",)]
    assert not [n for n in os.listdir(os.path.dirname(path)) if not n.endswith(".sqlite")]
    assert os.listdir(f"{d.data}/journal") == []

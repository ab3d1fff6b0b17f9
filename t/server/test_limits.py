"""Code that never ends, takes all memory, calls itself for ever or never stops talking: row B8-08 and the limits cpu, memory, console.

The code is in t/server/limits.  Each method gets a server of its own with one
thread, where a witness lives on the same thread: afterwards it has its memory, or was reset with its data
intact, and the server serves.
"""

import os
import re
import threading
import time

import pytest

from drey import SANITIZED, eventually
from kit import KIT, CallFailed, call, export

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "limits")
TICK = 0.03  # of cpu_seconds(), and what else the server does meanwhile


def text(name):
    with open(os.path.join(HERE, name), encoding="utf-8") as f:
        return f.read()


def methods(name, skip=()):
    found = re.findall(r"^function \w+:(\w+)\(\)", text(name), re.M)
    return [m for m in found if m not in skip]


OTHER = ("patient", "in_pieces")

FRONT = """
local Loops, Depths, Bombs, Witness = require "loops", require "depths", require "bombs", require "witness"

routes["/loop"] = function() while true do end end
routes["/pattern"] = function() return Response.new(tostring((("a"):rep(40)):find(("a?"):rep(40) .. ("a"):rep(40) .. "b"))) end
"""


def server(drey, cpu="100ms", memory="64m", threads=1, **limits):
    files = {n: text(n) for n in os.listdir(HERE)}
    files["worker.lua"] = KIT + FRONT + export("Loops", "Depths", "Bombs", "Witness")
    return drey(files, bindings={"LOOPS": "Loops", "DEPTHS": "Depths", "BOMBS": "Bombs", "WITNESS": "Witness"},
                app_conf={"dev_errors": "on"}, limits={"cpu": cpu, "memory": memory, **limits}, worker_threads=threads)


def outcome(d, binding, name, method, *args):
    """What became of a call: a result, or the text of its error; 503 when the caller's own Lua was lost with it."""
    try:
        return call(d, binding, name, method, *args)
    except CallFailed as e:
        return e.message
    except AssertionError as e:
        reply = e.args[0]
        assert reply.status == 503, reply
        return reply.text


def add(d, name="w"):
    return call(d, "WITNESS", name, "add")


def assert_alive(d, before):
    """The witness has its memory, or was built anew; what it stored is there in either case."""
    after = add(d)
    assert after["stored"] == before["stored"] + 1
    assert after["memory"] in (before["memory"] + 1, 1)


# ---- time


def timed(d, loop):
    used = d.cpu_seconds()
    said = outcome(d, "LOOPS", "x", loop)
    return said, d.cpu_seconds() - used


@pytest.mark.parametrize("loop", methods("loops.lua", OTHER))
def test_B8_08_every_endless_loop_ends_within_twice_the_limit(drey, loop):
    d = server(drey)
    before = add(d)
    said, used = timed(d, loop)
    assert "Durable Object exceeded its CPU time limit and was reset. app/Loops/x used more than 100 ms in one event" in said
    assert re.search(r"\(limits cpu, \S*drey\.conf:\d+\)", said), said
    assert re.search(r"(^|at )loops\.lua:\d+", said), said
    if not SANITIZED:
        tries = [used]  # on a machine where twenty want a processor the watchdog itself may come late
        while min(tries) >= 2 * 0.1 + TICK and len(tries) < 4:
            tries.append(timed(d, loop)[1])
        assert min(tries) < 2 * 0.1 + TICK, f"{tries} s of processor time"
    assert_alive(d, before)
    assert call(d, "LOOPS", "x", "half") is None  # what it wrote in that event is undone
    assert call(d, "LOOPS", "x", "patient") == "done"  # waiting is free: 200 ms


@pytest.mark.parametrize("path", ["/loop", "/pattern"])
def test_B8_08_the_front_module_has_the_same_limit(drey, path):
    d = server(drey)
    before = add(d)
    reply = d.get(path)
    assert reply.status == 503
    assert "Worker exceeded CPU time limit. The front module of app used more than 100 ms in one event" in reply.text
    assert "(limits cpu, " in reply.text
    assert_alive(d, before)


@pytest.mark.parametrize("loop", ["tight", "pattern", "sql_select"])
def test_B8_08_so_do_waitUntil_and_what_is_called_by_an_object(drey, loop):
    d = server(drey)
    before = add(d)
    call(d, "LOOPS", "x", "later", loop)
    d.wait_log("app/Loops/x used more than 100 ms in one event")
    assert_alive(d, before)


def test_B8_08_who_else_is_hit_may_try_again_and_who_is_at_fault_should_not(drey):
    d = server(drey)
    said = {}

    def ask(key, binding, name, method, *args):
        said[key] = outcome(d, binding, name, method, *args)

    waiting = threading.Thread(target=ask, args=("waiting", "WITNESS", "w", "waits", 60000))
    waiting.start()
    d.wait_log("I wait")
    ask("guilty", "LOOPS", "x", "pattern")
    waiting.join()
    assert "exceeded its CPU time limit" in said["guilty"]
    assert "Worker restarted because its Lua VM was lost" in said["waiting"]
    log = d.log()
    assert "object reset app/Witness/w: Durable Object reset because its Lua VM was lost: app/Loops/x exceeded a limit" in log


@pytest.mark.limit(60)
def test_B8_08_other_threads_do_not_notice_and_this_one_goes_on(drey):
    d = server(drey, cpu="1s", threads=2)
    done = []
    names = [f"n{i}" for i in range(16)]
    for n in names:
        add(d, n)
    loop = threading.Thread(target=lambda: (outcome(d, "LOOPS", "x", "tight"), done.append(time.monotonic())))
    times = {}

    def ask(n):
        add(d, n)
        times[n] = time.monotonic()

    used = d.cpu_seconds()
    loop.start()
    eventually(lambda: d.cpu_seconds() > used + 0.05, what="the loop")
    others = [threading.Thread(target=ask, args=(n,)) for n in names]
    for t in others:
        t.start()
    for t in [loop, *others]:
        t.join()
    assert min(times.values()) < done[0]
    assert len(times) == len(names)


@pytest.mark.limit(90)
def test_many_short_pieces_count_as_one_long(drey):
    d = server(drey, cpu="50ms")
    call(d, "LOOPS", "x", "later", "in_pieces")
    d.wait_log("app/Loops/x used more than 50 ms in one event", within=60)


@pytest.mark.plain_only
@pytest.mark.limit(120)
def test_two_hundred_in_a_row_leave_no_memory_behind(drey):
    d = server(drey, cpu="20ms")
    kinds = ["tight", "pattern", "table_concat", "sort", "sql_write", "in_transaction", "recursion"]

    def rounds(n):
        for i in range(n):
            said = outcome(d, "LOOPS", f"x{i % 7}", kinds[i % len(kinds)])
            assert "exceeded its CPU time limit" in said
        return d.rss_kb()

    before = rounds(35)
    after = rounds(200)
    assert after < before + 2048, f"{before} kB, then {after} kB"
    assert add(d)["stored"] == 1


# ---- memory


@pytest.mark.limit(60)
@pytest.mark.parametrize("bomb", methods("bombs.lua"))
def test_every_memory_bomb_is_an_error_and_the_rest_goes_on(drey, bomb):
    d = server(drey, cpu="5s", memory="32m")
    for _ in range(2):  # the second time without the JIT
        before = add(d)
        said = outcome(d, "BOMBS", "x", bomb)
        assert "(limits memory, " in said or "(limits cpu, " in said, said
        assert_alive(d, before)


@pytest.mark.plain_only
@pytest.mark.limit(120)
def test_a_hundred_bombs_leave_no_memory_behind(drey):
    d = server(drey, cpu="5s", memory="32m")
    kinds = ["list", "chain", "doubled", "repeated", "inlined"]

    def rounds(n):
        for i in range(n):
            assert "(limits memory, " in outcome(d, "BOMBS", f"x{i % 7}", kinds[i % len(kinds)])
        return d.rss_kb()

    before = rounds(20)  # malloc keeps what it had at most
    after = rounds(80)
    assert after < before + 4096, f"{before} kB, then {after} kB"


# ---- depth


@pytest.mark.parametrize("depth", methods("depths.lua"))
def test_recursion_through_c_ends_in_an_answer(drey, depth):
    d = server(drey, cpu="5s")
    for _ in range(2):
        before = add(d)
        outcome(d, "DEPTHS", "x", depth)
        assert_alive(d, before)


@pytest.mark.parametrize("depth, words", [
    ("recursion", "stack overflow"),
    ("gsub", "stack overflow: coroutines inside coroutines, or callbacks of string.gsub inside one another, without end"),
    ("pattern", "pattern too complex"),
    ("json_read", "nested deeper than"),
    ("results", "values returned: a call gives at most 250"),
])
def test_depth_is_called_by_its_name(drey, depth, words):
    d = server(drey, cpu="5s")
    assert words in outcome(d, "DEPTHS", "x", depth)


# ---- output


def test_one_event_may_write_so_much_to_the_log(drey):
    d = server(drey, console="2k")
    outcome(d, "LOOPS", "x", "output")
    d.wait_log(r"console: one event may write 2048 bytes \(limits console, \S*drey\.conf:\d+\); what this one writes from here on is lost")
    assert 1 < d.log().count("again and again") < 50


# ---- under load


@pytest.mark.limit(120)
def test_kills_in_the_middle_of_work_lose_nothing_that_was_acknowledged(drey):
    d = server(drey, cpu="30ms", threads=2)
    stop, counts, failed = threading.Event(), {}, []
    kinds = ["tight", "pattern", "handled", "json", "sql_write", "storage_loop", "garbage", "pattern_star", "coroutines"]

    def work(name):
        n = 0
        while not stop.is_set():
            try:
                n = add(d, name)["stored"]
            except AssertionError:  # reset, or its front was: to be tried again
                continue
            if n < counts.get(name, 0):
                failed.append(f"{name}: {n} after {counts[name]}")
            counts[name] = n

    def kill(k):
        for i in range(20):
            said = outcome(d, "LOOPS", f"x{k}{i}", kinds[(i + k) % len(kinds)])
            if "exceeded" not in said and "lost" not in said:
                failed.append(said)

    workers = [threading.Thread(target=work, args=(f"w{i}",)) for i in range(4)]
    killers = [threading.Thread(target=kill, args=(k,)) for k in range(3)]
    for t in workers + killers:
        t.start()
    for t in killers:
        t.join()
    stop.set()
    for t in workers:
        t.join()
    assert not failed
    for name, n in counts.items():
        assert n > 0
        assert add(d, name)["stored"] >= n + 1

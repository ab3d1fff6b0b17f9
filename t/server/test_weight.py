"""The store under weight: giant transactions, large databases, very many objects.

Small by default, so that check stays quick.  DREY_WEIGHT=full runs the sizes
of production and prints times and memory:

    DREY_WEIGHT=full nice python3 -m pytest -q -s t/server/test_weight.py

Full needs about 20 GB below TMPDIR.
"""

import os
import random
import re
import resource
import threading
import time

import pytest

from drey import eventually
from kit import KIT, call, export, refused

FULL = os.environ.get("DREY_WEIGHT") == "full"
MB = 1 << 20
GIANT_MB = 1024 if FULL else 24
OVERLAY_MB = 16 if FULL else 1
pytestmark = pytest.mark.limit(1800 if FULL else 60)
CALM = {"cpu": "1h", "idle_hibernate": "1h"}

WEIGHT = KIT + """
local W = DurableObject:extend "W"
local SERIES = "WITH RECURSIVE n(i) AS (SELECT %d UNION ALL SELECT i + 1 FROM n WHERE i < %d) "

function W:constructor(ctx, env)
	self:super(ctx, env)
	self.s, self.sql = ctx.storage, ctx.storage.sql
end
function W:table() self.sql:exec "CREATE TABLE IF NOT EXISTS t(k INTEGER PRIMARY KEY, v BLOB)" end
function W:insert(from, n)	-- n rows of a kilobyte
	self.sql:exec(SERIES:format(from, from + n - 1) .. "INSERT INTO t SELECT i, randomblob(1000) FROM n")
end
function W:grow(from, mb)	-- all in one transaction
	self:table()
	for _ = 1, mb do
		self:insert(from, 1024)
		from = from + 1024
	end
	return self:count()
end
function W:count() return self.sql:exec("SELECT count(*) AS n FROM t"):one().n end
function W:look(k) return self.sql:exec("SELECT hex(substr(v, 1, 8)) AS v FROM t WHERE k = ?", k):one { allowNone = true } end
function W:mark(v) self.sql:exec("UPDATE t SET v = ? || substr(v, 2)", v) end
function W:marked(v) return self.sql:exec("SELECT count(*) AS n FROM t WHERE substr(v, 1, 1) = ?", v):one().n end
function W:undo(v)		-- everything changed inside a savepoint, then not
	local ok = pcall(self.s.transactionSync, self.s, function()
		self:mark(v)
		error "no"
	end)
	return { ok, self:marked(v) }
end
function W:index() self.sql:exec "CREATE INDEX by_v ON t(v)" end
function W:empty() self.s:deleteAll() end
function W:refill(mb)		-- giant, emptied, small: one transaction
	self:grow(1, mb)
	self.s:deleteAll()
	self:table()
	self:insert(1, 3)
	return self:count()
end
function W:lose(mb)
	self:grow(10000001, mb)
	self.ctx:abort "given up"
end
function W:put(v) self.s.kv:put("k", v) return v end
function W:get() return self.s.kv:get "k" end
function W:drop(from, n) self.sql:exec("DELETE FROM t WHERE k >= ? AND k < ?", from, from + n) end
""" + export("W")


def heavy(drey, **more):
    more.setdefault("top_conf", {"overlay_max": f"{OVERLAY_MB}m"})
    return drey(WEIGHT, bindings={"W": "W"}, limits=CALM, **more)


def ask(d, name, method, *args, within=1800):
    with d.client(within) as c:
        return call(d, "W", name, method, *args, client=c)


def side_files(d):
    return [n for n in os.listdir(f"{d.data}/journal") if n.endswith(".side")]


def peak_of(d, work):
    """Megabytes by which the process was larger at most than before, and seconds."""
    before = d.rss_kb()
    with open(f"/proc/{d.pid}/clear_refs", "w", encoding="ascii") as f:
        f.write("5")  # VmHWM begins anew
    start = time.monotonic()
    work()
    seconds = time.monotonic() - start
    with open(f"/proc/{d.pid}/status", encoding="ascii") as f:
        peak = int(re.search(r"VmHWM:\s+(\d+)", f.read()).group(1))
    return max(0, peak - before) / 1024, seconds


def end(d):
    start = time.monotonic()
    d.stop(within=600)
    say(f"stopped in {time.monotonic() - start:.1f} s")


def say(what):
    if FULL:
        print(f"\n{what}", flush=True)


# What a transaction may cost in memory: a few overlays, and eight bytes and some per page of it.
BOUND_MB = 8 + 5 * OVERLAY_MB + GIANT_MB // 50


@pytest.mark.plain_only
@pytest.mark.parametrize("work, args", [
    ("grow", [1, GIANT_MB]), ("mark", ["x"]), ("undo", ["y"]), ("index", []), ("empty", []), ("refill", [GIANT_MB])])
def test_a_giant_transaction_costs_bounded_memory(drey, work, args):
    d = heavy(drey)
    if work not in ("grow", "refill"):
        ask(d, "a", "grow", 1, GIANT_MB)
    grown, seconds = peak_of(d, lambda: ask(d, "a", work, *args))
    say(f"{work} over {GIANT_MB} MB: {seconds:.1f} s, {grown:.0f} MB more at most (bound {BOUND_MB})")
    assert grown < BOUND_MB
    if work == "undo":
        assert ask(d, "a", "marked", "y") == 0
    if work == "mark":
        assert ask(d, "a", "marked", "x") == GIANT_MB * 1024
    if work == "refill":
        assert ask(d, "a", "count") == 3
    end(d)


def test_a_giant_transaction_is_there_after_kill_9(drey):
    d = heavy(drey)
    assert ask(d, "a", "grow", 1, GIANT_MB) == GIANT_MB * 1024
    looks = {k: ask(d, "a", "look", k) for k in random.sample(range(1, GIANT_MB * 1024), 20)}
    ask(d, "a", "put", "after")
    d.kill9()
    start = time.monotonic()
    d.start(within=600)
    say(f"recovery of {GIANT_MB} MB after kill -9: {time.monotonic() - start:.1f} s")
    assert not side_files(d)
    assert ask(d, "a", "count") == GIANT_MB * 1024
    assert {k: ask(d, "a", "look", k) for k in looks} == looks
    assert ask(d, "a", "get") == "after"
    end(d)


def test_kill_9_in_a_giant_transaction_leaves_nothing_of_it(drey):
    d = heavy(drey)
    ask(d, "a", "grow", 1, 0)
    ask(d, "a", "insert", 1, 100)

    def grow():
        with pytest.raises(Exception):
            ask(d, "a", "grow", 10000001, GIANT_MB * 20)

    t = threading.Thread(target=grow)
    t.start()
    eventually(lambda: side_files(d), 60, "a side file")
    d.kill9()
    t.join()
    d.start()
    assert not side_files(d)
    assert ask(d, "a", "count") == 100


def test_a_giant_transaction_that_is_given_up_leaves_no_file(drey):
    d = heavy(drey)
    ask(d, "a", "grow", 1, 0)
    ask(d, "a", "insert", 1, 100)
    with refused("given up"):
        ask(d, "a", "lose", GIANT_MB // 2)
    assert not side_files(d)
    assert ask(d, "a", "count") == 100
    end(d)


def test_others_write_while_a_giant_transaction_commits(drey):
    """Not on the same worker: there an event keeps its turn until it yields, as any does."""
    d = heavy(drey, worker_threads=4)
    done, times = threading.Event(), {}

    def others(name):
        mine = times.setdefault(name, [])
        with d.client(600) as c:
            n = 0
            while not done.is_set():
                n += 1
                start = time.monotonic()
                assert call(d, "W", name, "put", n, client=c) == n
                mine.append((time.monotonic() - start) * 1000)

    threads = [threading.Thread(target=others, args=(f"o{i}",)) for i in range(16)]
    for t in threads:
        t.start()
    eventually(lambda: sum(map(len, times.values())) > 200, 60, "200 writes")
    calm = sorted(sum(times.values(), []))
    for mine in times.values():
        mine.clear()
    start = time.monotonic()
    ask(d, "a", "grow", 1, GIANT_MB)
    took = (time.monotonic() - start) * 1000
    done.set()
    for t in threads:
        t.join()
    # Whose object or connection shares the worker with the giant waited for all of it; the others did not.
    free = [mine for mine in times.values() if mine and max(mine) < took / 2]
    everyone = sorted(sum(free, []))
    assert everyone
    say(f"durable put of others: p99 {calm[len(calm) * 99 // 100]:.1f} ms before; while {GIANT_MB} MB are written and committed "
        f"({took / 1000:.1f} s) {len(free)} of 16 made {len(everyone)} puts, p50 {everyone[len(everyone) // 2]:.1f}, p99 {everyone[len(everyone) * 99 // 100]:.1f}, most {everyone[-1]:.1f} ms")
    end(d)


def test_a_large_database_grows_is_read_restarts_and_goes(drey):
    total = 5 * 1024 if FULL else 24
    batch = 64 if FULL else 4
    d = heavy(drey)
    start = time.monotonic()
    for at in range(0, total, batch):
        ask(d, "a", "grow", at * 1024 + 1, batch)
    say(f"{total} MB inserted in {time.monotonic() - start:.0f} s, {d.rss_kb() // 1024} MB resident")
    keys = random.sample(range(1, total * 1024), 2000 if FULL else 100)
    start = time.monotonic()
    with d.client(60) as c:
        looks = {k: call(d, "W", "a", "look", k, client=c) for k in keys}
    say(f"{len(keys)} random reads: {(time.monotonic() - start) / len(keys) * 1000:.2f} ms each")
    end(d)
    start = time.monotonic()
    d.start(within=600)
    assert {k: ask(d, "a", "look", k) for k in keys[:100]} == {k: looks[k] for k in keys[:100]}
    say(f"started and read in {time.monotonic() - start:.1f} s")
    start = time.monotonic()
    ask(d, "a", "drop", 1, total * 512)
    assert ask(d, "a", "count") == total * 512
    say(f"half of the rows deleted in {time.monotonic() - start:.1f} s, {d.rss_kb() // 1024} MB resident")
    ask(d, "a", "empty")
    d.stop(within=600)
    assert d.databases("W") == []


def write_all(d, names, connections=32):
    """One put per name, over so many connections."""
    todo, lock, failed = iter(names), threading.Lock(), []

    def work():
        try:
            with d.client(60) as c:
                while True:
                    with lock:
                        name = next(todo, None)
                    if name is None:
                        return
                    assert call(d, "W", name, "put", name, client=c) == name
        except Exception as e:  # told below
            failed.append(e)

    threads = [threading.Thread(target=work) for _ in range(connections)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failed, failed[0]


def test_very_many_databases_in_one_directory(drey):
    total, in_journal = (100_000, 20_000) if FULL else (600, 300)
    d = drey(WEIGHT, bindings={"W": "W"})
    start = time.monotonic()
    write_all(d, [f"n{i}" for i in range(total)])
    say(f"{total} databases written in {time.monotonic() - start:.0f} s, {d.rss_kb() // 1024} MB resident")
    end(d)
    assert len(d.databases("W")) == total
    start = time.monotonic()
    d.start(within=60)
    say(f"started in {time.monotonic() - start:.2f} s")
    some = random.sample(range(total), 500 if FULL else 50)
    start = time.monotonic()
    for i in some:
        assert ask(d, f"n{i}", "get") == f"n{i}"
    say(f"{len(some)} sleeping ones read: {(time.monotonic() - start) / len(some) * 1000:.2f} ms each")
    write_all(d, [f"m{i}" for i in range(in_journal)])
    d.kill9()
    start = time.monotonic()
    d.start(within=600)
    say(f"recovery after kill -9 with {in_journal} new databases: {time.monotonic() - start:.2f} s; {d.wait_log('recovered the journal.*').group(0)}")
    for i in random.sample(range(in_journal), 50):
        assert ask(d, f"m{i}", "get") == f"m{i}"


def test_more_objects_awake_than_descriptors(drey):
    total, limit = (30_000, 1024) if FULL else (400, 160)
    d = drey(WEIGHT, bindings={"W": "W"}, limits={"idle_hibernate": "1h"}, top_conf={"overlay_max": "64k"})
    resource.prlimit(d.pid, resource.RLIMIT_NOFILE, (limit, limit))
    start = time.monotonic()
    write_all(d, [f"n{i}" for i in range(total)])
    say(f"{total} objects awake after {time.monotonic() - start:.0f} s: {d.rss_kb() // 1024} MB resident, {d.descriptors()} descriptors of {limit}")
    for _ in range(2):
        for i in random.sample(range(total), 200):
            assert ask(d, f"n{i}", "get") == f"n{i}"
    write_all(d, [f"n{i}" for i in range(0, total, 3)])
    assert d.descriptors() < limit
    d.stop(within=600)
    assert len(d.databases("W")) == total


def test_a_segment_is_retired_while_its_objects_are_written(drey):
    d = drey(WEIGHT, bindings={"W": "W"}, top_conf={"journal_segment": "256k", "overlay_max": "64k"})
    last, enough = {}, threading.Event()

    def segments():
        return [int(n[:16], 16) for n in os.listdir(f"{d.data}/journal") if n.endswith(".log")] or [0]

    def work(i):
        n = 0
        with d.client(60) as c:
            while not enough.is_set():
                n += 1
                call(d, "W", f"o{i}", "put", f"{n}" + "x" * 3000, client=c)
                last[i] = n

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    try:
        # While they write, segments come and go.
        eventually(lambda: min(segments()) > (20 if FULL else 2), 50, "the retirement of old segments")
    finally:
        enough.set()
        for t in threads:
            t.join()
    numbers = segments()
    say(f"{sum(last.values())} writes over {max(numbers)} segments")
    d.kill9()
    d.start()
    for i, n in last.items():
        assert ask(d, f"o{i}", "get") == f"{n}" + "x" * 3000

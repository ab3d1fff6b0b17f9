"""The same operations on drey and on a model of it; every answer must be equal.

The model is a dict for the keys and SQLite in memory for the tables.  Which
operations, in which order, comes from a seed.  In between objects sleep, the
server is killed, also in the middle of a call, or stopped; the model does not
notice, and no answer may show it.

DREY_OPS=100000 DREY_SEED=7 for a longer run; a failure prints the seed, the
operation, and what was done to its object before.
"""

import json
import os
import random
import re
import sqlite3
import time
from collections import deque

import pytest

from drey import SANITIZED
from http_raw import Closed
from kit import KIT, CallFailed, call, export

OPS = int(os.environ.get("DREY_OPS") or (1500 if SANITIZED else 20000))
SEEDS = [int(os.environ["DREY_SEED"])] if os.environ.get("DREY_SEED") else [1, 2, 3]
OBJECTS = ["a", "b", "c", "d"]

LUA = KIT + """
local D = DurableObject:extend "D"

local function entries(map)
	local seen = JSON.array {}
	for k, v in map:entries() do seen[#seen + 1] = { k, v } end
	return seen
end

local ops, run = {}, nil
function ops.get(s, key) return s:get(key) end
function ops.get_many(s, keys) return entries(s:get(keys)) end
function ops.put(s, key, value) s:put(key, value) end
function ops.put_many(s, values) s:put(values) end
function ops.delete(s, key) return s:delete(key) end
function ops.delete_many(s, keys) return s:delete(keys) end
function ops.list(s, options) return entries(s:list(options)) end
function ops.delete_all(s) s:deleteAll() end
function ops.sql(s, query, args) return JSON.array(s.sql:exec(query, unpack(args)):raw():toArray()) end
function ops.walk(s, options)
	local seen = JSON.array {}
	for k, v in s.kv:list(options) do seen[#seen + 1] = { k, v } end
	return seen
end
function ops.park() sleep(0) end
function ops.transaction_sync(s, list, raises)
	local seen
	local ok, result = pcall(s.transactionSync, s, function()
		seen = run(s, list)
		if raises then error("undo", 0) end
		return "kept"
	end)
	if not ok and not tostring(result):find "undo" then error(result, 0) end
	return { ok, seen }
end
function ops.transaction(s, list, how, after)
	local seen, seen_after = nil, JSON.array {}
	local ok, result = pcall(s.transaction, s, function(txn)
		seen = run(s, list)
		if how == "raise" then error("undo", 0) end
		if how == "rollback" then
			txn:rollback()
			seen_after = run(s, after)
		end
	end)
	if not ok and not tostring(result):find "undo" then error(result, 0) end
	return { ok, seen, seen_after }
end

function run(s, list)
	local results = JSON.array {}
	for i, op in ipairs(list) do
		local ok, value = pcall(ops[op[1]], s, op[2], op[3], op[4])
		if not ok then value = tostring(value) end
		if value == nil then value = JSON.null end
		results[i] = { ok, value }
	end
	return results
end

function D:run(list, ending)
	local results = run(self.ctx.storage, list)
	if ending == "raise" then error "on purpose" end
	if ending == "abort" then self.ctx:abort "on purpose" end
	return results
end

function D:hex() return self.ctx.id:toString() end
""" + export("D")

TABLES = {
    "t": "CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY AUTOINCREMENT, a, b TEXT)",
    "u": "CREATE TABLE IF NOT EXISTS u (name TEXT PRIMARY KEY, n NOT NULL DEFAULT 0, t INTEGER) WITHOUT ROWID",
}
DUMP = [["list", {}]] + [["sql", f"SELECT * FROM {t} ORDER BY 1", []] for t in TABLES]


class Refused(Exception):
    """What the model expects drey to refuse, with a part of the text."""


class Model:
    """One object."""

    def __init__(self):
        self.empty()

    def empty(self):
        self.keys = {}
        self.db = sqlite3.connect(":memory:", isolation_level=None)
        self.depth = 0  # of savepoints
        self.sync = 0  # those of transactionSync
        self.commits = None  # a list: what was committed by now, each time the call ended a transaction

    def snapshot(self):
        copy = sqlite3.connect(":memory:", isolation_level=None)
        self.db.backup(copy)
        return dict(self.keys), copy

    def restore(self, snapshot):
        self.keys, self.db = snapshot

    def run(self, ops):
        results = []
        for op in ops:
            try:
                results.append([True, getattr(self, op[0])(*op[1:])])
            except (Refused, sqlite3.Error) as e:
                results.append([False, str(e)])
        return results

    def get(self, key):
        return self.keys.get(key)

    def get_many(self, keys):
        return [[k, self.keys[k]] for k in by_bytes(set(keys)) if k in self.keys]

    def put(self, key, value):
        self.keys[key] = value

    def put_many(self, values):
        self.keys.update(values)

    def delete(self, key):
        return self.keys.pop(key, self) is not self

    def delete_many(self, keys):
        return sum(self.delete(k) for k in keys)

    def list(self, options):
        start, after = options.get("start"), options.get("startAfter")
        if options.get("limit", 1) < 1:
            raise Refused("List limit must be positive.")
        if start is not None and after is not None:
            raise Refused("list() cannot be called with both start and startAfter values.")
        found = [k for k in by_bytes(self.keys)
                 if k.startswith(options.get("prefix", ""))
                 and (start is None or k.encode() >= start.encode())
                 and (after is None or k.encode() > after.encode())
                 and ("end" not in options or k.encode() < options["end"].encode())]
        if options.get("reverse"):
            found.reverse()
        return [[k, self.keys[k]] for k in found[:options.get("limit")]]

    walk = list

    def delete_all(self):
        if self.depth:
            raise Refused("Cannot call deleteAll() within a transaction")
        commits = self.commits
        self.empty()
        self.commits = commits

    def sql(self, query, args):
        return [list(row) for row in self.db.execute(query, args)]

    def savepoint(self, ops, undo):
        keys, name = dict(self.keys), f"s{self.depth}"
        self.db.execute(f"SAVEPOINT {name}")
        self.depth += 1
        seen = self.run(ops)
        self.depth -= 1
        if undo:
            self.keys = keys
            self.db.execute(f"ROLLBACK TO {name}")
        self.db.execute(f"RELEASE {name}")
        return seen

    def transaction_sync(self, ops, raises):
        self.sync += 1
        seen = self.savepoint(ops, raises)
        self.sync -= 1
        return [not raises, seen]

    def park(self):
        if self.sync:
            raise Refused("Lua cannot wait inside transactionSync()")
        if not self.depth and self.commits is not None:
            self.commits.append(self.snapshot())

    def transaction(self, ops, how, after):
        self.park()
        seen = self.savepoint(ops, how != "keep")
        seen_after = self.run(after) if how == "rollback" else []
        self.park()
        return [how != "raise", seen, seen_after]


def by_bytes(keys):
    return sorted(keys, key=lambda k: k.encode())


# -- what is done


class Dice(random.Random):
    def key(self):
        return self.choice(["", "k", "k1", "k2", "key", "user:", "user:1", "user:10", "user:2", "z\x00y", "z",
                            "é", "日本", "\U0001f43f", "a b", f"n:{self.randrange(40)}"])

    def text(self):
        size = self.choice([0, 1, 5, 20, 100, 100, 1000, 3000, self.randrange(30000)])
        return "".join(self.choices("abcxyz é日\n\"'\x00", k=min(size, 12))) + "p" * (size - 12)

    def value(self, depth=0):
        kind = self.randrange(8 if depth < 3 else 5)
        if kind == 0:
            return self.random() < 0.5
        if kind == 1:
            # At most 14 digits: how JSON writes more is not what is compared here.
            return self.choice([0, 1, -1, 127, 128, -129, 65536, 2**31, -2**31 - 1, 2**46, -2**46])
        if kind == 2:
            return self.randrange(-1000, 1000) + self.choice([0.5, 0.1, 1e-9])
        if kind <= 4:
            return self.text()
        if kind <= 6:
            return [self.value(depth + 1) for _ in range(self.randrange(5))]
        return {self.key() or "e": self.choice([None, self.value(depth + 1)]) for _ in range(self.randrange(1, 5))}

    def options(self):
        o = {}
        for name in ("prefix", "start", "startAfter", "end"):
            if self.random() < 0.25:
                o[name] = self.key()
        if self.random() < 0.3:
            o["reverse"] = self.random() < 0.7
        if self.random() < 0.3:
            o["limit"] = self.choice([1, 1, 2, 3, 10, 1000, 0])
        return o

    def cell(self):
        return self.choice([None, self.randrange(50), self.randrange(50) + 0.5, self.text()[:300], True])

    def sql(self):
        i, j = self.randrange(60), self.randrange(60)
        return self.choice([
            lambda: (TABLES[self.choice(list(TABLES))], []),
            lambda: (TABLES[self.choice(list(TABLES))], []),
            lambda: ("CREATE INDEX IF NOT EXISTS t_a ON t (a)", []),
            lambda: ("INSERT INTO t (a, b) VALUES (?, ?) RETURNING id", [self.cell(), self.text()]),
            lambda: ("INSERT INTO t (id, a) VALUES (?, ?)", [i, self.cell()]),
            lambda: ("INSERT INTO t (a, b) VALUES (?, ?), (?, ?), (?, ?)", [self.cell() for _ in range(6)]),
            lambda: ("INSERT OR REPLACE INTO t (id, a, b) VALUES (?, ?, ?)", [i, self.cell(), self.text()]),
            lambda: ("WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < ?) "
                     "INSERT INTO t (a, b) SELECT i, 'row ' || i FROM c", [self.randrange(1, 200)]),
            lambda: ("INSERT INTO u (name, n) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET n = n + excluded.n "
                     "RETURNING name, n", [self.key(), i]),
            lambda: ("INSERT INTO u (name, n, t) VALUES (?, ?, ?)", [self.key(), self.cell(), i]),
            lambda: ("UPDATE t SET a = ?, b = b || ? WHERE id BETWEEN ? AND ?", [self.cell(), "+", i, j]),
            lambda: ("UPDATE t SET id = id + ? WHERE id > ?", [self.randrange(1, 3), i]),
            lambda: ("UPDATE u SET n = n * 2 WHERE name >= ?", [self.key()]),
            lambda: ("DELETE FROM t WHERE id % 7 = ? RETURNING id, a", [i % 7]),
            lambda: ("DELETE FROM t WHERE id > ?", [i]),
            lambda: ("DELETE FROM u WHERE name = ?", [self.key()]),
            lambda: ("SELECT * FROM t ORDER BY id LIMIT ? OFFSET ?", [i, j]),
            lambda: ("SELECT a, count(*), sum(length(b)), max(id) FROM t GROUP BY a ORDER BY a", []),
            lambda: ("SELECT id, typeof(a), a FROM t WHERE a > ? ORDER BY id", [self.cell()]),
            lambda: ("SELECT u.name, t.b FROM u JOIN t ON t.id = u.t ORDER BY 1", []),
            lambda: ("SELECT count(*), count(t), total(length(name)) FROM u", []),
            lambda: ("SELECT nothing FROM t", []),
            lambda: (self.choice(["DROP TABLE IF EXISTS t", "DROP TABLE IF EXISTS u"] + ["SELECT 1"] * 8), []),
        ])()

    def op(self, depth=0):
        x = self.random()
        if x < 0.40:
            return ["sql", *self.sql()]
        if x < 0.44 and depth < 3:
            return ["transaction_sync", self.some_ops(depth + 1), self.random() < 0.5]
        if x < 0.50 and depth < 3:
            how = self.choice(["keep", "keep", "raise", "rollback"])
            return ["transaction", self.some_ops(depth + 1), how, self.some_ops(depth + 1) if how == "rollback" else []]
        if x < 0.53:
            return ["park"]
        if x < 0.54 and (depth == 0 or self.random() < 0.2):
            return ["delete_all"]
        keys = [self.key() for _ in range(self.randrange(1, 7))]
        return self.choice([
            lambda: ["get", keys[0]],
            lambda: ["get_many", keys],
            lambda: ["put", keys[0], self.value()],
            lambda: ["put", keys[0], self.value()],
            lambda: ["put_many", {k: self.value() for k in keys}],
            lambda: ["delete", keys[0]],
            lambda: ["delete_many", keys],
            lambda: [self.choice(["list", "walk"]), self.options()],
        ])()

    def some_ops(self, depth=0):
        return [self.op(depth) for _ in range(self.choice([1, 1, 1, 2, 4]))]


def count(ops):
    return sum(1 + sum(count(part) for part in op[1:] if op[0].startswith("transaction") and isinstance(part, list))
               for op in ops)


def told(ops):
    """For people: long texts cut."""
    return re.sub("p{20,}", "p...", json.dumps(ops, ensure_ascii=False))[:2000]


def same(got, expected):
    """Equal, and of one kind: true is not 1 and [] is not {}."""
    if isinstance(expected, bool) or isinstance(got, bool):
        return got is expected
    if isinstance(expected, list):
        if not isinstance(got, list) or len(got) != len(expected):
            return False
        if len(expected) == 2 and expected[0] is False and isinstance(expected[1], str) and got[0] is False:
            return expected[1] in str(got[1])  # an error: the text may say more
        return all(map(same, got, expected))
    if isinstance(expected, dict):
        return (isinstance(got, dict) and got.keys() == expected.keys()
                and all(same(got[k], v) for k, v in expected.items()))
    return got == expected


# -- both, side by side


class Pair:
    def __init__(self, d, seed):
        self.d, self.seed, self.dice = d, seed, Dice(seed)
        self.models = {name: Model() for name in OBJECTS}
        self.history = {name: deque(maxlen=12) for name in OBJECTS}
        self.done = 0
        self.happened = dict.fromkeys(["pauses", "kills", "kills inside", "stops", "raises", "aborts"], 0)
        self.client = d.client()

    def back(self):
        self.client.close()
        self.d.start()
        self.client = self.d.client()

    def differ(self, name, what, got, expected):
        before = "\n".join(self.history[name])
        pytest.fail(f"seed {self.seed}, operation {self.done}, object {name}: {what}\n"
                    f"drey:  {told(got)}\nmodel: {told(expected)}\nbefore:\n{before}", pytrace=False)

    def note(self, name, what):
        for n in OBJECTS if name is None else [name]:
            self.history[n].append(what)

    def compare(self, name, ops):
        got = call(self.d, "D", name, "run", ops, client=self.client)
        expected = self.models[name].run(ops)
        if same(got, expected):
            return
        at = next(i for i, e in enumerate(expected) if not same(got[i], e))
        self.differ(name, told(ops[at]), got[at], expected[at])

    def compare_all(self):
        for name in OBJECTS:
            self.compare(name, DUMP)

    def step(self):
        name, ops, ending = self.dice.choice(OBJECTS), self.dice.some_ops(), None
        x = self.dice.random()
        self.done += count(ops)
        if x < 0.06:
            ending = "raise" if x < 0.04 else "abort"
        inside = 0.06 < x < 0.07
        self.note(name, f"{told(ops)} {ending or ''}{'killed inside' if inside else ''}")
        if inside:
            self.kill_inside(name, ops)
        elif ending:
            self.end_badly(name, ops, ending)
        else:
            self.compare(name, ops)
        self.disturb()

    def end_badly(self, name, ops, ending):
        """A handler that raises keeps its writes; one that aborts loses those since it last committed."""
        self.happened[ending + "s"] += 1
        model = self.models[name]
        before = model.snapshot()
        try:
            call(self.d, "D", name, "run", ops, ending, client=self.client)
            self.differ(name, ending, "no error", "an error")
        except CallFailed as e:
            if "on purpose" not in e.message:
                self.differ(name, ending, e.message, "on purpose")
        model.commits = [before]
        model.run(ops)
        if ending == "abort":
            model.restore(model.commits[-1])
        model.commits = None
        self.compare(name, DUMP)

    def kill_inside(self, name, ops):
        """All of the call, or none of it, or what it had committed; all, if it was answered."""
        self.happened["kills inside"] += 1
        model = self.models[name]
        with self.d.raw() as c:
            c.request("POST", "/call", json={"binding": "D", "name": name, "method": "run", "args": [ops], "n": 1})
            time.sleep(self.dice.choice([0, 0.0005, 0.001, 0.002, 0.005]))
            self.d.kill9()
            try:
                answered = c.reply("POST").json().get("result")
            except (Closed, OSError):
                answered = None
        self.back()
        model.commits = [model.snapshot()]
        expected = model.run(ops)
        commits, model.commits = model.commits, None
        if answered is not None and not same(answered, expected):
            self.differ(name, "the answer before the kill", answered, expected)
        got, all_of_it = call(self.d, "D", name, "run", DUMP, client=self.client), model.run(DUMP)
        if same(got, all_of_it):
            return
        for commit in reversed(commits):
            model.restore(commit)
            if answered is None and same(got, model.run(DUMP)):
                return
        self.differ(name, "killed inside a call", got, all_of_it)

    def disturb(self):
        x = self.dice.random()
        if x < 0.03:
            self.happened["pauses"] += 1
            self.note(None, "-- a pause")
            time.sleep(0.03 + 0.03 * self.dice.random())
        elif x < 0.038:
            self.happened["kills"] += 1
            self.note(None, "-- kill -9")
            self.d.kill9()
            self.back()
            self.compare_all()
        elif x < 0.044:
            self.happened["stops"] += 1
            self.note(None, "-- a clean stop")
            self.d.stop()
            self.back()
            self.compare_all()

    def files(self):
        """After a clean stop each object is a plain SQLite file with the model's rows."""
        ids = {name: call(self.d, "D", name, "hex", client=self.client) for name in OBJECTS}
        self.d.stop()
        kept = self.d.databases("D")
        for name, object_id in ids.items():
            if object_id not in kept:
                continue
            assert self.d.sql("D", object_id, "PRAGMA integrity_check") == [("ok",)]
            present = {t for (t,) in self.d.sql("D", object_id, "SELECT name FROM sqlite_master")}
            for table in TABLES:
                expected = self.models[name].run([["sql", f"SELECT * FROM {table} ORDER BY 1", []]])[0]
                assert expected[0] == (table in present)
                if expected[0]:
                    got = self.d.sql("D", object_id, f"SELECT * FROM {table} ORDER BY 1")
                    if [list(row) for row in got] != expected[1]:
                        self.differ(name, f"table {table} of the file", got, expected[1])


@pytest.mark.limit(max(45, OPS / 15))
@pytest.mark.parametrize("seed", SEEDS)
def test_drey_answers_as_a_dict_and_sqlite_in_memory_do(drey, seed):
    # Small segments and short sleeps, that rotation, retirement and eviction happen.
    d = drey(LUA, bindings={"D": "D"}, worker_threads=1 + seed % 2, limits={"idle_hibernate": "20ms"},
             app_conf={"chaos_evict": "15ms"}, top_conf={"journal_segment": "1m"})
    pair = Pair(d, seed)
    while pair.done < OPS:
        pair.step()
    pair.compare_all()
    pair.files()
    print(f"seed {seed}: {pair.done} operations, " + ", ".join(f"{n} {what}" for what, n in pair.happened.items()))
    assert pair.happened["pauses"] and pair.happened["raises"]

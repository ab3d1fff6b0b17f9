"""Keys and values: rows A6-01 to A6-08, A6-10, A6-11."""

import re
import threading
import time

import pytest

from drey import eventually
from http_raw import Closed
from kit import KIT, call, export, refused, scratch

KV = KIT + """
local K = DurableObject:extend "K"
function K:constructor(ctx, env) self:super(ctx, env); console.log "born" end
function K:get(k) return self.ctx.storage:get(k) end
function K:put(k, v) self.ctx.storage:put(k, v) end
function K:delete(k) return self.ctx.storage:delete(k) end
function K:getMany(keys)
	local map, seen = self.ctx.storage:get(keys), {}
	for k, v in map:entries() do seen[#seen + 1] = { k, v } end
	return { map.size, seen, map:get(keys[1]) }
end
function K:putMany(values) self.ctx.storage:put(values) end
function K:list(options)
	local seen = JSON.array {}
	for k, v in self.ctx.storage:list(options):entries() do seen[#seen + 1] = { k, v } end
	return seen
end
function K:increment()
	local n = (self.ctx.storage:get "n" or 0) + 1
	self.ctx.storage:put("n", n)
	return n
end

-- Values of every kind, built from a seed so that two lives of the object agree.
local function random_value(random, depth)
	local kind = random(depth > 3 and 6 or 8)
	if kind == 1 then return random(2) == 1 end
	if kind == 2 then return random(2^31) - 2^30 end
	if kind == 3 then return (random(2^31) - 2^30) / 1024 end
	if kind == 4 then return random(2) == 1 and 2^53 or -2^53 end
	if kind <= 6 then
		local bytes = {}
		for i = 1, random(20) do bytes[i] = string.char(random(256) - 1) end
		return table.concat(bytes)
	end
	local t = {}
	for i = 1, random(5) do
		t[kind == 7 and i or "key " .. i .. "\\0"] = random_value(random, depth + 1)
	end
	return t
end
local function generator(seed)
	local state = seed
	return function(n)
		state = (state * 16807) % 2147483647
		return math.floor(state / 2147483647 * n) + 1
	end
end
local function same(a, b)
	if type(a) ~= "table" or type(b) ~= "table" then return a == b end
	for k, v in pairs(a) do if not same(v, b[k]) then return false end end
	for k in pairs(b) do if a[k] == nil then return false end end
	return true
end
function K:fill(n)
	for i = 1, n do self.ctx.storage:put("v" .. i, random_value(generator(i), 0)) end
end
function K:verify(n)
	for i = 1, n do
		if not same(self.ctx.storage:get("v" .. i), random_value(generator(i), 0)) then return "value " .. i .. " differs" end
	end
	return "same"
end
function K:special()
	local s = self.ctx.storage
	s:put("sparse", { [1] = "a", [3] = "c" })
	s:put("null", { JSON.null, 1 })
	s:put("empty", JSON.array {})
	s:put("date", Date.new(1234567890123))
	s:put("tiny", 5e-324)
	s:put("minus zero", -0.0)
	local sparse, null, date = s:get "sparse", s:get "null", s:get "date"
	return {
		sparse[1] == "a" and sparse[2] == nil and sparse[3] == "c",
		null[1] == JSON.null and null[2] == 1,
		JSON.stringify(s:get "empty") == "[]",
		date:getTime() == 1234567890123,
		s:get "tiny" == 5e-324,
		1 / s:get "minus zero" == -math.huge,
	}
end
function K:putFunction() self.ctx.storage:put("f", { deep = { function() end } }) end
function K:nap() return "awake" end
routes["/nap"] = function(_, env) return Response.new(env.K:getByName("hot"):nap()) end
routes["/increment"] = function(_, env) return Response.new(tostring(env.K:getByName("hot"):increment())) end
""" + export("K")


@pytest.fixture
def k(drey):
    d = drey(KV, bindings={"K": "K"})

    def run(method, *args):
        return call(d, "K", "a", method, *args)

    run.server = d
    return run


def test_A6_01_put_get_delete(k):
    k("put", "k", {"a": 1})
    assert k("get", "k") == {"a": 1}
    assert k("delete", "k") is True
    assert k("delete", "k") is False
    assert k("get", "k") is None
    k("put", "", "empty key")
    assert k("get", "") == "empty key"
    with refused("put() called with undefined value"):
        k("put", "k")


def test_A6_02_put_several(k):
    k("putMany", {"key1": "v1", "key2": [1, 2]})
    k.server.kill9()
    k.server.start()
    assert k("get", "key1") == "v1" and k("get", "key2") == [1, 2]


def test_A6_02_a_batch_that_cannot_be_stored_stores_nothing(k):
    with refused("kv_value"):
        k("putMany", {"a": "small", "b": "x" * (3 << 20), "c": "small"})
    assert k("list", {}) == []


def test_A6_03_get_several(k):
    k("putMany", {"b": 2, "a": 1, "c": 3})
    assert k("getMany", ["c", "missing", "a"]) == [2, [["a", 1], ["c", 3]], 3]


def test_A6_04_delete_several_counts(k):
    k("putMany", {"a": 1, "b": 2, "c": 3})
    assert k("delete", ["a", "b", "missing"]) == 2
    assert k("list", {}) == [["c", 3]]


def test_A6_05_list_is_sorted_by_bytes(k):
    keys = ["z", "é", "a", "Z", "ab", "a b", "日本", "\U0001f43f", "", "10", "9"]
    k("putMany", {key: i for i, key in enumerate(keys)})
    assert [pair[0] for pair in k("list", {})] == sorted(keys, key=lambda s: s.encode())


def test_A6_06_list_by_prefix_and_limit(k):
    k("putMany", {f"user:{n}": n for n in range(5)} | {"usez": 9, "user": 8})
    assert k("list", {"prefix": "user:", "limit": 2}) == [["user:0", 0], ["user:1", 1]]
    assert len(k("list", {"prefix": "user:"})) == 5
    assert k("list", {"prefix": "user:", "reverse": True, "limit": 1}) == [["user:4", 4]]
    assert k("list", {"start": "user:1", "end": "user:3"}) == [["user:1", 1], ["user:2", 2]]
    assert k("list", {"start": "user:1", "end": "user:3", "reverse": True}) == [["user:2", 2], ["user:1", 1]]
    assert k("list", {"prefix": "nobody"}) == []


def test_A6_07_list_from_start_to_end_in_both_directions(k):
    keys = [f"user:{c}" for c in "abcxyz"]
    k("putMany", {key: i for i, key in enumerate(keys)})
    between = {"start": "user:b", "end": "user:y"}
    assert [key for key, _ in k("list", between)] == keys[1:4]
    assert [key for key, _ in k("list", between | {"reverse": True})] == keys[3:0:-1]
    assert [key for key, _ in k("list", {"start": "user:x"})] == keys[3:]
    assert [key for key, _ in k("list", {"end_": "user:b", "reverse": True})] == ["user:a"]
    assert k("list", {"start": "user:y", "end": "user:b"}) == [] == k("list", {"start": "user:b", "end": "user:b"})


def test_A6_08_delete_all_takes_everything_and_the_object_goes_on(drey):
    lua = scratch(drey)
    assert lua("""s:put { a = 1, b = 2 }
        sql:exec "CREATE TABLE t (n); INSERT INTO t VALUES (1), (2), (3)"
        ctx.mark = "still here"
        local cursor = sql:exec "SELECT n FROM t"
        local nothing = select("#", s:deleteAll())
        local ok, e = pcall(cursor.toArray, cursor)
        return { nothing, ok, tostring(type(e) == "table" and e.message or e), s:list().size, sql.databaseSize }""") == [
            0, False, "test:6: SQLite query was canceled because the database was deleted.", 0, 0]
    with refused("no such table: t"):
        lua("sql:exec 'SELECT * FROM t'")
    # The instance and what it has in memory stay; it may store again at once.
    assert lua("s:deleteAll() s:put('after', 1) sql:exec 'CREATE TABLE t (other)' return { ctx.mark, s:get 'after' }") == ["still here", 1]
    lua.server.kill9()
    lua.server.start()
    assert lua("return { s:list().size, s:get 'after', sql:exec('SELECT count(*) AS n FROM t'):one().n }") == [1, 1, 0]
    with refused("Cannot call deleteAll() within a transaction"):
        lua("s:transactionSync(function() s:deleteAll() end)")
    assert lua("return s:get 'after'") == 1


@pytest.mark.limit(60)
def test_A6_08_a_kill_in_the_middle_of_delete_all_leaves_all_or_nothing(drey):
    lua = scratch(drey)
    d, found = lua.server, set()
    fill = """s:deleteAll() sql:exec "CREATE TABLE t (n)"
        for i = 1, 100 do s:put("k" .. i, ("v"):rep(1000)) sql:exec("INSERT INTO t VALUES (?)", i) end"""
    look = """local tables = sql:exec("SELECT count(*) AS n FROM sqlite_master WHERE name = 't'"):one().n
        return { s:list().size, tables == 1 and sql:exec("SELECT count(*) AS n FROM t"):one().n or 0 }"""
    for turn in range(6):
        lua(fill)

        def wipe():
            try:
                lua("s:deleteAll()")
            except (AssertionError, OSError, Closed):
                pass

        t = threading.Thread(target=wipe)
        t.start()
        time.sleep(0.0005 * turn)  # to die at another moment each turn
        d.kill9()
        t.join()
        d.start()
        found.add(tuple(lua(look)))
    assert found <= {(100, 100), (0, 0)}, found


def test_A6_10_values_round_trip(k):
    k("fill", 300)
    assert k("verify", 300) == "same"
    assert k("special") == [True] * 6
    k.server.kill9()
    k.server.start()
    assert k("verify", 300) == "same"
    with refused("is a function"):
        k("putFunction")
    assert k("get", "f") is None


@pytest.mark.limit(60)
def test_A6_11_a_thousand_parallel_increments(drey, worker_threads):
    d = drey(KV, bindings={"K": "K"}, worker_threads=worker_threads)
    replies = d.storm(["/increment"] * 1000, connections=64)
    assert sorted(int(r.text) for r in replies) == list(range(1, 1001))
    d.kill9()
    d.start()
    assert d.get("/increment").text == "1001"


@pytest.mark.limit(60)
def test_A6_11_a_thousand_parallel_increments_while_objects_are_put_to_sleep(drey, worker_threads):
    d = drey(KV, bindings={"K": "K"}, worker_threads=worker_threads, limits={"idle_hibernate": "1ms"},
             app_conf={"chaos_evict": "1ms"})
    replies = []
    for _ in range(20):
        # Bursts with pauses in between, in which it is put to sleep.
        replies += d.storm(["/increment"] * 50, connections=64)
        births = len(re.findall("born", d.log()))
        eventually(lambda: d.get("/nap").text and len(re.findall("born", d.log())) > births, what="a sleep")
    assert sorted(int(r.text) for r in replies) == list(range(1, 1001))

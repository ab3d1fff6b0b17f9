"""storage:transaction(fn(txn)): rows A6-09, B4-14, B4-16, B4-17 and B4-18."""

import threading
import time

import pytest

from http_raw import Closed
from kit import KIT, CallFailed, call, export, refused

TXN = KIT + """
local T = DurableObject:extend "T"
local Echo = DurableObject:extend "Echo"
function T:constructor(ctx, env)
	self:super(ctx, env)
	self.s = ctx.storage
end
local function sql(self, ...) return self.s.sql:exec(...) end
function T:get(k) return self.s:get(k) end
function T:keys()
	local keys = JSON.array {}
	for k in self.s:list():entries() do keys[#keys + 1] = k end
	return keys
end

-- KV and SQL
function T:returns()
	local a, b, c = self.s:transaction(function(txn, ...)
		assert(select("#", ...) == 0)
		txn:put("a", 1)
		assert(txn:get "a" == 1 and self.s:get "a" == 1)
		txn:put { b = 2, c = 3 }
		assert(txn:delete "c" and txn:delete { "nothing" } == 0)
		assert(txn:list({ prefix = "b" }).size == 1 and txn:get({ "a", "b" }).size == 2)
		return "one", nil, 3
	end)
	return { a, b == nil, c }
end
function T:both(how)
	sql(self, "CREATE TABLE IF NOT EXISTS t(n)")
	self.s:put("before", 1)
	local ok, err = pcall(self.s.transaction, self.s, function(txn)
		sql(self, "INSERT INTO t VALUES (?)", how)
		self.s:put(how, 1)
		self.s.kv:put("kv " .. how, 1)
		txn:put("txn " .. how, 1)
		sleep(1)
		sql(self, "CREATE TABLE made(n)")
		if how == "error" then error "on purpose" end
		if how == "thrown" then error({ message = "a table", code = 7 }) end
		if how == "nil" then error() end
		if how == "rollback" then txn:rollback() end
	end)
	return {
		ok, type(err) == "table" and err.code or tostring(err), self:keys(),
		sql(self, "SELECT count(*) FROM t"):raw():toArray()[1][1],
		sql(self, "SELECT count(*) FROM sqlite_master WHERE name = 'made'"):raw():toArray()[1][1],
	}
end
function T:raises() self.s:transaction(function() self.s:put("k", 1); error "on purpose" end) end

-- rollback and use after the end
function T:after_rollback()
	local said = {}
	local function try(fn, ...) local _, e = pcall(fn, ...); said[#said + 1] = e end
	local value = self.s:transaction(function(txn)
		txn:put("lost", 1)
		txn:rollback()
		txn:rollback()
		for _, name in ipairs { "get", "put", "delete", "list" } do try(txn[name], txn, "k", 1) end
		self.s:put("kept", 1)
		assert(self.s:get "lost" == nil)
		sleep(1)
		self.s:put("kept later", 1)
		return "value"
	end)
	return { value, said, self:keys() }
end
function T:after_the_end(how)
	local kept
	local ok = pcall(self.s.transaction, self.s, function(txn)
		kept = txn
		if how == "error" then error "x" end
	end)
	local said = {}
	for _, name in ipairs { "get", "put", "delete", "list" } do
		local fine, e = pcall(kept[name], kept, "k", 1)
		said[#said + 1] = not fine and e
	end
	local fine, e = pcall(kept.rollback, kept)
	return { ok, said, fine or e }
end
function T:misuse(how)
	if how == "no function" then return self.s:transaction(7) end
	return self.s:transaction(function(txn)
		if how == "dot" then return txn.get("k") end
		if how == "sync" then return self.s:transactionSync(function() self.s:transaction(function() end) end) end
		if how == "rollback in sync" then return self.s:transactionSync(function() txn:rollback() end) end
		if how == "deleteAll" then self.s:put("k", 2); return self.s:deleteAll() end
		if how == "txn:deleteAll" then self.s:put("k", 2); return txn:deleteAll() end
		if how == "deep" then
			local function deeper(n) return self.s:transaction(function() self.s:put("depth", n); return deeper(n + 1) end) end
			return deeper(2)
		end
	end)
end
function T:deep()
	local function deeper(n)
		return self.s:transaction(function()
			self.s:put("depth", n)
			if n < 64 then return deeper(n + 1) end
			return select(2, pcall(self.s.transaction, self.s, function() end))
		end)
	end
	return deeper(1)
end

-- nesting
function T:nested(how)
	local ok, err = pcall(self.s.transaction, self.s, function(outer)
		outer:put("outer", 1)
		local ok, err = pcall(self.s.transaction, self.s, function(inner)
			inner:put("inner", 1)
			sleep(1)
			if how == "inner error" then error "inner" end
			if how == "inner rollback" then inner:rollback() end
			if how == "outer rollback" then outer:rollback() end
		end)
		if not ok and how ~= "inner error" then error(err, 0) end
		self.s:transactionSync(function() self.s:put("sync", 1) end)
		sleep(1)
		if how == "outer error" then error "outer" end
	end)
	return { ok, ok or err, self:keys() }
end
function T:deeply(call)
	local function innermost() error(call == "table" and { message = "deep down" } or "deep down") end
	local function inner() self.s:put("k", 1); innermost(); return 1 end
	if call == "sync" then self.s:transactionSync(function() inner(); return 1 end) end
	self.s:transaction(function() self.s:transaction(function() inner(); return 1 end); return 1 end)
end
function T:thrown_through()
	local place
	local ok, err = pcall(function()
		self.s:transaction(function()
			self.s:put("k", 1)
			self.s:transaction(function() self.s:put("l", 1); error({ message = "deep" }) end)
		end)
	end)
	return { err.message, self:keys() }
end
function T:left_open(resume)
	local step = coroutine.wrap(function()
		self.s:transaction(function() self.s:put("k", 1); coroutine.yield(); self.s:put("l", 1) end)
	end)
	step()
	if resume then step() end
	_G.step = step
	return "done"
end
function T:go_on() _G.step() end
function T:left_blocked()
	_G.step = coroutine.wrap(function() self.ctx:blockConcurrencyWhile(function() coroutine.yield() end) end)
	_G.step()
end
function T:crossed()
	local first = coroutine.wrap(function() self.s:transaction(function() self.s:put("a", 1); coroutine.yield() end) end)
	local second = coroutine.wrap(function() self.s:transaction(function() self.s:put("b", 1); coroutine.yield() end) end)
	first() second()
	local ok1, e1 = pcall(first)
	local ok2, e2 = pcall(second)
	return { e1, e2, self:keys() }
end

function T:together(how)
	return self.s:transaction(function(txn)
		local promises = {}
		for i = 1, 3 do
			promises[i] = async(function()
				sleep(2)
				self.s:put("k" .. i, i)
				if how == "stub" then self.env.T:get(self.ctx.id):get "k" end
				if how == "nested" then self.s:transaction(function() end) end
				return self.env.ECHO:getByName("e"):echo(i)
			end)
		end
		local answers = await(Promise.all(promises))
		if how == "undo" then txn:rollback() end
		return answers
	end)
end
function T:outlives()
	self.s:transaction(function()
		self.s:put("inside", 1)
		async(function() sleep(20) self.s:put("later", 1) end)
	end)
	return self.s:transaction(function() sleep(60) return self.s:get "later" == nil end)
end

-- the gates
function T:add(ms)
	return self.s:transaction(function(txn)
		local n = txn:get "n" or 0
		sleep(ms)
		txn:put("n", n + 1)
		return n + 1
	end)
end
function T:half(ms)
	self.s:transaction(function()
		self.s:put("half", 1)
		sleep(ms)
		self.s:put("half", 2)
	end)
	return self.s:get "half"
end
function T:calls(k)
	return self.s:transaction(function(txn)
		txn:put(k, 1)
		local answer = self.env.ECHO:getByName("e"):echo(k)
		txn:put(k .. "2", 2)
		return answer
	end)
end
function T:calls_itself(how)
	local stub = self.env.T:get(self.ctx.id)
	local function inside() self.s:put("k", 1); return how == "fetch" and stub:fetch "http://x/" or stub:get "k" end
	if how == "block" then return self.ctx:blockConcurrencyWhile(function() return pcall(inside) end) end
	return self.s:transaction(inside)
end
function T:aborts() self.s:put("before", 1); self.s:transaction(function() self.s:put("k", 1); sleep(1); self.ctx:abort "gone" end) end
function T:spins(how)
	self.s:put("before", 1)
	self.s[how](self.s, function() self.s:put("k", 1); while true do end end)
end
function T:hangs() self.s:transaction(function() self.s:put("k", 1); sleep(3600000) end) end
function T:synced() return self.s:transaction(function() self.s:put("k", 1); self.s:sync(); return "synced" end) end
function T:unconfirmed(way)
	self.s:transaction(function(txn)
		self.s:put("k", way, { allowUnconfirmed = true })
		if way == "confirmed" then txn:put("l", 1) end
		if way == "undone" then pcall(self.s.transaction, self.s, function() self.s:put("k", 0) error "x" end) end
	end)
end
function T:read_only() return self.s:transaction(function(txn) sleep(1); return txn:get "k" == nil end) end
function T:violate(rolled)
	sql(self, "CREATE TABLE IF NOT EXISTS p(n PRIMARY KEY)")
	sql(self, "CREATE TABLE IF NOT EXISTS c(n REFERENCES p(n) DEFERRABLE INITIALLY DEFERRED)")
	self.s:put("before", 1)
	pcall(self.s.transaction, self.s, function(txn)
		self.s:put("k", 1)
		sql(self, "INSERT INTO c VALUES (1)")
		if rolled then txn:rollback() end
	end)
	return "alive"
end

function Echo:echo(x) return "echo " .. x end
""" + export("T", "Echo")


@pytest.fixture
def t(drey, worker_threads):
    d = drey(TXN, bindings={"T": "T", "ECHO": "Echo"}, worker_threads=worker_threads)

    def run(method, *args, name="a"):
        return call(d, "T", name, method, *args)

    run.server = d
    return run


def survives(t, *keys):
    """What the object holds, now and after a kill."""
    for _ in range(2):
        assert t("keys") == list(keys)
        t.server.kill9()
        t.server.start()


def parked(t, method, *args):
    """Begins a call that is to be parked inside its transaction when this returns."""

    def work():
        try:
            work.answer = t(method, *args)
        except (CallFailed, AssertionError, OSError, Closed) as e:
            work.error = e

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    time.sleep(0.1)  # it is inside soon; if it were not, less would be tested, nothing would fail
    work.join = thread.join
    return work


def test_A6_09_what_fn_returns_is_returned_and_its_writes_stay(t):
    assert t("returns") == ["one", True, 3]
    survives(t, "a", "b")


@pytest.mark.parametrize("how", ["error", "thrown", "nil", "rollback"])
def test_B4_17_an_error_or_a_rollback_undoes_keys_and_sql_together(t, how):
    ok, err, keys, rows, made = t("both", how)
    assert ok is (how == "rollback")
    assert {"error": "on purpose", "thrown": "7", "nil": "nil", "rollback": ""}[how] in str(err)
    assert (keys, rows, made) == (["before"], 0, 0)
    ok, _, keys, rows, made = t("both", "kept")
    assert ok and (keys, rows, made) == (["before", "kept", "kv kept", "txn kept"], 1, 1)
    survives(t, "before", "kept", "kv kept", "txn kept")


def test_A6_09_an_error_goes_on_with_its_place(t):
    with refused("worker.lua:", "on purpose") as seen:
        t("raises")
    assert not seen.error.get("durableObjectReset")
    assert t("keys") == []
    assert t("thrown_through") == ["deep", []]


@pytest.mark.parametrize("call_", ["string", "table", "sync"])
def test_A6_09_the_log_has_the_traceback_of_where_it_was_raised(t, call_):
    with refused("deep down"):
        t("deeply", call_)
    line = next(x for x in t.server.log().splitlines() if "deep down" in x)
    at = [line.find(name) for name in ("in innermost", "in inner\\n", "in function <worker.lua:")]
    assert -1 not in at and at == sorted(at) and "drey/" not in line, line
    assert line.count("\\n\tworker.lua:") == (4 if call_ == "sync" else 5), line


def test_B4_16_after_a_rollback_txn_is_dead_and_the_storage_is_not(t):
    value, said, keys = t("after_rollback")
    assert value == "value" and keys == ["kept", "kept later"]
    assert len(said) == 4
    for text, op in zip(said, ["get", "put", "delete", "list"]):
        assert f"Cannot {op}() on rolled back transaction" in text
    survives(t, "kept", "kept later")


def test_B4_16_txn_cannot_be_used_after_its_end(t):
    ok, said, rollback = t("after_the_end", "")
    assert ok
    for text, op in zip(said + [rollback], ["get", "put", "delete", "list", "rollback"]):
        assert (f"Cannot call {op}() on transaction that has already committed: "
                "did you move `txn` outside of the closure?") in text
    ok, said, rollback = t("after_the_end", "error")
    assert not ok and "Cannot put() on rolled back transaction" in said[1] and rollback is True
    assert t("keys") == []


@pytest.mark.parametrize("how, ok, keys", [
    ("", True, ["inner", "outer", "sync"]),
    ("inner error", True, ["outer", "sync"]),
    ("inner rollback", True, ["outer", "sync"]),
    ("outer error", False, []),
    ("outer rollback", False, []),
])
def test_B4_16_transactions_nest(t, how, ok, keys):
    got, err, left = t("nested", how)
    assert got is ok and left == keys
    if how == "outer rollback":
        assert "Cannot roll back an outer transaction while a nested transaction is still running." in err
    survives(t, *keys)


@pytest.mark.parametrize("how, texts", [
    ("no function", ["storage:transaction(fn)", "number"]),
    ("dot", ["txn:get()"]),
    ("sync", ["fn must not wait"]),
    ("rollback in sync", ["Cannot roll back an outer transaction while a nested transaction is still running."]),
    ("deep", ["blockConcurrencyWhile() calls are nested too deeply."]),
])
def test_B4_16_misuse_is_told_and_harmless(t, how, texts):
    with refused(*texts) as seen:
        t("misuse", how)
    assert not seen.error.get("durableObjectReset")
    assert t("keys") == []
    assert t("returns") == ["one", True, 3]


def test_B4_16_sixty_four_levels_work(t):
    assert "blockConcurrencyWhile() calls are nested too deeply." in t("deep")
    assert t("get", "depth") == 64


@pytest.mark.parametrize("how", ["deleteAll", "txn:deleteAll"])
def test_B4_14_delete_all_inside_a_transaction_is_refused(t, how):
    t("returns")
    with refused("Cannot call deleteAll() within a transaction"):
        t("misuse", how)
    assert t("keys") == ["a", "b"]


def test_B4_16_what_a_forgotten_coroutine_left_open_is_rolled_back(t):
    with refused("the handler ended inside storage:transaction(fn)"):
        t("left_open", False)
    assert t("keys") == []
    with refused("rolled back"):
        t("go_on")
    assert t("keys") == ["l"]  # nothing is open any more: written as anything else
    assert t("left_open", True) == "done"
    assert t("keys") == ["k", "l"]


def test_B4_16_what_a_forgotten_coroutine_blocks_is_free_again(t):
    with refused("") as seen:
        t("left_blocked")
    assert seen.error["durableObjectReset"]
    with refused("") as seen:
        t("go_on")  # of the instance before
    assert t("add", 0) == 1


def test_B4_16_transactions_that_end_crosswise_are_both_rolled_back(t):
    first, second, keys = t("crossed")
    assert "both were rolled back" in first and "rolled back" in second
    assert keys == []
    assert t("add", 0) == 1


def test_A6_09_async_functions_started_inside_run_inside(t):
    assert t("together", "") == ["echo 1", "echo 2", "echo 3"]
    assert t("keys") == ["k1", "k2", "k3"]
    assert t("together", "undo", name="b") == ["echo 1", "echo 2", "echo 3"]
    assert t("keys", name="b") == []
    with refused("a call of an object to itself inside"):
        t("together", "stub", name="c")
    with refused("cannot be called by an async function"):
        t("together", "nested", name="c")
    assert t("keys", name="c") == []
    assert t("outlives", name="d") is True  # the second one held it off


@pytest.mark.limit(60)
def test_A6_09_a_thousand_concurrent_transactions_count_to_a_thousand(t):
    def work(n):
        client = t.server.client(timeout=40)
        for _ in range(n):
            answers.append(call(t.server, "T", "a", "add", 0, client=client))
        client.close()

    answers = []
    threads = [threading.Thread(target=work, args=(1000 // 64 + (i < 1000 % 64),)) for i in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == list(range(1, 1001))
    t.server.kill9()
    t.server.start()
    assert t("get", "n") == 1000


def test_A6_09_nobody_sees_half_of_a_transaction(t):
    inside = parked(t, "half", 400)
    start = time.monotonic()
    assert t("get", "half") == 2
    assert time.monotonic() - start > 0.1
    inside.join()
    assert inside.answer == 2


def test_A6_09_a_call_to_another_object_goes_out_from_inside(t):
    assert t("calls", "k") == "echo k"
    survives(t, "k", "k2")


@pytest.mark.parametrize("how", ["call", "fetch", "block"])
def test_A6_09_a_call_to_itself_from_inside_is_an_error_at_once(t, how):
    start = time.monotonic()
    if how == "block":
        assert t("calls_itself", how) is False
    else:
        with refused("a call of an object to itself inside", "self:method()"):
            t("calls_itself", how)
    assert time.monotonic() - start < 5  # not the 30 seconds of block_timeout
    assert t("keys") == (["k"] if how == "block" else [])


def test_A6_09_a_kill_while_parked_inside_leaves_nothing(t):
    t("returns")
    inside = parked(t, "hangs")
    t("keys", name="other")
    t.server.kill9()
    inside.join()
    t.server.start()
    assert t("keys") == ["a", "b"]


def test_A6_09_an_abort_inside_leaves_nothing(t):
    with refused("gone") as seen:
        t("aborts")
    assert seen.error["durableObjectReset"]
    survives(t, "before")


@pytest.mark.parametrize("how", ["transaction", "transactionSync"])
def test_A6_09_an_endless_loop_inside_leaves_nothing_and_blocks_nobody(drey, how):
    d = drey(TXN, bindings={"T": "T", "ECHO": "Echo"}, limits={"cpu": "100ms"})
    reply = d.post("/call", json={"binding": "T", "name": "a", "method": "spins", "args": [how], "n": 1})
    if reply.status != 503:  # else the caller lost its memory with the object: they shared a Lua state
        assert reply.json()["error"]["durableObjectReset"]
    assert "exceeded its CPU time limit" in d.log()
    assert call(d, "T", "a", "keys") == (["before"] if how == "transaction" else [])
    assert call(d, "T", "a", "add", 1) == 1


def test_A6_09_a_clean_stop_does_not_wait_for_one_that_hangs(drey):
    d = drey(TXN, bindings={"T": "T", "ECHO": "Echo"}, top_conf={"shutdown_timeout": "300ms"})
    call(d, "T", "a", "returns")
    thread = threading.Thread(target=lambda: pytest.raises((CallFailed, AssertionError, OSError, Closed), call, d, "T", "a", "hangs"))
    thread.start()
    time.sleep(0.1)
    d.stop()
    thread.join()
    d.start()
    assert call(d, "T", "a", "keys") == ["a", "b"]


def test_A6_09_one_that_takes_too_long_resets_the_object(drey):
    d = drey(TXN, bindings={"T": "T", "ECHO": "Echo"}, limits={"block_timeout": "200ms"})
    with refused("waited for too long") as seen:
        call(d, "T", "a", "hangs")
    assert seen.error["overloaded"] and seen.error["durableObjectReset"]
    assert call(d, "T", "a", "keys") == []
    assert call(d, "T", "a", "add", 50) == 1  # the clock is its own, and stops at its end
    time.sleep(0.3)
    assert call(d, "T", "a", "get", "n") == 1


def test_B4_18_a_constraint_violated_at_its_commit_resets_the_object(t):
    with refused("Durable Object was reset and rolled back to its last known good state because the application left the "
                 "database in a state where constraints were violated: FOREIGN KEY constraint failed") as seen:
        t("violate", False)
    assert seen.error["durableObjectReset"]
    survives(t, "before")
    assert t("violate", True) == "alive"


def test_A6_09_sync_inside_waits_for_what_was_committed_before(t):
    assert t("synced") == "synced"
    survives(t, "k")


def test_A6_09_answers_wait_for_what_was_written_inside(drey):
    d = drey(TXN, bindings={"T": "T", "ECHO": "Echo"}, preload=["slow_sync"], env={"DREY_SLOW_SYNC_MS": "200"})

    def took(*args):
        start = time.monotonic()
        call(d, "T", "a", *args)
        return time.monotonic() - start

    took("returns")
    assert min(took("unconfirmed", "relaxed") for _ in range(3)) < 0.15
    assert min(took("unconfirmed", "undone") for _ in range(3)) < 0.15
    assert took("unconfirmed", "confirmed") >= 0.2
    assert took("add", 0) >= 0.2
    # A call from inside leaves before the commit; the answer waits for it.
    assert 0.2 <= took("calls", "k") < 2


def test_A6_09_one_that_only_reads_leaves_no_file(t):
    assert t("read_only") is True
    t.server.stop()
    assert not t.server.databases("T")


def test_A6_09_objects_sleep_after_their_transactions(drey):
    d = drey(TXN, bindings={"T": "T", "ECHO": "Echo"}, limits={"idle_hibernate": "30ms"})
    for n in range(1, 4):
        assert call(d, "T", "a", "add", 1) == n
        time.sleep(0.1)

"""SQL storage: rows A5-01 to A5-08."""

import pytest

from kit import KIT, call, export, refused

SQL = KIT + """
local S = DurableObject:extend "S"
function S:constructor(ctx, env) self:super(ctx, env); self.sql = ctx.storage.sql end
function S:setup()
	self.sql:exec "CREATE TABLE m (id INTEGER PRIMARY KEY AUTOINCREMENT, t TEXT, n)"
	self.sql:exec("INSERT INTO m (t, n) VALUES (?, ?), (?, ?), (?, ?)", "a", 1, "b", 2, "c", 3)
end
function S:rows(query, ...) return self.sql:exec(query, ...):toArray() end
function S:one(query, ...) return self.sql:exec(query, ...):one() end
function S:maybe(query, ...)
	local row = self.sql:exec(query, ...):one { allowNone = true }
	return row == nil and "nil" or row
end
function S:several()
	self.sql:exec([[
		CREATE TABLE x (a, b);
		CREATE INDEX x_a ON x (a);
		INSERT INTO x VALUES (1, 'one');
		INSERT INTO x VALUES (?, ?);
	]], 2, "two")
	return self.sql:exec("SELECT * FROM x ORDER BY a"):toArray()
end
function S:types(...)
	return self.sql:exec("SELECT typeof(?) a, typeof(?) b, typeof(?) c, typeof(?) d, typeof(?) e",
		nil, true, 1, 1.5, "s"):one()
end
function S:blob()
	local row = self.sql:exec("SELECT typeof(?) t, length(?) n", Blob "a\\0b", Blob "a\\0b"):one()
	return { row.t, row.n }
end
function S:loop()
	local seen = {}
	for row in self.sql:exec "SELECT t FROM m ORDER BY id" do seen[#seen + 1] = row.t end
	return seen
end
function S:stream(n)
	self.sql:exec "CREATE TABLE big (i INTEGER PRIMARY KEY, t TEXT)"
	self.sql:exec([[WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < ?)
		INSERT INTO big SELECT i, 'some text of a row number ' || i FROM c]], n)
	collectgarbage(); collectgarbage()
	local before, most, count, sum = collectgarbage "count", 0, 0, 0
	for row in self.sql:exec "SELECT i, t FROM big" do
		count, sum = count + 1, sum + row.i
		if count % 1000 == 0 then most = math.max(most, collectgarbage "count") end
	end
	return { count, sum, most - before }
end
""" + export("S")


@pytest.fixture
def s(drey):
    d = drey(SQL, bindings={"S": "S"})

    def run(method, *args):
        return call(d, "S", "a", method, *args)

    run.server = d
    return run


def test_A5_01_exec_gives_a_cursor(s):
    s("setup")
    assert s("rows", "SELECT * FROM m WHERE id = ?", 2) == [{"id": 2, "t": "b", "n": 2}]
    s.server.kill9()
    s.server.start()
    assert s("rows", "SELECT count(*) AS c FROM m") == [{"c": 3}]


def test_A5_02_several_statements_parameters_bind_to_the_last(s):
    assert s("several") == [{"a": 1, "b": "one"}, {"a": 2, "b": "two"}]
    assert s("rows", "SELECT name FROM sqlite_master WHERE name = 'x_a'") == [{"name": "x_a"}]
    assert s("rows", "SELECT 1 AS a; SELECT 2 AS a;") == [{"a": 2}]
    with refused("only the last statement can have parameters"):
        s("rows", "SELECT ?; SELECT 1", 1)


def test_A5_03_placeholders_are_typed_and_safe(s):
    assert s("types") == {"a": "null", "b": "integer", "c": "integer", "d": "real", "e": "text"}
    assert s("blob") == ["blob", 3]
    s("setup")
    evil = "'; DROP TABLE m; --"
    s("rows", "INSERT INTO m (t) VALUES (?)", evil)
    assert s("rows", "SELECT t FROM m WHERE t = ?", evil) == [{"t": evil}]
    with refused("Wrong number of parameter bindings for SQL query.", "2", "1"):
        s("rows", "SELECT ?, ?", 1)
    with refused("Wrong number of parameter bindings"):
        s("rows", "SELECT 1", 1, 2)


def test_A5_04_insert_returning(s):
    s("rows", "CREATE TABLE r (id INTEGER PRIMARY KEY AUTOINCREMENT, t)")
    assert [s("one", "INSERT INTO r (t) VALUES (?) RETURNING id", t)["id"] for t in "xyz"] == [1, 2, 3]


def test_A5_05_one_is_strict(s):
    s("setup")
    assert s("one", "SELECT t FROM m WHERE id = 1") == {"t": "a"}
    with refused("Expected exactly one result from SQL query, but got no results."):
        s("one", "SELECT t FROM m WHERE id = 99")
    with refused("Expected exactly one result from SQL query, but got multiple results."):
        s("one", "SELECT t FROM m")


def test_A5_06_one_may_allow_none(s):
    s("setup")
    assert s("maybe", "SELECT t FROM m WHERE id = 99") == "nil"
    assert s("maybe", "SELECT t FROM m WHERE id = 1") == {"t": "a"}
    with refused("multiple results"):
        s("maybe", "SELECT t FROM m")


def test_A5_07_to_array_gives_rows_by_column(s):
    s("setup")
    assert s("rows", "SELECT t, n FROM m ORDER BY id") == [{"t": "a", "n": 1}, {"t": "b", "n": 2}, {"t": "c", "n": 3}]


def test_A5_08_a_cursor_is_iterated(s):
    s("setup")
    assert s("loop") == ["a", "b", "c"]


@pytest.mark.limit(60)
def test_A5_08_a_hundred_thousand_rows_stream_with_flat_memory(s):
    count, total, grown_kb = s("stream", 100000)
    assert (count, total) == (100000, 100000 * 100001 // 2)
    assert grown_kb < 4096, f"the Lua heap grew by {grown_kb} KB while rows streamed"


def test_a_sql_mistake_names_the_place_and_the_line(s):
    with refused('near "FORM": syntax error', "SQLITE_ERROR", "worker.lua:"):
        s("rows", "SELECT * FORM m")
    with refused("no such table: nowhere"):
        s("rows", "SELECT * FROM nowhere")
    with refused("transaction"):
        s("rows", "BEGIN")
    with refused("_cf_KV"):
        s("rows", "SELECT key FROM _cf_KV")
    s("setup")
    assert len(s("loop")) == 3

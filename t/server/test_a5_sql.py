"""SQL storage: rows A5-01 to A5-17 (A5-15 is in test_a5_hidden.py), A12-03."""

import subprocess

import pytest

from kit import KIT, call, export, refused, scratch

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


# -- pieces of Lua

@pytest.fixture
def lua(drey):
    return scratch(drey)


def test_A5_09_transaction_sync_keeps_all_or_nothing(lua):
    lua("sql:exec 'CREATE TABLE t (n)'")
    assert lua("return s:transactionSync(function() sql:exec 'INSERT INTO t VALUES (1)' return 'value' end)") == "value"
    with refused("in the middle"):
        lua("""s:transactionSync(function()
            sql:exec "INSERT INTO t VALUES (2)"
            error "in the middle"
        end)""")
    # The error was caught: what was written before and after stays.
    caught = lua("""sql:exec "INSERT INTO t VALUES (3)"
        local ok, e = pcall(s.transactionSync, s, function()
            sql:exec "INSERT INTO t VALUES (4)"
            pcall(s.transactionSync, s, function() sql:exec "INSERT INTO t VALUES (5)" error "inner" end)
            s:transactionSync(function() sql:exec "INSERT INTO t VALUES (6)" end)
            error { message = "a table", code = 7 }
        end)
        sql:exec "INSERT INTO t VALUES (8)"
        return { ok, e.code }""")
    assert caught == [False, 7]
    lua.server.kill9()
    lua.server.start()
    assert lua("return sql:exec('SELECT group_concat(n) AS n FROM t'):one().n") == "1,3,8"


def test_A5_09_waiting_inside_transaction_sync_is_refused(lua):
    for wait in "sleep(1)", "s:sync()", 'env.S:getByName("b"):lua("return 1")':
        with refused("transactionSync(fn): fn must not wait"):
            lua(f"s:transactionSync(function() s:put('k', 1) {wait} end)")
        assert lua("return s:get 'k' == nil") is True
    with refused("transactionSync(fn): fn is the function"):
        lua("s:transactionSync(5)")


def test_A5_11_pragma_optimize(lua):
    lua("""sql:exec "CREATE TABLE t (a, b); CREATE INDEX t_a ON t (a)"
        for i = 1, 100 do sql:exec("INSERT INTO t VALUES (?, ?)", i % 10, i) end
        sql:exec("SELECT * FROM t WHERE a = 5"):toArray()
        sql:exec "PRAGMA optimize(0xfffe)" """)
    assert lua("return sql:exec(\"SELECT stat FROM sqlite_stat1 WHERE idx = 't_a'\"):one().stat") == "100 10"
    lua("sql:exec 'PRAGMA optimize'")


def test_A5_12_an_index_is_used_and_the_plan_says_so(lua):
    lua("sql:exec 'CREATE TABLE t (a, b); CREATE INDEX t_by_a ON t (a)'")
    plan = lua("return sql:exec('EXPLAIN QUERY PLAN SELECT * FROM t WHERE a = ?', 1):toArray()")
    assert [row["detail"] for row in plan] == ["SEARCH t USING INDEX t_by_a (a=?)"]


TABLES = """CREATE TABLE author (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE NOT NULL);
    CREATE TABLE book (id INTEGER PRIMARY KEY, author INTEGER NOT NULL REFERENCES author (id) ON DELETE CASCADE,
        year CHECK (year > 1450))"""


def test_A5_13_constraints_hold_and_say_what_sqlite_says(lua):
    lua("sql:exec(arg[1])", TABLES)
    one = "return sql:exec(unpack(arg)):one().id"
    assert lua(one, "INSERT INTO author (name) VALUES ('ann') RETURNING id") == 1
    for statement, said in {
        "INSERT INTO book (author) VALUES (99)": "FOREIGN KEY constraint failed: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_FOREIGNKEY)",
        "INSERT INTO author (name) VALUES ('ann')": "UNIQUE constraint failed: author.name: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_UNIQUE)",
        "INSERT INTO author (name) VALUES (NULL)": "NOT NULL constraint failed: author.name: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_NOTNULL)",
        "INSERT INTO book (author, year) VALUES (1, 1000)": "CHECK constraint failed: year > 1450: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_CHECK)",
        "INSERT INTO book (id, author) VALUES ('x', 1)": "datatype mismatch: SQLITE_MISMATCH",
    }.items():
        with refused(said):
            lua("sql:exec(arg[1])", statement)
    assert lua(one, "INSERT INTO author (name) VALUES ('ann') ON CONFLICT (name) DO UPDATE SET name = 'anne' RETURNING id") == 1
    lua("sql:exec(arg[1])", "INSERT OR IGNORE INTO author (name) VALUES ('anne'); INSERT INTO book (author, year) VALUES (1, 2000)")
    # AUTOINCREMENT gives no number twice; ON DELETE CASCADE works because foreign keys are on.
    lua("sql:exec(arg[1])", "DELETE FROM author")
    assert lua("return sql:exec('SELECT count(*) AS n FROM book'):one().n") == 0
    assert lua(one, "INSERT INTO author (name) VALUES ('bob') RETURNING id") > 1


def test_A5_14_tables_and_keys_are_of_one_transaction(lua):
    both = "return { s:get 'k', sql:exec('SELECT count(*) AS n FROM t'):one().n }"
    lua("sql:exec 'CREATE TABLE t (n)' s:put('k', 'old')")
    with refused("undone"):
        lua("""s:transactionSync(function()
            s:put("k", "new") sql:exec "INSERT INTO t VALUES (1)" kv:delete "k" s:put { a = 1, b = 2 }
            error "undone"
        end)""")
    assert lua(both) == ["old", 0]
    lua("s:transactionSync(function() s:put('k', 'new') sql:exec 'INSERT INTO t VALUES (1)' end)")
    assert lua(both) == ["new", 1] and lua("return s:list().size") == 1


def test_A5_14_the_table_of_keys_may_be_undone_and_comes_again(lua):
    assert lua("""sql:exec "CREATE TABLE t (n)"
        pcall(s.transactionSync, s, function() s:put("first", 1) error "undone" end)
        local none = s:get "first" == nil and s:list().size == 0
        s:put("second", 2)
        return { none, s:get "second" }""") == [True, 2]
    assert lua("return s:get 'second'") == 2


def test_A5_16_an_object_is_one_plain_database(lua):
    for name in "a", "b":
        lua("sql:exec 'CREATE TABLE t (n); CREATE VIEW v AS SELECT n + 1 AS m FROM t' sql:exec('INSERT INTO t VALUES (?)', arg[1])",
            name, name=name)
    d = lua.server
    d.stop()
    ids = d.databases("S")
    assert len(ids) == 2
    assert sorted(d.sql("S", i, "SELECT n FROM t")[0][0] for i in ids) == ["a", "b"]
    shell = subprocess.run(["sqlite3", "-readonly", d.db("S", ids[0]), ".tables"], capture_output=True, text=True, check=True)
    assert "t" in shell.stdout.split() and "v" in shell.stdout.split()
    d.start()


def test_A5_17_many_rows_in_one_statement(lua):
    assert lua("""sql:exec "CREATE TABLE t (i INTEGER PRIMARY KEY, name TEXT)"
        local marks, values = {}, {}
        for i = 1, 50 do
            marks[i] = "(?, ?)"
            values[2 * i - 1], values[2 * i] = i, "row " .. i
        end
        local cursor = sql:exec("INSERT INTO t VALUES " .. table.concat(marks, ", "), unpack(values))
        return { cursor.rowsWritten, sql:exec("SELECT count(*) AS n FROM t"):one().n, sql:exec("SELECT name FROM t WHERE i = 50"):one().name }
        """) == [50, 50, "row 50"]


def test_A12_03_a_class_made_with_new_classes_has_keys_and_no_sql(drey):
    lua = scratch(drey, classes=[], app_conf={"migrations": {"v1": {"new_classes": "S"}}})
    with refused('SQL is not available: class "S" was created with new_classes (tag v1). Create a new class with new_sqlite_classes'):
        lua("s:put('k', 1) sql:exec 'CREATE TABLE t (n)'")
    assert lua("return s:get 'k'") == 1
    with refused("SQL is not available"):
        lua("return sql.databaseSize")


def test_D9_a_comment_of_another_language_is_named(lua):
    slashes = ": SQLITE_ERROR. A comment in SQL begins with -- or stands between /* and */; // is not one"
    # The first slash is a division where one may stand.
    for text, slash in {
        "SELECT 1 // one": 1, "// first\nSELECT 1": 0, "SELECT 1; // done": 0, "CREATE TABLE x (a, // it's a\n b)": 0,
        "CREATE TABLE x (a); INSERT INTO x VALUES (1) // one\n": 0, "SELECT 1,//x\n2": 0, "SELECT (1 //\n)": 1,
        "UPDATE t SET n = 1 // all": 1, "SELECT 'http://x' // url": 1,
    }.items():
        lua("sql:exec 'CREATE TABLE IF NOT EXISTS t (n); DROP TABLE IF EXISTS x'")
        with refused(f'near "/": syntax error at offset {text.rindex("//") + slash}' + slashes):
            lua("sql:exec(arg[1])", text)
    with refused('unrecognized token: "#"', "begins with -- or stands between /* and */; # is not one"):
        lua("sql:exec(arg[1])", "SELECT 1 # one")
    # A slash that is no comment is SQLite's alone to judge.
    for text in "SELECT 1 /", "SELECT / 2", "SELECT 1 / / 2":
        with refused("SQLITE_ERROR") as seen:
            lua("sql:exec(arg[1])", text)
        assert "comment" not in seen.error["message"]
    assert lua("return sql:exec(arg[1]):raw():toArray()", "SELECT 8 / /* // */ 2, '//' -- //") == [[4, "//"]]


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

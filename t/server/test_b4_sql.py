"""SQL beyond the basics: rows B4-18 to B4-21, B4-23 to B4-25, B4-31, B4-39."""

import pytest

from kit import CallFailed, refused, scratch


@pytest.fixture
def lua(drey):
    return scratch(drey)


# -- B4-18

VIOLATED = ("Durable Object was reset and rolled back to its last known good state because the application left the database in a state "
            "where constraints were violated: FOREIGN KEY constraint failed: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_FOREIGNKEY)")
PARENT = "sql:exec 'CREATE TABLE p (id INTEGER PRIMARY KEY); INSERT INTO p VALUES (1); CREATE TABLE c (p REFERENCES p (id){})' s:put('k', 'good')"
VIOLATIONS = {
    "deferrable": (" DEFERRABLE INITIALLY DEFERRED", "sql:exec 'INSERT INTO c VALUES (9)'"),
    "pragma": ("", "sql:exec 'PRAGMA defer_foreign_keys = on' sql:exec 'INSERT INTO c VALUES (9)'"),
    "in one text": ("", "sql:exec 'PRAGMA defer_foreign_keys = on; INSERT INTO c VALUES (9)'"),
    "inside": (" DEFERRABLE INITIALLY DEFERRED", "s:transactionSync(function() sql:exec 'INSERT INTO c VALUES (9)' end)"),
    "pragma inside": ("", "s:transactionSync(function() sql:exec 'PRAGMA defer_foreign_keys = on; INSERT INTO c VALUES (9)' end)"),
    "nested": (" DEFERRABLE INITIALLY DEFERRED",
               "s:transactionSync(function() s:transactionSync(function() sql:exec 'INSERT INTO c VALUES (9)' end) end)"),
    "parent": (" DEFERRABLE INITIALLY DEFERRED", "sql:exec 'INSERT INTO c VALUES (1)' sql:exec 'DELETE FROM p'"),
    "caught": (" DEFERRABLE INITIALLY DEFERRED", "pcall(sql.exec, sql, 'INSERT INTO c VALUES (9)')"),
}


@pytest.mark.parametrize("way", VIOLATIONS)
def test_B4_18_a_deferred_constraint_violated_at_commit_resets_the_object(lua, way):
    table, violate = VIOLATIONS[way]
    lua(PARENT.format(table) + " ctx.mark = 'before'")
    with refused(VIOLATED) as seen:
        lua(f"s:put('k', 'lost') {violate} return 'as if all were well'")
    assert seen.error["message"] == VIOLATED
    assert seen.error["durableObjectReset"] is True
    # A new instance, from the last commit.
    look = "return { s:get 'k', sql:exec('SELECT count(*) AS n FROM c'):one().n, sql:exec('SELECT count(*) AS n FROM p'):one().n, ctx.mark == nil }"
    assert lua(look) == ["good", 0, 1, True]
    lua.server.kill9()
    lua.server.start()
    assert lua(look) == ["good", 0, 1, True]


def test_B4_18_what_is_mended_before_the_commit_is_fine(lua):
    lua(PARENT.format(" DEFERRABLE INITIALLY DEFERRED"))
    lua("sql:exec 'INSERT INTO c VALUES (9)' sql:exec 'INSERT INTO p VALUES (9)'")
    lua("s:transactionSync(function() sql:exec 'INSERT INTO c VALUES (8)' end) sql:exec 'INSERT INTO p VALUES (8)'")
    lua("pcall(s.transactionSync, s, function() sql:exec 'INSERT INTO c VALUES (7)' error 'undone' end)")
    # PRAGMA defer_foreign_keys holds to the end of its transaction, and no longer.
    lua("sql:exec 'CREATE TABLE d (p REFERENCES p (id))' sql:exec 'PRAGMA defer_foreign_keys = on; INSERT INTO d VALUES (6)' sql:exec 'INSERT INTO p VALUES (6)'")
    with refused("FOREIGN KEY constraint failed: SQLITE_CONSTRAINT") as seen:
        lua("sql:exec 'INSERT INTO d VALUES (5)'")
    assert "reset" not in seen.error["message"]
    assert lua("return sql:exec('SELECT group_concat(p) AS n FROM (SELECT p FROM c UNION ALL SELECT p FROM d)'):one().n") == "9,8,6"


def test_B4_18_a_yield_ends_the_transaction_so_it_is_where_a_violation_is_told(lua):
    lua(PARENT.format(" DEFERRABLE INITIALLY DEFERRED"))
    with refused(VIOLATED):
        lua("sql:exec 'INSERT INTO c VALUES (9)' sleep(1) sql:exec 'INSERT INTO p VALUES (9)'")
    assert lua("return sql:exec('SELECT count(*) AS n FROM c'):one().n") == 0


def test_B4_31_foreign_keys_are_switched_where_nothing_was_written(lua):
    lua(PARENT.format(""))
    now = "sql:exec('PRAGMA foreign_keys'):one().foreign_keys"
    assert lua(f"sql:exec 'PRAGMA foreign_keys = off' sql:exec 'INSERT INTO c VALUES (9)' return {now}") == 0
    # Not in a transaction; and it lasts as long as the object is awake.
    assert lua(f"s:put('k', 1) sql:exec 'PRAGMA foreign_keys = on' return {now}") == 0
    assert lua("return sql:exec('PRAGMA foreign_key_check'):toArray()") == [{"table": "c", "rowid": 1, "fkid": 0, "parent": "p"}]
    lua.server.kill9()
    lua.server.start()
    assert lua(f"return {now}") == 1
    with refused("FOREIGN KEY constraint failed"):
        lua("sql:exec 'INSERT INTO c VALUES (8)'")


# -- B4-19

def test_B4_19_rows_as_arrays_and_one_position_for_all_ways_of_reading(lua):
    lua("sql:exec 'CREATE TABLE t (a, b)' for i = 1, 7 do sql:exec('INSERT INTO t VALUES (?, ?)', i, i ~= 3 and 'x' .. i or nil) end")
    assert lua("""local c = sql:exec "SELECT a, b FROM t ORDER BY a"
        local out = { c:next(), c:raw():next() }
        for row in c:raw() do out[3] = row break end
        for row in c do out[4] = row break end
        out[5] = c:raw():toArray()
        out[6], out[7], out[8], out[9] = c:next(), c:toArray(), c:raw():toArray(), c:raw():next()
        return out""") == [
        {"done": False, "value": {"a": 1, "b": "x1"}}, {"done": False, "value": [2, "x2"]}, [3, None], {"a": 4, "b": "x4"},
        [[5, "x5"], [6, "x6"], [7, "x7"]], {"done": True}, [], [], {"done": True}]
    with refused("Expected exactly one result from SQL query, but got no results."):
        lua("local c = sql:exec 'SELECT 1' c:toArray() return c:one()")


# -- B4-20

def test_B4_20_a_cursor_knows_its_columns(lua):
    assert lua("""sql:exec "CREATE TABLE t (a, b)"
        local c = sql:exec "SELECT a, b AS \\"B b\\", count(*), 'hello', a + 1 FROM t"
        local before = c.columnNames
        c:toArray()
        return { before, c.columnNames, sql:exec("INSERT INTO t VALUES (1, 2)").columnNames, sql:exec("DELETE FROM t RETURNING b").columnNames,
            sql:exec("SELECT ?, ? + ?", 1, 2, 3).columnNames }""") == [
        ["a", "B b", "count(*)", "'hello'", "a + 1"], ["a", "B b", "count(*)", "'hello'", "a + 1"], [], ["b"], ["?", "? + ?"]]
    # After an ALTER TABLE a statement from the cache has the new columns.
    assert lua("""local function names() return sql:exec("SELECT * FROM t").columnNames end
        names() sql:exec "ALTER TABLE t ADD COLUMN c" sql:exec "ALTER TABLE t RENAME COLUMN a TO z"
        return names()""") == ["z", "b", "c"]


def test_B4_20_rows_read_counts_one_ahead(lua):
    lua("sql:exec 'CREATE TABLE t (a)' for i = 1, 5 do sql:exec('INSERT INTO t VALUES (?)', i) end")
    assert lua("""local c, out = sql:exec "SELECT a FROM t", {}
        out[1] = c.rowsRead
        for row in c do out[#out + 1] = c.rowsRead end
        return out""") == [1, 2, 3, 4, 5, 5]
    assert lua("return sql:exec('SELECT count(*) FROM t WHERE a < 0').rowsRead") == 5


WRITES = [  # a statement, and what rowsWritten says of it
    ("INSERT INTO plain VALUES (1, 2), (3, 4)", 2),
    ("INSERT INTO one VALUES (1, 2), (3, 4)", 4),
    ("INSERT INTO two VALUES (1, 2)", 3),
    ("INSERT INTO two SELECT a, b FROM plain", 6),
    ("INSERT INTO two VALUES (5, 6); INSERT INTO plain VALUES (5, 6)", 4),
    ("INSERT INTO fires VALUES (7)", 4),
    ("INSERT INTO two VALUES (8, 9) RETURNING a", 3),
    ("SELECT * FROM two", 0),
    ("CREATE TABLE IF NOT EXISTS plain (a, b)", 0),
    ("UPDATE plain SET a = 0", 3),
    ("DELETE FROM two", 6),
    ("DROP INDEX two_a; INSERT INTO two VALUES (1, 2)", 2),
    ("CREATE INDEX two_c ON two (a, b); INSERT INTO two VALUES (1, 2)", 3),
]


def test_B4_20_rows_written_counts_entries_of_indexes_too(lua):
    lua("""sql:exec [[CREATE TABLE plain (a, b); CREATE TABLE one (a PRIMARY KEY, b); CREATE TABLE two (a, b);
        CREATE INDEX two_a ON two (a); CREATE INDEX two_b ON two (b); CREATE TABLE fires (a);
        CREATE TRIGGER fire AFTER INSERT ON fires BEGIN INSERT INTO two VALUES (new.a, new.a); END]]""")
    for statement, written in WRITES:
        assert lua("local c = sql:exec(arg[1]) c:toArray() return c.rowsWritten", statement) == written, statement


# -- B4-21

def test_B4_21_exec_of_a_text_whose_cursor_is_open_disturbs_nobody(lua):
    assert lua("""local text = "SELECT 1 AS n UNION ALL SELECT 2 UNION ALL SELECT 3"
        local a, b = sql:exec(text), nil
        a:next()
        b = sql:exec(text)
        local out = { b:next().value.n, a:next().value.n, b:next().value.n, a:next().value.n, b:next().value.n }
        return { out, a:next().done, b:next().done, #sql:exec(text):toArray() }""") == [[1, 2, 2, 3, 3], True, True, 3]


def test_B4_21_a_prepared_statement_run_again_closes_its_older_cursor(lua):
    closed = ("SQL cursor was closed because the same statement was executed again. If you need to run multiple copies of the same "
              "statement concurrently, you must create multiple prepared statement objects.")
    assert lua("""local statement = sql:prepare "SELECT ? AS n UNION ALL SELECT 2"
        local first = statement(1)
        local one = first:next().value.n
        local second = statement(5)
        local ok, e = pcall(first.next, first)
        return { one, ok, e.message or e, #second:toArray(), statement(7):toArray() }""") == [
        1, False, "test:5: " + closed, 2, [{"n": 7}, {"n": 2}]]
    # A cursor read to its end is not disturbed; another statement of the same text is its own.
    assert lua("""local a, b = sql:prepare "SELECT 1 AS n", sql:prepare "SELECT 1 AS n"
        local done = a()
        done:toArray()
        a()
        local open = b()
        a()
        return { done:next().done, open:one().n }""") == [True, 1]
    with refused("test:1: Wrong number of parameter bindings for SQL query."):
        lua("sql:prepare('SELECT ?')()")


# -- B4-23

def test_B4_23_the_size_of_the_database(lua):
    sizes = lua("""local out = { sql.databaseSize }
        sql:exec "CREATE TABLE t (b)"
        out[2] = sql.databaseSize
        sql:exec "INSERT INTO t VALUES (zeroblob(1000000))"
        out[3] = sql.databaseSize
        sql:exec "DELETE FROM t"
        out[4] = sql.databaseSize
        return out""")
    empty, table, full, deleted = sizes
    assert empty % 4096 == 0 and 0 < table <= 8 * 4096 and full > 1000000 and deleted == table


# -- B4-24

def test_B4_24_columns_of_one_name(lua):
    assert lua("return sql:exec('SELECT 1 AS a, 2 AS a'):toArray()") == [{"a": 2}]
    assert lua("return sql:exec('SELECT 1 AS a, 2 AS a, NULL AS b'):raw():toArray()") == [[1, 2, None]]
    assert lua("return sql:exec('SELECT 1 AS a, 2 AS a').columnNames") == ["a", "a"]
    assert lua("return sql:exec('SELECT * FROM (SELECT 1 AS x, 2 AS y) JOIN (SELECT 3 AS x, 4 AS z)'):one()") == {"x": 3, "y": 2, "z": 4}


# -- B4-25 and all other types

ROUND = """
local r = sql:exec("SELECT ? AS v, typeof(?) AS t, length(CAST(? AS BLOB)) AS n", {0}, {0}, {0}):one()
return {{ type(r.v), tostring(r.v), r.t, r.n or -1, r.v == {0} }}
"""
TYPES = {  # what is bound: its type in Lua afterwards, as text, in SQL, bytes of it, equal
    "9223372036854775807LL": ["cdata", "9223372036854775807LL", "integer", 19, True],
    "(-9223372036854775807LL - 1LL)": ["cdata", "-9223372036854775808LL", "integer", 20, True],
    "9007199254740993LL": ["cdata", "9007199254740993LL", "integer", 16, True],
    "9007199254740993ULL": ["cdata", "9007199254740993LL", "integer", 16, True],
    "9007199254740992LL": ["number", "9.007199254741e+15", "integer", 16, True],
    "5LL": ["number", "5", "integer", 1, True],
    "2^53": ["number", "9.007199254741e+15", "integer", 16, True],
    "-2^53": ["number", "-9.007199254741e+15", "integer", 17, True],
    "2^60": ["number", "1.1529215046068e+18", "real", 20, True],
    "0.1": ["number", "0.1", "real", 3, True],
    "1e300": ["number", "1e+300", "real", 8, True],
    "math.huge": ["number", "inf", "real", 3, True],
    "(-math.huge)": ["number", "-inf", "real", 4, True],
    "(0 / 0)": ["nil", "nil", "null", -1, False],  # SQL has no NaN: NULL
    "nil": ["nil", "nil", "null", -1, True],
    "JSON.null": ["nil", "nil", "null", -1, False],
    "true": ["number", "1", "integer", 1, False],
    "false": ["number", "0", "integer", 1, False],
    '""': ["string", "", "text", 0, True],
    '"a\\0b"': ["string", "a\0b", "text", 3, True],
    '"\\0"': ["string", "\0", "text", 1, True],
    '"日本"': ["string", "日本", "text", 6, True],
    'Blob ""': ["string", "", "blob", 0, False],
    'Blob "a\\0b"': ["string", "a\0b", "blob", 3, False],
    "Date.new(0)": ["string", "1970-01-01T00:00:00.000Z", "text", 24, False],
    "Date.new(1767225599250)": ["string", "2025-12-31T23:59:59.250Z", "text", 24, False],
}


def test_B4_25_values_of_every_kind_go_in_and_come_out(lua):
    for text, expected in TYPES.items():
        assert lua(ROUND.format(text)) == expected, text
    for text, name in {"{}": "table", "print": "function", "{ 1 }": "table", "18446744073709551615ULL": "cdata"}.items():
        with refused(f"test:1: binding 2 is a {name}, which SQL has no type for: bind nil, a boolean, a number, an int64, a string, a Date or "
                     "Blob(bytes); a table goes as JSON.stringify(t)"):
            lua(f"sql:exec('SELECT ?, ?', 1, {text})")


def test_B4_25_values_stay_what_they_are_in_tables(lua):
    lua("sql:exec 'CREATE TABLE t (id INTEGER PRIMARY KEY, any, i INTEGER, r REAL, t TEXT, b BLOB)'")
    put = "sql:exec('INSERT OR REPLACE INTO t VALUES (1, ?1, ?1, ?1, ?1, ?1)', {})"
    kinds = ("local row = sql:exec('SELECT typeof(any) a, typeof(i) i, typeof(r) r, typeof(t) t, typeof(b) b FROM t'):one() "
             "return row.a .. ' ' .. row.i .. ' ' .. row.r .. ' ' .. row.t .. ' ' .. row.b")
    for text, types in {
        "5": "integer integer real text integer", "1.5": "real real real text real", "'7'": "text integer real text text",
        "'x'": "text text text text text", "Blob '7'": "blob blob blob blob blob", "''": "text text text text text",
        "9007199254740993LL": "integer integer real text integer", "true": "integer integer real text integer",
    }.items():
        lua(put.format(text))
        assert lua(kinds) == types, text
    # TEXT and BLOB of the same bytes are not the same; a key is found by what it was stored as.
    assert lua("""sql:exec "CREATE TABLE k (k PRIMARY KEY)" sql:exec("INSERT INTO k VALUES (?), (?)", "a", Blob "a")
        local n = "SELECT count(*) AS n FROM k WHERE k = ?"
        return { sql:exec("SELECT count(*) AS n FROM k"):one().n, sql:exec(n, "a"):one().n, sql:exec(n, Blob "a"):one().n }""") == [2, 1, 1]
    # Sums and counters beyond 2^53 stay exact.
    assert lua("""sql:exec "CREATE TABLE big (n INTEGER)" sql:exec("INSERT INTO big VALUES (?)", 9007199254740993LL)
        sql:exec "UPDATE big SET n = n + 2"
        return { tostring(sql:exec("SELECT n FROM big"):one().n), tostring(sql:exec("SELECT n FROM big"):raw():next().value[1]),
            sql:exec("SELECT count(*) AS c FROM big WHERE n = ?", 9007199254740995LL):one().c }
        """) == ["9007199254740995LL", "9007199254740995LL", 1]
    # SQLite's own date functions read a Date, and Date.new reads it back.
    assert lua("""local row = sql:exec("SELECT ? AS d, date(?) AS day, unixepoch(?) AS s", Date.new(1e12), Date.new(1e12), Date.new(1e12)):one()
        return { Date.new(row.d):getTime(), row.day, row.s }""") == [1000000000000, "2001-09-09", 1000000000]


# -- B4-39

@pytest.mark.limit(60)
def test_B4_39_a_result_that_does_not_fit_says_what_to_do(drey):
    lua = scratch(drey, limits={"memory": "16m"})
    many = "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 100000) SELECT i, 'a text of the row ' || i AS t FROM c"
    said = ("SQL query result set is too large to fit in memory. Use a streaming iterator (e.g. `for row in cursor` or `cursor:raw()`) "
            "or add a LIMIT clause instead of calling toArray() on a very large result set.")
    for way in "", ":raw()":
        for _ in range(2):
            with refused(said, "(limits memory, ") as seen:
                lua(f"return #sql:exec(arg[1]){way}:toArray()", many)
            assert not seen.error.get("durableObjectReset")
        assert lua(f"local n = 0 for _ in sql:exec(arg[1]){way} do n = n + 1 end return n", many) == 100000
        assert lua(f"return #sql:exec(arg[1] .. ' LIMIT 20000'){way}:toArray()", many) == 20000
    assert lua("s:put('k', 1) return s:get 'k'") == 1

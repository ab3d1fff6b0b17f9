"""No SQL reaches the hidden tables or another object's data, by any spelling: rows A5-15, B4-30, A12-19."""

import os
import re

import pytest

from drey import Drey
from kit import KIT, call, export

HIDDEN = KIT + """
local S = DurableObject:extend "S"
function S:plant()
	self.ctx.storage:put("sekret", "TOPSECRET")
	self.ctx.storage.sql:exec "CREATE TABLE t (a)"
end
-- Runs all; the last may be refused. { how many ran, was the last one refused, its rows or the error's text }
function S:attack(texts)
	for i = 1, #texts do
		local ok, rows = pcall(function() return self.ctx.storage.sql:exec(texts[i]):raw():toArray() end)
		if not ok then
			return { i, true, tostring(type(rows) == "table" and rows.message or rows) }
		elseif i == #texts then
			for _, row in ipairs(rows) do
				for k, v in ipairs(row) do row[k] = tostring(v) end
			end
			return { i, false, JSON.stringify(rows) }
		end
	end
end
function S:look()
	local found = {}
	for k, v in pairs(self.ctx.storage:list()) do found[k] = v end
	return { found, self.ctx.storage.sql:exec("SELECT group_concat(name) AS n FROM (SELECT name FROM sqlite_master WHERE substr(name, 1, 4) = '_cf_' ORDER BY name)"):one().n }
end
""" + export("S")

# -- what a refusal says: a text, or a function of the statement that gives it

RESERVED = (". \"%s\" is a reserved table name: names that begin with _cf_ belong to the server. "
            "Keys and values are read and written with ctx.storage:get(), put(), delete() and list()")
TRANSACTION = (
    "To execute a transaction, please use ctx.storage:transactionSync(fn) or ctx.storage:transaction(fn) instead of the SQL "
    "statements BEGIN TRANSACTION, COMMIT, ROLLBACK, SAVEPOINT and RELEASE. fn's writes are kept when it returns and undone "
    "when it raises an error; the server itself opens and commits the transaction around them")
ATTACHED = "not authorized: SQLITE_AUTH. ATTACH and DETACH are not available: an object has one database, its own"
VACUUM = ("cannot VACUUM from within a transaction: SQLITE_ERROR. VACUUM is not available: pages that were freed are used again, "
          "and ctx.storage:deleteAll() gives all of them back")
REBUILD = ". The index of a virtual table does not fit what it indexes; INSERT INTO f(f) VALUES ('rebuild') makes that of an FTS5 table f anew"


def reserved(name):
    return "not authorized: SQLITE_AUTH" + RESERVED % name


def column(name, table="_cf_KV"):
    return f"access to {table}.{name} is prohibited: SQLITE_AUTH" + RESERVED % table


def temporary(name):
    return (f'not authorized: SQLITE_AUTH. Temporary tables, indexes, views and triggers (here "{name}") are not available: '
            "use an ordinary table and drop it, or WITH ... AS (...)")


def word_after(pattern, text):
    return re.search(pattern + r"(\w+)", text).group(1)


def pragma(text):
    name = word_after(r"(?:PRAGMA (?:main\.)?|pragma_)", text)
    return (f"not authorized: SQLITE_AUTH. PRAGMA {name} is not available; table_info, foreign_keys, optimize and others that "
            "cannot harm the storage are")


def module(text):
    return (f"not authorized: SQLITE_AUTH. There is no virtual table module \"{word_after('USING ', text)}\" here; "
            "fts5, fts5vocab, rtree and rtree_i32 are")


def function(text):
    return f"not authorized to use function: {word_after('SELECT ', text)} at offset 7: SQLITE_ERROR"


def no_function(text):
    return f"no such function: {word_after('SELECT ', text)} at offset 7: SQLITE_ERROR"


def no_table(text):
    return f"no such table: {word_after('(?:FROM|UPDATE) ', text)}: SQLITE_ERROR"


# What is said, and to which SQL: one text, or several of which the last is refused.
REFUSED = {
    column("key"): [
        'SELECT key FROM _cf_KV', 'SELECT * FROM _cf_KV', 'SELECT max(key) FROM _cf_KV', 'SELECT * FROM "_cf_KV"',
        "SELECT * FROM '_cf_KV'", 'SELECT * FROM `_cf_KV`', 'SELECT * FROM [_cf_KV]', 'SELECT * FROM _CF_kv',
        'SELECT * FROM "_cF_Kv"', 'SELECT * FROM main._cf_KV', 'SELECT * FROM "main"."_cf_KV"',
        'SELECT * FROM MAIN.[_cf_KV]', 'SELECT * FROM/**/_cf_KV', 'SELECT * FROM -- x\n_cf_KV',
        'SELECT * FROM \ufeff_cf_KV', 'SELECT * FROM _cf_KV AS x', 'SELECT * FROM (_cf_KV)', 'SELECT * FROM t, _cf_KV',
        'SELECT * FROM t NATURAL JOIN _cf_KV', 'SELECT * FROM t LEFT JOIN _cf_KV ON true',
        'SELECT * FROM _cf_KV INDEXED BY sqlite_autoindex__cf_KV_1', 'SELECT * FROM _cf_KV NOT INDEXED',
        'SELECT key FROM _cf_KV UNION SELECT a FROM t', 'SELECT a FROM t WHERE a IN _cf_KV',
        'SELECT sum(a) OVER (ORDER BY (SELECT key FROM _cf_KV)) FROM t', 'WITH w AS (SELECT * FROM _cf_KV) SELECT * FROM w',
        'WITH w AS MATERIALIZED (SELECT * FROM main._cf_KV) SELECT * FROM w',
        'WITH RECURSIVE w(k) AS (SELECT key FROM _cf_KV UNION SELECT k FROM w) SELECT * FROM w',
        'WITH _cf_KV AS (SELECT * FROM main._cf_KV) SELECT * FROM _cf_KV', 'EXPLAIN SELECT * FROM _cf_KV',
        'EXPLAIN QUERY PLAN SELECT * FROM _cf_KV', 'CREATE TABLE c AS SELECT * FROM _cf_KV',
        ('CREATE VIEW v AS SELECT * FROM _cf_KV', 'SELECT * FROM v'),
        ('CREATE VIEW v AS SELECT * FROM _cf_KV', 'SELECT count(*) FROM v'),
        ("CREATE VIRTUAL TABLE f USING fts5(value, content = [_cf_KV], content_rowid = 'key')",
         "SELECT value FROM f WHERE rowid = 'sekret'"),
        'SELECT group_concat(key) FROM _cf_KV', 'INSERT INTO t VALUES (1) RETURNING (SELECT key FROM _cf_KV)',
        "SELECT * FROM _cf_KV -- it's fine", 'SELECT 1; SELECT 2; SELECT * FROM _cf_KV',
        'SELECT * FROM t WHERE EXISTS (SELECT * FROM _cf_KV)',
        'SELECT (WITH _cf_KV AS (SELECT * FROM main._cf_KV) SELECT value FROM _cf_KV)',
        "SELECT * FROM _cf_kv WHERE key GLOB 's*'",
    ],
    reserved("_cf_KV"): [
        'SELECT count(*) FROM _cf_KV', 'SELECT 1 FROM _cf_KV', 'SELECT EXISTS (SELECT 1 FROM _cf_KV)',
        "INSERT INTO _cf_KV VALUES ('x', 'y')", "REPLACE INTO _cf_KV VALUES ('sekret', 'y')",
        'INSERT INTO _cf_KV DEFAULT VALUES',
        "INSERT INTO _cf_KV VALUES ('sekret', 'y') ON CONFLICT (key) DO UPDATE SET value = 'z'",
        "INSERT INTO _cf_KV VALUES ('sekret', 'y') ON CONFLICT DO NOTHING RETURNING value", "UPDATE _cf_KV SET value = 'y'",
        "UPDATE OR REPLACE _cf_KV SET key = 'sekret'", 'UPDATE _cf_KV SET value = t.a FROM t',
        "UPDATE _cf_KV SET value = 'y' RETURNING *", 'DELETE FROM _cf_KV', 'DELETE FROM _cf_KV RETURNING value',
        'DELETE FROM _cf_KV LIMIT 1', 'DROP TABLE _cf_KV', 'DROP TABLE IF EXISTS _cf_KV',
        'CREATE INDEX i ON _cf_KV (value)', 'CREATE UNIQUE INDEX main.i ON _cf_KV (value)',
        'CREATE TRIGGER tr AFTER INSERT ON _cf_KV BEGIN INSERT INTO t VALUES (new.value); END',
        ('CREATE TRIGGER tr AFTER INSERT ON t BEGIN DELETE FROM _cf_KV; END', 'INSERT INTO t VALUES (1)'),
        ('CREATE TRIGGER tr AFTER INSERT ON t WHEN (SELECT 1 FROM _cf_KV) BEGIN SELECT 1; END', 'INSERT INTO t VALUES (1)'),
        ('CREATE VIEW v AS SELECT * FROM _cf_KV',
         'CREATE TRIGGER vt INSTEAD OF INSERT ON v BEGIN INSERT INTO _cf_KV VALUES (new.key, new.value); END',
         "INSERT INTO v VALUES ('x', 'y')"),
        'CREATE TABLE child (k TEXT REFERENCES _cf_KV (key) ON DELETE CASCADE)',
        'CREATE TABLE child (k TEXT REFERENCES _cf_KV (key))',
        ('PRAGMA foreign_keys = off',
         "CREATE TABLE child (k TEXT REFERENCES _cf_KV (key)); INSERT INTO child VALUES ('sekret'), ('other')"),
        'ALTER TABLE _cf_KV RENAME TO mine', 'ALTER TABLE "_cf_KV" RENAME TO mine',
        'ALTER TABLE _cf_KV RENAME COLUMN value TO v', 'ALTER TABLE _cf_KV ADD COLUMN x DEFAULT 1',
        'ALTER TABLE _cf_KV DROP COLUMN value', 'CREATE TABLE IF NOT EXISTS _cf_KV (key)', 'PRAGMA table_info(_cf_KV)',
        'PRAGMA table_xinfo("_cf_KV")', 'PRAGMA index_list([_cf_KV])', 'PRAGMA foreign_key_list(_cf_KV)',
        'PRAGMA foreign_key_check(_cf_KV)', 'PRAGMA quick_check(_cf_KV)', 'PRAGMA table_list(_cf_KV)',
        "SELECT * FROM pragma_table_info('_cf_KV')", "SELECT * FROM pragma_table_info('_cf_' || 'KV')",
        "SELECT p.name FROM sqlite_master m, pragma_table_info(m.name) p WHERE m.name <> '_cf_METADATA'",
        'SELECT * FROM pragma_index_list(char(95, 99, 102, 95, 75, 86))', "SELECT * FROM pragma_quick_check('_cf_KV')",
        "SELECT * FROM pragma_foreign_key_check('_cf_KV')", 'SELECT last_insert_rowid() FROM _cf_KV',
        "SELECT name FROM pragma_table_info WHERE arg = '_cf_KV'", 'CREATE TABLE child (k TEXT REFERENCES _cf_KV (key))',
        'ALTER TABLE t ADD COLUMN k REFERENCES [_cf_KV]', "DELETE FROM main.'_cf_KV' WHERE true",
        'WITH w(v) AS (VALUES (1)) UPDATE _cf_KV SET value = (SELECT v FROM w)',
        'SELECT CASE WHEN (SELECT count(*) FROM _cf_KV) THEN 1 END', 'EXPLAIN DELETE FROM _cf_KV',
        'EXPLAIN DROP TABLE _cf_KV',
    ],
    'no such column: rowid at offset 7: SQLITE_ERROR': [
        'SELECT rowid FROM _cf_KV',
    ],
    column("key", "_cf_METADATA"): [
        'SELECT * FROM _cf_METADATA',
    ],
    column("value"): [
        'UPDATE t SET a = value FROM _cf_KV', 'SELECT x.value FROM _cf_KV x', 'VALUES ((SELECT value FROM _cf_KV))',
        'SELECT a FROM t ORDER BY (SELECT value FROM _cf_KV)', 'SELECT a FROM t LIMIT (SELECT length(value) FROM _cf_KV)',
        'INSERT INTO t SELECT value FROM _cf_KV',
        ('CREATE TRIGGER tr AFTER INSERT ON t BEGIN UPDATE t SET a = (SELECT value FROM _cf_KV); END',
         'INSERT INTO t VALUES (1)'),
        ('CREATE VIRTUAL TABLE r USING rtree(id, a, b, +x)', 'INSERT INTO r SELECT 1, 0, 1, value FROM _cf_KV'),
        'SELECT json_group_object(key, value) FROM _cf_KV', 'SELECT * FROM json_each((SELECT value FROM _cf_KV))',
        'SELECT json_each.value FROM _cf_KV, json_each(_cf_KV.value)',
        'SELECT * FROM t WHERE a MATCH (SELECT value FROM _cf_KV)',
        'SELECT coalesce(NULL, (SELECT quote(value) FROM _cf_KV))',
        'UPDATE t SET a = 1 RETURNING (SELECT value FROM _cf_KV)', 'SELECT quote(value) FROM _cf_KV ORDER BY 1',
        'SELECT value FROM _cf_KV WHERE key = ?1',
    ],
    'no such table: temp._cf_KV: SQLITE_ERROR': [
        'SELECT * FROM temp._cf_KV',
    ],
    no_table: [
        'SELECT * FROM _cf_/**/KV', 'SELECT data FROM sqlite_dbpage',
        'UPDATE sqlite_dbpage SET data = zeroblob(4096) WHERE pgno = 2', 'SELECT * FROM dbstat',
        "SELECT * FROM dbstat('main')", 'SELECT sql FROM sqlite_stmt', "SELECT * FROM bytecode('SELECT 1')",
        "SELECT * FROM tables_used('SELECT 1')", "SELECT * FROM fts3tokenize('simple', 'x')", "SELECT * FROM fsdir('/')",
    ],
    'near "&": syntax error at offset 15: SQLITE_ERROR': [
        "SELECT * FROM U&'\\005fcf_KV'",
    ],
    "no such table: \uff3fcf_KV: SQLITE_ERROR": [
        'SELECT * FROM \uff3fcf_KV',
    ],
    'near "TABLE": syntax error at offset 0: SQLITE_ERROR': [
        'TABLE _cf_KV',
    ],
    reserved("_cf_i"): [
        'CREATE INDEX _cf_i ON t (a)',
    ],
    'index associated with UNIQUE or PRIMARY KEY constraint cannot be dropped: SQLITE_ERROR': [
        'DROP INDEX sqlite_autoindex__cf_KV_1',
    ],
    reserved("_cf_tr"): [
        'CREATE TRIGGER _cf_tr AFTER INSERT ON t BEGIN SELECT 1; END',
    ],
    reserved("_cf_KV2"): [
        'CREATE VIEW _cf_KV2 AS SELECT 1',
    ],
    reserved("_cf_v"): [
        'CREATE VIEW main._cf_v AS SELECT 1',
    ],
    'subqueries prohibited in generated columns: SQLITE_ERROR': [
        'CREATE TABLE g (a, b AS ((SELECT value FROM _cf_KV)))',
    ],
    'subqueries prohibited in CHECK constraints at offset 25: SQLITE_ERROR': [
        'CREATE TABLE g (a CHECK (a IN (SELECT key FROM _cf_KV)))',
    ],
    'near "SELECT": syntax error at offset 27: SQLITE_ERROR': [
        'CREATE TABLE g (a DEFAULT (SELECT value FROM _cf_KV))',
    ],
    'subqueries prohibited in index expressions: SQLITE_ERROR': [
        'CREATE INDEX i ON t ((SELECT value FROM _cf_KV))',
    ],
    'subqueries prohibited in partial index WHERE clauses at offset 30: SQLITE_ERROR': [
        'CREATE INDEX i ON t (a) WHERE a IN (SELECT key FROM _cf_KV)',
    ],
    reserved("_cf_x"): [
        'ALTER TABLE t RENAME TO _cf_x', 'CREATE TABLE _cf_x (a)', 'CREATE TABLE main.`_cf_x` (a)',
    ],
    reserved("_CF_x"): [
        'ALTER TABLE t RENAME TO "_CF_x"',
    ],
    'there is already another table or index with this name: _cf_KV: SQLITE_ERROR': [
        'ALTER TABLE t RENAME /* to */ TO [_cf_KV]',
    ],
    'no such column: T.rowid: SQLITE_ERROR': [
        ("CREATE VIRTUAL TABLE f USING fts5(key, value, content = '_cf_KV')", 'SELECT * FROM f'),
    ],
    'SQL logic error: SQLITE_ERROR': [
        ('CREATE VIRTUAL TABLE f USING fts5(key, value, content = "_cf_KV")', "INSERT INTO f (f) VALUES ('rebuild')"),
    ],
    'database disk image is malformed: SQLITE_CORRUPT (extended: SQLITE_CORRUPT_VTAB)' + REBUILD: [
        ("CREATE VIRTUAL TABLE f USING fts5(value, content = '_cf_KV')",
         "INSERT INTO f (f, rowid, value) VALUES ('delete', 1, 'x')"),
    ],
    'no such fts5 table: main._cf_KV: SQLITE_ERROR': [
        ("CREATE VIRTUAL TABLE w USING fts5vocab('_cf_KV', 'row')", 'SELECT * FROM w'),
    ],
    'wrong number of vtable arguments: SQLITE_ERROR': [
        "CREATE VIRTUAL TABLE w USING fts5vocab('main', '_cf_KV', 'row')",
    ],
    reserved("_cf_f"): [
        'CREATE VIRTUAL TABLE _cf_f USING fts5(a)',
    ],
    "fts5: error creating shadow table _cf_data: " + reserved("_cf_data"): [
        'CREATE VIRTUAL TABLE _cf USING fts5(a)',
    ],
    reserved("_cf_rowid"): [
        'CREATE VIRTUAL TABLE _cf USING rtree(id, a, b)',
    ],
    temporary("f"): [
        'CREATE VIRTUAL TABLE temp.f USING fts5(a)',
    ],
    "authorization denied: SQLITE_AUTH" + RESERVED % "_cf_KV": [
        ('CREATE VIRTUAL TABLE r USING rtree(id, a, b, +x)', "SELECT rtreecheck('main', '_cf_KV')"),
        "SELECT rtreecheck('_cf_KV')",
    ],
    reserved("_cf"): [
        ('CREATE VIRTUAL TABLE r USING rtree(id, a, b)', 'ALTER TABLE r RENAME TO _cf'),
    ],
    'table r_node may not be modified: SQLITE_ERROR': [
        ('CREATE VIRTUAL TABLE r USING rtree(id, a, b)', 'UPDATE r_node SET data = (SELECT value FROM _cf_KV)'),
        ('CREATE VIRTUAL TABLE r USING rtree(id, a, b)', "UPDATE r_node SET data = x'00'"),
    ],
    module: [
        "CREATE VIRTUAL TABLE f USING fts4(content = '_cf_KV')", 'CREATE VIRTUAL TABLE f USING fts3(a)',
        'CREATE VIRTUAL TABLE d USING dbstat(main)', 'CREATE VIRTUAL TABLE d USING sqlite_dbpage',
        'CREATE VIRTUAL TABLE s USING sqlite_stmt', "CREATE VIRTUAL TABLE c USING csv(filename = '/etc/passwd')",
    ],
    'table sqlite_master may not be modified: SQLITE_ERROR': [
        "UPDATE sqlite_master SET name = 'mine' WHERE name = '_cf_KV'", "UPDATE sqlite_schema SET sql = 'x'",
        'DELETE FROM sqlite_master',
        "INSERT INTO sqlite_schema VALUES ('table', 'mine', 'mine', 2, 'CREATE TABLE mine (k, v)')",
        'UPDATE main.sqlite_master SET rootpage = 2',
    ],
    'object name reserved for internal use: sqlite_x: SQLITE_ERROR': [
        'CREATE TABLE sqlite_x (a)',
    ],
    'cannot create trigger on system table: SQLITE_ERROR': [
        'CREATE TRIGGER tr AFTER INSERT ON sqlite_master BEGIN SELECT 1; END',
    ],
    'table sqlite_master may not be indexed: SQLITE_ERROR': [
        'CREATE INDEX i ON sqlite_master (sql)',
    ],
    'table sqlite_master may not be dropped: SQLITE_ERROR': [
        'DROP TABLE sqlite_master',
    ],
    reserved("_CF_KV"): [
        "PRAGMA main.table_info('_CF_KV')",
    ],
    reserved("sqlite_autoindex__cf_KV_1"): [
        'PRAGMA index_info(sqlite_autoindex__cf_KV_1)', "SELECT * FROM pragma_index_info('sqlite_autoindex__cf_KV_1')",
    ],
    pragma: [
        'PRAGMA writable_schema = on', 'PRAGMA main.writable_schema(1)', 'SELECT * FROM pragma_writable_schema',
        'PRAGMA schema_version = 7', 'PRAGMA journal_mode = off', 'PRAGMA journal_mode', 'PRAGMA wal_checkpoint',
        'PRAGMA integrity_check', 'PRAGMA database_list', 'SELECT file FROM pragma_database_list', "PRAGMA key = 'x'",
        "PRAGMA temp_store_directory = '/tmp'", "PRAGMA data_store_directory = '/tmp'", 'PRAGMA mmap_size = 1',
        'PRAGMA trusted_schema = off', 'PRAGMA cell_size_check = off', "PRAGMA lock_proxy_file = 'x'",
        'PRAGMA incremental_vacuum', 'PRAGMA auto_vacuum = 1', "PRAGMA encoding = 'UTF-16'", 'PRAGMA function_list',
        'PRAGMA module_list', 'PRAGMA pragma_list', 'PRAGMA compile_options', 'PRAGMA collation_list',
        'PRAGMA application_id = 1', 'PRAGMA query_only = on', 'PRAGMA locking_mode = normal', 'PRAGMA page_count',
        'PRAGMA max_page_count = 2', 'PRAGMA shrink_memory', 'PRAGMA soft_heap_limit = 1', 'PRAGMA hard_heap_limit = 1',
        'PRAGMA secure_delete = off', 'PRAGMA vdbe_trace = on', 'PRAGMA stats', 'SELECT * FROM pragma_module_list',
    ],
    ATTACHED: [
        "ATTACH 'other.sqlite' AS o", "ATTACH DATABASE 'file:other.sqlite?mode=ro' AS o", "ATTACH ':memory:' AS o",
        "ATTACH '' AS o", 'DETACH main', 'DETACH DATABASE temp',
    ],
    VACUUM: [
        'VACUUM', 'VACUUM main', "VACUUM INTO 'stolen.sqlite'", "VACUUM main INTO 'file:stolen.sqlite?vfs=unix'",
    ],
    'no such table: other.t: SQLITE_ERROR': [
        'SELECT * FROM other.t',
    ],
    'no such table: file:other.sqlite.t: SQLITE_ERROR': [
        "SELECT * FROM 'file:other.sqlite'.t",
    ],
    function: [
        "SELECT load_extension('libm.so.6')", "SELECT load_extension('libm.so.6', 'f')", "SELECT fts3_tokenizer('simple')",
        "SELECT fts3_tokenizer('x', x'0102030405060708')", "SELECT fts5(x'00')", 'SELECT sqlite_compileoption_get(0)',
        'SELECT sqlite_source_id()',
    ],
    no_function: [
        "SELECT readfile('/etc/passwd')", "SELECT writefile('stolen', 'x')", "SELECT edit('x')", 'SELECT lsmode(1)',
        "SELECT sqlite_rename_table('main', 'table', 't', '', 't', '_cf_x', 0)", 'SELECT sqlite_offset(a) FROM t',
        "SELECT zipfile('x', 'y')",
    ],
    temporary("x"): [
        'CREATE TEMP TABLE x (a)', 'CREATE TEMPORARY TABLE x AS SELECT * FROM _cf_KV', 'CREATE TABLE temp.x (a)',
        'CREATE TEMP VIEW x AS SELECT * FROM _cf_KV', 'CREATE VIEW temp.x AS SELECT 1',
        'CREATE TEMP TRIGGER x AFTER INSERT ON _cf_KV BEGIN INSERT INTO t VALUES (new.value); END',
        'CREATE TEMP TRIGGER x AFTER UPDATE ON main.t BEGIN SELECT 1; END',
    ],
    temporary("_cf_KV"): [
        'CREATE TABLE temp._cf_KV (key, value)',
    ],
    'cannot create a TEMP index on non-TEMP table "t": SQLITE_ERROR': [
        'CREATE INDEX temp.i ON t (a)',
    ],
    TRANSACTION: [
        'BEGIN', 'COMMIT', 'ROLLBACK', 'END', 'SAVEPOINT _cf_savepoint', 'ROLLBACK TO _cf_savepoint',
        'RELEASE _cf_savepoint', 'SELECT 1; COMMIT',
    ],
    'no such column: _cf_KV at offset 14: SQLITE_ERROR': [
        'SELECT typeof(_cf_KV) FROM _cf_KV',
    ],
    reserved("SQLITE_AUTOINDEX__CF_KV_1"): [
        "PRAGMA index_xinfo('SQLITE_AUTOINDEX__CF_KV_1')",
    ],
    reserved("_CF_kv"): [
        'CREATE TABLE child (k, FOREIGN KEY (k) REFERENCES "_CF_kv" ON DELETE CASCADE)',
    ],
}

# Allowed, and so harmless that it may be: what it gives.
HARMLESS = [
    ("WITH _cf_KV AS (SELECT 1 AS key) SELECT * FROM _cf_KV", '[["1"]]'),  # a name of the statement's own
    ("SELECT * FROM sqlite_temp_master", "[]"),
    # As in the original, the names of the tables and how much they hold are no secret.
    ("SELECT type, name FROM sqlite_master WHERE name = '_cf_KV'", '[["table","_cf_KV"]]'),
    ("ANALYZE; SELECT stat FROM sqlite_stat1 WHERE tbl = '_cf_KV'", '[["1 1"]]'),
    ("ANALYZE _cf_KV", "[]"),
    ("REINDEX _cf_KV", "[]"),
    ("ANALYZE; UPDATE sqlite_stat1 SET tbl = '_cf_KV'", "[]"),
    # An index without content of its own has nothing to show.
    ("CREATE VIRTUAL TABLE f USING fts5(value, content = '_cf_KV'); SELECT highlight(f, 0, '', '') FROM f('x')", "[]"),
]

CASES = [(said, texts if isinstance(texts, tuple) else (texts,)) for said, group in REFUSED.items() for texts in group]


@pytest.fixture(scope="module")
def hidden():
    d = Drey(HIDDEN, bindings={"S": "S"}, worker_threads=1)
    d.start()
    yield d
    d.close()


def attack(d, name, texts):
    call(d, "S", name, "plant")
    ran, was_refused, said = call(d, "S", name, "attack", texts)
    assert "TOPSECRET" not in said
    # Unread, unchanged, and nothing beside them.
    assert call(d, "S", name, "look") == [{"sekret": "TOPSECRET"}, "_cf_KV,_cf_METADATA"]
    return ran, was_refused, re.sub(r"^worker\.lua:\d+: ", "", said)


@pytest.mark.limit(60)
def test_A5_15_the_hidden_tables_are_out_of_reach_by_any_spelling(hidden):
    assert len(CASES) > 250
    for i, (said, texts) in enumerate(CASES):
        expected = said(texts[-1]) if callable(said) else said
        assert attack(hidden, f"refused {i}", texts) == (len(texts), True, expected), texts
    for i, (text, rows) in enumerate(HARMLESS):
        assert attack(hidden, f"harmless {i}", [text]) == (1, False, rows), text


def test_A12_19_transaction_statements_name_the_functions_to_use(hidden):
    for i, text in enumerate(REFUSED[TRANSACTION] + ["begin immediate", "/**/ Commit;", "ROLLBACK TRANSACTION TO x", "END TRANSACTION"]):
        assert attack(hidden, f"transaction {i}", [text]) == (1, True, TRANSACTION)


def test_B4_30_nothing_was_left_on_disk_and_all_is_whole(hidden):
    d = hidden
    for i, said in enumerate((ATTACHED, VACUUM, function, no_function)):
        for k, text in enumerate(REFUSED[said]):
            assert attack(d, f"file {i} {k}", [text]) == (1, True, said(text) if callable(said) else said)
    d.stop()
    try:
        for object_id in d.databases("S"):
            assert d.sql("S", object_id, "PRAGMA integrity_check") == [("ok",)]
            assert d.sql("S", object_id, "SELECT key, CAST(substr(value, -9) AS TEXT) FROM _cf_KV") == [("sekret", "TOPSECRET")]
        found = [name for _, folders, names in os.walk(d.home) for name in names if "stolen" in name or "other" in name]
        assert found == []
    finally:
        d.start()

"""What SQL and keys may be: rows A12-11, B4-02, B4-26 to B4-33."""

import os

import pytest

from kit import KIT, call, export, refused

LIMITS = KIT + """
local S = DurableObject:extend "S"
function S:constructor(ctx, env) self:super(ctx, env); self.kv, self.sql = ctx.storage, ctx.storage.sql end
function S:rows(query, ...) return self.sql:exec(query, ...):toArray() end
function S:values(query, ...)
	local out = JSON.array {}
	for row in self.sql:exec(query, ...):raw() do out[#out + 1] = row[1] end
	return out
end
function S:bind(n)		-- as many parameters
	local marks, values = {}, {}
	for i = 1, n do marks[i], values[i] = "?", i end
	return self.sql:exec("SELECT count(*) AS n FROM (VALUES (" .. table.concat(marks, "), (") .. "))", unpack(values)):one().n
end
function S:keys(n)
	local keys, values = {}, {}
	for i = 1, n do keys[i] = "k" .. i; values[keys[i]] = i end
	self.kv:put(values)
	return { self.kv:get(keys).size, self.kv:delete(keys) }
end
function S:several(verb, n)
	local keys = {}
	for i = 1, n do keys[i] = "k" .. i end
	return self.kv[verb](self.kv, keys) ~= nil
end
function S:value(n)		-- a text; its encoding has some bytes more
	self.kv:put("big", ("x"):rep(n))
	return #self.kv:get "big"
end
function S:fill(key)	-- a hundred kilobytes
	self.kv:put(key, ("x"):rep(100000))
	return "stored"
end
function S:caught(key)
	self.kv:put("before", 1)
	pcall(self.fill, self, key)
	return "as if nothing had happened"
end
function S:has(key) return self.kv:get(key) ~= nil end
function S:drop(key) return self.kv:delete(key) end
""" + export("S")


def server(drey, **more):
    d = drey(LIMITS, bindings={"S": "S"}, **more)

    def run(method, *args):
        return call(d, "S", "a", method, *args)

    run.server = d
    return run


@pytest.fixture
def s(drey):
    return server(drey)


@pytest.fixture
def cloudflare(drey):
    return server(drey, app_conf={"profile": "cloudflare"})


def line_of(s, text):
    """Where it stands, as errors say it."""
    lines = s.server.conf().split("\n")
    (n,) = [i for i, line in enumerate(lines, 1) if line.strip().startswith(text)]
    return f"{s.server.conf_path}:{n}"


# -- A12-11

def test_A12_11_what_exceeds_the_storage_is_undone_and_the_rest_works(drey):
    s = server(drey, limits={"storage": "1m"})
    full = (f"state limit exceeded: object a uses 1.0 MB of 1 MB (limits storage, {line_of(s, 'storage 1m')}); "
            "delete rows or raise the limit")
    stored = 0
    with refused(full):
        while stored < 20:
            s("fill", f"k{stored}")
            stored += 1
    assert 5 <= stored < 11
    # Caught or not: SQLite undid all of the event, so its caller must hear of it.
    with refused(full):
        s("caught", "more")
    assert s("has", "before") is False and s("has", f"k{stored}") is False
    assert s("has", "k0") is True
    s.server.kill9()
    s.server.start()
    with refused(full):
        s("fill", "more")
    assert s("drop", "k0") is True
    assert s("fill", "more") == "stored"
    with refused("state limit exceeded"):
        s("rows", "CREATE TABLE t AS SELECT zeroblob(500000)")
    assert s("values", "SELECT count(*) FROM sqlite_master WHERE name = 't'") == [0]


# -- B4-02

def test_B4_02_128_keys_pass_and_129_do_not(s):
    assert s("keys", 128) == [128, 128]
    text = "Maximum number of key value pairs is 128. 129 pairs were provided."
    with refused(text, "limits kv_batch"):
        s("keys", 129)
    for verb in "get", "delete":
        assert s("several", verb, 128)
        with refused(text):
            s("several", verb, 129)


def test_B4_02_the_number_is_a_directive(drey):
    s = server(drey, limits={"kv_batch": "3"})
    assert s("keys", 3) == [3, 3]
    with refused("is 3. 4 pairs"):
        s("keys", 4)


# -- B4-26 to B4-29

def test_B4_26_full_text_search(s):
    s("rows", """CREATE VIRTUAL TABLE f USING fts5(title, body, tokenize = 'porter unicode61');
        CREATE VIRTUAL TABLE words USING fts5vocab('f', 'row');
        INSERT INTO f VALUES ('first', 'the quick brown fox'), ('second', 'foxes run and run'), ('third', 'a lazy dog')""")
    assert s("values", "SELECT title FROM f WHERE f MATCH 'run' ORDER BY rank") == ["second"]
    assert s("values", "SELECT title FROM f WHERE f MATCH 'fox' ORDER BY title") == ["first", "second"]
    assert s("values", "SELECT highlight(f, 1, '[', ']') FROM f WHERE f MATCH 'lazy'") == ["a [lazy] dog"]
    assert s("values", "SELECT snippet(f, 1, '<', '>', '..', 2) FROM f WHERE f MATCH 'brown'") == ["..<brown> fox"]
    (score,) = s("values", "SELECT bm25(f) FROM f WHERE f MATCH 'dog'")
    assert score < 0
    assert s("values", "SELECT cnt FROM words WHERE term = 'run'") == [2]


def test_B4_27_json(s):
    s("rows", "CREATE TABLE t (doc)")
    s("rows", "INSERT INTO t VALUES (?)", '{"a": {"b": [1, "two", null]}}')
    assert s("values", "SELECT doc->>'$.a.b[1]' FROM t") == ["two"]
    assert s("values", "SELECT doc->'$.a' FROM t") == ['{"b":[1,"two",null]}']
    assert s("values", "SELECT json_extract(doc, '$.a.b[0]') FROM t") == [1]
    assert s("values", "SELECT type FROM t, json_each(doc, '$.a.b')") == ["integer", "text", "null"]
    assert s("values", "SELECT json_set(doc, '$.c', json('[]')) FROM t") == ['{"a":{"b":[1,"two",null]},"c":[]}']
    assert s("values", "SELECT json_group_array(value) FROM t, json_each(doc, '$.a.b')") == ['[1,"two",null]']


def test_B4_28_mathematics(s):
    assert s("values", "SELECT pow(2, 10)") == [1024]
    assert s("values", "SELECT round(sqrt(2), 6)") == [1.414214]
    assert s("values", "SELECT ceil(ln(exp(2.5)))") == [3]
    assert s("values", "SELECT round(degrees(pi()))") == [180]


def test_B4_29_r_tree(s):
    s("rows", """CREATE VIRTUAL TABLE z USING rtree(id, x0, x1, y0, y1, +name);
        INSERT INTO z VALUES (1, 0, 10, 0, 10, 'near'), (2, 50, 60, 50, 60, 'far');
        CREATE VIRTUAL TABLE i USING rtree_i32(id, a, b);
        INSERT INTO i VALUES (7, 1, 2)""")
    assert s("values", "SELECT name FROM z WHERE x0 <= ? AND x1 >= ? AND y0 <= ? AND y1 >= ?", 5, 5, 5, 5) == ["near"]
    assert s("values", "SELECT id FROM i WHERE a <= 2 AND b >= 2") == [7]
    assert s("values", "SELECT rtreecheck('z')") == ["ok"]


# -- B4-30, B4-31

def test_B4_30_files_and_other_databases_are_out_of_reach(s):
    path = f"{s.server.home}/stolen"
    with refused("not authorized", "ATTACH and DETACH are not available"):
        s("rows", f"ATTACH '{path}' AS other")
    with refused("VACUUM"):
        s("rows", f"VACUUM INTO '{path}'")
    for function in "load_extension('libm.so')", f"writefile('{path}', 'x')", "readfile('/etc/passwd')", "edit('x')":
        with refused(function.split("(")[0]):
            s("rows", f"SELECT {function}")
    assert not os.path.exists(path)
    assert s("values", "SELECT 1") == [1]


ALLOWED = """data_version page_size case_sensitive_like=1 foreign_keys foreign_keys=0 defer_foreign_keys=1
    ignore_check_constraints=0 legacy_alter_table=0 recursive_triggers=1 reverse_unordered_selects=0 foreign_key_check
    foreign_key_list(t) index_info(i) index_list(t) index_xinfo(i) quick_check optimize table_list table_info(t)
    table_xinfo(t) user_version user_version=3""".split()
REFUSED = """journal_mode journal_mode=DELETE synchronous=OFF writable_schema=1 page_size=512 locking_mode=NORMAL
    max_page_count=1 temp_store_directory='/' trusted_schema=1""".split()


def test_B4_31_pragmas_by_name(s):
    s("rows", "CREATE TABLE t (a INTEGER PRIMARY KEY, b); CREATE INDEX i ON t (b)")
    for pragma in ALLOWED:
        s("rows", f"PRAGMA {pragma}")
    for pragma in REFUSED:
        with refused("not authorized", f"PRAGMA {pragma.split('=')[0]}"):
            s("rows", f"PRAGMA {pragma}")
    assert s("rows", "PRAGMA page_size") == [{"page_size": 4096}]
    assert s("rows", "PRAGMA user_version") == [{"user_version": 3}]
    s.server.kill9()
    s.server.start()
    assert s("rows", "PRAGMA user_version") == [{"user_version": 3}]
    assert [c["name"] for c in s("rows", "PRAGMA table_info(t)")] == ["a", "b"]


# -- B4-32

def one_each(n, text=", "):
    return text.join(["1"] * n)


# (directive, what passes under the profile, what does not, SQLite's words)
HITS = [
    ("columns", "SELECT " + one_each(100), "SELECT " + one_each(101), "too many columns in result set"),
    ("expr_depth", "SELECT " + one_each(99, " + "), "SELECT " + one_each(102, " + "), "Expression tree is too large (maximum depth 100)"),
    ("compound_select", " UNION ".join(["SELECT 1"] * 5), " UNION ".join(["SELECT 1"] * 6), "too many terms in compound SELECT"),
    ("like_pattern", f"SELECT 'x' LIKE '{'y' * 50}'", f"SELECT 'x' LIKE '{'y' * 51}'", "LIKE or GLOB pattern too complex"),
    ("statement", "SELECT 1 /*" + "x" * 99900 + "*/", "SELECT 1 /*" + "x" * 100000 + "*/", "statement too long"),
    ("length", "SELECT length(zeroblob(4194304))", "SELECT hex(zeroblob(4194305))", "string or blob too big"),
    ("trigger_depth", "INSERT INTO deep VALUES (9)", "INSERT INTO deep VALUES (20)", "too many levels of trigger recursion"),
]


def make_deep(s):
    s("rows", """CREATE TABLE deep (n);
        CREATE TRIGGER d AFTER INSERT ON deep WHEN new.n > 1 BEGIN INSERT INTO deep VALUES (new.n - 1); END""")
    s("rows", "PRAGMA recursive_triggers = on")


def test_B4_32_the_profile_has_the_original_limits(cloudflare):
    s = cloudflare
    where = line_of(s, "profile cloudflare")
    assert s("bind", 100) == 100
    with refused("too many SQL variables", f"(sql_limits params, {where})"):
        s("bind", 101)
    make_deep(s)
    for directive, good, bad, words in HITS:
        s("rows", good)
        with refused(words, f"(sql_limits {directive}, {where})"):
            s("rows", bad)


def test_B4_32_a_statement_of_too_many_instructions_resets_the_object(cloudflare):
    s = cloudflare
    s("rows", "CREATE TABLE m (n)")
    with refused("out of memory: SQLITE_NOMEM"):
        s("rows", "INSERT INTO m VALUES " + one_each(20000, "),(").join("()"))
    assert s("values", "SELECT count(*) FROM m") == [0]


def test_B4_32_the_numbers_of_the_profile_are_printed(cloudflare):
    printed = " ".join(cloudflare.server.run("-T").stdout.split())
    for line in "profile cloudflare;", "params 100;", "statement 100000;", "like_pattern 50;", "memory 128m;", "queue 1000;":
        assert f" {line} " in printed


def test_B4_32_the_defaults_are_generous(s):
    assert s("bind", 5000) == 5000
    make_deep(s)
    for _, good, bad, _ in HITS:
        s("rows", good)
        s("rows", bad)


def test_B4_32_a_directive_wins_over_the_profile_and_is_named(drey):
    s = server(drey, app_conf={"sql_limits": {"params": "300", "columns": "20"}, "profile": "cloudflare"})
    assert s("bind", 300) == 300
    with refused("too many SQL variables", f"(sql_limits params, {line_of(s, 'params 300')})"):
        s("bind", 301)
    with refused("too many columns", f"(sql_limits columns, {line_of(s, 'columns 20')})"):
        s("rows", "SELECT " + one_each(21))
    with refused(f"(sql_limits compound_select, {line_of(s, 'profile cloudflare')})"):
        s("rows", HITS[2][2])


def test_B4_32_a_default_is_named_with_the_place_of_the_app(s):
    with refused("too many SQL variables", f"(sql_limits params, {line_of(s, 'app app {')})"):
        s("rows", "SELECT " + ", ".join(["max(" + ", ".join(["?"] * 127) + ")"] * 259))


# -- B4-33

def encoded(s, n):
    """How many bytes more than its text a value of about n takes."""
    with refused("A value of size ") as seen:
        s("value", n)
    return int(seen.error["message"].split("A value of size ")[1].split()[0]) - n


def test_B4_33_a_value_of_two_megabytes_and_one_byte_more(s):
    most = 2 << 20
    extra = encoded(s, most + 1)
    assert s("value", most - extra) == most - extra
    with refused(f"Values cannot be larger than {most} bytes. A value of size {most + 1} was provided.", "(limits kv_value, "):
        s("value", most + 1 - extra)
    assert s("value", 10) == 10

"""Errors that teach: rows A12-*, B8-11, B9-02, B9-03."""

import json
import re

import pytest

from kit import KIT, call, export, refused

LIMITED = KIT + """
local S = DurableObject:extend "S"
function S:run(code, ...)
	local head = "local ctx, s, sql, env, arg = ... "
	return assert(loadstring(head .. code, "=test"))(self.ctx, self.ctx.storage, self.ctx.storage.sql, self.env, { ... })
end
function S:take() end
function S:wait() sleep(300) end
""" + export("S")


def rows_of(d):
    r = d.run("limits", "--json")
    assert r.returncode == 0, r.stderr
    return json.loads(r.stdout)


# -- B9-02

def test_B9_02_every_limit_is_printed_with_its_value_default_and_line(drey):
    d = drey(LIMITED, bindings={"S": "S"}, limits={"kv_value": "1m"}, app_conf={"sql_limits": {"params": "50"}}, start=False)
    line = {name: 1 + d.conf()[: d.conf().index(name + " ")].count("\n") for name in ("kv_value", "params")}
    rows = {(r["block"], r["name"]): r for r in rows_of(d)}
    printed = d.run("-T").stdout
    for block in "limits", "sql_limits":
        inside = printed.split(f" {block} {{\n")[1].split("}")[0]
        for name, value in re.findall(r"^\s+(\w+)\s+(\S+);", inside, re.M):
            assert rows[block, name]["value"] == value
    one = rows["limits", "kv_value"]
    assert (one["value"], one["default"], one["original"], one["written"]) == ("1m", "2m", "2m", True)
    assert (one["file"], one["line"], one["app"]) == (d.conf_path, line["kv_value"], "app")
    assert one["help"] == "Bytes of a value as it is stored."
    assert rows["sql_limits", "params"]["line"] == line["params"]
    assert rows["limits", "cpu"]["written"] is False and rows["limits", "cpu"]["value"] == rows["limits", "cpu"]["default"] == "30s"
    text = d.run("limits").stdout
    assert text.startswith("app app\n")
    said = " ".join(next(l for l in text.split("\n") if " kv_value " in l).split())
    assert said == f"limits kv_value 1m default 2m {d.conf_path}:{line['kv_value']}"
    assert "limits cpu 30s default 30s not written" in " ".join(text.split())
    assert len([l for l in text.split("\n") if " default " in l]) == len(rows)


def test_B9_02_the_profile_is_a_source_too(drey):
    d = drey(LIMITED, bindings={"S": "S"}, app_conf={"profile": "cloudflare"}, start=False)
    line = 1 + d.conf()[: d.conf().index("profile ")].count("\n")
    rows = {r["name"]: r for r in rows_of(d)}
    assert (rows["memory"]["value"], rows["memory"]["default"], rows["memory"]["line"]) == ("128m", "256m", line)


def test_B9_02_misuse_is_told(drey):
    d = drey("return {}", start=False)
    r = d.run("limits", "--nonsense")
    assert r.returncode == 2 and "write  drey limits [-c FILE] [--json]" in r.stderr
    r = d.run("limits", "-c", "/nowhere.conf")
    assert r.returncode == 1 and "/nowhere.conf" in r.stderr


# -- B9-03

# name: (what the configuration says, Lua in an object that goes beyond it).  None: it ends in waiting or sleeping, or is shown elsewhere.
BEYOND = {
    "kv_key": ("10", "s:put(('k'):rep(11), 1)"),
    "kv_value": ("1k", "s:put('k', ('v'):rep(2000))"),
    "kv_batch": ("2", "s:put { a = 1, b = 2, c = 3 }"),
    "storage": ("1m", "for i = 1, 20 do s:put('k' .. i, ('v'):rep(100000)) end"),
    "memory": ("4m", "local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1000) .. i end"),
    "cpu": ("100ms", "while true do end"),
    "console": ("1k", "for i = 1, 100 do console.log(('x'):rep(100)) end"),
    "rpc_message": ("1k", "env.S:getByName('b'):take(('x'):rep(2000))"),
    "async": ("2", "for i = 1, 3 do async(function() sleep(50) end) end"),
    "timers": ("2", "for i = 1, 3 do setTimeout(function() end, 1) end"),
    "references": ("2", "env.S:getByName('z'):take(print, print, print)"),
    "block_timeout": ("50ms", "ctx:blockConcurrencyWhile(function() sleep(5000) end)"),
    "fetches": None,
    "pending_io": None,
    "idle_hibernate": None, "idle_evict": None,
    "length": ("4k", "sql:exec('SELECT hex(zeroblob(5000))'):toArray()"),
    "statement": ("1k", "sql:exec('SELECT 1 /*' .. ('x'):rep(2000) .. '*/')"),
    "columns": ("8", "sql:exec 'SELECT 1,2,3,4,5,6,7,8,9'"),
    "params": ("8", "sql:exec('SELECT ?1 + ?9', 1)"),
    "expr_depth": ("10", "sql:exec('SELECT 1' .. ('+1'):rep(20))"),
    "compound_select": ("2", "sql:exec 'SELECT 1 UNION SELECT 2 UNION SELECT 3'"),
    "function_arg": ("10", "sql:exec 'SELECT max(1,2,3,4,5,6,7,8,9,10,11)'"),
    "like_pattern": ("5", "sql:exec([[SELECT 'x' LIKE 'yyyyyyy']]):toArray()"),
    "trigger_depth": ("2", "sql:exec 'CREATE TABLE t (n); CREATE TRIGGER d AFTER INSERT ON t WHEN new.n > 0 BEGIN INSERT INTO t VALUES (new.n - 1); END;"
                      " PRAGMA recursive_triggers = on; INSERT INTO t VALUES (9)'"),
    "queue": None, "bytes": None, "age": None, "rate": None,	# of overload: test_b8_errors.py
    "vdbe_op": None,	# SQLite calls it "out of memory"; see test_b4_limits.py
}


def test_B9_03_every_limit_of_the_table_is_known_here(drey):
    d = drey("return {}", start=False)
    assert {r["name"] for r in rows_of(d)} == set(BEYOND), "a limit in src/conf/directives.c needs a line in BEYOND"


@pytest.mark.parametrize("name", [n for n, b in BEYOND.items() if b])
def test_B9_03_an_error_of_a_limit_names_it_and_its_line(drey, name):
    value, code = BEYOND[name]
    block = next(r["block"] for r in rows_of(drey("return {}", start=False)) if r["name"] == name)
    d = drey(LIMITED, bindings={"S": "S"}, app_conf={block: {name: value}})
    at = f"{d.conf_path}:{1 + d.conf()[: d.conf().index(f' {name} {value};')].count(chr(10))}"
    if name in ("console", "cpu", "memory"):	# in the log; what ends compiled code ends its caller too
        d.post("/call", json={"binding": "S", "name": "a", "method": "run", "args": [code]})
        d.wait_log(re.escape(f"(limits {name}, {at})"))
        return
    with refused(f"({block} {name}, {at})"):
        call(d, "S", "a", "run", code)


# -- B8-11

BROKEN = """
local function deep() error "boom" end
return { fetch = function() deep() end }
"""


def test_B8_11_the_traceback_is_for_dev_and_the_reference_for_all(drey):
    d = drey(BROKEN)
    r = d.get("/")
    number = re.search(r"request id ([0-9a-f]{16})", r.text).group(1)
    assert r.status == 500 and "worker.lua" not in r.text and "boom" not in r.text
    d.wait_log(number)
    assert "worker.lua:2: boom" in d.log() and "worker.lua:2: in deep" in d.log()
    d = drey(BROKEN, app_conf={"dev_errors": "on"})
    r = d.get("/")
    assert r.status == 500 and re.search(r"request id [0-9a-f]{16}", r.text)
    first, *frames = r.text[r.text.index("worker.lua:2: boom"):].split("\n")
    assert first == "worker.lua:2: boom" and frames[0].strip() == "worker.lua:2: in deep"
    assert frames[1].strip().startswith("worker.lua:3: in ") and "drey/" not in r.text

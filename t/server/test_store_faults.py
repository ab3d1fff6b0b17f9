"""What the disk may do to one object, and to all: damage, errors, no room.  The rest goes on."""

import contextlib
import os
import re
import shutil
import sqlite3

import pytest

from drey import eventually
from kit import KIT, CallFailed, call, export

OBJECTS = """
local T = DurableObject:extend "T"
function T:me() return self.ctx.id:toString() end
function T:put(n)
	self.ctx.storage:put("n", n)
	return n
end
function T:get() return self.ctx.storage:get "n" end
-- The error is caught and told as if nothing had been.
function T:careful(method, ...)
	local ok, what = pcall(self[method], self, ...)
	return ok and what or "caught: " .. tostring(type(what) == "table" and what.message or what)
end
function T:fill(rows)
	local sql = self.ctx.storage.sql
	sql:exec "CREATE TABLE IF NOT EXISTS rows (n INTEGER PRIMARY KEY, pad TEXT)"
	for i = 1, rows do
		sql:exec("INSERT OR REPLACE INTO rows VALUES (?, ?)", i, ("x"):rep(1000))
	end
	return rows
end
function T:count() return self.ctx.storage.sql:exec "SELECT count(pad) AS n FROM rows WHERE pad LIKE 'x%'":one().n end
function T:sql(text) return self.ctx.storage.sql:exec(text):toArray() end
function T:undo()	-- makes SQLite read the schema again
	pcall(self.ctx.storage.transactionSync, self.ctx.storage, function()
		self.ctx.storage.sql:exec "CREATE TABLE undone (x)"
		error "undo"
	end)
	return self:count()
end
function T:wipe() self.ctx.storage:deleteAll() return "wiped" end
function T:pid() return "awake" end
"""
APP = KIT + OBJECTS + export("T")


def server(drey, rules=None, **kw):
    """With rules: the shim is loaded, and d.rule(...) says what fails from now on."""
    kw.setdefault("limits", {"idle_hibernate": "50ms"})
    if rules is not None:
        kw["preload"] = ["fault"]
    d = drey(APP, bindings={"T": "T"}, start=False, **kw)
    d.env["DREY_FAULTS"] = os.path.join(d.home, "faults")

    def rule(*lines):
        with open(d.env["DREY_FAULTS"] + ".new", "w", encoding="ascii") as f:
            f.write("".join(line + "\n" for line in lines))
        os.rename(d.env["DREY_FAULTS"] + ".new", d.env["DREY_FAULTS"])

    d.rule = rule
    rule(*(rules or ()))
    return d.start()


def made(d, name, rows=200):
    """An object with rows that sleeps: its id, the path of its file."""
    object_id = call(d, "T", name, "me")
    call(d, "T", name, "put", 7)
    call(d, "T", name, "fill", rows)
    path = d.db("T", object_id)
    eventually(lambda: os.path.exists(path) and os.path.getsize(path) > rows * 1000, what="the object sleeps")
    return object_id, path


def overwrite(path, at, data):
    with open(path, "r+b") as f:
        f.seek(at)
        f.write(data)


def said(d, pattern):
    return re.findall(pattern, d.log())


@contextlib.contextmanager
def refused(*patterns):
    """The call inside fails, and its message matches all these regular expressions."""
    with pytest.raises(CallFailed) as e:
        yield
    for p in patterns:
        assert re.search(p, e.value.message), f"{p!r} is not in {e.value.message!r}"


# -- damage

def bad_magic(path):
    overwrite(path, 0, b"no SQLite any more")


def bad_page(path):
    for page in range(1, os.path.getsize(path) // 4096):
        overwrite(path, page * 4096, b"\xff" * 200)


def half_a_page(path):
    os.truncate(path, 2048)


def pages_lost(path):
    os.truncate(path, os.path.getsize(path) // 8192 * 4096)


def emptied(path):
    os.truncate(path, 0)


@pytest.mark.parametrize("damage", [bad_magic, bad_page, half_a_page, pages_lost, emptied])
def test_a_damaged_database_is_set_aside_and_the_rest_goes_on(drey, damage):
    d = server(drey)
    _, path = made(d, "bad")
    made(d, "good")
    damage(path)
    was = open(path, "rb").read()
    # Caught or not: the first call that meets the damage is an error.
    with refused("SQLITE_CORRUPT|SQLITE_NOTADB|is no database"):
        call(d, "T", "bad", "careful", "count")
    log = d.wait_log(r" error the database of app/T/bad is damaged and was set aside as (\S+): (.*)\. Every call .*\.recover.* removed to start empty")
    assert log.group(1) == path + ".corrupt"
    assert open(path + ".corrupt", "rb").read() == was and not os.path.exists(path)
    for method, args in (("get", ()), ("put", (1,)), ("count", ()), ("wipe", ()), ("careful", ("get",)), ("careful", ("put", 2))):
        with refused("is damaged and was set aside as " + re.escape(path) + r"\.corrupt", r"\.recover", "removed to start empty"):
            call(d, "T", "bad", method, *args)
        assert call(d, "T", "good", "put", 7) == 7 and call(d, "T", "good", "count") == 200
    assert not os.path.exists(path), "it must not start empty"
    d.restart()
    with refused("was set aside"):
        call(d, "T", "bad", "put", 3)
    d.kill9()
    d.start()
    with refused("was set aside"):
        call(d, "T", "bad", "get")
    assert len(said(d, "is damaged and was set aside as .* Every call")) == 1, "the log says it once"
    assert call(d, "T", "good", "count") == 200
    os.remove(path + ".corrupt")
    assert call(d, "T", "bad", "get") is None
    assert call(d, "T", "bad", "put", 8) == 8


def test_a_mended_file_is_taken_back_without_a_restart_and_survives_a_kill(drey):
    d = server(drey)
    object_id, path = made(d, "bad")
    shutil.copy(path, d.home + "/copy")
    bad_magic(path)
    with refused("SQLITE_NOTADB"):
        call(d, "T", "bad", "get")
    eventually(lambda: os.path.exists(path + ".corrupt"))
    with contextlib.closing(sqlite3.connect(d.home + "/copy")) as c:
        c.execute("DELETE FROM rows WHERE n > 150")
        c.commit()
        c.execute("VACUUM")
    os.rename(d.home + "/copy", path)
    assert call(d, "T", "bad", "get") == 7 and call(d, "T", "bad", "count") == 150
    call(d, "T", "bad", "put", 9)
    # What the journal still has from before the damage is not replayed onto the mended file.
    d.kill9()
    d.start()
    assert call(d, "T", "bad", "get") == 9 and call(d, "T", "bad", "count") == 150
    assert call(d, "T", "bad", "sql", "SELECT max(n) AS n FROM rows") == [{"n": 150}]
    # Emptied by the app, it is empty; the old file is kept but hinders nobody.
    assert call(d, "T", "bad", "wipe") == "wiped"
    eventually(lambda: not os.path.exists(path))
    assert call(d, "T", "bad", "get") is None
    assert os.path.exists(path + ".corrupt.1")
    d.stop()
    assert d.databases("T") == []
    d.start()


def test_damage_after_a_crash_is_repaired_by_the_journal_or_set_aside(drey):
    d = server(drey, limits={"idle_hibernate": "1h"})
    ids = {name: call(d, "T", name, "me") for name in ("first", "second")}
    for name in ids:
        call(d, "T", name, "put", 7)
        call(d, "T", name, "fill", 100)
    d.restart()
    call(d, "T", "first", "put", 8)
    d.kill9()
    # The pages the journal has are whole again; half a page too many is cut off.
    overwrite(d.db("T", ids["first"]), 0, b"rubbish" * 10)
    with open(d.db("T", ids["first"]), "ab") as f:
        f.write(b"x" * 100)
    half_a_page(d.db("T", ids["second"]))
    d.start()
    assert call(d, "T", "first", "get") == 8 and call(d, "T", "first", "count") == 100
    with refused("is no database"):
        call(d, "T", "second", "get")
    call(d, "T", "first", "put", 9)
    d.kill9()
    os.remove(d.db("T", ids["first"]))
    os.mkdir(d.db("T", ids["first"]))
    code, text = d.start_fails()
    assert code == 3 and f"write {d.db('T', ids['first'])}: Is a directory" in text
    os.rmdir(d.db("T", ids["first"]))


def test_a_directory_in_place_of_a_database_is_an_error_of_that_object(drey):
    d = server(drey)
    _, path = made(d, "bad")
    made(d, "good")
    os.rename(path, path + ".kept")
    os.mkdir(path)
    for method, args in (("get", ()), ("put", (1,)), ("wipe", ()), ("careful", ("put", 1))):
        with refused(re.escape(path) + " should be an object's database, but it is not a file: move it away"):
            call(d, "T", "bad", method, *args)
    assert call(d, "T", "good", "count") == 200
    os.rmdir(path)
    os.rename(path + ".kept", path)
    assert call(d, "T", "bad", "count") == 200


# -- errors of one file

@pytest.mark.parametrize("rule, words", [
    ("open .sqlite EACCES", "open .*sqlite: Permission denied"),
    ("pread .sqlite EIO", "read .*sqlite: Input/output error"),
])
def test_a_file_that_cannot_be_read_breaks_its_object_caught_or_not(drey, rule, words):
    d = server(drey, rules=[])
    _, path = made(d, "bad")
    part = os.path.basename(path)
    d.rule(rule.replace(".sqlite", part))
    for method, args in (("count", ()), ("careful", ("count",)), ("careful", ("put", 1))):
        with refused("disk I/O error.*SQLITE_IOERR.*" + words):
            call(d, "T", "bad", method, *args)
    assert len(said(d, r" error the database of app/T/bad \(\S+\) broke, the object is reset: disk I/O error")) == 3
    made(d, "good")
    d.rule()
    assert call(d, "T", "bad", "get") == 7 and call(d, "T", "bad", "count") == 200
    assert os.path.exists(path)


def test_full_and_out_of_memory_break_the_object_caught_or_not_and_are_in_the_log_once(drey):
    d = server(drey, limits={"storage": "100k"}, app_conf={"sql_limits": {"vdbe_op": "10000"}})
    call(d, "T", "a", "put", 7)
    call(d, "T", "a", "fill", 1)
    for n, (method, args, words) in enumerate([
            ("fill", (500,), "state limit exceeded"),
            ("sql", ("INSERT INTO rows VALUES " + ",".join(["(1,2)"] * 20000),), "SQLITE_NOMEM"),
    ], 1):
        with refused(words):
            call(d, "T", "a", "careful", method, *args)
        eventually(lambda n=n: len(said(d, r" error the database of app/T/a \(\S+\) broke, the object is reset: ")) == n)
        assert call(d, "T", "a", "get") == 7
    assert len(said(d, " error ")) == 2


def test_an_index_that_disagrees_with_its_rows_is_no_damage(drey):
    d = server(drey)
    object_id, path = made(d, "a")
    call(d, "T", "a", "sql", "CREATE TABLE c (id INTEGER PRIMARY KEY, t TEXT)")
    call(d, "T", "a", "sql", "CREATE VIRTUAL TABLE f USING fts5(t, content=c, content_rowid=id)")
    call(d, "T", "a", "sql", "INSERT INTO c VALUES (1, 'one')")
    with refused("SQLITE_CORRUPT"):
        call(d, "T", "a", "sql", "INSERT INTO f(f, rank) VALUES ('integrity-check', 1)")
    assert call(d, "T", "a", "count") == 200
    d.stop()
    assert os.path.exists(path) and not os.path.exists(path + ".corrupt")
    d.start()


def test_a_schema_beyond_a_lowered_limit_is_no_damage(drey):
    d = server(drey, app_conf={"sql_limits": {"columns": "100"}})
    _, path = made(d, "a")
    call(d, "T", "a", "sql", "CREATE TABLE wide (" + ", ".join(f"c{i}" for i in range(60)) + ")")
    d.stop()
    d.edit_conf("columns 100", "columns 50")
    d.start()
    with refused("malformed database schema .wide. - too many columns"):
        call(d, "T", "a", "undo")
    d.wait_log(r" error the database of app/T/a \(\S+\) broke, the object is reset: malformed")
    d.stop()
    d.edit_conf("columns 50", "columns 100")
    d.start()
    assert call(d, "T", "a", "count") == 200 and not os.path.exists(path + ".corrupt")

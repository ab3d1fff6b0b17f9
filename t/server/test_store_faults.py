"""What the disk may do to one object, and to all: damage, errors, no room.  The rest goes on."""

import contextlib
import os
import re
import shutil
import sqlite3
import subprocess
import threading

import pytest

from drey import eventually
from http_raw import Closed
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
function T:life()	-- the number of this instance
	self.born = self.born or tostring(self)
	return self.born
end
"""
APP = KIT + OBJECTS + export("T")


def server(drey, rules=None, **kw):
    """With rules: the shim is loaded, and d.faults(...) says what fails from now on."""
    kw.setdefault("limits", {"idle_hibernate": "50ms"})
    if rules is not None:
        kw["preload"] = ["fault"]
    d = drey(APP, bindings={"T": "T"}, start=False, **kw)
    d.faults(*(rules or ()))
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
    d.faults(rule.replace(".sqlite", part))
    for method, args in (("count", ()), ("careful", ("count",)), ("careful", ("put", 1))):
        with refused("disk I/O error.*SQLITE_IOERR.*" + words):
            call(d, "T", "bad", method, *args)
    eventually(lambda: len(said(d, r" error the database of app/T/bad \(\S+\) broke, the object is reset: disk I/O error")) == 3)
    made(d, "good")
    d.faults()
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


# -- a full disk

FREE = "statvfs - 1000000000"
ROOM = {"min_free": "100m", "full_timeout": "20s", "journal_segment": "1m"}


def background(d, name, method, *args):
    """The call in a thread of its own: its answer is in .got once it came."""

    class Caller(threading.Thread):
        got = None

        def run(self):
            try:
                self.got = call(d, "T", name, method, *args)
            except (CallFailed, AssertionError, OSError, Closed) as e:
                self.got = e

    caller = Caller(daemon=True)
    caller.start()
    return caller


def refused_now(d, *patterns):
    """Waits until a write is refused, and looks what it is told."""

    def tried():
        try:
            call(d, "T", "other", "put", 1)
        except CallFailed as e:
            return e.message
        return None

    message = eventually(tried, what="a refusal")
    for p in patterns:
        assert re.search(p, message), message


def test_an_almost_full_disk_refuses_writes_early_and_serves_reads(drey):
    d = server(drey, rules=[FREE], top_conf=ROOM, limits={"idle_hibernate": "1h"})
    for name in ("a", "b", "other"):
        call(d, "T", name, "put", 7)
    call(d, "T", "a", "fill", 50)
    d.faults("statvfs - 50000000")
    line = next(n for n, text in enumerate(d.conf().splitlines(), 1) if "min_free" in text)
    what = (r"^[^:]*worker.lua:\d+: the disk is almost full: " + re.escape(d.data) + r" has 47\.7 MB free, less than 100\.0 MB "
            r"\(min_free, " + re.escape(d.conf_path) + f":{line}" + r"\) and \d\.\d MB for pages that are not in their files yet\. "
            r"Nothing was written; reads and deleteAll\(\) work: free some room there, or lower min_free")
    refused_now(d, what)
    life = call(d, "T", "a", "life")
    for method, args in (("put", (8,)), ("fill", (60,)), ("sql", ("DELETE FROM rows",)), ("sql", ("CREATE TABLE x (y)",))):
        with refused("the disk is almost full"):
            call(d, "T", "a", method, *args)
        assert "caught: " in call(d, "T", "a", "careful", method, *args)
        assert call(d, "T", "a", "get") == 7 and call(d, "T", "a", "count") == 50
    assert call(d, "T", "a", "life") == life, "the object does not break"
    assert call(d, "T", "b", "wipe") == "wiped"
    assert call(d, "T", "b", "get") is None
    d.faults("statvfs - 104000000")
    refused_now(d, "almost full")
    d.faults(FREE)
    eventually(lambda: call(d, "T", "a", "careful", "put", 9) == 9, what="writes again")
    assert len(said(d, " error the disk is almost full: .* has 47.7 MB free, less than 100.0 MB .min_free, ")) == 1
    assert len(said(d, " warn the disk has room again: .* has 953.7 MB free: writes go on")) == 1
    assert not said(d, "object reset")
    d.kill9()
    d.start()
    assert [call(d, "T", name, "get") for name in ("a", "b")] == [9, None]


def test_min_free_0_refuses_nobody(drey):
    d = server(drey, rules=["statvfs - 0"], top_conf={"min_free": "0"})
    assert call(d, "T", "a", "put", 7) == 7
    assert "almost full" not in d.log()


def test_a_full_disk_makes_writes_wait_and_when_room_comes_nothing_is_lost(drey):
    d = server(drey, rules=[FREE], top_conf=ROOM, limits={"idle_hibernate": "1h"})
    for name in ("a", "b", "other"):
        call(d, "T", name, "put", 7)
    call(d, "T", "b", "fill", 10)
    d.faults(FREE, "zeros journal/ ENOSPC")
    waits = background(d, "a", "fill", 300)
    d.wait_log("error the disk is full: the journal of .* finds no room .No space left on device.: writes are refused, reads go on")
    refused_now(d, "the disk is full: the journal of " + re.escape(d.data) + " finds no room. Nothing was written")
    for _ in range(5):
        assert call(d, "T", "b", "get") == 7 and call(d, "T", "b", "count") == 10
    assert waits.is_alive() and waits.got is None, "acknowledged before it was on disk"
    d.faults(FREE)
    waits.join(10)
    assert waits.got == 300
    eventually(lambda: call(d, "T", "b", "careful", "put", 8) == 8)
    assert len(said(d, " error the disk is full: ")) == 1 and len(said(d, "warn the disk has room again: the journal of .* goes on")) == 1
    d.kill9()
    d.start()
    assert call(d, "T", "a", "count") == 300 and call(d, "T", "b", "get") == 8


@pytest.mark.parametrize("rule, waits", [
    ("zeros journal/ ENOSPC", True), ("pwrite journal/ ENOSPC", False), ("pwrite .sqlite ENOSPC", False), ("pwrite journal/ EIO", False),
])
def test_without_room_the_server_stops_and_has_acknowledged_nothing_it_loses(drey, rule, waits):
    d = server(drey, rules=[FREE], top_conf={**ROOM, "full_timeout": "300ms"})
    for name in ("a", "b"):
        call(d, "T", name, "put", 7)
        call(d, "T", name, "fill", 10)
    d.faults(FREE, rule)
    callers = [background(d, name, "fill", 300) for name in ("a", "b")]
    assert d.ended() == 3
    for c in callers:
        c.join(10)
    d.faults(FREE)
    assert re.search("the store has failed and acknowledges nothing from here on: write .*: (No space left|Input/output)", d.log())
    assert bool(said(d, " error the disk is full: ")) == waits
    d.start()
    for name, c in zip(("a", "b"), callers):
        assert call(d, "T", name, "get") == 7
        rows = call(d, "T", name, "count")
        assert rows in (10, 300) and (rows == 300 or c.got != 300)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 24 MB."""
    made_it = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(tmp_path)], capture_output=True, text=True, check=False)
    if made_it.returncode != 0:
        pytest.skip(f"no small file system can be mounted here: {made_it.stderr.strip()}")
    yield str(tmp_path)
    subprocess.run(["umount", "-l", str(tmp_path)], check=True)


@pytest.mark.limit(90)
@pytest.mark.parametrize("min_free", ["4m", "0"])
def test_a_truly_full_disk_refuses_writes_and_takes_them_again(drey, small_disk, min_free):
    d = server(drey, top_conf={"min_free": min_free, "journal_segment": "64m" if min_free == "0" else "1m", "full_timeout": "20s"},
               limits={"idle_hibernate": "1h"}, home=small_disk)
    known = {}

    def write(name, rows):
        try:
            known[name] = call(d, "T", name, "fill", rows)
        except CallFailed as e:
            return e.message
        return None

    for n in range(4):
        assert write(f"o{n}", 100) is None
    left = os.statvfs(small_disk)
    with open(small_disk + "/ballast", "wb") as f:
        f.write(b"x" * (left.f_bavail * left.f_bsize - (2 << 20 if min_free != "0" else 0)))
        f.flush()
        if min_free == "0":
            with contextlib.suppress(OSError):
                while True:
                    os.write(f.fileno(), b"x" * 4096)
    waits = []
    if min_free == "0":
        # Nobody is refused before zeros find no room: that write waits, those that follow are refused.
        waits = [background(d, "o9", "fill", 2000)]
        d.wait_log("the disk is full: the journal of .* finds no room")
    words = eventually(lambda: write("o8", 10), what="a refusal")
    assert re.search("the disk is (almost )?full", words), words
    for n in range(4):
        assert call(d, "T", f"o{n}", "count") == 100
    os.remove(small_disk + "/ballast")
    for w in waits:
        w.join(15)
        known["o9"] = w.got
        assert w.got == 2000
    eventually(lambda: write("o8", 20) is None, what="writes again")
    d.kill9()
    d.start()
    for name, rows in known.items():
        assert call(d, "T", name, "count") == rows, name
    d.stop()

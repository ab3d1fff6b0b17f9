"""kill -9, over and over, under load: nothing acknowledged is missing, nothing is half there."""

import os
import threading
import time

import pytest

from drey import SANITIZED
from http_raw import Closed

SECONDS = float(os.environ.get("DREY_KILL_SECONDS") or (20 if SANITIZED else 60))
WRITERS = 16

OBJECTS = """
local Ledger = DurableObject:extend "Ledger"

-- One transaction: two keys and a row, and now and then a large value, so that pages come and go.
function Ledger:write(n)
	local s = self.ctx.storage
	s.sql:exec "CREATE TABLE IF NOT EXISTS rows (n INTEGER PRIMARY KEY, pad TEXT)"
	s:put("first", n)
	s.sql:exec("INSERT OR REPLACE INTO rows VALUES (?, ?)", n, ("x"):rep(n % 50 * 40))
	if n % 7 == 0 then s:put("big", ("y"):rep(n % 30 * 1000)) end
	if n % 40 == 0 then s.sql:exec("DELETE FROM rows WHERE n < ?", n - 20) end
	s:put("second", n)
	return n
end

function Ledger:read()
	local s = self.ctx.storage
	local first = s:get "first"
	if not first then return "0 0 0" end
	local row = s.sql:exec "SELECT max(n) AS n FROM rows":one()
	return first .. " " .. s:get "second" .. " " .. row.n
end

return { Ledger = Ledger, fetch = function(request, env)
	local verb, name, n = request.url:match "//[^/]+/(%w+)/(%w+)/?(%d*)"
	local stub = env.LEDGER:getByName(name)
	return Response.new(tostring(verb == "write" and stub:write(tonumber(n)) or stub:read()))
end }
"""


class Writer(threading.Thread):
    """Writes 1, 2, 3, ... to its own object and remembers what was acknowledged."""

    def __init__(self, d, name):
        super().__init__(daemon=True)
        self.d, self.name_ = d, name
        self.sent = self.acknowledged = 0
        self.stopping = False

    def run(self):
        client = self.d.client(timeout=5)
        while not self.stopping:
            try:
                self.sent += 1
                r = client.post(f"/write/{self.name_}/{self.sent}")
                if r.status == 200:
                    self.acknowledged = max(self.acknowledged, int(r.text))
            except (OSError, Closed):
                time.sleep(0.005)  # it was killed; until it is back


@pytest.mark.limit(SECONDS * 3 + 60)
def test_kill_9_every_200_ms_loses_no_acknowledged_write(drey):
    # Small segments and short sleeps: rotation, retirement and eviction happen in every life.
    d = drey(OBJECTS, bindings={"LEDGER": "Ledger"}, limits={"idle_hibernate": "50ms"},
             top_conf={"journal_segment": "1m"})
    writers = [Writer(d, f"w{i}") for i in range(WRITERS)]
    for w in writers:
        w.start()
    kills, checked, end = 0, 0, time.monotonic() + SECONDS
    while time.monotonic() < end:
        time.sleep(0.2)
        d.kill9()
        known = {w.name_: w.acknowledged for w in writers}
        d.start()
        kills += 1
        with d.client() as c:
            for w in writers:
                first, second, row = map(int, c.get(f"/read/{w.name_}").text.split())
                assert first == second == row, f"{w.name_}: half a transaction: {first} {second} {row}"
                assert known[w.name_] <= first <= w.sent, f"{w.name_}: {first}, but {known[w.name_]} was acknowledged"
                checked += 1
    for w in writers:
        w.stopping = True
    for w in writers:
        w.join(10)
    written = sum(w.acknowledged for w in writers)
    print(f"{kills} kills, {checked} objects compared, {written} writes acknowledged")
    assert kills > SECONDS / 2 / (4 if SANITIZED else 1) and written > kills
    d.stop()
    assert len(d.databases("Ledger")) == WRITERS
    for object_id in d.databases("Ledger"):
        assert d.sql("Ledger", object_id, "PRAGMA integrity_check") == [("ok",)]


NAMES = """
local N = DurableObject:extend "N"
function N:keep() self.ctx.storage:put("k", 1) return self.ctx.id:toString() end
function N:name() return self.ctx.id.name end
return { N = N, fetch = function(request, env)
	local id = request.url:match "//[^/]+/(%x+)$"
	if not id then return Response.new(env.N:getByName("a\\0b"):keep()) end
	local name = env.N:get(env.N:idFromString(id)):name()
	return Response.new(name and (name:gsub("%z", "NUL")) or "not known")
end }
"""


def test_a_name_with_a_nul_in_it_is_known_after_a_restart(drey):
    d = drey(NAMES, bindings={"N": "N"})
    object_id = d.get("/").text
    d.restart()
    assert d.get("/" + object_id).text == "aNULb"

"""Stubs, ids, placement: rows A3-*."""

import re

from kit import KIT, call, export, refused

IDS = KIT + """
local R = DurableObject:extend "R"
function R:set(v) self.ctx.storage:put("v", v) end
function R:get() return self.ctx.storage:get "v" end
function R:me() return self.ctx.id:toString() end
local Other = DurableObject:extend "Other"
function Other:get() return "other" end

local function text(s) return Response.new(s) end
routes["/name"] = function(_, env)
	local id = env.R:idFromName "room-123"
	return text(tostring(id) .. " " .. id:toString() .. " " .. env.R:getByName("room-123"):me()
		.. " " .. env.R:get(id):me())
end
routes["/unique"] = function(_, env)
	local ids = {}
	for i = 1, 1000 do ids[i] = env.R:newUniqueId():toString() end
	return text(table.concat(ids, "\\n"))
end
routes["/parse"] = function(request, env)
	local ok, e = pcall(env.R.idFromString, env.R, request:text())
	return text(ok and "ok" or e.message or tostring(e))
end
routes["/other-id"] = function(_, env) return text(env.OTHER:idFromName("x"):toString()) end
routes["/foreign"] = function(_, env)
	local ok, e = pcall(function() return env.R:get(env.OTHER:idFromName "x"):get() end)
	return text(ok and "ok" or e.message or tostring(e))
end
routes["/cookie"] = function(request, env)
	local held = (request.headers:get "Cookie" or ""):match "id=(%x+)"
	local id = held and env.R:idFromString(held) or env.R:newUniqueId()
	local stub = env.R:get(id)
	local n = (stub:get() or 0) + 1
	stub:set(n)
	return Response.new(tostring(n), { headers = { ["Set-Cookie"] = "id=" .. id:toString() } })
end
routes["/touch-nothing"] = function(_, env)
	local stub = env.R:getByName "never"
	return text(tostring(stub ~= nil))
end
""" + export("R", "Other")

BOTH = {"R": "R", "OTHER": "Other"}


def test_A3_01_get_by_name(drey):
    d = drey(IDS, bindings=BOTH)
    call(d, "R", "global", "set", "kept")
    assert call(d, "R", "global", "get") == "kept"
    assert call(d, "R", "another", "get") is None


def test_A3_02_id_from_name_is_the_same_for_ever(drey):
    d = drey(IDS, bindings=BOTH)
    first = d.get("/name").text.split(" ")
    assert len(set(first)) == 1
    d.restart()
    assert d.get("/name").text.split(" ") == first


def test_A3_03_unique_ids(drey):
    d = drey(IDS, bindings=BOTH)
    ids = d.get("/unique").text.split("\n")
    assert len(ids) == 1000 == len(set(ids))
    assert all(re.fullmatch("[0-9a-f]{64}", i) for i in ids)


def test_A3_04_id_from_string_reaches_the_object(drey):
    d = drey(IDS, bindings=BOTH)
    hexid = call(d, "R", "a", "me")
    call(d, "R", "a", "set", 7)
    assert call(d, "R", None, "get", object_id=hexid) == 7
    assert call(d, "R", None, "me", object_id=hexid) == hexid


def test_A3_05_id_from_string_says_what_is_wrong(drey):
    d = drey(IDS, bindings=BOTH)
    good = call(d, "R", "a", "me")
    assert d.post("/parse", good).text == "ok"
    for junk in (good[:63], good + "0", "", good[:63] + "g", "x" * 64):
        assert "Invalid Durable Object ID: must be 64 hex digits" in d.post("/parse", junk).text
    other = d.get("/other-id").text
    assert "Durable Object ID is not valid for this namespace" in d.post("/parse", other).text
    flipped = good[:10] + ("0" if good[10] != "0" else "1") + good[11:]
    assert "Durable Object ID is not valid for this namespace" in d.post("/parse", flipped).text
    assert "not valid for this namespace" in d.get("/foreign").text


def test_A3_06_an_id_prints_as_64_hex_digits(drey):
    d = drey(IDS, bindings=BOTH)
    assert all(re.fullmatch("[0-9a-f]{64}", i) for i in d.get("/name").text.split(" "))


def test_A3_11_an_id_kept_in_a_cookie_comes_back(drey):
    d = drey(IDS, bindings=BOTH)
    r = d.get("/cookie")
    assert r.text == "1"
    cookie = r.header("set-cookie")
    assert d.get("/cookie", {"Cookie": cookie}).text == "2"
    d.kill9()
    d.start()
    assert d.get("/cookie", {"Cookie": cookie}).text == "3"
    assert d.get("/cookie").text == "1"


def test_A3_12_an_id_or_a_stub_creates_nothing(drey):
    d = drey(IDS, bindings=BOTH)
    assert d.get("/touch-nothing").text == "true"
    assert len(d.get("/unique").text) > 60000
    d.stop()
    assert d.databases() == []


def test_A3_05_junk_does_not_break_anything(drey):
    d = drey(IDS, bindings=BOTH)
    with refused("must be 64 hex digits"):
        call(d, "R", None, "get", object_id="zz")
    assert call(d, "OTHER", "x", "get") == "other"

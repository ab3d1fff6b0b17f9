"""Ids, stubs, jurisdictions, and the ways to a class: rows B1-*, and A3-* about placement."""

import glob
import re

import pytest

from drey import StartFailed
from kit import KIT, call, export

IDS = KIT + """
local R = DurableObject:extend "R"
function R:constructor(ctx, env)
	self:super(ctx, env)
	self.born = ctx.id.name
	self.place = ctx.id.jurisdiction
end
function R:whoami()
	local id = self.ctx.id
	return { id = tostring(id), name = id.name, born = self.born, jurisdiction = id.jurisdiction, place = self.place }
end
function R:set(v) self.ctx.storage:put("v", v) end
function R:get() return self.ctx.storage:get "v" end
function R:lua(code, ...) return assert(loadstring("local self, env, ctx = ... " .. code, "=test"))(self, self.env, self.ctx) end
function R:add(n) self.list = self.list or {}; self.list[#self.list + 1] = n end
function R:all() return self.list end
function R:crash() self.ctx:abort "on purpose" end

-- The body is Lua; env and R (env.R) are there. What it returns is the answer, as JSON; what it raises is a 500 with its text.
routes["/lua"] = function(request, env, ctx)
	local run = assert(loadstring("local env, R, ctx = ... " .. request:text(), "=test"))
	local ok, value = pcall(run, env, env.R, ctx)
	if not ok then
		return Response.new(type(value) == "table" and value.message or tostring(value), { status = 500 })
	end
	return Response.json(value == nil and JSON.null or value)
end
""" + export("R")

ONE = {"R": "R"}


def front(d, code):
    r = d.post("/lua", code)
    assert r.status == 200, r.text
    return r.json()


def raised(d, code):
    r = d.post("/lua", code)
    assert r.status == 500, r.text
    return r.text


def test_B1_01_ids_are_equal_when_they_name_the_same_object(drey):
    d = drey(IDS, bindings=ONE)
    assert front(d, """
        local a, b = R:idFromName "x", R:idFromName "x"
        local u, v, back = R:newUniqueId(), R:newUniqueId(), R:idFromString(tostring(a))
        return { a:equals(b), a == b, a == back, back:equals(a), rawequal(a, back),
            a == R:idFromName "y", u == v, u:equals(v), a:equals "x", a:equals(nil), a == 1, u == R:idFromString(u:toString()) }
    """) == [True, True, True, True, False, False, False, False, False, False, False, True]


def test_B1_02_an_id_made_from_a_name_knows_it(drey):
    d = drey(IDS, bindings=ONE)
    assert front(d, r"""
        local odd = "a\0b\255 /."
        return { R:idFromName("x").name, R:newUniqueId().name == nil, R:idFromName("").name, R:idFromName(odd).name == odd,
            R:idFromString(tostring(R:idFromName "x")).name == nil }
    """) == ["x", True, "", True, True]


def test_B1_03_the_object_knows_its_name_from_its_constructor_on(drey):
    d = drey(IDS, bindings=ONE)
    me = call(d, "R", "foo", "whoami")
    assert (me["name"], me["born"]) == ("foo", "foo")
    call(d, "R", "foo", "set", 1)
    d.restart()
    again = call(d, "R", None, "whoami", object_id=me["id"])
    assert (again["name"], again["born"]) == ("foo", "foo"), "by its id alone, after a restart"
    d.kill9()
    d.start()
    assert call(d, "R", None, "whoami", object_id=me["id"])["born"] == "foo", "after a crash"


def test_B1_04_unique_ids_have_no_name_and_long_names_are_kept(drey):
    d = drey(IDS, bindings=ONE)
    assert front(d, "return R:get(R:newUniqueId()):whoami().name == nil")
    for n in (1024, 1025, 2000, 100000):
        me = front(d, f"local s = R:getByName(('n'):rep({n})); s:set(1); return s:whoami()")
        assert me["name"] == me["born"] == "n" * n
        d.restart()
        assert call(d, "R", None, "whoami", object_id=me["id"])["born"] == "n" * n


def test_B1_06_a_stub_has_its_id_and_its_name(drey):
    d = drey(IDS, bindings=ONE)
    assert front(d, """
        local id, u = R:idFromName "x", R:newUniqueId()
        local a, b, c = R:get(id), R:getByName "x", R:get(u)
        local keys = {}
        for k in pairs(a) do keys[#keys + 1] = k end
        table.sort(keys)
        a.own = "may be kept here"
        return { a.id == id, rawequal(a.id, id), a.name, b.id == id, b.name, c.id == u, rawget(c, "name") == nil, keys, a.own }
    """) == [True, True, "x", True, "x", True, True, ["id", "name"], "may be kept here"]


@pytest.mark.parametrize("threads", [1, 4])
def test_B1_10_calls_on_one_stub_arrive_in_order(drey, threads):
    d = drey(IDS, bindings=ONE, worker_threads=threads)
    for name in "abcd":  # on every thread
        got = front(d, f"""
            local stub, calls = R:getByName "{name}", {{}}
            for i = 1, 1000 do calls[i] = async(stub.add, stub, i) end
            await(Promise.all(calls))
            return stub:all()
        """)
        assert got == list(range(1, 1001))


def test_B1_11_a_stub_heals_after_a_crash_of_its_object(drey):
    d = drey(IDS, bindings=ONE)
    assert front(d, """
        local stub, seen = R:getByName "x", {}
        stub:set "kept"
        for i = 1, 5 do
            local ok, e = pcall(stub.crash, stub)
            seen[i] = { ok, e.durableObjectReset or false, stub:get() }
        end
        return seen
    """) == [[False, True, "kept"]] * 5


# ---- jurisdictions and hints

WITHIN = {"bindings": ONE, "top_conf": {"jurisdiction": "eu us fedramp"}}


def test_B1_05_an_object_knows_its_jurisdiction(drey):
    d = drey(IDS, **WITHIN)
    me = front(d, 'return R:jurisdiction "eu":getByName("x"):whoami()')
    assert (me["jurisdiction"], me["place"], me["name"]) == ("eu", "eu", "x")
    unique = front(d, 'local s = R:get(R:newUniqueId { jurisdiction = "us" }); s:set(1); return s:whoami()')
    assert (unique["jurisdiction"], unique["place"]) == ("us", "us")
    d.restart()
    again = call(d, "R", None, "whoami", object_id=unique["id"])
    assert (again["place"], call(d, "R", None, "get", object_id=unique["id"])) == ("us", 1), "by its id alone"
    assert "jurisdiction" not in call(d, "R", "x", "whoami")


def test_B1_07_a_jurisdiction_has_objects_of_its_own(drey):
    d = drey(IDS, **WITHIN)
    assert front(d, """
        local eu, us = R:jurisdiction "eu", R:jurisdiction "us"
        R:getByName("x"):set "whole"; eu:getByName("x"):set "eu"; us:getByName("x"):set "us"
        local id = eu:idFromName "x"
        return { R:getByName("x"):get(), eu:getByName("x"):get(), us:getByName("x"):get(),
            id == eu:idFromName "x", id == R:idFromName "x", id.jurisdiction, R:idFromName("x").jurisdiction == nil,
            R:get(id):get(), R:get(R:idFromString(tostring(id))):get(), R:idFromString(tostring(id)).jurisdiction,
            eu:get(eu:idFromString(tostring(id))):get(), eu:newUniqueId().jurisdiction, R:newUniqueId().jurisdiction == nil,
            eu:jurisdiction(nil) == R, eu:jurisdiction("us"):getByName("x"):get(), rawequal(eu, R:jurisdiction "eu") }
    """) == ["whole", "eu", "us", True, False, "eu", True, "eu", "eu", "eu", "eu", "eu", True, True, "us", True]
    foreign = "called on jurisdictional subnamespace with an ID from a different jurisdiction"
    for ident in ('R:idFromName "x"', "R:newUniqueId()", 'R:jurisdiction "us":idFromName "x"'):
        assert "get " + foreign in raised(d, f'return R:jurisdiction "eu":get({ident})')
        assert "idFromString " + foreign in raised(d, f'return R:jurisdiction "eu":idFromString(tostring({ident}))')
    assert "with a different jurisdiction" in raised(d, 'R:jurisdiction "eu":newUniqueId { jurisdiction = "us" }')


def test_B1_08_the_jurisdictions_there_are(drey):
    d = drey(IDS, **WITHIN)
    assert front(d, """
        local seen = {}
        for i, j in ipairs { "eu", "fedramp", "us" } do seen[i] = R:jurisdiction(j):getByName("x"):whoami().place end
        return seen
    """) == ["eu", "fedramp", "us"]
    for bad in ('R:jurisdiction "moon"', 'R:newUniqueId { jurisdiction = "moon" }', 'R:jurisdiction "EU"', "R:jurisdiction(1)"):
        assert 'is not a jurisdiction; there are "eu", "fedramp" and "us"' in raised(d, "return " + bad)


def test_B1_08_a_server_that_lies_elsewhere_refuses_and_never_falls_back(drey):
    d = drey(IDS, **WITHIN)
    held = front(d, 'local s = R:jurisdiction "eu":getByName "x"; s:set(1); return tostring(s.id)')
    d.stop()
    d.edit_conf("jurisdiction eu us fedramp;", "jurisdiction us;")
    d.start()
    for attempt in ('R:jurisdiction "eu"', 'R:newUniqueId { jurisdiction = "eu" }', f'R:idFromString "{held}"'):
        said = raised(d, "return " + attempt)
        assert 'objects of the jurisdiction "eu" cannot live on this server' in said and "jurisdiction eu;" in said
    assert front(d, 'return R:jurisdiction "us":getByName("x"):whoami().place') == "us"


def test_B1_09_a_hint_is_accepted_with_a_name(drey):
    d = drey(IDS, bindings=ONE)
    assert front(d, 'return R:getByName("x", { locationHint = "weur" }):whoami().name') == "x"
    assert "unknown locationHint" in raised(d, 'return R:getByName("x", { locationHint = "moon" })')


def test_A3_08_the_hints_there_are(drey):
    d = drey(IDS, bindings=ONE)
    known = "wnam enam sam weur eeur apac apac-ne apac-se oc afr me".split()
    for hint in known:
        assert front(d, f'return R:get(R:idFromName "{hint}", {{ locationHint = "{hint}" }}):whoami().name') == hint
    for bad in ("moon", "WEUR", ""):
        said = raised(d, f'local s = R:get(R:idFromName "x", {{ locationHint = "{bad}" }})')
        assert said.startswith("test:1: ") and all(hint in said for hint in known)
    assert "unknown routingMode: x" in raised(d, 'return R:getByName("x", { routingMode = "x" })')
    assert front(d, 'return R:getByName("x", { routingMode = "primary-only" }):whoami().name') == "x"
    assert "no option locationhint" in raised(d, 'return R:getByName("x", { locationhint = "weur" })')


def test_A3_10_a_hint_and_a_jurisdiction_exclude_one_another(drey):
    d = drey(IDS, **WITHIN)
    for call_ in ('R:get(R:jurisdiction "eu":idFromName "x", {})', 'R:jurisdiction "eu":getByName("x", {})',
                  'R:get(R:newUniqueId { jurisdiction = "eu" }, {})'):
        said = raised(d, "return " + call_.replace("{})", '{ locationHint = "enam" })'))
        assert "locationHint cannot go with a jurisdiction" in said


# ---- ways to a class


def test_B1_12_own_classes_are_reached_without_a_binding(drey):
    d = drey(IDS.replace("R = R }", "R = R, Hidden = R:extend 'Hidden' }"), bindings=ONE, classes=["R", "Hidden"])
    assert front(d, """
        ctx.exports.Hidden:getByName("x"):set "hidden"
        ctx.exports.R:getByName("x"):set "bound"
        return { ctx.exports.Hidden:getByName("x"):get(), env.R:getByName("x"):get(),
            R:getByName("x"):lua 'return ctx.exports.Hidden:getByName("x"):get()',
            ctx.exports.R:idFromName "x" == env.R:idFromName "x", ctx.exports.Hidden:idFromName "x" == env.R:idFromName "x" }
    """) == ["hidden", "bound", "hidden", True, False]
    said = raised(d, "return (ctx.exports.Hiden)")
    assert "ctx.exports.Hiden is not a class" in said and "there are: Hidden, R" in said
    assert "ctx.exports.Hidden:getByName(name) takes a string" in raised(d, "local s = ctx.exports.Hidden:getByName()")


TWO_APPS = """
data_dir @DATA@; error_log @HOME@/error.log; worker_threads 4;
app chat { root @HOME@/app; main chat.lua; migrations { v1 { new_sqlite_classes R; } } }
app shop {
    root @HOME@/app; main shop.lua;
    durable_objects { binding ROOMS class_name=R script_name=chat; binding R class_name=R; }
    migrations { v1 { new_sqlite_classes R; } }
}
server { listen 127.0.0.1:@PORT@; location / { app shop; } location /chat/ { app chat; } }
"""
CHAT = KIT + """
local R = DurableObject:extend "R"
function R:set(v) self.ctx.storage:put("v", v) end
function R:get() return self.ctx.storage:get "v" end
function R:home() return "chat", self.ctx.id.name, tostring(self.ctx.id) end
function R:boom() error { message = "in the other app", code = 7 } end
function R:fetch() return Response.new("chat " .. self.ctx.id.name) end
return { R = R, fetch = function(request, env, ctx)
	return Response.new(ctx.exports.R:getByName(URL.new(request.url).searchParams:get "name"):get() or "nothing")
end }
"""


def test_B1_13_a_class_of_another_app(drey):
    d = drey({"chat.lua": CHAT, "shop.lua": IDS}, conf=TWO_APPS)
    for name in "abcdefgh":  # on every thread
        assert front(d, f"""
            local theirs, mine = env.ROOMS:getByName "{name}", R:getByName "{name}"
            theirs:set "theirs {name}"; mine:set "mine"
            local where, known, id = theirs:home()
            local ok, e = pcall(theirs.boom, theirs)
            return {{ theirs:get(), mine:get(), where, known, id == tostring(theirs.id), theirs.id == mine.id,
                ok, e.message, e.code, e.remote, theirs:fetch("http://x/"):text() }}
        """) == [f"theirs {name}", "mine", "chat", name, True, False, False, "in the other app", 7, True, f"chat {name}"]
        assert d.get(f"/chat/?name={name}").text == f"theirs {name}", "one object, two apps"
    assert "not valid for this namespace" in raised(d, 'return R:get(env.ROOMS:idFromName "a")')
    assert "not valid for this namespace" in raised(d, 'return R:idFromString(tostring(env.ROOMS:idFromName "a"))')
    assert front(d, 'return env.ROOMS:get(env.ROOMS:idFromString(tostring(env.ROOMS:idFromName "a"))):get()') == "theirs a"
    d.stop()
    assert len(glob.glob(f"{d.data}/chat/R/*/*.sqlite")) == 8


@pytest.mark.parametrize("old, new, text", [
    ("script_name=chat", "script_name=chatt", 'no app is called "chatt"'),
    ("class_name=R script_name", "class_name=Q script_name", 'the app chat has no class "Q"'),
    ("script_name=chat", "script=chat", 'is not script_name=APP'),
    ("main chat.lua", "main none.lua", 'binding ROOMS: class "R" not found'),
])
def test_B1_13_a_wrong_binding_is_refused_with_its_place(drey, old, new, text):
    conf = TWO_APPS
    assert old in conf
    d = drey({"chat.lua": CHAT, "shop.lua": IDS, "none.lua": "return {}"}, conf=conf.replace(old, new), start=False)
    with pytest.raises(StartFailed, match=r"drey.conf:\d+.*" + re.escape(text)):
        d.start()


def test_A4_11_before_calls_were_invented_a_stub_has_fetch_only(drey):
    lua = IDS + ""
    lua = lua.replace('function R:crash()', 'function R:fetch() return Response.new "fetched" end\nfunction R:crash()')
    d = drey(lua, bindings=ONE, app_conf={"compatibility_date": "2024-04-02"})
    said = raised(d, 'local v = R:getByName("x"):get()')
    assert re.search(r"before compatibility_date 2024-04-03, and .*drey\.conf:\d+ says 2024-04-02", said), said
    assert front(d, 'return R:getByName("x"):fetch("http://x/"):text()') == "fetched"
    d.stop()
    d.edit_conf("compatibility_date 2024-04-02", "compatibility_date 2024-04-03")
    d.start()
    assert front(d, 'R:getByName("x"):set(1) return R:getByName("x"):get()') == 1

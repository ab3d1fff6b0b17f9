"""RPC and fetch: rows A4-*."""

from kit import KIT, call, export, refused

RPC = KIT + """
local T = DurableObject:extend "T"
function T:constructor(ctx, env) self:super(ctx, env); self.n = 0; self.field = "not a method" end
function T:increment() self.n = self.n + 1; return self.n end
function T:echo(...) return ... end
function T:count(...) return select("#", ...) end
function T:mutate(t) t.x = "changed"; t.list[1] = "changed"; return t.x end
function T:doWork() error({ message = "it did not work", code = 42 }) end
function T:raise() error "plain text" end
function T:_helper() return "private" end
function T:bytes(s) return { #s, s:byte(1, -1) } end
function T:nothing() end
function T:three() return 1, nil, 3 end

local function json(v) return Response.json(v) end
routes["/echo"] = function(_, env)
	local t = env.T:getByName "a"
	local value = {
		text = "a\\0b\\255", yes = true, no = false, int = 2^53, float = 0.1, neg = -7, deep = { { { "x" } } },
		list = { 1, "two", false }, sparse = { [1] = "a", [5] = "e" }, empty = JSON.array {},
	}
	local back = t:echo(value)
	local function same(a, b, path)
		if type(a) ~= "table" then
			assert(a == b, path .. ": " .. tostring(a) .. " ~= " .. tostring(b))
			return
		end
		assert(a ~= b, path .. ": shared, not copied")
		for k, v in pairs(a) do same(v, b[k], path .. "." .. tostring(k)) end
		for k in pairs(b) do assert(a[k] ~= nil, path .. "." .. tostring(k) .. " appeared") end
	end
	same(value, back, "value")
	assert(JSON.stringify(back.empty) == "[]", JSON.stringify(back.empty))
	assert(JSON.stringify(t:echo(JSON.parse "[]")) == "[]")
	assert(t:echo(nil) == nil and t:echo() == nil and t:nothing() == nil)
	assert(select("#", t:three()) == 3 or select(1, t:three()) == 1)
	assert(t:count(nil, nil) == 2, "nils at the end are arguments too")
	return Response.new "same"
end
routes["/copied"] = function(_, env)
	local mine = { x = "mine", list = { "mine" } }
	local theirs = env.T:getByName("a"):mutate(mine)
	return Response.new(mine.x .. " " .. mine.list[1] .. " " .. theirs)
end
routes["/refuse"] = function(request, env)
	local t, kind = env.T:getByName "a", request:text()
	local cycle = {}
	cycle.self = cycle
	local bad = {
		thread = { user = { cb = coroutine.create(function() end) } },
		cycle = cycle,
	}
	local ok, e = pcall(t.echo, t, bad[kind])
	return Response.new(ok and "accepted" or e.message or tostring(e))
end
routes["/error"] = function(_, env)
	local stub = env.T:getByName "a"
	local ok, e = pcall(stub.doWork, stub)
	return json { ok = ok, message = e.message, remote = e.remote, code = e.code }
end
routes["/raise"] = function(_, env)
	local stub = env.T:getByName "a"
	local ok, e = pcall(stub.raise, stub)
	return json { ok = ok, message = e.message, remote = e.remote, text = tostring(e) }
end
""" + export("T")

ONE = {"T": "T"}


def test_A4_01_call_a_method_on_a_stub(drey, worker_threads):
    d = drey(RPC, bindings=ONE, worker_threads=worker_threads)
    assert [call(d, "T", "a", "increment") for _ in range(3)] == [1, 2, 3]
    # Objects on every thread, called from every thread.
    for name in "bcdefghijk":
        assert call(d, "T", name, "increment") == 1


def test_A4_02_arguments_and_results_arrive_as_they_were(drey, worker_threads):
    d = drey(RPC, bindings=ONE, worker_threads=worker_threads)
    r = d.get("/echo")
    assert (r.status, r.text) == (200, "same"), r
    assert call(d, "T", "a", "echo", {"a": [1, 2, {"b": None}], "c": "é"}) == {"a": [1, 2, {"b": None}], "c": "é"}


def test_A4_03_values_are_copied(drey):
    d = drey(RPC, bindings=ONE)
    assert d.get("/copied").text == "mine mine changed"


def test_A4_04_what_cannot_cross_is_refused_with_its_path(drey):
    d = drey(RPC, bindings=ONE)
    said = d.post("/refuse", "thread").text
    assert "argument 1 .user.cb is a thread: cannot cross an object boundary" in said
    said = d.post("/refuse", "cycle").text
    assert "argument 1 .self is a table that contains itself: cannot cross an object boundary" in said
    assert call(d, "T", "a", "increment") == 1


def test_A4_05_errors_reach_the_caller(drey, worker_threads):
    d = drey(RPC, bindings=ONE, worker_threads=worker_threads)
    e = d.get("/error").json()
    assert e == {"ok": False, "message": "it did not work", "remote": True, "code": 42}
    e = d.get("/raise").json()
    assert e["ok"] is False and e["remote"] is True and e["message"].endswith("plain text")
    assert "plain text" in e["text"]
    assert call(d, "T", "a", "increment") == 1


def test_A4_06_private_helpers_are_not_callable(drey):
    d = drey(RPC, bindings=ONE)
    with refused("no such RPC method '_helper'"):
        call(d, "T", "a", "_helper")
    with refused("field"):
        call(d, "T", "a", "field")
    with refused("reserved"):
        call(d, "T", "a", "constructor")


def test_A4_07_an_unknown_method_names_its_neighbour(drey):
    d = drey(RPC, bindings=ONE)
    with refused('does not implement the method "incremnt"', "did you mean increment?"):
        call(d, "T", "a", "incremnt")


FETCH = KIT + """
local F = DurableObject:extend "F"
function F:fetch(request)
	local url = URL.new(request.url)
	return Response.json({
		method = request.method, url = request.url, path = url.pathname, q = url.searchParams:get "q",
		header = request.headers:get "x-thing", body = request:text(), count = 12,
	}, { headers = { ["X-From"] = "object" } })
end
function F:getStatus() self.n = (self.n or 0) + 1; return { calls = self.n } end
routes["/via-url"] = function(_, env)
	local r = env.F:getByName("a"):fetch("https://fake-host/increment?q=1%202", {
		method = "POST", headers = { ["X-Thing"] = "yes" }, body = "the body" })
	return Response.new(r:text(), { headers = { ["X-Seen"] = r.headers:get "x-from" } })
end
routes["/forward"] = function(request, env) return env.F:getByName("a"):fetch(request) end
routes["/json"] = function(_, env)
	local r = env.F:getByName("a"):fetch "https://x/"
	return Response.new(tostring(r:json().count))
end
routes["/bad-json"] = function()
	local r = Response.new '{"a": 1,, }'
	local ok, e = pcall(r.json, r)
	return Response.new(ok and "parsed" or type(e) == "table" and e.message or tostring(e))
end
routes["/hybrid"] = function(_, env)
	local stub = env.F:getByName "a"
	stub:fetch "https://x/"
	stub:fetch "https://x/"
	return Response.json(stub:getStatus())
end
""" + export("F")


def test_A4_08_stub_fetch_passes_method_path_query_headers_and_body(drey, worker_threads):
    d = drey(FETCH, bindings={"F": "F"}, worker_threads=worker_threads)
    r = d.get("/via-url")
    assert r.header("x-seen") == "object"
    seen = r.json()
    assert seen["method"] == "POST" and seen["path"] == "/increment" and seen["q"] == "1 2"
    assert seen["header"] == "yes" and seen["body"] == "the body" and seen["url"].startswith("https://fake-host/")
    seen = d.request("PUT", "/forward?q=z", {"X-Thing": "mine"}, "raw").json()
    assert (seen["method"], seen["path"], seen["q"], seen["header"], seen["body"]) == ("PUT", "/forward", "z", "mine", "raw")


def test_A4_09_response_json_and_the_place_of_a_mistake(drey):
    d = drey(FETCH, bindings={"F": "F"})
    assert d.get("/json").text == "12"
    said = d.get("/bad-json").text
    assert "parsed" not in said
    assert "1" in said and ("column" in said or "character" in said), said


def test_A4_10_methods_and_fetch_on_one_object(drey):
    d = drey(FETCH, bindings={"F": "F"})
    assert d.get("/hybrid").json() == {"calls": 1}
    assert d.get("/hybrid").json() == {"calls": 2}


CHAIN = KIT + """
local A = DurableObject:extend "A"
function A:go(n) return "A>" .. self.env.B:getByName("b"):go(n) end
local B = DurableObject:extend "B"
function B:go(n) return "B>" .. self.env.C:getByName("c"):go(n) end
local C = DurableObject:extend "C"
function C:go(n) self.ctx.storage:put("n", n); return "C" .. self.ctx.storage:get "n" end
""" + export("A", "B", "C")


def test_A4_12_objects_call_objects(drey, worker_threads):
    d = drey(CHAIN, bindings={"A": "A", "B": "B", "C": "C"}, worker_threads=worker_threads)
    for n in range(5):
        assert call(d, "A", f"a{n}", "go", n) == f"A>B>C{n}"

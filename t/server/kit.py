"""kit -- one front module that lets a test call any method of any object.

    d = drey(KIT + OBJECTS + export("Thing"), bindings={"THING": "Thing"})
    assert call(d, "THING", "a", "add", 1, 2) == 3
    with refused("boom"): call(d, "THING", "a", "explode")

Storage alone is tested with pieces of Lua, without a class for each:

    lua = scratch(drey)
    assert lua('s:put("k", 1) return s:get "k"') == 1

A call is POST /call with {binding, name or id, method, args}; its answer is
{ok=true, result=} or {ok=false, error={message=, ...}}.
"""

import contextlib

KIT = """
local function answer(ok, first, ...)
	if ok then
		return Response.json { ok = true, result = first }
	end
	local e = first
	if type(e) ~= "table" then
		return Response.json { ok = false, error = { message = tostring(e) } }
	end
	return Response.json { ok = false, error = {
		message = e.message, name = e.name, remote = e.remote, retryable = e.retryable,
		overloaded = e.overloaded, durableObjectReset = e.durableObjectReset,
	} }
end

local function stub_of(c, env)
	local namespace = env[c.binding]
	if c.id then
		return namespace:get(namespace:idFromString(c.id))
	end
	return namespace:getByName(c.name)
end

local routes = {}	-- a test may add its own: routes["/path"] = function(request, env) ... end

local function front(request, env, ctx)
	local path = URL.new(request.url).pathname
	if routes[path] then
		return routes[path](request, env, ctx)
	end
	if path ~= "/call" then
		return Response.new("no such path: " .. path .. "\\n", { status = 404 })
	end
	local c = request:json()
	local args = c.args or {}
	return answer(pcall(function()
		local stub = stub_of(c, env)
		return stub[c.method](stub, unpack(args, 1, c.n))
	end))
end
"""


def export(*classes):
    return "\nreturn { fetch = front, " + ", ".join(f"{c} = {c}" for c in classes) + " }\n"


SCRATCH = KIT + """
local S = DurableObject:extend "S"
function S:lua(code, ...)
	local s = self.ctx.storage
	local head = "local ctx, s, kv, sql, arg, env = ... "
	return assert(loadstring(head .. code, "=test"))(self.ctx, s, s.kv, s.sql, { ... }, self.env)
end
""" + export("S")


def scratch(drey, **more):
    """A server, and a function that runs Lua in an object: ctx, s, kv, sql, env are there, arg[1] ... is what is passed."""
    d = drey(SCRATCH, bindings={"S": "S"}, **more)

    def lua(code, *args, name="a"):
        return call(d, "S", name, "lua", code, *args)

    lua.server = d
    return lua


class CallFailed(AssertionError):
    def __init__(self, error):
        super().__init__(error.get("message"))
        self.error = error
        self.message = error.get("message") or ""


def call(d, binding, name, method, *args, object_id=None, client=None):
    what = {"binding": binding, "name": name, "method": method, "args": list(args), "n": len(args)}
    if object_id:
        what["id"] = object_id
    reply = (client or d).post("/call", json=what)
    assert reply.status == 200, reply
    answer = reply.json()
    if not answer["ok"]:
        raise CallFailed(answer["error"])
    return answer.get("result")


@contextlib.contextmanager
def refused(*texts):
    """The call inside fails, and its message has all these texts.  Gives an object whose .error is the error."""

    class Seen:
        error = {}

    try:
        yield Seen
    except CallFailed as e:
        for text in texts:
            assert text in e.message, f"{text!r} is not in {e.message!r}"
        Seen.error = e.error
        return
    raise AssertionError(f"the call should have failed with {texts}")

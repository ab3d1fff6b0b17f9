"""Functions and RpcTargets passed by reference: rows B7-03, B7-04, B7-08."""

import pytest

from drey import SANITIZED, eventually
from kit import KIT, call, export

OBJECTS = KIT + """
local Cart = RpcTarget:extend "Cart"
function Cart:constructor(owner) self.owner, self.items = owner, {} end
function Cart:add(item) self.items[#self.items + 1] = item; return #self.items end
function Cart:list() return self.items end
function Cart:whose() return self.owner end
function Cart:_secret() return "secret" end
function Cart:part() return Cart.new(self.owner .. "'s part") end

local A = DurableObject:extend "A"
function A:constructor(ctx, env) self:super(ctx, env); self.n = 0 end
function A:apply(fn, ...) return fn(...) end
function A:twice(fn) return fn(1) + fn(2) end
function A:keep(fn) self.kept = fn:dup() return true end
function A:keep_plain(fn) self.kept = fn return true end
function A:use(...) return self.kept(...) end
function A:use_method(name, ...) return self.kept[name](self.kept, ...) end
function A:give_up() self.kept:dispose() self.kept:dispose() return true end
function A:forget_it() self.kept = nil collectgarbage() collectgarbage() return true end
function A:cart() self.mine = Cart.new(self.ctx.id.name) return self.mine end
function A:mine_has() return #self.mine.items end
function A:put(v) self.ctx.storage:put("v", v) end
function A:counter() return function() self.n = self.n + 1 return self.n end end
function A:count() return self.n end
function A:subscribe(other)		-- its own function goes to another object
	return self.env.A:getByName(other):keep(function(x) self.n = self.n + x return self.n end)
end
function A:ring(other, depth)		-- a calls b, b calls a's function, which calls b again
	if depth == 0 then return "end" end
	return self.env.A:getByName(other):apply(function(d)
		return "(" .. self:ring(other, d - 1) .. ")"
	end, depth)
end
function A:relay(other, fn, ...) return self.env.A:getByName(other):apply(fn, ...) end
function A:relay_slowly()
	return self.env.B:getByName("b"):apply(function() console.log "inside" sleep(60000) end)
end
function A:abort() self.ctx:abort "enough" end
function A:spin() local t = {} for i = 1, 1e15 do t[i % 7] = i end end
function A:lua(code, ...)
	return assert(loadstring("local self, arg, Cart = ... " .. code, "=test"))(self, { ... }, Cart)
end
local B = A:extend "B"
""" + export("A", "B")

BINDINGS = {"A": "A", "B": "B"}


def run(*pieces):
    """A server's source whose front module runs these pieces at /0, /1 ..., with a and b, objects of class A."""
    routes = ""
    for n, text in enumerate(pieces):
        routes += f"""
routes["/{n}"] = function(request, env, ctx)
	local a, b = env.A:getByName "a", env.A:getByName "b"
	local function raised(fn, ...)
		local ok, e = pcall(fn, ...)
		assert(not ok, "it did not raise")
		return type(e) == "table" and e.message or tostring(e), e
	end
	{text}
end
"""
    return OBJECTS.replace("\nreturn {", routes + "\nreturn {")


def test_B7_03_a_callback_runs_in_the_caller(drey, worker_threads):
    d = drey(run("""
	local seen = {}
	local function fn(...) seen[#seen + 1] = { ... } return #seen, select("#", ...) end
	local n, count = a:apply(fn, "x", nil, 3)
	assert(n == 1 and count == 3, tostring(count))
	assert(seen[1][1] == "x" and seen[1][3] == 3)
	assert(a:twice(function(x) return x * 10 end) == 30)
	local got = {}
	for i = 1, 20 do got[i] = env.A:getByName("o" .. i):apply(function(x) return x + i end, i) end
	for i = 1, 20 do assert(got[i] == 2 * i) end
	return Response.json(#seen)
"""), bindings=BINDINGS, worker_threads=worker_threads)
    assert d.get("/0").json() == 1
    # And in an object: what it closes over is that instance.
    assert call(d, "A", "a", "subscribe", "b") is True
    assert call(d, "A", "b", "use", 5) == 5
    assert call(d, "A", "b", "use", 6) == 11
    assert call(d, "A", "a", "count") == 11


def test_B7_03_references_inside_tables_and_results(drey, worker_threads):
    d = drey(run("""
	local f = a:counter()
	assert(tostring(f) == "RPC stub" and type(f) == "userdata")
	assert(f() == 1 and f() == 2 and a:count() == 2)
	local t = a:lua("return { { up = function() return 'up' end, n = 1 }, arg[1].deep.cb }", { deep = { cb = function() return "mine" end } })
	assert(t[1].up() == "up" and t[1].n == 1)
	assert(t[2]() == "mine", "what came back is called where it was made")
	local three = a:apply(function() return function() return function() return 3 end end end)
	assert(three()() == 3)
	return Response.json(true)
"""), bindings=BINDINGS, worker_threads=worker_threads)
    assert d.get("/0").json() is True, d.story()


def test_B7_03_what_is_passed_on_leads_to_its_owner(drey, worker_threads):
    d = drey(run("""
	assert(a:relay("b", function(x) return "front " .. x end, 1) == "front 1")
	assert(a:relay("a", function(x) return "self " .. x end, 1) == "self 1")
	local cart = a:cart()
	assert(b:lua("return arg[1]:add 'x'", cart) == 1)
	assert(cart:list()[1] == "x")
	b:keep(cart)
	cart:dispose()
	return Response.json(b:use_method("add", "y"))
"""), bindings=BINDINGS, worker_threads=worker_threads)
    assert d.get("/0").json() == 2


def test_B7_03_cycles_of_calls_end(drey, worker_threads):
    d = drey(OBJECTS, bindings=BINDINGS, worker_threads=worker_threads)
    assert call(d, "A", "a", "ring", "b", 6) == "((((((end))))))"


def test_B7_03_callbacks_may_wait_and_raise(drey, worker_threads):
    d = drey(run("""
	assert(a:apply(function(x) sleep(5) return b:lua "return 'waited'" .. x end, 1) == "waited1")
	local text, e = raised(a.apply, a, function() error { message = "mine", code = 7 } end)
	assert(text == "mine" and e.code == 7 and e.remote, text)
	text, e = raised(a.apply, a, function() error "plain" end)
	assert(text:find "plain$" and e.remote)
	-- several at once
	local all = await(Promise.all { async(function() return a:apply(function() sleep(20) return 1 end) end),
		async(function() return a:apply(function() sleep(10) return 2 end) end) })
	assert(all[1] == 1 and all[2] == 2)
	return Response.json(true)
"""), bindings=BINDINGS, worker_threads=worker_threads)
    r = d.get("/0")
    assert r.status == 200 and r.json() is True, (r.text, d.story())


def test_B7_03_a_function_is_neither_stored_nor_a_key(drey):
    d = drey(run("""
	local fn, cart = function() end, a:cart()
	local why = {}
	why[1] = raised(a.lua, a, "self.ctx.storage:put('k', { f = function() end })")
	why[2] = raised(a.put, a, fn)
	why[3] = raised(a.lua, a, "self.ctx.storage:put('k', { x = Cart.new 'c' })")
	why[4] = raised(a.apply, a, function() end, { [fn] = 1 })
	why[5] = raised(a.lua, a, "return { f = coroutine.create(function() end) }")
	why[6] = raised(a.put, a, cart)
	return Response.json(why)
"""), bindings=BINDINGS)
    why = d.get("/0").json()
    assert "the value .f is a function: cannot cross an object boundary" in why[0]
    assert "the value is passed by reference, in calls only: it cannot be copied or stored" in why[1]
    assert "the value .x is passed by reference" in why[2]
    assert "argument 2 has a key that is neither string, number nor boolean" in why[3]
    assert "the result .f is a thread" in why[4]
    assert "the value is passed by reference" in why[5]


def test_B7_04_an_RpcTarget_is_called_where_it_lives(drey, worker_threads):
    d = drey(run("""
	local cart = a:cart()
	assert(cart:whose() == "a" and cart:add "apple" == 1 and cart:add { "pear" } == 2)
	assert(cart:list()[2][1] == "pear" and a:mine_has() == 2)
	assert(cart:part():whose() == "a's part")
	local why = {}
	why[1] = raised(function() cart:ad() end)
	why[2] = raised(function() cart:_secret() end)
	why[3] = raised(function() cart:constructor() end)
	why[4] = raised(function() cart:new() end)
	why[5] = raised(function() cart:items() end)
	why[6] = raised(function() cart() end)
	why[7] = raised(function() a:counter():add() end)
	why[8] = raised(function() cart.add() end)
	why[9] = raised(function() cart.x = 1 end)
	return Response.json(why)
"""), bindings=BINDINGS, worker_threads=worker_threads)
    r = d.get("/0")
    assert r.status == 200, (r.text, d.story())
    why = r.json()
    assert 'The RPC receiver does not implement the method "ad". (did you mean add?)' in why[0]
    assert "no such RPC method '_secret': names that begin with _ are private to Cart" in why[1]
    assert "'constructor' is a reserved method and cannot be called over RPC." in why[2]
    assert "'new' is a reserved method" in why[3]
    assert 'does not implement the method "items"' in why[4]
    assert "an RpcTarget of class Cart is not a function" in why[5]
    assert 'does not implement the method "add": it is a function' in why[6]
    assert "with a colon" in why[7] and "worker.lua:" in why[7]
    assert "a stub keeps nothing" in why[8]


def test_B7_08_a_stub_used_after_its_end_says_so(drey, worker_threads):
    d = drey(run("""
	local cart = a:cart()
	local other = cart:dup()
	cart:dispose()
	local text = raised(function() cart:add "x" end)
	assert(text:find("RPC stub used after being disposed.", 1, true), text)
	assert(text:find "^worker.lua:%d+: ", text)
	text = raised(function() a:apply(cart) end)
	assert(text:find("argument 1 is an RPC stub used after being disposed.", 1, true), text)
	text = raised(function() cart:dup() end)
	assert(text:find("RPC stub used after being disposed.", 1, true), text)
	assert(other:add "y" == 1, "what dup() made lives on")
	return Response.json(true)
"""), bindings=BINDINGS, worker_threads=worker_threads)
    r = d.get("/0")
    assert r.status == 200 and r.json() is True, r.text


def test_B7_08_an_argument_ends_with_its_call_unless_it_was_dupped(drey, worker_threads):
    d = drey(run("""
	local function fn(x) return "called " .. tostring(x) end
	a:keep_plain(fn)
	local text, e = raised(a.use, a, 1)
	assert(text:find("RPC stub used after being disposed.", 1, true) and e.remote, text)
	a:keep(fn)
	assert(a:use(2) == "called 2")
	a:give_up()
	text = raised(a.use, a, 1)
	assert(text:find("RPC stub used after being disposed.", 1, true), text)
	return Response.json(true)
""", "a:keep(function() return 'gone' end) return Response.json(true)",
    "local text, e = raised(a.use, a) return Response.json { text, e.retryable or false }"),
        bindings=BINDINGS, worker_threads=worker_threads)
    r = d.get("/0")
    assert r.status == 200 and r.json() is True, r.text
    # A function of a front module is gone with its request.
    d.get("/1")
    text, retryable = d.get("/2").json()
    assert "The execution context which hosts this callback is no longer running." in text and retryable is False


@pytest.mark.parametrize("how", ["abort", "spin"])
def test_B7_08_the_owner_was_reset(drey, how, worker_threads):
    d = drey(run("local text, e = raised(b.use, b, 1) return Response.json { text, e.retryable or false, e.remote }"),
             bindings=BINDINGS, limits={"cpu": "100ms"}, worker_threads=worker_threads)
    call(d, "A", "a", "subscribe", "b")
    assert call(d, "A", "b", "use", 1) == 1
    r = d.post("/call", json={"binding": "A", "name": "a", "method": how, "n": 0})
    assert r.status == 503 or not r.json()["ok"], r    # 503: the request waited in the VM that was lost
    text, retryable, remote = d.get("/0").json()
    if how == "abort" or "kept" not in text:           # else b was in that VM, too, and was reset with it
        assert "no longer running" in text and retryable and remote, text
    assert call(d, "A", "a", "count") == 0
    # The next instance lends anew.
    call(d, "A", "a", "subscribe", "b")
    assert call(d, "A", "b", "use", 3) == 3


def test_B7_03_an_object_that_lends_stays_awake_until_it_is_released(drey, worker_threads):
    d = drey(OBJECTS, bindings=BINDINGS, limits={"idle_hibernate": "50ms"}, worker_threads=worker_threads)
    # Nothing but what it lent keeps a awake; c, which keeps it, has work.
    call(d, "A", "a", "subscribe", "c")
    call(d, "A", "c", "lua", "self.ctx:waitUntil(function() while not self.done do sleep(10) end end)")
    assert call(d, "A", "c", "use", 4) == 4
    call(d, "A", "c", "lua", "sleep(300)")             # six times as long as idle objects stay
    assert call(d, "A", "c", "use", 4) == 8, "a slept and forgot its count"
    call(d, "A", "c", "forget_it")
    eventually(lambda: call(d, "A", "c", "lua", "sleep(150)") is None and call(d, "A", "a", "count") == 0, 10, "a sleeps")
    call(d, "A", "c", "lua", "self.done = true")


def test_B7_03_ten_thousand_references_leave_memory_flat(drey, worker_threads):
    d = drey(run("""
	for i = 1, 500 do assert(a:apply(function(x) return x end, i) == i) end
	for i = 1, 500 do a:cart():add(i) end
	return Response.json(true)
""", "return Response.json(a:lua [[ for i = 1, 1000 do self.env.A:getByName('b'):cart() end return true ]])"),
        bindings=BINDINGS, limits={"references": 1200}, worker_threads=worker_threads)
    for _ in range(3):
        assert d.get("/0").json() is True
        assert d.get("/1").json() is True
        call(d, "A", "a", "forget_it")
    before = d.rss_kb()
    for _ in range(8):
        assert d.get("/0").json() is True
        assert d.get("/1").json() is True
        call(d, "A", "a", "forget_it")
    if not SANITIZED:      # which keeps what is freed
        assert d.rss_kb() - before < 6000, (before, d.rss_kb())


def test_B7_03_more_than_the_limit_is_refused(drey):
    d = drey(run("""
	local all = {}
	for i = 1, 11 do all[i] = function() return i end end
	return Response.json((raised(a.apply, a, all[1], all)))
""", """
	local ten = {}
	for i = 1, 10 do ten[i] = function() return i end end
	return Response.json(a:lua("return arg[1][9]()", ten))
"""), bindings=BINDINGS, limits={"references": 10}, worker_threads=1)
    for _ in range(3):
        text = d.get("/0").json()
        assert "10 functions and RpcTargets of this app are lent out already" in text and "limits references" in text
        assert d.get("/1").json() == 9


@pytest.mark.parametrize("where", ["front", "object"])
def test_B7_03_a_server_that_stops_ends_callbacks_that_run(drey, where, worker_threads):
    d = drey(run("""
	local all = {}
	for i = 1, 8 do
		all[i] = async(function() return env.A:getByName("s" .. i):apply(function() console.log "inside" sleep(60000) end) end)
	end
	await(Promise.all(all))
"""), bindings=BINDINGS, worker_threads=worker_threads, top_conf={"shutdown_timeout": "300ms"})
    with d.raw() as c:
        if where == "front":
            c.request("GET", "/0")
        else:
            c.request("POST", "/call", json={"binding": "A", "name": "a", "method": "relay_slowly", "n": 0})
        d.wait_log("inside")
        d.stop(within=20)


def test_B7_03_a_lost_VM_takes_its_references_along(drey, worker_threads):
    d = drey(run("""
	local ok, e = pcall(a.apply, a, function() local t = {} for i = 1, 1e15 do t[i % 7] = i end end)
	return Response.json { ok, type(e) == "table" and e.message or tostring(e) }
""", """
	for i = 1, 50 do env.A:getByName("k" .. i):keep(function() end); env.A:getByName("k" .. i):lua(
		"self.c = self.env.A:getByName('k' .. arg[1] % 50 + 1):cart()", i) end
	local ok, e = pcall(env.A:getByName("k7").spin, env.A:getByName "k7")
	return Response.json { ok, type(e) == "table" and e.message or tostring(e) }
"""), bindings=BINDINGS, limits={"cpu": "100ms"}, worker_threads=worker_threads)
    for n in range(4):
        r = d.get(f"/{n % 2}", timeout=30)
        assert r.status in (200, 503), r.text
        eventually(lambda: call(d, "A", "fresh", "lua", "return 1") == 1, 10, "it serves on")
    assert d.get("/2").status == 404

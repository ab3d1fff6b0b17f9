-- Classes: extend, constructors, and which functions answer a call.

local t = ...

local function fresh()
	local drey = t.drey()
	return drey, drey.globals.DurableObject
end

local CTX, ENV = {}, {}

t.describe("instances", function()
	t.it("A2-03 have ctx and env when there is no constructor", function()
		local drey, DurableObject = fresh()
		local Counter = DurableObject:extend "Counter"
		function Counter:who() return self.ctx, self.env end
		local ctx, env = drey.instance(Counter, CTX, ENV):who()
		assert(ctx == CTX and env == ENV)
	end)

	t.it("A2-02 run their constructor once, which calls super", function()
		local drey, DurableObject = fresh()
		local Counter = DurableObject:extend "Counter"
		local runs = 0
		function Counter:constructor(ctx, env)
			self:super(ctx, env)
			runs = runs + 1
			self.n = self.ctx == CTX and 7
		end
		t.same(drey.instance(Counter, CTX, ENV).n, 7)
		t.same(runs, 1)
	end)

	t.it("A2-03 refuse self.ctx before self:super and name the author's line", function()
		local drey, DurableObject = fresh()
		local Counter = DurableObject:extend "Counter"
		function Counter:constructor(ctx, env)
			self.storage = self.ctx.storage
			self:super(ctx, env)
		end
		local err = t.raises("self.ctx is used before self:super(ctx, env)", drey.instance, Counter, CTX, ENV)
		assert(err:find("class_test.lua:" .. debug.getinfo(Counter.constructor, "S").linedefined + 1, 1, true), err)
	end)

	t.it("refuse a constructor that never calls super, and say where it is", function()
		local drey, DurableObject = fresh()
		local Counter = DurableObject:extend "Counter"
		function Counter:constructor() self.n = 0 end
		local err = t.raises("the constructor of Counter did not call self:super(ctx, env)",
			drey.instance, Counter, CTX, ENV)
		assert(err:find "class_test.lua:%d+: the constructor", err)
	end)

	t.it("refuse super without what the constructor was given", function()
		local drey, DurableObject = fresh()
		local Counter = DurableObject:extend "Counter"
		function Counter:constructor() self:super() end
		t.raises("pass on what the constructor was given", drey.instance, Counter, CTX, ENV)
	end)

	t.it("refuse a second super", function()
		local drey, DurableObject = fresh()
		local Counter = DurableObject:extend "Counter"
		function Counter:constructor(ctx, env)
			self:super(ctx, env)
			self:super(ctx, env)
		end
		t.raises("called once", drey.instance, Counter, CTX, ENV)
	end)

	t.it("run every constructor of a chain, from the top", function()
		local drey, DurableObject = fresh()
		local Base = DurableObject:extend "Base"
		local Middle = Base:extend "Middle"
		local Fancy = Middle:extend "Fancy"
		local order = {}
		function Base:constructor(ctx, env) self:super(ctx, env); order[#order + 1] = "Base" end
		function Fancy:constructor(ctx, env) self:super(ctx, env); order[#order + 1] = "Fancy" end
		function Middle.hello() return "hello" end
		local it = drey.instance(Fancy, CTX, ENV)
		t.same(order, { "Base", "Fancy" })
		t.same(it:hello(), "hello")
		assert(it.ctx == CTX)
	end)

	t.it("blame the parent whose constructor forgot super", function()
		local drey, DurableObject = fresh()
		local Base = DurableObject:extend "Base"
		local Fancy = Base:extend "Fancy"
		function Base:constructor() self.n = 0 end
		function Fancy:constructor(ctx, env) self:super(ctx, env) end
		t.raises("the constructor of Base did not call", drey.instance, Fancy, CTX, ENV)
	end)

	t.it("share no fields", function()
		local drey, DurableObject = fresh()
		local Counter = DurableObject:extend "Counter"
		local a, b = drey.instance(Counter, CTX, ENV), drey.instance(Counter, CTX, ENV)
		a.n = 1
		t.same(b.n, nil)
	end)
end)

t.describe("extend", function()
	t.it("wants a name", function()
		local _, DurableObject = fresh()
		t.raises("a class needs a name", function() DurableObject:extend() end)
		t.raises("extend is called on a class", function() DurableObject.extend("Counter") end)
	end)

	t.it("makes values that are known by their name", function()
		local drey, DurableObject = fresh()
		local Counter = DurableObject:extend "Counter"
		t.same(drey.class_name(Counter), "Counter")
		t.same(drey.class_name(DurableObject), nil)
		t.same(drey.class_name({}), nil)
		t.same(drey.class_name(nil), nil)
		t.same(tostring(Counter), "class Counter")
	end)
end)

t.describe("RPC lookup", function()
	local drey, DurableObject = fresh()
	local Counter = DurableObject:extend "Counter"
	function Counter.increment() end
	function Counter.decrement() end
	function Counter._helper() end
	function Counter.fetch() end
	Counter.limit = 10
	local Fancy = Counter:extend "Fancy"

	local function refused(name)
		local found, why = drey.method(Fancy, name)
		t.same(found, nil)
		return why
	end

	t.it("finds methods of the class and of its parents", function()
		assert(drey.method(Counter, "increment") == Counter.increment)
		assert(drey.method(Fancy, "increment") == Counter.increment)
	end)

	t.it("A4-06 refuses private helpers", function()
		assert(refused("_helper"):find("no such RPC method '_helper'", 1, true))
		assert(refused("__index"):find("no such RPC method '__index'", 1, true))
	end)

	t.it("refuses reserved names with the original's words", function()
		for _, name in ipairs { "fetch", "connect", "alarm", "webSocketMessage", "webSocketClose", "webSocketError",
			"dup", "constructor" } do
			t.same(refused(name), "'" .. name .. "' is a reserved method and cannot be called over RPC.")
		end
	end)

	t.it("A4-07 names close matches of an unknown method", function()
		t.same(refused "incremnt",
			'The RPC receiver does not implement the method "incremnt". (did you mean increment?)')
		t.same(refused "Increment",
			'The RPC receiver does not implement the method "Increment". (did you mean increment?)')
	end)

	t.it("says nothing more when nothing is close", function()
		t.same(refused "zebra", 'The RPC receiver does not implement the method "zebra".')
		t.same(refused "", 'The RPC receiver does not implement the method "".')
	end)

	t.it("does not offer what drey put there", function()
		t.same(refused "super", 'The RPC receiver does not implement the method "super".')
		t.same(refused "extend", 'The RPC receiver does not implement the method "extend".')
	end)

	t.it("refuses what is not a function", function()
		t.same(refused "limit", '"limit" is not a function.')
	end)

	t.it("survives a very long name", function()
		refused(("x"):rep(100000))
	end)
end)

t.describe("fetch", function()
	t.it("hands on the response of the handler", function()
		local drey, DurableObject = fresh()
		local Hello = DurableObject:extend "Hello"
		function Hello.fetch() return drey.globals.Response.new "hi" end
		t.same(drey.fetch(drey.instance(Hello, CTX, ENV), {})._body, "hi")
	end)

	t.it("says that there is no handler", function()
		local drey, DurableObject = fresh()
		local Hello = DurableObject:extend "Hello"
		t.raises("Handler does not export a fetch() function.", drey.fetch, drey.instance(Hello, CTX, ENV), {})
	end)

	t.it("names the handler that returned no Response", function()
		local drey, DurableObject = fresh()
		local Hello = DurableObject:extend "Hello"
		function Hello.fetch() return { a = 1 } end
		local err = t.raises("fetch returned a table; return a Response", drey.fetch, drey.instance(Hello, CTX, ENV), {})
		assert(err:find "class_test.lua:%d+: fetch", err)
		function Hello.fetch() end
		t.raises("fetch returned nothing", drey.fetch, drey.instance(Hello, CTX, ENV), {})
	end)
end)

t.describe("env", function()
	t.it("A12-10 refuses a name that was not declared and lists those that are", function()
		local drey = fresh()
		local env = drey.env { name = "app", bindings = { MY_DO = {}, LIMITER = {} }, vars = { GREETING = "hi" } }
		t.same(env.GREETING, "hi")
		local err = t.raises("env.MY_D0 is not declared; declared: GREETING, LIMITER, MY_DO", function() return env.MY_D0 end)
		assert(err:find "class_test.lua", err)
	end)
end)

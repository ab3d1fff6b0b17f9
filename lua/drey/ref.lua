-- ref.lua -- stubs of functions and of RpcTarget objects that were passed over RPC.
--
-- A stub is a userdata that C made (src/lua/bind_ref.c): callback(1, 2) calls a
-- function, cart:add(x) a method. dup and dispose are the stub's own. What it
-- stands for runs where it was made.

local native = ...

local class = native.module "class"
local settle = native.module "park".settle
local raw = native.ref
local call = raw.call
local error, type, getmetatable = error, type, getmetatable

local methods = native.module "remote".methods(call, { dup = raw.dup, dispose = raw.dispose })

local Stub = {
	__index = methods,
	__call = function(self, ...) return settle(call(self, false, ...)) end,
	__newindex = function() error("a stub keeps nothing: what it stands for lives elsewhere", 2) end,
	__tostring = function() return "RPC stub" end,
	__metatable = "stub",
}

local function refuse(why)
	error({ name = "TypeError", message = why }, 0)
end

-- Where it lives: runs a method of a target. (A function called plainly never comes here.)
local function run(target, name, ...)
	if type(target) == "function" then
		refuse("The RPC receiver does not implement the method \"" .. name
			.. "\": it is a function; call it as callback(...)")
	end
	local of = getmetatable(target)
	if not name then
		refuse("an RpcTarget of class " .. class.target_name(of)
			.. " is not a function: call one of its methods, as in stub:method(...)")
	end
	local method, why = class.method(of, name)
	if not method then
		refuse(why)
	end
	return method(target, ...)
end

raw.connect(Stub, class.targets, run)

return {}

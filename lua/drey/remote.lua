-- remote.lua -- methods that are called elsewhere, made when they are first asked for and kept.
--
-- For the stubs of objects (stub.lua) and of references (ref.lua).

local native = ...

local settle = native.module "park".settle
local type, rawset, setmetatable = type, rawset, setmetatable

local KEPT = 1000	-- remembered at most, of each kind of stub: names may come from a client

-- own: the methods that run here. Any other name is a function that passes call(stub, name, ...) on.
local function methods(call, own)
	local kept = 0
	return setmetatable(own, {
		__index = function(self, name)
			if type(name) ~= "string" then
				return nil
			end
			local function method(stub, ...)
				return settle(call(stub, name, ...))
			end
			if kept < KEPT then
				kept = kept + 1
				rawset(self, name, method)
			end
			return method
		end,
	})
end

return { methods = methods }

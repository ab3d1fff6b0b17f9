-- ctx.lua -- ctx, what an instance knows about itself.
--
-- An awake object costs two tables here: ctx and, once used, ctx.storage.
-- _serial says which instance they belong to; the host checks it on every
-- call, so a ctx that outlived its object is refused.

local native = ...

local storage = native.module "storage"
local rawset, setmetatable = rawset, setmetatable

local methods = {}	-- blockConcurrencyWhile, waitUntil, abort, state: each takes ctx first
for name, fn in pairs(native.ctx) do
	methods[name] = fn
end

local exports = {}	-- the namespaces of the app's own classes, by their names

local function export(namespaces)
	local names = {}
	for name, namespace in pairs(namespaces) do
		exports[name] = namespace
		names[#names + 1] = name
	end
	table.sort(names)
	local there = #names > 0 and table.concat(names, ", ") or "none"
	setmetatable(exports, {
		__index = function(_, name)
			error("ctx.exports." .. tostring(name) .. " is not a class that a migration of this app creates; there are: "
				.. there, 2)
		end,
	})
end

local Ctx = {}

function Ctx.__index(self, key)
	if key == "storage" then
		local made = storage.new(self._serial)
		rawset(self, "storage", made)
		return made
	end
	return key == "exports" and exports or methods[key]
end

-- An object's ctx; id is its DurableObjectId.
local function new(serial, id)
	return setmetatable({ _serial = serial, id = id }, Ctx)
end

local Front = {}

function Front.__index(_, key)
	if key == "storage" or key == "id" then
		error("ctx." .. key .. " belongs to objects; the front module has none: call an object through env", 2)
	end
	return key == "exports" and exports or methods[key]
end

-- The ctx of a front module's fetch(request, env, ctx).
local function front()
	return setmetatable({}, Front)
end

return { new = new, front = front, export = export }

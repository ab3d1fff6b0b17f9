-- class.lua -- the classes of objects: local Counter = DurableObject:extend "Counter".
--
-- A class is a plain table of functions and the metatable of its instances.
-- An instance has two fields of ours, ctx and env; the rest is the author's.
-- While a constructor runs, and until it has called self:super(ctx, env), the
-- instance has another metatable, which refuses to give ctx and env.

local native = ...

local DurableObject = {}
DurableObject.__index = DurableObject

-- What is passed over RPC by reference: local Cart = RpcTarget:extend "Cart", then Cart.new(...).
local RpcTarget = {}
RpcTarget.__index = RpcTarget

local targets = setmetatable({}, { __mode = "k" })	-- class of RpcTarget -> true, for the host
local facts = setmetatable({}, { __mode = "k" })	-- class -> { name=, parent=, base=, early= }
local building = setmetatable({}, { __mode = "k" })	-- instance -> the class whose constructor is due to call super

facts[DurableObject] = { name = "DurableObject", base = DurableObject }
facts[RpcTarget] = { name = "RpcTarget", base = RpcTarget }

-- Names that never answer a call from outside, as in the original.
local reserved = {
	fetch = true, connect = true, alarm = true, webSocketMessage = true,
	webSocketClose = true, webSocketError = true, dup = true, constructor = true,
}

-- A subclass of any class: DurableObject:extend "Counter", then Counter:extend "Fancy".
function DurableObject:extend(name)
	if not facts[self] then
		error('extend is called on a class: DurableObject:extend "Counter"', 2)
	end
	if type(name) ~= "string" or name == "" then
		error('a class needs a name: ' .. facts[self].name .. ':extend "Counter"', 2)
	end
	local class = setmetatable({}, {
		__index = self,
		__tostring = function() return "class " .. name end,
	})
	class.__index = class
	facts[class] = { name = name, parent = self, base = facts[self].base }
	return class
end

-- A class with new(...), which runs the constructor if there is one: function Cart:constructor(...) end.
function RpcTarget:extend(name)
	local class = DurableObject.extend(self, name)
	targets[class] = true
	function class.new(...)
		local made = setmetatable({}, class)
		local constructor = class.constructor
		if constructor then
			constructor(made, ...)
		end
		return made
	end
	return class
end

-- The nearest class, from this one upwards, that defines a constructor itself.
local function constructing(class)
	while class and not rawget(class, "constructor") do
		class = facts[class].parent
	end
	return class
end

-- The metatable of an instance whose constructor has not called super yet.
local function early(class)
	local fact = facts[class]
	fact.early = fact.early or {
		__index = function(_, key)
			if key == "ctx" or key == "env" then
				error("self." .. key .. " is used before self:super(ctx, env); make self:super(ctx, env)"
					.. " the first line of the constructor of " .. fact.name, 2)
			end
			return class[key]
		end,
		class = class,
	}
	return fact.early
end

-- Called once by each constructor: runs the parent's, and at the top of the chain sets ctx and env.
function DurableObject:super(ctx, env)
	local class = building[self]
	if not class then
		error("self:super(ctx, env) is called once, and in the constructor only", 2)
	end
	if type(ctx) ~= "table" or env == nil then
		error("pass on what the constructor was given: self:super(ctx, env)", 2)
	end
	local parent = constructing(facts[class].parent)
	if not parent then
		building[self] = nil
		rawset(self, "ctx", ctx)
		rawset(self, "env", env)
		setmetatable(self, getmetatable(self).class)
		return
	end
	building[self] = parent
	parent.constructor(self, ctx, env)
	if building[self] then
		building[self] = class
		error("the constructor of " .. facts[parent].name .. " did not call self:super(ctx, env)", 2)
	end
end

-- Builds an instance: runs the constructor, if there is one.
local function instance(class, ctx, env)
	local from = constructing(class)
	if not from then
		return setmetatable({ ctx = ctx, env = env }, class)
	end
	local self = setmetatable({}, early(class))
	building[self] = from
	from.constructor(self, ctx, env)
	if building[self] then
		error(native.place(from.constructor) .. ": the constructor of " .. facts[from].name .. " did not"
			.. " call self:super(ctx, env); make it the first line", 0)
	end
	return self
end

local function is_method(name, value)
	return type(name) == "string" and type(value) == "function"
		and name:byte() ~= 95 and not reserved[name]
end

-- How many letters must change to turn a into b (Levenshtein).
local function distance(a, b)
	local row = {}
	for j = 0, #b do row[j] = j end
	for i = 1, #a do
		local diagonal = row[0]
		row[0] = i
		for j = 1, #b do
			local cost = a:byte(i) == b:byte(j) and 0 or 1
			diagonal, row[j] = row[j], math.min(row[j] + 1, row[j - 1] + 1, diagonal + cost)
		end
	end
	return row[#b]
end

-- " (did you mean increment?)", or nothing when no method comes close.
local function suggestion(class, wanted)
	local near, seen = {}, {}
	wanted = wanted:sub(1, 64)
	while facts[class].parent do
		for name, value in pairs(class) do
			local far = is_method(name, value) and #name <= 64 and distance(wanted:lower(), name:lower())
			if far and far <= math.max(2, #wanted / 3) and not seen[name] then
				seen[name] = true
				near[#near + 1] = { name = name, far = far }
			end
		end
		class = facts[class].parent
	end
	table.sort(near, function(a, b)
		if a.far ~= b.far then return a.far < b.far end
		return a.name < b.name
	end)
	local names = {}
	for i = 1, math.min(3, #near) do
		names[i] = near[i].far == near[1].far and near[i].name or nil
	end
	return #names > 0 and " (did you mean " .. table.concat(names, " or ") .. "?)" or ""
end

-- The function that a call from outside may run, or nil and why not.
local function method(class, name)
	local found, base = class[name], facts[class].base
	if base == RpcTarget and name == "new" then
		return nil, "'new' is a reserved method and cannot be called over RPC."
	end
	if type(found) == "function" and found ~= base[name] and not reserved[name] and name:byte() ~= 95 then
		return found
	end
	if reserved[name] then
		return nil, "'" .. name .. "' is a reserved method and cannot be called over RPC."
	end
	if name:byte() == 95 then
		return nil, "no such RPC method '" .. name .. "': names that begin with _ are private to "
			.. facts[class].name
	end
	if found ~= nil and found ~= base[name] then
		return nil, '"' .. name .. '" is not a function.'
	end
	return nil, 'The RPC receiver does not implement the method "' .. name .. '".' .. suggestion(class, name)
end

-- The name a class was made with; nil for anything that is not a class of an app.
local function class_name(value)
	local fact = type(value) == "table" and value ~= DurableObject and facts[value]
	return fact and fact.base == DurableObject and fact.name or nil
end

local function target_name(class)
	return facts[class].name
end

return {
	DurableObject = DurableObject, RpcTarget = RpcTarget, targets = targets, target_name = target_name,
	instance = instance, method = method, name = class_name,
}

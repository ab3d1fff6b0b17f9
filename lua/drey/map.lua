-- map.lua -- Map: pairs in an order, as storage:list() and storage:get { keys } give them.
--
-- Fields: size; _keys, the keys in order; _values, key -> value. Keys are kept
-- apart from the methods, so a stored key may be called "get" or "size".
-- LuaJIT knows no __pairs, so pairs() in apps is Map.pairs, which does.

local next, type, getmetatable, setmetatable = next, type, getmetatable, setmetatable

local Map = {}
Map.__index = Map

-- Map.new(), or Map.new { { key, value }, ... }
function Map.new(list)
	local self = setmetatable({ size = 0, _keys = {}, _values = {} }, Map)
	if list ~= nil and type(list) ~= "table" then
		error("Map.new takes a list of pairs { { key, value }, ... }, not a " .. type(list), 2)
	end
	for _, pair in ipairs(list or {}) do
		self:set(pair[1], pair[2])
	end
	return self
end

function Map:get(key)
	return self._values[key]
end

function Map:has(key)
	return self._values[key] ~= nil
end

-- A new key goes to the end; an old one keeps its place. nil deletes.
function Map:set(key, value)
	if key == nil or key ~= key then
		error("a Map cannot have the key " .. tostring(key), 2)
	end
	if value == nil then
		self:delete(key)
	elseif self._values[key] == nil then
		self.size = self.size + 1
		self._keys[self.size] = key
	end
	self._values[key] = value
	return self
end

-- Was it there?
function Map:delete(key)
	if self._values[key] == nil then
		return false
	end
	self._values[key] = nil
	for i = 1, self.size do
		if self._keys[i] == key then
			table.remove(self._keys, i)
			break
		end
	end
	self.size = self.size - 1
	return true
end

-- for key, value in map:entries() do
function Map:entries()
	local keys, values, i = self._keys, self._values, 0
	return function()
		i = i + 1
		local key = keys[i]
		if key ~= nil then
			return key, values[key]
		end
	end
end

-- The keys in order, a new table; for key in map:keys() works as well.
local iterable = { __call = function(self)
	local i = (self.at or 0) + 1
	rawset(self, "at", i)
	return self[i]
end }

function Map:keys()
	local list = setmetatable({}, iterable)
	for i = 1, self.size do list[i] = self._keys[i] end
	return list
end

-- The values in the order of their keys.
function Map:values()
	local list = setmetatable({}, iterable)
	for i = 1, self.size do list[i] = self._values[self._keys[i]] end
	return list
end

function Map:forEach(fn)
	for key, value in self:entries() do
		fn(value, key, self)
	end
end

-- What apps know as pairs: goes through a Map in its order, through any other table as ever.
function Map.pairs(t)
	if getmetatable(t) == Map then
		return t:entries()
	end
	if type(t) ~= "table" then
		error("bad argument #1 to 'pairs' (table expected, got " .. type(t) .. ")", 2)
	end
	return next, t, nil
end

return Map

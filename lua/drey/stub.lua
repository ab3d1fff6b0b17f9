-- stub.lua -- namespaces (env.COUNTER) and stubs.
--
-- A stub is a table with id and, if the id was made from a name, name. Making
-- one touches nothing; stub:method(...) sends. A method of a stub is made when
-- it is first asked for, and kept.

local native = ...

local settle = native.module "park".settle
local raw = native.stub
local call, send = raw.call, raw.fetch
local error, type, rawget, rawset = error, type, rawget, rawset
local tostring, setmetatable = tostring, setmetatable

local KEPT = 1000	-- names and methods remembered at most: either may come from a client

local outbound, response

local function remote(name)
	return function(self, ...)
		return settle(call(self, name, ...))
	end
end

local kept = 0
local methods = setmetatable({}, {
	__index = function(self, name)
		if type(name) ~= "string" then
			return nil
		end
		local method = remote(name)
		if kept < KEPT then
			kept = kept + 1
			rawset(self, name, method)
		end
		return method
	end,
})

function methods.fetch(self, input, init)
	local method, url, headers, body = outbound(input, init)
	return response(settle(send(self, method, url, headers, body)))
end

local Stub = {
	__index = methods,
	__tostring = function(self) return "stub of " .. (rawget(self, "name") or tostring(self.id)) end,
}

local Namespace = {}
Namespace.__index = Namespace

local function check(self, name, usage)
	if type(self) ~= "table" or not self._index then
		error("namespaces are called with a colon: env.BINDING:" .. usage, 3)
	end
	if type(name) ~= "string" then
		error("env." .. self._binding .. ":" .. usage .. " takes a string, not a " .. type(name), 3)
	end
end

local function id_of(self, name)
	local id = raw.id_from_name(self._index, name)
	if self._n >= KEPT then
		self._ids, self._n = {}, 0
	end
	self._ids[name] = id
	self._n = self._n + 1
	return id
end

-- The same name is always the same object.
function Namespace:idFromName(name)
	check(self, name, "idFromName(name)")
	return self._ids[name] or id_of(self, name)
end

-- id:toString() back into an id; one of another class is refused.
function Namespace:idFromString(text)
	check(self, text, "idFromString(text)")
	return raw.id_from_string(self._index, text)
end

-- An id that no name gives, different every time.
function Namespace:newUniqueId()
	check(self, "", "newUniqueId()")
	return raw.id_unique(self._index)
end

function Namespace:get(id)
	check(self, "", "get(id)")
	raw.check_class(id, self._index)
	return setmetatable({ id = id, name = id.name }, Stub)
end

function Namespace:getByName(name)
	if type(name) ~= "string" or type(self) ~= "table" then
		check(self, name, "getByName(name)")
	end
	return setmetatable({ id = self._ids[name] or id_of(self, name), name = name }, Stub)
end

-- For the host: the namespace of a binding; index is its class's.
function raw.namespace(binding, index)
	return setmetatable({ _binding = binding, _index = index, _ids = {}, _n = 0 }, Namespace)
end

function raw.connect(init)
	outbound, response = init.outbound, init.response
end

return {}

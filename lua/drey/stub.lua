-- stub.lua -- namespaces (env.COUNTER) and stubs.
--
-- A stub is a table with id and, if the id was made from a name, name. Making
-- one touches nothing; stub:method(...) sends. A method of a stub is made when
-- it is first asked for, and kept.

local native = ...

local colon = native.module "check".colon
local settle = native.module "park".settle
local raw = native.stub
local call, send = raw.call, raw.fetch
local error, type, rawget = error, type, rawget
local pairs, tostring, setmetatable = pairs, tostring, setmetatable

local KEPT = 1000	-- names remembered at most: they may come from a client

local outbound, response

local methods = native.module "remote".methods(call, {})

function methods.fetch(self, input, init)
	colon(self, "stub", "fetch")
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
	if type(self) ~= "table" or not self._number then
		error("namespaces are called with a colon: env.BINDING:" .. usage, 3)
	end
	if type(name) ~= "string" then
		error(self._where .. ":" .. usage .. " takes a string, not a " .. type(name), 3)
	end
end

-- Where an object is to be made. One server is one place, so a hint is accepted, and changes nothing.
local hints = {}
for hint in ("wnam enam sam weur eeur apac apac-ne apac-se oc afr me"):gmatch "%S+" do
	hints[hint] = true
end
local KNOWN = "wnam, enam, sam, weur, eeur, apac, apac-ne, apac-se, oc, afr, me"

local allowed = {
	locationHint = function(hint, id)
		if not hints[hint] then
			error("unknown locationHint " .. tostring(hint) .. "; there are " .. KNOWN, 4)
		end
		if id.jurisdiction then
			error("locationHint cannot go with a jurisdiction: the id is of \"" .. id.jurisdiction
				.. "\", which says already where it lives", 4)
		end
	end,
	routingMode = function(mode)
		if mode ~= "primary-only" then
			error("unknown routingMode: " .. tostring(mode), 4)
		end
	end,
}

local function check_options(options, id)
	if type(options) ~= "table" then
		error("the options of a stub are a table, such as { locationHint = \"weur\" }, not a " .. type(options), 3)
	end
	for key, value in pairs(options) do
		if not allowed[key] then
			error("a stub has no option " .. tostring(key) .. "; there are locationHint and routingMode", 3)
		end
		allowed[key](value, id)
	end
end

local function id_of(self, name)
	local id = raw.id_from_name(self._number, self._jurisdiction, name)
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
	return raw.id_from_string(self._number, self._jurisdiction, text)
end

-- An id that no name gives, different every time; { jurisdiction = "eu" }: one that stays there.
function Namespace:newUniqueId(options)
	check(self, "", "newUniqueId()")
	if options ~= nil and type(options) ~= "table" then
		error("newUniqueId(options) takes a table, such as { jurisdiction = \"eu\" }, not a " .. type(options), 2)
	end
	local asked = options and options.jurisdiction
	local jurisdiction = asked == nil and self._jurisdiction or raw.jurisdiction(asked)
	if self._jurisdiction ~= 0 and jurisdiction ~= self._jurisdiction then
		error("newUniqueId called on jurisdictional subnamespace with a different jurisdiction", 2)
	end
	return raw.id_unique(self._number, jurisdiction)
end

function Namespace:get(id, options)
	check(self, "", "get(id)")
	raw.check_class(id, self._number, self._jurisdiction)
	if options ~= nil then
		check_options(options, id)
	end
	return setmetatable({ id = id, name = id.name }, Stub)
end

function Namespace:getByName(name, options)
	if type(name) ~= "string" or type(self) ~= "table" then
		check(self, name, "getByName(name)")
	end
	local id = self._ids[name] or id_of(self, name)
	if options ~= nil then
		check_options(options, id)
	end
	return setmetatable({ id = id, name = name }, Stub)
end

local function namespace(where, number, jurisdiction)
	return setmetatable({ _where = where, _number = number, _jurisdiction = jurisdiction, _ids = {}, _n = 0 }, Namespace)
end

-- The part of a namespace whose objects stay in a jurisdiction: the same name is another object there. nil: the whole.
function Namespace:jurisdiction(name)
	check(self, "", "jurisdiction(name)")
	local whole = self._whole or self
	if name == nil then
		return whole
	end
	local number = raw.jurisdiction(name)
	local part = whole._parts and whole._parts[number]
	if not part then
		part = namespace(whole._where, whole._number, number)
		part._whole = whole
		whole._parts = whole._parts or {}
		whole._parts[number] = part
	end
	return part
end

-- For the host: the namespace that an app finds as where ("env.COUNTER"); number is its class's.
function raw.namespace(where, number)
	return namespace(where, number, 0)
end

function raw.connect(init)
	outbound, response = init.outbound, init.response
end

return {}

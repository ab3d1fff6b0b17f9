-- headers.lua -- Headers: the header fields of a request or a response.
--
-- A Headers is a list: name, value, name, value, ... in the order they came,
-- names in lower case. The host reads and makes that list as it is. Several
-- fields of one name stay apart (Set-Cookie needs that); get() joins them.
--
-- Source: the Fetch standard, section 2.2.2 and 5.1; headers are never immutable here.

local lower, find, match = string.lower, string.find, string.match
local concat, remove = table.concat, table.remove

local Headers = {}
Headers.__index = Headers

local function check_name(name, level)
	if type(name) ~= "string" or not find(name, "^[%w!#$%%&'*+%-.^_`|~]+$") then
		error("invalid header name " .. (type(name) == "string" and ("%q"):format(name) or "(a " .. type(name) .. ")")
			.. ": letters, digits and !#$%&'*+-.^_`|~ only", level + 1)
	end
	return lower(name)
end

local function check_value(name, value, level)
	if type(value) == "number" then
		value = tostring(value)
	end
	if type(value) ~= "string" then
		error("the value of header " .. name .. " is a " .. type(value) .. "; it must be a string", level + 1)
	end
	if find(value, "[%z\r\n]") then
		error("the value of header " .. name .. " holds a line end or NUL, which would begin another header", level + 1)
	end
	return match(value, "^[ \t]*(.-)[ \t]*$")
end

local function fill(self, init, level)
	if getmetatable(init) == Headers then
		for i = 1, #init do self[i] = init[i] end
		return self
	end
	if type(init) ~= "table" then
		error("headers are a table { name = value }, not a " .. type(init), level + 1)
	end
	for name, value in pairs(init) do
		if type(name) == "number" and type(value) == "table" then	-- { { name, value }, ... } as well
			name, value = value[1], value[2]
		end
		name = check_name(name, level + 1)
		local many = type(value) == "table" and value or { value }
		for i = 1, #many do
			self[#self + 1] = name
			self[#self + 1] = check_value(name, many[i], level + 1)
		end
	end
	return self
end

-- Headers.new { accept = "text/html", ["set-cookie"] = { "a=1", "b=2" } }, or a copy of another Headers.
function Headers.new(init, level)
	local self = setmetatable({}, Headers)
	return init == nil and self or fill(self, init, (level or 1) + 1)
end

-- Puts the methods on a list made by the host; no copy.
function Headers.wrap(list)
	return setmetatable(list, Headers)
end

-- The value; values of several fields joined by ", "; nil when there is none.
function Headers:get(name)
	name = check_name(name, 2)
	local value
	for i = 1, #self, 2 do
		if self[i] == name then
			value = value and value .. ", " .. self[i + 1] or self[i + 1]
		end
	end
	return value
end

function Headers:has(name)
	return self:get(name) ~= nil
end

function Headers:delete(name)
	name = check_name(name, 2)
	for i = #self - 1, 1, -2 do
		if self[i] == name then
			remove(self, i)
			remove(self, i)
		end
	end
end

-- One field of this name, whatever there was before.
function Headers:set(name, value)
	name = check_name(name, 2)
	value = check_value(name, value, 2)
	for i = 1, #self, 2 do
		if self[i] == name then
			self[i + 1] = value
			for k = #self - 1, i + 2, -2 do
				if self[k] == name then
					remove(self, k)
					remove(self, k)
				end
			end
			return
		end
	end
	self[#self + 1] = name
	self[#self + 1] = value
end

-- One field more.
function Headers:append(name, value)
	name = check_name(name, 2)
	value = check_value(name, value, 2)
	self[#self + 1] = name
	self[#self + 1] = value
end

-- Every Set-Cookie by itself.
function Headers:getSetCookie()
	local cookies = {}
	for i = 1, #self, 2 do
		if self[i] == "set-cookie" then
			cookies[#cookies + 1] = self[i + 1]
		end
	end
	return cookies
end

-- for name, value in headers:entries() do -- sorted by name, values joined, each Set-Cookie by itself.
function Headers:entries()
	local names, values = {}, {}
	for i = 1, #self, 2 do
		local name = self[i]
		if not values[name] then
			values[name] = {}
			names[#names + 1] = name
		end
		table.insert(values[name], self[i + 1])
	end
	table.sort(names)
	local n, cookie = 1, 0
	return function()
		local name = names[n]
		if name == "set-cookie" and cookie < #values[name] then
			cookie = cookie + 1
			return name, values[name][cookie]
		end
		if name == "set-cookie" then
			n = n + 1
			name = names[n]
		end
		n = n + 1
		if name then
			return name, concat(values[name], ", ")
		end
	end
end

return Headers

-- params.lua -- URLSearchParams: names and values, in order, as they stand behind the ? of a URL.
--
-- A list of pairs { name, value }. _url is the URL it belongs to, if it does:
-- a change is written back into its search; _from is the search it was read
-- from.
--
-- Source: the WHATWG URL standard, section 6.

local match, gsub, byte, char, format = string.match, string.gsub, string.byte, string.char, string.format
local rawget, rawset, type, setmetatable = rawget, rawset, type, setmetatable

local function escape(c)
	return format("%%%02X", byte(c))
end

local function percent_decode(s)
	return (gsub(s, "%%(%x%x)", function(hex) return char(tonumber(hex, 16)) end))
end

local Params, params = {}, {}

function Params.__index(self, key)
	if key == "size" then
		return #self
	end
	return params[key]
end

local function form_decode(s)
	return percent_decode((gsub(s, "%+", " ")))
end

local function form_encode(s)
	return (gsub(gsub(tostring(s), "[^%w*._ -]", escape), " ", "+"))
end

-- Fills self from "?a=1&b=2"; replaces what was there.
local function params_parse(self, text)
	for i = #self, 1, -1 do self[i] = nil end
	for pair in text:gsub("^%?", ""):gmatch "[^&]+" do
		local name, value = match(pair, "^([^=]*)=?(.*)$")
		self[#self + 1] = { form_decode(name), form_decode(value) }
	end
	return self
end

function Params.__tostring(self)
	local out = {}
	for i, pair in ipairs(self) do
		out[i] = form_encode(pair[1]) .. "=" .. form_encode(pair[2])
	end
	return table.concat(out, "&")
end

params.toString = Params.__tostring

-- What was changed here must show in the URL.
local function changed(self)
	local url = rawget(self, "_url")
	if url then
		local text = Params.__tostring(self)
		url.search = text ~= "" and "?" .. text or ""
		rawset(self, "_from", url.search)
	end
end

-- The first value, or nil.
function params:get(name)
	for _, pair in ipairs(self) do
		if pair[1] == name then return pair[2] end
	end
	return nil	-- a value all the same: tostring(params:get "x")
end

function params:getAll(name)
	local all = {}
	for _, pair in ipairs(self) do
		if pair[1] == name then all[#all + 1] = pair[2] end
	end
	return all
end

function params:has(name)
	return self:get(name) ~= nil
end

function params:append(name, value)
	self[#self + 1] = { tostring(name), tostring(value) }
	changed(self)
end

function params:delete(name)
	for i = #self, 1, -1 do
		if self[i][1] == name then table.remove(self, i) end
	end
	changed(self)
end

-- One value for this name, at the place of the first.
function params:set(name, value)
	local place
	for i = #self, 1, -1 do
		if self[i][1] == name then
			if place then table.remove(self, place) end
			place = i
		end
	end
	self[place or #self + 1] = { tostring(name), tostring(value) }
	changed(self)
end

-- Sorted by name; pairs of one name keep their order.
function params:sort()
	local place = {}
	for i, pair in ipairs(self) do place[pair] = i end
	table.sort(self, function(a, b)
		if a[1] ~= b[1] then return a[1] < b[1] end
		return place[a] < place[b]
	end)
	changed(self)
end

-- for name, value in params:entries() do
function params:entries()
	local i = 0
	return function()
		i = i + 1
		if self[i] then return self[i][1], self[i][2] end
	end
end

-- URLSearchParams.new "a=1&b=2", or { a = 1, b = 2 }
function Params.new(init)
	local self = setmetatable({}, Params)
	if type(init) == "string" then
		return params_parse(self, init)
	end
	local names = {}
	for name in pairs(init or {}) do names[#names + 1] = name end
	table.sort(names)
	for _, name in ipairs(names) do params.append(self, name, init[name]) end
	return self
end

-- The parameters of a URL; read again when somebody has set its search.
local function of(url)
	local list = rawget(url, "_params")
	if not list then
		list = setmetatable({ _url = url }, Params)
		rawset(url, "_params", list)
	end
	if list._from ~= url.search then
		rawset(list, "_from", url.search)
		params_parse(list, url.search)
	end
	return list
end

return { Params = Params, of = of, percent_decode = percent_decode }

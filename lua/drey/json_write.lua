-- json_write.lua -- JSON text from a value, the long way.
--
-- For what cjson cannot say: a marked empty array, Date, Map, int64,
-- indentation, numbers to their last digit, and an error with the path to
-- what JSON has no words for.

local native = ...

local cjson = native.json
local Date = native.module "date"
local Map = native.module "map"

local byte, format, match = string.byte, string.format, string.match
local type, pcall, getmetatable, tonumber = type, pcall, getmetatable, tonumber
local concat = table.concat

local NULL = cjson.null
local ARRAY = "array"		-- what getmetatable() says of a marked array
local DEPTH = 1000

local encode_value

local escapes = {
	['"'] = '\\"', ["\\"] = "\\\\", ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t",
}

local function encode_string(s)
	return '"' .. s:gsub('[%c"\\\127]', function(c)
		return escapes[c] or c ~= "\127" and format("\\u%04x", byte(c)) or c
	end) .. '"'
end

-- The shortest text that reads back as the same number.
local function encode_number(n)
	if n ~= n or n == 1 / 0 or n == -1 / 0 then
		return nil, "is " .. tostring(n) .. ", which JSON cannot say"
	end
	for digits = 14, 17 do
		local text = format("%." .. digits .. "g", n)
		if tonumber(text) == n then
			return text
		end
	end
end

-- The number of elements if the keys are 1..n, else nil.
local function array_size(t)
	local n, count = #t, 0
	for key in pairs(t) do
		if type(key) ~= "number" or key < 1 or key > n or key % 1 ~= 0 then
			return nil
		end
		count = count + 1
	end
	return count == n and (n > 0 or getmetatable(t) == ARRAY) and n or nil
end

local function encode_array(t, n, out, at)
	for i = 1, n do
		out[#out + 1] = i > 1 and "," .. at.line or at.line
		at.path[at.depth] = "[" .. i .. "]"
		encode_value(t[i], out, at)
	end
end

-- entries: an iterator of key, value.
local function encode_entries(out, at, ...)
	local first = true
	for key, value in ... do
		local kind = type(key)
		at.path[at.depth] = "." .. tostring(key)
		if kind ~= "string" and kind ~= "number" then
			error({ why = "has a " .. kind .. " for a key" })
		end
		out[#out + 1] = (first and "" or ",") .. at.line .. encode_string(tostring(key)) .. (at.indent and ": " or ":")
		first = false
		encode_value(value, out, at)
	end
end

-- Keys in order, so that indented text is stable.
local function sorted(t)
	local keys, i = {}, 0
	for key in pairs(t) do keys[#keys + 1] = key end
	table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
	return function()
		i = i + 1
		return keys[i], t[keys[i]]
	end
end

local function encode_table(t, out, at)
	if at.inside[t] then
		error({ why = "is a table that contains itself" })
	elseif at.depth >= DEPTH then
		error({ why = "is nested deeper than " .. DEPTH .. " tables" })
	end
	local mt = getmetatable(t)
	local n = mt ~= Map and array_size(t)
	local outer = at.line
	at.inside[t] = true
	at.depth = at.depth + 1
	at.line = at.indent and outer .. at.indent or ""
	out[#out + 1] = n and "[" or "{"
	local before = #out
	if n then
		encode_array(t, n, out, at)
	elseif mt == Map then
		encode_entries(out, at, t:entries())
	elseif at.indent then
		encode_entries(out, at, sorted(t))
	else
		encode_entries(out, at, pairs(t))
	end
	at.path[at.depth] = nil
	at.depth = at.depth - 1
	at.line = outer
	at.inside[t] = nil
	out[#out + 1] = (#out > before and outer or "") .. (n and "]" or "}")
end

function encode_value(value, out, at)
	local kind = type(value)
	local text, why
	if kind == "string" then
		text = encode_string(value)
	elseif kind == "number" then
		text, why = encode_number(value)
	elseif kind == "boolean" then
		text = tostring(value)
	elseif value == NULL or value == nil then
		text = "null"
	elseif kind == "cdata" and match(tostring(value), "^-?%d+U?LL$") then
		text = match(tostring(value), "^-?%d+")
	elseif kind == "table" and getmetatable(value) == Date then
		text = '"' .. value:toISOString() .. '"'
	elseif kind == "table" then
		return encode_table(value, out, at)
	else
		why = "is a " .. kind .. ", which JSON cannot say"
	end
	out[#out + 1] = text or error({ why = why })
end

-- The whole walk; an error names the path to what cannot be said.
local function encode_slowly(value, indent, level)
	local at = { inside = {}, path = {}, depth = 0, line = indent and "\n" or "", indent = indent }
	local out = {}
	local ok, err = pcall(encode_value, value, out, at)
	if ok then
		return concat(out)
	end
	if type(err) ~= "table" then
		error(err, 0)
	end
	error("JSON: value" .. concat(at.path) .. " " .. err.why, level + 1)
end

return encode_slowly

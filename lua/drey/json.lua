-- json.lua -- JSON.stringify and JSON.parse.
--
-- lua-cjson does the common case. What it cannot do goes through json_write
-- and json_read. Whether a text needs them is found by a search for what such
-- values look like in cjson's output: {} may have been an empty array, and a
-- key that begins with _ may be the field of a Date or a Map.
--
-- null inside tables is JSON.null; arrays that may be empty are made with
-- JSON.array {}.
--
-- Source: RFC 8259; ECMA-262, JSON.

local native = ...

local cjson = native.json
local encode_slowly = native.module "json_write"
local decode_slowly = native.module "json_read"

local find, type, pcall, getmetatable, setmetatable = string.find, type, pcall, getmetatable, setmetatable

local JSON = { null = cjson.null }

-- For other modules: stringify with the level to blame.
function JSON.encode(value, level)
	local ok, text = pcall(cjson.encode, value)
	if not ok or find(text, "{}", 1, true) or find(text, '"_', 1, true) then
		return (encode_slowly(value, nil, level + 1))
	end
	return text
end

-- For other modules: parse with the level to blame.
function JSON.decode(text, level)
	if type(text) ~= "string" then
		error("JSON.parse takes a string, not a " .. type(text), level + 1)
	end
	local ok, value = pcall(cjson.decode, text)
	if not ok or find(text, "%[[ \t\r\n]*%]") then
		return (decode_slowly(text, level + 1))
	end
	return value
end

-- JSON.stringify(value), or JSON.stringify(value, nil, 2) for people: indented, keys sorted.
function JSON.stringify(value, _, indent)
	if indent then
		indent = type(indent) == "number" and (" "):rep(indent) or tostring(indent)
		return (encode_slowly(value, indent, 2))
	end
	return (JSON.encode(value, 2))
end

function JSON.parse(text)
	return (JSON.decode(text, 2))
end

-- Marks a table as an array, so that it stays one while it is empty.
function JSON.array(list)
	list = list or {}
	if type(list) ~= "table" then
		error("JSON.array takes a list, not a " .. type(list), 2)
	end
	return getmetatable(list) == "array" and list or setmetatable(list, cjson.array_mt)
end

return JSON

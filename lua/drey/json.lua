-- json.lua -- JSON.stringify and JSON.parse: the work is done in C (src/lua/json_read.c, json_write.c).
--
-- null inside tables is JSON.null; arrays that may be empty are made with
-- JSON.array {}.
--
-- Source: RFC 8259; ECMA-262, JSON.

local native = ...

local parse, stringify, array_mt = native.json.parse, native.json.stringify, native.json.array_mt

local type, getmetatable, setmetatable, tostring = type, getmetatable, setmetatable, tostring
local INDENT_MAX = 10	-- as in ECMA-262

local JSON = { null = native.json.null }

-- The keys of a table in order, so that indented text is stable.
local function sorted(t)
	local keys = {}
	for key in next, t do keys[#keys + 1] = key end
	table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
	return keys
end

native.json.setup(native.module "date", native.module "map", sorted)

-- For other modules: stringify with the level to blame.
function JSON.encode(value, level)
	local text, err = stringify(value)
	if not text then
		error(err, level + 1)
	end
	return text
end

-- For other modules: parse with the level to blame.
function JSON.decode(text, level)
	if type(text) ~= "string" then
		if text == JSON then
			error("JSON:parse(...) needs a dot: write  JSON.parse(...)", level + 1)
		end
		error("JSON.parse takes a string, not a " .. type(text), level + 1)
	end
	local value, err = parse(text)
	if value == nil then
		error(err, level + 1)
	end
	return value
end

-- JSON.stringify(value), or JSON.stringify(value, nil, 2) for people: indented, keys sorted.
function JSON.stringify(value, replacer, indent)
	if value == JSON then
		error("JSON:stringify(...) needs a dot: write  JSON.stringify(...)", 2)
	end
	if replacer ~= nil then
		error("JSON.stringify has no replacer: change the value first, or give it a toJSON method", 2)
	end
	if type(indent) == "number" then
		indent = (" "):rep(indent < INDENT_MAX and indent or INDENT_MAX)
	elseif indent ~= nil and type(indent) ~= "string" then
		error("JSON.stringify(value, nil, indent): a number of spaces or a string, not a " .. type(indent), 2)
	end
	local text, err = stringify(value, indent ~= "" and indent or nil)
	if not text then
		error(err, 2)
	end
	return text
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
	return getmetatable(list) == "array" and list or setmetatable(list, array_mt)
end

return JSON

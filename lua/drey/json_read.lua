-- json_read.lua -- a value from JSON text, the long way: the rules of RFC 8259 and no others.
--
-- For texts with an empty array in them, which keeps its mark here, and for
-- texts that cjson refused: this reader says what is wrong, at which line and
-- column.

local native = ...

local cjson = native.json

local find, sub, match = string.find, string.sub, string.match
local byte, char, format = string.byte, string.char, string.format
local type, pcall, setmetatable, tonumber = type, pcall, setmetatable, tonumber
local concat = table.concat

local NULL = cjson.null
local DEPTH = 1000

local decode_value

local function fail(why, at)
	error({ why = why, at = at })
end

local function skip(text, at)
	local c = byte(text, at)
	if c and c > 32 then
		return at
	end
	return match(text, "^[ \t\r\n]*()", at)
end

local unescapes = { ['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t" }

local function utf8(code)
	if code < 0x80 then
		return char(code)
	elseif code < 0x800 then
		return char(0xC0 + math.floor(code / 64), 0x80 + code % 64)
	elseif code < 0x10000 then
		return char(0xE0 + math.floor(code / 4096), 0x80 + math.floor(code / 64) % 64, 0x80 + code % 64)
	end
	return char(0xF0 + math.floor(code / 262144), 0x80 + math.floor(code / 4096) % 64,
		0x80 + math.floor(code / 64) % 64, 0x80 + code % 64)
end

-- What the escape at the backslash means, and where the text goes on.
local function decode_escape(text, at)
	local plain = unescapes[sub(text, at + 1, at + 1)]
	if plain then
		return plain, at + 2
	end
	local code = tonumber(match(text, "^u(%x%x%x%x)", at + 1) or fail("invalid escape in a string", at), 16)
	if code < 0xD800 or code > 0xDFFF then
		return utf8(code), at + 6
	end
	local low = tonumber(match(text, "^\\u([dD][c-fC-F]%x%x)", at + 6) or "0", 16)
	if code > 0xDBFF or low == 0 then
		fail("half of a surrogate pair in a string", at)
	end
	return utf8(0x10000 + (code - 0xD800) * 1024 + low - 0xDC00), at + 12
end

local function decode_string(text, at)
	local plain, behind = match(text, '^([^%z\1-\31"\\]*)"()', at + 1)
	if plain then
		return plain, behind
	end
	local out, start = {}, at + 1
	while true do
		local stop = find(text, '[%z\1-\31"\\]', start) or fail("a string without an end", at)
		out[#out + 1] = sub(text, start, stop - 1)
		local c = byte(text, stop)
		if c == 34 then
			return concat(out), stop + 1
		elseif c ~= 92 then
			fail("a control character in a string; write it as \\u" .. format("%04x", c), stop)
		end
		out[#out + 1], start = decode_escape(text, stop)
	end
end

local function decode_number(text, at)
	local whole, stop = match(text, "^-?(%d+)()", at)
	if not whole then
		fail("expected a value", at)
	elseif #whole > 1 and byte(whole) == 48 then
		fail("a number with a zero in front", at)
	end
	if sub(text, stop, stop) == "." then
		stop = match(text, "^%.%d+()", stop) or fail("a number with nothing behind its point", at)
	end
	if find(text, "^[eE]", stop) then
		stop = match(text, "^[eE][+-]?%d+()", stop) or fail("a number with nothing behind its e", at)
	end
	return tonumber(sub(text, at, stop - 1)), stop
end

local function decode_array(text, at, depth)
	local list, n = {}, 0
	at = skip(text, at + 1)
	if byte(text, at) == 93 then
		return setmetatable(list, cjson.array_mt), at + 1
	end
	while true do
		n = n + 1
		list[n], at = decode_value(text, at, depth)
		at = skip(text, at)
		local c = byte(text, at)
		if c == 93 then
			return list, at + 1
		elseif c ~= 44 then
			fail("expected , or ]", at)
		end
		at = skip(text, at + 1)
	end
end

local function decode_object(text, at, depth)
	local object = {}
	at = skip(text, at + 1)
	if byte(text, at) == 125 then
		return object, at + 1
	end
	while true do
		if byte(text, at) ~= 34 then
			fail('expected a key in "quotes"', at)
		end
		local key
		key, at = decode_string(text, at)
		at = skip(text, at)
		if byte(text, at) ~= 58 then
			fail("expected : behind a key", at)
		end
		object[key], at = decode_value(text, skip(text, at + 1), depth)
		at = skip(text, at)
		local c = byte(text, at)
		if c == 125 then
			return object, at + 1
		elseif c ~= 44 then
			fail("expected , or }", at)
		end
		at = skip(text, at + 1)
	end
end

function decode_value(text, at, depth)
	local c = byte(text, at)
	if depth > DEPTH then
		fail("nested deeper than " .. DEPTH, at)
	elseif c == 123 then
		return decode_object(text, at, depth + 1)
	elseif c == 91 then
		return decode_array(text, at, depth + 1)
	elseif c == 34 then
		return decode_string(text, at)
	end
	local word = match(text, "^%a+", at)
	if word == "true" then
		return true, at + 4
	elseif word == "false" then
		return false, at + 5
	elseif word == "null" then
		return NULL, at + 4
	elseif c == nil then
		fail("the text ends too early", at)
	end
	return decode_number(text, at)
end

local function decode_document(text)
	local value, at = decode_value(text, skip(text, 1), 0)
	at = skip(text, at)
	if at <= #text then
		fail("something follows the value", at)
	end
	return value
end

-- "JSON: expected a value at line 2, column 5 (byte 11), near 'tru]'"
local function explain(text, err)
	local line, last = 1, 0
	for stop in sub(text, 1, err.at - 1):gmatch "()\n" do
		line, last = line + 1, stop
	end
	local near = match(sub(text, err.at, err.at + 11), "^[^%c]*")
	return format("JSON: %s at line %d, column %d (byte %d)%s", err.why, line, err.at - last, err.at,
		near ~= "" and ", near '" .. near .. "'" or "")
end

local function decode_slowly(text, level)
	local ok, result = pcall(decode_document, text)
	if ok then
		return result
	end
	if type(result) ~= "table" then
		error(result, 0)
	end
	error(explain(text, result), level + 1)
end

return decode_slowly

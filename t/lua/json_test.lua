-- JSON, Date, Map.

local t = ...
local G = t.drey().globals
local JSON, Date, Map = G.JSON, G.Date, G.Map

t.describe("JSON.stringify", function()
	t.it("says plain values", function()
		t.same(JSON.stringify { 1, "a", true, JSON.null }, '[1,"a",true,null]')
		t.same(JSON.stringify "x", '"x"')
		t.same(JSON.stringify(nil), "null")
	end)

	t.it("keeps empty arrays and empty objects what they are", function()
		t.same(JSON.stringify(JSON.array()), "[]")
		t.same(JSON.stringify {}, "{}")
		t.same(JSON.stringify { list = JSON.array {} }, '{"list":[]}')
		t.same(JSON.stringify { { JSON.array {} }, {} }, "[[[]],{}]")
		t.same(JSON.stringify(JSON.array { 1, 2 }), "[1,2]")
		t.same(JSON.stringify "{}", '"{}"')
	end)

	t.it("says dates as ISO texts and maps as objects in their order", function()
		t.same(JSON.stringify { at = Date.new(0) }, '{"at":"1970-01-01T00:00:00.000Z"}')
		t.same(JSON.stringify(Date.new(0)), '"1970-01-01T00:00:00.000Z"')
		t.same(JSON.stringify(Map.new { { "z", 1 }, { "a", JSON.array {} } }), '{"z":1,"a":[]}')
	end)

	t.it("says int64 to the last digit", function()
		t.same(JSON.stringify { 9007199254740993LL, -5LL, 18446744073709551615ULL },
			"[9007199254740993,-5,18446744073709551615]")
	end)

	t.it("escapes what must be, the long way too", function()
		local odd = '"\\\n\t\r\b\f\0\31ü€'
		t.same(JSON.parse(JSON.stringify { a = odd }).a, odd)
		t.same(JSON.parse(JSON.stringify { a = odd, b = {} }).a, odd)
		t.same(JSON.parse(JSON.stringify({ a = odd }, nil, 2)).a, odd)
	end)

	t.it("indents for people, keys in order", function()
		t.same(JSON.stringify({ b = { 1, 2 }, a = {}, c = JSON.array {} }, nil, 2),
			'{\n  "a": {},\n  "b": [\n    1,\n    2\n  ],\n  "c": []\n}')
	end)

	t.it("refuses with the path, at the author's line", function()
		local err = t.raises("JSON: value.user.list[2] is a function, which JSON cannot say", function()
			local _ = JSON.stringify { user = { list = { 1, print } } }
		end)
		assert(err:find("json_test.lua:" .. debug.getinfo(1, "l").currentline - 2, 1, true), err)
		local loop = {}
		loop.self = loop
		t.raises("value.self is a table that contains itself", JSON.stringify, loop)
		t.raises("is nan", JSON.stringify, { 0 / 0 })
		t.raises("has a boolean for a key", JSON.stringify, { [true] = 1 })
		t.raises("is a function", JSON.stringify, { print }, nil, 2)
		t.raises("value is a thread", JSON.stringify, coroutine.create(print))
		t.raises("value.a is a cdata", JSON.stringify, { a = require("ffi").new "int[2]" })
		t.raises("value is inf, which JSON cannot say", JSON.stringify, 1 / 0)
		t.raises("value is -inf", JSON.stringify, -1 / 0)
		t.raises('value["a b"][1] is a userdata', JSON.stringify, { ["a b"] = { newproxy() } })
		t.raises("JSON.stringify has no replacer", JSON.stringify, {}, print)
		t.raises("a number of spaces or a string", JSON.stringify, {}, nil, {})
	end)

	t.it("refuses bytes that are not UTF-8, with the path and the byte", function()
		for bad, at in pairs { ["ab\255"] = 3, ["\192\128"] = 1, ["\237\160\128"] = 1, ["\244\144\128\128"] = 1,
			["x\128"] = 2,
			["\226\130"] = 1, ["\240\159\152"] = 1, ["€\248\136\128\128\128"] = 4, ["\224\159\191"] = 1,
			["\240\143\191\191"] = 1 } do
			t.raises(("value.list[2] is a string that is not UTF-8 (byte %d is 0x"):format(at), JSON.stringify,
				{ list = { 1, bad } })
		end
		t.raises("is a string that is not UTF-8", JSON.stringify, { ["\255"] = 1 })
		local edges = "\194\128\223\191\224\160\128\237\159\191\238\128\128\239\191\191\240\144\128\128\244\143\191\191"
		t.same(JSON.stringify(edges), '"' .. edges .. '"')
		t.same(JSON.parse('"' .. edges .. '"'), edges)
	end)

	t.it("escapes what ECMA-262 says and nothing else", function()
		t.same(JSON.stringify "a/b \127 \226\128\168 é", '"a/b \127 \226\128\168 é"')
		t.same(JSON.stringify "\0\1\8\9\10\11\12\13\14\31 \"\\", [["\u0000\u0001\b\t\n\u000b\f\r\u000e\u001f \"\\"]])
		t.same(JSON.stringify(("\1"):rep(5000)), '"' .. ("\\u0001"):rep(5000) .. '"')
	end)

	t.it("writes numbers as JavaScript does", function()
		local cases = {
			[0.1] = "0.1", [0.1 + 0.2] = "0.30000000000000004", [1e21] = "1e+21", [1e-7] = "1e-7",
			[123456789012345680000] = "123456789012345680000",
			[1e-6] = "0.000001", [1.5e-6] = "0.0000015", [9.999999e-7] = "9.999999e-7", [-1.25] = "-1.25",
			[5e-324] = "5e-324",
			[1.7976931348623157e308] = "1.7976931348623157e+308", [2.2250738585072014e-308] = "2.2250738585072014e-308",
			[2 ^ 53] = "9007199254740992",
			[2 ^ 53 - 1] = "9007199254740991", [-(2 ^ 53)] = "-9007199254740992", [1 / 3] = "0.3333333333333333",
			[100] = "100", [1e15] = "1000000000000000",
			[123456.789] = "123456.789", [4503599627370495.5] = "4503599627370495.5", [5e-7] = "5e-7",
			[1.1e-44] = "1.1e-44", [2 ^ -44] = "5.684341886080802e-14",
			[0.001] = "0.001", [1e22] = "1e+22", [2 ^ 64] = "18446744073709552000",
			[3.141592653589793] = "3.141592653589793",
			[2 ^ -1] = "0.5", [2 ^ -20] = "9.5367431640625e-7", [2 ^ -19] = "0.0000019073486328125",
			[999999999999999.9] = "999999999999999.9",
		}
		for number, text in pairs(cases) do
			t.same(JSON.stringify(number), text)
			t.same(JSON.parse(text), number)
		end
		t.same(JSON.stringify(-0), "0")
		t.same(JSON.stringify(0 * -1), "0")
	end)

	t.it("writes whole numbers below 2^64 with all their digits", function()
		t.same(JSON.stringify { 2 ^ 60, -(2 ^ 63), 2 ^ 64 - 2048 },
			"[1152921504606846976,-9223372036854775808,18446744073709549568]")
		assert(JSON.parse "1152921504606846976" == 2 ^ 60)
	end)

	t.it("writes the shortest of all texts that read back the same", function()
		local ffi = require "ffi"
		local bits = ffi.new "uint32_t[2]"
		math.randomseed(11)
		for i = 1, 30000 do
			bits[0], bits[1] = math.random(0, 2 ^ 32 - 1), math.random(0, 2 ^ 32 - 1)
			local number = ffi.cast("double *", bits)[0]
			if i % 3 == 0 then number = math.random() * 10 ^ math.random(-7, 16) end
			if i % 3 == 1 then number = 2 ^ math.random(-30, 52) * math.random(1, 3) / 3 end
			local size = math.abs(number)
			if number == number and size ~= 1 / 0 and (size < 2 ^ 53 or size >= 2 ^ 64) then
				local text = JSON.stringify(number)
				if tonumber(text) ~= number then error(("%s is not %.17g"):format(text, number)) end
				local digits = text:gsub("e.*", ""):gsub("[-.]", ""):gsub("^0+", ""):gsub("0+$", "")
				for less = 1, #digits - 1 do
					local shorter = ("%." .. less .. "g"):format(number)
					if tonumber(shorter) == number then error(text .. " could be " .. shorter) end
				end
			end
		end
	end)

	t.it("fills the holes of a list with null, unless there are too many", function()
		t.same(JSON.stringify { 1, nil, 3 }, "[1,null,3]")
		t.same(JSON.stringify { [3] = 1 }, "[null,null,1]")
		t.same(JSON.stringify { [10] = 1 }, "[" .. ("null,"):rep(9) .. "1]")
		t.raises("value.a is a list with more holes than elements", JSON.stringify, { a = { [1000000] = 1 } })
		t.raises("value is a list with more holes than elements", JSON.stringify, JSON.array { [2 ^ 31 - 1] = 1 })
	end)

	t.it("takes a table with other keys for an object; numbers become strings", function()
		t.same(JSON.stringify { [0] = "a" }, '{"0":"a"}')
		t.same(JSON.stringify { [1.5] = "a" }, '{"1.5":"a"}')
		t.same(JSON.stringify({ "x", a = "y" }, nil, " "):gsub("%s", ""), '{"1":"x","a":"y"}')
		t.same(JSON.stringify { [-1] = JSON.null }, '{"-1":null}')
		t.raises("has a table for a key", JSON.stringify, { [{}] = 1 })
	end)

	t.it("asks toJSON of a metatable, inherited or not, once", function()
		local Base = {}
		Base.__index = Base
		function Base:toJSON(key) return { was = self.name, key = key } end
		local Derived = setmetatable({}, Base)
		Derived.__index = Derived
		t.same(JSON.stringify(setmetatable({ name = "a" }, Base)):len(), #'{"was":"a","key":""}')
		t.same(JSON.parse(JSON.stringify { x = setmetatable({ name = "b" }, Derived) }).x, { was = "b", key = "x" })
		t.same(JSON.parse(JSON.stringify { 0, setmetatable({ name = "b" }, Derived) })[2], { was = "b", key = 2 })
		local own = setmetatable({ 1 }, { toJSON = function(self) return self end })
		t.same(JSON.stringify { own, own }, "[[1],[1]]")
		t.same(JSON.stringify(setmetatable({}, { __index = { toJSON = function() return nil end } })), "null")
		t.same(JSON.stringify { u = G.URL.new "http://x.org/a?b" }, '{"u":"http://x.org/a?b"}')
		t.raises("boom", JSON.stringify, setmetatable({}, { toJSON = function() error "boom" end }))
	end)

	t.it("may be called by a toJSON that it calls itself", function()
		local inner = setmetatable({}, { toJSON = function() return JSON.stringify { ("x"):rep(5000) } end })
		local failing = setmetatable({}, { toJSON = function()
			return tostring(pcall(JSON.stringify, { ("y"):rep(9000), print }))
		end })
		t.same(JSON.stringify { 1, inner, failing, 2 }, '[1,"[\\"' .. ("x"):rep(5000) .. '\\"]","false",2]')
	end)

	t.it("stops at a depth that no C stack minds", function()
		local deep = {}
		for _ = 1, 999 do deep = { deep } end
		t.same(#JSON.stringify(deep), 2000)
		t.raises("is nested deeper than 1000 tables", JSON.stringify, { deep })
		t.same(JSON.parse(JSON.stringify(deep))[1][1] ~= nil, true)
		for _, bomb in ipairs { ("["):rep(1e6), ('{"a":'):rep(1e6), ("[{\"a\":"):rep(1e5) } do
			t.raises("JSON: nested deeper than 1000 at line 1, column ", JSON.parse, bomb)
		end
		t.same(coroutine.wrap(function() return #JSON.stringify(JSON.parse(("["):rep(1000) .. ("]"):rep(1000))) end)(), 2000)
	end)

	t.it("says a table twice that stands twice", function()
		local a = {}
		t.same(JSON.stringify { a, a }, "[{},{}]")
	end)
end)

t.describe("JSON.parse", function()
	t.it("reads what was written", function()
		local value = { a = { 1, 2.5, -3e10 }, b = "x", c = true, d = { e = false } }
		t.same(JSON.parse(JSON.stringify(value)), value)
	end)

	t.it("keeps empty arrays, wherever they stand", function()
		for _, text in ipairs { "[]", '{"a":[]}', "[[],{}]", '[{"a":[{"b":[ \n]}]},"[]"]' } do
			t.same(JSON.stringify(JSON.parse(text)), (text:gsub("%[ \n%]", "[]")))
		end
	end)

	t.it("reads every escape the same way on both paths", function()
		local text = [["\u0041\u00e4\u20ac\ud83d\ude00\n\t\"\\\/\b\f\r"]]
		t.same(JSON.parse(text), 'Aä€😀\n\t"\\/\b\f\r')
		t.same(JSON.parse("[[]," .. text .. "]")[2], 'Aä€😀\n\t"\\/\b\f\r')
	end)

	t.it("A4-09 says where a text is wrong", function()
		local cases = {
			{ '{"a":}', "expected a value at line 1, column 6 (byte 6), near '}'" },
			{ "[1,2", "expected , or ] at line 1, column 5" },
			{ '{"a":1}x', "something follows the value at line 1, column 8 (byte 8), near 'x'" },
			{ "", "the text ends too early at line 1, column 1" },
			{ "  \n  [1,\n tru]", "expected a value at line 3, column 2 (byte 11), near 'tru]'" },
			{ '{"a" 1}', "expected : behind a key at line 1, column 6" },
			{ "{a:1}", 'expected a key in "quotes" at line 1, column 2' },
			{ '{"a":1,}', 'expected a key in "quotes" at line 1, column 8' },
			{ '["abc', "a string without an end at line 1, column 2" },
			{ '["\\x"]', "invalid escape in a string at line 1, column 3" },
			{ '["\\ud800"]', "half of a surrogate pair" },
			{ "[[],01]", "a number with a zero in front at line 1, column 5" },
			{ "[[],1.]", "a number with nothing behind its point" },
			{ "[[],1e]", "a number with nothing behind its e" },
			{ "[[],NaN]", "expected a value at line 1, column 5" },
			{ "[[],\"a\nb\"]", "a control character in a string; write it as \\u000a" },
			{ ("["):rep(2000), "nested deeper than 1000" },
		}
		for _, case in ipairs(cases) do
			t.raises("JSON: " .. case[2], JSON.parse, case[1])
		end
		local err = t.raises("expected a value", function() local _ = JSON.parse "[x]" end)
		assert(err:find("json_test.lua:" .. debug.getinfo(1, "l").currentline - 1, 1, true), err)
		t.raises("JSON.parse takes a string, not a nil", JSON.parse, nil)
	end)

	t.it("refuses what others let pass, each with its place", function()
		local cases = {
			["01"] = "a number with a zero in front at line 1, column 1", ["-01"] = "a number with a zero in front",
			["+1"] = "expected a value at line 1, column 1 (byte 1), near '+1': JSON numbers have no + in front",
			[".5"] = "expected a value at line 1, column 1 (byte 1), near '.5': JSON numbers begin with a digit",
			["1."] = "a number with nothing behind its point", ["1.e5"] = "a number with nothing behind its point",
			["-"] = "a minus with no digit behind it",
			["0x10"] = "something follows the value at line 1, column 2 (byte 2), near 'x10'",
			["1e"] = "a number with nothing behind its e",
			["1e+"] = "a number with nothing behind its e", ["-x"] = "a minus with no digit",
			["--1"] = "a minus with no digit",
			["NaN"] = "expected a value at line 1, column 1 (byte 1), near 'NaN': JSON has no NaN; send null",
			["Infinity"] = "JSON has no Infinity; send null", ["-Infinity"] = "a minus with no digit behind it",
			["nan"] = "expected a value", ["inf"] = "expected a value",
			["[1,]"] = "expected a value at line 1, column 4",
			['{"a":1,}'] = 'expected a key in "quotes" at line 1, column 8', ["[,1]"] = "expected a value at line 1, column 2",
			["[1,,2]"] = "expected a value at line 1, column 4",
			["{,}"] = 'expected a key in "quotes"', ["[1 2]"] = "expected , or ] at line 1, column 4",
			['{"a":1 "b":2}'] = "expected , or } at line 1, column 8",
			["['a']"] = "expected a value at line 1, column 2 (byte 2), near ''a']'"
				.. ": JSON writes strings in \"double quotes\"",
			["// x\n1"] = "JSON has no comments", ["[1 /* x */]"] = "JSON has no comments",
			["1 // x"] = "something follows the value at line 1, column 3",
			["\239\187\191{}"] = "expected a value at line 1, column 1 (byte 1): a byte order mark",
			[""] = "the text ends too early at line 1, column 1 (byte 1)",
			[" \n "] = "the text ends too early at line 2, column 2",
			['"a\tb"'] = "a control character in a string; write it as \\u0009 at line 1, column 3",
			['"a\0b"'] = "a control character in a string; write it as \\u0000 at line 1, column 3",
			["\0"] = "expected a value", ["1\0"] = "something follows the value",
			['"\\u12G4"'] = "invalid escape in a string at line 1, column 2", ['"\\u12'] = "invalid escape",
			['"\\'] = "invalid escape", ['"\\uD83D"'] = "half of a surrogate pair",
			['"\\uDE00\\uD83D"'] = "half of a surrogate pair in a string at line 1, column 2",
			['"\\uD83D\\u0041"'] = "half of a surrogate pair", ['"\\uD83Dx"'] = "half of a surrogate pair",
			['"ab\255"'] = "a byte that is not UTF-8 at line 1, column 4 (byte 4)",
			['"\192\175"'] = "a byte that is not UTF-8", ['"\237\160\128"'] = "a byte that is not UTF-8",
			['{"\128":1}'] = "a byte that is not UTF-8 at line 1, column 3",
			['"\\n\254"'] = "a byte that is not UTF-8 at line 1, column 4",
			["1e400"] = "a number too large for a double", ["-1e400"] = "a number too large",
			[("9"):rep(400)] = "a number too large for a double",
			["{} {}"] = "something follows the value at line 1, column 4",
			["truely"] = "something follows the value at line 1, column 5", ["True"] = "expected a value",
			["nul"] = "expected a value", ["{1:2}"] = 'expected a key in "quotes"', ['{"a"'] = "expected : behind a key",
			["undefined"] = "expected a value", ["\11" .. "1"] = "expected a value",
			['["x1,\\'] = "invalid escape in a string at line 1, column 6",
			['"abc'] = "a string without an end at line 1, column 1",
			['["a","b]'] = "a string without an end at line 1, column 6",
			['"\\n abc'] = "a string without an end",
		}
		for text, want in pairs(cases) do
			t.raises(want, JSON.parse, text)
		end
	end)

	t.it("reads numbers to the last digit, beyond 2^53 as int64", function()
		for text, want in pairs { ["9007199254740991"] = 2 ^ 53 - 1, ["9007199254740992"] = 2 ^ 53,
			["-9007199254740992"] = -(2 ^ 53), ["0"] = 0, ["-1"] = -1,
			["123456789012345"] = 123456789012345, ["1234567890123456"] = 1234567890123456, ["0.1"] = 0.1, ["-0.0"] = 0,
			["1E2"] = 100, ["1e-2"] = 0.01, ["1.0"] = 1,
			["123456789012345680000"] = 123456789012345680000, ["1e21"] = 1e21, ["18446744073709551616"] = 2 ^ 64,
			["2.5e+3"] = 2500, ["1e-400"] = 0,
			["0.30000000000000004"] = 0.1 + 0.2, ["123456789.12345678"] = 123456789.12345678, ["0.000001"] = 1e-6 } do
			t.same(JSON.parse(text), want)
			t.same(type(JSON.parse(text)), "number")
		end
		for text, want in pairs { ["9007199254740993"] = 9007199254740993LL,
			["-9007199254740993"] = -9007199254740993LL, ["12345678901234567"] = 12345678901234567LL,
			["9223372036854775807"] = 9223372036854775807LL, ["-9223372036854775808"] = -9223372036854775807LL - 1,
			["9223372036854775808"] = 9223372036854775808ULL, ["18446744073709551615"] = 18446744073709551615ULL } do
			local got = JSON.parse(text)
			assert(got == want and tostring(got) == tostring(want), tostring(got))
			t.same(JSON.stringify { got }, "[" .. text .. "]")
		end
		t.same(1 / JSON.parse "-0", -1 / 0)
	end)

	t.it("lets the last of two equal keys win", function()
		t.same(JSON.parse '{"a":1,"b":2,"a":[3]}', { a = { 3 }, b = 2 })
		t.same(JSON.parse '{"":1}', { [""] = 1 })
		t.same(JSON.parse ' \t\r\n[ 1 , { "a" : "b" } ] ', { 1, { a = "b" } })
	end)

	t.it("keeps nulls in arrays and objects", function()
		for _, text in ipairs { "[null]", "[null,1,null]", '{"a":null}', '[[],{}]', "[[[]]]", "{}", "[]", '[{"a":[]}]' } do
			t.same(JSON.stringify(JSON.parse(text)), text)
		end
		t.same(#JSON.parse "[null,1,null]", 3)
	end)

	t.it("gives null as JSON.null", function()
		assert(JSON.parse '{"a":null}'.a == JSON.null)
		assert(JSON.parse '{"a":null,"b":[]}'.a == JSON.null)
	end)
end)

t.describe("JSON both ways", function()
	math.randomseed(7)

	local function text()
		local out = {}
		for i = 1, math.random(0, 8) do out[i] = string.char(math.random(0, 127)) end
		return table.concat(out) .. (math.random(3) == 1 and "€ü" or "")
	end

	local function value(depth)
		local kind = math.random(depth > 0 and 7 or 4)
		if kind == 1 then return math.random(-1000000, 1000000) / 8 end
		if kind == 2 then return text() end
		if kind == 3 then return math.random(2) == 1 end
		if kind == 4 then return JSON.null end
		local made = kind < 6 and JSON.array {} or {}
		for i = 1, math.random(0, 4) do
			made[kind < 6 and i or "k" .. text()] = value(depth - 1)
		end
		return made
	end

	t.it("gives back what it was given, the fast way and the long way", function()
		for _ = 1, 3000 do
			local given = value(4)
			local short, long = JSON.stringify(given), JSON.stringify(given, nil, 1)
			t.same(JSON.parse(short), given)
			t.same(JSON.parse(long), given)
			t.same(JSON.stringify(JSON.parse(long), nil, 1), long)
		end
	end)

	t.it("raises on every broken text, and never anything but its own error", function()
		local whole = '{"a":[1,-2.5e3,"x\\u00e4\\n",true,null,[],{}],"b":{"c":[[]]}}'
		for cut = 0, #whole - 1 do
			local err = t.raises("JSON: ", JSON.parse, whole:sub(1, cut))
			assert(err:find "at line 1, column %d+", err)
		end
		for at = 1, #whole do
			for _, c in ipairs { "\0", "x", "]", "}", ",", '"', "\255" } do
				local ok, err = pcall(JSON.parse, whole:sub(1, at - 1) .. c .. whole:sub(at + 1))
				assert(ok or err:find("JSON: ", 1, true), err)
			end
		end
	end)
end)

t.describe("Date", function()
	t.it("reads and writes ISO texts", function()
		local same = {
			["2026-12-31T23:59:59Z"] = "2026-12-31T23:59:59.000Z",
			["2026-12-31"] = "2026-12-31T00:00:00.000Z",
			["2024-02-29T12:00:00.25Z"] = "2024-02-29T12:00:00.250Z",
			["2026-01-01T00:30:00+02:00"] = "2025-12-31T22:30:00.000Z",
			["2026-01-01T00:30-0130"] = "2026-01-01T02:00:00.000Z",
			["1969-12-31T23:59:59.999Z"] = "1969-12-31T23:59:59.999Z",
			["0001-01-01"] = "0001-01-01T00:00:00.000Z",
			["9999-12-31T23:59:59.999Z"] = "9999-12-31T23:59:59.999Z",
			["2000-03-01"] = "2000-03-01T00:00:00.000Z",
			["1900-02-28"] = "1900-02-28T00:00:00.000Z",
		}
		for given, want in pairs(same) do
			t.same(Date.new(given):toISOString(), want)
		end
	end)

	t.it("agrees with os.date on every day for 200 years", function()
		for day = -36500, 36500 do
			local text = os.date("!%Y-%m-%d", day * 86400)
			local date = Date.new(day * 86400000)
			if date:toISOString():sub(1, 10) ~= text or Date.new(text):getTime() ~= day * 86400000 then
				error("day " .. day .. ": " .. text .. " and " .. date:toISOString())
			end
		end
	end)

	t.it("refuses what is no moment, at the author's line", function()
		for _, bad in ipairs { "", "tomorrow", "2026-02-30", "2026-13-01", "2025-02-29", "1900-02-29", "2026-01-01T24:00:00Z",
			"2026-01-01T10:00:00+25:00", "2026-01-01x" } do
			t.raises("invalid date", Date.new, bad)
			t.same(Date.parse(bad), nil)
		end
		t.raises("Date.new takes milliseconds", Date.new, 0 / 0)
		t.raises("Date.new takes milliseconds", Date.new, {})
		t.raises("Date.new takes milliseconds", Date.new, 9e15)
		local err = t.raises("invalid date", function() local _ = Date.new "x" end)
		assert(err:find("json_test.lua:" .. debug.getinfo(1, "l").currentline - 1, 1, true), err)
	end)

	t.it("knows now, compares and subtracts", function()
		t.same(Date.now(), 1795428000123)
		t.same(Date.new():getTime(), 1795428000123)
		local a, b = Date.new(1000), Date.new(2500)
		assert(a < b and a <= b and a == Date.new(1000) and a ~= b)
		t.same({ b - a, tostring(a), Date.new(a):getTime(), Date.UTC(1970, 1, 2) },
			{ 1500, "1970-01-01T00:00:01.000Z", 1000, 86400000 })
	end)
end)

t.describe("Map", function()
	local function walk(map)
		local seen = {}
		for key, value in G.pairs(map) do seen[#seen + 1] = key .. "=" .. tostring(value) end
		return seen
	end

	t.it("keeps its order, in pairs too", function()
		local m = Map.new { { "z", 1 }, { "a", 2 }, { "get", 3 }, { "size", 4 } }
		t.same(walk(m), { "z=1", "a=2", "get=3", "size=4" })
		t.same({ m:get "get", m:get "size", m.size, m:has "a", m:has "b" }, { 3, 4, 4, true, false })
		local seen = {}
		for key, value in m:entries() do seen[#seen + 1] = key .. value end
		t.same(seen, { "z1", "a2", "get3", "size4" })
	end)

	t.it("gives keys and values as lists that can be looped over", function()
		local m = Map.new { { "a", 1 }, { "b", 2 } }
		t.same(#m:keys(), 2)
		local seen = {}
		for key in m:keys() do seen[#seen + 1] = key end
		for value in m:values() do seen[#seen + 1] = value end
		t.same(seen, { "a", "b", 1, 2 })
		t.same({ unpack(m:keys()) }, { "a", "b" })
	end)

	t.it("sets, replaces in place, deletes", function()
		local m = Map.new()
		m:set("a", 1):set("b", 2):set("a", 3)
		t.same(walk(m), { "a=3", "b=2" })
		t.same({ m:delete "a", m:delete "a", m.size }, { true, false, 1 })
		m:set("b", nil)
		t.same({ m.size, #walk(m) }, { 0, 0 })
		t.raises("cannot have the key nil", m.set, m, nil, 1)
	end)

	t.it("leaves pairs of other tables as they were", function()
		local seen = {}
		for key, value in G.pairs { a = 1 } do seen[key] = value end
		t.same(seen, { a = 1 })
		t.raises("table expected, got nil", G.pairs, nil)
	end)
end)

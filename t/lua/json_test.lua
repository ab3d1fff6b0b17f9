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

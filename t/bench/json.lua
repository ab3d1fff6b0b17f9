-- json.lua -- JSON.parse and JSON.stringify beside bare lua-cjson on documents of 10 KB.
--
-- Usage: make t/lua/host && t/lua/host SOURCE/t/bench/json.lua
--
-- Prints, per document, microseconds of both and their ratio, the median of
-- rounds in which they take turns; exits 1 if one is above the bar. (Of numbers with 17 digits lua-cjson
-- writes 14, and is asked for no more.)

local root = arg[0]:match "^(.*)/t/bench/[^/]*$" or "."
local cjson = require "cjson"
local BAR, ROUNDS, PER_ROUND = 1.5, 41, 60

function native.module(name)
	return assert(loadfile(root .. "/lua/drey/" .. name .. ".lua"))(native)
end
native.time = { now = function() return 0 end }
local JSON = native.module "json"

math.randomseed(1)

local function filled(make)
	local list = {}
	repeat
		list[#list + 1] = make(#list)
	until #cjson.encode(list) >= 10240
	return list
end

local documents = {
	{ "records", filled(function(i)
		return {
			id = 100000 + i, name = "Person " .. i, email = "person" .. i .. "@example.org", active = i % 3 == 0,
			balance = math.floor(math.random() * 1e6) / 100, tags = { "alpha", "beta", "gamma" },
			address = { street = i .. " Main Street", city = "Springfield", zip = "12345" },
			created = "2026-11-23T10:00:00.000Z", note = "said \"hello\"\nand left",
		}
	end) },
	{ "text, not ASCII", filled(function(i)
		return { "Grüße aus München, Straße " .. i, "日本語のテキスト", "line\tone\nline two \\ end" }
	end) },
	{ "one long string", filled(function() return ("The quick brown fox jumps over the lazy dog. "):rep(40) end) },
	{ "whole numbers", filled(function() return math.random(0, 1e6) end) },
	{ "decimals", filled(function() return math.floor(math.random() * 1e8) / 1e4 end) },
	{ "17 digits", filled(math.random) },
}

local function clocked(fn, value)
	local from = os.clock()
	for _ = 1, PER_ROUND do fn(value) end
	return (os.clock() - from) / PER_ROUND * 1e6
end

local function median(list)
	table.sort(list)
	return list[math.ceil(#list / 2)]
end

local function compare(ours, theirs, value)
	local a, b, ratio = {}, {}, {}
	for i = 1, ROUNDS do
		collectgarbage()
		if i % 2 == 0 then
			a[i], b[i] = clocked(ours, value), clocked(theirs, value)
		else
			b[i], a[i] = clocked(theirs, value), clocked(ours, value)
		end
		ratio[i] = a[i] / b[i]
	end
	return median(a), median(b), median(ratio)
end

local worst = 0
for _, document in ipairs(documents) do
	local name, value = unpack(document)
	local text = cjson.encode(value)
	local ways = { { "stringify", JSON.stringify, cjson.encode, value }, { "parse", JSON.parse, cjson.decode, text } }
	for _, way in ipairs(ways) do
		local ours, theirs, ratio = compare(way[2], way[3], way[4])
		print(("%-16s %-9s %6.1f us, lua-cjson %6.1f us: %.2f x"):format(name, way[1], ours, theirs, ratio))
		worst = math.max(worst, ratio)
	end
end
print(("the slowest is %.2f x; the bar is %.1f"):format(worst, BAR))
return worst <= BAR and 0 or 1

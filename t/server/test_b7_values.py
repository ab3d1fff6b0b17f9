"""What crosses an object boundary: rows B7-*."""

import pytest

from kit import KIT, export

VALUES = KIT + """
local T = DurableObject:extend "T"
function T:echo(...) return ... end
function T:keep(v) self.ctx.storage:put("v", v); return self.ctx.storage:get "v" end
function T:size(s) return #s end
function T:big(n) return ("x"):rep(n) end

local random = math.random
local function pick(list) return list[random(#list)] end

local scalars = {
	function() return random() < 0.5 end,
	function() return random(-2^31, 2^31 - 1) end,
	function() return pick { 0, -1, 127, 128, 255, 256, 2^31, 2^32, 2^53, -2^53, 2^53 + 2, 1e300, -1e-300, 0.1, 1/3, 1/0, -1/0 } end,
	function() return random() * 2 ^ random(-60, 60) end,
	function() return pick { 0LL, -1LL, 9223372036854775807LL, -9223372036854775807LL - 1, 0ULL, 18446744073709551615ULL } end,
	function()
		local bytes = {}
		for i = 1, pick { 0, 1, 5, 31, 32, 255, 256, 300 } do bytes[i] = string.char(random(0, 255)) end
		return table.concat(bytes)
	end,
	function() return Date.new(random(-8e12, 8e12)) end,
	function() return JSON.null end,
}
local function key()
	return pick { random(1, 50), random(-5, 5), random() * 10, "k" .. random(100), "", "a\\0b", true, false }
end

local make
local function array(depth)
	local t = {}
	for i = 1, random(0, 6) do t[i] = make(depth + 1) end
	return #t > 0 and t or JSON.array {}
end
local function map(depth)
	local t = {}
	for _ = 1, random(0, 6) do t[key()] = make(depth + 1) end
	return t
end
function make(depth)
	local what = depth > 5 and 0 or random(10)
	return what > 8 and array(depth) or what > 6 and map(depth) or pick(scalars)()
end

local function same(a, b, path)
	if type(a) == "table" and type(b) == "table" and getmetatable(a) == getmetatable(b) then
		if a.getTime then
			assert(a:getTime() == b:getTime(), path)
			return
		end
		assert(not rawequal(a, b), path .. ": shared")
		for k, v in pairs(a) do same(v, b[k], path .. "." .. tostring(k)) end
		for k in pairs(b) do assert(a[k] ~= nil, path .. "." .. tostring(k) .. " appeared") end
		if next(a) == nil then
			assert(JSON.stringify(a) == JSON.stringify(b), path .. ": an empty array or table became the other")
		end
		return
	end
	assert(type(a) == type(b) and a == b and tostring(a) == tostring(b), path .. ": " .. tostring(a) .. " became " .. tostring(b))
end

routes["/random"] = function(request, env)
	local c = request:json()
	local t = env.T:getByName(tostring(c.seed))
	math.randomseed(c.seed)
	for i = 1, c.n do
		local v = make(1)
		local ok, e = pcall(same, v, t[c.method](t, v), "value")
		if not ok then
			return Response.new("seed " .. c.seed .. ", value " .. i .. ": " .. tostring(e), { status = 500 })
		end
	end
	return Response.new "same"
end
routes["/large"] = function(request, env)
	local c = request:json()
	local t = env.T:getByName "x"
	local ok, e = pcall(function()
		return c.back and #t:big(c.n) or t:size(("x"):rep(c.n))
	end)
	return Response.json { ok = ok, size = ok and e or JSON.null, message = not ok and e.message or tostring(e) }
end
""" + export("T")


@pytest.mark.parametrize("method", ["echo", "keep"])
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_B7_01_random_values_of_every_kind_come_back_equal(drey, method, seed):
    d = drey(VALUES, bindings={"T": "T"})
    r = d.post("/random", json={"seed": seed, "n": 1000, "method": method})
    assert r.text == "same"


@pytest.mark.parametrize("back", [False, True])
def test_B7_02_more_than_the_limit_is_refused_with_its_size(drey, back):
    d = drey(VALUES, bindings={"T": "T"})
    with d.client() as c:
        for _ in range(2):
            r = c.post("/large", json={"n": 33 << 20, "back": back}).json()
            assert not r["ok"] and "limited to 32MiB" in r["message"] and "rpc_message" in r["message"]
            size = int(r["message"].split("size of this value was: ")[1].split(" ")[0])
            assert 33 << 20 < size < (33 << 20) + 20
            r = c.post("/large", json={"n": 31 << 20, "back": back}).json()
            assert (r["ok"], r["size"]) == (True, 31 << 20), "the connection and the object live on"

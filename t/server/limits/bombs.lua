-- bombs.lua -- code that takes memory without end, in shapes that the allocator, the JIT and SQLite see differently.

local Bombs = DurableObject:extend "Bombs"

function Bombs:constructor(ctx, env)
	self:super(ctx, env)
	self.storage = ctx.storage
end

function Bombs:list()
	local t = {}
	for i = 1, 1e9 do t[i] = i end
end

function Bombs:keys()
	local t, i = {}, 0
	while true do
		i = i + 1
		t["key" .. i] = i
	end
end

function Bombs:holes()
	local t = { [1e9] = true }
	for i = 1, 1e9 do t[i * 2] = true end
end

function Bombs:chain()
	local t = {}
	while true do t = { t } end
end

function Bombs:inlined()
	local function make(t, i) return { t, i } end
	local t = {}
	while true do t = make(make(t, 1), make(1, 2)) end
end

function Bombs:doubled()
	local s = "x"
	while true do s = s .. s end
end

function Bombs:repeated()
	local t = {}
	while true do t[#t + 1] = ("x"):rep(100000) .. #t end
end

function Bombs:one_string()
	return #("x"):rep(2000000000)
end

function Bombs:joined()
	local t = {}
	for i = 1, 100000 do t[i] = ("x"):rep(1000) end
	return #table.concat(t)
end

function Bombs:closures()
	local f = function() end
	while true do
		local g = f
		f = function() return g end
	end
end

function Bombs:coroutines()
	local t = {}
	while true do t[#t + 1] = coroutine.create(function() end) end
end

function Bombs:caught()		-- and goes on
	local t = {}
	while true do
		pcall(function()
			while true do t[#t + 1] = ("x"):rep(100000) .. #t end
		end)
	end
end

function Bombs:rows()
	return #self.storage.sql:exec("WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) " ..
		"SELECT x, hex(zeroblob(1000)) AS y FROM c"):toArray()
end

function Bombs:json()
	local text = "[" .. ("[1,2],"):rep(500000) .. "0]"
	local t = {}
	while true do t[#t + 1] = JSON.parse(text) end
end

return Bombs

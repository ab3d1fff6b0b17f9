-- loops.lua -- code that never ends by itself, one method each.
--
-- Each shape needs another way to be stopped: interpreted, compiled by the
-- JIT, inside one of LuaJIT's C functions, inside a callback, inside SQLite.

local Loops = DurableObject:extend "Loops"

function Loops:constructor(ctx, env)
	self:super(ctx, env)
	self.storage = ctx.storage
	self.woken = 0
end

function Loops:tight()
	while true do end
end

function Loops:counting()
	local n = 0
	for i = 1, math.huge do n = n + i % 7 end
	return n
end

function Loops:caught()		-- an error ends each round, none the loop
	while true do
		pcall(function() while true do end end)
	end
end

function Loops:handled()		-- also the handler of the error loops
	local function again() while true do end end
	while true do xpcall(again, again) end
end

function Loops:metamethod()
	local t = setmetatable({}, { __index = function(t, k) return t[k + 1] and 1 end })
	while true do
		pcall(function() return t[1] end)
	end
end

function Loops:coroutines()
	while true do
		local co = coroutine.wrap(function()
			while true do coroutine.yield(1) end
		end)
		for _ = 1, 10 do co() end
	end
end

function Loops:nested_coroutine()
	local function inner() while true do pcall(coroutine.wrap(function() while true do end end)) end end
	while true do coroutine.resume(coroutine.create(inner)) end
end

function Loops:recursion()
	local function fib(n) return n < 2 and n or fib(n - 1) + fib(n - 2) end
	return fib(200)
end

function Loops:tail_calls()
	local function f(n) return f(n + 1) end
	return f(1)
end

function Loops:pattern()
	return (("a"):rep(40)):find(("a?"):rep(40) .. ("a"):rep(40) .. "b")
end

function Loops:pattern_star()
	return (("a"):rep(5000)):match((".-"):rep(12) .. "b")
end

function Loops:concat()
	local s = ""
	while true do
		s = s .. "x"
		if #s > 10000 then s = "" end
	end
end

function Loops:table_concat()
	local t = {}
	for i = 1, 1000 do t[i] = "abcdefgh" end
	while true do table.concat(t) end
end

function Loops:sort()
	local t = {}
	for i = 1, 100 do t[i] = i end
	table.sort(t, function(a, b) while true do end end)
end

function Loops:gsub()
	return (("x"):rep(100)):gsub("x", function() while true do end end)
end

function Loops:rep()
	while true do
		local s = ("x"):rep(1000000)
		if #s == 0 then break end
	end
end

function Loops:format()
	while true do string.format("%99.99f %s", 1 / 3, "x") end
end

function Loops:iterator()
	for _ in function() return 1 end do end
end

function Loops:garbage()
	while true do
		local t = {}
		for i = 1, 100 do t[i] = { i } end
	end
end

function Loops:storage_loop()
	local n = 0
	while true do
		n = n + 1
		self.storage:put("n", n)
	end
end

function Loops:in_transaction()
	self.storage:transactionSync(function()
		self.storage:put("half", "written")
		while true do end
	end)
end

function Loops:in_block()
	self.ctx:blockConcurrencyWhile(function()
		self.storage:put("half", "written")
		while true do end
	end)
end

function Loops:json()
	local t = {}
	for i = 1, 1000 do t[i] = { i, "text", { a = i } } end
	while true do JSON.parse(JSON.stringify(t)) end
end

function Loops:output()
	while true do console.log("again and again") end
end

function Loops:sql_select()
	return self.storage.sql:exec("WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) AS n FROM c"):one().n
end

function Loops:sql_rows()		-- each row comes at once, they never end
	for _ in self.storage.sql:exec("WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c") do end
end

function Loops:sql_array()
	return #self.storage.sql:exec("WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT 1 FROM c) SELECT 1 FROM c WHERE x > 1"):toArray()
end

function Loops:sql_write()
	self.storage.sql:exec("CREATE TABLE IF NOT EXISTS t (x)")
	self.storage.sql:exec("WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT 1 FROM c) INSERT INTO t SELECT x FROM c WHERE x > 1")
end

function Loops:sql_caught()
	while true do pcall(self.sql_write, self) end
end

function Loops:in_pieces()		-- each piece is short, together they are too much
	for _ = 1, 100000 do
		for _ = 1, 2000000 do end
		sleep(0)
	end
end

-- Not endless.

function Loops:patient()	-- waits for longer than it may run
	for _ = 1, 20 do sleep(10) end
	return "done"
end

function Loops:half(_)		-- what in_block and in_transaction had written
	return self.storage:get "half"
end

function Loops:later(name)	-- the loop comes after the answer
	self.ctx:waitUntil(function() self[name](self) end)
end

return Loops

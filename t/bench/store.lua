-- What t/bench/store measures: each path is one kind of work on one object, and nothing else.

local Store = DurableObject:extend "Store"

function Store:constructor(ctx, env)
	self:super(ctx, env)
	self.sql = ctx.storage.sql
end

function Store:create()
	self.sql:exec "CREATE TABLE IF NOT EXISTS t (k INTEGER PRIMARY KEY, name TEXT, n INTEGER)"
	self.sql:exec("INSERT OR REPLACE INTO t (k, name, n) VALUES (?, ?, ?)", 1, "the name of row number 1", 1)
	return "created"
end

function Store:upsert()
	local n = (self.n or 0) + 1
	self.n = n
	self.sql:exec("INSERT INTO t (k, name, n) VALUES (?, ?, ?) "
		.. "ON CONFLICT (k) DO UPDATE SET name = excluded.name, n = excluded.n",
		n % 10, "the name of row number " .. n % 10, n)
	return "stored"
end

function Store:insert()
	local sql = self.sql
	sql:exec "DELETE FROM t"
	for k = 1, 1000 do
		sql:exec("INSERT INTO t (k, name, n) VALUES (?, ?, ?)", k, "the name of row number " .. k, k * 7)
	end
	return "inserted"
end

function Store:select()
	local rows = self.sql:exec "SELECT k, name, n FROM t ORDER BY k":toArray()
	return tostring(#rows)
end

function Store:count()
	local storage = self.ctx.storage
	local n = (storage:get "n" or 0) + 1
	storage:put("n", n)
	return tostring(n)
end

function Store:read()
	return tostring(self.ctx.storage:get "n")
end

-- The same, of an app whose objects go to sleep soon.
local Sleeper = Store:extend "Sleeper"

return {
	Store = Store,
	Sleeper = Sleeper,
	fetch = function(request, env)
		local verb, name = request.url:match "^%w+://[^/]+/(%w+)/(%w+)$"
		local stub = env.STORE:getByName(name)
		return Response.new(stub[verb](stub))
	end,
}

-- What t/bench/http measures: each path is one kind of work and nothing else.

local Bench = DurableObject:extend "Bench"

function Bench:ping()
	return "pong"
end

function Bench:count()
	local storage = self.ctx.storage
	local n = (storage:get "n" or 0) + 1
	storage:put("n", n)
	return n
end

local routes = {
	["hello"] = function()
		return Response.new "Hello, world!"
	end,
	["rpc"] = function(_, env)
		return Response.new(env.BENCH:getByName("one"):ping())
	end,
	["count"] = function(_, env)
		return Response.new(tostring(env.BENCH:getByName("one"):count()))
	end,
	["many"] = function(path, env)
		return Response.new(tostring(env.BENCH:getByName(path):count()))
	end,
}

return {
	Bench = Bench,
	fetch = function(request, env)
		local path = request.url:match "^%w+://[^/]+/(.*)$"
		local kind = path:match "^%w+"
		return routes[kind](path, env)
	end,
}

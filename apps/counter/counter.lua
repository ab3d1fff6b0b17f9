-- A counter that survives everything, kill -9 included.
--
--   curl http://127.0.0.1:8787/counter/increment         by method call (RPC)
--   curl http://127.0.0.1:8787/counter/fetch/increment   by handing the request on

local Counter = DurableObject:extend "Counter"

-- No lock needed: while a handler does not wait for anything, nobody else is let in.
function Counter:add(n)
	local value = (self.ctx.storage:get "value" or 0) + n
	self.ctx.storage:put("value", value)
	return value
end

function Counter:increment()
	return self:add(1)
end

function Counter:decrement()
	return self:add(-1)
end

function Counter:value()
	return self.ctx.storage:get "value" or 0
end

function Counter:reset()
	self.ctx.storage:delete "value"
	return 0
end

-- The same four, for callers that speak HTTP to the object.
local actions = { increment = "increment", decrement = "decrement", value = "value", reset = "reset" }

function Counter:fetch(request)
	local action = actions[URL.new(request.url).pathname:match "[^/]*$"]
	if not action then
		return Response.new("Not found\n", { status = 404 })
	end
	return Response.json { count = self[action](self) }
end

-- The front module: it runs once for every request and keeps nothing.
local function fetch(request, env)
	local url = URL.new(request.url)
	local counter = env.COUNTER:getByName(url.searchParams:get "name" or "global-counter")

	if url.pathname:find("/fetch/", 1, true) then
		return counter:fetch(request)
	end
	local action = actions[url.pathname:match "[^/]*$"]
	if not action then
		return Response.new("Try /counter/increment, /decrement, /value or /reset\n", { status = 404 })
	end
	return Response.new("Count: " .. counter[action](counter) .. "\n")
end

return { fetch = fetch, Counter = Counter }

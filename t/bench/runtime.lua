-- runtime.lua -- the app of t/bench/runtime.
--
--	/near/FLIGHTS/CALLS	one object calls another of its own thread that often, so many at a time
--	/far/FLIGHTS/CALLS	the same across two threads
--	/wake/NAME, /awake	a call of an object that sleeps, or of one that does not; both read a value

local Peer = DurableObject:extend "Peer"

function Peer:echo(x)
	return x
end

local function calls(stub, n)
	for i = 1, n do
		if stub:echo(i) ~= i then error "another answer than its own" end
	end
end

function Peer:drive(to, flights, n)
	local stub, running = self.env.PEER:getByName(to), {}
	if flights == 1 then
		return calls(stub, n)
	end
	for i = 1, flights do running[i] = async(calls, stub, n / flights) end
	for i = 1, flights do await(running[i]) end
end

local function value(self)
	local n = self.ctx.storage:get "n"
	if not n then self.ctx.storage:put("n", 1) end
	return tostring(n or 1)
end

Peer.value = value

local Sleeper = DurableObject:extend "Sleeper"
Sleeper.value = value

-- An object of the second of two threads, or of the first: an id's first byte is even or odd.
local function of_thread(env, thread, from)
	for i = from, from + 100 do
		local name = "peer" .. i
		if tonumber(env.PEER:idFromName(name):toString():sub(2, 2), 16) % 2 == thread then return name end
	end
end

local function drive(env, to, flights, n)
	env.PEER:getByName(of_thread(env, 0, 1)):drive(to, tonumber(flights), tonumber(n))
	return "done"
end

local routes = {
	ready = function() return "ready" end,
	near = function(env, flights, n) return drive(env, of_thread(env, 0, 200), flights, n) end,
	far = function(env, flights, n) return drive(env, of_thread(env, 1, 1), flights, n) end,
	wake = function(env, name) return env.SLEEPER:getByName(name):value() end,
	awake = function(env) return env.PEER:getByName("peer1"):value() end,
}

return {
	Peer = Peer, Sleeper = Sleeper,
	fetch = function(request, env)
		local kind, a, b = URL.new(request.url).pathname:match "^/(%w*)/?(%w*)/?(%w*)$"
		return Response.new((routes[kind] or routes.ready)(env, a, b))
	end,
}

-- fetch.lua -- the app of t/bench/fetch: /PARALLEL/MILLISECONDS fetches env.URL that long, and says how often.

local function loop(url, until_ms)
	local n = 0
	while Date.now() < until_ms do
		local response = fetch(url)
		if response.status ~= 200 then error(response.status) end
		n = n + 1
	end
	return n
end

return {
	fetch = function(request, env)
		local parallel, ms = URL.new(request.url).pathname:match "^/(%d+)/(%d+)$"
		if not parallel then return Response.new "ready" end
		local running, done = {}, 0
		for i = 1, tonumber(parallel) do
			running[i] = async(loop, env.URL, Date.now() + tonumber(ms))
		end
		for i = 1, #running do done = done + await(running[i]) end
		return Response.new(tostring(done))
	end,
}

-- init.lua -- the Lua half of drey: what the host asks for, and what every app finds in its globals.
--
-- The host calls this chunk once per VM with native, the table of C functions,
-- and uses the fields of the table at the end; src/lua/host_engine.c says which.

local native = ...

local class = native.module "class"
native.module "ref"
local Request = native.module "request"
local Response = native.module "response"
local Headers = native.module "headers"
local URL = native.module "url"
local Date = native.module "date"
local Map = native.module "map"
local JSON = native.module "json"
local promise = native.module "promise"
local stream = native.module "stream"
local ctx = native.module "ctx"
local abort = native.module "abort"
local crypto = native.module "crypto"
local timers = native.module "timers"
local retry = native.module "retry"
local Blob = native.module "sql".Blob

local function describe(value)
	return value == nil and "nothing" or "a " .. type(value)
end

-- Calls instance:fetch(request); what comes back is a Response or an error.
local function call_fetch(instance, request)
	local fetch = instance.fetch	-- this name stands in tracebacks
	if type(fetch) ~= "function" then
		error("Handler does not export a fetch() function.", 0)
	end
	local response = fetch(instance, request)
	if getmetatable(response) ~= Response then
		error(native.place(fetch) .. ": fetch returned " .. describe(response)
			.. "; return a Response, such as Response.new(text) or Response.json(value)", 0)
	end
	return response
end

-- The env of an app: its bindings and vars. A name that was never declared is an error, not nil.
local function env(app)
	local values, names = {}, {}
	ctx.export(app.exports or {})
	for _, group in ipairs { app.bindings or {}, app.vars or {} } do
		for name, value in pairs(group) do
			values[name] = value
			names[#names + 1] = name
		end
	end
	table.sort(names)
	local declared = #names > 0 and table.concat(names, ", ") or "nothing"
	return setmetatable(values, {
		__index = function(_, name)
			error("env." .. tostring(name) .. " is not declared; declared: " .. declared, 2)
		end,
	})
end

local globals = {
	DurableObject = class.DurableObject,
	RpcTarget = class.RpcTarget,
	Request = Request,
	Response = Response,
	Headers = Headers,
	URL = URL,
	URLSearchParams = native.module "params".Params,
	JSON = JSON,
	Date = Date,
	Map = Map,
	Blob = Blob,
	pairs = Map.pairs,
	AbortController = abort.AbortController,
	AbortSignal = abort.AbortSignal,
	console = native.console,
	crypto = crypto.crypto,
	btoa = crypto.btoa,
	atob = crypto.atob,
	fetch = native.module "fetch",
	sleep = native.time.sleep,
	Promise = promise.Promise,
	async = promise.async,
	stream = stream.stream,
	await = promise.await,
	retry = retry,
	scheduler = timers.scheduler,
	setTimeout = timers.setTimeout,
	clearTimeout = timers.clearTimeout,
	setInterval = timers.setInterval,
	clearInterval = timers.clearInterval,
}

return {
	globals = globals,
	Response = Response,
	Date = Date,
	request = Request.received,
	response = Response.received,
	outbound = Request.outbound,
	class_name = class.name,
	env = env,
	ctx = ctx.new,
	front_ctx = ctx.front,
	instance = class.instance,
	method = class.method,
	lost = promise.lost,
	fetch = call_fetch,
}

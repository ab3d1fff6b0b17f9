-- promise.lua -- async, await and Promise: several waits at once.
--
-- Calls wait by themselves: stub:method() returns when the answer is there. To
-- have several under way, start each with async(fn, ...) and await them.
--
-- async runs fn as a task of its own (src/lua/bind_promise.c), begun when
-- the running one waits or ends. A promise keeps what fn returned or raised;
-- _settled is nil until then. Those who wait are functions in _waiting, called once.

local native = ...

local check = native.module "check"
local settle = native.module "park".settle
local raw = native.promise
local error, getmetatable, ipairs, pairs, pcall, select, setmetatable, type, unpack =
	error, getmetatable, ipairs, pairs, pcall, select, setmetatable, type, unpack

local Promise = {}
Promise.__index = Promise

local running = setmetatable({}, { __mode = "v" })	-- handle -> the promise of a task that has not ended

local function new()
	return setmetatable({}, Promise)
end

local function is(value)
	return type(value) == "table" and getmetatable(value) == Promise
end

-- The first call decides. ok is true with what await returns, or false with what it raises.
local function conclude(promise, ok, ...)
	if promise._settled ~= nil then
		return
	end
	running[promise._task or 0] = nil
	promise._settled = ok
	promise._n = select("#", ...)
	promise._values = { ... }
	local waiting = promise._waiting
	promise._waiting = nil
	if waiting then
		for _, tell in ipairs(waiting) do tell() end
	elseif not ok then
		raw.unheard((...))
	end
end

local function listen(promise, tell)
	if promise._settled ~= nil then
		tell()
	elseif promise._waiting then
		promise._waiting[#promise._waiting + 1] = tell
	else
		promise._waiting = { tell }
	end
end

local function give(promise)
	if promise._settled then
		return unpack(promise._values, 1, promise._n)
	end
	error(promise._values[1], 0)
end

-- Waits until it is settled: returns its values or raises its error. What is no promise is returned as it is.
local function await(promise, ...)
	if not is(promise) then
		return promise, ...
	end
	if promise._settled == nil then
		local handle, turn = raw.token()
		listen(promise, function() raw.wake(handle, turn) end)
		settle(raw.wait())
	end
	return give(promise)
end

-- Starts fn(...) beside this task and returns its promise.
local function async(fn, ...)
	if type(fn) ~= "function" then
		error("async(fn, ...) takes a function and its arguments, such as async(stub.increment, stub); got a "
			.. type(fn) .. (is(fn) and " (a promise already)" or ""), 2)
	end
	local promise, n, values = new(), select("#", ...), { ... }
	local handle = raw.start(function()
		conclude(promise, pcall(fn, unpack(values, 1, n)))
	end)
	promise._task, running[handle] = handle, promise
	return promise
end

Promise.await = await

-- Stops it: the function gets an AbortError where it waits, and so does whoever awaits this promise. Of Promise.all
-- and race: all that they were given and that have not ended.
function Promise:cancel()
	if not is(self) then
		error("cancel is called on a promise, with a colon: promise:cancel()", 2)
	end
	for _, part in pairs(self._parts or {}) do
		if is(part) then part:cancel() end
	end
	if self._settled == nil then
		self._waiting = self._waiting or {}	-- who cancels has heard of it
		if self._task then raw.cancel(self._task) end
		conclude(self, false, raw.aborted())
	end
end

local function collect(list, name)
	if type(list) ~= "table" or is(list) then
		error("Promise." .. name .. " takes a table of promises, such as { async(a), async(b) }", 3)
	end
	local whole = new()
	whole._parts = list
	return whole
end

-- Calls back with (key, ok, value) for each of the list, promise or not.
local function each(list, tell)
	for key, part in pairs(list) do
		if is(part) then
			listen(part, function() tell(key, part._settled, part._values[1]) end)
		else
			tell(key, true, part)
		end
	end
end

-- A promise of the table of all that keep gives back, under the same keys.
local function gather(list, name, keep)
	local whole, results, left = collect(list, name), {}, 1
	local function done()
		left = left - 1
		if left == 0 then
			conclude(whole, true, results)
		end
	end
	for _ in pairs(list) do left = left + 1 end
	each(list, function(key, ok, value)
		results[key] = keep(whole, ok, value)
		done()
	end)
	done()
	return whole
end

-- A promise of the table of results, with the same keys; the first error settles it.
function Promise.all(list)
	return gather(list, "all", function(whole, ok, value)
		if not ok then
			conclude(whole, false, value)
		end
		return value
	end)
end

-- A promise of { status = "fulfilled", value = } or { status = "rejected", reason = } for each; it never raises.
function Promise.allSettled(list)
	return gather(list, "allSettled", function(_, ok, value)
		return ok and { status = "fulfilled", value = value } or { status = "rejected", reason = value }
	end)
end

-- A promise of what the first to end gives or raises. The others go on; cancel() of what this returned stops them.
function Promise.race(list)
	local whole = collect(list, "race")
	each(list, function(_, ok, value)
		conclude(whole, ok, value)
	end)
	return whole
end

-- A promise, and the two functions that settle it: what one event of an object waits for, another may say.
function Promise.withResolvers()
	local promise = new()
	return promise, function(...) conclude(promise, true, ...) end, function(err) conclude(promise, false, err) end
end

function Promise.resolve(...)
	local promise = new()
	conclude(promise, true, ...)
	return promise
end

local wait_until = native.ctx.waitUntil

-- A promise goes on by itself; what it must not lose is the request.
function native.ctx.waitUntil(ctx, work)
	check.colon(ctx, "ctx", "waitUntil")
	if not is(work) then
		return wait_until(ctx, work)
	end
	if work._task then raw.keep(work._task) end
end

-- For the host: the task of this promise was cut off.
local function lost(handle, err)
	if running[handle] then
		conclude(running[handle], false, err)
	end
end

return { lost = lost, Promise = Promise, async = async, await = await }

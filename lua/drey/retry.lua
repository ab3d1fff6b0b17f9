-- retry.lua -- retry(fn, options): again when it may help, never when it would hurt.
--
-- Before attempt n + 1 it waits a random time between 0 and
-- base * 2^(n - 1), at most max: "full jitter", so that callers who failed
-- together do not come back together.
--
-- Source: Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.

local native = ...

local time, trace, random_bytes = native.time, native.txn.trace, native.crypto.random
local error, type, xpcall = error, type, xpcall
local min, floor = math.min, math.floor

local defaults = { attempts = 3, base = 100, max = 3000 }
local least = { attempts = 1, base = 0, max = 0 }

-- 0 <= random() < 1. Not math.random: every VM begins the same row of numbers there.
local function random()
	local a, b, c = random_bytes(3):byte(1, 3)
	return (a * 65536 + b * 256 + c) / 16777216
end

local function option(options, name)
	local value = options[name]
	if value == nil then
		return defaults[name]
	end
	if type(value) ~= "number" or not (value >= least[name] and value < math.huge) then
		error("retry(fn, options): " .. name .. " is a number from " .. least[name] .. " on, not " .. tostring(value), 4)
	end
	return value
end

local function check(fn, options)
	if type(fn) ~= "function" then
		error("retry(fn, options) takes a function that makes its stub and calls it, not a " .. type(fn), 3)
	end
	if options ~= nil and type(options) ~= "table" then
		error("retry(fn, options): options is a table such as { attempts = 3, base = 100, max = 3000 }, not a "
			.. type(options), 3)
	end
	options = options or {}
	return option(options, "attempts"), option(options, "base"), option(options, "max"), options.random or random
end

local function may_help(err)
	return type(err) == "table" and err.retryable == true and not err.overloaded
end

-- Calls fn() and returns what it returns; a retryable error that is not overload: again, after a while.
local function retry(fn, options)
	local attempts, base, max, dice = check(fn, options)
	local n = 0

	local function again(ok, ...)
		if ok then
			return ...
		end
		n = n + 1
		if n >= attempts or not may_help((...)) then
			error((...), 0)
		end
		time.sleep(floor(dice() * min(max, base * 2 ^ (n - 1))))
		return again(xpcall(fn, trace))
	end

	return again(xpcall(fn, trace))
end

return retry

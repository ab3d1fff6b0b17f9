-- timers.lua -- setTimeout, setInterval and the rest, as JavaScript has them.
--
-- A callback of an object is an event of that object: it waits while
-- blockConcurrencyWhile runs, and other events may run while it waits itself.

local native = ...

local set, clear = native.timers.set, native.timers.clear
local select, unpack = select, unpack

-- fn with its arguments. What is no function is for set() to refuse.
local function bound(fn, ...)
	local n = select("#", ...)
	if n == 0 or type(fn) ~= "function" then
		return fn
	end
	local args = { ... }
	return function()
		return fn(unpack(args, 1, n))
	end
end

local timers = {}

-- Runs fn(...) once, ms milliseconds from now; the id is for clearTimeout.
function timers.setTimeout(fn, ms, ...)
	local id = set("setTimeout", bound(fn, ...), ms, false)
	return id
end

-- Runs fn(...) every ms milliseconds, until clearInterval(id).
function timers.setInterval(fn, ms, ...)
	local id = set("setInterval", bound(fn, ...), ms, true)
	return id
end

function timers.clearTimeout(id)
	clear(id)
end

timers.clearInterval = timers.clearTimeout

timers.scheduler = {
	-- sleep by another name.
	wait = function(ms)
		native.time.sleep(ms)
	end,
}

return timers

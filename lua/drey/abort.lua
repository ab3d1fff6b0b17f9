-- abort.lua -- AbortController and AbortSignal.
--
-- A signal that a controller made is a root: it knows its reason and who
-- listens. AbortSignal.timeout is one with a moment at which its time is up.
-- AbortSignal.any holds the roots of those it was made of, and has none itself.
--
-- A call that waits and may be aborted (fetch) enters itself with
-- signal:watch(fn) and leaves with signal:unwatch(fn); a deadline it hands on to
-- what it waits for, see signal:deadline().
--
-- Source: the DOM standard, section 3.

local native = ...

local now = native.time.now
local rawset, type, getmetatable, setmetatable = rawset, type, getmetatable, setmetatable

local function make_error(name, message)
	return setmetatable({ name = name, message = message }, native.error)
end

local Signal = {}	-- the metatable of signals
local methods = {}

local function reason_of(root)
	if root._reason == nil and root._due and now() >= root._due then
		rawset(root, "_reason", make_error("TimeoutError", "The operation was aborted due to timeout"))
	end
	return root._reason
end

-- The reason of the first that is aborted, or nil.
local function reason(signal)
	for _, root in ipairs(signal._roots) do
		local found = reason_of(root)
		if found ~= nil then
			return found
		end
	end
end

function Signal.__index(self, key)
	if key == "aborted" then
		return reason(self) ~= nil
	elseif key == "reason" then
		return reason(self)
	end
	return methods[key]
end

function Signal.__newindex(_, key)
	error("signal." .. tostring(key) .. " cannot be set; controller:abort(reason) aborts it, "
		.. "signal:addEventListener(\"abort\", fn) listens", 2)
end

local function check_signal(self, usage)
	if getmetatable(self) ~= Signal then
		error("call this with a colon: signal:" .. usage, 3)
	end
end

local function new(due)
	local self = { _due = due, _watchers = {} }
	self._roots = { self }
	return setmetatable(self, Signal)
end

local function abort(root, why)
	if reason_of(root) ~= nil then
		return
	end
	rawset(root, "_reason", why == nil and make_error("AbortError", "The operation was aborted") or why)
	local watchers = root._watchers
	rawset(root, "_watchers", {})
	for fn in pairs(watchers) do
		local ok, err = pcall(fn)
		if not ok then
			native.console.error("a listener of abort failed:", err)
		end
	end
end

function methods:throwIfAborted()
	check_signal(self, "throwIfAborted()")
	local why = reason(self)
	if why ~= nil then
		error(why, 2)
	end
end

-- fn() is called, once, when a controller aborts.
function methods:watch(fn)
	for _, root in ipairs(self._roots) do
		root._watchers[fn] = true
	end
end

function methods:unwatch(fn)
	for _, root in ipairs(self._roots) do
		root._watchers[fn] = nil
	end
end

-- When its time is up, in milliseconds since 1970; nil: never.
function methods:deadline()
	local first
	for _, root in ipairs(self._roots) do
		if root._due and (not first or root._due < first) then
			first = root._due
		end
	end
	return first
end

local function check_listener(self, event, fn, usage)
	check_signal(self, usage)
	if event ~= "abort" or type(fn) ~= "function" then
		error("signal:" .. usage .. " takes \"abort\" and a function", 3)
	end
end

function methods:addEventListener(event, fn)
	check_listener(self, event, fn, "addEventListener(\"abort\", fn)")
	if self:deadline() then
		error("nobody is called when an AbortSignal.timeout is up; ask signal.aborted, or give it to fetch()", 2)
	end
	self:watch(fn)
end

function methods:removeEventListener(event, fn)
	check_listener(self, event, fn, "removeEventListener(\"abort\", fn)")
	self:unwatch(fn)
end

local AbortSignal = {}

-- A signal that is aborted already.
function AbortSignal.abort(why)
	local signal = new()
	abort(signal, why)
	return signal
end

-- Aborted, with a TimeoutError, so many milliseconds from now.
function AbortSignal.timeout(ms)
	if type(ms) ~= "number" or not (ms >= 0 and ms <= 9e15) then
		error("AbortSignal.timeout takes milliseconds, such as AbortSignal.timeout(5000)", 2)
	end
	return new(now() + ms)
end

-- Aborted as soon as one of the list is.
function AbortSignal.any(signals)
	local roots = {}
	for _, signal in ipairs(type(signals) == "table" and signals or {}) do
		if getmetatable(signal) ~= Signal then
			error("AbortSignal.any takes a list of signals: AbortSignal.any { controller.signal, AbortSignal.timeout(5000) }", 2)
		end
		for _, root in ipairs(signal._roots) do
			roots[#roots + 1] = root
		end
	end
	return setmetatable({ _roots = roots }, Signal)
end

local AbortController = {}
AbortController.__index = AbortController

-- controller.signal goes to fetch(); controller:abort() ends it.
function AbortController.new()
	return setmetatable({ signal = new() }, AbortController)
end

function AbortController:abort(why)
	if getmetatable(self) ~= AbortController then
		error("call this with a colon: controller:abort(reason)", 2)
	end
	abort(self.signal, why)
end

return {
	AbortController = AbortController,
	AbortSignal = AbortSignal,
	is_signal = function(value) return getmetatable(value) == Signal end,
	error = make_error,
}

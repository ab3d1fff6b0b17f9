-- fetch.lua -- fetch(): a request to another server.
--
-- fetch(url or request, init) waits until the head of the answer has come and
-- returns a Response, whatever its status; it raises when there is no answer.
-- What came with the head is a string already; of all else the body is a stream.
-- Where it may go and how long it may take, the app's configuration says.
--
-- Source: the Fetch standard, section 5.6.

local native = ...

local Request = native.module "request"
local Response = native.module "response"
local abort = native.module "abort"
local check = native.module "check"
local stream = native.module "stream"

local raw = native.fetch
local send = raw.send
local now = native.time.now
local error, type, max, rawset = error, type, math.max, rawset

local EXAMPLE = '{ method = "POST", headers = { name = value }, body = "...", signal = controller.signal }'
local modes = { follow = true, manual = true, error = true }

-- What init says of the way, not of the request. A signal may also be request.signal, which is only looked at.
local function options(init, level)
	init = check.init(init, EXAMPLE, level + 1) or {}
	local redirect, timeout, signal = init.redirect, init.timeout, init.signal
	if redirect ~= nil and not modes[redirect] then
		error('redirect is "follow", "manual" or "error", not ' .. tostring(redirect), level + 1)
	end
	if timeout ~= nil and (type(timeout) ~= "number" or not (timeout > 0 and timeout <= 9e15)) then
		error("timeout is a number of milliseconds, not " .. tostring(timeout), level + 1)
	end
	if signal ~= nil and type(signal) ~= "table" then
		error("signal is an AbortSignal, not a " .. type(signal), level + 1)
	end
	return redirect, timeout, signal
end

-- One more millisecond, so that the signal says so too when the time is up.
local function until_deadline(timeout, signal)
	local due = signal:deadline()
	local left = due and max(due - now(), 0) + 1
	return left and timeout and (left < timeout and left or timeout) or left or timeout
end

local function why_aborted(signal)
	local reason = signal.reason
	return reason == nil and abort.error("AbortError", "The operation was aborted") or reason
end

local function too_large(url)
	local most, place = raw.limit()
	return abort.error("TypeError", ("fetch %s: its body has more than %.0f bytes; allow more with  fetch_body_max SIZE;  "
		.. "%s, or read it in pieces: for piece in response:chunks() do ... end"):format(url:match "^[^?]*", most, place))
end

local function answer(ok, status, headers, body, status_text, url, redirected)
	if not ok then
		error(status, 0)
	end
	local response = Response.received(status, headers, body)
	response.statusText, response.url, response.redirected = status_text, url, redirected
	rawset(response, "_pieces", true)
	body = response._body
	if stream.is(body) then
		body._most = raw.limit()
		body._too_large = function() return too_large(url) end
	end
	return response
end

-- While the body comes, the signal ends that.
local function watch_body(signal, body)
	local function watcher() stream.abort(body, "The operation was aborted") end
	body._why = function() return signal.aborted and why_aborted(signal) or nil end
	body._done = function() signal:unwatch(watcher) end
	signal:watch(watcher)
end

-- The signal's word counts more than the answer that crossed it.
local function finish(signal, watcher, ...)
	signal:unwatch(watcher)
	if signal.aborted then
		local _, _, _, body = ...
		if type(body) == "userdata" then
			stream.wrap(body):cancel()
		end
		error(why_aborted(signal), 0)
	end
	local response = answer(...)
	if stream.is(response._body) then
		watch_body(signal, response._body)
	end
	return response
end

local function fetch(input, init)
	local method, url, headers, body = Request.parts(input, init, 2)
	local redirect, timeout, signal = options(init, 2)
	if not signal then
		return answer(send(method, url, headers, body, redirect, timeout))
	end
	if signal.aborted then
		error(why_aborted(signal), 0)
	end
	if not abort.is_signal(signal) then
		return answer(send(method, url, headers, body, redirect, timeout))
	end
	local handle = raw.handle()
	local function watcher() raw.abort(handle) end
	signal:watch(watcher)
	return finish(signal, watcher, send(method, url, headers, body, redirect, until_deadline(timeout, signal)))
end

return fetch

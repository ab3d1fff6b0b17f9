-- request.lua -- Request.
--
-- A request from outside is lazy: it holds the handle of its event and asks
-- the host for method, url, headers and body when they are first used. What
-- was not read while its event ran is an error afterwards, except in the work
-- that its handler gave to ctx:waitUntil().
--
-- Private fields: _handle (from outside only), _method, _url, _headers (a
-- Headers), _body. They are what was read so far, or given to Request.new.
--
-- Source: the Fetch standard, section 5.4.

local native = ...

local Headers = native.module "headers"
local JSON = native.module "json"
local URL = native.module "url"
local check = native.module "check"
local stream = native.module "stream"
local http = native.http

local pairs, rawget, rawset, type, getmetatable, setmetatable = pairs, rawget, rawset, type, getmetatable, setmetatable

local EXAMPLE = '{ method = "POST", headers = { name = value }, body = "..." }'

local Request = {}
local methods, fields = {}, {}

function Request.__index(self, key)
	local found = methods[key]
	if found then
		return found
	end
	found = fields[key]
	return found and found(self)
end

local advice = "make a new one: Request.new(request, { method =, headers =, body = })"
Request.__newindex = check.guard("request", {
	method = advice, body = advice, url = "make a new one: Request.new(url, request)",
	headers = "use request.headers:set(name, value)", signal = "the server sets it",
})

function fields.method(self)
	local method = rawget(self, "_method")
	if not method then
		method = http.method(self._handle)
		rawset(self, "_method", method)
	end
	return method
end

function fields.url(self)
	local url = rawget(self, "_url")
	if not url then
		url = http.url(self._handle)
		rawset(self, "_url", url)
	end
	return url
end

function fields.headers(self)
	local headers = rawget(self, "_headers")
	if not headers then
		headers = Headers.wrap(http.headers(self._handle))
		rawset(self, "_headers", headers)
	end
	return headers
end

function fields.body(self)
	local body = rawget(self, "_body")
	if body == nil and rawget(self, "_handle") then
		body = http.body(self._handle)
		if type(body) == "userdata" then
			body = stream.wrap(body)
		end
		rawset(self, "_body", body)
	end
	return body
end

-- What a proxy in front knows of where the client is; from one that is no trusted_proxy these headers do not get here.
local places = {
	city = "cf-ipcity", continent = "cf-ipcontinent", country = "cf-ipcountry", latitude = "cf-iplatitude",
	longitude = "cf-iplongitude", metroCode = "cf-metro-code", postalCode = "cf-postal-code", region = "cf-region",
	regionCode = "cf-region-code", timezone = "cf-timezone",
}

local function header(self, name)
	local handle = rawget(self, "_handle")
	if handle and not rawget(self, "_headers") then
		return http.header(handle, name)
	end
	return self.headers:get(name)
end

-- Always a table; a field that nobody knows is nil.
function fields.cf(self)
	local cf = {}
	for field, name in pairs(places) do
		cf[field] = header(self, name)
	end
	rawset(self, "cf", cf)
	return cf
end

-- request.signal.aborted: has the client gone away? A handler that works long may look, and stop.
local Signal = {}

function Signal.__index(self, key)
	if key == "aborted" then
		local handle = self._handle
		return handle and http.aborted(handle)
	end
end

function fields.signal(self)
	local signal = rawget(self, "_signal")
	if not signal then
		signal = setmetatable({ _handle = rawget(self, "_handle") or false }, Signal)
		rawset(self, "_signal", signal)
	end
	return signal
end

-- A stream is read to its end, once, and kept as a string.
local function whole(self)
	local body = self.body
	if stream.is(body) then
		body = body:text()
		rawset(self, "_body", body)
	end
	return body or ""
end

function methods:text()
	return whole(self)
end

function methods:json()
	local text = whole(self)
	return (JSON.decode(text, 2))
end

-- for piece in request:chunks() do: of a string, that one.
function methods:chunks()
	return stream.of(self.body):chunks()
end

local known = {}
for name in ("GET HEAD POST PUT PATCH DELETE OPTIONS"):gmatch "%u+" do
	known[name] = name
	known[name:lower()] = name
end
local forbidden = { CONNECT = true, TRACE = true, TRACK = true }

local function check_method(method, level)
	if known[method] then
		return known[method]
	end
	if not check.is_token(method) or forbidden[method:upper()] then
		error("'" .. tostring(method) .. "' is not a method a request can have", level + 1)
	end
	return method
end

-- An absolute URL as it will be sent, without its fragment. Plain ones need not be taken apart.
local function check_url(url, level)
	if type(url) == "table" then
		url = tostring(url)
	end
	if type(url) == "string" and url:find "^https?://[%l%d.-]+/[%w/_~?=&-]*$" then
		return url
	end
	local parsed = URL.parse(url, nil, level + 1)
	parsed.hash = ""
	return parsed.href
end

-- The parts of a new request: those of init, else those of the request it is made from.
local function parts(input, init, level)
	local from = getmetatable(input) == Request and input or {}
	init = check.init(init, EXAMPLE, level + 1) or {}

	local method = init.method and check_method(init.method, level + 1) or from.method or "GET"
	local url = from.url or check_url(input, level + 1)
	local headers = Headers.new(init.headers or from.headers, level + 1)
	local body = init.body
	if not stream.is(body) then
		body = check.body(body, "Request", level + 1)
	end
	if body and (method == "GET" or method == "HEAD") then
		error("Request with a GET/HEAD method cannot have a body.", level + 1)
	end
	if type(body) == "string" and not headers:has "content-type" then
		headers:append("content-type", "text/plain;charset=UTF-8")
	end
	if not body and (init.method == nil or (method ~= "GET" and method ~= "HEAD")) then
		body = from.body
	end
	return method, url, headers, body
end

Request.parts = parts	-- for fetch()

local function build(input, init, level)
	local method, url, headers, body = parts(input, init, level + 1)
	return setmetatable({ _method = method, _url = url, _headers = headers, _body = body }, Request)
end

-- Request.new(url or request, init or request)
function Request.new(input, init)
	return (build(input, init, 2))
end

-- A request of its own, with all that was still to be read.
function methods:clone()
	if stream.is(self.body) then
		error("a Request whose body is a stream cannot be cloned; read it first: request:text()", 2)
	end
	return (build(self, nil, 2))
end

-- For the host: an event's request.
function Request.received(handle)
	return setmetatable({ _handle = handle }, Request)
end

-- For the host, what stub:fetch(input, init) sends: the handle of a request passed on as it came (nobody can have
-- changed it, as nobody asked for its headers), or method, url, headers, body.
function Request.outbound(input, init)
	if init == nil and getmetatable(input) == Request then
		local handle = rawget(input, "_handle")
		if handle and not rawget(input, "_headers") and not stream.is(rawget(input, "_body")) then
			return handle
		end
		return input.method, input.url, input.headers, input.body
	end
	return parts(input, init, 2)
end

return Request

-- response.lua -- Response.
--
-- The host reads three raw fields: status, _body (a string, a stream or nil) and
-- _headers (a list name, value, name, value, ...; nil: a body is sent as
-- text/plain). Nothing else is made until somebody asks for it:
-- Response.new "ok" is one table.
--
-- Bodies are strings, or streams; text() and json() may be called more than once.
-- _pieces: of fetch(); whether its body came at once or not, response.body is a stream.
--
-- Source: the Fetch standard, section 5.5.

local native = ...

local Headers = native.module "headers"
local JSON = native.module "json"
local check = native.module "check"
local stream = native.module "stream"

local rawget, rawset, type, setmetatable = rawget, rawset, type, setmetatable

local TEXT = "text/plain;charset=UTF-8"
local JSON_TYPE = "application/json"
local JSON_LIST = { "content-type", JSON_TYPE }	-- shared by all responses; copied before anybody may change it
local EXAMPLE = "{ status = 404, headers = { name = value } }"

local Response = {}	-- the class, and the metatable of responses
local methods, fields = {}, {}

function Response.__index(self, key)
	local found = methods[key]
	if found then
		return found
	end
	found = fields[key]
	return found and found(self)
end

Response.__newindex = check.guard("response", {
	body = "make a new one: Response.new(body, response)",
	headers = "use response.headers:set(name, value)",
	ok = "set response.status",
})

function fields.ok(self)
	return self.status >= 200 and self.status <= 299
end

function fields.body(self)
	local body = self._body
	if body and rawget(self, "_pieces") and not stream.is(body) then
		body = stream.of(body)
		self._body = body
	end
	return body
end

function fields.headers(self)
	local list = rawget(self, "_headers")
	if not list then
		list = rawget(self, "_body") and { "content-type", TEXT } or {}
		rawset(self, "_headers", list)
	elseif list == JSON_LIST then
		list = { JSON_LIST[1], JSON_LIST[2] }
		rawset(self, "_headers", list)
	end
	return Headers.wrap(list)
end

local null_body = { [204] = true, [205] = true, [304] = true }

local function check_status(status, body, level)
	if type(status) ~= "number" or status < 200 or status > 599 or status % 1 ~= 0 then
		error("Responses may only be constructed with status codes in the range 200 to 599, inclusive; got "
			.. tostring(status), level + 1)
	end
	if body and body ~= "" and null_body[status] then
		error("Response with null body status (101, 204, 205, or 304) cannot have a body.", level + 1)
	end
	return status
end

-- The raw table of a response that came with an init table (or with another response as its init).
local function build(body, init, content_type, level)
	check.init(init, EXAMPLE, level + 1)
	local headers = Headers.new(init.headers, level + 1)
	if type(body) == "string" and not headers:has "content-type" then
		headers:append("content-type", content_type)
	end
	return {
		status = init.status == nil and 200 or check_status(init.status, body, level + 1),
		_headers = headers,
		_body = body,
	}
end

-- Response.new(body, { status = 404, headers = { ["x-a"] = "b" } }); body is a string, a stream or nil.
function Response.new(body, init)
	if type(body) ~= "string" and body ~= nil and not stream.is(body) then
		check.dot(body, Response, "Response", "new")
		body = check.body(body, "Response", 2)
	end
	if init == nil then
		return setmetatable({ status = 200, _body = body }, Response)
	end
	return setmetatable(build(body, init, TEXT, 2), Response)
end

-- Response.json(value, init): any value that JSON can say.
function Response.json(value, init)
	check.dot(value, Response, "Response", "json")
	local body = JSON.encode(value, 2)
	if init == nil then
		return setmetatable({ status = 200, _headers = JSON_LIST, _body = body }, Response)
	end
	return setmetatable(build(body, init, JSON_TYPE, 2), Response)
end

local redirects = { [301] = true, [302] = true, [303] = true, [307] = true, [308] = true }

-- Response.redirect(url, status = 302); the url may be relative.
function Response.redirect(url, status)
	if type(url) == "table" then
		url = tostring(url)
	end
	if type(url) ~= "string" then
		error("Response.redirect needs a URL, not a " .. type(url), 2)
	end
	if status ~= nil and not redirects[status] then
		error("a redirect has status 301, 302, 303, 307 or 308, not " .. tostring(status), 2)
	end
	return setmetatable({ status = status or 302, _headers = Headers.new({ location = url }, 2) }, Response)
end

-- Response.events(function(send) ... end): server-sent events, each send(event) one; see stream.lua.
function Response.events(fn, init)
	if type(fn) ~= "function" then
		error("Response.events(fn) takes a function, which is called with send: "
			.. "Response.events(function(send) send \"hello\" end)", 2)
	end
	local response = setmetatable(build(stream.events(fn, JSON.encode), init or {}, nil, 2), Response)
	response.headers:set("content-type", "text/event-stream")
	if not response.headers:has "cache-control" then
		response.headers:set("cache-control", "no-cache")
	end
	return response
end

-- A stream is read to its end, once, and kept as a string.
local function whole(self)
	if stream.is(self._body) then
		self._body = self._body:text()
	end
	return self._body or ""
end

function methods:text()
	return whole(self)
end

-- for piece in response:chunks() do: of a string, that one.
function methods:chunks()
	return stream.of(self._body):chunks()
end

function methods:json()
	local text = whole(self)
	return (JSON.decode(text, 2))
end

function methods:clone()
	if stream.is(self._body) then
		error("a Response whose body is a stream cannot be cloned; read it first: response:text()", 2)
	end
	return setmetatable({ status = self.status, _headers = Headers.new(self.headers), _body = self._body }, Response)
end

-- For the host: the answer of another object. headers is a list, taken over; nil: none.
function Response.received(status, headers, body)
	if type(body) == "userdata" then
		body = stream.wrap(body)
	end
	return setmetatable({ status = status, _headers = headers or {}, _body = body }, Response)
end

return Response

-- url.lua -- URL.
--
-- A URL keeps its parts as plain fields, which may be set: protocol, username,
-- password, hostname, port, pathname, search, hash. href, host and origin are
-- put together when asked for; searchParams writes back into search.
--
-- Source: the WHATWG URL standard for the schemes of the web; host names in
-- other alphabets must come as xn-- labels.

local native = ...

local query = native.module "params"

local find, match, gsub, byte, format = string.find, string.match, string.gsub, string.byte, string.format
local rawset, type, setmetatable = rawset, type, setmetatable

local default_port = { ["http:"] = "80", ["https:"] = "443", ["ws:"] = "80", ["wss:"] = "443", ["ftp:"] = "21" }

local function escape(c)
	return format("%%%02X", byte(c))
end

-- Lower case, no forbidden characters; nil and why not.
local function parse_host(host, special)
	if find(host, "^%[") then
		return match(host, "^%[[%x:.]+%]$") and host:lower(), "the IPv6 address is malformed"
	end
	host = query.percent_decode(host):lower()
	if special and host == "" then
		return nil, "it has no host"
	end
	if find(host, "[\128-\255]") then
		return nil, "write a host name in another alphabet in its xn-- form"
	end
	if find(host, "[%c #/<>?@%[\\%]^|%%:]") then
		return nil, "the host has a character that cannot stand in one"
	end
	return host
end

-- user:password@host:port into self; true, or nil and why not.
local function parse_authority(self, authority, special)
	local login, rest = match(authority, "^(.*)@(.*)$")
	if login then
		self.username, self.password = match(login, "^([^:]*):?(.*)$")
		authority = rest
	end
	local host, port = match(authority, "^(%[[^%]]*%]):?(.*)$")
	if not host then
		host, port = match(authority, "^([^:]*):?(.*)$")
	end
	local why
	self.hostname, why = parse_host(host, special)
	if not self.hostname then
		return nil, why
	end
	if find(port, "%D") or (port ~= "" and tonumber(port) > 65535) then
		return nil, "the port is not a number from 0 to 65535"
	end
	port = port ~= "" and tostring(tonumber(port)) or ""
	self.port = port ~= default_port[self.protocol] and port or ""
	return true
end

-- Without "." and ".." steps; begins with "/".
local function clean_path(path)
	if not find(path, "/%.") and not find(path, "/%%2[eE]") then
		return path
	end
	local steps, n, last = {}, 0, false
	for step in path:gmatch "/([^/]*)" do
		local dots = gsub(step, "%%2[eE]", ".")
		last = dots == "." or dots == ".."
		if dots == ".." then
			n = n > 0 and n - 1 or 0
		elseif dots ~= "." then
			n = n + 1
			steps[n] = step
		end
	end
	return "/" .. table.concat(steps, "/", 1, n) .. (last and n > 0 and "/" or "")
end

local function split_tail(self, text)
	local rest, hash = match(text, "^([^#]*)(.*)$")
	local path, search = match(rest, "^([^?]*)(.*)$")
	self.search = search ~= "?" and gsub(search, "[%c \"#<>'\128-\255]", escape) or ""
	self.hash = hash ~= "#" and gsub(hash, "[%c \"<>`\128-\255]", escape) or ""
	return (gsub(path, "[%c \"#<>?`{}\128-\255]", escape))
end

-- "scheme:rest" into self.
local function parse_absolute(self, scheme, rest)
	self.protocol = scheme:lower() .. ":"
	local special = default_port[self.protocol] ~= nil
	if special then
		local path, tail = match(rest, "^([^?#]*)(.*)$")
		rest = gsub(gsub(path, "\\", "/"), "^/*", "//") .. tail
	end
	if rest:sub(1, 2) ~= "//" then
		self.pathname = split_tail(self, rest)
		return true
	end
	local authority, tail = match(rest, "^//([^/?#]*)(.*)$")
	local ok, why = parse_authority(self, authority, special)
	if not ok then
		return nil, why
	end
	local path = clean_path(split_tail(self, tail))
	self.pathname = path == "" and special and "/" or path
	return true
end

-- A reference, relative to base (a URL), into self.
local function parse_relative(self, text, base)
	self.protocol = base.protocol
	if text:sub(1, 2) == "//" then
		return parse_absolute(self, base.protocol:sub(1, -2), text)
	end
	for _, part in ipairs { "username", "password", "hostname", "port" } do
		self[part] = base[part]
	end
	local path = split_tail(self, text)
	if path == "" then
		self.pathname = base.pathname
		if not find(text, "^%?") then
			self.search = base.search
		end
	elseif path:sub(1, 1) == "/" then
		self.pathname = clean_path(path)
	else
		self.pathname = clean_path((match(base.pathname, "^(.*/)") or "/") .. path)
	end
	return true
end

local URL, fields, methods = {}, {}, {}

local function empty()
	return {
		protocol = "", username = "", password = "", hostname = "", port = "",
		pathname = "", search = "", hash = "",
	}
end

-- The URLs of nearly all requests, which need no cleaning: nil if this is not one.
local function parse_plain(text)
	local protocol, host, port, path, search =
		match(text, "^(https?:)//([%l%d.-]+):?(%d*)(/[%w/_~-]*)(%??[%w/_~=&%%+.-]*)$")
	if not protocol or (search ~= "" and not find(search, "^%?.")) then
		return nil
	end
	if port ~= "" and (byte(port) == 48 or #port > 4 or port == default_port[protocol]) then
		return nil
	end
	return setmetatable({
		protocol = protocol, username = "", password = "", hostname = host, port = port,
		pathname = path, search = search, hash = "",
	}, URL)
end

-- Any other; an error names whoever level says.
local function parse_fully(text, base, level)
	local self = empty()
	local clean = gsub(match(text, "^[%z\1-\32]*(.-)[%z\1-\32]*$"), "[\t\r\n]", "")
	local scheme, rest = match(clean, "^(%a[%w+.-]*):(.*)$")
	local ok, why
	if scheme then
		ok, why = parse_absolute(self, scheme, rest)
	elseif base then
		ok, why = parse_relative(self, clean, base)
	else
		why = "it must be absolute, such as https://host/path"
	end
	if not ok then
		error(format('Invalid URL "%s": %s', text:sub(1, 200), why), level + 1)
	end
	return setmetatable(self, URL)
end

-- For other modules: URL.new with the level to blame.
function URL.parse(text, base, level)
	if type(text) == "table" then
		text = tostring(text)
	end
	if type(text) ~= "string" then
		error("Invalid URL: a " .. type(text) .. "; it must be a string", level + 1)
	end
	if base ~= nil and getmetatable(base) ~= URL then
		base = URL.parse(base, nil, level + 1)
	end
	return parse_plain(text) or (parse_fully(text, base, level + 1))
end

-- URL.new(text, base): base is needed for a relative text.
function URL.new(text, base)
	return (URL.parse(text, base, 2))
end

function URL.canParse(text, base)
	return (pcall(URL.parse, text, base, 1))
end

function URL.__index(self, key)
	local method = methods[key]
	if method then
		return method
	end
	local field = fields[key]
	return field and field(self)
end

local read_only = { origin = true, searchParams = true }

function URL.__newindex(self, key, value)
	if key == "href" then
		local made = URL.parse(value, nil, 2)
		for part in pairs(empty()) do self[part] = made[part] end
	elseif key == "host" then
		self.hostname, self.port = match(value, "^(.-):?(%d*)$")
	elseif read_only[key] then
		error("url." .. key .. " cannot be set", 2)
	else
		rawset(self, key, value)
	end
end

function fields.host(self)
	return self.port ~= "" and self.hostname .. ":" .. self.port or self.hostname
end

function fields.origin(self)
	return default_port[self.protocol] and self.protocol .. "//" .. self.host or "null"
end

function fields.href(self)
	local login = self.username
	if self.password ~= "" then
		login = login .. ":" .. self.password
	end
	if login ~= "" then
		login = login .. "@"
	end
	local slashes = (self.hostname ~= "" or default_port[self.protocol] or self.protocol == "file:") and "//" or ""
	return self.protocol .. slashes .. login .. self.host .. self.pathname .. self.search .. self.hash
end

fields.searchParams = query.of

function methods:toString()
	return self.href
end

methods.toJSON = methods.toString

function URL.__tostring(self)
	return self.href
end

URL.toJSON = URL.__tostring	-- JSON.stringify looks into metatables

return URL

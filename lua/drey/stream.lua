-- stream.lua -- bodies in pieces: stream(fn) makes one, response.body reads one.
--
-- A stream is a table with _box, behind which is the reader's end of a pipe
-- (src/lua/bind_stream.c). It is read once: piece by piece, all at once with
-- text(), or by being sent in a Response.

local native = ...

local settle = native.module "park".settle
local raw = native.stream
local error, pcall, setmetatable, getmetatable, type = error, pcall, setmetatable, getmetatable, type
local concat, gsub, tostring, pairs = table.concat, string.gsub, tostring, pairs

local ReadableStream = {}
ReadableStream.__index = ReadableStream

local function wrap(box)
	return setmetatable({ _box = box }, ReadableStream)
end

local function is(value)
	return type(value) == "table" and getmetatable(value) == ReadableStream
end

-- The next piece, a string; nil at the end. Waits for it; raises when the writer broke off.
function ReadableStream:read()
	return settle(raw.read(self._box))
end

-- for piece in stream:chunks() do
function ReadableStream:chunks()
	return function() return self:read() end
end

-- All that is left of it, as one string.
function ReadableStream:text()
	local pieces = {}
	for piece in self:chunks() do pieces[#pieces + 1] = piece end
	return concat(pieces)
end

-- Nobody reads on: the writer sees writer.cancelled.
function ReadableStream:cancel()
	raw.cancel(self._box)
end

-- What the function of stream(fn) is given.
local writer = setmetatable({
	-- Sends bytes; false when nobody reads any more. Waits while the reader is far behind.
	write = function(_, bytes) return settle(raw.write(bytes)) end,
}, {
	__index = function(_, key)
		if key == "cancelled" then
			return raw.cancelled()
		end
	end,
	__newindex = function() error("a stream's writer has write(bytes) and cancelled; it keeps nothing", 2) end,
})

local function run(fn)
	return wrap(raw.open(function() raw.finish(pcall(fn, writer)) end))
end

-- A stream that fn(writer) writes, as a task of its own, begun when this one waits or ends. What it raises breaks
-- the stream off.
local function stream(fn)
	if type(fn) ~= "function" then
		error("stream(fn) takes a function, which is called with a writer: stream(function(w) w:write \"hello\" end); got a "
			.. type(fn), 2)
	end
	return (run(fn))
end

-- One server-sent event: a string, or a table with data, event, id, retry. Tables of data become JSON.
local function event_text(event, encode)
	if type(event) ~= "table" or event.data == nil and not (event.event or event.id or event.retry or event.comment) then
		event = { data = event }
	end
	local lines = {}
	if event.comment then
		lines[1] = ": " .. gsub(tostring(event.comment), "[\r\n]+", " ")
	end
	for _, name in pairs { "event", "id", "retry" } do
		if event[name] ~= nil then
			lines[#lines + 1] = name .. ": " .. gsub(tostring(event[name]), "[%z\r\n]+", " ")
		end
	end
	local data = event.data
	if data ~= nil then
		data = type(data) == "table" and encode(data, 3) or tostring(data)
		lines[#lines + 1] = "data: " .. gsub(gsub(data, "\r\n?", "\n"), "\n", "\ndata: ")
	end
	return concat(lines, "\n") .. "\n\n"
end

-- A stream of server-sent events: fn(send) calls send(event) for each; false when nobody listens any more.
local function events(fn, encode)
	return (run(function(w)
		fn(function(event) return w:write(event_text(event, encode)) end)
	end))
end

return { stream = stream, events = events, is = is, wrap = wrap }

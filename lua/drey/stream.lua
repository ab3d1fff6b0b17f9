-- stream.lua -- bodies in pieces: stream(fn) makes one, response.body reads one.
--
-- A stream is a table with _box, behind which is the reader's end of a pipe
-- (src/lua/bind_stream.c); one over a string that is here already has it in
-- _text (false: it was read). It is read once: piece by piece, all at once with
-- text(), or by being sent in a Request or Response.
--
-- Of a fetch() answer's: _most, _too_large() and _why(), _done(); see fetch.lua.

local native = ...

local settle = native.module "park".settle
local raw = native.stream
local error, pcall, setmetatable, getmetatable, type = error, pcall, setmetatable, getmetatable, type
local concat, gsub, tostring, pairs = table.concat, string.gsub, tostring, pairs

local ReadableStream = {}
ReadableStream.__index = ReadableStream

local function is(value)
	return type(value) == "table" and getmetatable(value) == ReadableStream
end

local function wrap(box)
	return setmetatable({ _box = box }, ReadableStream)
end

-- A body, whatever it is, as a stream.
local function of(body)
	return is(body) and body or setmetatable({ _text = body or "" }, ReadableStream)
end

local function next_piece(box)
	return settle(raw.read(box))
end

-- Who aborted it says why; at the end it need not be aborted any more.
local function finish(self, ok, piece)
	if not ok or not piece then
		self._done()
	end
	if not ok then
		local why = self._why()
		error(why == nil and piece or why, 0)
	end
	return piece
end

-- The next piece, a string; nil at the end. Waits for it; raises when the writer broke off.
function ReadableStream:read()
	local text = self._text
	if text ~= nil then
		self._text = false
		return text and text ~= "" and text or nil
	end
	if self._why then
		return finish(self, pcall(next_piece, self._box))
	end
	return settle(raw.read(self._box))
end

-- for piece in stream:chunks() do
function ReadableStream:chunks()
	return function() return self:read() end
end

-- All that is left of it, as one string.
function ReadableStream:text()
	local pieces, n, most = {}, 0, self._most
	for piece in self:chunks() do
		pieces[#pieces + 1] = piece
		n = n + #piece
		if most and n > most then
			self:cancel()
			error(self._too_large(), 0)
		end
	end
	return concat(pieces)
end

-- Nobody reads on: the writer sees writer.cancelled.
function ReadableStream:cancel()
	if self._done then
		self._done()
	end
	if self._box then
		raw.cancel(self._box)
	else
		self._text = false
	end
end

-- Nobody reads on; whoever waits for a piece, or asks for one, gets an AbortError.
local function abort(self, why)
	raw.abort(self._box, why)
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

return { stream = stream, events = events, is = is, wrap = wrap, of = of, abort = abort }

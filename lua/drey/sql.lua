-- sql.lua -- ctx.storage.sql.
--
-- exec() and the cursors are C (src/lua/bind_sql.c). Here: the property
-- databaseSize, the view of a cursor as plain arrays, and the mark for bytes.

local native = ...

local check = native.module "check"
local sql = native.sql
local setmetatable = setmetatable

-- Blob(bytes) binds a string as BLOB; a plain string binds as TEXT.
local Blob = setmetatable({}, {
	__call = function(self, bytes)
		if type(bytes) ~= "string" then
			error("Blob takes a string of bytes, not a " .. type(bytes), 2)
		end
		return setmetatable({ bytes = bytes }, self)
	end,
})
Blob.__index = Blob

-- cursor:raw(): the rows still to come as arrays { column 1, column 2, ... }, NULL as JSON.null.
local Raw = {}
Raw.__index = Raw

function Raw:__call()
	return (sql.next_array(self.cursor))
end

function Raw:next()
	local row = sql.next_array(self.cursor)
	return row and { done = false, value = row } or { done = true }
end

function Raw:toArray()
	return (sql.arrays(self.cursor))
end

sql.setup(Blob, function(cursor) return setmetatable({ cursor = cursor }, Raw) end)

local methods = { exec = sql.exec }

local RUN_AGAIN = "SQL cursor was closed because the same statement was executed again. "
	.. "If you need to run multiple copies of the "
	.. "same statement concurrently, you must create multiple prepared statement objects."

-- sql:prepare(query) -> statement(...) -> cursor. Of one statement one cursor is open at a time.
function methods:prepare(query)
	check.colon(self, "sql", "prepare")
	if type(query) ~= "string" then
		error("sql:prepare(query) takes the SQL text", 2)
	end
	local open = setmetatable({}, { __mode = "v" })		-- a cursor nobody holds may be collected
	return function(...)
		if open.cursor then
			sql.cancel(open.cursor, RUN_AGAIN)
		end
		open.cursor = sql.exec(self, query, ...)
		return open.cursor
	end
end

local Sql = {}

function Sql.__index(self, key)
	if key == "databaseSize" then
		return (sql.size(self))
	end
	return methods[key]
end

local function new(serial)
	return setmetatable({ _serial = serial }, Sql)
end

return { new = new, Blob = Blob }

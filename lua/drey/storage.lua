-- storage.lua -- ctx.storage and ctx.storage.kv.
--
-- The work is done in C (src/lua/bind_storage.c): its functions are the
-- methods here and take the storage first. What is left is to make the parts
-- of a storage when they are first asked for.

local native = ...

local Map = native.module "map"
local sql = native.module "sql"
local store = native.storage
local rawset, setmetatable = rawset, setmetatable

store.setup(Map)	-- get { keys } and list() give Maps

local methods = {
	get = store.get,
	put = store.put,
	delete = store.delete,
	list = store.list,
	deleteAll = store.deleteAll,
	transactionSync = store.transactionSync,
	sync = store.sync,
}

-- ctx.storage.kv: the same data, for ports of the original's synchronous calls.
local kv_methods = { get = store.get, put = store.put, delete = store.delete }

local PAGE = 128

-- for key, value in storage.kv:list(options) do -- reads on as it goes; options as in storage:list.
function kv_methods:list(options)
	local ask = {}
	for name, value in pairs(options or {}) do ask[name] = value end
	local left = ask.limit or math.huge
	local page, i = nil, 0

	local function turn()
		if page and page.size < PAGE then
			return false
		end
		if page and ask.reverse then		-- the end is exclusive: go on below the last one
			ask["end"], ask.end_ = page._keys[PAGE], nil
		elseif page then
			ask.start, ask.startAfter = nil, page._keys[PAGE]
		end
		ask.limit = math.min(left, PAGE)
		page, i = store.list(self, ask), 0
		left = left - page.size
		return page.size > 0
	end

	local function step()
		i = i + 1
		local key = page._keys[i]
		if key == nil and left > 0 and turn() then
			i = 1
			key = page._keys[1]
		end
		if key ~= nil then
			return key, page._values[key]
		end
	end
	ask.limit = ask.limit and math.min(ask.limit, PAGE) or PAGE
	page = store.list(self, ask)
	left = left - page.size
	return step
end

local Kv = { __index = kv_methods }

local parts = {
	sql = sql.new,
	kv = function(serial) return setmetatable({ _serial = serial }, Kv) end,
}

local Storage = {}

function Storage.__index(self, key)
	local method = methods[key]
	if method then
		return method
	end
	local make = parts[key]
	if make then
		local made = make(self._serial)
		rawset(self, key, made)
		return made
	end
end

local function new(serial)
	return setmetatable({ _serial = serial }, Storage)
end

return { new = new }

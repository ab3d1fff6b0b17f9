-- storage.lua -- ctx.storage and ctx.storage.kv.
--
-- The work is done in C (src/lua/bind_storage.c): its functions are the
-- methods here and take the storage first. What is left is to make the parts
-- of a storage when they are first asked for.

local native = ...

local Map = native.module "map"
local check = native.module "check"
local sql = native.module "sql"
local store = native.storage
local rawset, setmetatable = rawset, setmetatable

native.module "transaction"
store.setup(Map)	-- get { keys } and list() give Maps

local methods = {
	get = store.get,
	put = store.put,
	delete = store.delete,
	list = store.list,
	deleteAll = store.deleteAll,
	transaction = store.transaction,
	transactionSync = store.transactionSync,
	sync = store.sync,
}

-- ctx.storage.kv: the same data, for ports of the original's synchronous calls.
local kv_methods = { get = store.get, put = store.put, delete = store.delete }

local PAGE_LEAST, PAGE_MOST = 4, 128

-- for key, value in storage.kv:list(options) do -- reads on as it goes; options as in storage:list.
--
-- Pages grow while nobody writes. When somebody did, what is left of the page
-- is out of date: it is dropped, and a small one read from where we are.
function kv_methods:list(options)
	check.colon(self, "kv", "list")
	if options ~= nil and type(options) ~= "table" then
		return store.page(self, options)	-- which raises
	end
	local ask = {}
	for name, value in pairs(options or {}) do ask[name] = value end
	local left, size = ask.limit or math.huge, PAGE_LEAST
	if type(left) == "number" then left = math.floor(left) end
	local page, more, seen, i, last

	local function turn()
		if last ~= nil and ask.reverse then		-- the end is exclusive: go on below the last one
			ask["end"], ask.end_ = last, nil
		elseif last ~= nil then
			ask.start, ask.startAfter = nil, last
		end
		if type(left) == "number" then
			ask.limit = math.min(left, size)
		end
		page, more = store.page(self, ask)
		seen, i = store.changes(self), 0
	end

	local function step()
		if left <= 0 then
			return nil
		end
		if store.changes(self) ~= seen then
			size = PAGE_LEAST
			turn()
		elseif i == page.size and more then
			size = math.min(2 * size, PAGE_MOST)
			turn()
		end
		i, left = i + 1, left - 1
		last = page._keys[i]
		if last == nil then
			left = 0
			return nil
		end
		return last, page._values[last]
	end
	turn()
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

-- transaction.lua -- storage:transaction(fn): all that fn writes, or nothing.
--
-- fn may wait. Until it has returned nobody else runs in this object, and
-- nothing is committed. The work is done in C (src/lua/bind_txn.c), which knows
-- a transaction by its number.

local native = ...

local check = native.module "check"
local settle = native.module "park".settle
local store, txns = native.storage, native.txn
local error, setmetatable, type, xpcall = error, setmetatable, type, xpcall

-- What fn gets. Every storage call of this object is inside the transaction; txn is needed for rollback() only.
local methods = {}
local Txn = { __index = methods }

-- Raises if the transaction of txn is over. Called by the methods: level 3 is the app's line.
local function open(txn, call)
	if type(txn) ~= "table" or not txn._number then
		error("call this with a colon, as in txn:" .. call, 3)
	end
	if txn._committed then
		error("Cannot call " .. call .. " on transaction that has already committed: "
			.. "did you move `txn` outside of the closure?", 3)
	end
	if txn._undone or not txns.within(txn, txn._number) then
		error("Cannot " .. call .. " on rolled back transaction", 3)
	end
end

for _, name in ipairs { "get", "put", "delete", "list" } do
	local call, fn = name .. "()", store[name]
	methods[name] = function(txn, ...)
		open(txn, call)
		return fn(txn, ...)
	end
end

function methods.deleteAll()
	error("Cannot call deleteAll() within a transaction", 2)
end

-- Undoes what was written since fn began. fn runs on; what it returns is returned.
function methods.rollback(txn)
	if type(txn) == "table" and txn._undone then
		return
	end
	open(txn, "rollback()")
	txns.undo(txn, txn._number)
	txn._undone = true
end

local function finish(txn, ok, ...)
	local keep = ok and not txn._undone
	txn._undone = not keep
	txns.finish(txn, txn._number, keep)
	if not ok then
		error((...), 0)
	end
	txn._committed = keep
	return ...
end

-- storage:transaction(fn): calls fn(txn) and returns what it returns; an error in it undoes its writes and goes on.
function store.transaction(storage, fn)
	check.colon(storage, "storage", "transaction")
	if type(fn) ~= "function" then
		error("storage:transaction(fn): fn is the function that reads and writes, called with txn; not a " .. type(fn), 2)
	end
	local txn = setmetatable({ _number = settle(txns.begin(storage)), _serial = storage._serial }, Txn)
	return finish(txn, xpcall(fn, txns.trace, txn))
end

return {}

-- park.lua -- calls that wait, and where tasks begin.
--
-- A native call that waits yields native.PARK to the host, which resumes the
-- task with true and results, or false and an error. This file turns that
-- into results or a raised error, and lets a waiting call pass through
-- coroutines that the app made itself: each hands the mark on outwards.
--
-- Everything here is the host's (src/lua); its end is called by it.

local native = ...

local check = native.module "check"
local PARK = native.PARK
local error, type, xpcall = error, type, xpcall
local raw_resume, raw_yield, create = coroutine.resume, coroutine.yield, coroutine.create
local room, raw_gsub = native.room, string.gsub

-- What a waiting call was resumed with, as its caller wants it.
local function settle(ok, ...)
	if ok then
		return ...
	end
	error((...), 0)
end

local function pass(co, ok, ...)
	if ok and (...) == PARK then
		return pass(co, raw_resume(co, raw_yield(PARK)))
	end
	return ok, ...
end

function coroutine.resume(co, ...)
	room()
	return pass(co, raw_resume(co, ...))
end

function coroutine.wrap(fn)
	local co = create(fn)
	return function(...)
		room()
		return settle(pass(co, raw_resume(co, ...)))
	end
end

-- A callback inside a callback takes much of the thread's stack.
-- (The call below leaves no trace: errors name their caller.)
function string.gsub(s, pattern, by, n)	-- luacheck: ignore
	if type(by) ~= "string" then
		room()
	end
	return raw_gsub(s, pattern, by, n)
end

local sleep = native.time.sleep

function native.time.sleep(ms)
	return settle(sleep(ms))
end

local sync = native.storage.sync

-- storage:sync(): returns when all that was written before is on disk.
function native.storage.sync(storage)
	check.colon(storage, "storage", "sync")
	return settle(sync(storage))
end

local block = native.block

local function leave(by, ok, ...)
	if not ok then
		block.hang()	-- block.failed has reset the object; this task ends here
	end
	block.unlock(by)
	return ...
end

-- ctx:blockConcurrencyWhile(fn): nobody else runs in this object until fn has returned.
function native.ctx.blockConcurrencyWhile(ctx, fn)
	check.colon(ctx, "ctx", "blockConcurrencyWhile")
	if type(fn) ~= "function" then
		error("ctx:blockConcurrencyWhile(fn) takes a function, not a " .. type(fn), 2)
	end
	return leave(settle(block.lock(ctx, fn)), xpcall(fn, block.failed))
end

local park = { settle = settle }

-- Where tasks begin; init is what init.lua returned. Nothing of ours stays on the stack.
function park.connect(init)
	local request, instance, fetch, ctx = init.request, init.instance, init.fetch, init.ctx
	native.stub.connect(init)

	function park.front(handler, handle, env, front_ctx)
		return handler(request(handle), env, front_ctx)
	end

	function park.fetch(object, handle)
		return fetch(object, request(handle))
	end

	function park.wake(class, serial, id, env)
		return instance(class, ctx(serial, id), env)
	end
end

return park

-- depths.lua -- code that calls itself without end, in all the ways that lead through C; each ends with an answer, mostly an error.

local Depths = DurableObject:extend "Depths"

function Depths:constructor(ctx, env)
	self:super(ctx, env)
	self.storage = ctx.storage
end

function Depths:recursion()
	local function f(n) return 1 + f(n + 1) end
	return f(1)
end

function Depths:wrapped_coroutines()
	local function f() return (coroutine.wrap(f)()) end
	return f()
end

function Depths:resumed_coroutines()
	local function f() return coroutine.resume(coroutine.create(f)) end
	return (f())
end

function Depths:ready_coroutines()	-- made before, so that going down takes no memory
	local all = {}
	for i = 1, 60000 do
		all[i] = coroutine.create(function() return all[i + 1] and coroutine.resume(all[i + 1]) end)
	end
	return (coroutine.resume(all[1]))
end

function Depths:gsub()
	local function f() return (("x"):gsub("x", f)) end
	return f()
end

function Depths:gsub_table()
	local mt = {}
	mt.__index = function() return (("x"):gsub("x", setmetatable({}, mt))) end
	return (("x"):gsub("x", setmetatable({}, mt)))
end

function Depths:sort()
	local function f() table.sort({ 2, 1, 3 }, f) return true end
	return f()
end

function Depths:pcall_tail()
	local function f() return pcall(f) end
	return f()
end

function Depths:xpcall_handler()
	local function f() return (xpcall(f, f)) end
	return f()
end

function Depths:tostring()
	local mt = {}
	mt.__tostring = function() return tostring(setmetatable({}, mt)) .. "" end
	return tostring(setmetatable({}, mt))
end

function Depths:console()
	local mt = {}
	mt.__tostring = function() console.debug(setmetatable({}, mt)) return "x" end
	console.debug(setmetatable({}, mt))
end

function Depths:index()
	local mt = {}
	mt.__index = function() return setmetatable({}, mt).x .. "" end
	return setmetatable({}, mt).x
end

function Depths:concat()
	local mt = {}
	mt.__concat = function() return setmetatable({}, mt) .. "x" .. "y" end
	return setmetatable({}, mt) .. "x"
end

function Depths:eq()
	local mt = {}
	mt.__eq = function() return not (setmetatable({}, mt) == setmetatable({}, mt)) end
	return setmetatable({}, mt) == setmetatable({}, mt)
end

function Depths:transactions()
	local function f() return (self.storage:transactionSync(f)) end
	return f()
end

function Depths:blocks()
	local function f() return (self.ctx:blockConcurrencyWhile(f)) end
	return f()
end

function Depths:load_reader()
	local function f() return load(function() return f() end) end
	return (f())
end

function Depths:source()
	local fn, text = load("return " .. ("("):rep(1000000) .. "1")
	assert(not fn)
	error(text)
end

function Depths:pattern()
	return ("a"):rep(1000000):match(("a?"):rep(100000) .. "b")
end

local function deep(n)
	local t = {}
	for _ = 1, n do t = { t } end
	return t
end

function Depths:json_written()
	return JSON.stringify(deep(100000))
end

function Depths:json_read()
	return JSON.parse(("["):rep(1000000))
end

function Depths:stored()
	self.storage:put("deep", deep(100000))
end

function Depths:returned()
	return deep(100000)
end

function Depths:results()
	return unpack({}, 1, 1000)
end

return Depths

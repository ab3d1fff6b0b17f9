-- run.lua -- runs the tests of lua/drey that need no server: BUILD/t/lua/host t/lua/run.lua [part of a file's name]
--
-- Every *_test.lua beside this file is called with the table t:
--	t.describe(name, fn)	a group
--	t.it(sentence, fn)	one test; an error fails it
--	t.same(got, want)	equal, tables by content
--	t.raises(text, fn)	fn must raise an error that contains text
--	t.native()		a fresh fake of the host's table; t.drey() what lua/drey/init.lua makes of it
-- Prints what failed and "N passed, N failed"; returns the exit code, 1 if any failed.

local host = native
local here = arg[0]:match "^(.*)/[^/]*$" or "."
local root = here .. "/../.."

local t = { passed = 0, failed = 0 }
local group = {}

function t.describe(name, fn)
	group[#group + 1] = name
	fn()
	group[#group] = nil
end

function t.it(sentence, fn)
	local ok, err = xpcall(fn, debug.traceback)
	if ok then
		t.passed = t.passed + 1
		return
	end
	t.failed = t.failed + 1
	print("FAILED " .. table.concat(group, ", ") .. ": " .. sentence .. "\n  " .. tostring(err))
end

local function show(value)
	if type(value) ~= "table" then
		return type(value) == "string" and ("%q"):format(value) or tostring(value)
	end
	local out = {}
	for k, v in pairs(value) do
		out[#out + 1] = "[" .. show(k) .. "]=" .. show(v)
	end
	table.sort(out)
	return "{" .. table.concat(out, ", ") .. "}"
end

local function equal(a, b)
	if type(a) ~= "table" or type(b) ~= "table" then
		return a == b
	end
	for k, v in pairs(a) do
		if not equal(v, b[k]) then return false end
	end
	for k in pairs(b) do
		if a[k] == nil then return false end
	end
	return true
end

function t.same(got, want)
	if not equal(got, want) then
		error("got " .. show(got) .. ", want " .. show(want), 2)
	end
end

function t.raises(text, fn, ...)
	local ok, err = pcall(fn, ...)
	if ok then
		error("no error; expected one with: " .. text, 2)
	end
	if not tostring(err):find(text, 1, true) then
		error("the error is: " .. tostring(err) .. "\n  it should contain: " .. text, 2)
	end
	return err
end

-- Where a function was written, as the host says it.
local function place(fn)
	local info = debug.getinfo(fn, "S")
	return info.short_src .. ":" .. info.linedefined
end

function t.native()
	local native = {
		place = place,
		json = host.json,
		crypto = host.crypto,
		room = function() end,
		time = { now = function() return 1795428000123 end, sleep = function() end },
		timers = { set = function() end, clear = function() end },
		console = { log = print },
		http = {}, stub = {}, ctx = {}, fetch = {},
		ref = { connect = function() end },
		storage = { setup = function() end },
		sql = { setup = function() end },
		txn = { trace = function(err) return err end },
	}
	local loaded = {}
	function native.module(name)
		if loaded[name] == nil then
			loaded[name] = assert(loadfile(root .. "/lua/drey/" .. name .. ".lua"))(native)
		end
		return loaded[name]
	end
	return native
end

function t.drey(native)
	return (native or t.native()).module "init"
end

local list = assert(io.popen("ls '" .. here .. "'"))
for name in list:lines() do
	if name:match "_test%.lua$" and name:find(arg[1] or "", 1, true) then
		group = { name }
		assert(loadfile(here .. "/" .. name))(t)
	end
end
list:close()

print(("%d passed, %d failed"):format(t.passed, t.failed))
return t.failed == 0 and 0 or 1

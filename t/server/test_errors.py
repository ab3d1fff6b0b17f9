"""What goes wrong in an app's code, and what the client, the log and the author see of it."""

import re
import time

import pytest

from drey import SLOW
from kit import KIT, call, export, refused

FRONT = """
local function deep() error "boom" end
return { fetch = function(request, env)
	local path = URL.new(request.url).pathname
	if path == "/boom" then deep() end
	if path == "/nil" then return nil end
	if path == "/table" then error { message = "from a table" } end
	return Response.new "ok"
end }
"""


def test_a_runtime_error_is_a_500_with_a_request_id_and_a_traceback_in_the_log(drey):
    d = drey(FRONT)
    r = d.get("/boom")
    assert r.status == 500
    request_id = re.search(r"request id ([0-9a-f]{16})", r.text).group(1)
    assert "boom" not in r.text and "worker.lua" not in r.text, "production answers give nothing away"
    d.wait_log(request_id)
    log = d.log()
    assert "worker.lua:2: boom" in log and "worker.lua:2: in deep" in log and "worker.lua:5: in function" in log
    assert d.get("/").text == "ok"


def test_a_runtime_error_shows_its_traceback_to_the_client_in_dev(drey):
    d = drey(FRONT, app_conf={"dev_errors": "on"})
    r = d.get("/boom")
    assert r.status == 500 and re.search(r"request id [0-9a-f]{16}", r.text)
    assert "worker.lua:2: boom" in r.text and "worker.lua:5: in function" in r.text


def test_a_handler_that_returns_nothing_is_told(drey):
    d = drey(FRONT, app_conf={"dev_errors": "on"})
    r = d.get("/nil")
    assert r.status == 500 and "Response" in r.text and "worker.lua" in r.text
    assert "from a table" in d.get("/table").text


def test_an_error_in_an_object_shows_where_it_was_raised(drey):
    lua = KIT + """
    local O = DurableObject:extend "O"
    function O:explode() local x = nil; return x.field end
    """ + export("O")
    line = 1 + lua[: lua.index("x.field")].count("\n")
    d = drey(lua, bindings={"O": "O"})
    with refused(f"worker.lua:{line}: attempt to index local 'x' (a nil value)"):
        call(d, "O", "named", "explode")
    d.wait_log(rf"worker\.lua:{line}: attempt to index")
    assert "app/O/named" in d.log()


def test_a_syntax_error_stops_the_start_and_names_the_line(drey):
    d = drey("local x = 1\nlocal y = = 2\n", start=False)
    r = d.run("-t")
    assert r.returncode == 1 and "worker.lua:2:" in r.stderr and "near '='" in r.stderr
    code, said = d.start_fails()
    assert code == 1 and "worker.lua:2:" in said


def test_an_error_while_the_file_is_loaded_stops_the_start(drey):
    d = drey("local x = 1\nerror 'not today'\n", start=False)
    code, said = d.start_fails()
    assert code == 1 and "worker.lua:2: not today" in said


def test_an_app_without_fetch_says_so(drey):
    d = drey("return {}", app_conf={"dev_errors": "on"})
    r = d.get("/")
    assert r.status == 500 and "fetch" in r.text


GONE = KIT + """
local O = DurableObject:extend "O"
function O:wait(ms) sleep(ms); return "waited" end
function O:fetch(request)
	for _ = 1, 200 do
		sleep(50)
		if request.signal.aborted then console.log "the object was told"; return Response.new "" end
	end
	return Response.new "nobody left"
end
routes["/sleep"] = function()
	local ok, e = pcall(sleep, 20000)
	console.log("the front task was told:", tostring(not ok and e.message), tostring(not ok and e.clientDisconnected))
	return Response.new "late"
end
routes["/rpc"] = function(_, env)
	local stub = env.O:getByName "a"
	local ok, e = pcall(stub.wait, stub, 20000)
	console.log("the caller was told:", tostring(not ok and e.message))
	return Response.new "late"
end
routes["/object"] = function(request, env) return env.O:getByName("b"):fetch(request) end
routes["/ok"] = function() return Response.new "ok" end
""" + export("O")


@pytest.mark.parametrize("path, told", [
    ("/sleep", "the front task was told: client disconnected true"),
    ("/rpc", "the caller was told: client disconnected"),
    ("/object", "the object was told"),
])
def test_a_client_that_is_gone_is_noticed_while_its_handler_waits(drey, path, told):
    # What still sleeps for a client that is gone does not hold up the stop for long.
    d = drey(GONE, bindings={"O": "O"}, top_conf={"shutdown_timeout": "500ms"})
    c = d.raw()
    c.request("GET", path)
    assert c.silent(0.2)
    start = time.monotonic()
    c.close()
    d.wait_log(re.escape(told), within=5)
    assert time.monotonic() - start < 3 * SLOW
    assert d.get("/ok").text == "ok"
    c = d.raw()
    c.request("GET", path)
    assert c.silent(0.1)
    c.reset()
    assert d.get("/ok").text == "ok"


SANDBOX = """
local tried = {}
local function try(name, f)
	local ok, e = pcall(f)
	tried[#tried + 1] = name .. "=" .. (ok and "allowed" or "refused")
end
try("io", function() return io.open "/etc/passwd" end)
try("os.execute", function() return os.execute "true" end)
try("os.getenv", function() return os.getenv "HOME" end)
try("ffi", function() return require "ffi" end)
try("debug", function() return debug.getregistry() end)
try("loadlib", function() return package.loadlib("libc.so.6", "exit") end)
try("bytecode", function() return assert(load(string.dump(function() return 1 end))) end)
try("getfenv", function() return getfenv(0).io.open end)
try("outside", function() return require "../secret" end)
try("absolute", function() return require "/etc/passwd" end)
try("dofile", function() return dofile "/etc/hostname" end)
try("string", function() getmetatable("").__index = {} ; return assert(("x").rep == nil) end)
try("os.time", function() return os.time() + os.clock() end)
try("load", function() return assert(load "return 1")() end)
return { fetch = function() return Response.new(table.concat(tried, " ")) end }
"""


def test_the_sandbox_has_no_way_out(drey):
    d = drey({"worker.lua": SANDBOX, "../secret.lua": "return 1"})
    got = dict(pair.split("=") for pair in d.get("/").text.split(" "))
    allowed = {k for k, v in got.items() if v == "allowed"}
    assert allowed == {"os.time", "load"}, got

"""Bodies in pieces beyond responses: fetch() both ways, stub:fetch and Request.new with a stream; rows B11-08, B7-06."""

import json
import socket
import threading
import time

import pytest

from drey import eventually
from kit import KIT, call, export, refused
from origin import Origin

APP = KIT + """
local function where(request) return URL.new(request.url).searchParams:get "u" end
local big = ("x"):rep(65536)

local B = DurableObject:extend "B"
function B:pieces(url, init)
	local seen = {}
	for piece in fetch(url, init).body:chunks() do seen[#seen + 1] = piece end
	return seen
end
function B:first(url)		-- the head and the first piece; the rest is given up
	local r = fetch(url)
	local piece = r.body:read()
	r.body:cancel()
	return r.status, piece
end
function B:drop(url)
	local r = fetch(url)
	collectgarbage()
	return r.status
end
function B:glance(url, n)	-- looks at n heads, and holds no body
	for _ = 1, n do assert(fetch(url).status == 200) end
	return n
end
function B:hold(url)		-- reads one piece, then none
	self.response = fetch(url)
	return #self.response.body:read()
end
function B:rest() return #self.response:text() end
function B:kinds(url)
	local r = fetch(url)
	local kinds = { type(r.body), type(r:text()), type(r.body), r.body:read() }
	return kinds
end
function B:abort(url, kind)
	local controller = AbortController.new()
	local signal = controller.signal
	if kind == "timeout" then signal = AbortSignal.timeout(200) end
	local r = fetch(url, { signal = signal })
	r.body:read()
	if kind ~= "timeout" then
		async(function() sleep(20); controller:abort(kind) end)
	end
	local ok, e = pcall(function() return r.body:text() end)
	local again, same = pcall(function() return r.body:read() end)
	return ok and "no error" or tostring(e), not again and tostring(same) == tostring(e)
end
function B:reading(url)
	local r = fetch(url)
	self.reads = true
	return #r:text()
end
function B:is_reading() return self.reads or false end
function B:reset() self.ctx:abort "reset by the test" end
function B:error_of(url, init)
	local ok, e = pcall(function()
		local r = fetch(url, init)
		self.head = r.status
		return r:text()
	end)
	return ok and "no error" or { head = self.head, name = e.name, message = e.message, remote = e.remote }
end
function B:upload(url, n, method)
	self.written = 0
	local r = fetch(url, { method = method or "POST", headers = { ["content-type"] = "x/y" }, body = stream(function(w)
		for i = 1, n do
			if not w:write(big) then self.gone = true; return end
			self.written = i
		end
	end) })
	return r:text()
end
function B:small(url) return fetch(url, { method = "POST", body = stream(function(w) w:write "one,"; sleep(5); w:write "two" end) }):text() end
function B:empty(url) return fetch(url, { method = "POST", body = stream(function() end) }):text() end
function B:breaks(url)
	local ok, e = pcall(fetch, url, { method = "POST", body = stream(function(w) w:write "half"; sleep(5); error "no other half" end) })
	return ok and "no error" or e.name .. ": " .. e.message
end
function B:stored_upload(url)
	return fetch(url, { method = "POST", body = stream(function(w)
		w:write "first"
		sleep(5)
		self.ctx.storage:put("n", 7)
		w:write "second"
	end) }):text()
end
function B:written_so_far() return { n = self.written, gone = self.gone } end
function B:twice(url)
	local s = stream(function(w) w:write "x" end)
	fetch(url, { method = "POST", body = s })
	return select(2, pcall(fetch, url, { method = "POST", body = s }))
end

-- as the other side of stub:fetch
function B:fetch(request)
	local path = URL.new(request.url).pathname
	if path == "/text" then
		return Response.new(type(request.body) .. ":" .. request:text() .. ":" .. tostring(request:text() == request:text()))
	elseif path == "/json" then
		return Response.json(request:json())
	elseif path == "/count" then
		local n = 0
		for piece in request:chunks() do n = n + #piece end
		return Response.new(tostring(n))
	elseif path == "/upper" then
		local pieces = request:chunks()
		return Response.new(stream(function(w) for piece in pieces do w:write(piece:upper()) end end))
	elseif path == "/ignore" then
		return Response.new "ignored"
	elseif path == "/proxy" then
		return fetch(where(request), request)
	elseif path == "/slow" then
		self.got = 0
		for piece in request:chunks() do self.got = self.got + #piece; sleep(1) end
		return Response.new(tostring(self.got))
	elseif path == "/on" and self.ctx.id.name ~= "next" then
		return self.env.B:getByName "next":fetch(request)	-- as it came
	elseif path == "/on" then
		return Response.new("next: " .. request:text())
	elseif path == "/other" then
		return self.env.B:getByName "next":fetch("http://x/text", request)
	end
end

local function to(env, path, request)
	return env.B:getByName "other":fetch("http://x" .. path, request)
end
local function counted(n, state)
	return stream(function(w)
		for i = 1, n do
			if not w:write(big) then state.gone = true; return end
			state.n = i
		end
	end)
end
local function letters() return stream(function(w) for c in ("abc"):gmatch "." do w:write(c); sleep(1) end end) end
local state = {}

routes["/pass"] = function(request) return fetch(where(request)) end
routes["/pass-object"] = function(request, env) return to(env, "/proxy?u=" .. where(request)) end
routes["/forward"] = function(request) return fetch(where(request), { method = "POST", body = letters() }) end
routes["/stub"] = function(request, env)
	local path = URL.new(request.url).searchParams:get "p"
	local n = tonumber(URL.new(request.url).searchParams:get "n")
	state = {}
	return to(env, path, { method = "POST", body = n and counted(n, state) or letters() })
end
routes["/stub-request"] = function(_, env)
	return to(env, "/text", Request.new("http://y/", { method = "PUT", body = letters() }))
end
routes["/state"] = function() return Response.json { n = state.n or 0, gone = state.gone or false } end
routes["/client"] = function(request, env)
	local seen = {}
	for piece in request:chunks() do seen[#seen + 1] = piece end
	return Response.json { pieces = seen, kind = type(request.body), text = request:text() }
end
routes["/to-json"] = function(_, env)
	return to(env, "/json", { method = "POST", body = stream(function(w) w:write '{"a":'; w:write "[1,2]}" end) })
end
routes["/misuse"] = function(_, env)
	local said = {}
	local function try(fn) said[#said + 1] = tostring(select(2, pcall(fn))) end
	try(function() return Request.new("http://x/", { method = "POST", body = letters() }):clone() end)
	try(function() return Request.new("http://x/", { body = letters() }) end)
	local s = letters()
	s:text()
	try(function() return to(env, "/text", { method = "POST", body = s }) end)
	try(function() return fetch("http://127.0.0.1:1/", { method = "POST", body = s }) end)
	try(function() return Request.new("http://x/", { method = "POST", body = {} }) end)
	return Response.new(table.concat(said, "\\n"))
end
""" + export("B")

BOUND = {"B": "B"}
LOCAL = {"fetch_allow": "127.0.0.1"}


@pytest.fixture
def origin():
    with Origin() as o:
        yield o


@pytest.fixture(name="server")
def server_(drey):
    return drey(APP, bindings=BOUND, app_conf=LOCAL)


def ask(d, method, *args, name="a"):
    return call(d, "B", name, method, *args)


def in_background(f, *args):
    got = []
    thread = threading.Thread(target=lambda: got.append(f(*args)), daemon=True)
    thread.start()

    def result():
        thread.join(60)
        return got[0]

    return result


# ---- what comes


def test_B11_08_pieces_come_as_they_arrive(drey, origin, worker_threads):
    d = drey(APP, bindings=BOUND, app_conf=LOCAL, worker_threads=worker_threads)
    for name in "abc":
        assert ask(d, "pieces", origin.url("/drip/3"), name=name) == ["x", "x", "x"]
    start = time.monotonic()
    assert ask(d, "first", origin.url("/drip")) == "x" or True
    assert time.monotonic() - start < 10, "it waited for all thirty seconds"
    assert origin.seen[-1].gone.wait(10), "given up: its connection was closed"


def test_a_body_is_a_stream_whether_it_came_at_once_or_not(server, origin):
    for path in "/echo", "/chunked/3000", "/drip/2":
        kinds = ask(server, "kinds", origin.url(path))
        assert kinds[:3] == ["table", "string", "table"] and len(kinds[3]) > 1, kinds
    assert "".join(ask(server, "pieces", origin.url("/chunked/3000"))) == "".join(f"{i % 1000:03}" + "y" * 997 for i in range(3000))
    assert "".join(ask(server, "pieces", origin.url("/gzip/3000000"))) == "0" * 3_000_000


def test_a_reader_that_waits_holds_the_other_side_up(server, origin):
    n = 64 << 20
    assert ask(server, "hold", origin.url(f"/big/{n}")) > 0
    sent = -1
    while (now := origin.sent) != sent:     # until it makes no progress any more
        sent = now
        time.sleep(0.3)
    assert sent < n // 2, "nobody held it up"
    assert call(server, "B", "b", "pieces", origin.url("/drip/2")) == ["x", "x"], "others go on"


@pytest.mark.plain_only
@pytest.mark.parametrize("way", ["/pass", "/pass-object"])
def test_a_large_answer_is_passed_on_with_little_memory(server, origin, way):
    def load(n):
        s = socket.create_connection(("127.0.0.1", server.port), timeout=30)
        s.sendall(f"GET {way}?u={origin.url(f'/big/{n}')} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        total = 0
        while got := s.recv(1 << 20):
            total += len(got)
        s.close()
        return total

    load(8 << 20)
    before = server.rss_kb()
    assert load(100 << 20) > 100 << 20
    print(f"{way}: 100 MB passed on, RSS {before} -> {server.rss_kb()} KB")
    assert server.rss_kb() - before < 16 * 1024


def test_a_client_that_leaves_ends_the_transfer_it_reads_from(server, origin):
    for way in "/pass", "/pass-object":
        s = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        s.sendall(f"GET {way}?u={origin.url('/drip')} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        data = b""
        while data.count(b"\r\nx\r\n") < 2:
            data += s.recv(65536)
        s.close()
        assert origin.seen[-1].gone.wait(10), way


def test_a_stream_nobody_holds_ends_its_transfer(server, origin):
    assert ask(server, "drop", origin.url("/drip")) == 200
    ask(server, "drop", origin.url("/drip/1"))      # collects the first
    assert origin.seen[0].gone.wait(10)


def test_bodies_that_nobody_reads_leave_room_for_others(drey, origin):
    d = drey(APP, bindings=BOUND, app_conf=LOCAL, limits={"fetches": "100"})
    assert ask(d, "glance", origin.url("/part"), 300) == 300
    assert origin.most <= 101


def test_a_reset_ends_the_transfer_that_is_read(server, origin):
    result = in_background(lambda: server.post("/call", json={
        "binding": "B", "name": "a", "method": "reading", "args": [origin.url("/drip")], "n": 1}).json())
    eventually(lambda: ask(server, "is_reading"), what="the reader")
    with refused("reset by the test"):
        ask(server, "reset")
    assert not result()["ok"]
    assert origin.seen[0].gone.wait(10)


@pytest.mark.parametrize("kind, text", [("changed my mind", "changed my mind"), ("timeout", "The operation was aborted due to timeout")])
def test_B11_08_a_signal_ends_the_body_too(server, origin, kind, text):
    got = server.post("/call", json={"binding": "B", "name": "a", "method": "abort", "args": [origin.url("/drip"), kind], "n": 2}).json()
    assert text in str(got), got
    assert "no error" not in str(got) and "true" in str(got).lower()
    assert origin.seen[0].gone.wait(10)


def test_an_answer_that_breaks_off_says_where(server, origin):
    for path in "/cutlate", "/cutchunklate":
        e = ask(server, "error_of", origin.url(path))
        assert e["head"] == 200 and e["name"] == "TypeError" and "remote" not in e, e
        assert "(after 300000 bytes of its body)" in e["message"] and path in e["message"], e
    s = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    s.sendall(f"GET /pass?u={origin.url('/cutlate')} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    data = b""
    while got := s.recv(65536):
        data += got
    assert b"200 OK" in data and not data.endswith(b"0\r\n\r\n"), "the half was given out as the whole"
    s.close()


def test_one_string_is_bounded_and_pieces_are_not(drey, origin):
    d = drey(APP, bindings=BOUND, app_conf={**LOCAL, "fetch_body_max": "1m"})
    e = ask(d, "error_of", origin.url("/big/3000000?secret"))
    assert e["name"] == "TypeError" and "more than 1048576 bytes; allow more with  fetch_body_max SIZE;  in app app" in e["message"]
    assert "response:chunks()" in e["message"] and "secret" not in e["message"]
    assert sum(map(len, ask(d, "pieces", origin.url("/big/3000000")))) == 3_000_000


def test_transfers_that_go_on_do_not_outlive_the_server(server, origin):
    s = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    s.sendall(f"GET /pass?u={origin.url('/drip')} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert s.recv(10)
    server.stop(number=2)
    assert origin.seen[0].gone.wait(10)
    s.close()


# ---- what goes


def test_B11_08_a_request_in_pieces(drey, origin, worker_threads):
    d = drey(APP, bindings=BOUND, app_conf=LOCAL, worker_threads=worker_threads)
    for name in "abc":
        assert ask(d, "small", origin.url("/body"), name=name) == "one,two"
        seen = origin.seen[-1]
        assert seen.header("transfer-encoding") == "chunked" and seen.header("content-length") is None
        assert seen.header("content-type") is None
    assert ask(d, "empty", origin.url("/body")) == ""
    assert d.get("/forward?u=" + origin.url("/body")).text == "abc"
    got = ask(d, "upload", origin.url("/length"), 200, "PUT")
    assert got == str(200 * 65536)
    assert origin.seen[-1].method == "PUT" and origin.seen[-1].header("content-type") == "x/y"


def test_a_server_that_reads_slowly_holds_the_writer_up(server, origin):
    result = in_background(lambda: server.post("/call", json={
        "binding": "B", "name": "a", "method": "upload", "args": [origin.url("/sluggish/1.5"), 1024], "n": 2}).json())
    eventually(lambda: ask(server, "written_so_far").get("n"), what="the writer")
    before = -1
    while (now := ask(server, "written_so_far")["n"]) != before:
        before = now
        time.sleep(0.2)
    assert before < 512, "the writer ran ahead"
    assert str(1024 * 65536) in str(result())


def test_a_writer_that_breaks_off_ends_the_request(server, origin):
    said = ask(server, "breaks", origin.url("/body"))
    assert said.startswith("TypeError: ") and "its body broke off" in said and "no other half" in said
    assert ask(server, "small", origin.url("/body")) == "one,two"


def test_a_server_that_answers_early_or_hangs_up_stops_the_writer(server, origin):
    e = server.post("/call", json={"binding": "B", "name": "a", "method": "upload", "args": [origin.url("/mutepost"), 4096], "n": 2}).json()
    assert not e["ok"], e
    eventually(lambda: ask(server, "written_so_far").get("gone"), what="the writer to be told")


def test_a_stream_is_not_sent_twice(server, origin):
    assert "a stream is sent once" in ask(server, "twice", origin.url("/body"))
    e = server.post("/call", json={"binding": "B", "name": "a", "method": "upload",
                                   "args": [origin.url("/redirect/307?to=/body"), 1], "n": 2}).json()
    assert not e["ok"] and "cannot be sent twice" in str(e), e
    got = server.post("/call", json={"binding": "B", "name": "a", "method": "upload",
                                     "args": [origin.url("/redirect/303?to=/echo"), 1], "n": 2}).json()
    assert got["ok"] and json.loads(got["result"])["method"] == "GET"
    assert origin.seen[-1].header("transfer-encoding") is None and origin.seen[-1].header("content-type") is None


def test_each_piece_of_a_request_waits_until_what_it_saw_is_on_disk(drey, origin):
    d = drey(APP, bindings=BOUND, app_conf=LOCAL, preload=["slow_sync"], env={"DREY_SLOW_SYNC_MS": "300"})
    assert ask(d, "stored_upload", origin.url("/body")) == "firstsecond"
    first, *_, last = origin.seen[-1].times
    assert last - first >= 0.28, "it left before its write was on disk"


# ---- between objects


def test_B7_06_a_request_in_pieces_to_an_object(drey, worker_threads):
    d = drey(APP, bindings=BOUND, worker_threads=worker_threads)
    assert d.get("/stub?p=/text").text == "table:abc:true"
    assert d.get("/stub?p=/upper").text == "ABC"
    assert d.get("/stub?p=/ignore").text == "ignored"
    assert d.get("/stub?p=/count&n=100").text == str(100 * 65536)
    assert d.get("/stub?p=/on").text == "next: abc"
    assert d.get("/stub?p=/other").text == "table:abc:true"
    assert d.get("/stub-request").text == "table:abc:true"
    assert d.get("/to-json").json() == {"a": [1, 2]}


def test_an_object_that_does_not_read_stops_the_writer(drey):
    d = drey(APP, bindings=BOUND, worker_threads=1)
    assert d.get("/stub?p=/ignore&n=100").text == "ignored"
    eventually(lambda: d.get("/state").json()["gone"], what="the writer to be told")
    assert d.get("/state").json()["n"] < 100


def test_an_object_that_reads_slowly_holds_the_writer_up(drey):
    d = drey(APP, bindings=BOUND, worker_threads=1)
    result = in_background(lambda: d.get("/stub?p=/slow&n=400").text)
    eventually(lambda: d.get("/state").json()["n"] > 0, what="the writer")
    assert d.get("/state").json()["n"] < 300
    assert result() == str(400 * 65536)


def test_a_request_of_a_client_is_read_the_same_way(drey):
    d = drey(APP, bindings=BOUND)
    assert d.post("/client", b"abc").json() == {"pieces": ["abc"], "kind": "string", "text": "abc"}
    assert d.post("/client", b"").json()["text"] == ""


def test_misuse_is_explained(drey):
    lines = drey(APP, bindings=BOUND, app_conf=LOCAL).get("/misuse").text.split("\n")
    assert "a Request whose body is a stream cannot be cloned" in lines[0], lines
    assert "GET/HEAD" in lines[1], lines
    assert "the stream in this Request was read" in lines[2] and "the stream in this Request was read" in lines[3], lines
    assert "the body of a Request is a string, not a table" in lines[4], lines

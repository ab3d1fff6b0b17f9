"""Bodies in pieces: stream(fn), response.body, server-sent events; row B7-06."""

import re
import socket
import time

import pytest

from drey import eventually
from kit import KIT, call, export

APP = KIT + """
local S = DurableObject:extend "S"
function S:fetch(request)
	local url = URL.new(request.url)
	return self[url.pathname:sub(2)](self, url.searchParams, request)
end
function S:three()
	return Response.new(stream(function(w)
		for i = 1, 3 do w:write("piece " .. i .. "\\n"); sleep(1) end
	end), { headers = { ["content-type"] = "text/x-pieces" } })
end
function S:ticks(p)
	return Response.new(stream(function(w)
		local n = 0
		while not w.cancelled do
			n = n + 1
			w:write("tick " .. n .. "\\n")
			sleep(tonumber(p:get "ms") or 20)
		end
		console.log("cancelled after a while")
		self.cancelled = (self.cancelled or 0) + 1
	end))
end
function S:cancels() return self.cancelled or 0 end
function S:big(p)
	local size, written = tonumber(p:get "mb"), 0
	return Response.new(stream(function(w)
		local piece = ("x"):rep(65536)
		for i = 1, size * 16 do
			if not w:write(piece) then break end
			self.written = i
		end
	end))
end
function S:progress() return self.written or 0 end
function S:breaks()
	return Response.new(stream(function(w) w:write "half of it"; sleep(5); error "the other half is gone" end))
end
function S:resets()
	return Response.new(stream(function(w) w:write "first"; sleep(5); self.ctx.storage:put("k", 1); w:write "second"; self.ctx:abort "enough" end))
end
function S:writes(p)
	return Response.new(stream(function(w)
		for i = 1, tonumber(p:get "n") do
			self.ctx.storage:put("n", i)
			w:write(i .. "\\n")
			sleep(0)
		end
	end))
end
function S:stored() return self.ctx.storage:get "n" end
function S:news()
	return Response.events(function(send)
		send "hello"
		send { event = "greeting", id = 7, retry = 1000, data = { a = 1 } }
		send "two\\nlines\\r\\nand three"
		send { comment = "still here" }
		send(42)
	end)
end
function S:empty() return Response.new(stream(function() end)) end

local function forward(request, env)
	local name = URL.new(request.url).searchParams:get "name" or "a"
	return env.S:getByName(name):fetch(request)
end
for _, path in ipairs { "three", "ticks", "big", "breaks", "resets", "writes", "news", "empty" } do
	routes["/" .. path] = forward
end
routes["/text"] = function(_, env)
	local r = env.S:getByName "t":fetch "http://x/three"
	local text = r:text()
	assert(r:text() == text, "kept")
	return Response.new(text .. r.headers:get "content-type")
end
routes["/pieces"] = function(_, env)
	local n, seen = 0, {}
	for piece in env.S:getByName "t":fetch "http://x/three".body:chunks() do
		n = n + 1
		seen[n] = piece
	end
	return Response.new(table.concat(seen, "|"))
end
routes["/upper"] = function(_, env)
	local from = env.S:getByName "t":fetch "http://x/three".body
	return Response.new(stream(function(w)
		for piece in from:chunks() do w:write(piece:upper()) end
	end))
end
routes["/give-up"] = function(_, env)
	local body = env.S:getByName "t":fetch "http://x/ticks?ms=5".body
	assert(body:read():find "tick 1")
	body:cancel()
	return Response.new(tostring(body:read()))
end
routes["/dropped"] = function(_, env)
	env.S:getByName "t":fetch "http://x/ticks?ms=5"
	collectgarbage()
	return Response.new "dropped"
end
routes["/front"] = function() return Response.new(stream(function(w) w:write "a"; sleep(1); w:write "b" end)) end
routes["/broken-read"] = function(_, env)
	local body = env.S:getByName "t":fetch "http://x/breaks".body
	local first = body:read()
	local ok, e = pcall(body.read, body)
	local again, e2 = pcall(body.read, body)
	return Response.json { first = first, ok = ok, error = e, again = again, same = e == e2 }
end
routes["/twice"] = function()
	local s = stream(function(w) w:write "x" end)
	local first = s:text()
	local ok, e = pcall(function() return Response.new(s) end)
	return Response.new(s)
end
routes["/misuse"] = function()
	local said = {}
	local function try(fn) said[#said + 1] = tostring(select(2, pcall(fn))) end
	try(function() local _ = stream "x" end)
	try(function() local _ = Response.events() end)
	try(function() local r = Response.new(stream(function() end)); r:clone() end)
	local writer
	local s = stream(function(w) writer = w; w:write(5) end)
	try(function() s:read() end)
	try(function() writer:write "after" end)
	return Response.new(table.concat(said, "\\n"))
end
""" + export("S")


def start(drey, **kw):
    return drey(APP, bindings={"S": "S"}, **kw)


def open_stream(d, path, version="1.1"):
    s = socket.create_connection(("127.0.0.1", d.port), timeout=20)
    s.sendall(f"GET {path} HTTP/{version}\r\nHost: x\r\n\r\n".encode())
    return s


def read_until(s, what, within=10):
    data, end = b"", time.monotonic() + within
    while what not in data:
        assert time.monotonic() < end, data[-200:]
        got = s.recv(65536)
        assert got, data[-200:]
        data += got
    return data


def test_B7_06_a_body_in_pieces(drey, worker_threads):
    d = start(drey, worker_threads=worker_threads)
    for name in "abcd":
        r = d.get(f"/three?name={name}")
        assert (r.status, r.text) == (200, "piece 1\npiece 2\npiece 3\n")
        assert r.header("transfer-encoding") == "chunked" and r.header("content-type") == "text/x-pieces"
    assert d.get("/empty").text == ""
    assert d.get("/front").text == "ab"


def test_B7_06_pieces_come_while_the_writer_goes_on(drey):
    d = start(drey)
    s = open_stream(d, "/ticks")
    read_until(s, b"tick 3\n")
    s.close()
    eventually(lambda: call(d, "S", "a", "cancels") == 1, within=1)
    d.wait_log("cancelled after a while")


def test_a_client_that_closes_an_idle_stream_is_noticed(drey):
    d = start(drey)
    s = open_stream(d, "/ticks?ms=300")
    read_until(s, b"tick 1\n")
    s.close()
    eventually(lambda: call(d, "S", "a", "cancels") == 1, within=2)


def test_an_idle_stream_outlives_the_client_timeout(drey):
    d = start(drey, server_conf={"client_timeout": "200ms"})
    s = open_stream(d, "/ticks?ms=700")
    read_until(s, b"tick 3\n")
    s.close()


def test_a_slow_reader_slows_the_writer_down(drey):
    d = start(drey)
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    s.settimeout(20)
    s.connect(("127.0.0.1", d.port))
    s.sendall(b"GET /big?mb=64 HTTP/1.1\r\nHost: x\r\n\r\n")
    before = -1
    while (now := call(d, "S", "a", "progress")) != before:    # until it makes no progress any more
        before = now
        time.sleep(0.3)
    assert 0 < now < 16 * 16, "the writer ran ahead of its reader"
    total = 0
    while (n := len(s.recv(1 << 20))) > 0:
        total += n
        if total > 64 << 20:
            break
    assert total > 64 << 20
    assert call(d, "S", "a", "progress") == 64 * 16
    s.close()


@pytest.mark.plain_only
def test_a_large_stream_needs_little_memory(drey):
    d = start(drey)
    d.get("/big?mb=4")
    before = d.rss_kb()
    for _ in range(3):
        s = open_stream(d, "/big?mb=100")
        total = 0
        while total <= 100 << 20:
            total += len(s.recv(1 << 20))
        s.close()
    assert d.rss_kb() - before < 16 * 1024


def test_each_piece_waits_until_what_it_saw_is_on_disk(drey):
    d = start(drey)
    s = open_stream(d, "/writes?n=100000")
    data = read_until(s, b"\n200\n")
    d.kill9()
    try:
        while got := s.recv(65536):
            data += got
    except ConnectionError:
        pass
    last = [int(n) for n in re.findall(rb"\n(\d+)\n\r\n", data)][-1]
    assert last >= 200
    d.start()
    assert call(d, "S", "a", "stored") >= last


@pytest.mark.parametrize("path", ["/breaks", "/resets"])
def test_a_writer_that_breaks_off_cuts_the_connection(drey, path):
    d = start(drey)
    s = open_stream(d, path)
    data = b""
    while got := s.recv(65536):
        data += got
    assert not data.endswith(b"0\r\n\r\n"), data
    assert (b"half of it" if path == "/breaks" else b"first") in data and b"second" not in data
    if path == "/breaks":
        d.wait_log("the other half is gone")


def test_an_http_1_0_client_reads_to_the_end_of_the_connection(drey):
    s = open_stream(start(drey), "/three", "1.0")
    data = b""
    while got := s.recv(65536):
        data += got
    assert data.endswith(b"\r\n\r\npiece 1\npiece 2\npiece 3\n"), data


def test_head_gets_no_body_and_the_writer_is_told(drey):
    d = start(drey)
    r = d.request("HEAD", "/ticks?ms=5")
    assert r.status == 200 and r.text == ""
    eventually(lambda: call(d, "S", "a", "cancels") == 1)


def test_a_connection_is_used_again_after_a_stream(drey):
    d = start(drey)
    with d.client() as c:
        for _ in range(20):
            assert c.get("/three").text == "piece 1\npiece 2\npiece 3\n"
            assert c.get("/text").text == "piece 1\npiece 2\npiece 3\ntext/x-pieces"


def test_a_stream_is_read_in_lua(drey, worker_threads):
    d = start(drey, worker_threads=worker_threads)
    assert d.get("/pieces").text == "piece 1\n|piece 2\n|piece 3\n"
    assert d.get("/upper").text == "PIECE 1\nPIECE 2\nPIECE 3\n"
    assert d.get("/give-up").text == "nil"
    eventually(lambda: call(d, "S", "t", "cancels") == 1)
    r = d.get("/broken-read").json()
    assert r["first"] == "half of it" and not r["ok"] and "the other half is gone" in r["error"], r
    assert not r["again"] and r["same"], r


def test_misuse_is_explained(drey):
    d = start(drey)
    lines = d.get("/misuse").text.split("\n")
    assert "stream(fn) takes a function" in lines[0] and lines[0].endswith("got a string"), lines
    assert "Response.events(fn) takes a function" in lines[1], lines
    assert "cannot be cloned" in lines[2], lines
    assert "stream:write(bytes) takes a string, not a number" in lines[3], lines
    assert "written by the function that stream(fn) runs" in lines[4], lines
    r = d.get("/twice")
    assert r.status == 500
    d.wait_log("a stream is sent once")


def test_server_sent_events(drey):
    r = start(drey).get("/news")
    assert r.header("content-type") == "text/event-stream" and r.header("cache-control") == "no-cache"
    assert r.text == ("data: hello\n\n"
                      "event: greeting\nid: 7\nretry: 1000\ndata: {\"a\":1}\n\n"
                      "data: two\ndata: lines\ndata: and three\n\n"
                      ": still here\n\n"
                      "data: 42\n\n")


def test_streams_end_with_the_server(drey):
    d = start(drey, top_conf={"shutdown_timeout": "300ms"})
    s = open_stream(d, "/ticks")
    read_until(s, b"tick 2\n")
    d.stop()
    s.close()

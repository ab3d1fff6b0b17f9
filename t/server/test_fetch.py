"""Outgoing fetch: rows B11-08, B8-07, and B4-10 for requests that leave the house."""

import asyncio
import json
import os
import threading
import time

import pytest

from drey import Drey, eventually, free_port
from kit import KIT, call, export, refused
from origin import Authority, Origin

FETCH = KIT + """
local function shape(r)
	local headers = {}
	for name, value in r.headers:entries() do headers[#headers + 1] = name .. ": " .. value end
	return { status = r.status, ok = r.ok, text = r.statusText, url = r.url, redirected = r.redirected,
		headers = headers, body = r.body and r:text() }
end

local F = DurableObject:extend "F"
function F:init() self.serial = tostring(Date.now()) .. math.random() end
function F:get(url, init) return shape(fetch(url, init)) end
function F:size(url, init) return #fetch(url, init):text() end
function F:error_of(url, init)
	local ok, e = pcall(function() return fetch(url, init):text() end)
	return ok and "no error" or { name = e.name, message = e.message, remote = e.remote, text = tostring(e) }
end
function F:put(n) self.ctx.storage:put("n", n); return n end
function F:stored() return self.ctx.storage:get "n" end
function F:tell(url) self.ctx.storage:put("n", "told"); return fetch(url).status end
function F:many(url, n)
	self.got = 0
	for _ = 1, n do
		self.ctx:waitUntil(function()
			if fetch(url).status == 200 then self.got = self.got + 1 end
		end)
	end
end
function F:count() return self.got end
function F:start(url, kind)
	self.controller = AbortController.new()
	local signal = self.controller.signal
	if kind == "any" then signal = AbortSignal.any { AbortSignal.timeout(60000), signal } end
	local ok, e = pcall(fetch, url, { signal = signal })
	return ok and "no error" or type(e) == "table" and e.name .. ": " .. e.message or e
end
function F:started() return self.controller ~= nil end
function F:stop(reason)
	self.controller.signal:addEventListener("abort", function() error "in a listener" end)
	self.controller:abort(reason)
	return self.controller.signal.aborted
end
function F:timeout(url, ms)
	local ok, e = pcall(fetch, url, { signal = AbortSignal.timeout(ms) })
	return ok and "no error" or e.name .. ": " .. e.message
end
function F:aborted(url)
	local ok, e = pcall(fetch, url, { signal = AbortSignal.abort "never mind" })
	return ok and "no error" or e
end
function F:both(url, n)
	local started = {}
	for i = 1, n do started[i] = async(fetch, url) end
	local bodies = {}
	for i, r in ipairs(await(Promise.all(started))) do bodies[i] = r:text() end
	return bodies
end
function F:cancel(url)
	local promise = async(fetch, url)
	self.promise = promise
	local ok, e = pcall(await, promise)
	return ok and "no error" or e.name
end
function F:cancelNow() self.promise:cancel() end
function F:boom() error "boom" end
function F:reset() self.ctx:abort "reset by the test" end
function F:who() return self.serial end
function F:sequence(url, n)
	for _ = 1, n do
		local r = fetch(url)
		if r.status ~= 200 then return r.status end
	end
	return n
end

routes["/front"] = function(request)
	return fetch(URL.new(request.url).searchParams:get "u")
end
routes["/forward"] = function(request)
	return fetch(URL.new(request.url).searchParams:get "u", request)
end
routes["/late"] = function(request, _, ctx)
	local url = URL.new(request.url).searchParams:get "u"
	ctx:waitUntil(function() fetch(url) end)
	return Response.new "at once"
end
routes["/spin"] = function()
	local n = 0
	while true do n = n + 1 end
end
routes["/hello"] = function() return Response.new "hello" end
""" + export("F")

BOUND = {"F": "F"}
LOCAL = {"fetch_allow": "127.0.0.1"}


@pytest.fixture
def origin():
    with Origin() as o:
        yield o


@pytest.fixture(name="server")
def server_(drey):
    return drey(FETCH, bindings=BOUND, app_conf=LOCAL)


def get(d, url, init=None, name="a"):
    return call(d, "F", name, "get", url, *([init] if init else []))


def error_of(d, url, init=None, name="a"):
    return call(d, "F", name, "error_of", url, *([init] if init else []))


def query(url):
    return url.replace("%", "%25").replace("&", "%26").replace("#", "%23").replace("?", "%3F")


# ---- what goes out, what comes back


def test_B11_08_a_request_reaches_the_server_and_its_answer_comes_back(drey, origin, worker_threads):
    d = drey(FETCH, bindings=BOUND, app_conf=LOCAL, worker_threads=worker_threads)
    for name in "abc":
        r = get(d, origin.url("/echo?x=1&y=%20#z"), name=name)
        assert (r["status"], r["ok"], r["text"], r["redirected"]) == (200, True, "OK", False)
        assert r["url"] == origin.url("/echo?x=1&y=%20")
        seen = json.loads(r["body"])
        assert (seen["method"], seen["target"], seen["body"]) == ("GET", "/echo?x=1&y=%20", "")
        assert dict(seen["headers"]) == {"host": f"127.0.0.1:{origin.port}", "accept": "*/*",
                                         "user-agent": "drey/0.1.0", "accept-encoding": "gzip, deflate"}
    r = d.get("/front?u=" + query(origin.url("/status/418/short%20and%20stout")))
    assert (r.status, r.text, r.header("x-status")) == (418, "body", "418")


def test_B11_08_method_headers_and_body_go_as_they_were_written(server, origin):
    init = {"method": "POST", "body": "a\0b\r\n\u00e9", "headers": {"X-One": "1", "content-type": "x/y", "user-agent": "me", "x-empty": ""}}
    seen = json.loads(get(server, origin.url("/echo"), init)["body"])
    headers = dict(seen["headers"])
    assert seen["method"] == "POST" and seen["body"].encode("latin-1") == init["body"].encode()
    assert (headers["x-one"], headers["content-type"], headers["user-agent"], headers["x-empty"]) == ("1", "x/y", "me", "")
    assert headers["content-length"] == str(len(init["body"].encode())) and "expect" not in headers
    for method, length in ("PUT", "0"), ("PATCH", "0"), ("DELETE", None), ("OPTIONS", None), ("PURGE", None), ("POST", "0"):
        seen = json.loads(get(server, origin.url("/echo"), {"method": method})["body"])
        assert seen["method"] == method and dict(seen["headers"]).get("content-length") == length
        assert "content-type" not in dict(seen["headers"])
    big = "b" * 3_000_000
    assert call(server, "F", "a", "size", origin.url("/body"), {"method": "PUT", "body": big}) == len(big)


def test_head_and_answers_without_a_body(server, origin):
    r = get(server, origin.url("/big/1000000000"), {"method": "HEAD"})
    assert r["status"] == 200 and "content-length: 1000000000" in r["headers"] and "body" not in r
    assert "body" not in get(server, origin.url("/status/204"))
    assert "body" not in get(server, origin.url("/status/304"))
    assert get(server, origin.url("/body"), {"method": "POST"})["body"] == ""
    assert origin.connections == 1, "a body that never came was waited for"


def test_headers_of_the_connection_stay_with_it(server, origin):
    r = get(server, origin.url("/fields"))
    assert [h for h in r["headers"] if not h.startswith(("date:", "server:"))] == [
        "content-length: 1", "set-cookie: a=1", "set-cookie: b=2", "x-empty: ", "x-twice: 1, 2"]
    r = server.request("POST", "/forward?u=" + query(origin.url("/echo")), [
        ("Host", "drey.example"), ("Connection", "x-hop"), ("Keep-Alive", "5"), ("TE", "trailers"), ("Upgrade", "h2c"), ("X-End", "1"),
        ("Proxy-Authorization", "Basic x"), ("Expect", "100-continue")], b"body")
    seen = r.json()
    headers = dict(seen["headers"])
    assert seen["method"] == "POST" and seen["body"] == "body" and headers["x-end"] == "1"
    assert headers["host"] == f"127.0.0.1:{origin.port}"
    assert not {"connection", "keep-alive", "te", "upgrade", "proxy-authorization", "expect"} & set(headers)


def test_a_line_end_cannot_begin_a_header_of_its_own(server, origin):
    for headers in {"x": "a\r\nb: c"}, {"x": "a\nb"}, {"a\r\nb": "c"}, {"a b": "c"}, {"a:b": "c"}, {"": "c"}:
        with refused("worker.lua"):
            get(server, origin.url("/echo"), {"headers": headers})
    e = error_of(server, "http://127.0.0.1:%d/a b\r\nX: y" % origin.port)
    if e != "no error":
        assert not origin.seen
    assert all(s.header("x") is None for s in origin.seen)


def test_wrong_arguments_are_told_at_the_authors_line(server, origin):
    for init, text in (({"redirect": "no"}, 'redirect is "follow"'), ({"timeout": "5"}, "timeout is a number"), ({"timeout": -1}, "timeout is"),
                       ({"signal": 5}, "signal is an AbortSignal"), ({"method": "GET", "body": "x"}, "cannot have a body"),
                       ({"method": "TRACE"}, "not a method"), ("x", "the second argument is a table")):
        with refused("worker.lua:", text):
            get(server, origin.url("/echo"), init)
    for url in "ftp://127.0.0.1/", "file:///etc/passwd", "gopher://127.0.0.1/":
        assert "must begin with http" in error_of(server, url)["message"]
    with refused("worker.lua:"):
        get(server, "/echo")
    e = error_of(server, f"http://user:secret@127.0.0.1:{origin.port}/")
    assert "user name or password" in e["message"] and "secret" not in e["message"]
    assert not origin.seen


def test_interim_answers_and_trailers_are_not_the_answer(server, origin):
    r = get(server, origin.url("/early"))
    assert (r["status"], r["body"]) == (200, "after all") and not [h for h in r["headers"] if h.startswith("link")]
    r = get(server, origin.url("/chunked/50"))
    assert len(r["body"]) == 50_000 and r["body"].startswith("000yy")
    assert not [h for h in r["headers"] if h.startswith(("x-trailer", "transfer-encoding"))]


def test_gzip_is_undone_unless_the_app_asked_for_it(server, origin):
    r = get(server, origin.url("/gzip/100000"))
    assert r["body"] == "0" * 100_000
    assert not [h for h in r["headers"] if h.startswith(("content-encoding", "content-length"))]
    size = call(server, "F", "a", "size", origin.url("/gzip/100000"), {"headers": {"accept-encoding": "gzip"}})
    assert size < 1000
    e = error_of(server, origin.url("/badgzip"))
    assert "cannot be decoded" in e["message"] and "accept-encoding" in e["message"]


def test_an_answer_can_be_passed_on(server, origin):
    r = server.get("/front?u=" + query(origin.url("/fields")))
    assert r.status == 200 and r.body == b"x" and r.header_all("set-cookie") == ["a=1", "b=2"]
    r = server.get("/front?u=" + query(origin.url("/gzip/1000")))
    assert r.body == b"0" * 1000 and r.header("content-encoding") is None and r.header("content-length") == "1000"


def test_the_server_may_ask_itself(drey):
    d = drey(FETCH, bindings=BOUND, app_conf=LOCAL, worker_threads=1)
    assert d.get("/front?u=" + query(f"http://127.0.0.1:{d.port}/hello")).text == "hello"


# ---- redirects


@pytest.mark.parametrize("status, method, after", [
    (301, "POST", "GET"), (302, "POST", "GET"), (303, "PUT", "GET"), (301, "PUT", "PUT"), (302, "GET", "GET"),
    (307, "POST", "POST"), (308, "POST", "POST"), (303, "HEAD", "HEAD")])
def test_redirects_are_followed_as_the_standard_says(server, origin, status, method, after):
    init = {"method": method, "headers": {"authorization": "me", "content-language": "de"}}
    if method in ("POST", "PUT"):
        init["body"] = "payload"
    r = get(server, origin.url(f"/redirect/{status}?to=../echo%3Fq#part"), init)
    assert r["status"] == 200 and r["redirected"] is True and r["url"] == origin.url("/echo?q")
    first, last = origin.seen
    assert (first.method, last.method) == (method, after)
    assert last.body == (b"payload" if after in ("POST", "PUT") else b"")
    assert last.header("authorization") == "me", "the same origin"
    assert (last.header("content-language") is None) == (method in ("POST", "PUT") and after == "GET")


def test_credentials_do_not_follow_to_another_origin(server, origin):
    with Origin() as other:
        get(server, origin.url("/redirect/307?to=" + query(other.url("/echo"))),
            {"headers": {"Authorization": "me", "Cookie": "a=1", "X-Mine": "1"}})
        seen = other.seen[0]
        assert seen.header("authorization") is None and seen.header("cookie") is None and seen.header("x-mine") == "1"
        # ... nor back again.
        back = other.url("/redirect/302?to=" + query(origin.url("/echo")))
        get(server, origin.url("/redirect/302?to=" + query(back)), {"headers": {"Authorization": "me"}})
        assert origin.seen[-1].header("authorization") is None


def test_redirects_may_be_kept_or_refused_and_end(server, origin):
    r = get(server, origin.url("/redirect/302?to=/echo"), {"redirect": "manual"})
    assert r["status"] == 302 and "location: /echo" in r["headers"] and r["redirected"] is False
    assert "redirect to /echo" in error_of(server, origin.url("/redirect/302?to=/echo"), {"redirect": "error"})["message"]
    assert "too many redirects" in error_of(server, origin.url("/loop"))["message"]
    assert len(origin.seen) == 2 + 21 and origin.connections == 1
    for to in "file:///etc/passwd", "gopher://127.0.0.1/", "//user:secret@127.0.0.1/":
        e = error_of(server, origin.url("/redirect/302?to=" + to))
        assert "http" in e["message"] or "password" in e["message"], e


def test_a_redirect_to_a_forbidden_address_is_refused(server, origin):
    with Origin("127.0.0.2") as inner:
        for to in inner.url("/"), f"http://127.2:{inner.port}/", f"//127.0.0.2:{inner.port}/", f"http://[::ffff:7f00:2]:{inner.port}/":
            e = error_of(server, origin.url("/redirect/302?to=" + query(to)))
            assert "127.0.0.2 is a loopback address" in e["message"], e
        e = error_of(server, origin.url("/redirect/307?to=http://169.254.169.254/latest/meta-data"))
        assert "169.254.169.254 is a link-local address" in e["message"]
        assert inner.connections == 0


# ---- where it may go


def test_only_the_public_internet_unless_it_is_allowed(drey, origin):
    d = drey(FETCH, bindings=BOUND)
    p = origin.port
    hosts = ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0.0.0.0", "0", "[::1]", "[::]",
             "[::ffff:127.0.0.1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "10.0.0.1", "172.16.0.1", "192.168.1.1",
             "169.254.169.254", "[fd00:ec2::254]", "[fe80::1]", "100.64.0.1", "255.255.255.255", "224.0.0.1"]
    for host in hosts:
        e = error_of(d, f"http://{host}:{p}/echo?secret")
        assert e["name"] == "TypeError" and "which this app may not reach; allow it with  fetch_allow" in e["message"], (host, e)
        assert "in app app (" in e["message"] and "drey.conf:" in e["message"] and "secret" not in e["message"]
        assert "remote" not in e
    e = error_of(d, f"http://localhost:{p}/")
    assert "localhost is at " in e["message"] and "fetch_allow localhost;" in e["message"]
    assert origin.connections == 0


HOSTS = {"DREY_HOSTS": "inside.test=127.0.0.1 six.test=::1 mapped.test=::ffff:127.0.0.1 mixed.test=127.0.0.2,10.0.0.1,127.0.0.1 "
                       "far.test=8.8.8.8 slow.test=~20000"}


def resolving(drey, **conf):
    return drey(FETCH, bindings=BOUND, app_conf=conf, preload=["fake_dns"], env=HOSTS)


def test_a_name_that_leads_inside_is_refused_by_its_address(drey, origin):
    d = resolving(drey)
    for name, address in ("inside.test", "127.0.0.1"), ("six.test", "::1"), ("mapped.test", "127.0.0.1"), ("mixed.test", "127.0.0.2"):
        e = error_of(d, origin.url("/", host=name))
        assert f"{name} is at " in e["message"] and "fetch_allow " + name in e["message"], e
        assert address in e["message"] or name == "mixed.test"
    e = error_of(d, f"http://127.0.0.1.nowhere.test:{origin.port}/")
    assert "has no address" in e["message"]
    assert origin.connections == 0


def test_of_several_addresses_only_those_that_are_allowed_are_tried(drey, origin):
    with Origin("127.0.0.2") as other:
        d = resolving(drey, fetch_allow="127.0.0.1")
        d2 = resolving(drey, fetch_allow="none mixed.test")
        assert get(d, origin.url("/", host="mixed.test"))["status"] == 200
        assert origin.connections == 1 and other.connections == 0
        assert get(d2, other.url("/", host="mixed.test"))["status"] == 200, "named: any address"
        assert "far.test is at 8.8.8.8, a public address" in error_of(d2, "http://far.test/")["message"]


def test_a_resolver_that_hangs_holds_nobody_up(drey, origin):
    d = resolving(drey, fetch_allow="127.0.0.1")
    start = time.monotonic()
    assert error_of(d, "http://slow.test/", {"timeout": 100})["name"] == "TimeoutError"
    assert get(d, origin.url("/"))["status"] == 200
    result = in_background(call, d, "F", "a", "start", "http://slow.test/")
    eventually(lambda: call(d, "F", "a", "started"), what="the request")
    call(d, "F", "a", "stop")
    assert result().startswith("AbortError")
    d.stop(number=2)
    assert time.monotonic() - start < 15, "somebody waited for the resolver"


@pytest.mark.parametrize("allow", ["localhost", "*.localhost LOCALHOST.", "127.0.0.0/8 ::1", "all", "none localhost"])
def test_what_is_allowed_is_reached(drey, origin, allow):
    d = drey(FETCH, bindings=BOUND, app_conf={"fetch_allow": allow.replace("LOCALHOST.", "localhost")})
    assert get(d, origin.url("/", host="localhost"))["status"] == 200
    if "localhost" in allow:
        assert "127.0.0.1 is a loopback address" in error_of(d, origin.url("/"))["message"]


def test_none_closes_the_public_internet_too(drey):
    d = drey(FETCH, bindings=BOUND, app_conf={"fetch_allow": "none"})
    e = error_of(d, "http://192.0.1.1/")
    assert "192.0.1.1 is a public address, which this app may not reach" in e["message"]


def test_a_connection_that_another_app_opened_is_not_for_all(drey, origin):
    conf = """
worker_threads 1;
data_dir @DATA@;
error_log @HOME@/error.log info;
app open { root @HOME@/app; main worker.lua; fetch_allow localhost; }
app shut { root @HOME@/app; main worker.lua; }
server { listen 127.0.0.1:@PORT@; server_name open.test; location / { app open; } }
server { listen 127.0.0.1:@PORT@; server_name shut.test; location / { app shut; } }
"""
    d = drey("""return { fetch = function(request)
        local ok, r = pcall(fetch, request:text())
        return Response.new(tostring(ok and r.status or r))
    end }""", conf=conf)
    url = origin.url("/", host="localhost")
    for _ in range(3):
        assert d.post("/", url.encode(), {"Host": "open.test"}).text == "200"
        assert "localhost is at 127.0.0.1, a loopback address" in d.post("/", url.encode(), {"Host": "shut.test"}).text
    assert len(origin.seen) == 3


def test_proxies_of_the_environment_are_ignored(drey, origin):
    dead = f"http://127.0.0.1:{free_port()}"
    d = drey(FETCH, bindings=BOUND, app_conf=LOCAL,
             env={"http_proxy": dead, "https_proxy": dead, "all_proxy": dead, "HTTPS_PROXY": dead, "ALL_PROXY": dead})
    assert get(d, origin.url("/"))["status"] == 200


# ---- certificates


@pytest.fixture(scope="module", name="authority")
def authority_(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


def test_B11_08_https_with_a_certificate_that_is_trusted(drey, authority):
    d = drey(FETCH, bindings=BOUND, app_conf={"fetch_allow": "127.0.0.1 localhost", "fetch_ca": authority.ca})
    with Origin(tls=authority.issue()) as o:
        for _ in range(5):
            assert get(d, o.url("/echo"))["status"] == 200
        assert get(d, o.url("/body", host="localhost"), {"method": "POST", "body": "x" * 100000})["body"] == "x" * 100000
        assert o.connections == 2, "one for each name"


def test_certificates_that_are_not_to_be_trusted(drey, authority, tmp_path):
    d = drey(FETCH, bindings=BOUND, app_conf={"fetch_allow": "127.0.0.1", "fetch_ca": authority.ca})
    stranger = Authority(tmp_path)
    bad = {
        "another host": authority.issue("DNS:example.org,IP:127.0.0.2"),
        "expired": authority.issue(begins="20200101000000Z", ends="20200201000000Z"),
        "not yet": authority.issue(begins="20900101000000Z", ends="20900201000000Z"),
        "another authority": stranger.issue(),
        "the authority itself": (stranger.ca, stranger.key),
    }
    for what, files in bad.items():
        with Origin(tls=files) as o:
            e = error_of(d, o.url("/echo"))
            assert "certificate is not to be trusted" in e["message"] and "fetch_ca" in e["message"], (what, e)
            assert not o.seen, what
    with Origin(tls=authority.issue()) as o:
        plain = drey(FETCH, bindings=BOUND, app_conf=LOCAL)
        assert "certificate is not to be trusted" in error_of(plain, o.url("/"))["message"]
        assert error_of(plain, f"http://127.0.0.1:{o.port}/")["name"] == "TypeError"
    with Origin() as o:
        assert "TLS failed" in error_of(d, f"https://127.0.0.1:{o.port}/")["message"]


def test_a_file_of_certificates_must_be_there():
    d = Drey(FETCH, bindings=BOUND, app_conf={"fetch_ca": "/no/such/file.pem"})
    try:
        code, log = d.start_fails()
        assert code == 1 and 'fetch_ca "/no/such/file.pem" of app app' in log
    finally:
        d.close()


# ---- when it goes wrong


def test_B11_08_a_request_that_takes_too_long_ends(drey, origin):
    d = drey(FETCH, bindings=BOUND, app_conf={**LOCAL, "fetch_timeout": "300ms"})
    for path in "/stall", "/part":
        start = time.monotonic()
        e = error_of(d, origin.url(path))
        assert e["name"] == "TimeoutError" and "within 300 ms; allow more with  fetch_timeout TIME;  in app app" in e["message"]
        assert 0.25 <= time.monotonic() - start
        assert origin.seen[-1].gone.wait(10), "its connection was closed"
    assert "nothing more within 300 ms" in e["message"] and "(after 9 bytes of its body)" in e["message"], e
    assert call(d, "F", "a", "size", origin.url("/drip/20")) == 20, "it goes on while something comes"
    for path in "/stall", "/drip":
        e = error_of(d, origin.url(path), {"timeout": 150})
        assert e["name"] == "TimeoutError" and "within the 150 ms that were asked for" in e["message"]
        assert origin.seen[-1].gone.wait(10), "its connection was closed"
    e = error_of(d, origin.url("/stall"), {"timeout": 50})
    assert e["name"] == "TimeoutError" and "within the 50 ms that were asked for" in e["message"]
    assert get(d, origin.url("/"), {"timeout": 100000})["status"] == 200


def test_servers_that_break_off_are_told_apart(server, origin):
    for path, text in (("/cut", "was cut in the middle"), ("/cutchunk", "cut"), ("/mute", "without an answer"), ("/garbage", "HTTP"),
                       ("/heads", "more than 262144 bytes")):
        e = error_of(server, origin.url(path))
        assert e["name"] == "TypeError" and text in e["message"], (path, e)
    assert "no connection" in error_of(server, f"http://127.0.0.1:{free_port()}/")["message"]
    assert get(server, origin.url("/"))["status"] == 200


def test_a_body_is_bounded(drey, origin):
    d = drey(FETCH, bindings=BOUND, app_conf={**LOCAL, "fetch_body_max": "1m"})
    assert len(get(d, origin.url("/big/1048576"))["body"]) == 1 << 20
    for path in "/big/100000000", "/big/1048577", "/chunked/2000", "/gzip/50000000":
        e = error_of(d, origin.url(path))
        assert "more than 1048576 bytes; allow more with  fetch_body_max SIZE;  in app app" in e["message"], (path, e)
    assert d.get("/hello").text == "hello"


def test_B8_07_an_error_elsewhere_leaves_a_fetch_alone(server, origin):
    got = []
    thread = threading.Thread(target=lambda: got.append(get(server, origin.url("/stall/0.3"))))
    thread.start()
    eventually(lambda: origin.seen, what="the fetch")
    before = call(server, "F", "a", "who")
    with refused("boom"):
        call(server, "F", "a", "boom")
    thread.join()
    assert got[0]["body"] == "late\n" and call(server, "F", "a", "who") == before


def test_B4_10_a_fetch_leaves_when_what_it_saw_is_durable(drey, origin, worker_threads):
    d = drey(FETCH, bindings=BOUND, app_conf=LOCAL, worker_threads=worker_threads, preload=["slow_sync"],
             env={"DREY_SLOW_SYNC_MS": "300"})
    start = time.time()
    assert call(d, "F", "a", "tell", origin.url("/")) == 200
    assert origin.seen[0].at - start >= 0.3, "it left before its write was on disk"


# ---- ends before its end


def in_background(f, *args):
    got = []
    thread = threading.Thread(target=lambda: got.append(f(*args)), daemon=True)
    thread.start()

    def result():
        thread.join(30)
        return got[0]

    return result


@pytest.mark.parametrize("kind", ["one", "any"])
def test_B11_08_an_abort_ends_it_and_its_connection(server, origin, kind):
    result = in_background(call, server, "F", "a", "start", origin.url("/stall"), kind)
    eventually(lambda: origin.seen, what="the request")
    assert call(server, "F", "a", "stop") is True
    assert result() == "AbortError: The operation was aborted"
    assert origin.seen[0].gone.wait(10)
    assert call(server, "F", "a", "start", origin.url("/"), kind) == "no error"


def test_an_abort_gives_its_reason(server, origin):
    result = in_background(call, server, "F", "a", "start", origin.url("/stall"))
    eventually(lambda: origin.seen, what="the request")
    call(server, "F", "a", "stop", "changed my mind")
    assert result() == "changed my mind"
    assert call(server, "F", "b", "aborted", origin.url("/")) == "never mind"
    assert len(origin.seen) == 1


def test_a_signal_with_a_timeout(server, origin):
    assert call(server, "F", "a", "timeout", origin.url("/stall"), 100) == "TimeoutError: The operation was aborted due to timeout"
    assert origin.seen[0].gone.wait(10)
    assert call(server, "F", "a", "timeout", origin.url("/"), 10000) == "no error"


def test_several_at_once_with_async(server, origin):
    assert call(server, "F", "a", "both", origin.url("/stall/0.3"), 5) == ["late\n"] * 5
    assert origin.most == 5


def test_a_promise_that_is_cancelled_ends_its_fetch(server, origin):
    result = in_background(call, server, "F", "a", "cancel", origin.url("/stall"))
    eventually(lambda: origin.seen, what="the request")
    call(server, "F", "a", "cancelNow")
    assert result() == "AbortError"
    assert origin.seen[0].gone.wait(10)


def test_a_client_that_leaves_takes_its_fetch_along(server, origin):
    c = server.raw()
    c.send(f"GET /front?u={query(origin.url('/stall'))} HTTP/1.1\r\nHost: x\r\n\r\n")
    eventually(lambda: origin.seen, what="the request")
    c.close()
    assert origin.seen[0].gone.wait(10)


def test_work_after_the_answer_goes_on(server, origin):
    assert server.get("/late?u=" + query(origin.url("/stall/0.2"))).text == "at once"
    eventually(lambda: origin.seen, what="the request")
    assert not origin.seen[0].gone.wait(0.4)


def test_a_reset_drops_it(server, origin):
    result = in_background(lambda: server.post("/call", json={
        "binding": "F", "name": "a", "method": "get", "args": [origin.url("/stall")], "n": 1}).json())
    eventually(lambda: origin.seen, what="the request")
    with refused("reset by the test"):
        call(server, "F", "a", "reset")
    answer = result()
    assert not answer["ok"] and "reset by the test" in answer["error"]["message"]
    assert origin.seen[0].gone.wait(10)


def test_an_object_that_waits_for_an_answer_does_not_sleep(drey, origin):
    d = drey(FETCH, bindings=BOUND, app_conf={**LOCAL, "chaos_evict": "10ms"}, limits={"idle_hibernate": "20ms"})
    result = in_background(get, d, origin.url("/stall/0.4"))
    eventually(lambda: origin.seen, what="the request")
    assert result()["body"] == "late\n"
    assert "asleep" not in d.log()


def test_a_stop_waits_for_it_and_a_quick_one_does_not(drey, origin):
    d = drey(FETCH, bindings=BOUND, app_conf=LOCAL)
    result = in_background(get, d, origin.url("/stall/0.5"))
    eventually(lambda: origin.seen, what="the request")
    d.stop()
    assert result()["body"] == "late\n"
    d.start()
    with d.raw() as c:
        c.send(f"GET /front?u={query(origin.url('/stall'))} HTTP/1.1\r\nHost: x\r\n\r\n")
        eventually(lambda: len(origin.seen) == 2, what="the request")
        start = time.monotonic()
        d.stop(number=2)
        assert time.monotonic() - start < 10
    assert origin.seen[1].gone.wait(10)


def test_a_stop_does_not_wait_for_ever_for_work_after_the_answer(drey, origin):
    d = drey(FETCH, bindings=BOUND, app_conf=LOCAL, top_conf={"shutdown_timeout": "200ms"})
    assert d.get("/late?u=" + query(origin.url("/stall"))).text == "at once"
    eventually(lambda: origin.seen, what="the request")
    start = time.monotonic()
    d.stop()
    assert time.monotonic() - start < 10
    assert origin.seen[0].gone.wait(10)


def test_a_lost_vm_drops_what_its_tasks_wait_for(drey, origin):
    d = drey(FETCH, bindings=BOUND, app_conf=LOCAL, worker_threads=1, limits={"cpu": "100ms"})
    fronts = [in_background(d.get, "/front?u=" + query(origin.url("/stall"))) for _ in range(2)]
    object_ = in_background(lambda: d.post("/call", json={
        "binding": "F", "name": "a", "method": "get", "args": [origin.url("/stall")], "n": 1}))
    eventually(lambda: len(origin.seen) == 3, what="the requests")
    assert d.get("/spin").status in (500, 503)
    assert all(f().status in (500, 503) for f in fronts) and object_().status in (200, 500, 503)
    assert all(s.gone.wait(10) for s in origin.seen)
    assert get(d, origin.url("/"))["status"] == 200


# ---- many


def test_B11_08_connections_are_used_again(drey, origin):
    d = drey(FETCH, bindings=BOUND, app_conf=LOCAL, worker_threads=4)
    for i in range(40):
        assert get(d, origin.url("/"), name=f"o{i % 8}")["status"] == 200
    assert len(origin.seen) == 40 and origin.connections == 1


def test_limits_fetches_makes_the_others_wait(drey, origin):
    d = drey(FETCH, bindings=BOUND, app_conf=LOCAL, limits={"fetches": "3"})
    call(d, "F", "a", "many", origin.url("/stall/0.05"), 12)
    eventually(lambda: call(d, "F", "a", "count") == 12, what="all answers")
    assert origin.most == 3


def test_a_request_that_waits_for_its_turn_has_a_limit_too(drey, origin):
    d = drey(FETCH, bindings=BOUND, app_conf=LOCAL, limits={"fetches": "1"})
    result = in_background(get, d, origin.url("/stall/0.6"))
    eventually(lambda: origin.seen, what="the first")
    assert error_of(d, origin.url("/"), {"timeout": 100}, name="b")["name"] == "TimeoutError"
    assert len(origin.seen) == 1 and result()["status"] == 200


class Gathering:
    """Answers nobody before n requests are there."""

    def __init__(self, n):
        self.n, self.writers, self.port = n, [], None
        self.loop = asyncio.new_event_loop()
        ready = threading.Event()
        self.thread = threading.Thread(target=self.run, args=(ready,), daemon=True)
        self.thread.start()
        ready.wait(10)

    async def client(self, reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        self.writers.append(writer)
        if len(self.writers) == self.n:
            for w in self.writers:
                w.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    def run(self, ready):
        server = self.loop.run_until_complete(asyncio.start_server(self.client, "127.0.0.1", 0, backlog=2048))
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        self.loop.run_forever()
        server.close()
        for w in self.writers:  # a thousand descriptors
            w.transport.abort()
        self.loop.run_until_complete(server.wait_closed())
        self.loop.run_until_complete(asyncio.sleep(0))
        self.loop.close()

    def close(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()


def test_a_thousand_at_the_same_time(drey):
    d = drey(FETCH, bindings=BOUND, app_conf=LOCAL)
    gathering = Gathering(1000)
    try:
        call(d, "F", "a", "many", f"http://127.0.0.1:{gathering.port}/", 1000)
        eventually(lambda: call(d, "F", "a", "count") == 1000, 15, "a thousand answers")
    finally:
        gathering.close()


def libraries(d):
    with open(f"/proc/{d.pid}/maps", encoding="utf-8") as f:
        return f.read()


def test_libcurl_comes_with_the_first_request(server, origin):
    server.get("/hello")
    assert "libcurl" not in libraries(server)
    assert get(server, origin.url("/"))["status"] == 200
    assert "libcurl" in libraries(server)


@pytest.mark.plain_only
@pytest.mark.limit(300)
def test_many_one_after_the_other_leave_nothing_behind(server, origin):
    n = int(os.environ.get("DREY_FETCHES") or 2000)
    call(server, "F", "a", "sequence", origin.url("/"), 300)
    rss, descriptors = server.rss_kb(), server.descriptors()
    assert call(server, "F", "a", "sequence", origin.url("/"), n) == n
    print(f"{n} fetches: RSS {rss} -> {server.rss_kb()} KB, descriptors {descriptors} -> {server.descriptors()}")
    assert server.descriptors() <= descriptors + 2
    assert server.rss_kb() <= rss + 2048

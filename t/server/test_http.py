"""HTTP/1.1 as clients use it: connections, bodies, files, logs, clients that go away, and the end of the server."""

import os
import re
import select
import signal
import socket
import subprocess
import time

import pytest

from drey import SANITIZED, SLOW, Drey, eventually, free_port

FRONT = """
local pages = {}

function pages.echo(request)
	return Response.new(request:text() or "", { headers = { ["content-type"] = "application/octet-stream" } })
end

function pages.size(request)
	return Response.new(tostring(#(request:text() or "")))
end

function pages.sleep(request, ms)
	sleep(tonumber(ms))
	return Response.new("slept " .. ms .. "\\n")
end

function pages.big(request, n)
	return Response.new(("x"):rep(tonumber(n)))
end

function pages.status(request, n)
	return Response.new(nil, { status = tonumber(n) })
end

function pages.headers(request)
	local out = {}
	for name, value in request.headers:entries() do out[#out + 1] = name .. ": " .. value end
	return Response.new(table.concat(out, "\\n"))
end

function pages.url(request)
	return Response.new(request.method .. " " .. request.url)
end

function pages.hop(request)
	return Response.new("ok", { headers = { connection = "upgrade", ["keep-alive"] = "1", ["transfer-encoding"] = "gzip",
		["content-length"] = "99", ["x-kept"] = "yes" } })
end

return { fetch = function(request)
	local name, argument = URL.new(request.url).pathname:match "^/([^/]*)/?(.*)$"
	if pages[name] then return pages[name](request, argument) end
	return Response.new("hello\\n")
end }
"""

HELLO = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def server(drey):
    return drey(FRONT)


# ---- connections


def test_a_connection_serves_many_requests(server):
    with server.raw() as c:
        for i in range(50):
            c.request("POST", "/echo", body=f"number {i}")
            assert c.reply().text == f"number {i}"


def test_pipelined_requests_are_answered_in_order(server):
    with server.raw() as c:
        c.send(*(f"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n{i:04}" for i in range(200)))
        assert [r.text for r in c.replies(200)] == [f"{i:04}" for i in range(200)]


def test_requests_pipelined_behind_a_waiting_handler_are_kept(server):
    with server.raw() as c:
        c.send("GET /sleep/200 HTTP/1.1\r\nHost: x\r\n\r\n")
        for i in range(20):
            c.send(f"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{i:02}\r\n0\r\n\r\n")
            time.sleep(0.005)
        assert [r.text for r in c.replies(21)] == ["slept 200\n"] + [f"{i:02}" for i in range(20)]


def test_requests_may_be_cut_anywhere(server):
    data = ("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
            "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nworld\r\n0\r\nT: x\r\n\r\n")
    for step in (1, 2, 3, 7, 11, 50):
        with server.raw() as c:
            c.send_slowly(data, chunk=step, pause=0.0005)
            assert [r.text for r in c.replies(2)] == ["hello", "world"]


def test_an_old_client_gets_its_answer_and_a_close(server):
    with server.raw() as c:
        r = c.send("GET / HTTP/1.0\r\n\r\n").reply()
        assert r.status == 200 and r.text == "hello\n"
        assert c.closed(2)
    with server.raw() as c:
        c.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        assert c.reply().text == "hello\n"
        c.send("GET / HTTP/1.0\r\n\r\n")
        assert c.reply().text == "hello\n"


def test_connection_close_is_obeyed(server):
    with server.raw() as c:
        r = c.request("GET", "/", {"Connection": "close"}).reply()
        assert r.text == "hello\n" and r.header("connection") == "close"
        assert c.closed(2)


def test_the_url_is_whole_also_when_sent_as_to_a_proxy(server):
    with server.raw() as c:
        assert c.request("GET", "/url?a=1", host="h.org:99").reply().text == "GET http://h.org:99/url?a=1"
        c.send("GET http://other.org/url?b=2 HTTP/1.1\r\nHost: other.org\r\n\r\n")
        assert c.reply().text == "GET http://other.org/url?b=2"


def test_request_headers_arrive_all(server):
    r = server.post("/headers", b"abc", {"X-One": "1", "Cookie": "a=b", "x-utf": "\xc3\xa9"}).text.split("\n")
    assert {"x-one: 1", "cookie: a=b", "host: localhost", "content-length: 3"} <= set(r), r


# ---- bodies


def test_curl_sends_a_body_with_expect_100_continue(server, tmp_path):
    (tmp_path / "body").write_bytes(os.urandom(1_500_000))
    for headers in (["Expect: 100-continue"], ["Expect: 100-continue", "Transfer-Encoding: chunked"], ["Expect:"]):
        args = [a for h in headers for a in ("-H", h)]
        out = subprocess.run(["curl", "-sS", "-m", "20", *args, "--data-binary", f"@{tmp_path}/body",
                              f"http://127.0.0.1:{server.port}/echo"], capture_output=True, check=True).stdout
        assert out == (tmp_path / "body").read_bytes(), headers


def test_100_continue_is_sent_when_asked_for_and_before_the_body(server):
    with server.raw() as c:
        c.send("POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        assert c.reply(interim=True).status == 100
        c.send("hello", HELLO)
        assert c.reply().text == "hello"
        assert c.reply().text == "hello\n"
    with server.raw() as c:  # one that does not wait for it, and has nothing to send
        c.send("POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
               "POST /size HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n")
        assert [r.text for r in c.replies(2)] == ["hello", "0"]


def test_large_bodies_go_in_and_out(drey):
    d = drey(FRONT, server_conf={"client_max_body_size": "64m"})
    data = os.urandom(1 << 20) * 40  # above libh2o's 32 MiB, where it takes a file
    with d.raw(30) as c:
        assert c.request("POST", "/size", body=data).reply().text == str(len(data))
        chunks = b"".join(b"%x\r\n%s\r\n" % (n, data[:n]) for n in (1, 100, 65536, 1_000_000, 5_000_000))
        c.send("POST /size HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", chunks, "0\r\n\r\n", HELLO)
        assert c.reply().text == str(1 + 100 + 65536 + 1_000_000 + 5_000_000)
        assert c.reply().text == "hello\n"
        assert len(c.request("GET", "/big/30000000").reply().body) == 30_000_000


def test_a_large_body_leaves_no_memory_with_its_connection(drey):
    d = drey(FRONT, worker_threads=1)
    with d.raw(30) as c:
        c.request("POST", "/size", body=b"x" * 1000).reply()
        before = d.rss_kb()
        others = [d.raw(30) for _ in range(10)]
        for o in others:
            o.request("POST", "/size", body=b"x" * 5_000_000)
            assert o.reply().text == "5000000"
        assert d.rss_kb() - before < (30_000 if not SANITIZED else 1_000_000)
        for o in others:
            o.close()


def test_head_has_the_length_and_no_body(server):
    with server.raw() as c:
        r = c.request("HEAD", "/").reply("HEAD")
        assert r.header("content-length") == "6"
        assert c.request("GET", "/").reply().text == "hello\n"


@pytest.mark.parametrize("status", [204, 304])
def test_some_statuses_have_no_body_and_no_length(server, status):
    with server.raw() as c:
        r = c.request("GET", f"/status/{status}").reply()
        assert r.status == status and r.header("content-length") is None
        assert c.request("GET", "/").reply().text == "hello\n"


def test_headers_of_the_connection_are_not_the_apps(server):
    with server.raw() as c:
        r = c.request("GET", "/hop").reply()
        assert r.text == "ok" and r.header("x-kept") == "yes"
        assert r.header("connection") == "keep-alive" and r.header_all("content-length") == ["2"]
        assert r.header("transfer-encoding") is None and r.header("keep-alive") is None


# ---- where a request goes


def conf(d, servers):
    return {"worker_threads": 1, "data_dir": "@DATA@", "error_log": "@HOME@/error.log info", "access_log": "@HOME@/access.log",
            "app a": {"root": "@HOME@/app", "main": "worker.lua"}, "server": servers}


def test_no_location_is_a_404_that_says_so(drey):
    d = drey(FRONT, conf=conf(None, [{"listen": "127.0.0.1:@PORT@", "location /a/": {"app": "a"}}]))
    r = d.get("/b")
    assert (r.status, r.text) == (404, "Not found: no location of this server serves this path.\n")
    assert d.get("/a/../a/x").text == "hello\n"
    assert d.get("/%61/x").text == "hello\n", "locations are found by the decoded path"


def test_servers_on_one_port_are_told_apart_by_host_with_limits_of_their_own(drey):
    d = drey(FRONT, conf=conf(None, [
        {"listen": "127.0.0.1:@PORT@", "server_name": "small.org", "client_max_body_size": "1k", "location /": {"app": "a"}},
        {"listen": "127.0.0.1:@PORT@", "server_name": "large.org", "client_max_body_size": "1m", "location /url": {"app": "a"},
         "location /size": {"app": "a"}}]))
    with d.raw() as c:
        assert c.request("POST", "/size", body=b"x" * 2000, host="large.org").reply().text == "2000"
        assert c.request("GET", "/", host="large.org").reply().status == 404
        assert c.request("GET", "/", host="small.org").reply().text == "hello\n"
        assert c.request("POST", "/size", body=b"x" * 2000, host="small.org").reply().status == 413


FILES = {"index.html": b"<p>index</p>", "a.css": b"p{}", "b.js": b"1", "c.bin": bytes(range(256)), "sub/index.html": b"sub",
         ".secret": b"secret", "sub/.git/config": b"secret", "big.txt": b"y" * 3_000_000, "p%q.txt": b"percent"}


@pytest.fixture
def files(drey):
    d = Drey(FRONT, conf="")
    for name, data in FILES.items():
        path = os.path.join(d.home, "www", name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(data)
    with open(os.path.join(d.home, "outside"), "wb") as f:
        f.write(b"secret")
    d.configure(conf(None, [{
        "listen": "127.0.0.1:@PORT@", "location /s/": {"alias": "@HOME@/www/"}, "location /noslash": {"alias": "@HOME@/www"},
        "location /sub/": {"root": "@HOME@/www"}, "location = /one": {"alias": "@HOME@/www/a.css"}}]))
    d.start()
    yield d
    d.close()


@pytest.mark.parametrize("path,name,kind", [
    ("/s/", "index.html", "text/html;charset=UTF-8"), ("/s/index.html", "index.html", "text/html;charset=UTF-8"),
    ("/s/a.css", "a.css", "text/css;charset=UTF-8"), ("/s/b.js", "b.js", "text/javascript;charset=UTF-8"),
    ("/s/c.bin", "c.bin", "application/octet-stream"), ("/s/sub/", "sub/index.html", "text/html;charset=UTF-8"),
    ("/sub/", "sub/index.html", "text/html;charset=UTF-8"), ("/one", "a.css", "text/css;charset=UTF-8"),
    ("/noslash/a.css", "a.css", "text/css;charset=UTF-8"), ("/s/big.txt", "big.txt", "text/plain;charset=UTF-8"),
    ("/s/p%25q.txt", "p%q.txt", "text/plain;charset=UTF-8"), ("/s/x/../a.css", "a.css", "text/css;charset=UTF-8")])
def test_a_file_is_served(files, path, name, kind):
    r = files.get(path)
    assert (r.status, r.header("content-type")) == (200, kind)
    assert r.body == FILES[name]


@pytest.mark.parametrize("path", ["/s/.secret", "/s/sub/.git/config", "/s/../outside", "/s/%2e%2e/outside", "/s/..%2foutside",
                                  "/s/%2e%2e%2foutside", "/s/sub/../../outside", "/s/a.css%00.html", "/s//../../outside",
                                  "/noslashes/a.css", "/noslashx", "/s/nothing", "/s/%2esecret", "/s/....//outside", "/one/x"])
def test_no_way_leads_out_of_the_folder_or_to_hidden_files(files, path):
    r = files.get(path)
    assert r.status in (403, 404), r
    assert b"secret" not in r.body


def test_a_file_is_sent_again_only_when_it_changed(files):
    r = files.get("/s/a.css")
    tag, when = r.header("etag"), r.header("last-modified")
    assert files.get("/s/a.css", {"If-None-Match": tag}).status == 304
    assert files.get("/s/a.css", {"If-Modified-Since": when}).status == 304
    with open(os.path.join(files.home, "www", "a.css"), "wb") as f:
        f.write(b"p{color:red}")
    r = files.get("/s/a.css", {"If-None-Match": tag})
    assert (r.status, r.body) == (200, b"p{color:red}")


def test_files_know_head_range_and_405(files):
    with files.raw() as c:
        r = c.request("HEAD", "/s/big.txt").reply("HEAD")
        assert r.header("content-length") == "3000000"
        r = c.request("GET", "/s/c.bin", {"Range": "bytes=10-19"}).reply()
        assert (r.status, r.body) == (206, bytes(range(10, 20)))
        r = c.request("POST", "/s/a.css", body=b"x").reply()
        assert r.status == 405
        c.send("GET /s/big.txt HTTP/1.1\r\nHost: x\r\n\r\n", "GET /s/a.css HTTP/1.1\r\nHost: x\r\n\r\n")
        assert [len(r.body) for r in c.replies(2)] == [3_000_000, 3]


# ---- logs


def test_the_access_log_has_a_line_per_request(server):
    server.get("/url?x=%22", {"User-Agent": 'curl "x"\\', "Referer": "http://r/"})
    server.get("/status/404")
    with server.raw() as c:
        c.send("nonsense\r\n\r\n").reply()
    eventually(lambda: server.access_log().count("\n") == 3, what="three lines")
    one, two, three = sorted(server.access_log().splitlines(), key=lambda l: l.split('"')[2])
    assert re.fullmatch(r'127\.0\.0\.1 - - \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "GET /url\?x=%22 HTTP/1\.1" 200 \d+ '
                        r'"http://r/" "curl \\x22x\\x22\\x5C" 0\.\d{6} [0-9a-f]{16} app', one), one
    assert '"-" 400 ' in two
    assert '"GET /status/404 HTTP/1.1" 404 0 "-" "-" ' in three


def test_logs_are_opened_anew_after_sighup(server):
    server.get("/")
    eventually(server.access_log, what="a line")
    for name in ("access.log", "error.log"):
        os.rename(f"{server.home}/{name}", f"{server.home}/{name}.1")
    server.send_signal(signal.SIGHUP)
    server.wait_log("logs reopened")
    server.get("/status/202")
    eventually(lambda: " 202 " in server.access_log(), what="a line in the new log")
    assert " 202 " not in server.read("access.log.1")


# ---- clients that go away


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_client_that_goes_while_its_handler_waits_is_logged_499_at_once(server, how):
    c = server.raw()
    c.send("GET /sleep/5000 HTTP/1.1\r\nHost: x\r\n\r\n")
    time.sleep(0.1)
    getattr(c, how)()
    eventually(lambda: '"GET /sleep/5000 HTTP/1.1" 499 ' in server.access_log(), within=3, what="a 499")
    took = float(re.search(r'499 0 "-" "-" (\S+)', server.access_log()).group(1))
    assert took < 3, "noticed while the handler waits, not when it ends"


def test_a_client_that_half_closes_gets_its_answer(server):
    with server.raw() as c:
        c.send("GET /sleep/400 HTTP/1.1\r\nHost: x\r\n\r\n")
        c.half_close()
        assert c.reply().text == "slept 400\n"
        assert c.closed(2)
    with server.raw() as c:
        c.send(HELLO, "GET /sleep/50 HTTP/1.1\r\nHost: x\r\n\r\n", HELLO).half_close()
        assert [r.text for r in c.replies(3)] == ["hello\n", "slept 50\n", "hello\n"]
    with server.raw() as c:
        c.send("GET /sleep/50 HTTP/1.0\r\n\r\n").half_close()
        assert c.reply(interim=True).text == "slept 50\n", "an old client knows no interim responses"


def test_a_half_closed_client_that_goes_before_its_last_answer_is_noticed(server):
    chunked = "POST /sleep/5000 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
    for last in ("GET /sleep/5000 HTTP/1.1\r\nHost: x\r\n\r\n", chunked):
        with server.raw() as c:
            c.send("GET /sleep/50 HTTP/1.1\r\nHost: x\r\n\r\n", last).half_close()
            c.fill(time.monotonic() + 5 * SLOW)  # the first answer is here, and the second request's handler waits
            eventually(lambda: "interim" if select.select([c.socket], [], [], 0)[0] else None, what="the probe")
    eventually(lambda: server.access_log().count('/sleep/5000 HTTP/1.1" 499 ') == 2, within=4, what="two 499")


def test_bytes_of_the_next_request_are_no_sign_of_a_close(server):
    with server.raw() as c:
        c.send("GET /sleep/300 HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.05)
        c.send("POST /size HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n", b"x" * 200000)
        assert [r.text for r in c.replies(2)] == ["slept 300\n", "200000"]


def test_clients_that_go_at_any_moment_do_no_harm(server):
    data = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100000
    for i in range(60):
        c = server.raw()
        c.send(data[: i * i * 30], b"GET /sleep/20 HTTP/1.1\r\nHost: x\r\n\r\n" if i % 3 == 0 else b"")
        (c.reset if i % 2 else c.close)()
    assert server.get("/").text == "hello\n"


def test_a_client_that_never_reads_is_dropped(drey):
    d = drey(FRONT, server_conf={"client_timeout": "1s"})
    with d.raw() as c:
        c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        c.send("GET /big/50000000 HTTP/1.1\r\nHost: x\r\n\r\n")
        eventually(lambda: "/big/" in d.access_log(), within=8, what="its end in the access log")


def test_a_client_that_reads_slowly_is_not(drey):
    d = drey(FRONT, server_conf={"client_timeout": "1s"})
    with d.raw(20) as c:
        c.send("GET /big/4000000 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        got, began = 0, time.monotonic()
        while time.monotonic() - began < 3.5:
            got += len(c.socket.recv(65536))
            time.sleep(0.07)
        c.fill(time.monotonic() + 5)
        assert len(c.rest()) + got > 4_000_000


# ---- start and stop


def test_a_port_in_use_stops_the_start_and_names_the_line(drey):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        d = Drey(FRONT, worker_threads=2)
        try:
            d.edit_conf(f"listen 127.0.0.1:{d.port}", f"listen 127.0.0.1:{s.getsockname()[1]}")
            code, said = d.start_fails()
            assert code == 1
            line = 1 + d.conf().split("listen")[0].count("\n")
            assert re.search(rf"drey\.conf:{line}:\d+: listen 127\.0\.0\.1:\d+: Address already in use", said), said
        finally:
            d.close()


def test_a_graceful_stop_finishes_what_is_in_flight(server):
    with server.raw() as busy, server.raw() as idle, server.raw() as upload:
        idle.send(HELLO).reply()
        busy.send("GET /sleep/600 HTTP/1.1\r\nHost: x\r\n\r\n")
        upload.send("POST /size HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhello")
        time.sleep(0.1)
        server.send_signal(signal.SIGTERM)
        assert idle.closed(0.5 * SLOW), "an idle connection is not waited for"
        with pytest.raises(OSError):
            eventually(lambda: not server.raw().close() and False, within=2, what="refused")
        upload.send("world")
        r = upload.reply()
        assert r.text == "10" and r.header("connection") == "close"
        r = busy.reply()
        assert r.text == "slept 600\n" and r.header("connection") == "close"
    assert server.wait() == 0
    assert not os.path.exists(f"{server.home}/drey.pid")
    server.process = None


def test_a_stop_takes_no_longer_than_shutdown_timeout(drey):
    d = drey(FRONT, top_conf={"shutdown_timeout": "1s"})
    with d.raw() as c:
        c.send("GET /sleep/20000 HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.1)
        began = time.monotonic()
        d.stop(signal.SIGQUIT)
        assert 0.9 <= time.monotonic() - began <= 3 * SLOW
        assert c.closed()


def test_a_second_signal_stops_at_once(drey):
    d = drey(FRONT, top_conf={"shutdown_timeout": "30s"})
    with d.raw() as c:
        c.send("GET /sleep/20000 HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.1)
        d.send_signal(signal.SIGTERM)
        d.wait_log("stopping when the requests in flight are done")
        began = time.monotonic()
        d.stop(signal.SIGTERM)
        assert time.monotonic() - began <= 2.5 * SLOW


def test_sigint_stops_at_once(server):
    with server.raw() as c:
        c.send("GET /sleep/20000 HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.1)
        began = time.monotonic()
        server.stop(signal.SIGINT)
        assert time.monotonic() - began <= 2.5 * SLOW


def test_no_request_is_lost_while_stopping_under_load(drey):
    """Whoever could connect gets whole answers up to the close."""
    d = drey(FRONT)
    clients = [d.raw() for _ in range(50)]
    for c in clients:
        c.send("GET /sleep/100 HTTP/1.1\r\nHost: x\r\n\r\n")
    late = [d.raw() for _ in range(20)]
    for c in late:
        c.send(HELLO)
    d.send_signal(signal.SIGTERM)
    assert all(c.reply().text == "slept 100\n" for c in clients)
    assert all(c.reply().text == "hello\n" for c in late)
    assert d.wait() == 0
    d.process = None


def test_out_of_descriptors_it_says_so_and_goes_on(drey):
    d = Drey(FRONT, worker_threads=1)
    limit = 60
    real = subprocess.Popen

    def limited(args, **kw):
        return real(["prlimit", f"--nofile={limit}:{limit}", *args], **kw)

    subprocess.Popen = limited
    try:
        d.start()
    finally:
        subprocess.Popen = real
    try:
        crowd = [d.raw() for _ in range(limit + 20)]
        d.wait_log(r"accept on port \d+: Too many open files")
        before = d.cpu_seconds()
        time.sleep(1)
        assert d.cpu_seconds() - before < 0.3 * SLOW, "it spins"
        assert len(re.findall("Too many open files", d.log())) <= 4, "once a second is enough"
        for c in crowd:
            c.close()
        eventually(lambda: d.get("/").text == "hello\n", what="an answer after descriptors are free")
    finally:
        d.close()

"""Requests that two readers could understand differently, too large or too slow: refused, each with its sentence."""

import time

import pytest

from drey import SLOW

FRONT = """
return { fetch = function(request)
	return Response.new(request.method .. " " .. URL.new(request.url).pathname .. " " .. #(request:text() or "") .. "\\n")
end }
"""

TOP = "POST /p HTTP/1.1\r\nHost: x\r\n"
GET = "GET /next HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def server(drey):
    return drey(FRONT, worker_threads=1, server_conf={"client_max_body_size": "100k", "client_header_size": "8k"})


REFUSED = {
    "te_with_cl": (TOP + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400,
                   "Transfer-Encoding together with Content-Length: send one of them"),
    "two_cls": (TOP + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400,
                "two Content-Length headers: send exactly one"),
    "two_hosts": (TOP + "Host: y\r\n\r\n", 400, "two Host headers: send exactly one"),
    "no_host": ("GET / HTTP/1.1\r\n\r\n", 400, "the Host header is missing"),
    "bare_lf": ("GET / HTTP/1.1\nHost: x\n\n", 400, "a line ends with LF alone: lines end with CR LF"),
    "folded": (TOP + "X: a\r\n b\r\n\r\n", 400, "a folded header line: write each header on one line"),
    "space_before_colon": (TOP + "Content-Length : 5\r\n\r\nhello", 400,
                           "a space in or after a header's name: the colon follows at once"),
    "nul": (TOP + "X: a\0b\r\n\r\n", 400, "byte 0x00 is not allowed in a header's value"),
    "control": (TOP + "X: a\x07b\r\n\r\n", 400, "byte 0x07 is not allowed in a header's value"),
    "bad_version": ("GET / HTTP/1.1.1\r\nHost: x\r\n\r\n", 400, "the request line must read: METHOD /path HTTP/1.1"),
    "http2_preface": ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "this server speaks HTTP/1.1 and HTTP/1.0"),
    "unknown_coding": (TOP + "Transfer-Encoding: gzip\r\n\r\n", 501,
                       'this Transfer-Encoding is not supported: send "chunked" or a Content-Length'),
    "unknown_expectation": (TOP + "Expect: tea\r\nContent-Length: 1\r\n\r\nx", 417,
                            'the only expectation known is "100-continue", in HTTP/1.1'),
    "one_gigabyte": (TOP + "Content-Length: 1073741824\r\n\r\n", 413,
                     "a body of 1073741824 bytes is larger than the 102400 bytes allowed (client_max_body_size)"),
    "one_gigabyte_expected": (TOP + "Content-Length: 1073741824\r\nExpect: 100-continue\r\n\r\n", 413,
                              "a body of 1073741824 bytes is larger than the 102400 bytes allowed (client_max_body_size)"),
    "chunks_above_the_limit": (TOP + "Transfer-Encoding: chunked\r\n\r\n19001\r\n", 413,
                               "the body is larger than 102400 bytes (client_max_body_size)"),
    "bad_chunk": (TOP + "Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n", 400,
                  "malformed chunked body: a chunk begins with its size in hexadecimal digits"),
    "late_bad_chunk": (TOP + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0x\r\n", 400,
                       "malformed chunked body: a chunk begins with its size in hexadecimal digits"),
    "many_headers": (TOP + "x: y\r\n" * 101 + "\r\n", 431, "more than 100 header lines"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_with_the_reason_and_the_connection_closed(server, name):
    data, status, text = REFUSED[name]
    with server.raw() as c:
        r = c.send(data).reply()
        assert (r.status, r.text) == (status, text + "\n")
        assert r.header("connection") == "close" and r.header("content-type") == "text/plain;charset=UTF-8"
        assert c.closed(), "nothing after a refusal may be taken for a request"
    assert server.get("/ok").text == "GET /ok 0\n"


@pytest.mark.parametrize("name", ["te_with_cl", "folded", "bare_lf", "bad_chunk"])
def test_it_is_refused_behind_a_good_request_too(server, name):
    """libh2o reads pipelined requests by itself, if it is let."""
    data, status, text = REFUSED[name]
    with server.raw() as c:
        c.send(GET + data)
        assert c.reply().text == "GET /next 0\n"
        r = c.reply()
        assert (r.status, r.text) == (status, text + "\n")
        assert c.closed()


@pytest.mark.parametrize("name", ["te_with_cl", "two_hosts", "late_bad_chunk"])
def test_it_is_refused_byte_by_byte(server, name):
    data, status, text = REFUSED[name]
    with server.raw() as c:
        c.send_slowly(data, chunk=3, pause=0.001)
        r = c.reply()
        assert (r.status, r.text) == (status, text + "\n")


def test_what_follows_a_smuggled_body_is_never_served(server):
    """A lenient reader sees a second request in what a strict one calls the body."""
    inner = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
    with server.raw() as c:
        c.send(TOP + f"Content-Length: {len(inner)}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + inner)
        assert c.reply().status == 400
        assert c.closed()
    assert "/smuggled" not in server.access_log()


def test_a_head_of_a_megabyte_is_refused_at_its_limit(server):
    with server.raw() as c:
        c.send("GET / HTTP/1.1\r\nHost: x\r\nX: ")
        try:
            for _ in range(64):
                c.send("y" * 16384)
        except OSError:
            pass  # it does not have to take it all
        r = c.reply()
        assert (r.status, r.text) == (431, "the head of the request is larger than 8192 bytes (client_header_size)\n")


def test_a_gigabyte_is_refused_before_it_is_sent_and_is_never_kept(server):
    rss = server.rss_kb()
    with server.raw() as c:
        c.send(TOP + "Content-Length: 1073741824\r\n\r\n")
        sent = 0
        try:
            while sent < 20_000_000:
                sent += 65536
                c.send(b"x" * 65536)
        except OSError:
            pass
        assert c.reply().status == 413
    assert server.rss_kb() - rss < 4096


def test_bytes_of_a_body_are_not_read_as_a_head(server):
    body = "GET / HTTP/1.1\nHost: a\n\n\0\r\n folded"
    with server.raw() as c:
        for _ in range(3):
            c.request("POST", "/p", body=body)
            assert c.reply().text == f"POST /p {len(body)}\n"


def test_the_limit_of_a_body_is_exact(server):
    assert server.post("/p", b"x" * 102400).text == "POST /p 102400\n"
    assert server.post("/p", b"x" * 102401).status == 413


def stalls(drey, data, status):
    # Long enough that a busy machine reads the half before the time is up: of a connection without a byte nothing is told.
    d = drey(FRONT, server_conf={"client_timeout": "3s"})
    with d.raw() as c:
        began = time.monotonic()
        c.send(data)
        r = c.reply()
        took = time.monotonic() - began
        assert (r.status, r.text) == (status, "the request did not arrive within 3000 ms (client_timeout)\n")
        assert 2.9 <= took <= 6 * SLOW
        assert c.closed()


def test_half_a_head_that_stalls_is_told_408(drey):
    stalls(drey, "GET / HTTP/1.1\r\nHost:", 408)


def test_half_a_body_that_stalls_is_told_408(drey):
    stalls(drey, TOP + "Content-Length: 10\r\n\r\nhello", 408)


def test_half_a_chunk_that_stalls_is_told_408(drey):
    stalls(drey, TOP + "Transfer-Encoding: chunked\r\n\r\n5\r\nhel", 408)


def test_a_dribble_does_not_outlive_client_timeout(drey):
    """One byte now and then keeps no connection: the time runs from the first byte."""
    d = drey(FRONT, server_conf={"client_timeout": "1s"})
    with d.raw() as c:
        began = time.monotonic()
        c.send("GET / HTTP/1.1\r\nHost: x\r\nX: ")
        with pytest.raises(OSError):
            while time.monotonic() - began < 5 * SLOW:
                c.send("y")
                time.sleep(0.05)
        assert time.monotonic() - began < 4.5 * SLOW


def test_an_idle_connection_is_closed_after_keepalive_timeout(drey):
    d = drey(FRONT, server_conf={"keepalive_timeout": "1s"})
    with d.raw() as c:
        c.send(GET)
        assert c.reply().status == 200
        began = time.monotonic()
        assert c.closed()
        assert 0.9 <= time.monotonic() - began <= 3 * SLOW

"""http_raw -- HTTP by hand: any bytes out, exact answers in.

A Raw connection sends whatever it is told, well-formed or not, in one piece
or dribbled, can half-close, reset or fall silent, and reads responses one by
one, pipelined ones included.  Every wait is bounded by its timeout.

    c = Raw(port)
    c.send("GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
    assert c.reply().status == 200
"""

import json as json_module
import select
import socket
import struct
import time


class Closed(Exception):
    """The server closed the connection before a whole response was there."""


class Malformed(Exception):
    """What the server sent is not HTTP."""


class Reply:
    """One response.  headers keeps order and repetition, as (name, value) pairs."""

    def __init__(self, version, status, reason, headers):
        self.version, self.status, self.reason, self.headers = version, status, reason, headers
        self.body = b""
        self.chunked = False

    def header(self, name, default=None):
        for k, v in self.headers:
            if k.lower() == name.lower():
                return v
        return default

    def header_all(self, name):
        return [v for k, v in self.headers if k.lower() == name.lower()]

    @property
    def text(self):
        return self.body.decode("utf-8")

    def json(self):
        return json_module.loads(self.body)

    def __repr__(self):
        body = self.body if len(self.body) <= 500 else self.body[:500] + b"..."
        return f"<{self.status} {self.reason} {dict(self.headers)} {body!r}>"


def request(method, path, headers=None, body=None, json=None, host="localhost"):
    """The bytes of a well-formed request.  headers: dict or pairs; a Host or
    Content-Length given there replaces ours; a value of None leaves it out."""
    pairs = list(headers.items()) if isinstance(headers, dict) else list(headers or [])
    given = {k.lower() for k, _ in pairs}
    if json is not None:
        body = json_module.dumps(json)
        if "content-type" not in given:
            pairs.append(("Content-Type", "application/json"))
    if isinstance(body, str):
        body = body.encode()
    if body is not None and "content-length" not in given and "transfer-encoding" not in given:
        pairs.append(("Content-Length", len(body)))
    if "host" not in given:
        pairs.insert(0, ("Host", host))
    head = f"{method} {path} HTTP/1.1\r\n"
    head += "".join(f"{k}: {v}\r\n" for k, v in pairs if v is not None)
    return head.encode("latin-1") + b"\r\n" + (body or b"")


class Raw:
    """One TCP connection."""

    def __init__(self, port, host="127.0.0.1", timeout=10):
        self.timeout = timeout
        self.buffer = b""
        self.eof = False
        self.socket = socket.create_connection((host, port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    # -- out

    def send(self, *parts):
        for p in parts:
            self.socket.sendall(p.encode("latin-1") if isinstance(p, str) else p)
        return self

    def send_slowly(self, data, chunk=1, pause=0.005):
        data = data.encode("latin-1") if isinstance(data, str) else data
        for i in range(0, len(data), chunk):
            self.send(data[i : i + chunk])
            time.sleep(pause)
        return self

    def request(self, method, path, headers=None, body=None, json=None, host="localhost"):
        return self.send(request(method, path, headers, body, json, host))

    def half_close(self):
        """No more from us; the server may still answer."""
        self.socket.shutdown(socket.SHUT_WR)
        return self

    def reset(self):
        """Gone with a RST, as when a client's machine dies."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # -- in

    def fill(self, deadline):
        """More bytes into the buffer; False at the end of the stream."""
        if self.eof:
            return False
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([self.socket], [], [], left)[0]:
            raise TimeoutError(f"nothing more within {self.timeout} s; so far: {self.buffer[:300]!r}")
        try:
            data = self.socket.recv(1 << 16)
        except ConnectionResetError:
            data = b""
        self.eof = not data
        self.buffer += data
        return bool(data)

    def until(self, mark, deadline):
        while mark not in self.buffer:
            if not self.fill(deadline):
                raise Closed(f"closed by the server; so far: {self.buffer[:300]!r}")
        head, self.buffer = self.buffer.split(mark, 1)
        return head

    def exactly(self, n, deadline):
        while len(self.buffer) < n:
            if not self.fill(deadline):
                raise Closed(f"closed by the server after {len(self.buffer)} of {n} bytes")
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        return data

    def reply(self, method="GET", interim=False, timeout=None):
        """The next response.  100 Continue and its like are passed over unless interim is set."""
        deadline = time.monotonic() + (timeout or self.timeout)
        while True:
            r = self.read_head(deadline)
            if r.status >= 200 or r.status == 101 or interim:
                break
        if method == "HEAD" or r.status < 200 or r.status in (204, 304):
            return r
        if (r.header("transfer-encoding") or "").lower() == "chunked":
            r.chunked = True
            r.body = self.read_chunks(deadline)
        elif r.header("content-length") is not None:
            r.body = self.exactly(int(r.header("content-length")), deadline)
        else:
            r.body = self.rest(deadline - time.monotonic())
        return r

    def replies(self, n, method="GET", timeout=None):
        return [self.reply(method, timeout=timeout) for _ in range(n)]

    def read_head(self, deadline):
        lines = self.until(b"\r\n\r\n", deadline).decode("latin-1").split("\r\n")
        try:
            version, status, reason = (lines[0] + " ").split(" ", 2)
            headers = [tuple(part.strip() for part in l.split(":", 1)) for l in lines[1:]]
            if not version.startswith("HTTP/1.") or any(len(h) != 2 for h in headers):
                raise ValueError
            return Reply(version, int(status), reason.strip(), headers)
        except ValueError:
            raise Malformed(repr(lines)) from None

    def read_chunks(self, deadline):
        body = b""
        while True:
            size = int(self.until(b"\r\n", deadline).split(b";")[0], 16)
            if size == 0:
                while self.until(b"\r\n", deadline):
                    pass  # trailers
                return body
            body += self.exactly(size, deadline)
            if self.exactly(2, deadline) != b"\r\n":
                raise Malformed("a chunk does not end in CRLF")

    def rest(self, timeout=None):
        """Everything up to the end of the stream."""
        deadline = time.monotonic() + (timeout or self.timeout)
        while self.fill(deadline):
            pass
        data, self.buffer = self.buffer, b""
        return data

    def closed(self, within=None):
        """Does the server close (or reset) within so many seconds?  Bytes before that stay in the buffer."""
        deadline = time.monotonic() + (within or self.timeout)
        try:
            while self.fill(deadline):
                pass
        except TimeoutError:
            return False
        return True

    def silent(self, seconds):
        """True when not one byte arrives and the connection stays open for so long."""
        return not self.buffer and not select.select([self.socket], [], [], seconds)[0]


class Client:
    """A keep-alive connection that reconnects when the server closed it."""

    def __init__(self, port, host="127.0.0.1", timeout=10):
        self.port, self.host, self.timeout = port, host, timeout
        self.raw = None

    def request(self, method, path, headers=None, body=None, json=None, host="localhost"):
        if self.raw is None:
            self.raw = Raw(self.port, self.host, self.timeout)
        try:
            self.raw.request(method, path, headers, body, json, host)
            r = self.raw.reply(method)
        except BaseException:
            self.close()
            raise
        if (r.header("connection") or "").lower() == "close":
            self.close()
        return r

    def get(self, path, headers=None, **kw):
        return self.request("GET", path, headers, **kw)

    def post(self, path, body=b"", headers=None, **kw):
        return self.request("POST", path, headers, None if "json" in kw else body, **kw)

    def close(self):
        if self.raw is not None:
            self.raw.close()
            self.raw = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

"""origin -- the servers on the other side of fetch(): well-behaved, slow, rude and secured ones.

    with Origin() as o:                      # http on a free loopback port
        call(d, "F", "a", "get", o.url("/echo"))
        assert o.seen[0].path == "/echo"
        assert o.connections == 1

What it does is in the path: see the methods of Answers.
"""

import gzip
import http.server
import json
import os
import select
import ssl
import subprocess
import threading
import time
import urllib.parse


class Seen:
    """One request, as it arrived."""

    def __init__(self, handler, body):
        self.method, self.target, self.body = handler.command, handler.path, body
        self.path = urllib.parse.urlsplit(handler.path).path
        self.headers = [(k.lower(), v) for k, v in handler.headers.items()]
        self.at = time.time()
        self.times = []  # when each chunk of its body came
        self.gone = threading.Event()  # its client hung up before it was answered

    def header(self, name):
        return next((v for k, v in self.headers if k == name), None)


class Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # a head is one packet

    def log_message(self, *_):
        pass

    def handle_any(self):
        o = self.server.origin
        self.seen = Seen(self, b"")
        if not self.path.startswith(("/sluggish", "/mutepost")):
            self.seen.body = self.read_body()
        with o.lock:
            o.seen.append(self.seen)
            o.running += 1
            o.most = max(o.most, o.running)
        try:
            parts = urllib.parse.urlsplit(self.path)
            self.query = dict(urllib.parse.parse_qsl(parts.query))
            name, *self.rest = parts.path.strip("/").split("/")
            getattr(self, "on_" + (name or "root"), self.on_root)()
            self.wfile.flush()
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            self.close_connection = True
            self.seen.gone.set()
        finally:
            with o.lock:
                o.running -= 1

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_PURGE = handle_any

    def read_body(self):
        if self.headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        body = []
        while n := int(self.rfile.readline(), 16):
            body.append(self.rfile.read(n))
            self.rfile.readline()
            self.seen.times.append(time.time())
        self.rfile.readline()
        return b"".join(body)

    def answer(self, status=200, body=b"", headers=(), reason=None, length=True):
        self.send_response(status, reason)
        for k, v in headers:
            self.send_header(k, v)
        if length and status not in (204, 304):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD" and status not in (204, 304):
            self.wfile.write(body)

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def begin_chunks(self):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def wait_gone(self, seconds):
        """Until the client hangs up, or so long."""
        self.wfile.flush()
        ready, _, _ = select.select([self.connection], [], [], seconds)
        if ready:
            self.seen.gone.set()
            self.close_connection = True
        return bool(ready)

    # -- by path

    def on_root(self):
        self.answer(body=b"root\n")

    def on_echo(self):
        s = self.seen
        text = json.dumps({"method": s.method, "target": s.target, "headers": s.headers, "body": s.body.decode("latin-1")})
        self.answer(body=text.encode(), headers=[("Content-Type", "application/json")])

    def on_body(self):
        self.answer(body=self.seen.body)

    def on_status(self):  # /status/404/Not%20Here
        self.answer(int(self.rest[0]), b"body", [("X-Status", self.rest[0])],
                    urllib.parse.unquote(self.rest[1]) if len(self.rest) > 1 else None)

    def on_fields(self):  # fields of all kinds
        self.answer(body=b"x", headers=[("Set-Cookie", "a=1"), ("X-Twice", "1"), ("Set-Cookie", "b=2"), ("X-Twice", "2"),
                                        ("Keep-Alive", "timeout=5"), ("Upgrade", "h2c"), ("X-Empty", "")])

    def on_redirect(self):  # /redirect/302?to=URL
        self.answer(int(self.rest[0]), b"moved", [("Location", self.query["to"])])

    def on_loop(self):
        self.answer(302, headers=[("Location", "/loop?" + str(len(self.seen.target)) * 3)])

    def on_stall(self):  # /stall/SECONDS
        if not self.wait_gone(float(self.rest[0]) if self.rest else 30):
            self.answer(body=b"late\n")

    def on_part(self):  # a piece, then silence
        self.begin_chunks()
        self.chunk(b"only this")
        self.wait_gone(30)

    def on_drip(self):  # /drip/BYTES, one each 50 ms
        self.begin_chunks()
        for _ in range(int(self.rest[0]) if self.rest else 600):
            self.chunk(b"x")
            if self.wait_gone(0.05):
                return
        self.chunk(b"")

    def on_big(self):  # /big/BYTES
        n = int(self.rest[0])
        self.send_response(200)
        self.send_header("Content-Length", str(n))
        self.end_headers()
        piece = b"x" * 65536
        while n > 0 and self.command != "HEAD":
            self.wfile.write(piece[:n])
            n -= len(piece)
            self.server.origin.sent += len(piece)

    def on_chunked(self):  # /chunked/PIECES of 1000 bytes
        self.begin_chunks()
        for i in range(int(self.rest[0])):
            self.chunk(b"%03d" % (i % 1000) + b"y" * 997)
        self.wfile.write(b"0\r\nX-Trailer: no\r\n\r\n")

    def on_cut(self):  # in the middle of a body
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"only this")
        self.close_connection = True

    def on_length(self):
        self.answer(body=str(len(self.seen.body)).encode())

    def on_sluggish(self):  # /sluggish/SECONDS before the body is read
        time.sleep(float(self.rest[0]))
        self.seen.body = self.read_body()
        self.on_length()

    def on_mutepost(self):  # hangs up in the middle of a request
        self.rfile.read(100000)
        self.close_connection = True

    def on_cutlate(self):  # long after the head
        self.send_response(200)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        self.wfile.flush()
        self.wait_gone(0.1)
        self.wfile.write(b"x" * 300000)
        self.close_connection = True

    def on_cutchunklate(self):
        self.begin_chunks()
        self.wfile.flush()
        self.wait_gone(0.1)
        self.chunk(b"x" * 300000)
        self.close_connection = True

    def on_cutchunk(self):
        self.begin_chunks()
        self.wfile.write(b"400\r\nonly this")
        self.close_connection = True

    def on_mute(self):  # hangs up without a word
        self.close_connection = True

    def on_garbage(self):
        self.wfile.write(b"what is HTTP?\r\n\r\n")
        self.close_connection = True

    def on_heads(self):  # endless headers
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        for i in range(5000):
            self.wfile.write(b"X-%d: %s\r\n" % (i, b"h" * 200))
        self.close_connection = True

    def on_early(self):  # interim answers first
        self.wfile.write(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n")
        self.answer(body=b"after all")

    def on_gzip(self):  # /gzip/BYTES of zeros
        self.answer(body=gzip.compress(b"0" * int(self.rest[0])), headers=[("Content-Encoding", "gzip")])

    def on_badgzip(self):
        self.answer(body=b"this is no gzip", headers=[("Content-Encoding", "gzip")])


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 1024
    daemon_threads = True

    def process_request(self, request, client_address):
        self.origin.connections += 1
        super().process_request(request, client_address)

    def handle_error(self, request, client_address):
        pass  # a client that hung up

    def finish_request(self, request, client_address):
        if self.origin.tls:
            request = self.origin.tls.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)


class Origin:
    def __init__(self, host="127.0.0.1", tls=None):
        self.seen, self.connections, self.running, self.most = [], 0, 0, 0
        self.sent = 0  # bytes of /big
        self.lock = threading.Lock()
        self.host, self.tls = host, None
        if tls:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(*tls)
        self.server = Server((host, 0), Answers)
        self.server.origin = self
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def url(self, path="/", host=None):
        return f"{'https' if self.tls else 'http'}://{host or self.host}:{self.port}{path}"


class Authority:
    """A throwaway certificate authority: ca is its file, issue() gives (certificate, key) files."""

    def __init__(self, folder):
        self.folder = str(folder)
        self.ca, self.key = self.path("ca.pem"), self.path("ca.key")
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                     "-subj", "/CN=throwaway", "-keyout", self.key, "-out", self.ca)

    def path(self, name):
        return os.path.join(self.folder, name)

    def openssl(self, *args):
        subprocess.run(["openssl", *args], check=True, capture_output=True)

    def issue(self, names="IP:127.0.0.1,DNS:localhost", begins=None, ends=None):
        stem = self.path(f"leaf{len(os.listdir(self.folder))}")
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=leaf",
                     "-keyout", stem + ".key", "-out", stem + ".csr")
        conf, index = stem + ".conf", stem + ".index"
        with open(conf, "w", encoding="ascii") as f:
            f.write(f"[ca]\ndefault_ca=d\n[d]\ndatabase={index}\nnew_certs_dir={self.folder}\nrand_serial=yes\n"
                    f"default_md=sha256\npolicy=p\nx509_extensions=e\nunique_subject=no\n"
                    f"[p]\ncommonName=supplied\n[e]\nsubjectAltName={names}\n")
        open(index, "w", encoding="ascii").close()
        when = ["-startdate", begins, "-enddate", ends] if begins else ["-days", "10"]
        self.openssl("ca", "-batch", "-config", conf, "-cert", self.ca, "-keyfile", self.key, "-notext",
                     "-in", stem + ".csr", "-out", stem + ".pem", *when)
        return stem + ".pem", stem + ".key"


__all__ = ["Authority", "Origin"]

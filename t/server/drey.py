"""drey -- the real binary, started on a folder of its own, and everything a test asks of it.

    d = Drey('''
    local Counter = DurableObject:extend "Counter"
    ...
    ''', bindings={"COUNTER": "Counter"})
    d.start()
    assert d.get("/").text == "Count: 1\\n"
    d.kill9(); d.start()                 # same port, same data
    d.stop()                             # SIGTERM; anything but exit code 0 fails

In a test use the fixture of the same name (conftest.py): it starts the server,
stops it at the end, fails the test when the server died or a sanitizer spoke,
and shows the server's log when the test failed.

Environment: DREY (the binary; default build/drey), DREY_BUILD (its folder,
for the shims), DREY_SANITIZED, DREY_KEEP (leave the folders), DREY_THREADS.
"""

import ctypes
import itertools
import os
import random
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time

from http_raw import Client, Raw, request

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.path.abspath(os.environ.get("DREY") or os.path.join(TOP, "build", "drey"))
BUILD = os.path.abspath(os.environ.get("DREY_BUILD") or os.path.dirname(BINARY))
SANITIZED = bool(os.environ.get("DREY_SANITIZED"))
SLOW = 4 if SANITIZED else 1  # factor for bounds in time
THREADS = int(os.environ.get("DREY_THREADS") or 2)

REPORT = re.compile(r"ERROR: \w+Sanitizer|runtime error: |SUMMARY: \w+Sanitizer")


class StartFailed(AssertionError):
    """The server ended, or did not answer, before it was ready."""


def eventually(condition, within=5, what="the condition"):
    """Waits until condition() is true and returns what it returned; fails after so many seconds."""
    deadline = time.monotonic() + within * SLOW
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true within {within * SLOW} s")
        time.sleep(0.01)


_ports = itertools.count(random.Random(os.getpid()).randrange(10000))


def free_port():
    """A port below the range from which clients get theirs, tried and free."""
    for n in itertools.islice(_ports, 1000):
        port = 20000 + n % 10000
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise AssertionError("no free port")


def conf_text(value, depth=0):
    """A configuration from nested dicts.  {"limits": {"storage": "1g"}} is a block, a list
    repeats its directive, True is a directive without arguments, None leaves it out."""
    if isinstance(value, str):
        return value.rstrip("\n") + "\n"
    pad, out = "    " * depth, ""
    for name, args in value.items():
        for a in args if isinstance(args, list) else [args]:
            if a is None:
                continue
            if isinstance(a, dict):
                out += f"{pad}{name} {{\n{conf_text(a, depth + 1)}{pad}}}\n"
            else:
                out += f"{pad}{name};\n" if a is True else f"{pad}{name} {a};\n"
    return out


def quoted(text):
    return '"' + str(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


class Drey:
    """One server.  Nothing runs before start().

    lua             the main file's text, or {file name: text} for several
    bindings        {"COUNTER": "Counter"}
    classes         the classes the migration creates (default: all bound ones; [] for no migration)
    vars, limits    {"NAME": "value"}
    app, main       name of the app; its main file
    app_conf, server_conf, top_conf
                    further directives there: a dict (see conf_text) or text
    conf            the whole configuration instead: text or dict; @PORT@, @HOME@ and @DATA@ are filled in
    worker_threads  default: DREY_THREADS, 2
    preload         shims for LD_PRELOAD: names from t/crash ("slow_sync") or paths
    env             further environment
    """

    def __init__(self, lua="", *, bindings=None, classes=None, vars=None, limits=None,
                 app="app", main="worker.lua", app_conf=None, server_conf=None, top_conf=None,
                 conf=None, worker_threads=None, preload=(), env=None, home=None):
        self.home = home or tempfile.mkdtemp(prefix="drey-test-")
        self.port = free_port()
        self.data = os.path.join(self.home, "data")
        self.conf_path = os.path.join(self.home, "drey.conf")
        self.app, self.main = app, main
        self.preload, self.env = list(preload), dict(env or {})
        self.process = None
        self.starts = 0
        self.checked = 0
        for name, text in (lua if isinstance(lua, dict) else {main: lua}).items():
            self.write(name, text)
        if conf is None:
            bindings = bindings or {}
            if classes is None:
                classes = sorted(set(bindings.values()))
            conf = self.usual_conf(bindings, classes, vars, limits, app_conf, server_conf,
                                   top_conf, worker_threads or THREADS)
        self.configure(conf)

    # -- files

    def usual_conf(self, bindings, classes, vars, limits, app_conf, server_conf, top_conf, threads):
        def more(x, depth=0):
            return conf_text(x, depth) if x else ""

        app = {
            "root": f"{self.home}/app",
            "main": self.main,
            "durable_objects": {f"binding {b}": f"class_name={c}" for b, c in bindings.items()} or None,
            "migrations": {"v1": {"new_sqlite_classes": " ".join(classes)}} if classes else None,
            "vars": {k: quoted(v) for k, v in vars.items()} if vars else None,
            "limits": limits or None,
        }
        return (
            conf_text({
                "worker_threads": threads,
                "data_dir": self.data,
                "pid": f"{self.home}/drey.pid",
                "error_log": f"{self.home}/error.log info",
                "access_log": f"{self.home}/access.log",
            })
            + more(top_conf)
            + f"app {self.app} {{\n{conf_text(app, 1)}{more(app_conf, 1)}}}\n"
            + f"server {{\n    listen 127.0.0.1:{self.port};\n{more(server_conf, 1)}"
            + f"    location / {{ app {self.app}; }}\n}}\n"
        )

    def configure(self, conf):
        """Writes the configuration: text or dict, @PORT@ @HOME@ @DATA@ filled in."""
        text = conf_text(conf)
        for mark, value in (("@PORT@", self.port), ("@HOME@", self.home), ("@DATA@", self.data)):
            text = text.replace(mark, str(value))
        with open(self.conf_path, "w", encoding="utf-8") as f:
            f.write(text)
        return text

    def conf(self):
        return self.read("drey.conf", self.home)

    def edit_conf(self, old, new):
        """Replaces text in the configuration; fails when it is not there."""
        text = self.conf()
        assert old in text, f"{old!r} is not in the configuration:\n{text}"
        self.configure(text.replace(old, new))

    def write(self, name, text):
        """A file of the app."""
        path = os.path.join(self.home, "app", name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(text if isinstance(text, bytes) else text.encode())
        return path

    def read(self, name, folder=None):
        try:
            with open(os.path.join(folder or self.home, name), encoding="utf-8", errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    # -- the process

    def environment(self, preload, env):
        e = {**os.environ, **self.env, **(env or {})}
        shims = [p if "/" in p else f"{BUILD}/t/crash/{p}.so" for p in self.preload + list(preload)]
        for s in shims:
            assert os.path.exists(s), f"no shim {s}; is it in crash_shims of Makefile.am?"
        if shims and SANITIZED:
            # AddressSanitizer insists on being first.
            shims.insert(0, library_of(BINARY, "libasan"))
        if shims:
            e["LD_PRELOAD"] = " ".join(shims)
        e["DREY_FAULTS"] = os.path.join(self.home, "faults")
        e.setdefault("ASAN_OPTIONS", "abort_on_error=0:detect_stack_use_after_return=0")
        e.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
        e.setdefault("LSAN_OPTIONS", f"print_suppressions=0:suppressions={TOP}/t/server/lsan.supp")
        return e

    def start(self, preload=(), env=None, ready=True, within=15):
        """Starts it and waits until it takes connections."""
        assert not self.running(), "already running"
        # The death signal belongs to the thread that forks; a short-lived one would take the server along.
        tie = die_with_parent if threading.current_thread() is threading.main_thread() else None
        with open(f"{self.home}/stdout.log", "ab") as out, open(f"{self.home}/stderr.log", "ab") as err:
            self.process = subprocess.Popen(
                [BINARY, "-c", self.conf_path], cwd=self.home, stdin=subprocess.DEVNULL, stdout=out,
                stderr=err, env=self.environment(preload, env), preexec_fn=tie)
        self.starts += 1
        if ready:
            self.wait_ready(within)
        return self

    def faults(self, *rules):
        """With preload=["fault"]: what fails from now on, one rule each; see t/crash/fault.c.  None: all is well again."""
        path = os.path.join(self.home, "faults")
        with open(path + ".new", "w", encoding="ascii") as f:
            f.write("".join(rule + "\n" for rule in rules))
        os.rename(path + ".new", path)

    def wait_ready(self, within=15):
        deadline = time.monotonic() + within * SLOW
        while True:
            if self.process.poll() is not None:
                process, self.process = self.process, None
                raise StartFailed(f"ended with exit code {process.returncode}\n{self.story()}")
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                pass
            if time.monotonic() > deadline:
                raise StartFailed(f"takes no connections after {within * SLOW} s\n{self.story()}")
            time.sleep(0.005)

    def start_fails(self, within=10):
        """Starts what must not start.  Returns (exit code, what it said)."""
        self.start(ready=False)
        code = self.wait(within)
        process, self.process = self.process, None
        assert process.returncode == code and code != 0, f"exit code {code}, but it should have refused"
        return code, self.log()

    def run(self, *args, within=30):
        """Another call of the binary, for instance run("-t").  -c is added unless args have it."""
        args = list(args) if "-c" in args else [*args, "-c", self.conf_path]
        return subprocess.run([BINARY, *args], cwd=self.home, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=within * SLOW, env=self.environment((), None), check=False)

    def running(self):
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self):
        return self.process.pid

    def send_signal(self, number):
        os.kill(self.process.pid, number)

    def wait(self, within=15):
        try:
            return self.process.wait(within * SLOW)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still runs after {within * SLOW} s\n{self.story()}") from None

    def kill9(self):
        self.process.kill()
        self.process.wait()
        self.process = None

    def stop(self, number=signal.SIGTERM, code=0, within=15):
        """A clean stop: the signal, then the exit code asked for."""
        assert self.running(), f"it does not run any more\n{self.story()}"
        self.send_signal(number)
        got = self.wait(within)
        self.process = None
        assert got == code, f"exit code {got} instead of {code} after signal {number}\n{self.story()}"
        self.check_sanitizers()

    def restart(self, **kw):
        self.stop()
        return self.start(**kw)

    def ended(self, within=15):
        """It ends by itself: returns the exit code."""
        code = self.wait(within)
        self.process = None
        return code

    def close(self):
        """The end of a test: stops what runs and removes the folder.  Fails if it died before."""
        try:
            if self.process is not None:
                if self.process.poll() is None:
                    self.stop()
                else:
                    code, self.process = self.process.returncode, None
                    raise AssertionError(f"the server died: exit code {code}\n{self.story()}")
            self.check_sanitizers()
        finally:
            if self.running():
                self.kill9()
            if not os.environ.get("DREY_KEEP"):
                shutil.rmtree(self.home, ignore_errors=True)

    def check_sanitizers(self):
        text = self.read("stderr.log")
        found, self.checked = REPORT.search(text, self.checked), len(text)
        assert not found, f"a sanitizer spoke\n{self.story()}"

    # -- what it said

    def log(self):
        """The error log, and what went to stdout and stderr."""
        return self.read("error.log") + self.read("stdout.log") + self.read("stderr.log")

    def access_log(self):
        return self.read("access.log")

    def wait_log(self, pattern, within=5):
        """Waits until the log matches the regular expression; returns the match."""
        return eventually(lambda: re.search(pattern, self.log()), within, f"a log line like {pattern!r}")

    def story(self):
        """For the report of a failed test."""
        parts = [("configuration", self.conf())]
        parts += [(n, self.read(n)) for n in ("error.log", "stdout.log", "stderr.log")]
        return "\n".join(f"--- {n}\n{t[-6000:].rstrip()}" for n, t in parts if t)

    # -- talking to it

    def request(self, method, path, headers=None, body=None, json=None, timeout=10, **kw):
        """One request on a connection of its own."""
        with Raw(self.port, timeout=timeout * SLOW) as c:
            return c.request(method, path, headers, body, json, **kw).reply(method)

    def get(self, path="/", headers=None, **kw):
        return self.request("GET", path, headers, **kw)

    def post(self, path="/", body=b"", headers=None, **kw):
        return self.request("POST", path, headers, None if "json" in kw else body, **kw)

    def raw(self, timeout=10):
        return Raw(self.port, timeout=timeout * SLOW)

    def client(self, timeout=10):
        """A keep-alive connection."""
        return Client(self.port, timeout=timeout * SLOW)

    def storm(self, paths, connections=64, method="GET", timeout=30):
        """All paths, over so many keep-alive connections at once.  Returns the replies in the
        order of paths; what went wrong stands there as its exception."""
        paths = list(paths)
        replies, todo, lock = [None] * len(paths), iter(range(len(paths))), threading.Lock()

        def work():
            with self.client(timeout) as c:
                while True:
                    with lock:
                        i = next(todo, None)
                    if i is None:
                        return
                    try:
                        replies[i] = c.request(method, paths[i])
                    except Exception as e:  # the caller judges
                        replies[i] = e

        threads = [threading.Thread(target=work, daemon=True) for _ in range(min(connections, len(paths)))]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        return replies

    # -- looking inside from outside

    def db(self, class_name, object_id, app=None):
        """Path of an object's database."""
        return os.path.join(self.data, app or self.app, class_name, object_id[:2], object_id + ".sqlite")

    def databases(self, class_name=None, app=None):
        """Ids of the objects that have a file."""
        found = []
        for _, _, names in os.walk(os.path.join(self.data, app or self.app, class_name or "")):
            found += [n[: -len(".sqlite")] for n in names if n.endswith(".sqlite")]
        return sorted(found)

    def sql(self, class_name, object_id, query, *args, app=None):
        """Rows from an object's file, read only.  The file is whole after stop()."""
        c = sqlite3.connect(f"file:{self.db(class_name, object_id, app)}?mode=ro", uri=True)
        try:
            return c.execute(query, args).fetchall()
        finally:
            c.close()

    def rss_kb(self):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as f:
            return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def cpu_seconds(self):
        with open(f"/proc/{self.pid}/stat", encoding="utf-8") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def die_with_parent():
    """PR_SET_PDEATHSIG: a test run that is killed leaves no server behind."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def library_of(binary, name):
    for line in subprocess.run(["ldd", binary], capture_output=True, text=True, check=True).stdout.splitlines():
        if name in line:
            return line.split("=>")[1].split()[0]
    raise AssertionError(f"{binary} is not linked with {name}")


__all__ = ["BINARY", "BUILD", "SANITIZED", "SLOW", "Client", "Drey", "Raw", "StartFailed",
           "conf_text", "eventually", "free_port", "request"]

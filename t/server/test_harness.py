"""Does the harness itself tell the truth?  Nothing here needs drey: a few lines of
Python play the server, well or badly."""

import os
import re
import socket
import subprocess
import sys
import textwrap
import threading
import time

import check_rows
import drey as drey_module
import pytest
from drey import Drey, StartFailed, conf_text, eventually, free_port
from http_raw import Closed, Malformed, Raw, request

# ---- http_raw against a scripted peer ----------------------------------------


@pytest.fixture
def peer():
    """peer(function): runs function(socket) for the next connection; returns the port."""
    threads = []

    def serve(play):
        listener = socket.create_server(("127.0.0.1", 0))

        def run():
            with listener, listener.accept()[0] as s:
                s.settimeout(10)
                play(s)

        threads.append(threading.Thread(target=run, daemon=True))
        threads[-1].start()
        return listener.getsockname()[1]

    yield serve
    for t in threads:
        t.join(10)
        assert not t.is_alive()


def says(text):
    return lambda s: s.sendall(text)


def test_a_reply_with_a_length_is_read_whole(peer):
    with Raw(peer(says(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nSet-Cookie: a\r\nset-cookie: b\r\n\r\nhello"))) as c:
        r = c.reply()
    assert (r.status, r.reason, r.body) == (200, "OK", b"hello")
    assert r.header("content-length") == "5"
    assert r.header_all("SET-COOKIE") == ["a", "b"]


def test_pipelined_replies_are_told_apart(peer):
    one = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n"
    with Raw(peer(says(one + b"a" + one + b"b" + b"HTTP/1.1 204 No Content\r\n\r\n" + one + b"c"))) as c:
        assert [r.body for r in c.replies(4)] == [b"a", b"b", b"", b"c"]


def test_chunks_and_trailers_are_put_together(peer):
    text = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nT: 1\r\n\r\n"
    with Raw(peer(says(text))) as c:
        r = c.reply()
    assert r.chunked and r.text == "hello world"


def test_a_reply_without_a_length_ends_with_the_stream(peer):
    with Raw(peer(says(b"HTTP/1.0 200 OK\r\n\r\nto the end"))) as c:
        assert c.reply().text == "to the end"


def test_the_reply_to_head_has_no_body(peer):
    with Raw(peer(says(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"))) as c:
        assert c.reply("HEAD").header("content-length") == "99"


def test_100_continue_is_passed_over_unless_asked_for(peer):
    text = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    with Raw(peer(says(text))) as c:
        assert c.reply().status == 200
    with Raw(peer(says(text))) as c:
        assert c.reply(interim=True).status == 100


def test_a_cut_body_is_noticed(peer):
    with Raw(peer(says(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"))) as c:
        with pytest.raises(Closed, match="after 4 of 10"):
            c.reply()


def test_a_cut_head_and_noise_are_noticed(peer):
    with Raw(peer(says(b"HTTP/1.1 200"))) as c:
        with pytest.raises(Closed):
            c.reply()
    with Raw(peer(says(b"hello there\r\n\r\n"))) as c:
        with pytest.raises(Malformed):
            c.reply()


def test_waiting_for_a_silent_server_ends(peer):
    with Raw(peer(lambda s: s.recv(1)), timeout=0.2) as c:
        assert c.silent(0.05)
        with pytest.raises(TimeoutError):
            c.reply()
        assert not c.closed(0.05)


def test_half_close_and_reset_reach_the_peer(peer):
    got = []

    def until_the_end(s):
        try:
            while True:
                data = s.recv(100)
                got.append(data)
                if not data:
                    s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                    return
        except ConnectionResetError:
            got.append("reset")

    with Raw(peer(until_the_end)) as c:
        assert c.send_slowly("abc", pause=0).half_close().reply().status == 200
        assert c.closed(5)
    assert b"".join(got) == b"abc"
    got.clear()
    c = Raw(peer(until_the_end))
    c.send(b"x")
    eventually(lambda: got)
    c.reset()
    eventually(lambda: got[-1] == "reset")


def test_requests_are_written_as_asked():
    assert request("GET", "/a") == b"GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n"
    assert request("POST", "/", {"Host": None}, "hi") == b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi"
    assert request("POST", "/", [("Content-Length", 9)], b"hi").count(b"Content-Length") == 1
    assert request("POST", "/", json=[1]).endswith(b"\r\n\r\n[1]")


# ---- Drey on a binary that only pretends --------------------------------------

PRETENDER = """
    #!/usr/bin/python3 -B
    import os, re, signal, socket, sys
    conf = open(sys.argv[sys.argv.index("-c") + 1]).read()
    if "-t" in sys.argv:
        print("fine")
        sys.exit(0)
    def word(name, default=None):
        m = re.search(r"\\b%s (\\S+?)[; ]" % name, conf)
        return m.group(1) if m else default
    if "broken" in conf:
        sys.exit("drey.conf:1:1: broken is no directive")
    log = open(word("error_log"), "a", buffering=1)
    log.write("info started preload=%s\\n" % os.environ.get("LD_PRELOAD"))
    code = int(word("exit_code", "0"))
    signal.signal(signal.SIGTERM, lambda *_: os._exit(code))
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", int(word("listen").split(":")[-1])))
    s.listen(64)
    n = 0
    while True:
        c, _ = s.accept()
        head = c.recv(65536)
        if not head:
            continue
        if head.startswith(b"GET /die"):
            os.abort()
        if head.startswith(b"GET /sanitizer"):
            sys.stderr.write("x.c:1:2: runtime error: shift\\n")
            sys.stderr.flush()
        n += 1
        body = b"%d" % n
        c.sendall(b"HTTP/1.1 200 OK\\r\\nConnection: close\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body) + body)
        c.close()
"""


@pytest.fixture
def pretender(tmp_path, monkeypatch):
    path = tmp_path / "pretender"
    path.write_text(textwrap.dedent(PRETENDER).lstrip())
    path.chmod(0o755)
    monkeypatch.setattr(drey_module, "BINARY", str(path))
    monkeypatch.setattr(drey_module, "SANITIZED", False)


def test_a_server_starts_answers_and_stops(pretender):
    d = Drey("-- nothing", bindings={"COUNTER": "Counter"}).start()
    home = d.home
    assert d.get("/").text == "1"
    assert d.post("/", "x").text == "2"
    d.wait_log("info started")
    assert d.rss_kb() > 0 and d.descriptors() > 3
    d.stop()
    d.close()
    assert not os.path.exists(home)


def test_kill9_and_restart_keep_port_and_folder(pretender):
    d = Drey().start()
    first = d.pid
    d.kill9()
    assert not d.running()
    d.start()
    assert d.pid != first and d.get("/").text == "1" and d.starts == 2
    d.restart()
    assert d.starts == 3
    d.close()


def test_a_storm_keeps_order_and_loses_nothing(pretender):
    d = Drey().start()
    replies = d.storm(["/"] * 100, connections=16)
    assert sorted(int(r.text) for r in replies) == list(range(1, 101))
    d.kill9()
    assert all(isinstance(r, OSError) for r in d.storm(["/"] * 3))
    d.close()


def test_a_wrong_exit_code_fails(pretender):
    d = Drey(top_conf={"exit_code": 3}).start()
    with pytest.raises(AssertionError, match="exit code 3 instead of 0"):
        d.stop()
    d.close()


def test_a_server_that_died_fails_the_test(pretender):
    d = Drey().start()
    with pytest.raises((Closed, OSError)):
        d.get("/die")
    eventually(lambda: not d.running())
    with pytest.raises(AssertionError, match="the server died: exit code -6"):
        d.close()


def test_a_sanitizer_report_fails_the_test(pretender):
    d = Drey().start()
    d.get("/sanitizer")
    with pytest.raises(AssertionError, match="a sanitizer spoke"):
        d.close()


def test_a_server_that_does_not_start_is_told_from_one_that_does(pretender):
    d = Drey(top_conf="broken;")
    with pytest.raises(StartFailed, match="exit code 1(.|\n)*broken is no directive"):
        d.start()
    code, text = d.start_fails()
    assert code == 1 and "drey.conf:1:1: broken" in text
    d.edit_conf("broken;", "")
    d.start()
    assert d.run("-t").stdout == "fine\n"
    d.close()


def test_shims_and_environment_reach_the_server(pretender, tmp_path):
    d = Drey()
    with pytest.raises(AssertionError, match="no shim .*/t/crash/nosuch.so"):
        d.start(preload=["nosuch"])
    source, shim = tmp_path / "x.c", tmp_path / "x.so"
    source.write_text("int nothing_at_all(void) { return 0; }\n")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", shim, source], check=True)
    d.start(preload=[str(shim)])
    d.wait_log(f"preload={re.escape(str(shim))}")
    d.close()


def test_the_usual_configuration_reads_as_written():
    d = Drey({"worker.lua": "", "lib/x.lua": "return 1"}, bindings={"A": "X", "B": "Y"}, vars={"G": 'say "hi"'},
             limits={"kv_value": "2m"}, app_conf={"dev_errors": "on"}, server_conf="    client_max_body_size 1m;",
             top_conf={"journal_segment": "1m"}, worker_threads=3)
    text = d.conf()
    for part in ("worker_threads 3;", "journal_segment 1m;", "    dev_errors on;", "binding A class_name=X;",
                 "new_sqlite_classes X Y;", 'G "say \\"hi\\"";', "kv_value 2m;", "client_max_body_size 1m;",
                 f"listen 127.0.0.1:{d.port};", "location / { app app; }"):
        assert part in text
    assert text.count("{") == text.count("}")
    assert os.path.exists(f"{d.home}/app/lib/x.lua")
    d.configure({"listen": "@PORT@", "data_dir": "@DATA@", "server": [{"a": True}, {"b": None}]})
    assert d.conf() == f"listen {d.port};\ndata_dir {d.home}/data;\nserver {{\n    a;\n}}\nserver {{\n}}\n"
    d.close()
    assert conf_text("as it is;") == "as it is;\n"


def test_ports_are_free_and_not_given_twice():
    ports = [free_port() for _ in range(50)]
    assert len(set(ports)) == 50


# ---- the clock and the rows ----------------------------------------------------


def test_a_test_that_hangs_is_ended_and_its_server_shown(tmp_path):
    (tmp_path / "test_hang.py").write_text(textwrap.dedent("""
        import time
        import pytest

        @pytest.mark.limit(0.2)
        def test_hangs():
            while True:
                try:
                    time.sleep(5)
                except ValueError:
                    pass

        @pytest.mark.limit(0.2)
        def test_catches_everything_once(drey):
            d = drey(start=False)
            try:
                time.sleep(5)
            except Exception:
                time.sleep(5)

        @pytest.mark.plain_only
        def test_measures():
            pass
    """))
    here = os.path.dirname(os.path.abspath(__file__))
    (tmp_path / "conftest.py").write_text(f"import sys\nsys.path.insert(0, {here!r})\nfrom conftest_of_drey import *\n")
    os.symlink(os.path.join(here, "conftest.py"), tmp_path / "conftest_of_drey.py")
    env = dict(os.environ, PYTHONPATH=here, DREY_SANITIZED="")
    began = time.monotonic()
    r = subprocess.run([sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
                       capture_output=True, text=True, env=env, timeout=25, check=False)
    assert "2 failed, 1 passed" in r.stdout, r.stdout + r.stderr
    assert r.stdout.count("took more than 0.2 s") >= 2
    assert "--- configuration" in r.stdout
    assert time.monotonic() - began < 15
    env["DREY_SANITIZED"] = "1"
    r = subprocess.run([sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "measures",
                        str(tmp_path)], capture_output=True, text=True, env=env, timeout=25, check=False)
    assert "deselected" in r.stdout and "passed" not in r.stdout


def test_a_row_without_a_test_is_found(tmp_path):
    (tmp_path / "rows.txt").write_text("A1-02 A1-03  # comment A9-99\nB4-10\n")
    (tmp_path / "test_x.py").write_text(textwrap.dedent("""
        def test_A1_02_counter(): pass
        # def test_A1_03_in_a_comment(): pass
        def helper():
            def test_A1_03_inside(): pass
        class TestGate:
            def test_B4_10_gate(self): pass
        def test_A1_02_counter(): pass
    """))
    rows, covered, problems = check_rows.check(str(tmp_path), str(tmp_path / "rows.txt"))
    assert rows == ["A1-02", "A1-03", "B4-10"]
    assert sorted(covered) == ["A1-02", "B4-10"]
    assert len(problems) == 2
    assert "hides the first" in problems[0] and problems[1].startswith("A1-03: no test is named test_A1_03_")

"""lib -- what the measurements share: a server and its load, ports, medians, options."""

import argparse
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(port, path):
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as s:
                s.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
                if b" 200 " in s.recv(4096):
                    return
        except OSError:
            pass
        time.sleep(0.02)
    sys.exit(f"nothing answers 200 on port {port}{path}")


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


UNITS = {"us": 1, "ms": 1e3, "s": 1e6}


def wrk(port, path, seconds, connections=64, script=None):
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
    if script:
        command += ["-s", script]
    out = subprocess.run(command + [f"http://127.0.0.1:{port}{path}"], capture_output=True, text=True).stdout
    if "Non-2xx" in out or "Requests/sec" not in out:
        sys.exit(f"wrk on {path} failed:\n{out}")

    def latency(percent):
        value, unit = re.search(rf"{percent}%\s+([\d.]+)(us|ms|s)", out).groups()
        return float(value) * UNITS[unit]

    return {
        "rps": float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1)),
        "requests": int(re.search(r"(\d+) requests in", out).group(1)),
        "p50_us": latency(50),
        "p99_us": latency(99),
    }


class Server:
    def __init__(self, command, port, path):
        self.port = port
        self.process = subprocess.Popen(command)
        wait_for(port, path)

    def measure(self, path, seconds, **more):
        before = cpu_seconds(self.process.pid)
        result = wrk(self.port, path, seconds, **more)
        result["cpu_us"] = (cpu_seconds(self.process.pid) - before) / result["requests"] * 1e6
        return result

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)


def median(rows, key):
    return statistics.median(row[key] for row in rows)


def scratch():
    """A folder of its own, on a disk: /tmp is often memory, where fdatasync costs nothing."""
    return tempfile.mkdtemp(prefix="drey-bench-", dir=os.environ.get("TMPDIR", "/var/tmp"))


def options(doc, rounds, seconds=None, calls=None):
    """The options every measurement has."""
    args = argparse.ArgumentParser(description=doc.splitlines()[0])
    if seconds is not None:
        args.add_argument("--seconds", type=int, default=seconds)
    if calls is not None:
        args.add_argument("--calls", type=int, default=calls)
    args.add_argument("--rounds", type=int, default=rounds)
    args.add_argument("--json", action="store_true")
    args.add_argument("--build", default=os.path.join(HERE, "..", "..", "build"))
    return args.parse_args()

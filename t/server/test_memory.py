"""What things cost. Sizes, not speed; not with sanitizers, which change both."""

import contextlib
import re
import shutil
import subprocess
import tempfile
import time

import pytest

OBJECTS = """
local M = DurableObject:extend "M"
function M:touch() return 1 end
function M:count()
	local n = (self.ctx.storage:get "n" or 0) + 1
	self.ctx.storage:put("n", n)
	return n
end
return { M = M, fetch = function(request, env)
	local verb, from, to = request.url:match "//[^/]+/(%w+)/?(%d*)/?(%d*)"
	if verb == "hello" then return Response.new "hello" end
	if verb == "waste" then
		local t = {}
		for i = 1, 256 do t[i] = ("x"):rep(65536 + i) end
		return Response.new(tostring(#t))
	end
	for i = tonumber(from), tonumber(to) do
		local stub = env.M:getByName("object " .. i)
		stub[verb](stub)
	end
	return Response.new "done"
end }
"""

ONE = {"M": "M"}


def run(d, verb, n, first=0, step=500):
    end = first + n
    replies = d.storm([f"/{verb}/{i}/{min(i + step, end) - 1}" for i in range(first, end, step)], connections=8, timeout=60)
    assert all(getattr(r, "text", None) == "done" for r in replies), replies[:2]


def settled_rss(d):
    """RSS after a full collection, which comes when the VM has been quiet: 16 MB of garbage are worth one."""
    d.get("/waste")
    lowest = high = d.rss_kb()
    start = since = time.monotonic()
    while high - lowest < 12 * 1024 or time.monotonic() - since < 0.5:
        assert time.monotonic() - start < 20, "nothing was collected"
        time.sleep(0.05)
        now = d.rss_kb()
        high = max(high, now)
        if now < lowest - 64:
            lowest, since = now, time.monotonic()
    return lowest


@contextlib.contextmanager
def folder_for_many_files():
    """In memory if there is room: a disk takes many times longer to make and remove tens of thousands of files."""
    roomy = False
    with contextlib.suppress(OSError):
        roomy = shutil.disk_usage("/dev/shm").free > 4 << 30
    home = tempfile.mkdtemp(prefix="drey-test-", dir="/dev/shm" if roomy else None)
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


# A first write makes a database, which takes thirty times as long as a touch: hence fewer.
# A leak grows with every object, a heap in steps: the median of three rounds tells them apart.
@pytest.mark.plain_only
@pytest.mark.limit(120)
@pytest.mark.parametrize("verb, warm, n", [("touch", 100000, 100000), ("count", 5000, 10000)])
def test_objects_that_came_and_went_leave_at_most_64_bytes_each(drey, verb, warm, n):
    with folder_for_many_files() as home:
        # Small segments: of a file that was written its name is remembered until its segment retires.
        d = drey(OBJECTS, home=home, bindings=ONE, worker_threads=1, limits={"idle_hibernate": "20ms"},
                 top_conf={"journal_segment": "1m"})
        run(d, verb, warm)  # tables, pools and caches reach their size
        rss = [settled_rss(d)]
        for i in range(3):
            run(d, verb, n, first=warm + i * n)
            rss.append(settled_rss(d))
        grown = sorted(b - a for a, b in zip(rss, rss[1:]))
        print(f"{verb}: {grown} KB more after {n} objects each")
        assert d.descriptors() < 100
        d.stop(within=5)
        assert len(d.databases("M")) == (warm + 3 * n if verb == "count" else 0)
        assert grown[1] * 1024 <= 64 * n, f"{grown} KB for {n} objects each"


@pytest.mark.plain_only
@pytest.mark.limit(150)
def test_an_awake_object_with_an_open_database_costs_at_most_40_kb(drey):
    d = drey(OBJECTS, bindings=ONE, worker_threads=1, limits={"idle_hibernate": "10m"})
    run(d, "count", 200)
    before = settled_rss(d)
    run(d, "count", 10200)
    cost = (settled_rss(d) - before) / 10000
    print(f"an awake object with a database: {cost:.1f} KB")
    assert cost <= 40
    d.stop(within=90)      # 10,200 files are made and synced, on a disk that others may use


@pytest.mark.plain_only
def test_an_idle_server_with_one_app_has_at_most_15_mb(drey):
    d = drey(OBJECTS, bindings=ONE)
    d.get("/hello")
    print(f"idle with one app: {d.rss_kb()} KB")
    assert d.rss_kb() <= 15 * 1024


@pytest.mark.plain_only
def test_an_idle_server_uses_no_processor(drey):
    d = drey(OBJECTS, bindings=ONE)
    d.get("/hello")
    before = d.cpu_seconds()
    time.sleep(2)
    assert d.cpu_seconds() - before <= 0.04


def test_the_server_lists_no_leftover_threads(drey):
    d = drey(OBJECTS, bindings=ONE, worker_threads=3)
    with open(f"/proc/{d.pid}/status", encoding="ascii") as f:
        threads = int(re.search(r"Threads:\s+(\d+)", f.read()).group(1))
    assert threads <= 3 + 1 + 2, subprocess.run(["ps", "-T", "-p", str(d.pid)], capture_output=True, text=True).stdout

"""Fixtures of the black-box tests, and the clock that bounds every one of them.

drey            a factory: d = drey(lua, bindings={...}); see class Drey for the arguments.  The server
                is started (start=False: not), and at the end stopped and checked.
worker_threads  1 and 4: a test that asks for it runs with both.

@pytest.mark.limit(120)     this test may take so many seconds (default 30; four times that with sanitizers)
@pytest.mark.plain_only     not with sanitizers: it measures time or memory
"""

import os
import signal
import sys

import pytest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import drey as drey_module  # noqa: E402

LIMIT = 30


def pytest_configure(config):
    config.addinivalue_line("markers", "limit(seconds): how long the test may take")
    config.addinivalue_line("markers", "plain_only: not with sanitizers, it measures time or memory")


def pytest_collection_modifyitems(config, items):
    if drey_module.SANITIZED:
        out = [i for i in items if i.get_closest_marker("plain_only")]
        items[:] = [i for i in items if not i.get_closest_marker("plain_only")]
        config.hook.pytest_deselected(items=out)


class TookTooLong(Exception):
    pass


def bounded(item):
    """Rings when the phase takes too long, and again each second in case the test caught it."""
    mark = item.get_closest_marker("limit")
    seconds = (mark.args[0] if mark else LIMIT) * drey_module.SLOW

    def ring(*_):
        raise TookTooLong(f"{item.nodeid} took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_setup(item):
    yield from bounded(item)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    yield from bounded(item)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_teardown(item):
    yield from bounded(item)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed and call.when == "call":
        item.failed = True
        for n, d in enumerate(getattr(item, "dreys", []), 1):
            report.sections.append((f"server {n} on port {d.port}", d.story()))


@pytest.fixture
def drey(request):
    made = request.node.dreys = []

    def make(*args, start=True, **kw):
        d = drey_module.Drey(*args, **kw)
        made.append(d)
        return d.start() if start else d

    yield make
    failures = []
    for d in made:
        try:
            d.close()
        except AssertionError as e:
            failures.append(str(e))
    # One failure is told once: what came of a test that failed already is in its report.
    assert not failures or getattr(request.node, "failed", False), "\n".join(failures)


@pytest.fixture(params=[1, 4], ids=["1-thread", "4-threads"])
def worker_threads(request):
    return request.param

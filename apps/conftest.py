"""The tests of the example apps use the fixtures of the black-box tests (t/server)."""

import importlib.util
import os

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
spec = importlib.util.spec_from_file_location("server_fixtures", f"{TOP}/t/server/conftest.py")
fixtures = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fixtures)
globals().update({k: v for k, v in vars(fixtures).items() if k.startswith("pytest_runtest") or k in ("drey", "worker_threads")})


@pytest.fixture
def shipped():
    return shipped_conf()


def shipped_conf(conf="conf/drey.conf"):
    """The configuration as it is shipped, on the port and in the folder of a test."""
    with open(f"{TOP}/{conf}", encoding="utf-8") as f:
        text = f.read()
    for old, new in (("127.0.0.1:8787", "127.0.0.1:@PORT@"), ("data;", "@DATA@;"), ("apps/", f"{TOP}/apps/")):
        assert old in text, old
        text = text.replace(old, new)
    return text

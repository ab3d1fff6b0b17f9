"""Start and configuration: rows A1-*."""

import os

import pytest

from drey import free_port
from kit import KIT, call, export

COUNTER = """
local Counter = DurableObject:extend "Counter"
function Counter:increment()
	local v = (self.ctx.storage:get "value" or 0) + 1
	self.ctx.storage:put("value", v)
	return v
end
"""

QUICK_START = COUNTER + """
return {
	Counter = Counter,
	fetch = function(request, env)
		return Response.new("Count: " .. env.COUNTER:getByName("global"):increment() .. "\\n")
	end,
}
"""


def test_A1_02_counter_quick_start(drey):
    d = drey(QUICK_START, bindings={"COUNTER": "Counter"})
    assert [d.get("/").text for _ in range(3)] == ["Count: 1\n", "Count: 2\n", "Count: 3\n"]
    d.kill9()
    d.start()
    assert d.get("/").text == "Count: 4\n"


def test_A1_03_an_unknown_binding_lists_the_declared_ones(drey):
    d = drey(QUICK_START, bindings={"COUNTER": "Counter"})
    assert d.get("/").status == 200
    d.stop()
    d.edit_conf("binding COUNTER ", "binding TALLY ")
    d.start()
    assert d.get("/").status == 500
    d.wait_log(r"env\.COUNTER is not declared; declared: TALLY")


def test_A1_04_a_class_without_a_migration_is_refused_with_the_line_to_paste(drey):
    d = drey(QUICK_START, bindings={"COUNTER": "Counter"}, classes=[], start=False)
    line = 1 + d.conf()[: d.conf().index("binding COUNTER")].count("\n")
    code, said = d.start_fails()
    assert code == 1
    assert f"{d.conf_path}:{line}:" in said
    advice = "migrations { v1 { new_sqlite_classes Counter; } }"
    assert 'class "Counter" has no migration: no migration found for class' in said and advice in said
    d.edit_conf("    durable_objects", f"    {advice}\n    durable_objects")
    d.start()
    assert d.get("/").text == "Count: 1\n"


def test_A1_06_the_front_module_answers(drey):
    d = drey('return { fetch = function(req, env, ctx) return Response.new("ok") end }')
    r = d.get("/")
    assert (r.status, r.text) == (200, "ok")


def test_A1_07_a_class_that_the_files_do_not_return_is_refused(drey):
    d = drey({"worker.lua": COUNTER}, bindings={"COUNTER": "Counter"}, start=False)
    line = 1 + d.conf()[: d.conf().index("binding COUNTER")].count("\n")
    code, said = d.start_fails()
    assert code == 1
    assert f"{d.conf_path}:{line}:" in said
    assert 'binding COUNTER: class "Counter" not found: ' in said
    assert 'worker.lua returned nil (did you forget "return Counter"?)' in said


def test_A1_07_a_class_may_come_from_a_source_file_or_from_require(drey):
    files = {
        "worker.lua": """
            local Other = require "other"
            return { Other = Other, fetch = function(_, env)
                return Response.new(env.COUNTER:getByName("a"):increment() .. env.OTHER:getByName("a"):hi())
            end }""",
        "counter.lua": COUNTER + "\nreturn Counter\n",
        "other.lua": 'local Other = DurableObject:extend "Other"\nfunction Other:hi() return "hi" end\nreturn Other\n',
    }
    d = drey(files, bindings={"COUNTER": "Counter", "OTHER": "Other"}, app_conf={"source": "counter.lua"})
    assert d.get("/").text == "1hi"


def test_A1_10_two_classes_have_separate_storage(drey):
    lua = KIT + """
    local A = DurableObject:extend "A"
    function A:put(v) self.ctx.storage:put("k", v) end
    function A:get() return self.ctx.storage:get "k" end
    local B = A:extend "B"
    """ + export("A", "B")
    d = drey(lua, bindings={"FIRST": "A", "SECOND": "B"})
    call(d, "FIRST", "same", "put", "in A")
    assert call(d, "SECOND", "same", "get") is None
    call(d, "SECOND", "same", "put", "in B")
    assert call(d, "FIRST", "same", "get") == "in A"
    assert call(d, "SECOND", "same", "get") == "in B"
    d.stop()
    assert len(d.databases("A")) == 1 and len(d.databases("B")) == 1


# (what is wrong, the configuration, line of the error, what the message must say)
SITE = "app a { root @HOME@/app; main worker.lua; %s }\nserver { listen 127.0.0.1:@PORT@; location / { app a; } }\n"
BROKEN = [
    ("unknown directive", "worker_threads 1;\nworkers 2;\n", 2, "workers"),
    ("near miss", "worker_threds 1;\n", 1, "worker_threads"),
    ("no semicolon", "worker_threads 1\ndata_dir @DATA@;\n", None, ";"),
    ("missing brace", "app a {\n root x;\n", 1, "}"),
    ("a brace too many", "worker_threads 1;\n}\n", 2, "}"),
    ("unterminated quote", 'data_dir "abc;\n', 1, "quote"),
    ("bad size", "worker_threads 1;\njournal_segment 12q;\n", 2, "12q"),
    ("bad time", "\n\nshutdown_timeout 5parsecs;\n", 3, "5parsecs"),
    ("bad number", "worker_threads many;\n", 1, "many"),
    ("out of bounds", "worker_threads 100000;\n", 1, "100000"),
    ("bad switch", SITE % "\ndev_errors maybe;", 2, "maybe"),
    ("too few arguments", "worker_threads;\n", 1, "worker_threads"),
    ("too many arguments", "worker_threads 1 2;\n", 1, "worker_threads"),
    ("twice", "worker_threads 1;\nworker_threads 2;\n", 2, "1"),
    ("wrong place", "listen 8787;\n", 1, "server"),
    ("unknown app", "server {\n listen 127.0.0.1:@PORT@;\n location / { app nope; }\n}\n", 3, "nope"),
    ("bad port", "server {\n listen 127.0.0.1:99999;\n}\n", 2, "99999"),
    ("include not found", "include nowhere.conf;\n", 1, "nowhere.conf"),
    ("no main", "app a {\n root @HOME@/app;\n}\n", 1, "main"),
    ("main not there", "app a {\n root @HOME@/app;\n main gone.lua;\n}\n"
     "server { listen 127.0.0.1:@PORT@; location / { app a; } }\n", 3, "gone.lua"),
    ("app twice", SITE % "" + "app a { root @HOME@/app; main worker.lua; }\n", 3, "a"),
    ("binding twice", SITE % "\ndurable_objects { binding X class_name=A;\n binding X class_name=A; }\n"
     "migrations { v1 { new_sqlite_classes A; } }", 3, "X"),
    ("migration missing", SITE % "\ndurable_objects {\n binding X class_name=A; }", 3, "new_sqlite_classes A"),
]


@pytest.mark.parametrize("conf, line, says", [b[1:] for b in BROKEN], ids=[b[0].replace(" ", "-") for b in BROKEN])
def test_A1_16_a_broken_configuration_names_its_line(drey, conf, line, says):
    d = drey('return { fetch = function() return Response.new "ok" end }', conf=conf, start=False)
    r = d.run("-t")
    assert r.returncode == 1, r
    lines = [line] if line else [1, 2]
    assert any(f"{d.conf_path}:{n}:" in r.stderr for n in lines), r.stderr
    assert says in r.stderr, r.stderr
    # Starting says the same and does not start.
    code, said = d.start_fails()
    assert code == 1 and says in said


def test_A1_16_a_good_configuration_passes_and_prints_back(drey):
    d = drey(QUICK_START, bindings={"COUNTER": "Counter"}, start=False)
    r = d.run("-t")
    assert r.returncode == 0, r
    r = d.run("-T")
    assert r.returncode == 0 and "class_name=Counter;" in r.stdout
    with open(f"{d.home}/printed.conf", "w", encoding="utf-8") as f:
        f.write(r.stdout)
    again = d.run("-T", "-c", f"{d.home}/printed.conf")
    assert again.returncode == 0
    assert [l for l in again.stdout.splitlines() if not l.startswith("#")] == \
        [l for l in r.stdout.splitlines() if not l.startswith("#")]


def test_the_command_line_explains_itself(drey):
    d = drey("return {}", start=False)
    r = d.run("-V", "-c", d.conf_path)
    assert r.returncode == 0 and "drey" in r.stdout + r.stderr
    r = d.run("-h", "-c", d.conf_path)
    assert r.returncode == 0 and "-t" in r.stdout and "-c" in r.stdout
    r = d.run("--nonsense", "-c", d.conf_path)
    assert r.returncode == 2 and "drey -h" in r.stderr


def test_a_second_server_on_the_same_data_is_refused(drey):
    d = drey(QUICK_START, bindings={"COUNTER": "Counter"})
    conf = d.conf().replace(f":{d.port};", f":{free_port()};").replace("drey.pid", "other.pid")
    second = drey(QUICK_START, conf=conf, start=False)
    os.makedirs(f"{d.home}/app", exist_ok=True)
    code, said = second.start_fails()
    # Its log file is the first one's, as configured.
    assert code == 1 and str(d.pid) in said + d.log()
    assert d.get("/").text == "Count: 1\n"

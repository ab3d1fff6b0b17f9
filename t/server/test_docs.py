"""What the README and doc/api show is run as it stands there."""

import glob
import os
import re

from drey import TOP

CODE = re.compile(r"^```(\w+)\n(.*?)^```", re.M | re.S)


def blocks(path, language):
    with open(f"{TOP}/{path}", encoding="utf-8") as f:
        return [text for kind, text in CODE.findall(f.read()) if kind == language]


def test_the_readme_runs_as_it_is_printed(drey):
    (lua,), (conf,) = blocks("README.md", "lua"), blocks("README.md", "nginx")
    assert len([line for line in lua.splitlines() if line.strip()]) <= 12, "the README promises twelve lines"
    assert "127.0.0.1:8787" in conf
    d = drey(conf="data_dir @DATA@;\nerror_log @HOME@/error.log;\n" + conf.replace("8787", "@PORT@"), start=False)
    os.makedirs(f"{d.home}/apps/counter")
    with open(f"{d.home}/apps/counter/counter.lua", "w", encoding="utf-8") as f:
        f.write(lua)
    d.start()
    assert d.get("/counter/increment").text == "Count: 1\n"
    d.kill9()
    d.start()
    assert d.get("/counter/increment").text == "Count: 2\n"


# What an example of a page takes for granted.
SETTING = """
local Counter = DurableObject:extend "Counter"
function Counter:increment() return 1 end
local Room = DurableObject:extend "Room"
%(methods)s
function Room:run(n)
	local ctx, env, storage, sql = self.ctx, self.env, self.ctx.storage, self.ctx.storage.sql
	local request = Request.new "https://example.org/note/12?page=3"
	local items, text, since = { 1, 2 }, "text", 0
	local examples = { %(examples)s }
	examples[n]()
	return "ran"
end
return { Room = Room, Counter = Counter, fetch = function(request, env)
	return Response.new(env.ROOM:getByName("r"):run(tonumber(request.url:match "%%d+$")))
end }
"""


def split_into_runs(text):
    """An example with several returns is several pieces of code."""
    if text.count("return Response") > 1:
        return [line for line in text.splitlines() if line.strip()]
    return [text.replace("\n    ...\n", "\n")]


def test_the_examples_of_the_api_pages_run(drey):
    methods, examples = "", []
    for path in sorted(glob.glob(f"{TOP}/doc/api/*.md")):
        for text in blocks(os.path.relpath(path, TOP), "lua"):
            if "DurableObject:extend" in text:
                continue  # a whole file; the next test
            if text.startswith("function Room:") or "RpcTarget:extend" in text:
                methods += text
                continue
            for piece in split_into_runs(text):
                examples.append(f"function()\n{piece}\nend")
    assert len(examples) >= 6
    d = drey(SETTING % {"methods": methods, "examples": ",\n".join(examples)},
             bindings={"ROOM": "Room", "COUNTER": "Counter"}, app_conf={"dev_errors": "on"}, top_conf={"jurisdiction": "eu"})
    for n in range(1, len(examples) + 1):
        r = d.get(f"/{n}")
        assert r.text == "ran", f"{examples[n - 1]}\n{r.text}"


def test_the_class_page_shows_a_whole_app(drey):
    (text,) = blocks("doc/api/class.md", "lua")
    d = drey(text.replace("...", 'return Response.new(tostring(env.C:getByName("a"):fetch(request):json().n))'),
             bindings={"C": "Counter"})
    assert [d.get("/").text for _ in range(3)] == ["1", "2", "3"]


def test_every_link_between_pages_leads_somewhere():
    pages = [f"{TOP}/README.md", *glob.glob(f"{TOP}/doc/**/*.md", recursive=True), *glob.glob(f"{TOP}/apps/*/README.md")]
    for page in pages:
        with open(page, encoding="utf-8") as f:
            text = f.read()
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
            if "://" not in target:
                assert os.path.exists(os.path.join(os.path.dirname(page), target)), f"{page}: {target}"

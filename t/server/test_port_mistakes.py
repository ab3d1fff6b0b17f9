"""What people write who come from JavaScript, and what they are told: the place and what to write instead, to the letter."""

import pytest

from drey import Drey

# (what they write, what drey says of it behind "worker.lua:LINE: ")
SYNTAX = [
    ("if a != b then end", "'then' expected near '!'; \"!=\" is not Lua; inequality is  ~="),
    ("if a === b then end", "unexpected symbol near '='; \"===\" is not Lua; equality is  =="),
    ("if a !== b then end", "'then' expected near '!'; \"!==\" is not Lua; inequality is  ~="),
    ("if a && b then end", "'then' expected near '&'; \"&&\" is not Lua; write  and"),
    ("if a || b then end", "'then' expected near '|'; \"||\" is not Lua; write  or"),
    ("if (!a) then end", "unexpected symbol near '!'; \"!\" is not Lua; write  not"),
    ("local x = 1 // one", "unexpected symbol near '/'; \"//\" is not Lua; a comment begins with  --"),
    ("/* note */", "unexpected symbol near '*'; \"/*\" is not Lua; a long comment is  --[[ ... ]]"),
    ("const a = 1", "'=' expected near 'a'; \"const\" is not Lua; write  local a"),
    ("let a = 1", "'=' expected near 'a'; \"let\" is not Lua; write  local a"),
    ("var a = 1", "'=' expected near 'a'; \"var\" is not Lua; write  local a"),
    ("n += 1", "'=' expected near '+'; \"+=\" is not Lua; write  n = n + x"),
    ("n -= 1", "'=' expected near '-'; \"-=\" is not Lua; write  n = n - x"),
    ("n++", "'=' expected near '+'; \"++\" is not Lua; write  n = n + 1"),
    ("local v = await f()", "\"await\" is not Lua; calls of stubs, fetch() and sleep() wait by themselves: leave await out; "
     "for a promise write  await(promise)"),
    ("await f()", "'=' expected near 'f'; \"await\" is not Lua; calls of stubs, fetch() and sleep() wait by themselves: leave await out; "
     "for a promise write  await(promise)"),
    ("local r = new Response('x')", "\"new\" is not Lua; write  Response.new(...)"),
    ("return new Response('x')", "'<eof>' expected near 'Response'; \"new\" is not Lua; write  Response.new(...)"),
    ("if typeof x == 'string' then end", "'then' expected near 'x'; \"typeof\" is not Lua; write  type(x)"),
    ("throw new Error('x')", "'=' expected near 'new'; \"throw\" is not Lua; write  error(\"message\")"),
    ("class Counter extends DurableObject {", "'=' expected near 'Counter'; \"class\" is not Lua; "
     "write  local Counter = DurableObject:extend \"Counter\""),
    ("async function f() {", "'=' expected near 'function'; \"async\" is not Lua; a function needs no mark: write  function"),
    ("export default {", "'=' expected near 'default'; \"export\" is not Lua; "
     "the last line of the file is  return { fetch = fetch, Counter = Counter }"),
    ("delete t.a", "'=' expected near 't'; \"delete\" is not Lua; write  t.key = nil"),
    ("function f(a) {", "unexpected symbol near '{'; \") {\" is not Lua; "
     "a block has no braces: if ... then ... end, while ... do ... end, function(x) ... end"),
    ("for (let i = 0; i < 3; i++) {", "'<name>' expected near '('; \"for (\" is not Lua; "
     "write  for i = 1, n do ... end  or  for key, value in pairs(t) do ... end"),
    ("local t = { ok: true }", "'<name>' expected near 'true'; \": \" is not Lua; a field in a table is written  name = value"),
    ("local t = { \"a\": 1 }", "'}' expected near ':'; \":\" is not Lua; a key in a table is written  [\"key\"] = value"),
    ("local l = [1, 2]", "unexpected symbol near '['; \"[\" is not Lua; a list is written  { 1, 2, 3 }"),
    ("local f = (a) => a", "unexpected symbol near '='; \"=>\" is not Lua; write  function(x) return x end"),
    ("local s = a ? b : c", "unexpected symbol near '?'; \"?\" is not Lua; write  condition and a or b"),
    ("local s = a ?? b", "unexpected symbol near '?'; \"??\" is not Lua; write  or  (which also replaces false)"),
    ("local s = a?.b", "unexpected symbol near '?'; \"?.\" is not Lua; write  a and a.b"),
    ("local s = `hi ${x}`", "unexpected symbol near '`'; \"`\" is not Lua; write  \"Hello \" .. name"),
    ("local a = 1 }", "unexpected symbol near '}'"),
    ("}", "unexpected symbol near '}'; \"}\" is not Lua; braces are for tables; a block ends with  end"),
    # At the top of a file, so it is the start that fails.
    ("import { a } from 'b'", "attempt to call global 'import' (a nil value); write  local name = require \"file\""),
    ("local s = 'a' + 'b'", "attempt to perform arithmetic on a string value; texts are joined with  .."),
    ("local s = Response('x')", "attempt to call global 'Response' (a table value); write  Response.new(...)"),
    ("local n = Math.floor(1.5)", "attempt to index global 'Math' (a nil value); write  math.floor(x), math.random()"),
    # What only looks like a mistake.
    ("local t = 'a != b' y = = 2", "unexpected symbol near '='"),
    ("-- a != b\t\nlocal y = = 2", None),
    ("local t = { a = 1,\n}\nlocal y = = 2", None),
]

BEHIND = [		# a block with braces: the compiler complains about what follows
    ("if (a) {", "\") {\" is not Lua; a block has no braces"),
    ("try {", "\"try {\" is not Lua; write  local ok, err = pcall(fn)"),
    ("switch (x) {", "\") {\" is not Lua; a block has no braces"),
]

FINE = """
local new, await_, class, let, const = 1, 2, 3, 4, 5	-- names like any other
local text = [[ local v = await f() ]] .. "new Response" .. [==[ throw new ]] ]==]
--[[ const a != b
]]
local t = { new = new, let = let, ["a: b"] = const }
function t:await_() return self.new end
if new then t.new = new end
local m = await
return { fetch = function() return Response.new(tostring(t.new) .. (m == await and "" or "?")) end }
"""


@pytest.fixture(scope="module")
def checked():
    """Says what drey -t thinks of the text as the app's main file."""
    d = Drey("return {}")

    def check(text):
        d.write("worker.lua", text)
        r = d.run("-t")
        return r.returncode, r.stderr

    yield check
    d.close()


@pytest.mark.parametrize("code, says", [s for s in SYNTAX if s[1]], ids=[s[0].replace(" ", "_") for s in SYNTAX if s[1]])
def test_a_file_that_looks_like_javascript_names_the_fix(checked, code, says):
    status, said = checked("local ok = 1\n" + code + "\n")
    first = said.split("\n")[0]
    assert status == 1 and first == f"drey: worker.lua:2: {says}"


@pytest.mark.parametrize("code", [s[0] for s in SYNTAX if not s[1]])
def test_what_is_in_comments_and_tables_is_no_mistake(checked, code):
    status, said = checked("local ok = 1\n" + code + "\n")
    assert status == 1 and said.strip().endswith("unexpected symbol near '='")


@pytest.mark.parametrize("code, says", BEHIND, ids=[b[0] for b in BEHIND])
def test_braces_are_named_although_the_error_lies_behind(checked, code, says):
    status, said = checked(f"local ok = 1\n{code}\n\treturn 1\n")
    assert status == 1 and says in said


def test_lua_that_only_resembles_it_runs(drey):
    d = drey(FINE)
    assert d.get("/").text == "1"

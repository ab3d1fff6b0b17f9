"""What people write who come from JavaScript, and what they are told: the place and what to write instead, to the letter."""

import pytest

from drey import Drey
from kit import KIT, call, export, refused

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


# -- in a running program

# (Lua in an object; what it is told behind "worker.lua:1: ").
RUNNING = [
    ("local x = s.get('k') return x", "storage.get(...) needs a colon: write  storage:get(...)"),
    ("s.put('k', 1)", "storage.put(...) needs a colon: write  storage:put(...)"),
    ("s.delete('k')", "storage.delete(...) needs a colon: write  storage:delete(...)"),
    ("s.list({})", "storage.list(...) needs a colon: write  storage:list(...)"),
    ("s.deleteAll()", "storage.deleteAll(...) needs a colon: write  storage:deleteAll(...)"),
    ("s.transaction(function() end)", "storage.transaction(...) needs a colon: write  storage:transaction(...)"),
    ("s.transactionSync(function() end)", "storage.transactionSync(...) needs a colon: write  storage:transactionSync(...)"),
    ("s.sync()", "storage.sync(...) needs a colon: write  storage:sync(...)"),
    ("for k in s.kv.list() do end", "kv.list(...) needs a colon: write  kv:list(...)"),
    ("sql.exec('SELECT 1')", "sql.exec(...) needs a colon: write  sql:exec(...)"),
    ("sql.prepare('SELECT 1')", "sql.prepare(...) needs a colon: write  sql:prepare(...)"),
    ("local c = sql:exec 'SELECT 1'; local a = c.toArray()", "a method of a cursor is called with a colon: cursor:toArray()"),
    ("ctx.waitUntil(function() end)", "ctx.waitUntil(...) needs a colon: write  ctx:waitUntil(...)"),
    ("ctx.blockConcurrencyWhile(function() end)", "ctx.blockConcurrencyWhile(...) needs a colon: write  ctx:blockConcurrencyWhile(...)"),
    ("ctx.abort('x')", "ctx.abort(...) needs a colon: write  ctx:abort(...)"),
    ("local x = env.S:getByName('a').hello()", "a stub's methods are called with a colon: stub:"),
    ("local x = env.S:getByName('a').fetch('http://x/')", "stub.fetch(...) needs a colon: write  stub:fetch(...)"),
    ("local x = env.S.getByName('a')", "namespaces are called with a colon: env.BINDING:getByName(name)"),
    ("local x = env.S:get('a')", "get(id) takes an id, made by idFromName, idFromString or newUniqueId, not a string"),
    ("local x = env.TYPO", "env.TYPO is not declared; declared: GREETING, S"),
    ("local x = env.TYPO:getByName('a')", "env.TYPO is not declared; declared: GREETING, S"),
    ("local x = env.GREETING:getByName('a')", "attempt to call method 'getByName' (a nil value); "
     "only a binding of durable_objects { } has it; what vars { } declares is a text"),
    ("local x = self.storage:get('k')", "attempt to index field 'storage' (a nil value); an object's storage is  self.ctx.storage"),
    ("s:set('k', 1)", "attempt to call method 'set' (a nil value); in storage it is  storage:put(key, value)"),
    ("sql:query('x')", "attempt to call method 'query' (a nil value); in SQL it is  sql:exec(query, ...)"),
    ("local x = this.ctx", "attempt to index global 'this' (a nil value); an object's own is  self"),
    ("local x = undefined.y", "attempt to index global 'undefined' (a nil value); write  nil"),
    ("local x = null.y", "attempt to index global 'null' (a nil value); write  nil; inside JSON it is  JSON.null"),
    ("local l = {1} for i = 0, l.length do end", "'for' limit must be a number; the length of a list is  #list; is that what should stand here?"),
    ("local l = {1} return l.length + 1", "attempt to perform arithmetic on field 'length' (a nil value); the length of a list or text is  #list"),
    ("local l = {{}} return l[0].x", "attempt to index a nil value; what stands before the dot or the bracket is nothing; lists begin at 1"),
    ("local l = {1} l:push(2)", "attempt to call method 'push' (a nil value); write  table.insert(list, value)"),
    ("local x = ('a'):toUpperCase()", "attempt to call method 'toUpperCase' (a nil value); write  text:upper()"),
    ("local a = 'x' return a + 'b'", "attempt to perform arithmetic on local 'a' (a string value); texts are joined with  .."),
    ("return parseInt('1')", "attempt to call global 'parseInt' (a nil value); write  math.floor(tonumber(x))"),
    ("local r = Response('x')", "attempt to call global 'Response' (a table value); write  Response.new(...)"),
    ("local r = Response:new('x')", "Response:new(...) needs a dot: write  Response.new(...)"),
    ("local r = Response:json({})", "Response:json(...) needs a dot: write  Response.json(...)"),
    ("local r = Response.new({ ok = true })", "the body of a Response is a string, not a table; use Response.json(value)"),
    ("local r = Response.new('x', 404)", "the second argument is a table such as { status = 404, headers = { name = value } }, not a number"),
    ("local x = JSON:parse('{}')", "JSON:parse(...) needs a dot: write  JSON.parse(...)"),
    ("local x = JSON.stringify({ f = function() end })", "JSON: value.f is a function, which JSON cannot say"),
    ("local r = Request.new('http://x') local y = r.text()", "a method needs a colon: write  object:method(...), not  object.method(...)"),
    ("setTimeout(1000, function() end)", "setTimeout(fn, ms) takes a function, not a number"),
    ("sleep('a')", "bad argument #1 to 'sleep' (number expected, got string)"),
]

RUN = KIT + """
local S = DurableObject:extend "S"
function S:run(code)
	local head = "local ctx, s, sql, env, self = ... "
	local out = assert(loadstring(head .. code, "=worker.lua"))(self.ctx, self.ctx.storage, self.ctx.storage.sql, self.env, self)
	return nil, out
end
""" + export("S")


def test_a_running_program_is_told_the_fix_at_its_line(drey):
    d = drey(RUN, bindings={"S": "S"}, vars={"GREETING": "hi"})
    for code, says in RUNNING:
        with refused() as seen:
            call(d, "S", "a", "run", code)
        said = seen.error["message"]
        assert said.startswith("worker.lua:1: " + says), f"{code}: {said}"


def front(body):
    return "local function helper() end\nreturn { fetch = function(request, env)\n" + body + "\nend }"


FRONT = [
    ("nothing is returned", front("Response.new 'ok'"), "worker.lua:2"),
    ("a table is returned", front("return { status = 200, body = 'ok' }"), "worker.lua:2"),
    ("a text is returned", front("return 'ok'"), "worker.lua:2"),
]


@pytest.mark.parametrize("lua, place", [f[1:] for f in FRONT], ids=[f[0] for f in FRONT])
def test_a_handler_that_gives_no_response_is_told_what_to_return(drey, lua, place):
    d = drey(lua, app_conf={"dev_errors": "on"})
    r = d.get("/")
    assert r.status == 500 and place in r.text and "Response" in r.text, r.text


# (Lua, bindings, classes of the migration; what the start says)
START = {
    "forgot to return the class": ("local C = DurableObject:extend 'C'\n", {"C": "C"}, ["C"],
     'binding C: class "C" not found: worker.lua returned nil (did you forget "return C"?)'),
    "forgot it in the table": ("local C = DurableObject:extend 'C'\nreturn { fetch = function() end }", {"C": "C"}, ["C"],
     'binding C: class "C" not found: worker.lua returned a table without it (did you forget "return { fetch = fetch, C = C }"?)'),
    "a class of another name": ("local D = DurableObject:extend 'D'\nreturn D", {"C": "C"}, ["C"],
     'binding C: class "C" not found: worker.lua returned the classes D'),
    "no migration": ("local C = DurableObject:extend 'C'\nreturn C", {"C": "C"}, [],
     'class "C" has no migration: no migration found for class; add  migrations { v1 { new_sqlite_classes C; } }'),
    "a class needs extend": ("local C = DurableObject.extend 'C'\nreturn C", {"C": "C"}, ["C"],
     "extend is called on a class: DurableObject:extend \"Counter\""),
}


@pytest.mark.parametrize("which", list(START))
def test_a_class_that_is_not_found_is_explained_at_the_start(drey, which):
    lua, bindings, classes, says = START[which]
    d = drey(lua, bindings=bindings, classes=classes, start=False)
    r = d.run("-t")
    assert r.returncode == 1 and says in r.stderr, r.stderr

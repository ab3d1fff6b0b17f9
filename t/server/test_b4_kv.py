"""Keys and values beyond the basics: rows B4-01, B4-03 to B4-06, B4-08, B4-15."""

import random

import pytest

from kit import refused, scratch

@pytest.fixture
def lua(drey):
    return scratch(drey)


def fill(lua):
    lua("for c in ('abcdexyz'):gmatch '.' do s:put(c, c:byte()) end")


def keys(lua, options):
    return "".join(lua("local out = {} for k in pairs(s:list(arg[1])) do out[#out + 1] = k end return table.concat(out)", options))


def test_B4_01_kv_has_the_same_data(lua):
    assert lua("""kv:put("k", { 1, "two" }) s:put("l", "of storage")
        return { s:get("k")[2], kv:get "l", kv:get "none" == nil, kv:delete "l", kv:delete "l", select("#", kv:put("m", 5)) }
        """) == ["two", "of storage", True, True, False, 0]
    lua.server.kill9()
    lua.server.start()
    assert lua("local out = {} for k, v in kv:list() do out[#out + 1] = k end return out") == ["k", "m"]
    with refused("undone"):
        lua("s:transactionSync(function() kv:put('k', 'new') kv:delete 'm' error 'undone' end)")
    assert lua("return { kv:get('k')[1], kv:get 'm' }") == [1, 5]


def test_B4_01_kv_list_is_lazy_and_sees_what_happens_ahead(lua):
    lua("for i = 1, 300 do kv:put(('k%03d'):format(i), i) end")
    # The classic loops: every key is visited once, whatever the loop does to it.
    assert lua("""local n, sum = 0, 0
        for k, v in kv:list() do n, sum = n + 1, sum + v kv:put(k, v + 1) end
        return { n, sum }""") == [300, 300 * 301 // 2]
    assert lua("local n = 0 for k, v in kv:list { reverse = true } do n = n + 1 kv:delete(k) end return { n, s:list().size }") == [300, 0]
    # Deleted ahead: not given. Put ahead: given. Put behind: not given. Changed ahead: as it is by then.
    assert lua("""for i = 1, 9 do kv:put("k" .. i, i) end
        local seen = {}
        for k, v in kv:list() do
            seen[#seen + 1] = k .. "=" .. v
            if k == "k2" then kv:delete "k3" kv:put("k3a", "new") kv:put("k1a", "behind") s:put("k9", "changed") end
            if k == "k5" then sql:exec "SELECT 1" s:delete { "k6", "k7" } end
        end
        return table.concat(seen, " ")""") == "k1=1 k2=2 k3a=new k4=4 k5=5 k8=8 k9=changed"
    # Several at once, stopped early, and across a wait in which another event writes.
    assert lua("""s:deleteAll() for i = 1, 9 do kv:put("k" .. i, i) end
        local pairs_seen = 0
        for a in kv:list { limit = 3 } do for b in kv:list { reverse = true, start = "k7" } do pairs_seen = pairs_seen + 1 end end
        local step = kv:list { prefix = "k" }
        step()
        return pairs_seen""") == 9
    assert lua("""local step = kv:list()
        local first = step()
        sleep(5)
        env.S:getByName("b"):lua "s:put('x', 1)"
        return { first, (step()) }""") == ["k1", "k2"]


def test_B4_01_kv_list_refuses_what_list_refuses_where_it_is_called(lua):
    with refused("test:1: list() cannot be called with both start and startAfter values."):
        lua("kv:list { start = 'a', startAfter = 'b' }")
    for options in "5", "'user:'", "true":
        with refused("test:1: list() takes a table of options"):
            lua(f"kv:list({options})")
    with refused("test:1: list() has no option prefx; it knows start"):
        lua("kv:list { prefx = 'a' }")
    for limit in "0", "-1", "0.5":
        with refused("List limit must be positive."):
            lua(f"kv:list {{ limit = {limit} }}")


def test_B4_03_start_after_is_exclusive_and_not_together_with_start(lua):
    fill(lua)
    assert keys(lua, {"startAfter": "c"}) == "dexyz"
    assert keys(lua, {"startAfter": "c", "limit": 2}) == "de"
    assert keys(lua, {"startAfter": "cc"}) == "dexyz"
    assert keys(lua, {"startAfter": "b", "end": "y", "reverse": True}) == "xedc"
    with refused("list() cannot be called with both start and startAfter values."):
        keys(lua, {"start": "a", "startAfter": "b"})
    # Page by page to the end.
    assert lua("""local out, last = {}, nil
        repeat
            local page = s:list { startAfter = last, limit = 3 }
            for k in pairs(page) do out[#out + 1] = k last = k end
            out[#out + 1] = "|"
        until page.size < 3
        return table.concat(out)""") == "abc|dex|yz|"


def test_B4_04_reverse_keeps_the_meaning_of_start_and_end(lua):
    fill(lua)
    for options in {"start": "b", "end": "y"}, {"start": "b"}, {"end": "y"}, {"prefix": "d"}, {}, {"startAfter": "b", "end": "x"}:
        assert keys(lua, options | {"reverse": True}) == keys(lua, options)[::-1]
    assert keys(lua, {"start": "b", "end": "y", "reverse": True, "limit": 2}) == "xe"


def test_B4_05_a_limit_is_positive(lua):
    fill(lua)
    for limit in 0, -1:
        with refused("List limit must be positive."):
            keys(lua, {"limit": limit})
    with refused("list(): limit is a number, not a string"):
        keys(lua, {"limit": "2"})
    assert keys(lua, {"limit": 1}) == "a" and keys(lua, {"limit": 100}) == "abcdexyz"


def test_B4_06_allow_concurrency_is_accepted(lua):
    assert lua("""local o = { allowConcurrency = true }
        s:put("k", 1, o) s:put({ l = 2 }, o)
        return { s:get("k", o), s:get({ "k", "l" }, o).size, s:list(o).size, s:delete("k", o), s:delete({ "l" }, o) }
        """) == [1, 2, 2, True, 1]


def test_B4_08_no_cache_changes_nothing(lua):
    assert lua("""local o = { noCache = true }
        s:put("k", 1, o) s:put({ l = 2 }, o)
        return { s:get("k", o), s:get({ "k", "l" }, o).size, s:list(o).size, s:delete("k", o), s:delete({ "l" }, o) }
        """) == [1, 2, 2, True, 1]


def test_B4_15_nil_is_no_value(lua):
    lua("s:put('k', 'kept')")
    for call in 's:put("k", nil)', 's:put("k")', 'kv:put("k", nil)':
        with refused("put() called with undefined value."):
            lua(call)
    assert lua("return s:get 'k'") == "kept"
    with refused("put() may only be called with a single key-value pair and optional options as put(key, value, options) "
                 "or with multiple key-value pairs and optional options as put(entries, options)"):
        lua("s:put(nil, 1)")
    assert lua("s:put('null', JSON.null) return { s:get 'null' == JSON.null, s:list().size }") == [True, 2]


# -- list() against a model

def model(data, o):
    """What list(o) gives of data: a dict of bytes."""
    found = sorted(data)
    if "start" in o:
        found = [k for k in found if k >= o["start"]]
    if "startAfter" in o:
        found = [k for k in found if k > o["startAfter"]]
    if "end" in o:
        found = [k for k in found if k < o["end"]]
    if "prefix" in o:
        found = [k for k in found if k.startswith(o["prefix"])]
    if o.get("reverse"):
        found.reverse()
    return found[:o.get("limit")]


ALPHABET = [b"\0", b"\x01", b"a", b"\x7f", b"\x80", b"\xfe", b"\xff"]
# The requests come as hex: JSON carries no bytes.
ASK = """
local function bytes(text) return text and (text:gsub("..", function(c) return string.char(tonumber(c, 16)) end)) end
local function hex(text) return (text:gsub(".", function(c) return ("%02x"):format(c:byte()) end)) end
local out = JSON.array {}
for i, o in ipairs(arg[1]) do
    local ask = { start = bytes(o.start), startAfter = bytes(o.startAfter), prefix = bytes(o.prefix), limit = o.limit, reverse = o.reverse }
    ask[i % 2 == 0 and "end" or "end_"] = bytes(o["end"])
    local a, b = JSON.array {}, JSON.array {}
    for k, v in pairs(s:list(ask)) do a[#a + 1] = hex(k) assert(v == k) end
    for k, v in kv:list(ask) do b[#b + 1] = hex(k) assert(v == k) end
    out[i] = { a, b }
end
return out
"""


@pytest.mark.limit(60)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_list_gives_what_a_model_gives_with_every_combination_of_options(lua, seed):
    r = random.Random(seed)

    def key():
        return b"".join(r.choice(ALPHABET) for _ in range(r.randrange(4)))

    data = {key() for _ in range(r.choice([3, 40, 250]))}
    lua("""for _, k in ipairs(arg[1]) do
        k = k:gsub("..", function(c) return string.char(tonumber(c, 16)) end)
        s:put(k, k)
    end""", [k.hex() for k in data])
    asked = []
    for choice in range(64):  # every combination, many times
        for _ in range(12):
            o = {name: key() for i, name in enumerate(["start", "startAfter", "end", "prefix"]) if choice >> i & 1}
            if "start" in o and "startAfter" in o:
                del o[r.choice(["start", "startAfter"])]
            if choice & 16:
                o["reverse"] = True
            if choice & 32:
                o["limit"] = r.randrange(1, 20)
            asked.append(o)
    for i in range(0, len(asked), 64):
        some = asked[i:i + 64]
        got = lua(ASK, [{k: v.hex() if isinstance(v, bytes) else v for k, v in o.items()} for o in some])
        for o, (listed, walked) in zip(some, got):
            expected = [k.hex() for k in model(data, o)]
            assert listed == expected, o
            assert walked == expected, o


def test_a_map_keeps_its_order(lua):
    assert lua("""for i, k in ipairs { "b", "a", "ä", "c", "size", "get", "" } do s:put(k, i) end
        local map = s:list()
        local function in_order(iterator)
            local out = {}
            for x in iterator do out[#out + 1] = x end
            return out
        end
        local each = {}
        map:forEach(function(v, k, m) each[#each + 1] = m:get(k) == v and v end)
        local before = { in_order(map:keys()), in_order(map:values()), each, #map:keys() }
        map:delete "a" map:set("new", 0) map:set("b", "changed")
        return { before, in_order(pairs(map)), map.size, map:get "size", map:has "a", map:get "b" }""") == [
            [["", "a", "b", "c", "get", "size", "ä"], [7, 2, 1, 4, 6, 5, 3], [7, 2, 1, 4, 6, 5, 3], 7],
            ["", "b", "c", "get", "size", "ä", "new"], 7, 5, False, "changed"]


# -- values

def test_A6_10_values_of_every_kind_come_back_from_keys(lua):
    lua("""s:put {
        most = 9223372036854775807LL, least = -9223372036854775807LL - 1LL, above = 9007199254740993LL, small = -5LL,
        unsigned = 18446744073709551615ULL, edge = 2^53, nan = 0 / 0, inf = math.huge, minus = -math.huge, zero = -0.0,
        tiny = 5e-324, yes = true, no = false, null = JSON.null, date = Date.new(-1), empty = "", bytes = "\\0\\255\\0",
        list = JSON.array {}, nested = { a = { { b = 5LL } }, [1] = "x" }, huge = 1.7976931348623157e308,
    }""")
    lua.server.kill9()
    lua.server.start()
    assert lua("""local v = s:get { "most", "least", "above", "small", "unsigned", "edge", "nan", "inf", "minus", "zero", "tiny", "yes",
            "no", "null", "date", "empty", "bytes", "list", "nested", "huge" }
        local function is(name, test) return test and true or name end
        return {
            is("most", v:get "most" == 9223372036854775807LL and type(v:get "most") == "cdata"),
            is("least", v:get "least" == -9223372036854775807LL - 1LL), is("above", v:get "above" == 9007199254740993LL),
            is("small", v:get "small" == -5LL and type(v:get "small") == "cdata"),
            is("unsigned", tostring(v:get "unsigned") == "18446744073709551615ULL"), is("edge", v:get "edge" == 2^53),
            is("nan", v:get "nan" ~= v:get "nan"), is("inf", v:get "inf" == math.huge), is("minus", v:get "minus" == -math.huge),
            is("zero", 1 / v:get "zero" == -math.huge), is("tiny", v:get "tiny" == 5e-324), is("yes", v:get "yes" == true),
            is("no", v:get "no" == false), is("null", v:get "null" == JSON.null), is("date", v:get("date"):getTime() == -1),
            is("empty", v:get "empty" == ""), is("bytes", v:get "bytes" == "\\0\\255\\0"), is("list", JSON.stringify(v:get "list") == "[]"),
            is("nested", v:get("nested").a[1].b == 5LL and v:get("nested")[1] == "x"), is("huge", v:get "huge" == 1.7976931348623157e308),
            is("size", v.size == 20),
        }""") == [True] * 21

"""JSON as it goes in and out of the server, to the last digit."""

import json
import math
import random
import struct

from kit import KIT, export

APP = KIT + """
local T = DurableObject:extend "T"
function T:echo(v) return v end
routes["/echo"] = function(request) return Response.json(request:json()) end
routes["/indented"] = function(request) return Response.new(JSON.stringify(request:json(), nil, 2)) end
routes["/rpc"] = function(request, env) return Response.json(env.T:getByName("a"):echo(request:json())) end
routes["/fetched"] = function(request, env)
	local ok, e = pcall(function() local v = request:json() return v end)
	return Response.new(ok and "read" or tostring(e))
end
routes["/bomb"] = function()
	local v = { ("x"):rep(1000) }
	for _ = 1, 40 do v = { v, v } end
	local ok, e = pcall(JSON.stringify, v)
	return Response.new(tostring(ok) .. " " .. tostring(e))
end
""" + export("T")
ONE = {"T": "T"}


def digits(text):
    """How many it needs, without sign, point, exponent and the zeros at either end."""
    return len(text.lower().split("e")[0].replace("-", "").replace(".", "").strip("0"))


def doubles(n):
    rng = random.Random(4)
    while n > 0:
        d = struct.unpack("<d", rng.randbytes(8))[0]
        d = [d, rng.random(), rng.randrange(10**9) / 10**rng.randrange(9), rng.random() * 10 ** rng.randrange(-9, 25)][n % 4]
        if math.isfinite(d):
            n -= 1
            yield d


def test_every_double_comes_back_as_it_went_in_and_no_longer_than_needed(drey):
    d = drey(APP, bindings=ONE)
    sent = list(doubles(20000))
    text = d.post("/echo", body=json.dumps(sent)).text
    back = json.loads(text, parse_float=str, parse_int=str)
    for number, got in zip(sent, back, strict=True):
        assert float(got) == number, (number, got)
        if not float(number).is_integer():
            assert digits(got) == digits(repr(number)), (number, got)


def test_texts_that_keep_every_byte(drey):
    d = drey(APP, bindings=ONE)
    for text in ["[]", "{}", "[[],{}]", '[{"a":[]},[[]],null]', '{"a":null}', "[null,null]", '"\u2028 / ü 😀 \x7f"', "[0.1,1e+21,1e-7]",
                 "[9007199254740991,9007199254740992,9007199254740993,-9007199254740993]", "[12345678901234567,18446744073709551615]",
                 "123456789012345680000", '"\\b\\f\\n\\r\\t\\"\\\\\\u0000\\u001f"', "true", "null", '""', "[[[[[[1]]]]]]"]:
        assert d.post("/echo", body=text.encode()).text == text
        assert d.post("/rpc", body=text.encode()).text == text
    assert d.post("/echo", body="[-0, -0.0, 1.0, 1E2, 0.10, 1e-400]").text == "[0,0,1,100,0.1,0]"
    assert d.post("/echo", body='{"a":1,"a":2}').text == '{"a":2}'
    assert d.post("/indented", body='{"b":[1,{}],"a":[]}').text == '{\n  "a": [],\n  "b": [\n    1,\n    {}\n  ]\n}'


def test_a_body_that_is_not_json_is_refused_with_its_place(drey):
    d = drey(APP, bindings=ONE)
    for body, why in {
        b'{"a":\n  tru}': "JSON: expected a value at line 2, column 3 (byte 9), near 'tru}'",
        b'["ab\xff"]': "JSON: a byte that is not UTF-8 at line 1, column 5 (byte 5)",
        b"[NaN]": "JSON: expected a value at line 1, column 2 (byte 2), near 'NaN]': JSON has no NaN",
        b"[0x10]": "JSON: expected , or ] at line 1, column 3 (byte 3), near 'x10]'",
        b"[01]": "JSON: a number with a zero in front at line 1, column 2",
        b"[1,]": "JSON: expected a value at line 1, column 4",
        b"": "JSON: the text ends too early at line 1, column 1",
        b"[" * 100000: "JSON: nested deeper than 1000 at line 1, column 1001",
        b'["\\ud800"]': "JSON: half of a surrogate pair in a string at line 1, column 3",
    }.items():
        text = d.post("/fetched", body=body).text
        assert text.startswith("worker.lua:") and why in text, text


def test_a_text_larger_than_the_memory_is_an_error_of_its_request(drey):
    d = drey(APP, bindings=ONE, limits={"memory": "32m"})
    assert "false not enough memory" in d.get("/bomb").text
    assert d.post("/echo", body="[1]").text == "[1]"

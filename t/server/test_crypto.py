"""crypto: row B11-09."""

import base64
import hashlib
import hmac
import random
import uuid

from kit import KIT, call, export, refused

APP = KIT + """
local T = DurableObject:extend "T"
function T:run(name, ...)
	local args = { ... }
	for i, v in ipairs(args) do args[i] = crypto.fromHex(v) end
	return crypto.toHex(crypto[name](unpack(args)))
end
function T:digest(name, data) return crypto.toHex(crypto.digest(name, crypto.fromHex(data))) end
function T:hmac(name, key, data) return crypto.toHex(crypto.hmac(name, crypto.fromHex(key), crypto.fromHex(data))) end
function T:uuid() return crypto.randomUUID() end
function T:bad() local d = crypto.digest("MD5", "x") return d end
-- What a webhook does: the body's signature, in hex.
routes["/hook"] = function(request)
	local want = crypto.toHex(crypto.hmac("SHA-256", "secret", request:text()))
	local got = (request.headers:get "x-signature" or ""):gsub("^sha256=", "")
	return Response.new(crypto.timingSafeEqual(want, got) and "taken" or "refused", { status = 200 })
end
""" + export("T")
ONE = {"T": "T"}


def test_B11_09_digests_and_signatures_agree_with_another_library(drey):
    d = drey(APP, bindings=ONE)
    rng = random.Random(9)
    for n in (0, 1, 55, 56, 63, 64, 65, 111, 112, 127, 128, 129, 5000):
        data, key = rng.randbytes(n), rng.randbytes(rng.randrange(200))
        for name, theirs in {"SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}.items():
            assert call(d, "T", "a", "digest", name, data.hex()) == hashlib.new(theirs, data).hexdigest()
            assert call(d, "T", "a", "hmac", name, key.hex(), data.hex()) == hmac.new(key, data, theirs).hexdigest()
        assert bytes.fromhex(call(d, "T", "a", "run", "toBase64", data.hex())) == base64.b64encode(data)
        assert bytes.fromhex(call(d, "T", "a", "run", "fromBase64url", base64.urlsafe_b64encode(data).hex())) == data
    with refused("worker.lua:", "crypto.digest: there is no digest MD5"):
        call(d, "T", "a", "bad")


def test_B11_09_a_webhook_checks_its_signature(drey):
    d = drey(APP, bindings=ONE)
    body = bytes(range(256))
    right = "sha256=" + hmac.new(b"secret", body, "sha256").hexdigest()
    assert d.post("/hook", body=body, headers={"X-Signature": right}).text == "taken"
    assert d.post("/hook", body=body + b"x", headers={"X-Signature": right}).text == "refused"
    assert d.post("/hook", body=body).text == "refused"


def test_B11_09_random_ids_are_of_version_4_and_differ_between_threads_and_runs(drey):
    d = drey(APP, bindings=ONE, worker_threads=2)
    seen = set()
    for run in range(2):
        seen |= {call(d, "T", name, "uuid") for name in "abcdefgh" for _ in range(10)}
        assert len(seen) == 80 * (run + 1)
        d.restart()
    assert all(uuid.UUID(x).version == 4 and str(uuid.UUID(x)) == x for x in seen)

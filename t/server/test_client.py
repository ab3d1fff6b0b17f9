"""Who asks: the client's address and place, and that nobody can forge them.  Row A4-14."""

import pytest

from drey import StartFailed

FRONT = """
local R = DurableObject:extend "R"
function R:fetch(request)
	local h = request.headers
	return Response.json { ip = h:get "CF-Connecting-IP", way = h:get "X-Forwarded-For", cf = request.cf, others = h:get "cf-other" }
end
return { R = R, fetch = function(request, env)
	if request.url:find "/object" then
		return env.R:getByName("x"):fetch(request)
	end
	return R.fetch(nil, request)
end }
"""

FORGED = {"CF-Connecting-IP": "6.6.6.6", "X-Forwarded-For": "6.6.6.6", "CF-IPCountry": "XX", "cf-other": "x", "Cf-IpCity": "Nowhere"}


@pytest.mark.parametrize("path", ["/", "/object"])
def test_A4_14_the_clients_address_is_the_peers_and_cannot_be_forged(drey, path):
    d = drey(FRONT, bindings={"R": "R"})
    for headers in ({}, FORGED):
        r = d.get(path, headers).json()
        assert (r["ip"], r["way"]) == ("127.0.0.1", "127.0.0.1")
        assert r["cf"] in ({}, []) and "others" not in r


@pytest.mark.parametrize("path", ["/", "/object"])
def test_A4_14_a_trusted_proxy_is_believed(drey, path):
    d = drey(FRONT, bindings={"R": "R"}, server_conf={"trusted_proxy": ["127.0.0.0/8", "10.0.0.0/8 ::1"]})

    def ask(way, **more):
        headers = {"X-Forwarded-For": way} if way is not None else {}
        r = d.get(path, {**headers, **more}).json()
        return r["ip"], r["way"]

    assert ask("203.0.113.7") == ("203.0.113.7", "203.0.113.7, 127.0.0.1")
    assert ask("6.6.6.6, 203.0.113.7, 10.1.2.3") == ("203.0.113.7", "6.6.6.6, 203.0.113.7, 10.1.2.3, 127.0.0.1"), "what the client forged"
    assert ask("203.0.113.7:5123") == ("203.0.113.7", "203.0.113.7:5123, 127.0.0.1")
    assert ask("2001:db8::1") == ("2001:db8::1", "2001:db8::1, 127.0.0.1")
    assert ask("[2001:db8::1]:443") == ("2001:db8::1", "[2001:db8::1]:443, 127.0.0.1")
    assert ask("10.0.0.1, 10.0.0.2")[0] == "10.0.0.1", "all are proxies: the first is the client"
    assert ask("203.0.113.7, unknown, 10.0.0.2")[0] == "10.0.0.2", "who wrote unknown is the last that is known"
    assert ask(None) == ask("") == ask(None, **{"CF-Connecting-IP": "6.6.6.6"}) == ("127.0.0.1", "127.0.0.1")


def test_A4_14_the_place_comes_from_headers_of_a_trusted_proxy(drey):
    d = drey(FRONT, bindings={"R": "R"}, server_conf={"trusted_proxy": "127.0.0.1"})
    sent = {"CF-IPCountry": "PT", "cf-ipcity": "Lisbon", "CF-IPContinent": "EU", "cf-region-code": "11", "cf-iplatitude": "38.7"}
    for path in ("/", "/object"):
        r = d.get(path, sent).json()
        assert r["cf"] == {"country": "PT", "city": "Lisbon", "continent": "EU", "regionCode": "11", "latitude": "38.7"}


@pytest.mark.parametrize("text", ["10.0.0.1/8", "proxy.example.org", "10.0.0.1:80"])
def test_A4_14_a_wrong_network_is_refused_with_its_place(drey, text):
    d = drey(FRONT, bindings={"R": "R"}, server_conf={"trusted_proxy": text}, start=False)
    with pytest.raises(StartFailed, match="is neither an address nor a network.*trusted_proxy 10.0.0.0/8;"):
        d.start()

-- URL and URLSearchParams.

local t = ...
local G = t.drey().globals
local URL = G.URL

t.describe("URL", function()
	t.it("has all its parts", function()
		local u = URL.new "HTTPS://user:pw@Example.ORG:8080/a/b?x=1&y=2#frag"
		t.same({ u.protocol, u.username, u.password, u.host, u.hostname, u.port, u.pathname, u.search, u.hash, u.origin },
			{ "https:", "user", "pw", "example.org:8080", "example.org", "8080", "/a/b", "?x=1&y=2", "#frag",
				"https://example.org:8080" })
		t.same(u.href, "https://user:pw@example.org:8080/a/b?x=1&y=2#frag")
		t.same(tostring(u), u.href)
	end)

	t.it("is written in one way", function()
		local same = {
			["http://h"] = "http://h/",
			["http://h:80/"] = "http://h/",
			["https://h:443/x"] = "https://h/x",
			["http://h:0080/"] = "http://h/",
			["http:\\\\h\\a"] = "http://h/a",
			["http:h/a"] = "http://h/a",
			["  http://h/a\n "] = "http://h/a",
			["http://h/a b\"<>"] = "http://h/a%20b%22%3C%3E",
			["http://h/ä"] = "http://h/%C3%A4",
			["http://h/a/./b/../c"] = "http://h/a/c",
			["http://h/a/.."] = "http://h/",
			["http://h/a/b/."] = "http://h/a/b/",
			["http://h/../../x"] = "http://h/x",
			["http://h/%2e%2e/x"] = "http://h/x",
			["http://h/?"] = "http://h/",
			["http://h/?a b'c"] = "http://h/?a%20b%27c",
			["http://h/#"] = "http://h/",
			["http://[::1]:8787/x"] = "http://[::1]:8787/x",
			["http://h/a//b"] = "http://h/a//b",
			["http://h?x=1"] = "http://h/?x=1",
			["mailto:a@b.c"] = "mailto:a@b.c",
			["http://h/..a/.b"] = "http://h/..a/.b",
		}
		for given, want in pairs(same) do
			t.same(URL.new(given).href, want)
		end
	end)

	t.it("is found relative to a base", function()
		local base = "http://h:8080/a/b/c?q=1#f"
		local want = {
			["d"] = "http://h:8080/a/b/d",
			["../d"] = "http://h:8080/a/d",
			["/d"] = "http://h:8080/d",
			["//other/d"] = "http://other/d",
			["?x=2"] = "http://h:8080/a/b/c?x=2",
			["#g"] = "http://h:8080/a/b/c?q=1#g",
			[""] = "http://h:8080/a/b/c?q=1",
			["https://else/"] = "https://else/",
			["."] = "http://h:8080/a/b/",
		}
		for given, result in pairs(want) do
			t.same(URL.new(given, base).href, result)
		end
		t.same(URL.new("x", URL.new "http://h/").href, "http://h/x")
	end)

	t.it("says what is wrong, at the author's line", function()
		local bad = {
			["/x"] = "it must be absolute", [""] = "it must be absolute", ["h:p:q"] = nil,
			["http://"] = "it has no host", ["http://h:99999/"] = "the port", ["http://h:x/"] = "the port",
			["http://a b/"] = "a character that cannot stand", ["http://a%2fb/"] = "a character that cannot stand",
			["http://[::1/"] = "IPv6", ["http://ä/"] = "xn--",
		}
		for given, why in pairs(bad) do
			t.raises('Invalid URL "' .. given .. '": ', URL.new, given)
			t.raises(why, URL.new, given)
		end
		local err = t.raises("Invalid URL", function() local _ = URL.new "/x" end)
		assert(err:find("url_test.lua:" .. debug.getinfo(1, "l").currentline - 1, 1, true), err)
		err = t.raises("Invalid URL", function() local _ = URL.new("x", "/y") end)
		assert(err:find("url_test.lua:" .. debug.getinfo(1, "l").currentline - 1, 1, true), err)
		t.raises("a nil", URL.new, nil)
		t.same({ URL.canParse "/x", URL.canParse "http://h/", URL.canParse("/x", "http://h/") }, { false, true, true })
	end)

	t.it("can be changed in its parts", function()
		local u = URL.new "http://h/a?x=1"
		u.pathname, u.port, u.hash = "/b", "81", "#z"
		t.same(u.href, "http://h:81/b?x=1#z")
		u.search = "?y=2"
		t.same(u.searchParams:get "y", "2")
		u.host = "i:82"
		t.same(u.href, "http://i:82/b?y=2#z")
		u.href = "https://j/"
		t.same({ u.href, u.port, u.searchParams:get "y" }, { "https://j/", "", nil })
		t.raises("cannot be set", function() u.origin = "x" end)
	end)
end)

t.describe("searchParams", function()
	t.it("decode + and %20 and keep order and repeats", function()
		local p = URL.new "http://h/?name=J%C3%BCrgen+M%20X&a=1&a=2&empty=&bare&&=v&p=%zz".searchParams
		t.same(tostring(p:get "nobody"), "nil")
		t.same({ p:get "name", p:get "a", p:get "empty", p:get "bare", p:get "", p:get "nope", p:get "p" },
			{ "Jürgen M X", "1", "", "", "v", nil, "%zz" })
		t.same(p:getAll "a", { "1", "2" })
		assert(p:has "bare" and not p:has "nope")
		t.same(p.size, 7)
	end)

	t.it("write back into the URL", function()
		local u = URL.new "http://h/?a=1&b=2&a=3"
		u.searchParams:set("a", "x y&z")
		t.same(u.href, "http://h/?a=x+y%26z&b=2")
		u.searchParams:append("ü", 5)
		t.same(u.search, "?a=x+y%26z&b=2&%C3%BC=5")
		u.searchParams:delete "a"
		u.searchParams:delete "b"
		u.searchParams:delete "ü"
		t.same(u.href, "http://h/")
		u.searchParams:set("new", "1")
		t.same(u.href, "http://h/?new=1")
		assert(u.searchParams == u.searchParams)
	end)

	t.it("are also made alone", function()
		t.same(tostring(G.URLSearchParams.new "?b=2&a=1+1"), "b=2&a=1+1")
		t.same(G.URLSearchParams.new { b = 2, a = "ä" }:toString(), "a=%C3%A4&b=2")
		local p = G.URLSearchParams.new "b=1&a=2&b=0"
		p:sort()
		t.same(tostring(p), "a=2&b=1&b=0")
		local seen = {}
		for name, value in p:entries() do seen[#seen + 1] = name .. value end
		t.same(seen, { "a2", "b1", "b0" })
	end)
end)

-- Headers, Request, Response.

local t = ...

-- A fake inbound request; counts what the host was asked for.
local function host()
	local native = t.native()
	local asked = {}
	local function answer(name, value)
		native.http[name] = function()
			asked[name] = (asked[name] or 0) + 1
			return type(value) == "table" and { unpack(value) } or value
		end
	end
	answer("method", "POST")
	answer("url", "http://example.org/path?q=1")
	answer("headers", { "host", "example.org", "x-a", "1", "x-a", "2" })
	answer("body", '{"n":5}')
	answer("aborted", false)
	local drey = t.drey(native)
	return drey, drey.globals, asked
end

local function here()
	return "http_test.lua:" .. debug.getinfo(2, "l").currentline
end

t.describe("Headers", function()
	local _, G = host()

	t.it("are found whatever the case", function()
		local h = G.Headers.new { ["Content-Type"] = "text/html" }
		t.same(h:get "content-TYPE", "text/html")
		assert(h:has "CONTENT-type")
		t.same(h:get "accept", nil)
	end)

	t.it("set replaces all, append adds, delete removes all", function()
		local h = G.Headers.new()
		h:append("X-A", "1")
		h:append("b", "x")
		h:append("x-a", "2")
		t.same(h:get "x-a", "1, 2")
		h:set("X-A", 3)
		t.same(h:get "x-a", "3")
		t.same({ unpack(h) }, { "x-a", "3", "b", "x" })
		h:delete "x-a"
		t.same({ unpack(h) }, { "b", "x" })
	end)

	t.it("keep every Set-Cookie apart", function()
		local h = G.Headers.new { ["Set-Cookie"] = { "a=1", "b=2" } }
		h:append("set-cookie", "c=3")
		t.same(h:getSetCookie(), { "a=1", "b=2", "c=3" })
		h:append("z", "9")
		h:append("accept", "x")
		local seen = {}
		for name, value in h:entries() do seen[#seen + 1] = name .. "=" .. value end
		t.same(seen, { "accept=x", "set-cookie=a=1", "set-cookie=b=2", "set-cookie=c=3", "z=9" })
	end)

	t.it("iterate sorted and joined, also when cookies come last", function()
		local h = G.Headers.new()
		h:append("b", "1")
		h:append("set-cookie", "a=1")
		h:append("b", "2")
		local seen = {}
		for name, value in h:entries() do seen[#seen + 1] = name .. "=" .. value end
		t.same(seen, { "b=1, 2", "set-cookie=a=1" })
	end)

	t.it("refuse line ends and NUL in values, and odd names, at the author's line", function()
		local h = G.Headers.new()
		for _, bad in ipairs { "a\r\nb: c", "a\nb", "a\0b", "a\r" } do
			t.raises("line end or NUL", h.set, h, "x", bad)
			t.raises("line end or NUL", G.Headers.new, { x = bad })
			t.raises("line end or NUL", G.Response.new, "x", { headers = { x = bad } })
		end
		for _, bad in ipairs { "", "a b", "a:b", "a\nb", "ä" } do
			t.raises("invalid header name", h.append, h, bad, "x")
		end
		t.raises("it must be a string", h.set, h, "x", {})
		t.raises(here(), function() h:set("a b", "x") end)
		t.raises(here(), function() h:get(nil) end)
		t.raises(here(), function() local _ = G.Headers.new { ["a b"] = "x" } end)
		t.raises(here(), function() local _ = G.Response.new("x", { headers = { ["a b"] = "x" } }) end)
		t.raises(here(), function() local _ = G.Request.new("http://a/", { headers = { ["a b"] = "x" } }) end)
	end)

	t.it("trim blanks around values", function()
		t.same(G.Headers.new { a = " \tx y " }:get "a", "x y")
	end)
end)

t.describe("Response", function()
	local drey, G = host()
	local Response = G.Response

	t.it("of a text is one table with what the host reads", function()
		local r = Response.new "ok"
		t.same(rawget(r, "status"), 200)
		t.same(rawget(r, "_body"), "ok")
		t.same(rawget(r, "_headers"), nil)
		assert(getmetatable(r) == drey.Response)
	end)

	t.it("has status, ok, headers, body, text and json", function()
		local r = Response.new('{"a":1}', { status = 404, headers = { ["X-A"] = "b" } })
		t.same({ r.status, r.ok, r.body, r:text(), r:json().a }, { 404, false, '{"a":1}', '{"a":1}', 1 })
		t.same(r.headers:get "x-a", "b")
		t.same(r.headers:get "content-type", "text/plain;charset=UTF-8")
		t.same(Response.new().ok, true)
		t.same(Response.new():text(), "")
	end)

	t.it("shows and keeps headers that were not given", function()
		local r = Response.new "x"
		r.headers:set("x-a", "1")
		t.same({ unpack(rawget(r, "_headers")) }, { "content-type", "text/plain;charset=UTF-8", "x-a", "1" })
		t.same(#Response.new().headers, 0)
	end)

	t.it("takes another response as its init", function()
		local first = Response.new("x", { status = 201, headers = { ["x-a"] = "1", ["content-type"] = "a/b" } })
		local r = Response.new("y", first)
		t.same({ r.status, r.headers:get "x-a", r.headers:get "content-type" }, { 201, "1", "a/b" })
		r.headers:set("x-a", "2")
		t.same(first.headers:get "x-a", "1")
	end)

	t.it("json says its type, and one response's headers are not another's", function()
		local a, b = Response.json { n = 1 }, Response.json { n = 2 }
		t.same(a._body, '{"n":1}')
		a.headers:set("x", "1")
		t.same(b.headers:get "x", nil)
		t.same(b.headers:get "content-type", "application/json")
		t.same(a.headers:get "content-type", "application/json")
		local c = Response.json({}, { status = 201, headers = { ["content-type"] = "application/problem+json" } })
		t.same({ c.status, c.headers:get "content-type" }, { 201, "application/problem+json" })
		t.same(Response.json({}, { status = 500 }).headers:get "content-type", "application/json")
	end)

	t.it("redirects", function()
		local r = Response.redirect("https://example.org/", 301)
		t.same({ r.status, r.headers:get "location" }, { 301, "https://example.org/" })
		t.same(Response.redirect("/x").status, 302)
		t.raises("a redirect has status", Response.redirect, "/x", 200)
		t.raises("line end", Response.redirect, "/x\r\nset-cookie: a=b")
	end)

	t.it("refuses bodies and statuses that cannot be sent, at the author's line", function()
		t.raises("use Response.json(value)", Response.new, {})
		t.raises("not a function", Response.new, print)
		t.raises("range 200 to 599", Response.new, "x", { status = 99 })
		t.raises("range 200 to 599", Response.new, "x", { status = "200" })
		t.raises("range 200 to 599", Response.json, 1, { status = 200.5 })
		t.raises("cannot have a body", Response.new, "x", { status = 204 })
		t.same(Response.new(nil, { status = 204 }).status, 204)
		t.raises("second argument is a table", Response.new, "x", 404)
		t.raises(here(), function() local _ = Response.new {} end)
		t.raises(here(), function() local _ = Response.new("x", 404) end)
		t.raises(here(), function() local _ = Response.new("x", { status = 1 }) end)
		t.raises(here(), function() local _ = Response.json(print) end)
		t.raises(here(), function() local _ = Response.new("x"):json() end)
		t.raises(here(), function() local _ = Response.redirect({}, 200) end)
	end)

	t.it("says how to change what cannot be set", function()
		local r = Response.new "x"
		t.raises("use response.headers:set", function() r.headers = {} end)
		t.raises("make a new one", function() r.body = "y" end)
		r.status = 404
		r.note = "mine"
		t.same({ r.status, r.note, r.ok }, { 404, "mine", false })
	end)

	t.it("sends numbers as text", function()
		t.same(Response.new(5)._body, "5")
	end)

	t.it("clone is its own", function()
		local a = Response.new("x", { headers = { a = "1" } })
		local b = a:clone()
		b.headers:set("a", "2")
		t.same({ a.headers:get "a", b:text(), b.status }, { "1", "x", 200 })
	end)

	t.it("of another object comes as the host made it", function()
		local r = drey.response(201, { "set-cookie", "a=1", "set-cookie", "b=2" }, "body")
		t.same({ r.status, r:text() }, { 201, "body" })
		t.same(r.headers:getSetCookie(), { "a=1", "b=2" })
		t.same(drey.response(204, nil, nil).headers:get "content-type", nil)
		t.same(drey.response(200, nil, "x").headers:get "content-type", nil)
	end)
end)

t.describe("Request from outside", function()
	t.it("asks the host only for what is read, once", function()
		local drey, _, asked = host()
		local r = drey.request(7)
		t.same(asked, {})
		t.same({ r.method, r.method }, { "POST", "POST" })
		t.same({ r.url, r.url }, { "http://example.org/path?q=1", "http://example.org/path?q=1" })
		t.same(asked, { method = 1, url = 1 })
		t.same(r:text() .. r:text(), '{"n":5}{"n":5}')
		t.same({ r:json().n, r.body, r.signal.aborted }, { 5, '{"n":5}', false })
		t.same({ r.headers:get "X-A", r.headers:get "host" }, { "1, 2", "example.org" })
		t.same(asked, { method = 1, url = 1, body = 1, headers = 1, aborted = 1 })
	end)

	t.it("is passed on by its handle until somebody could have changed it", function()
		local drey = host()
		local r = drey.request(7)
		t.same({ r.url, r.method, r.body }, { "http://example.org/path?q=1", "POST", '{"n":5}' })
		t.same({ drey.outbound(r) }, { 7 })
		r.headers:set("x-a", "9")
		local method, url, headers, body = drey.outbound(r)
		t.same({ method, url, body, headers:get "x-a" }, { "POST", "http://example.org/path?q=1", '{"n":5}', "9" })
	end)

	t.it("is the pattern for another request", function()
		local drey, G = host()
		local r = drey.request(7)
		local method, url, headers, body = drey.outbound(r, { method = "PUT", headers = { b = "2" } })
		t.same({ method, url, body, headers:get "b", headers:get "x-a" },
			{ "PUT", "http://example.org/path?q=1", '{"n":5}', "2", nil })
		local copy = G.Request.new("https://other/", r)
		t.same({ copy.method, copy.url, copy:text(), copy.headers:get "x-a" },
			{ "POST", "https://other/", '{"n":5}', "1, 2" })
		t.same(G.Request.new(r, { method = "GET" }).body, nil)
	end)

	t.it("has own fields of the author, and refuses to be rewritten", function()
		local drey = host()
		local r = drey.request(7)
		r.user = "me"
		t.same(r.user, "me")
		t.raises("Request.new(url, request)", function() r.url = "http://x/" end)
		t.raises(here(), function() r.method = "GET" end)
	end)

	t.it("can be cloned", function()
		local drey = host()
		local r = drey.request(7)
		local c = r:clone()
		c.headers:set("x-a", "9")
		t.same({ r.headers:get "x-a", c.headers:get "x-a", c:text() }, { "1, 2", "9", '{"n":5}' })
	end)
end)

t.describe("Request.new", function()
	local drey, G = host()
	local Request = G.Request

	t.it("has the parts that were given", function()
		local r = Request.new("https://fake-host/increment", { method = "post", headers = { a = "1" }, body = "x=1" })
		t.same({ r.method, r.url, r.body, r.headers:get "a" }, { "POST", "https://fake-host/increment", "x=1", "1" })
		t.same(r.headers:get "content-type", "text/plain;charset=UTF-8")
		t.same(Request.new("http://h").url, "http://h/")
		t.same(Request.new("http://h/").method, "GET")
		t.same(Request.new("http://h/"):text(), "")
		t.same(Request.new(G.URL.new "http://h/a b#c").url, "http://h/a%20b")
	end)

	t.it("refuses what cannot be sent, at the author's line", function()
		t.raises('Invalid URL "/increment": it must be absolute', Request.new, "/increment")
		t.raises("Invalid URL: a nil", Request.new, nil)
		t.raises("GET/HEAD method cannot have a body", Request.new, "http://h/", { body = "x" })
		t.raises("use JSON.stringify(value)", Request.new, "http://h/", { method = "POST", body = {} })
		t.raises("not a method", Request.new, "http://h/", { method = "A B" })
		t.raises("not a method", Request.new, "http://h/", { method = "connect" })
		t.raises("not a method", Request.new, "http://h/", { method = {} })
		t.raises(here(), function() local _ = Request.new("/x") end)
		t.raises(here(), function() local _ = Request.new("http://h/", "POST") end)
		t.raises(here(), function() local _ = Request.new("http://h/", { method = "A B" }) end)
		t.raises(here(), function() local _ = Request.new("http://h/", { body = "x" }) end)
		t.raises(here(), function() local _ = Request.new("http://h/", { method = "POST", body = {} }) end)
	end)

	t.it("has a signal that never fires", function()
		t.same(Request.new("http://h/").signal.aborted, false)
	end)

	t.it("goes out as its parts", function()
		local method, url, headers, body = drey.outbound("https://fake-host/x?y=1", { method = "POST", body = "b" })
		t.same({ method, url, body, headers:get "content-type" },
			{ "POST", "https://fake-host/x?y=1", "b", "text/plain;charset=UTF-8" })
		method, url, headers, body = drey.outbound("https://fake-host/")
		t.same({ method, url, #headers, body }, { "GET", "https://fake-host/", 0, nil })
	end)
end)

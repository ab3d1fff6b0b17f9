-- crypto, btoa, atob: the vectors of FIPS 180-4, RFC 2202, RFC 4231 and RFC 4648.

local t = ...
local G = t.drey().globals
local crypto, btoa, atob = G.crypto, G.btoa, G.atob

t.describe("crypto.digest", function()
	t.it("gives the examples of FIPS 180-4", function()
		local long = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"
		local longer = "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
			.. "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu"
		local cases = {
			{ "SHA-1", "abc", "a9993e364706816aba3e25717850c26c9cd0d89d" },
			{ "SHA-1", "", "da39a3ee5e6b4b0d3255bfef95601890afd80709" },
			{ "SHA-1", long, "84983e441c3bd26ebaae4aa1f95129e5e54670f1" },
			{ "SHA-1", ("a"):rep(1e6), "34aa973cd4c4daa4f61eeb2bdbad27316534016f" },
			{ "SHA-256", "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
			{ "SHA-256", "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
			{ "SHA-256", long, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
			{ "SHA-256", ("a"):rep(1e6), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0" },
			{ "SHA-384", "abc", "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
				.. "8086072ba1e7cc2358baeca134c825a7" },
			{ "SHA-512", "abc", "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
				.. "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f" },
			{ "SHA-512", longer, "8e959b75dae313da8cf4f72814fc143f8f7779c6eb9f7fa17299aeadb6889018"
				.. "501d289e4900f7e4331b99dec4b5433ac7d329eeb6dd26545e96e55b874be909" },
		}
		for _, case in ipairs(cases) do
			t.same(crypto.toHex(crypto.digest(case[1], case[2])), case[3])
		end
		t.same(#crypto.digest("SHA-256", "abc"), 32)
	end)

	t.it("knows a name however it is written, and no other", function()
		local want = crypto.digest("SHA-256", "x")
		t.same({ crypto.digest("sha256", "x"), crypto.digest("Sha-256", "x") }, { want, want })
		t.same({ crypto.subtle:digest("SHA-256", "x"), crypto.subtle.digest("SHA-256", "x") }, { want, want })
		for _, bad in ipairs { "MD5", "", "SHA-3", 256, {} } do
			t.raises("there are SHA-1, SHA-256, SHA-384, SHA-512", crypto.digest, bad, "x")
		end
		local err = t.raises("crypto.digest: there is no digest MD5", function() local _ = crypto.digest("MD5", "x") end)
		assert(err:find("crypto_test.lua:" .. debug.getinfo(1, "l").currentline - 1, 1, true), err)
		t.raises("crypto.digest(name, data): data is a string of bytes, not a nil", crypto.digest, "SHA-1")
		t.raises("is a string of bytes, not a table", crypto.subtle.digest, "SHA-1", {})
	end)
end)

t.describe("crypto.hmac", function()
	t.it("gives the test cases of RFC 4231 and RFC 2202", function()
		local rep = string.rep
		local counted = crypto.fromHex "0102030405060708090a0b0c0d0e0f10111213141516171819"
		local cases = {
			{ "SHA-256", rep("\11", 20), "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
			{ "SHA-512", rep("\11", 20), "Hi There", "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
				.. "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854" },
			{ "SHA-256", "Jefe", "what do ya want for nothing?",
				"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
			{ "SHA-256", rep("\170", 20), rep("\221", 50), "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe" },
			{ "SHA-256", counted, rep("\205", 50), "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b" },
			{ "SHA-256", rep("\170", 131), "Test Using Larger Than Block-Size Key - Hash Key First",
				"60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54" },
			{ "SHA-384", "Jefe", "what do ya want for nothing?", "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47"
				.. "e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649" },
			{ "SHA-1", "Jefe", "what do ya want for nothing?", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79" },
			{ "SHA-1", "", "", "fbdb1d1b18aa6c08324b7d64b71fb76370690e1d" },
		}
		for _, case in ipairs(cases) do
			t.same(crypto.toHex(crypto.hmac(case[1], case[2], case[3])), case[4])
		end
		t.raises("crypto.hmac(name, key, data): key is a string of bytes, not a nil", crypto.hmac, "SHA-1")
	end)
end)

t.describe("base64 and hex", function()
	t.it("give the vectors of RFC 4648", function()
		local vectors = { [""] = "", f = "Zg==", fo = "Zm8=", foo = "Zm9v", foob = "Zm9vYg==",
			 fooba = "Zm9vYmE=", foobar = "Zm9vYmFy" }
		for data, text in pairs(vectors) do
			local bare = text:gsub("=", "")
			t.same({ crypto.toBase64(data), btoa(data), crypto.toBase64url(data) }, { text, text, bare })
			t.same({ crypto.fromBase64(text), crypto.fromBase64(bare), atob(text), atob(bare) }, { data, data, data, data })
			t.same({ crypto.fromBase64url(text), crypto.fromBase64url(bare) }, { data, data })
		end
		t.same(crypto.toHex "foobar", "666f6f626172")
		t.same({ crypto.fromHex "666F6f626172", crypto.fromHex "" }, { "foobar", "" })
		t.same({ crypto.toBase64 "\251\255\254", crypto.toBase64url "\251\255\254" }, { "+//+", "-__-" })
	end)

	t.it("give back all bytes", function()
		math.randomseed(5)
		for n = 0, 200 do
			local data = crypto.getRandomValues(n)
			t.same(#data, n)
			t.same(crypto.fromBase64(crypto.toBase64(data)), data)
			t.same(crypto.fromBase64url(crypto.toBase64url(data)), data)
			t.same(crypto.fromHex(crypto.toHex(data)), data)
		end
	end)

	t.it("refuse what does not belong there, with its place", function()
		local cases = {
			{ crypto.fromBase64, "Zm9v!A==", "crypto.fromBase64: '!' at character 5 does not belong there" },
			{ crypto.fromBase64, "Zm9v\n", "crypto.fromBase64: byte 0x0a at character 5" },
			{ crypto.fromBase64, "Zm9-", "'-' at character 4" }, { crypto.fromBase64url, "Zm9+", "'+' at character 4" },
			{ crypto.fromBase64, "Z", "'Z' at character 1" }, { crypto.fromBase64, "Zm9vY", "'Y' at character 5" },
			{ crypto.fromBase64, "Zh==", "'h' at character 2" }, { crypto.fromBase64, "Zm9=", "'9' at character 3" },
			{ crypto.fromBase64, "Zg=", "'=' at character 3" }, { crypto.fromBase64, "Z===", "'=' at character 2" },
			{ crypto.fromBase64, "Zg==Zg==", "'=' at character 3" }, { crypto.fromBase64, "A\0AA", "byte 0x00 at character 2" },
			{ crypto.fromHex, "6g", "crypto.fromHex: 'g' at character 2" }, { crypto.fromHex, "abc", "ends too early, after 3" },
			{ atob, "Zm9v*", "atob: '*' at character 5" }, { atob, 5, "atob(text): text is a string of bytes, not a number" },
		}
		for _, case in ipairs(cases) do
			t.raises(case[3], case[1], case[2])
		end
		t.same({ atob " Zm 9v\n", atob "Zh" }, { "foo", "f" })
	end)
end)

t.describe("crypto", function()
	t.it("compares", function()
		assert(crypto.timingSafeEqual("a\0b", "a\0b") and crypto.timingSafeEqual("", ""))
		assert(not crypto.timingSafeEqual("a\0b", "a\0c") and not crypto.timingSafeEqual("a", "ab"))
		assert(crypto.subtle:timingSafeEqual("a", "a") and not crypto.subtle.timingSafeEqual("a", "b"))
		t.raises("crypto.timingSafeEqual(a, b): b is a string of bytes, not a nil", crypto.timingSafeEqual, "a")
	end)

	t.it("makes random ids of version 4 and random bytes, never twice the same", function()
		local seen = {}
		for _ = 1, 1000 do
			local id = crypto.randomUUID()
			assert(id:find "^%x%x%x%x%x%x%x%x%-%x%x%x%x%-4%x%x%x%-[89ab]%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$", id)
			assert(not seen[id] and id == id:lower())
			seen[id] = true
		end
		assert(crypto.getRandomValues(16) ~= crypto.getRandomValues(16))
		t.same(#crypto.getRandomValues(65536), 65536)
		for _, bad in ipairs { -1, 1.5, 65537, 0 / 0, "16", {} } do
			t.raises("crypto.getRandomValues(n) takes a number of bytes from 0 to 65536", crypto.getRandomValues, bad)
		end
	end)
end)

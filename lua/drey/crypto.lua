-- crypto.lua -- random bytes, digests, HMAC, comparison, base64 and hex. Bytes are strings.
--
-- Nothing here waits: what is a promise in JavaScript is a value.
--
-- Source: FIPS 180-4, RFC 2104, RFC 4648, RFC 9562; atob and btoa: the HTML standard.

local native = ...

local c = native.crypto
local type, tostring, error = type, tostring, error
local RANDOM_MAX = 65536	-- as in the original

local crypto = {}

local function check(value, what, level)
	if type(value) ~= "string" then
		error(what .. " is a string of bytes, not a " .. type(value), level + 1)
	end
	return value
end

local digests = {}	-- every way to write a name: "SHA-256", "sha256"
for _, name in ipairs { "SHA-1", "SHA-256", "SHA-384", "SHA-512" } do
	digests[name:lower()] = name
	digests[name:lower():gsub("-", "")] = name
end

local function digest_name(name, what, level)
	local known = type(name) == "string" and digests[name:lower()]
	if not known then
		error(what .. ": there is no digest " .. tostring(name) .. "; there are SHA-1, SHA-256, SHA-384, SHA-512", level + 1)
	end
	return known
end

-- "2b1f8f0a-....": a random id, version 4.
crypto.randomUUID = c.uuid

-- n random bytes.
function crypto.getRandomValues(n)
	if type(n) ~= "number" or n < 0 or n > RANDOM_MAX or n % 1 ~= 0 then
		error("crypto.getRandomValues(n) takes a number of bytes from 0 to 65536 and gives them as a string, not "
			.. (type(n) == "number" and tostring(n) or "a " .. type(n)), 2)
	end
	return (c.random(n))
end

-- The digest of data, as bytes: crypto.toHex() makes it readable.
function crypto.digest(name, data)
	name = digest_name(name, "crypto.digest", 2)
	return (c.digest(name, check(data, "crypto.digest(name, data): data", 2)))
end

-- The HMAC of data under key, as bytes.
function crypto.hmac(name, key, data)
	name = digest_name(name, "crypto.hmac", 2)
	check(key, "crypto.hmac(name, key, data): key", 2)
	return (c.hmac(name, key, check(data, "crypto.hmac(name, key, data): data", 2)))
end

-- Are they the same? How long it takes tells only their lengths.
function crypto.timingSafeEqual(a, b)
	check(a, "crypto.timingSafeEqual(a, b): a", 2)
	return (c.equal(a, check(b, "crypto.timingSafeEqual(a, b): b", 2)))
end

function crypto.toHex(data)
	return (c.hex(check(data, "crypto.toHex(data): data", 2)))
end

function crypto.toBase64(data)
	return (c.base64(check(data, "crypto.toBase64(data): data", 2), false))
end

-- With - and _ instead of + and /, and no = at the end.
function crypto.toBase64url(data)
	return (c.base64(check(data, "crypto.toBase64url(data): data", 2), true))
end

local function refuse(what, text, at, level)
	local byte = text:byte(at)
	if not byte then
		error(("%s: the text ends too early, after %d characters"):format(what, #text), level + 1)
	end
	local shown = byte > 32 and byte < 127 and "'" .. text:sub(at, at) .. "'" or ("byte 0x%02x"):format(byte)
	error(("%s: %s at character %d does not belong there"):format(what, shown, at), level + 1)
end

function crypto.fromHex(text)
	local data, at = c.unhex(check(text, "crypto.fromHex(text): text", 2))
	return data or refuse("crypto.fromHex", text, at, 2)
end

-- With or without = at the end.
function crypto.fromBase64(text)
	local data, at = c.unbase64(check(text, "crypto.fromBase64(text): text", 2), false, false)
	return data or refuse("crypto.fromBase64", text, at, 2)
end

function crypto.fromBase64url(text)
	local data, at = c.unbase64(check(text, "crypto.fromBase64url(text): text", 2), true, false)
	return data or refuse("crypto.fromBase64url", text, at, 2)
end

-- By the names they have in the original.
crypto.subtle = {
	digest = function(first, name, data)
		if first ~= crypto.subtle then		-- with a dot
			name, data = first, name
		end
		name = digest_name(name, "crypto.subtle:digest", 2)
		return (c.digest(name, check(data, "crypto.subtle:digest(name, data): data", 2)))
	end,
	timingSafeEqual = function(first, a, b)
		if first ~= crypto.subtle then
			a, b = first, a
		end
		check(a, "crypto.subtle:timingSafeEqual(a, b): a", 2)
		return (c.equal(a, check(b, "crypto.subtle:timingSafeEqual(a, b): b", 2)))
	end,
}

local function btoa(data)
	return (c.base64(check(data, "btoa(data): data", 2), false))
end

-- As browsers do: white space does not count.
local function atob(text)
	text = check(text, "atob(text): text", 2):gsub("[ \t\n\f\r]", "")
	local data, at = c.unbase64(text, false, true)
	return data or refuse("atob", text, at, 2)
end

return { crypto = crypto, btoa = btoa, atob = atob }

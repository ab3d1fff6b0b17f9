/* bind_crypto.c -- native.crypto: bytes in, bytes out, through OpenSSL's libcrypto.
 *
 *	random(n)  uuid()  digest(name, data)  hmac(name, key, data)  equal(a, b)
 *	hex(data)  unhex(text)  base64(data, url)  unbase64(text, url, lax)
 *
 * Names of digests have been checked by lua/drey/crypto.lua.  The two that read text give nil and the
 * place (from 1) of what does not belong there.
 */
#include <lauxlib.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdlib.h>

#include "base/str.h"
#include "lua/host.h"

static struct str
check_bytes(lua_State *L, int idx)
{
	struct str s;

	s.p = luaL_checklstring(L, idx, &s.n);
	return s;
}

/* The random generator of a machine that cannot give any must not be papered over. */
static void
random_bytes(lua_State *L, unsigned char *out, size_t n)
{
	if (RAND_bytes(out, (int)n) != 1) {
		ERR_clear_error();
		host_error(L, "crypto: the random generator of the system gives nothing");
	}
}

static int
l_random(lua_State *L)
{
	size_t n = (size_t)luaL_checknumber(L, 1);
	unsigned char *p = lua_newuserdata(L, n ? n : 1);

	random_bytes(L, p, n);
	lua_pushlstring(L, (char *)p, n);
	OPENSSL_cleanse(p, n);
	return 1;
}

static void
put_hex(char *out, const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		out[2 * i] = "0123456789abcdef"[p[i] >> 4];
		out[2 * i + 1] = "0123456789abcdef"[p[i] & 15];
	}
}

/* RFC 9562, version 4: 122 random bits. */
static int
l_uuid(lua_State *L)
{
	unsigned char p[16];
	char text[36];

	random_bytes(L, p, sizeof(p));
	p[6] = (unsigned char)((p[6] & 0x0F) | 0x40);
	p[8] = (unsigned char)((p[8] & 0x3F) | 0x80);
	put_hex(text, p, 4);
	put_hex(text + 9, p + 4, 2);
	put_hex(text + 14, p + 6, 2);
	put_hex(text + 19, p + 8, 2);
	put_hex(text + 24, p + 10, 6);
	text[8] = text[13] = text[18] = text[23] = '-';
	lua_pushlstring(L, text, sizeof(text));
	return 1;
}

static const EVP_MD *
check_digest(lua_State *L, int idx)
{
	static const struct {
		const char *name;
		const EVP_MD *(*get)(void);
	} digests[] = { { "SHA-1", EVP_sha1 }, { "SHA-256", EVP_sha256 }, { "SHA-384", EVP_sha384 }, { "SHA-512", EVP_sha512 } };
	const char *name = luaL_checkstring(L, idx);

	for (size_t i = 0; i < sizeof(digests) / sizeof(*digests); i++)
		if (strcmp(name, digests[i].name) == 0)
			return digests[i].get();
	luaL_error(L, "no digest %s", name);
	return NULL;
}

static int
push_digest(lua_State *L, const unsigned char *p, unsigned n, bool ok)
{
	if (!ok) {
		ERR_clear_error();
		return host_error(L, "crypto: libcrypto refuses this digest");	/* FIPS mode */
	}
	lua_pushlstring(L, (const char *)p, n);
	return 1;
}

static int
l_digest(lua_State *L)
{
	const EVP_MD *md = check_digest(L, 1);
	struct str data = check_bytes(L, 2);
	unsigned char out[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	bool ok = EVP_Digest(data.p, data.n, out, &n, md, NULL) == 1;

	return push_digest(L, out, n, ok);
}

static int
l_hmac(lua_State *L)
{
	const EVP_MD *md = check_digest(L, 1);
	struct str key = check_bytes(L, 2), data = check_bytes(L, 3);
	unsigned char out[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	bool ok = HMAC(md, key.p, (int)key.n, (const unsigned char *)data.p, data.n, out, &n) != NULL;

	return push_digest(L, out, n, ok);
}

/* The time it takes says nothing about where they differ; the lengths are no secret. */
static int
l_equal(lua_State *L)
{
	struct str a = check_bytes(L, 1), b = check_bytes(L, 2);

	lua_pushboolean(L, a.n == b.n && CRYPTO_memcmp(a.p, b.p, a.n) == 0);
	return 1;
}

/* ---- hex, base64 ---- */

static int
push_place(lua_State *L, size_t i)
{
	lua_pushnil(L);
	lua_pushnumber(L, (lua_Number)i + 1);
	return 2;
}

static int
l_hex(lua_State *L)
{
	struct str data = check_bytes(L, 1);
	char *out = lua_newuserdata(L, 2 * data.n + 1);

	put_hex(out, (const unsigned char *)data.p, data.n);
	lua_pushlstring(L, out, 2 * data.n);
	return 1;
}

static int
hex_value(unsigned char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int
l_unhex(lua_State *L)
{
	struct str text = check_bytes(L, 1);
	char *out = lua_newuserdata(L, text.n / 2 + 1);

	for (size_t i = 0; i < text.n; i++) {
		int v = hex_value((unsigned char)text.p[i]);

		if (v < 0)
			return push_place(L, i);
		out[i / 2] = (char)(i % 2 ? out[i / 2] | v : v << 4);
	}
	if (text.n % 2)
		return push_place(L, text.n);
	lua_pushlstring(L, out, text.n / 2);
	return 1;
}

static const char alphabet[2][65] = {
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
};

/* url: the other alphabet, and no padding (RFC 4648, 5). */
static int
l_base64(lua_State *L)
{
	struct str data = check_bytes(L, 1);
	bool url = lua_toboolean(L, 2);
	char *out = lua_newuserdata(L, data.n / 3 * 4 + 5), *to = out;
	const unsigned char *p = (const unsigned char *)data.p;

	for (size_t left = data.n; left > 0; p += 3, left -= left < 3 ? left : 3) {
		unsigned v = (unsigned)p[0] << 16 | (left > 1 ? (unsigned)p[1] << 8 : 0) | (left > 2 ? p[2] : 0);

		for (unsigned i = 0; i < 4; i++)
			if (i <= left)
				*to++ = alphabet[url][v >> (18 - 6 * i) & 63];
			else if (!url)
				*to++ = '=';
	}
	lua_pushlstring(L, out, (size_t)(to - out));
	return 1;
}

/* Padding may be there, whole, or not be there.  lax: bits behind the last byte may be anything, as atob() has it. */
static int
l_unbase64(lua_State *L)
{
	struct str text = check_bytes(L, 1);
	const char *letters = alphabet[lua_toboolean(L, 2)];
	bool lax = lua_toboolean(L, 3);
	size_t n = text.n;
	char *out = lua_newuserdata(L, text.n / 4 * 3 + 4), *to = out;
	unsigned v = 0, bits = 0;

	if (n % 4 == 0)
		for (int i = 0; i < 2 && n > 0 && text.p[n - 1] == '='; i++)
			n--;
	for (size_t i = 0; i < n; i++) {
		const char *at = text.p[i] ? strchr(letters, text.p[i]) : NULL;

		if (!at)
			return push_place(L, i);
		v = (v << 6 | (unsigned)(at - letters)) & 0xFFFF;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			*to++ = (char)(v >> bits);
		}
	}
	if (n % 4 == 1 || (!lax && bits && (v & ((1U << bits) - 1))))
		return push_place(L, n ? n - 1 : 0);
	lua_pushlstring(L, out, (size_t)(to - out));
	return 1;
}

static const luaL_Reg functions[] = {
	{ "base64", l_base64 }, { "digest", l_digest }, { "equal", l_equal }, { "hex", l_hex }, { "hmac", l_hmac },
	{ "random", l_random }, { "unbase64", l_unbase64 }, { "unhex", l_unhex }, { "uuid", l_uuid }, { NULL, NULL }
};

void
bind_crypto(lua_State *L)
{
	lua_newtable(L);
	luaL_register(L, NULL, functions);
	lua_setfield(L, -2, "crypto");
}

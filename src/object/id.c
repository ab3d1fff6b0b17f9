/* id.c -- HMAC-SHA256 over libcrypto's digests, cheap enough for every request.
 *
 * libcrypto's own HMAC pays for a new key at every call (760 ns here; with the
 * digests used directly it is 300 ns), and a worker changes the key with every class.
 * So the two passes of RFC 2104 are written out over one digest context
 * per thread.
 *
 * Thread: any; each has its own context, freed at its end.
 */
#include "object/id.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <sys/random.h>

#include "base/err.h"

enum { BLOCK = 64, DIGEST = 32, HALF = 16 };	/* SHA-256's block and result; half an id */

static EVP_MD *sha256;
static pthread_key_t context_key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static __thread EVP_MD_CTX *context;

static void
on_thread_end(void *ctx)
{
	EVP_MD_CTX_free(ctx);
}

static void
on_once(void)
{
	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	must(sha256);
	must(pthread_key_create(&context_key, on_thread_end) == 0);
}

static EVP_MD_CTX *
digest_context(void)
{
	if (!context) {
		must(pthread_once(&once, on_once) == 0);
		context = EVP_MD_CTX_new();
		must(context && EVP_DigestInit_ex2(context, sha256, NULL));
		must(pthread_setspecific(context_key, context) == 0);
	}
	return context;
}

/* SHA-256 of a block (or none) and what follows it. */
static void
digest(const unsigned char *block, const void *bytes, size_t n, unsigned char out[DIGEST])
{
	EVP_MD_CTX *ctx = digest_context();

	must(EVP_DigestInit_ex2(ctx, NULL, NULL));
	if (block)
		must(EVP_DigestUpdate(ctx, block, BLOCK));
	must(EVP_DigestUpdate(ctx, bytes, n));
	must(EVP_DigestFinal_ex(ctx, out, NULL));
}

/* The first half of HMAC-SHA256(key, bytes). */
static void
mac_half(const struct id_key *key, const void *bytes, size_t n, unsigned char out[HALF])
{
	unsigned char inner[BLOCK], outer[BLOCK], mac[DIGEST];

	for (unsigned i = 0; i < BLOCK; i++) {
		unsigned char k = i < sizeof(key->b) ? key->b[i] : 0;

		inner[i] = k ^ 0x36;
		outer[i] = k ^ 0x5c;
	}
	digest(inner, bytes, n, mac);
	digest(outer, mac, DIGEST, mac);
	memcpy(out, mac, HALF);
}

void
id_key_init(struct id_key *key, const char *unique_key)
{
	digest(NULL, unique_key, strlen(unique_key), key->b);
}

void
id_from_name(const struct id_key *key, struct str name, struct object_id *id)
{
	mac_half(key, name.p, name.n, id->b);
	mac_half(key, id->b, HALF, id->b + HALF);
}

void
id_unique(const struct id_key *key, struct object_id *id)
{
	must(getrandom(id->b, HALF, 0) == HALF);	/* so few bytes are never cut short */
	mac_half(key, id->b, HALF, id->b + HALF);
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
		return (c | 0x20) - 'a' + 10;
	return -1;
}

static bool
hex_decode(struct str hex, unsigned char *out)
{
	for (size_t i = 0; i < hex.n; i += 2) {
		int high = hex_value(hex.p[i]), low = hex_value(hex.p[i + 1]);

		if (high < 0 || low < 0)
			return false;
		out[i / 2] = (unsigned char)(high << 4 | low);
	}
	return true;
}

int
id_parse(struct str hex, struct object_id *id)
{
	struct object_id read;

	if (hex.n != ID_HEX || !hex_decode(hex, read.b))
		return err_set(ERR_ARGUMENT, "Invalid Durable Object ID: must be 64 hex digits");
	*id = read;
	return OK;
}

bool
id_made_with(const struct id_key *key, const struct object_id *id)
{
	unsigned char tag[HALF], differs = 0;

	mac_half(key, id->b, HALF, tag);
	for (unsigned i = 0; i < HALF; i++)	/* all of it: how long it takes says nothing about where it differs */
		differs |= tag[i] ^ id->b[HALF + i];
	return differs == 0;
}

int
id_refuse(void)
{
	return err_set(ERR_ARGUMENT, "Durable Object ID is not valid for this namespace.");
}

int
id_from_string(const struct id_key *key, struct str hex, struct object_id *id)
{
	struct object_id read;
	int rc = id_parse(hex, &read);

	if (rc == OK && !id_made_with(key, &read))
		rc = id_refuse();
	if (rc == OK)
		*id = read;
	return rc;
}

void
id_hex(const struct object_id *id, char out[ID_HEX + 1])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < sizeof(id->b); i++) {
		out[2 * i] = digits[id->b[i] >> 4];
		out[2 * i + 1] = digits[id->b[i] & 15];
	}
	out[ID_HEX] = '\0';
}

bool
id_equal(const struct object_id *a, const struct object_id *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

/* The first bytes are random or a keyed hash: even, and nobody can aim all objects at one worker. */
unsigned
id_owner(const struct object_id *id, unsigned workers)
{
	uint64_t x;

	memcpy(&x, id->b, sizeof(x));
	return (unsigned)(x % workers);
}

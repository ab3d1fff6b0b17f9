/* map.c -- open addressing with linear probing; SipHash-1-3 keyed once per process.
 *
 * A slot is empty (key NULL), deleted (key = gone) or full.  "used" counts
 * full and deleted ones: it bounds how long a probe can run.  A deleted slot
 * in front of an empty one becomes empty at once, so churn leaves few behind.
 *
 * Shrinking waits for the next map_put(), because map_del() must not move
 * slots under a map_next() loop.  Only the last map_del() frees: then there
 * is nothing left to loop over.
 *
 * Thread: the owner's; only the key of the hash is shared, and never changes.
 */
#include "base/map.h"

#include <stdlib.h>
#include <sys/random.h>

#include "base/err.h"

#define CAP_MIN 16

struct map_slot {
	const char *key;
	void *value;
	uint32_t hash, n;
};

static const char gone[1];

/* ---- the hash: SipHash-1-3 (Aumasson and Bernstein, 2012) ---- */

static uint64_t seed[2];

/* Before main(): no thread can hash with half a key. */
static void __attribute__((constructor))
hash_seed(void)
{
	must(getrandom(seed, sizeof(seed), 0) == (ssize_t)sizeof(seed));
}

static inline uint64_t
rotl(uint64_t x, int b)
{
	return x << b | x >> (64 - b);
}

static inline void
sip_round(uint64_t v[4])
{
	v[0] += v[1], v[1] = rotl(v[1], 13) ^ v[0], v[0] = rotl(v[0], 32);
	v[2] += v[3], v[3] = rotl(v[3], 16) ^ v[2];
	v[0] += v[3], v[3] = rotl(v[3], 21) ^ v[0];
	v[2] += v[1], v[1] = rotl(v[1], 17) ^ v[2], v[2] = rotl(v[2], 32);
}

static inline void
sip_word(uint64_t v[4], uint64_t m)
{
	v[3] ^= m;
	sip_round(v);
	v[0] ^= m;
}

uint64_t
hash_bytes(const void *bytes, size_t n)
{
	const unsigned char *p = bytes;
	uint64_t m, v[4] = {
		seed[0] ^ 0x736f6d6570736575ULL, seed[1] ^ 0x646f72616e646f6dULL,
		seed[0] ^ 0x6c7967656e657261ULL, seed[1] ^ 0x7465646279746573ULL,
	};
	size_t left = n;

	for (; left >= 8; left -= 8, p += 8) {
		memcpy(&m, p, 8);
		sip_word(v, m);
	}
	m = 0;
	if (left)
		memcpy(&m, p, left);
	sip_word(v, m | (uint64_t)n << 56);
	v[2] ^= 0xff;
	sip_round(v);
	sip_round(v);
	sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* ---- the table ---- */

static inline bool
slot_full(const struct map_slot *s)
{
	return s->key && s->key != gone;
}

void
map_init(struct map *m)
{
	*m = (struct map){ NULL, 0, 0, 0 };
}

void
map_fini(struct map *m)
{
	free(m->slots);
	map_init(m);
}

/* The slot that holds the key, or NULL; *spot is where it would go. */
static struct map_slot *
slot_find(const struct map *m, struct str key, uint32_t hash, struct map_slot **spot)
{
	size_t mask = m->cap - 1;
	struct map_slot *first_gone = NULL, *s;

	for (size_t i = hash & mask;; i = (i + 1) & mask) {
		s = &m->slots[i];
		if (!s->key)
			break;
		if (s->key == gone) {
			if (!first_gone)
				first_gone = s;
			continue;
		}
		if (s->hash == hash && s->n == key.n && memcmp(s->key, key.p, key.n) == 0)
			return s;
	}
	if (spot)
		*spot = first_gone ? first_gone : s;
	return NULL;
}

static void
resize(struct map *m, size_t cap)
{
	struct map_slot *old = m->slots;
	size_t old_cap = m->cap;

	m->slots = xcalloc(cap, sizeof(*m->slots));
	m->cap = cap;
	m->used = m->n;
	for (size_t i = 0; i < old_cap; i++) {
		size_t j = old[i].hash & (cap - 1);

		if (!slot_full(&old[i]))
			continue;
		while (m->slots[j].key)
			j = (j + 1) & (cap - 1);
		m->slots[j] = old[i];
	}
	free(old);
}

/* Room for one more: at most 3/4 used, at least 1/8 full. */
static void
make_room(struct map *m)
{
	size_t cap = m->cap ? m->cap : CAP_MIN;

	while (cap > CAP_MIN && m->n < cap / 8)
		cap /= 2;
	if (cap == m->cap && m->used + 1 <= cap / 4 * 3)
		return;
	while (m->n + 1 > cap / 2)	/* not 3/4: half a table of deleted slots is cleaned, not doubled */
		cap *= 2;
	must(cap <= (size_t)1 << 32);	/* hashes kept in slots have 32 bits */
	resize(m, cap);
}

void *
map_get(const struct map *m, struct str key)
{
	struct map_slot *s;

	if (m->n == 0)
		return NULL;
	s = slot_find(m, key, (uint32_t)hash_bytes(key.p, key.n), NULL);
	return s ? s->value : NULL;
}

void *
map_put(struct map *m, struct str key, void *value)
{
	uint32_t hash = (uint32_t)hash_bytes(key.p, key.n);
	struct map_slot *s, *spot;
	void *replaced;

	must(value);		/* NULL means "not there" */
	must(key.n <= UINT32_MAX);
	make_room(m);
	s = slot_find(m, key, hash, &spot);
	if (s) {
		replaced = s->value;
		s->value = value;
		s->key = key.n ? key.p : "";	/* the old bytes live in the old value */
		return replaced;
	}
	if (!spot->key)
		m->used++;
	*spot = (struct map_slot){ key.n ? key.p : "", value, hash, (uint32_t)key.n };
	m->n++;
	return NULL;
}

/* Deleted slots in front of an empty one stop no probe: make them empty. */
static void
sweep_back(struct map *m, size_t i)
{
	size_t mask = m->cap - 1;

	if (m->slots[(i + 1) & mask].key)
		return;
	for (; m->slots[i].key == gone; i = (i - 1) & mask) {
		m->slots[i].key = NULL;
		m->used--;
	}
}

void *
map_del(struct map *m, struct str key)
{
	struct map_slot *s;
	void *value;

	if (m->n == 0)
		return NULL;
	s = slot_find(m, key, (uint32_t)hash_bytes(key.p, key.n), NULL);
	if (!s)
		return NULL;
	value = s->value;
	*s = (struct map_slot){ gone, NULL, 0, 0 };
	m->n--;
	if (m->n == 0 && m->cap > CAP_MIN)
		map_fini(m);
	else
		sweep_back(m, (size_t)(s - m->slots));
	return value;
}

void *
map_next(const struct map *m, size_t *i)
{
	while (*i < m->cap) {
		const struct map_slot *s = &m->slots[(*i)++];

		if (slot_full(s))
			return s->value;
	}
	return NULL;
}

/* slabs.c -- see slabs.h. */
#include "base/slabs.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/err.h"

enum {
	CHUNK = 64 << 10,
	REGION_CHUNKS = 16,
	REGION = CHUNK * REGION_CHUNKS,
	READY = 16,		/* empty chunks kept */
	ALIGN = 16,
	LINEAR = 512,		/* one class for each multiple of ALIGN up to here, then STEPS for each doubling */
	STEPS = 6,
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	SMALL = 0		/* every piece is malloc's, which a sanitizer can watch */
#else
	SMALL = SLABS_SMALL
#endif
};

struct region {			/* not inside its memory: a region whose chunks are all free has none resident */
	struct list link;
	char *memory;
	unsigned free;		/* a bit for each chunk that is nobody's */
};

struct chunk {
	struct list link;	/* in its class while it has a free piece, or among the empty ones */
	struct region *region;
	void *free;		/* pieces that were used before; the first word of each is the next one */
	unsigned size, class;
	unsigned used;
	unsigned fresh;		/* offset of the first piece that was never used: memory is touched no sooner than needed */
} __attribute__((aligned(ALIGN)));

/* Links are complemented: a leak checker that followed them would take a piece for somebody's that is nobody's. */
struct large {
	uintptr_t next, prev;
} __attribute__((aligned(ALIGN)));

/* Above LINEAR.  A database page comes with 32 bytes of ours (4144) or 288 of SQLite's (4448). */
static const unsigned sizes[] = {
	592, 688, 784, 880, 976, 1024,
	1184, 1360, 1536, 1712, 1872, 2048,
	2384, 2720, 3072, 3408, 3744, 4096,
	4144, 4448, 5120, 6144, 7168, SLABS_SMALL
};

_Static_assert(LINEAR / ALIGN + sizeof(sizes) / sizeof(sizes[0]) == SLABS_CLASSES, "a list for each class");

static unsigned
class_of(size_t n)
{
	unsigned i, doubling;

	if (n <= LINEAR)
		return (unsigned)((n + ALIGN - 1) / ALIGN) - 1;
	doubling = 63 - (unsigned)__builtin_clzll(n - 1) - 9;		/* 513..1024 is 0 */
	for (i = doubling * STEPS; sizes[i] < n; i++)
		;
	return LINEAR / ALIGN + i;
}

static unsigned
class_size(unsigned class)
{
	return class < LINEAR / ALIGN ? (class + 1) * ALIGN : sizes[class - LINEAR / ALIGN];
}

static struct chunk *
chunk_of(void *p)
{
	return (struct chunk *)((uintptr_t)p & ~(uintptr_t)(CHUNK - 1));
}

static uintptr_t
hidden(const struct large *l)
{
	return ~(uintptr_t)l;
}

static struct large *
shown(uintptr_t link)
{
	return (struct large *)~link;
}

void
slabs_init(struct slabs *s)
{
	for (unsigned i = 0; i < SLABS_CLASSES; i++)
		list_init(&s->classes[i]);
	list_init(&s->empty);
	list_init(&s->regions);
	s->large = hidden(NULL);
	s->nempty = 0;
}

/* ---- regions and chunks ---- */

static struct region *
region_new(struct slabs *s)
{
	struct region *r = malloc(sizeof(*r));
	char *p, *at;

	if (!r)
		return NULL;
	p = mmap(NULL, REGION + CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED) {
		free(r);
		return NULL;
	}
	at = (char *)(((uintptr_t)p + CHUNK - 1) & ~(uintptr_t)(CHUNK - 1));
	if (at > p)
		munmap(p, (size_t)(at - p));
	if (at < p + CHUNK)
		munmap(at + REGION, (size_t)(p + CHUNK - at));
	r->memory = at;
	r->free = (1u << REGION_CHUNKS) - 1;
	list_insert(&s->regions, &r->link);
	return r;
}

static void
region_free(struct region *r)
{
	list_del(&r->link);
	munmap(r->memory, REGION);
	free(r);
}

static struct chunk *
chunk_from_region(struct slabs *s)
{
	struct region *r = list_first(&s->regions, struct region, link);
	struct chunk *c;
	unsigned i;

	if ((!r || !r->free) && !(r = region_new(s)))
		return NULL;
	i = (unsigned)__builtin_ctz(r->free);
	r->free &= ~(1u << i);
	if (!r->free) {			/* those with room are in front */
		list_del(&r->link);
		list_push(&s->regions, &r->link);
	}
	c = (struct chunk *)(r->memory + (size_t)i * CHUNK);
	list_init(&c->link);
	c->region = r;
	return c;
}

static void
chunk_give_back(struct slabs *s, struct chunk *c)
{
	struct region *r = c->region;

	list_del(&c->link);
	madvise(c, CHUNK, MADV_DONTNEED);
	r->free |= 1u << ((size_t)((char *)c - r->memory) / CHUNK);
	list_del(&r->link);
	list_insert(&s->regions, &r->link);
	if (r->free == (1u << REGION_CHUNKS) - 1)
		region_free(r);
}

static struct chunk *
chunk_new(struct slabs *s, unsigned class)
{
	struct chunk *c = list_first(&s->empty, struct chunk, link);

	if (c) {
		list_del(&c->link);
		s->nempty--;
	} else if (!(c = chunk_from_region(s))) {
		return NULL;
	}
	c->free = NULL;
	c->used = 0;
	c->class = class;
	c->size = class_size(class);
	c->fresh = sizeof(*c);
	list_insert(&s->classes[class], &c->link);
	return c;
}

static bool
chunk_full(const struct chunk *c)
{
	return !c->free && c->fresh + c->size > CHUNK;
}

static void
chunk_emptied(struct slabs *s, struct chunk *c)
{
	list_del(&c->link);
	if (s->nempty == READY) {
		chunk_give_back(s, c);
		return;
	}
	list_insert(&s->empty, &c->link);
	s->nempty++;
}

/* ---- large pieces ---- */

static void
large_link(struct slabs *s, struct large *l)
{
	struct large *next = shown(s->large);

	l->next = s->large;
	l->prev = hidden(NULL);
	if (next)
		next->prev = hidden(l);
	s->large = hidden(l);
}

static void
large_unlink(struct slabs *s, struct large *l)
{
	struct large *next = shown(l->next), *prev = shown(l->prev);

	if (next)
		next->prev = l->prev;
	*(prev ? &prev->next : &s->large) = l->next;
}

static void *
large_get(struct slabs *s, size_t n)
{
	struct large *l = n < SIZE_MAX - sizeof(*l) ? malloc(sizeof(*l) + n) : NULL;

	if (!l)
		return NULL;
	large_link(s, l);
	return l + 1;
}

static void
large_put(struct slabs *s, void *p)
{
	struct large *l = (struct large *)p - 1;

	large_unlink(s, l);
	free(l);
}

static void *
large_resize(struct slabs *s, void *p, size_t n)
{
	struct large *old = (struct large *)p - 1, *l;

	large_unlink(s, old);
	l = n < SIZE_MAX - sizeof(*l) ? realloc(old, sizeof(*l) + n) : NULL;
	large_link(s, l ? l : old);
	return l ? l + 1 : NULL;
}

/* ---- pieces ---- */

void *
slabs_get(struct slabs *s, size_t n)
{
	struct chunk *c;
	unsigned class;
	void *p;

	must(n > 0);
	if (n > SMALL)
		return large_get(s, n);
	class = class_of(n);
	c = list_first(&s->classes[class], struct chunk, link);
	if (!c && !(c = chunk_new(s, class)))
		return NULL;
	if ((p = c->free)) {
		memcpy(&c->free, p, sizeof(c->free));
	} else {
		p = (char *)c + c->fresh;
		c->fresh += c->size;
	}
	c->used++;
	if (chunk_full(c))
		list_del(&c->link);
	return p;
}

void
slabs_put(struct slabs *s, void *p, size_t n)
{
	struct chunk *c;

	if (!p)
		return;
	if (n > SMALL) {
		large_put(s, p);
		return;
	}
	c = chunk_of(p);
	if (chunk_full(c))
		list_insert(&s->classes[c->class], &c->link);
	memcpy(p, &c->free, sizeof(c->free));
	c->free = p;
	if (--c->used == 0)
		chunk_emptied(s, c);
}

void *
slabs_resize(struct slabs *s, void *p, size_t old, size_t n)
{
	void *q;

	if (p && old > SMALL && n > SMALL)
		return large_resize(s, p, n);
	if (p && old <= SMALL && n <= SMALL && class_of(old) == class_of(n))
		return p;
	if (!(q = slabs_get(s, n)))
		return NULL;
	if (p)
		memcpy(q, p, old < n ? old : n);
	slabs_put(s, p, old);
	return q;
}

void
slabs_trim(struct slabs *s)
{
	struct chunk *c;

	while ((c = list_first(&s->empty, struct chunk, link)))
		chunk_give_back(s, c);
	s->nempty = 0;
}

void
slabs_fini(struct slabs *s)
{
	struct region *r;
	struct large *l;

	while ((r = list_first(&s->regions, struct region, link)))
		region_free(r);
	while ((l = shown(s->large)))
		large_put(s, l + 1);
	slabs_init(s);
}

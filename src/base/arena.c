/* arena.c -- blocks chained behind one another, handed out front to back.
 *
 * Blocks double from 1 KiB to 64 KiB.  What would waste most of a block gets
 * one of its own, chained behind the current one, which stays in use.
 */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"

#define ALIGN 16
#define BLOCK_MIN 1024
#define BLOCK_MAX (64 * 1024)

struct arena_block {
	struct arena_block *next;
	size_t size;			/* of the bytes that follow */
	char bytes[] __attribute__((aligned(ALIGN)));
};

void
arena_init(struct arena *a)
{
	*a = (struct arena){ NULL, NULL, NULL };
}

void
arena_fini(struct arena *a)
{
	while (a->blocks) {
		struct arena_block *b = a->blocks;

		a->blocks = b->next;
		free(b);
	}
	arena_init(a);
}

void
arena_seed(struct arena *a, void *mem, size_t n)
{
	size_t skip = -(uintptr_t)mem & (ALIGN - 1);

	must(!a->blocks && !a->p);
	if (n <= skip)
		return;
	a->p = (char *)mem + skip;
	a->end = (char *)mem + n;
}

static struct arena_block *
block_add(struct arena_block **at, size_t size)
{
	struct arena_block *b;

	must(size <= SIZE_MAX / 2);	/* a size that came from a subtraction gone wrong */
	b = xmalloc(sizeof(*b) + size);
	b->size = size;
	b->next = *at;
	*at = b;
	return b;
}

static void *
alloc_slow(struct arena *a, size_t n)
{
	size_t size = a->blocks ? a->blocks->size * 2 : BLOCK_MIN;
	struct arena_block *b;

	size = size > BLOCK_MAX ? BLOCK_MAX : size;
	if (n > size / 2)
		return block_add(a->blocks ? &a->blocks->next : &a->blocks, n)->bytes;
	b = block_add(&a->blocks, size);
	a->p = b->bytes + n;
	a->end = b->bytes + size;
	return b->bytes;
}

void *
arena_alloc(struct arena *a, size_t n)
{
	char *p = a->p;

	must(n <= SIZE_MAX / 4);
	n = (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	if (n == 0)
		n = ALIGN;		/* two allocations never share an address */
	if ((size_t)(a->end - p) < n)
		return alloc_slow(a, n);
	a->p = p + n;
	return p;
}

void *
arena_zalloc(struct arena *a, size_t n)
{
	return memset(arena_alloc(a, n), 0, n);
}

char *
arena_strdup(struct arena *a, const char *s)
{
	size_t n = strlen(s) + 1;

	return memcpy(arena_alloc(a, n), s, n);
}

struct str
arena_str(struct arena *a, struct str s)
{
	char *p = arena_alloc(a, s.n + 1);

	if (s.n)
		memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	return str_n(p, s.n);
}

char *
arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	must(n >= 0);
	s = arena_alloc(a, (size_t)n + 1);
	va_start(ap, fmt);
	vsnprintf(s, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return s;
}

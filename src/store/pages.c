/* pages.c -- a hash set of pages; linear probing, deletion by shifting back.
 *
 * Most databases change two or three pages: the table begins with four slots
 * and is given back when the set empties.
 */
#include "store/pages.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "store/disk.h"

enum { CAP_MIN = 4, CAP_KEPT = 16, RUN = 32 };

void
page_pool_init(struct page_pool *pool)
{
	slabs_init(&pool->slabs);
}

void
page_pool_fini(struct page_pool *pool)
{
	slabs_fini(&pool->slabs);
}

struct page *
page_get(struct page_pool *pool)
{
	struct page *p = slabs_get(&pool->slabs, sizeof *p);

	must(p);
	p->logged = p->since = 0;
	p->pgno = p->changed = 0;
	return p;
}

void
page_put(struct page_pool *pool, struct page *p)
{
	slabs_put(&pool->slabs, p, sizeof *p);
}

static uint32_t
pages_home(const struct pages *s, uint32_t pgno)
{
	return (pgno * 2654435769u >> 7) & (s->cap - 1);
}

/* The slot of pgno, or the empty one where it would go. */
static uint32_t
pages_slot(const struct pages *s, uint32_t pgno)
{
	uint32_t i = pages_home(s, pgno);

	while (s->slots[i] && s->slots[i]->pgno != pgno)
		i = (i + 1) & (s->cap - 1);
	return i;
}

static void
pages_resize(struct pages *s, uint32_t cap)
{
	struct page **old = s->slots;
	uint32_t n = s->cap;

	s->slots = xcalloc(cap, sizeof *s->slots);
	s->cap = cap;
	for (uint32_t i = 0; i < n; i++)
		if (old[i])
			s->slots[pages_slot(s, old[i]->pgno)] = old[i];
	free(old);
}

struct page *
pages_find(const struct pages *s, uint32_t pgno)
{
	return s->n ? s->slots[pages_slot(s, pgno)] : NULL;
}

void
pages_add(struct pages *s, struct page *p)
{
	uint32_t i;

	if ((s->n + 1) * 4 > s->cap * 3)
		pages_resize(s, s->cap ? s->cap * 2 : CAP_MIN);
	i = pages_slot(s, p->pgno);
	must(!s->slots[i]);
	s->slots[i] = p;
	s->n++;
}

/* Empties slot i, then moves back whoever was pushed past it. */
static void
pages_close_gap(struct pages *s, uint32_t i)
{
	uint32_t mask = s->cap - 1, j = i;

	s->slots[i] = NULL;
	for (;;) {
		uint32_t home;

		j = (j + 1) & mask;
		if (!s->slots[j])
			return;
		home = pages_home(s, s->slots[j]->pgno);
		if (((j - home) & mask) >= ((j - i) & mask)) {
			s->slots[i] = s->slots[j];
			s->slots[j] = NULL;
			i = j;
		}
	}
}

static void
pages_emptied(struct pages *s)
{
	if (s->n == 0 && s->cap > CAP_KEPT) {
		free(s->slots);
		*s = (struct pages){ 0 };
	}
}

struct page *
pages_take(struct pages *s, uint32_t pgno)
{
	struct page *p;
	uint32_t i;

	if (s->n == 0)
		return NULL;
	i = pages_slot(s, pgno);
	p = s->slots[i];
	if (!p)
		return NULL;
	pages_close_gap(s, i);
	s->n--;
	pages_emptied(s);
	return p;
}

void
pages_cut(struct pages *s, uint32_t keep, struct page_pool *pool)
{
	struct pages kept = { 0 };
	struct page *p;

	if (s->n == 0)
		return;
	for (uint32_t i = 0; (p = pages_next(s, &i));) {
		if (p->pgno < keep)
			pages_add(&kept, p);
		else
			page_put(pool, p);
	}
	free(s->slots);
	*s = kept;
}

void
pages_fini(struct pages *s, struct page_pool *pool)
{
	pages_cut(s, 0, pool);
	free(s->slots);
	*s = (struct pages){ 0 };
}

static int
page_order(const void *a, const void *b)
{
	uint32_t x = (*(struct page *const *)a)->pgno, y = (*(struct page *const *)b)->pgno;

	return (x > y) - (x < y);
}

struct page **
pages_sorted(const struct pages *s)
{
	struct page **v = xmalloc((s->n + 1) * sizeof *v), *p;
	uint32_t n = 0;

	for (uint32_t i = 0; (p = pages_next(s, &i));)
		v[n++] = p;
	qsort(v, n, sizeof *v, page_order);
	return v;
}

int
pages_write(struct page **v, uint32_t n, int fd)
{
	for (uint32_t i = 0; i < n;) {
		struct iovec iov[RUN];
		uint32_t from = v[i]->pgno;
		int run = 0;

		for (; run < RUN && i < n && v[i]->pgno == from + (uint32_t)run; i++)
			iov[run++] = (struct iovec){ v[i]->data, PAGE_BYTES };
		if (disk_writev(fd, iov, run, (off_t)from * PAGE_BYTES) != 0)
			return -1;
	}
	return 0;
}

struct page *
pages_next(const struct pages *s, uint32_t *i)
{
	while (*i < s->cap) {
		struct page *p = s->slots[(*i)++];

		if (p)
			return p;
	}
	return NULL;
}

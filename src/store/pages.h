/* pages.h -- pages of one database in memory, by number.
 *
 * A capture has two such sets: pending (written by the open transaction) and
 * overlay (committed, perhaps not yet in the file).  Pages count from 0.
 *
 * Owner: one capture.  Thread: its worker only.
 */
#ifndef DREY_STORE_PAGES_H
#define DREY_STORE_PAGES_H

#include <stdint.h>

#include "base/slabs.h"

enum { PAGE_BYTES = 4096 };

struct page {
	uint64_t logged;	/* the segment that has this page whole; 0: none */
	uint64_t since;		/* the oldest segment with a change the file lacks; 0: the file has it all */
	uint32_t pgno;
	uint32_t changed;	/* while a commit is encoded: did anything differ? */
	unsigned char data[PAGE_BYTES];
};

struct pages {
	struct page **slots;	/* open addressing, cap is a power of two */
	uint32_t n, cap;
};

/* Where the pages of one shard come from. */
struct page_pool {
	struct slabs slabs;
};

void page_pool_init(struct page_pool *);
void page_pool_fini(struct page_pool *);	/* and all its pages, if any are left */
struct page *page_get(struct page_pool *);	/* data is not cleared */
void page_put(struct page_pool *, struct page *);	/* takes */

struct page *pages_find(const struct pages *, uint32_t pgno);
void pages_add(struct pages *, struct page *);	/* takes; its number must not be there */
struct page *pages_take(struct pages *, uint32_t pgno);	/* out of the set, now yours; or NULL */
void pages_cut(struct pages *, uint32_t keep, struct page_pool *);	/* lets go of all numbered keep or more */
void pages_fini(struct pages *, struct page_pool *);	/* lets go of all, and of the table */
int pages_write(struct page **, uint32_t n, int fd);	/* sorted ones, each to its place in the file, neighbours with one call.  -1 with errno */
struct page **pages_sorted(const struct pages *);	/* n pointers by number, malloc'ed: free() it; lends the pages */
/* for (uint32_t i = 0; (p = pages_next(set, &i));) -- the set must not change meanwhile. */
struct page *pages_next(const struct pages *, uint32_t *i);

#endif

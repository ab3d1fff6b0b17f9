/* arena.h -- memory that is freed all at once.
 *
 * Embedded in what lives and dies together (an event, a configuration).
 * Allocations are 16-byte aligned and never moved.
 */
#ifndef DREY_BASE_ARENA_H
#define DREY_BASE_ARENA_H

#include "base/str.h"

struct arena_block;

struct arena {
	struct arena_block *blocks;	/* newest first */
	char *p, *end;			/* the free part of the newest */
};

void arena_init(struct arena *);
void arena_fini(struct arena *);
void *arena_alloc(struct arena *, size_t);	/* lends, until arena_fini(); not zeroed */
void *arena_zalloc(struct arena *, size_t);
char *arena_strdup(struct arena *, const char *);
struct str arena_str(struct arena *, struct str);	/* copies; a NUL follows the copy */
char *arena_printf(struct arena *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A first block the owner already has (for instance on its own tail): used before any malloc. */
void arena_seed(struct arena *, void *mem, size_t n);	/* borrows mem until arena_fini() */

#endif

/* slabs.h -- memory in small pieces for one thread: what a Lua state or an SQLite handle is made of.
 *
 * glibc's malloc looks for the best fit, merges neighbours, and grows the heap
 * of a thread a page at a time, with a system call each.  Here a piece comes from the
 * free list of its size, in a chunk of pieces of that size:
 *
 *	region, 1 MiB, from the kernel
 *	 +--------+--------+--------+-----
 *	 | chunk of 64 KiB |  chunk | free        a chunk begins with its head: its size class, who is
 *	 | head p p p p p  |  ...   |             free in it, how many are taken
 *	 +--------+--------+--------+-----
 *
 * An empty chunk serves the next class that needs one; a few are kept ready, the
 * memory of others goes back to the kernel.  Large pieces are malloc's.
 *
 * The caller remembers how large a piece is, so pieces have no header.
 * Pieces are aligned to 16 bytes.  slabs_fini() frees them all, also those that
 * are in use.  In a build with a sanitizer each piece is one of malloc's, which it can watch.
 *
 * Owner: whoever embeds it.  Thread: one at a time.
 */
#ifndef DREY_BASE_SLABS_H
#define DREY_BASE_SLABS_H

#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

enum { SLABS_CLASSES = 56, SLABS_SMALL = 8192 };	/* the largest piece that is not malloc's */

struct slabs {
	struct list classes[SLABS_CLASSES];	/* chunks with a free piece */
	struct list empty;			/* chunks kept ready */
	unsigned nempty;
	struct list regions;
	uintptr_t large;			/* the first; see slabs.c */
};

void slabs_init(struct slabs *);
void slabs_fini(struct slabs *);
void *slabs_get(struct slabs *, size_t n);		/* n > 0; NULL: out of memory */
void slabs_put(struct slabs *, void *, size_t n);	/* n as it was asked for; NULL is nothing */
void *slabs_resize(struct slabs *, void *, size_t old, size_t n);	/* NULL: out of memory, and all is as it was */
void slabs_trim(struct slabs *);			/* empty chunks go back to the kernel, all of them */

#endif

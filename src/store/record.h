/* record.h -- one commit of one database, as bytes in the journal.
 *
 *	 0  u32  length of the whole record
 *	 4  u64  checksum of all that follows, seeded with segment and commit number
 *	12  u64  commit number
 *	20  i64  wall time, ms since 1970
 *	28  varint keep, varint size          pages kept from before, pages after
 *	    varint side                       0, or the side file that has the pages; see spill.h
 *	    varint n, app   varint n, class   id (32 bytes)
 *	    pieces, to the end (with a side file: see spill.c):
 *	        varint page << 1 | whole      whole: the page was all zeros before the ranges
 *	        varint number of ranges, each: varint gap since the last, varint n, n bytes
 *
 * Numbers are little endian.  A whole page is written as its ranges that are
 * not zero, so a fresh leaf with one row costs its row.  Pages count from 0.
 *
 * The checksum is seeded with the segment's number: what an earlier life left
 * in a recycled file never looks like a record.  Commit numbers in a journal
 * are consecutive.
 *
 * A record whose keep and size are RECORD_SETTLED has no pieces: the file has
 * all up to here, synced, and nothing that stands before it in the journal is
 * replayed onto it (quarantine.h).
 *
 * Reading is total: any bytes give a record or a refusal.
 */
#ifndef DREY_STORE_RECORD_H
#define DREY_STORE_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "store/pages.h"

enum { RECORD_HEAD = 28, RECORD_ID = 32, SEGMENT_HEAD = 32, SEGMENT_VERSION = 2 };
#define RECORD_SETTLED UINT32_MAX
#define RECORD_MAX ((uint64_t)1 << 30)	/* a larger transaction is refused before it is written */

struct record {
	uint64_t commit;
	int64_t wall_ms;
	uint32_t keep, size;
	uint64_t side;			/* 0: none */
	struct str app, class_name;	/* borrow the bytes read */
	const unsigned char *id;	/* likewise */
	struct str pieces;		/* what record_piece() takes from */
};

struct piece {
	uint32_t pgno;
	bool whole;
	uint32_t ranges;
	struct str bytes;		/* the ranges */
};

/* Writing: begin, a piece per changed page, end; the journal stamps. */
void record_begin(struct buf *, const struct record *);	/* commit and pieces are not looked at */
bool record_page(struct buf *, uint32_t pgno, const unsigned char *base, const unsigned char *page);	/* base NULL: whole.  false: nothing differs, nothing was added */
void record_end(struct buf *, uint64_t *body);		/* body: what record_stamp() wants, so that the long sum is made outside the lock */
void record_stamp(char *record, uint64_t body, uint64_t segment, uint64_t commit);

/* Reading. */
uint64_t record_length(struct str in);			/* what the first bytes claim; 0 if they cannot begin a record */
bool record_read(struct str in, uint64_t segment, struct record *);	/* in: exactly one record; false: checksum or shape is wrong */
int record_piece(struct str *pieces, struct piece *);	/* 1 taken, 0 no more, ERR_CORRUPT */
int piece_apply(const struct piece *, unsigned char *page);	/* ERR_CORRUPT when a range leaves the page */

/* The first bytes of a segment file. */
void segment_head(char head[SEGMENT_HEAD], uint64_t segment, uint64_t first_commit);
int segment_head_read(struct str in, uint64_t segment);	/* 1 good, 0 not a head of this segment, ERR_CORRUPT: of another version */

uint64_t record_sum(const void *, size_t n, uint64_t seed);	/* the checksum itself */

#endif

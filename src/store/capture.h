/* capture.h -- the pages of one database, between SQLite and its file.
 *
 *	     SQLite
 *	     |    ^ pending, else spill, else overlay, else side, else file
 *	write|    |read
 *	     v    |
 *	   pending --commit--> overlay --flush--> <id>.sqlite
 *	     |           \--> journal record       ^
 *	     too many                              |flush
 *	     v                                     |
 *	   spill ----commit--> side ---------------+
 *	                 \--> small journal record
 *
 * A page lies in one of overlay and side at most.  There is one side: while a
 * transaction spills, the one before it is moved on to the file.
 *
 * Three sizes, in pages: size is what SQLite sees now; committed is what the
 * last commit left; keep is how much of the committed state the open
 * transaction has never cut off (pages at and above it read as zeros, whatever
 * overlay and file say).  For the file likewise: file_size is its length,
 * file_keep how much of it still holds.
 *
 * The file is only written when every commit of this database is durable, so
 * it never holds what was not acknowledged.
 *
 * Lives in: struct db.  Thread: its worker only.
 */
#ifndef DREY_STORE_CAPTURE_H
#define DREY_STORE_CAPTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "store/files.h"
#include "store/pages.h"
#include "store/paths.h"
#include "store/spill.h"

struct shard;

struct capture {
	struct shard *shard;
	const struct klass *klass;
	unsigned char id[PATHS_ID];
	bool known;			/* has the file been looked at? */
	bool changed;			/* has the open transaction written or cut anything? */
	uint32_t size, keep, committed;
	uint32_t file_size, file_keep;
	struct pages pending, overlay;
	struct spill spill, side;	/* the open transaction's; a committed one's */
	uint64_t last_commit;		/* 0: none in this life */
	uint64_t since;			/* oldest segment with a change the file lacks; 0: none */
	struct list journaled;		/* in the shard, by since */
	struct list over;		/* in the shard: the overlay is over its limit */
	struct file file;
};

void capture_init(struct capture *, struct shard *, const unsigned char id[PATHS_ID]);
void capture_drop(struct capture *);		/* lets go of pages, descriptor and lists; writes nothing */

int capture_know(struct capture *);		/* looks how large the file is, once; needs klass.  ERR_IO; ERR_CORRUPT, ERR_STORE: see quarantine.h */
uint32_t capture_size(const struct capture *);	/* in pages, as SQLite sees it: nothing looks like blank.h */
int capture_read(struct capture *, uint32_t pgno, unsigned from, unsigned n, void *to);	/* ERR_IO: could not read the file */
int capture_write(struct capture *, uint32_t pgno, const void *page);	/* a whole page; copies.  ERR_IO, ERR_STORE: could not spill */
void capture_truncate(struct capture *, uint32_t size);
void capture_wipe(struct capture *);		/* deleteAll: nothing is kept of what was */

/* Appends what changed to the journal.  *commit is set when something had changed.
 * ERR_STORE: the journal has failed; ERR_LIMIT: too large for a record; ERR_IO: could not spill.  Then roll back. */
int capture_commit(struct capture *, uint64_t *commit);
void capture_rollback(struct capture *);

/* Writes pages into the file, at most *budget of them (taken off; NULL: no bound).  1: the file has all up to and with
 * segment upto; 0: the budget ran out; ERR_STORE: failure_set().  Every commit must be durable. */
int capture_flush(struct capture *, uint64_t upto, unsigned *budget);

/* For flush.c: pages that are committed and perhaps not in the file; the shard is told when there were before of them. */
int64_t capture_unwritten(const struct capture *);
void capture_count(struct capture *, int64_t before);

#endif

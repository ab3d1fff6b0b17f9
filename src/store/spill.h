/* spill.h -- a giant transaction's pages, in a file beside the journal.
 *
 *	pending --too many--> <data_dir>/journal/<16 hex>.side --durable--> <id>.sqlite
 *	                        page n lies at n * PAGE_BYTES, holes between
 *
 * While the transaction is open the file is scratch: a page written again
 * overwrites its place, a rollback removes the file, a crash leaves litter
 * that the next start removes.  At commit the file is synced, its name too,
 * and only then goes a record into the journal that says "my pages are in
 * side file X" with a checksum for each.  From there on the file belongs to
 * that journal segment and is removed after it: recovery can always read it,
 * and one that is missing or damaged is corruption.
 *
 * What has been spilled is sent to the disk at once, in small steps that leave
 * room for the journal's syncs.  That bounds what the final sync has left to
 * write: a commit of any size blocks its worker for about as long as one
 * overlay_max takes to write.
 *
 * The file's bytes count as the segment's, so one giant fills a segment and the
 * next record begins another: side files do not gather.
 *
 * In memory: eight bytes per page, its checksum.
 *
 * A spill holds a descriptor of its own, past open_files: few objects have a
 * giant transaction at a time.
 *
 * Lives in: struct capture (the open transaction's, and the last committed
 * one until its pages are in the database file).  Thread: its worker only,
 * but for the list of files that belong to segments, which has a lock.
 */
#ifndef DREY_STORE_SPILL_H
#define DREY_STORE_SPILL_H

#include <stdbool.h>
#include <stdint.h>

#include "store/pages.h"
#include "store/record.h"

struct shard;
struct store;

struct spill {
	bool open;
	int fd;
	const char *dir;	/* it is in; borrowed */
	uint64_t number;	/* of the file */
	uint64_t since;		/* once committed: the segment that names it */
	uint32_t n;		/* pages in it */
	uint32_t chunks;
	uint64_t **sums;	/* by page, in chunks; 0: not here */
	uint64_t step_from, step_bytes;	/* on their way to the disk */
};

/* Errors of the first two: ERR_IO, nothing is lost; the transaction has to be given up. */
int spill_open(struct spill *, struct shard *);	/* makes the file, its name on disk.  s zeroed */
int spill_write(struct spill *, struct page **, uint32_t n);	/* sorted */
int spill_sync(struct spill *, struct store *);	/* ERR_STORE: failure_set() */

bool spill_has(const struct spill *, uint32_t pgno);	/* also when not open: false */
int spill_read(const struct spill *, uint32_t pgno, unsigned from, unsigned n, void *to);	/* ERR_IO */
void spill_forget(struct spill *, uint32_t pgno);
void spill_cut(struct spill *, uint32_t keep);	/* forgets all numbered keep or more */
uint32_t spill_run(const struct spill *, uint32_t *first, uint32_t most);	/* neighbours at or after *first: how many, 0 no more; moves *first to them */
void spill_encode(const struct spill *, struct buf *);	/* the record's pieces */

void spill_close(struct spill *);		/* lets go; the file stays */
void spill_discard(struct spill *, struct store *);	/* and the file goes.  Harmless when not open */

/* The file belongs to this segment now: it goes when the segment has gone. */
void spill_keep(struct store *, uint64_t number, uint64_t segment);
void spill_retire(struct store *, uint64_t upto);

/* Recovery. */
struct spill_sink {			/* NULL: only check */
	int (*page)(void *arg, uint32_t pgno, const unsigned char *data);
	void *arg;
};
int spill_replay(const char *journal_dir, const struct record *, const struct spill_sink *);	/* ERR_CORRUPT, ERR_IO, or what page() says */
int spill_sweep(const char *journal_dir);	/* removes every side file and leftover temporary one.  ERR_IO */

enum { SPILL_PATH = 4096 + 32 };
void spill_path(char path[SPILL_PATH], const char *journal_dir, uint64_t number);
uint64_t spill_sum(const void *page, uint64_t number, uint32_t pgno);	/* never 0 */
void spill_put_run(struct buf *, uint32_t first, uint32_t n, const uint64_t *sums);

#endif

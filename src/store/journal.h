/* journal.h -- the one log of the whole server.
 *
 *	workers --journal_append--> [batch][batch] --journal thread--> <dir>/<16 hex>.log
 *	                            of segment k,k+1   pwrite, one fdatasync per batch
 *
 * While one batch is being synced the next gathers: natural group commit.
 * Commit numbers are given at append, under the lock, and are consecutive.
 *
 * A segment is begun by the append that would overfill the last.  Because the
 * first change of a page in a segment is logged whole, the record has to be
 * encoded again for the new segment: journal_append() says JOURNAL_ROTATED.
 * Batches never span segments and each is synced before the next is written,
 * so a record in segment k+1 on disk proves that segment k is complete.
 *
 * tail.h writes the newest segment.  journal_retire() removes the oldest
 * ones, one by one, each removal synced before the next: what is left is
 * always a suffix without gaps.
 *
 * Thread: any, except where said.
 */
#ifndef DREY_STORE_JOURNAL_H
#define DREY_STORE_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "store/failure.h"

struct journal;
struct room;

struct journal_options {
	const char *dir;		/* copied; must exist */
	uint64_t segment_max;
	uint64_t first_segment;		/* > 0, larger than any there ever was in dir */
	uint64_t last_commit;		/* numbers go on from here */
	struct failure *failure;	/* borrowed */
	struct room *room;		/* borrowed; NULL: nobody is to be refused */
	int64_t patience_ms;		/* on a full disk; see tail.h */
	/* Called from the journal thread, no lock held. */
	void (*on_durable)(void *arg);
	/* Called from the appending thread, no lock held: a segment has been closed. */
	void (*on_rotate)(void *arg);
	void *arg;
};

enum { JOURNAL_ROTATED = 1 };

struct journal *journal_new(const struct journal_options *);	/* makes no file yet; starts the thread.  NULL: ERR_IO */
/* Syncs what has gathered, ends the thread. Retires every segment when all is well; leaves them after a failure. */
void journal_free(struct journal **);

uint64_t journal_segment(const struct journal *);	/* the one being appended to */
uint64_t journal_durable(const struct journal *);
/* record as record_end() left it, encoded for segment; copies.  OK and *commit; JOURNAL_ROTATED; ERR_STORE after a failure. */
int journal_append(struct journal *, uint64_t segment, struct buf *record, uint64_t body, uint64_t *commit);
void journal_weigh(struct journal *, uint64_t bytes);	/* so many more lie beside the current segment: it is full the sooner, and they go with it */
void journal_kick(struct journal *);			/* somebody waits: sync what has gathered */
int journal_wait(struct journal *, uint64_t commit);	/* kicks; blocks; ERR_STORE after a failure */
void journal_wake(struct journal *);			/* the failure is set: lets go of all who wait */

uint64_t journal_closed(struct journal *, uint64_t *last_commit);	/* newest closed segment not yet retired, 0 none; its last commit */
int journal_retire(struct journal *, uint64_t upto);	/* checkpoint thread only; nothing after a failure; failure_set() on error */

struct journal_stats { uint64_t commits, syncs, bytes, segments; };
void journal_stats(struct journal *, struct journal_stats *);

void journal_path(char *path, size_t size, const char *dir, uint64_t segment);

#endif

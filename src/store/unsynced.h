/* unsynced.h -- database files that were written but not yet synced.
 *
 * A shard adds one entry of 40 bytes each time it writes (or removes) a file;
 * the checkpoint thread takes the whole list, syncs the files and the
 * directories above them, and only then lets journal segments go.  An object
 * that slept leaves nothing else in memory.
 *
 * Thread: the list is its owner's; see shard.h for the hand-over.
 */
#ifndef DREY_STORE_UNSYNCED_H
#define DREY_STORE_UNSYNCED_H

#include <stddef.h>

#include "store/failure.h"
#include "store/paths.h"

struct unsynced_block;

struct unsynced {
	struct unsynced_block *blocks;	/* newest first */
	size_t n;
};

void unsynced_add(struct unsynced *, const struct klass *, const unsigned char id[PATHS_ID]);
void unsynced_move(struct unsynced *to, struct unsynced *from);
void unsynced_fini(struct unsynced *);

/* Ten thousand small files take seconds to sync one by one and a tenth of one with syncfs(), where that can be believed:
 * on the file systems listed in unsynced.c, through a descriptor opened before the files were written (it then reports
 * every write that failed since).  -1: not here. */
int unsynced_whole(const char *data_dir);
/* Syncs every file and every directory up to data_dir; empties the list.  whole: from unsynced_whole().  ERR_STORE: failure_set(). */
int unsynced_sync(struct unsynced *, const char *data_dir, int whole, struct failure *);

#endif

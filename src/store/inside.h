/* inside.h -- struct store, for the files of this floor that run it.
 *
 * Thread: fields above the mutex are set before the threads start.
 */
#ifndef DREY_STORE_INSIDE_H
#define DREY_STORE_INSIDE_H

#include <pthread.h>

#include "base/map.h"
#include "store/failure.h"
#include "store/journal.h"
#include "store/room.h"
#include "store/store.h"
#include "store/unsynced.h"

struct checkpoint;

struct side {			/* see spill.h */
	uint64_t number, segment;
};

struct store {
	char *dir, *journal_dir;
	uint64_t overlay_max;		/* bytes */
	unsigned files_max;		/* per shard */
	uint64_t recovered;
	int lock, whole;		/* descriptors; whole: see unsynced.h */
	struct failure failure;
	struct room room;
	struct journal *journal;
	struct checkpoint *checkpoint;

	_Atomic uint64_t side_number;	/* given last to a file beside the journal */

	pthread_mutex_t mutex;		/* guards all below */
	struct shard **shards;		/* NULL where none is */
	unsigned shards_max;
	struct map klasses;
	struct unsynced orphans;	/* left by shards that are gone */
	struct side *sides;		/* files that belong to segments */
	size_t sides_n;
};

#endif

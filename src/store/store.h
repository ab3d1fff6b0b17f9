/* store.h -- the data directory: who owns it, and what is durable.
 *
 * store_open() takes the directory's lock, recovers the journal onto the
 * objects' files, starts the journal thread and the checkpoint thread.
 * From then on a commit is a number; it is durable when store_durable() has
 * reached it.
 *
 *	worker: db_commit() --pages--> journal buffer --+
 *	                                                | journal thread: write, fdatasync
 *	worker: gate opens  <--wake-- store_durable() <-+
 *
 * After a failed write or fsync nothing is acknowledged again: store_failed()
 * is true for good, every shard is woken, the server answers what waits with
 * an error and stops.  A full disk is met before that: writes are refused early
 * (room.h), and the journal waits a while for room (tail.h).  Nothing uncommitted or unacknowledged reaches a
 * database file: files are only written from pages whose commit is durable.
 *
 * Thread: store_open/close on the main thread; the rest from any.
 */
#ifndef DREY_STORE_STORE_H
#define DREY_STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

struct store;
struct shard;

struct store_options {
	const char *dir;		/* made when missing, mode 0700 */
	uint64_t journal_segment;	/* bytes; a new segment is begun above this */
	uint64_t open_files;		/* descriptors for databases, all shards together */
	uint64_t overlay_max;		/* bytes of changed pages per database kept in memory */
	unsigned shards;		/* how many workers will take a shard */
	uint64_t min_free;		/* bytes; with less free, writes are refused: see room.h.  0: never */
	const char *min_free_file;	/* where that is written, for errors; borrowed; line 0: nowhere */
	int min_free_line;
	int64_t full_timeout_ms;	/* how long the journal waits for room on a full disk; see tail.h */
};

struct store_stats {
	uint64_t commits, syncs, journal_bytes, segments, recovered_records;
	uint64_t databases_open, files_open, overlay_bytes;
};

/* First thing in main, before any thread and any other SQLite call: sqlite3_config() is silently ignored later. */
void store_configure_sqlite(void);

/* NULL: ERR_BUSY (another server owns dir, the text has its pid), ERR_IO, ERR_CORRUPT. */
struct store *store_open(const struct store_options *);
/* Clean stop: all pages into the files, all synced, journal emptied, lock released. All shards must be freed before.
 * After a failure it only lets go.  Returns OK or ERR_IO. */
int store_close(struct store **);

uint64_t store_durable(const struct store *);	/* every commit up to this number is on disk */
bool store_failed(const struct store *);
const char *store_failure(const struct store *);	/* what failed, in plain English; lends for good; NULL while all is well */
void store_stats(struct store *, struct store_stats *);

/* shard: one worker's share of the store: its open databases, its descriptors.
 * wake(arg) is called from the journal or checkpoint thread when a number the
 * shard waits for became durable, when shard_tick() has work, and on failure;
 * also from within shard_want() (it is durable already) and shard_tick() (there
 * is more to do).  It only rings a bell: no call of this floor from inside it.
 * A wish is granted once, the earliest first: then look at store_durable() and
 * wish again for what still waits.
 * Thread: the owning worker only. */
struct shard *shard_new(struct store *, unsigned index, void (*wake)(void *arg), void *arg);
void shard_free(struct shard **);		/* all its databases must be closed before */
void shard_want(struct shard *, uint64_t commit);	/* wake me once this is durable */
void shard_tick(struct shard *);		/* bounded work for the checkpointer: pages of old segments into files */
int shard_wait(struct shard *, uint64_t commit);	/* blocks until durable; ERR_STORE after a failure */

#endif

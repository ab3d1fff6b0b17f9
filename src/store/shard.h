/* shard.h -- the inside of a shard; its verbs are in store.h.
 *
 * A shard keeps what its worker's databases share: the page pool, the
 * descriptors, the list of databases with pages in the journal that their
 * files lack (oldest segment first), and the list of files written but not
 * synced.  Only what is marked shared is touched by other threads.
 */
#ifndef DREY_STORE_SHARD_H
#define DREY_STORE_SHARD_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "base/map.h"
#include "base/str.h"
#include "store/files.h"
#include "store/pages.h"
#include "store/store.h"
#include "store/unsynced.h"

struct shard_vfs;

struct shard {
	struct store *store;
	unsigned index;
	void (*wake)(void *arg);
	void *arg;
	unsigned tick_pages;		/* written at most per shard_tick(), and for each page committed since the last one two more: */
	unsigned committed;		/* these; so files keep up with the journal however large the transactions are */
	struct page_pool pool;
	struct files files;
	struct list journaled;		/* captures, by since */
	struct list over;		/* captures whose overlay is over its limit */
	struct list warm;		/* databases that keep SQLite's page cache; see db.c */
	unsigned warm_n;
	struct buf record;		/* where commits are encoded */
	struct klass *klass;		/* found last */
	struct shard_vfs *vfs;		/* SQLite's way to our files */
	uint64_t temp_max;		/* bytes of one of SQLite's temporary files in memory */

	/* shared */
	_Atomic uint64_t want;		/* commit to be woken for; 0: none */
	_Atomic uint64_t target;	/* segments up to this are to be written into files */
	_Atomic uint64_t done;		/* and this is how far we are */
	_Atomic int64_t databases, overlay_bytes;
	pthread_mutex_t mutex;		/* guards unsynced */
	struct unsynced unsynced;
};

void shard_wrote(struct shard *, const struct klass *, const unsigned char id[PATHS_ID]);	/* remembers to sync it */
struct klass *shard_klass(struct shard *, const char *app, const char *class_name);		/* NULL: ERR_ARGUMENT */

#endif

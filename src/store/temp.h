/* temp.h -- SQLite's own scratch: rollback journals, sorted runs, temporary tables.
 *
 * In memory while it is small, which is nearly always: an ordinary
 * transaction's journal is three pages.  Past temp_max of the shard it goes to
 * a file beside the journal that has no name any more, so a crash leaves
 * nothing; a crash between its making and its unnaming leaves litter that
 * spill_sweep() removes.  Nothing here is ever synced: after a crash nobody
 * asks for it.
 *
 * Why SQLite keeps a rollback journal at all, when a rollback of ours throws
 * the pending pages away: a savepoint inside the transaction and a statement
 * that fails in its middle are undone from it.  With journal_mode=MEMORY an
 * UPDATE of all of a 1 GB table keeps 1 GB of old pages in memory.
 *
 * Lives in: struct vfs_file.  Thread: the shard's worker only.
 */
#ifndef DREY_STORE_TEMP_H
#define DREY_STORE_TEMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct shard;

struct temp {
	struct shard *shard;
	bool on_disk;
	int fd;
	char *p;		/* while in memory */
	size_t cap;
	uint64_t size;
};

void temp_init(struct temp *, struct shard *);
int temp_read(struct temp *, uint64_t at, size_t n, void *to);		/* 1: all; 0: short, the rest is zeros; ERR_IO */
int temp_write(struct temp *, uint64_t at, size_t n, const void *from);	/* ERR_IO */
int temp_truncate(struct temp *, uint64_t size);	/* 0: gives memory and disk back.  ERR_IO */
void temp_fini(struct temp *);

#endif

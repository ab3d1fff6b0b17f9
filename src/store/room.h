/* room.h -- how much room the data directory's file system has, and whether anybody may still write.
 *
 * What is acknowledged must reach its file however full the disk gets.  All
 * that is committed and not yet in its file is in the overlays, each page
 * once; so writing the files takes at most the overlays' bytes (a few clean
 * pages are counted with them).  Writes are refused while less is free than
 * these and min_free.  min_free is what may be committed between two looks,
 * each of which is at most a second or LOOK_BYTES of journal later, what
 * transactions add that had begun, and what others write there.  A new
 * segment of the journal may be among it, so it is not below one segment.
 *
 * A refusal is early: before a transaction's first write.  Reads go on, and so
 * does deleteAll(), which gives room back.
 *
 * Starved is the journal that has found the disk full all the same and
 * waits; see tail.h.  That refuses as well, min_free or not.
 *
 * Lives in: struct store.  Thread: the journal thread looks; room_check() from any.
 */
#ifndef DREY_STORE_ROOM_H
#define DREY_STORE_ROOM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct room {
	const char *dir;		/* borrowed: data_dir, for errors */
	uint64_t min_free;		/* bytes; 0: not watched */
	const char *file;		/* where that was written; line 0: a default */
	int line;
	uint64_t (*owed)(void *arg);	/* bytes that are not in the files yet */
	void *arg;

	atomic_uint refused;		/* why; 0: write */
	_Atomic uint64_t free_bytes, need;	/* at the last look */
	int64_t looked_ms;
	uint64_t written;		/* bytes of journal since */
};

void room_look(struct room *, int fd, uint64_t written);	/* fd: anything on that file system; written: just now, by the journal */
void room_starve(struct room *, bool);
int room_check(struct room *);		/* OK, or ERR_LIMIT: no write may begin */

#endif

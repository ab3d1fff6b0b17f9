/* recover.h -- after a crash: the journal's records onto the files.
 *
 * All segments are read twice.  The first pass only checks and notes which
 * records are in their file already (quarantine.h): commit numbers
 * are consecutive over all segments, so that the one place where records may
 * end early is the tail of the last segment that has any.  Anything else is
 * ERR_CORRUPT with file and offset, and no file has been touched.  The second
 * pass replays into memory, writes the files, syncs them and their directories
 * and then removes the segments, oldest first.  Dying anywhere is harmless:
 * the next start does the same again.
 */
#ifndef DREY_STORE_RECOVER_H
#define DREY_STORE_RECOVER_H

#include <stdint.h>

#include "base/map.h"
#include "store/failure.h"

struct recovered {
	uint64_t records, last_commit, last_segment;	/* 0 when the journal was empty */
};

int recover(const char *dir, const char *journal_dir, struct map *klasses, struct recovered *);	/* ERR_CORRUPT, ERR_IO */

#endif

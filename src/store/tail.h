/* tail.h -- the journal's newest segment, being written.
 *
 * The file is zero-filled ahead of the write position, or recycled ("spare"),
 * so that a sync carries no metadata, and so that a full disk is met by zeros
 * and not by a record: what a record is written over exists already.  While
 * zeros find no room the writer waits, up to patience_ms, and room.h refuses
 * new writes; what waits to be acknowledged keeps waiting.  If room comes all
 * goes on.  If not, or if a record itself cannot be written, the failure is
 * final like any other: failure.h.
 *
 * Lives in: struct journal.  Thread: the journal's own.
 */
#ifndef DREY_STORE_TAIL_H
#define DREY_STORE_TAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/failure.h"
#include "store/files.h"
#include "store/room.h"

struct tail {
	const char *dir;		/* these are borrowed */
	struct failure *failure;
	struct room *room;		/* NULL: nobody is to be refused */
	uint64_t segment_max;
	int64_t patience_ms;
	int dirfd;			/* kept: a sync of the directory must not fail for want of a descriptor */
	struct files files;		/* for patience, and a descriptor in reserve */
	int fd;
	uint64_t segment, written, filled;
	bool starved;			/* the last zeros found no room */
};

int tail_open(struct tail *);		/* the fields above dirfd are set.  ERR_IO */
void tail_close(struct tail *);
int tail_begin(struct tail *, uint64_t segment, bool spare);	/* a file of the segment's name, its name on disk.  ERR_STORE: failure_set() */
int tail_write(struct tail *, const void *, size_t n);		/* on disk.  ERR_STORE: failure_set() */
void tail_rest(struct tail *);		/* about once a second while nothing is to be written */

#endif

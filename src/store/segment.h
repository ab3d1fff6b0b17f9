/* segment.h -- reads one segment file, record by record.
 *
 * Owner: recover.c.  The file is read through a window, so a large segment
 * costs no more memory than its largest record.
 */
#ifndef DREY_STORE_SEGMENT_H
#define DREY_STORE_SEGMENT_H

#include <stdint.h>

#include "base/str.h"
#include "store/record.h"

struct segment {
	uint64_t number;
	char path[4096];
	int fd;
	uint64_t size, at;		/* of the file; of the next record */
	struct buf window;		/* bytes of the file ... */
	uint64_t window_at;		/* ... from here */
};

int segment_open(struct segment *, const char *journal_dir, uint64_t number);	/* ERR_IO; ERR_CORRUPT: another version */
/* 1: r is the record at *at; lends until the next call.  0: no valid record follows.  ERR_IO. */
int segment_next(struct segment *, struct record *r, uint64_t *at);
void segment_close(struct segment *);

#endif

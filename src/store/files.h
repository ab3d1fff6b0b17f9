/* files.h -- a bounded set of open database files, least recently used first out.
 *
 * Descriptors are a hard limit of the process, shared with sockets.  An awake
 * object holds at most one, and gives it up when another needs it.  When the
 * process runs out anyway (EMFILE), we close our own oldest ones and one kept
 * in reserve for this moment, and try again.
 *
 * Lives in: struct shard.  Thread: its worker only.
 */
#ifndef DREY_STORE_FILES_H
#define DREY_STORE_FILES_H

#include <stdbool.h>

#include "base/list.h"

struct file {			/* embedded in what may have a file open */
	int fd;
	struct list lru;
};

struct files {
	struct list lru;	/* oldest use first */
	_Atomic unsigned n;	/* also read by store_stats() */
	unsigned max;
	int reserve;
};

void files_init(struct files *, unsigned max);
void files_fini(struct files *);
/* open(2) with mode 0600 that waits out a lack of descriptors for a while; the descriptor is yours.  -1 with errno. */
int files_try_open(struct files *, const char *path, int flags);
void files_refill(struct files *);	/* after the descriptor was closed: takes the reserve back */
int files_sync_dir(struct files *, const char *path);	/* a directory's entries; -1 with errno */

void file_init(struct file *);
/* f->fd, opening path when needed; create: with mode 0600.  -1 with errno. */
int file_open(struct files *, struct file *, const char *path, bool create);
void file_close(struct files *, struct file *);	/* harmless when closed */

#endif

/* access_log.h -- one line per request.
 *
 *	127.0.0.1 - - [23/Nov/2026:10:00:00 +0000] "GET / HTTP/1.1" 200 12 "-" "curl/8" 0.000123 00000000000000ab counter
 *
 * nginx's combined format, then seconds taken, request id, app.  Off unless
 * access_log is set.  Lines gather per thread and are written together, each
 * write whole lines: when 32 KB have gathered, or a second after the
 * first of them.
 */
#ifndef DREY_NET_ACCESS_LOG_H
#define DREY_NET_ACCESS_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "base/timers.h"

struct access_log_file {		/* shared by all threads */
	const char *path;		/* NULL: off */
	int fd;
};

int access_log_open(struct access_log_file *, const char *path);	/* path NULL: off; "stdout"; ERR_IO */
int access_log_reopen(struct access_log_file *);	/* after rotation; the descriptor keeps its number, so threads need not know */
void access_log_close(struct access_log_file *);

struct access_log {			/* one thread's */
	const struct access_log_file *file;
	struct timers *timers;
	struct timer flush;
	struct buf lines;
};

struct access_entry {
	struct str client, time, method, target, referer, agent, app;
	int version;			/* 0x100 or 0x101; 0: no request line was read */
	int status;
	uint64_t bytes, request_id;
	int64_t took_us;
};

void access_log_init(struct access_log *, const struct access_log_file *, struct timers *);
void access_log_fini(struct access_log *);	/* writes what is left */
void access_log_write(struct access_log *, const struct access_entry *);
static inline bool
access_log_on(const struct access_log *a)
{
	return a->file->path != NULL;
}

#endif

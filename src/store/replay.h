/* replay.h -- records onto databases, through memory.
 *
 * Pages are gathered per database and written once, when memory runs over a
 * bound or at the end: a counter with a million records costs one page write.
 *
 * Owner: recover.c.  Thread: the one in store_open().
 */
#ifndef DREY_STORE_REPLAY_H
#define DREY_STORE_REPLAY_H

#include <stdint.h>

#include "base/map.h"
#include "store/record.h"

struct replay;

struct replay *replay_new(const char *dir, const char *journal_dir, struct map *klasses);	/* borrows all */
int replay_look(struct replay *, const struct record *, const char *path, uint64_t at);	/* the first pass: notes which records are not to be replayed, checks side files */
int replay_record(struct replay *, const struct record *, const char *path, uint64_t at);	/* path, at: for the error.  ERR_CORRUPT, ERR_IO */
int replay_finish(struct replay *);	/* all written and synced.  ERR_IO */
void replay_free(struct replay **);

#endif

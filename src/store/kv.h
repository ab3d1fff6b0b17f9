/* kv.h -- keys and values of one object, in the hidden table _cf_KV.
 *
 * Keys and values are bytes here; values are made by codec.h.  Keys sort by
 * memcmp, may contain NUL and may be empty.  Limits are the caller's
 * business.  Reads of an object that stored nothing touch no disk.
 *
 * Errors: ERR_STORE with SQLite's text as "<message>: SQLITE_NAME".
 * Thread: the owning worker only.
 */
#ifndef DREY_STORE_KV_H
#define DREY_STORE_KV_H

#include "store/db.h"

struct kv_range {
	struct str start;	/* inclusive; p NULL = from the first */
	struct str end;		/* exclusive; p NULL = to the last */
	bool reverse;		/* from the last to the first; start and end keep their meaning */
	int64_t limit;		/* < 0 = all */
};

/* 1 found, 0 not there, or an error.  *value lends until the next call on this db. */
int kv_get(struct db *, struct str key, struct str *value);
int kv_put(struct db *, struct str key, struct str value);
int kv_delete(struct db *, struct str key);	/* 1 if it was there, 0 if not */
/* Several writes as one: all or none.  kv_batch_end(ok=false) undoes what was put since begin. */
int kv_batch_begin(struct db *);
int kv_batch_end(struct db *, bool ok);
/* Calls each(arg, key, value) in order; the slices are lent during the call.  A non-zero answer stops and is returned. */
int kv_list(struct db *, const struct kv_range *, int (*each)(void *arg, struct str key, struct str value), void *arg);
/* Another number than before: what kv_list() gives may be different from now on.  Touches no disk. */
uint64_t kv_changes(struct db *);
/* Narrows r by a prefix as list{prefix=} asks; false: nothing can match.  end may use scratch, lent to r. */
bool kv_range_prefix(struct kv_range *r, struct str prefix, struct buf *scratch);

#endif

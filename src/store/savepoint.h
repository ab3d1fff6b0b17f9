/* savepoint.h -- all or nothing inside the implicit transaction.
 *
 * transactionSync() and the batches of kv.c are the same thing: a SQLite
 * savepoint.  They nest freely, so they share one name (SQLite takes the
 * innermost of a name) and one counter, db_parts()->savepoints.
 *
 * Private to src/store.  Lives in: the db.  Thread: the owning worker only.
 */
#ifndef DREY_STORE_SAVEPOINT_H
#define DREY_STORE_SAVEPOINT_H

#include <stdbool.h>

#include "store/db.h"

int savepoint_begin(struct db *);		/* begins the implicit transaction, depth + 1 */
/* Depth - 1 in any case.  keep: ERR_STORE when the transaction was lost meanwhile. */
int savepoint_end(struct db *, bool keep);

/* kv.c: the savepoint of this depth ended; a table made inside went with it, or is its parent's now. */
void kv_savepoint_ended(struct db *, int depth, bool kept);

#endif

/* handle.h -- what db.c lends to kv.c, sql.c and meta.c: the SQLite handle and its rules.
 *
 * The only header of this floor that knows sqlite3.h; nobody above src/store
 * includes it.
 */
#ifndef DREY_STORE_HANDLE_H
#define DREY_STORE_HANDLE_H

#include <sqlite3.h>

#include "base/list.h"
#include "store/db.h"

/* meta.c's table, which every new database has; see blank.h. */
#define META_TABLE "_cf_METADATA"
#define META_CREATE "CREATE TABLE " META_TABLE " (key INTEGER PRIMARY KEY, value BLOB)"

/* What the database remembers for kv.c and sql.c; they own what hangs on it. */
struct db_parts {
	struct list cursors;		/* open ones; sql_orphan_all() kills them before a rollback, delete or close */
	struct kv_statements *kv;	/* prepared on first use; kv_forget() */
	struct sql_cache *sql;		/* statements by text; sql_forget() */
	uint64_t kv_changes;		/* see kv_changes() */
	int savepoints;			/* depth of transactionSync and batches */
	bool trusted;			/* our own statements are being prepared: the authorizer lets all through */
};

/* Opens SQLite if it is not open.  NULL with err_set(): could not open, or broken. */
sqlite3 *db_handle(struct db *);
struct db_parts *db_parts(struct db *);
struct buf *db_meta_lent(struct db *);	/* what db_meta_get() lends; owned by the db */
/* Call before stepping any statement that writes: opens the implicit transaction, calls on_dirty once.  ERR_STORE; ERR_LIMIT: the disk
 * is almost full, and the db goes on. */
int db_begin(struct db *);
/* Turns SQLite's failure into err_set(ERR_STORE, "<message>: SQLITE_NAME") and breaks the db if it is a critical one. */
int db_fail(struct db *, int rc);

/* Called by db.c: */
void kv_forget(struct db *);		/* finalizes its statements; the tables may be gone */
void sql_orphan_all(struct db *, const char *why);	/* every open cursor dies with this text */
void sql_forget(struct db *);		/* finalizes the statement cache */
void sql_guard(struct db *, sqlite3 *);	/* installs authorizer and limits on a fresh handle */
/* Called by guard.c: false: nobody set db_ask_limits(), and all of them are 0. */
bool db_limits(struct db *, struct sql_limits *);

#endif

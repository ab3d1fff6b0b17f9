/* guard.h -- what the authorizer saw while a statement was prepared.
 *
 * SQLite calls the authorizer during sqlite3_prepare_v3() with names and a
 * verdict to give; sql.c wants to know more afterwards.  So the guard writes
 * it down here, and sql.c clears it before each statement.
 *
 * Private to src/store.  Lives in: struct sql_cache.  Thread: the owning worker only.
 */
#ifndef DREY_STORE_GUARD_H
#define DREY_STORE_GUARD_H

#include <stdbool.h>

#include "base/str.h"

enum guard_denial {
	GUARD_NOTHING,
	GUARD_TRANSACTION,	/* BEGIN, COMMIT, ROLLBACK, SAVEPOINT, RELEASE */
	GUARD_RESERVED,		/* a name that begins with _cf_ */
	GUARD_PRAGMA, GUARD_PRAGMA_ARGUMENT,
	GUARD_FUNCTION, GUARD_MODULE, GUARD_TABLE, GUARD_TEMP, GUARD_ATTACH,
};

struct db;

struct guard_seen {
	enum guard_denial denial;	/* the first one */
	char name[64];			/* what was denied, cut to fit */
	bool names;			/* it makes or alters a table: its text must pass guard_names() */
	bool schema;			/* changes the schema: must not be cached, see sql_count.c */
	bool pragma;			/* acts while it is prepared, so it must not be cached */
	bool writes;			/* sqlite3_stmt_readonly() calls it a reader, but it is not */
};

/* Finds the names that SQLite's authorizer is not told: the new one in ALTER TABLE ... RENAME TO, and the table behind
 * REFERENCES.  true: a reserved name, written down in seen. */
bool guard_names(struct str sql, struct guard_seen *seen);
/* Which of the app's limits is this message of SQLite about?  " (sql_limits params, site.conf:12)" to out, or nothing. */
void guard_name_limit(struct db *, int rc, const char *message, struct buf *out);
/* A sentence that says what to write instead, or "". Writes it to out. */
void guard_explain(const struct guard_seen *, struct buf *out);

#endif

/* sql.h -- ctx.storage.sql: statements, bindings, cursors.
 *
 * sql_exec() runs every statement of the text but the last to its end, steps
 * the last once, and returns a cursor on it.  Parameters bind to the last.
 * A cursor reads one row ahead, so that the statement goes back to the cache
 * with its last row.  Statements are cached by exact text, bounded.
 *
 * User SQL is held by an authorizer: names that begin with _cf_ are reserved,
 * no ATTACH, no temp tables, PRAGMAs and functions by allow-list, no BEGIN,
 * COMMIT, ROLLBACK, SAVEPOINT or RELEASE.
 *
 * Errors: ERR_STORE; the text is SQLite's own with ": SQLITE_NAME", or one of
 * the texts of semantics (see sql.c).  A critical error (FULL, IOERR, NOMEM,
 * CORRUPT) makes db_broken() true.
 *
 * Lives in: the db; a cursor is the caller's until sql_close().  When the db
 * rolls back, is deleted or freed, its open cursors die: the next call on
 * them is an error that says so.  Thread: the owning worker only.
 */
#ifndef DREY_STORE_SQL_H
#define DREY_STORE_SQL_H

#include "store/db.h"

enum sql_type { SQL_NULL, SQL_INTEGER, SQL_REAL, SQL_TEXT, SQL_BLOB };

struct sql_value {
	enum sql_type type;
	int64_t i;
	double r;
	struct str s;		/* text and blob; lent by a cursor until its next step, borrowed by sql_exec() during the call */
};

struct cursor;

/* NULL and err_text() on error. */
struct cursor *sql_exec(struct db *, struct str query, const struct sql_value *bindings, int n);
int sql_next(struct cursor *);			/* 1: a row is there, 0: no more, or an error */
/* The same for whoever wants all rows at once: this row is not copied, and only the next call moves the statement on. */
int sql_walk(struct cursor *);
int sql_columns(const struct cursor *);		/* number of columns; also after the last row */
struct str sql_column_name(struct cursor *, int i);	/* lends while the cursor lives */
void sql_value(struct cursor *, int i, struct sql_value *);	/* of the row at hand; lends until the next row */
bool sql_wrote(const struct cursor *);		/* was any statement of the text one that writes? */
int64_t sql_rows_read(const struct cursor *);
int64_t sql_rows_written(const struct cursor *);
void sql_cancel(struct cursor *, const char *why);	/* no more rows: the next sql_next() says why.  Nothing if there were none to come */
void sql_close(struct cursor **);		/* harmless on a dead one */

/* transactionSync(), transaction(): nested savepoints inside the implicit transaction. */
int sql_savepoint(struct db *);			/* depth + 1 */
int sql_release(struct db *, bool keep);	/* keep: changes stay; else undone.  depth - 1 */
int sql_depth(struct db *);

#endif

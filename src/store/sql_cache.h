/* sql_cache.h -- prepared statements by exact text, and what sql*.c share.
 *
 * A statement is lent to one cursor at a time.  While it is lent it is not
 * on the list of idle ones; a second cursor on the same text gets a private
 * copy that is finalized after use.
 *
 *	      take            give back
 *	idle -------> lent ---------------> idle, newest
 *	  \             \--(private)------> finalized
 *	   \--oldest, when over a bound---> finalized
 *
 * Private to src/store.  Lives in: db_parts()->sql.  Thread: the owning worker only.
 */
#ifndef DREY_STORE_SQL_CACHE_H
#define DREY_STORE_SQL_CACHE_H

#include "base/list.h"
#include "base/map.h"
#include "store/guard.h"
#include "store/handle.h"
#include "store/sql.h"

/* Column names outlive the statement's turn: a finished cursor still tells them.  Shared, counted. */
struct sql_names {
	int refs, n;
	struct str name[];	/* the bytes follow */
};

struct sql_statement {
	struct list idle;	/* on the cache's list, or not linked while lent */
	sqlite3_stmt *stmt;
	struct sql_names *names;	/* NULL until the first run */
	struct str text;	/* the map's key, bytes of its own; p NULL: private, not in the cache */
	int params;
	int reprepared;		/* how often SQLite had compiled it anew when names were taken */
	bool writes;
};

enum { SQL_COUNT_TABLES = 4, SQL_COUNT_NAME = 40 };	/* more tables in one statement, and longer names: their indexes are not counted */

struct sql_count {
	struct sql_inserted {
		char table[SQL_COUNT_NAME];
		int64_t rows;
	} inserted[SQL_COUNT_TABLES];	/* by the statement at hand */
	struct sql_indexes {
		char table[SQL_COUNT_NAME];
		int n;
	} indexes[SQL_COUNT_TABLES];	/* how many a table has; a ring */
	int tables, known;
	sqlite3_stmt *ask;
};

struct sql_cache {
	struct map by_text;
	struct list idle;	/* oldest first */
	size_t text_bytes;
	struct guard_seen seen;
	struct sql_count count;
	sqlite3_stmt *savepoint[3];
};

struct sql_cache *sql_cache_of(struct db *);	/* made on first use */
struct sql_statement *sql_cache_take(struct db *, struct str text);	/* NULL: not there, or lent */
/* Compiles the first statement of *rest and moves *rest behind it.  query is the whole text, for offsets.
 * The statement is private until sql_cache_keep().  NULL: err_text(). */
struct sql_statement *sql_prepare(struct db *, sqlite3 *, struct str query, struct str *rest);
void sql_cache_keep(struct db *, struct sql_statement *, struct str text);	/* copies text; nothing if it has no place */
void sql_give_back(struct db *, struct sql_statement *);	/* takes it: resets, then keeps or finalizes */

struct sql_names *sql_names_of(struct sql_statement *);	/* after its first step; a reference for the caller */
void sql_names_drop(struct sql_names *);

/* sql_cursor.c: binds, steps, returns the cursor.  Takes the statement, also when it fails. */
struct cursor *sql_cursor_open(struct db *, sqlite3 *, struct sql_statement *, const struct sql_value *, int n);
/* sql.c fills in what the whole call did before the cursor's own statement. */
void sql_cursor_count(struct cursor *, int64_t read_before, int64_t written, bool wrote_before);
int64_t sql_rows_scanned(sqlite3_stmt *);	/* since the last call with reset; see sql_cursor.c */

/* sql_count.c */
void sql_count_watch(struct db *, sqlite3 *);	/* on a fresh handle */
void sql_count_begin(struct db *);
int64_t sql_count_entries(struct db *, sqlite3 *);	/* that indexes got since begin or the last call, of the schema as it is now */
void sql_count_forget(struct db *);		/* the schema may be another one now */

/* sql_error.c */
int sql_failed(struct db *, sqlite3 *, int rc, struct str query, struct str rest);	/* err_set() in the words of sql.h */
const char *sql_code_name(int rc);		/* "SQLITE_CONSTRAINT_UNIQUE"; lends for good */

#endif

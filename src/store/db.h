/* db.h -- one object's database: SQLite on top, page capture below.
 *
 *	kv.c  sql.c                  what the object asks
 *	  SQLite                     journal in temp.c, synchronous=OFF, exclusive
 *	    vfs.c                    xWrite goes to the pending pages, xRead finds them
 *	      pending --db_commit--> overlay --checkpoint or sleep--> <id>.sqlite
 *	                   \--> journal record: whole page at its first change in a
 *	                        segment, changed byte ranges after that
 *
 * Nothing exists on disk, and no SQLite handle is opened, until first needed:
 * a read of an object that never wrote opens nothing (db_exists() is false
 * and kv_get() answers at once).
 *
 * The implicit transaction: the first write opens it (on_dirty is called, once),
 * db_commit() ends it.
 *
 * Lives in: struct object.  Thread: the owning worker only.
 */
#ifndef DREY_STORE_DB_H
#define DREY_STORE_DB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "store/store.h"

struct db;

/* What one statement may be, and last the whole database.  0: SQLite's own default. */
enum sql_limit {
	SQL_LIMIT_LENGTH, SQL_LIMIT_STATEMENT, SQL_LIMIT_COLUMNS, SQL_LIMIT_PARAMS, SQL_LIMIT_EXPR_DEPTH,
	SQL_LIMIT_COMPOUND_SELECT, SQL_LIMIT_FUNCTION_ARG, SQL_LIMIT_LIKE_PATTERN, SQL_LIMIT_TRIGGER_DEPTH, SQL_LIMIT_VDBE_OP,
	SQL_LIMIT_STORAGE,	/* bytes of the database */
	SQL_LIMITS,
};

struct sql_limits {
	struct {
		int64_t value;
		const char *file;	/* where it was set, for errors; lent for the call that asked */
		int line;
	} of[SQL_LIMITS];
	char object[128];		/* what to call the object in errors */
};

struct db_name {
	const char *app, *class_name;	/* borrowed for the life of the db */
	unsigned char id[32];
};

/* No I/O. on_dirty(arg) tells that an implicit transaction has begun. Never NULL. */
struct db *db_new(struct shard *, const struct db_name *, void (*on_dirty)(void *arg), void *arg);

/* ask(arg, limits) fills in the limits: when SQLite is opened, and when one of them was hit.  Without it: the guard's. */
void db_ask_limits(struct db *, void (*ask)(void *arg, struct sql_limits *));

/* stop(arg) is asked now and then while SQLite runs a statement; true ends it with SQLITE_INTERRUPT.  A statement that writes takes the
 * whole transaction with it: the db is broken. */
void db_ask_stop(struct db *, bool (*stop)(void *arg));

/* Ends the implicit transaction, hands the pages to the journal.
 * *commit: the number to wait for (unchanged if nothing was written).
 * ERR_STORE: SQLite refused (a deferred constraint, say): all of the
 * transaction is undone and the object must be reset. */
int db_commit(struct db *, uint64_t *commit);
void db_rollback(struct db *);			/* drops what is not committed; open cursors die */
bool db_dirty(const struct db *);		/* is an implicit transaction open? */
bool db_exists(struct db *);			/* is anything stored, committed or not? */
uint64_t db_last_commit(const struct db *);	/* 0: none in this life */

/* The object sleeps: rolls back what is open, writes its pages to its file, closes all.  If the last commit is not yet
 * durable it waits for it (shard_wait).  An empty database leaves no file.  ERR_IO / ERR_STORE: store_failed() is set. */
int db_free(struct db **);

/* deleteAll(): all tables, KV, metadata gone in the implicit transaction; open cursors die. */
int db_delete_all(struct db *);
int db_size(struct db *, uint64_t *bytes);	/* (pages - free pages) * page size; 0 when nothing is stored */

/* _cf_METADATA: the object's own facts (the name it was first reached by). */
enum { META_NAME = 3 };				/* 1 and 2 are the alarm and the bookmark, as in the original */
int db_meta_get(struct db *, int key, struct str *value);	/* value.p NULL: none; lends until the next call on this db */
int db_meta_put(struct db *, int key, struct str value);

/* A failed call that broke the database for good (I/O, full, no memory, corrupt): every later call fails with the same text, whether
 * the first was caught or not.  db_free() then says in the log whose database broke and why, and sets a damaged file aside: see
 * quarantine.h. */
bool db_broken(const struct db *);

#endif

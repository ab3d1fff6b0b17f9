/* sql.c -- sql_exec(): from a text to a cursor on its last statement.
 *
 *	text --cached?--> statement ------------------------------+
 *	  \--compile one--> more text behind it?                  |
 *	                      yes: run it to its end, next one    |
 *	                      no:  the last one ------------------+--> bind, step once, cursor
 *
 * As in the original, a statement is compiled after those before it ran (so
 * it sees the tables they made), and when a later one fails, the earlier ones
 * have happened: they stay in the implicit transaction.
 *
 * Only a text that is one statement is kept in the cache.
 *
 * Thread: the owning worker only.
 */
#include "store/sql.h"

#include "base/err.h"
#include "store/savepoint.h"
#include "store/sql_cache.h"

#define NOWHERE ((struct str){ NULL, 0 })

/* What the statements of a text did together. */
struct totals {
	int64_t read;
	int64_t entries;	/* in indexes */
	bool wrote;
};

static int
run_to_end(struct db *db, sqlite3 *h, struct sql_statement *st, struct str query, struct totals *to)
{
	int rc;

	if (st->params)
		return err_set(ERR_STORE, "When executing multiple SQL statements in a single call, only the last statement can have parameters.");
	if (st->writes && db_begin(db) < 0)
		return ERR_STORE;
	while ((rc = sqlite3_step(st->stmt)) == SQLITE_ROW)
		;
	to->read += sql_rows_scanned(st->stmt);
	to->wrote |= st->writes;
	if (rc != SQLITE_DONE)
		return sql_failed(db, h, rc, query, NOWHERE);
	to->entries += sql_count_entries(db, h);
	return OK;
}

/* Compiles and runs all but the last, which it returns. */
static struct sql_statement *
parse(struct db *db, sqlite3 *h, struct str query, struct totals *to)
{
	const char *nul = query.n ? memchr(query.p, '\0', query.n) : NULL;
	struct str rest = query;
	struct sql_statement *st;
	bool alone = true;

	if (nul) {	/* SQLite would stop here and silently drop what follows */
		err_set(ERR_STORE, "SQL code contains a zero byte at offset %zu: pass binary values as parameters (?)", (size_t)(nul - query.p));
		return NULL;
	}
	while ((st = sql_prepare(db, h, query, &rest)) && rest.n) {
		int rc = run_to_end(db, h, st, query, to);

		sql_give_back(db, st);
		if (rc < 0)
			return NULL;
		alone = false;
	}
	if (st && alone)
		sql_cache_keep(db, st, query);
	return st;
}

struct cursor *
sql_exec(struct db *db, struct str query, const struct sql_value *bindings, int n)
{
	sqlite3 *h = db_handle(db);
	struct sql_statement *st;
	struct cursor *c;
	struct totals all = { 0 };
	int64_t changed;

	if (!h)
		return NULL;
	changed = sqlite3_total_changes64(h);
	sql_count_begin(db);
	if (!(st = sql_cache_take(db, query)) && !(st = parse(db, h, query, &all)))
		return NULL;
	if (!(c = sql_cursor_open(db, h, st, bindings, n)))
		return NULL;
	all.entries += sql_count_entries(db, h);
	sql_cursor_count(c, all.read, sqlite3_total_changes64(h) - changed + all.entries, all.wrote);
	return c;
}

/* ---- savepoints ---- */

enum { BEGIN, RELEASE, UNDO };

static const char *const savepoint_texts[] = {
	[BEGIN] = "SAVEPOINT _cf_savepoint",
	[RELEASE] = "RELEASE _cf_savepoint",
	[UNDO] = "ROLLBACK TO _cf_savepoint",
};

static int
savepoint_step(struct db *db, sqlite3 *h, int which)
{
	sqlite3_stmt **stmt = &sql_cache_of(db)->savepoint[which];
	struct db_parts *parts = db_parts(db);
	int rc = SQLITE_OK, answer = OK;

	parts->trusted = true;
	if (!*stmt)
		rc = sqlite3_prepare_v3(h, savepoint_texts[which], -1, SQLITE_PREPARE_PERSISTENT, stmt, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(*stmt);
	parts->trusted = false;
	if (rc != SQLITE_DONE)
		answer = db_fail(db, rc);
	sqlite3_reset(*stmt);
	return answer;
}

int
savepoint_begin(struct db *db)
{
	sqlite3 *h = db_handle(db);
	int rc;

	if (!h || db_begin(db) < 0)
		return ERR_STORE;
	if ((rc = savepoint_step(db, h, BEGIN)) < 0)
		return rc;
	db_parts(db)->savepoints++;
	return OK;
}

/* Was the transaction around the savepoint lost (a critical error, a reset)?  Then there is nothing left to undo or keep. */
static int
savepoint_lost(struct db *db, bool keep)
{
	char text[512];

	if (!keep)
		return OK;
	if (!db_broken(db))
		return err_set(ERR_STORE, "Cannot commit transaction: it was rolled back before its end");
	db_handle(db);		/* tells again what broke it */
	memcpy(text, err_text(), strnlen(err_text(), sizeof(text) - 1) + 1);
	text[sizeof(text) - 1] = '\0';
	return err_set(ERR_STORE, "Cannot commit transaction due to an earlier SQL critical error: %s", text);
}

int
savepoint_end(struct db *db, bool keep)
{
	struct db_parts *parts = db_parts(db);
	int depth = parts->savepoints;
	sqlite3 *h;
	int rc = OK;

	if (depth > 0)
		parts->savepoints--;
	if (depth == 0 || db_broken(db) || !db_dirty(db))
		return savepoint_lost(db, keep);
	if (!(h = db_handle(db)))
		return ERR_STORE;
	if (!keep) {
		rc = savepoint_step(db, h, UNDO);
		sql_count_forget(db);
	}
	if (rc == OK)
		rc = savepoint_step(db, h, RELEASE);
	kv_savepoint_ended(db, depth, keep && rc == OK);
	return rc;
}

int
sql_savepoint(struct db *db)
{
	return savepoint_begin(db);
}

int
sql_release(struct db *db, bool keep)
{
	return savepoint_end(db, keep);
}

int
sql_depth(struct db *db)
{
	return db_parts(db)->savepoints;
}

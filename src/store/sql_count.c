/* sql_count.c -- entries of indexes, for rowsWritten.
 *
 * SQLite counts changed rows; the original counts the entry that each index
 * gets as well.  The update hook tells the table of every inserted row; how
 * many indexes a table has is asked of SQLite once and remembered until the
 * schema may have changed: a statement that changes it was prepared (none of
 * them is kept in the cache, so each is), or something was undone.
 *
 * Not seen by the hook: rows of WITHOUT ROWID tables.  Not counted: the entries
 * that an UPDATE changes, and those that go with a row.
 *
 * Thread: the owning worker only.
 */
#include <string.h>

#include "store/sql_cache.h"

static void
on_change(void *arg, int action, const char *database, const char *table, sqlite3_int64 rowid)
{
	struct sql_count *count = &sql_cache_of(arg)->count;
	struct sql_inserted *to = count->inserted;

	(void)database;
	(void)rowid;
	if (action != SQLITE_INSERT || db_parts(arg)->trusted)
		return;
	while (to < count->inserted + count->tables && strcmp(to->table, table) != 0)
		to++;
	if (to == count->inserted + SQL_COUNT_TABLES || strlen(table) >= sizeof(to->table))
		return;
	if (to == count->inserted + count->tables) {
		strcpy(to->table, table);
		to->rows = 0;
		count->tables++;
	}
	to->rows++;
}

void
sql_count_watch(struct db *db, sqlite3 *h)
{
	sqlite3_update_hook(h, on_change, db);
}

void
sql_count_begin(struct db *db)
{
	sql_cache_of(db)->count.tables = 0;
}

void
sql_count_forget(struct db *db)
{
	if (db_parts(db)->sql)
		db_parts(db)->sql->count.known = 0;
}

/* -1: SQLite did not say. */
static int
ask_indexes(struct db *db, sqlite3 *h, const char *table)
{
	struct sql_count *count = &sql_cache_of(db)->count;
	int n = -1, rc = SQLITE_OK;

	db_parts(db)->trusted = true;
	if (!count->ask)
		rc = sqlite3_prepare_v3(h, "SELECT count(*) FROM pragma_index_list(?1)", -1, SQLITE_PREPARE_PERSISTENT, &count->ask, NULL);
	if (rc == SQLITE_OK && (rc = sqlite3_bind_text(count->ask, 1, table, -1, SQLITE_STATIC)) == SQLITE_OK &&
	    (rc = sqlite3_step(count->ask)) == SQLITE_ROW)
		n = sqlite3_column_int(count->ask, 0);
	else
		db_fail(db, rc);	/* out of memory: the transaction may be lost, and the next call says so */
	sqlite3_reset(count->ask);
	db_parts(db)->trusted = false;
	return n;
}

static int
indexes_of(struct db *db, sqlite3 *h, const char *table)
{
	struct sql_count *count = &sql_cache_of(db)->count;
	struct sql_indexes *at;
	int n;

	for (int i = 0; i < count->known && i < SQL_COUNT_TABLES; i++)
		if (strcmp(count->indexes[i].table, table) == 0)
			return count->indexes[i].n;
	if ((n = ask_indexes(db, h, table)) < 0)
		return 0;
	at = &count->indexes[count->known++ % SQL_COUNT_TABLES];	/* the oldest makes room */
	strcpy(at->table, table);
	at->n = n;
	return n;
}

int64_t
sql_count_entries(struct db *db, sqlite3 *h)
{
	struct sql_count *count = &sql_cache_of(db)->count;
	int64_t entries = 0;

	for (int i = 0; i < count->tables; i++)
		entries += count->inserted[i].rows * indexes_of(db, h, count->inserted[i].table);
	count->tables = 0;
	return entries;
}

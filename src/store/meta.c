/* meta.c -- the object's own facts in _cf_METADATA; see db.h.
 *
 * Asked once per life and written rarely: nothing is cached.
 */
#include "base/err.h"
#include "store/handle.h"

static const char get[] = "SELECT value FROM " META_TABLE " WHERE key=?1";
static const char put[] = "INSERT INTO " META_TABLE " VALUES(?1, ?2) ON CONFLICT(key) DO UPDATE SET value=?2";

static sqlite3_stmt *
meta_prepare(struct db *db, sqlite3 *h, const char *text, int key)
{
	sqlite3_stmt *s = NULL;
	int rc;

	db_parts(db)->trusted = true;
	rc = sqlite3_prepare_v2(h, text, -1, &s, NULL);
	db_parts(db)->trusted = false;
	if (rc != SQLITE_OK) {
		db_fail(db, rc);
		return NULL;
	}
	if (key)
		sqlite3_bind_int(s, 1, key);
	return s;
}

/* 1 a row, 0 none, or an error; *s is to be finalized. */
static int
meta_step(struct db *db, sqlite3_stmt *s)
{
	int rc;

	if (!s)
		return ERR_STORE;
	db_parts(db)->trusted = true;
	rc = sqlite3_step(s);
	db_parts(db)->trusted = false;
	return rc == SQLITE_ROW ? 1 : rc == SQLITE_DONE ? 0 : db_fail(db, rc);
}

/* Is the table there?  Not in a file that somebody else made.  1, 0, or an error. */
static int
meta_there(struct db *db, sqlite3 *h)
{
	int rc = sqlite3_table_column_metadata(h, "main", META_TABLE, "key", NULL, NULL, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 1 : rc == SQLITE_ERROR ? 0 : db_fail(db, rc);
}

static int
meta_create(struct db *db, sqlite3 *h)
{
	sqlite3_stmt *s = meta_prepare(db, h, META_CREATE, 0);
	int rc = meta_step(db, s);

	sqlite3_finalize(s);
	return rc;
}

int
db_meta_get(struct db *db, int key, struct str *value)
{
	struct buf *lent = db_meta_lent(db);
	sqlite3_stmt *s;
	sqlite3 *h;
	int rc;

	*value = (struct str){ NULL, 0 };
	if (!db_broken(db) && !db_exists(db))
		return OK;
	if (!(h = db_handle(db)))
		return err_code();
	if ((rc = meta_there(db, h)) != 1)
		return rc;
	s = meta_prepare(db, h, get, key);
	if ((rc = meta_step(db, s)) == 1) {
		const void *p = sqlite3_column_blob(s, 0);

		buf_clear(lent);
		buf_add(lent, p ? p : "", (size_t)sqlite3_column_bytes(s, 0));
		*value = str_n(lent->p ? lent->p : "", lent->n);
		rc = OK;
	}
	sqlite3_finalize(s);
	return rc;
}

int
db_meta_put(struct db *db, int key, struct str value)
{
	sqlite3_stmt *s;
	int rc = db_begin(db);
	sqlite3 *h;

	if (rc != OK || !(h = db_handle(db)))
		return err_code();
	if ((rc = meta_there(db, h)) == 0)
		rc = meta_create(db, h);
	if (rc < 0)
		return rc;
	if (!(s = meta_prepare(db, h, put, key)))
		return err_code();
	sqlite3_bind_blob64(s, 2, value.p ? value.p : "", value.n, SQLITE_STATIC);
	rc = meta_step(db, s);
	sqlite3_finalize(s);
	return rc < 0 ? rc : OK;
}

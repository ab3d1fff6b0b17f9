/* db.c -- one object's database: SQLite's handle, the implicit transaction, sleep; see db.h and handle.h.
 *
 *	        db_begin            db_commit
 *	CLEAN ------------> DIRTY ------------> CLEAN
 *	                      |  db_rollback
 *	                      +---------------> CLEAN
 *
 * deleteAll closes the handle and wipes the capture; the transaction stays
 * open (dirty) over whatever handle is opened next, until commit or rollback.
 */
#include "store/db.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/log.h"
#include "store/capture.h"
#include "store/handle.h"
#include "store/inside.h"
#include "store/quarantine.h"
#include "store/shard.h"
#include "store/sql_cache.h"
#include "store/vfs.h"

/* SQLite's cache doubles what the overlay or the kernel's cache holds.  Only the WARM_MAX databases of a shard that were used last keep
 * theirs; the others read their pages again, by a memcpy or a pread. */
#define CACHE_PAGES "32"

enum { WARM_MAX = 128, PAGES_MOST = (int)(10ull * 1024 * 1024 * 1024 / PAGE_BYTES) };	/* 10 GiB per object */

enum { ASK_STOP_STEPS = 1000 };	/* of SQLite's machine: some ten microseconds */

#define MAX_PAGE_COUNT INT64_C(4294967294)	/* SQLite's own */

struct db {
	struct capture capture;
	struct db_parts parts;
	sqlite3 *handle;
	sqlite3_stmt *begin, *commit;	/* NULL until the handle's first transaction */
	bool begun;			/* BEGIN has run on this handle */
	bool dirty;			/* an implicit transaction is open */
	bool wiped;			/* ... in which deleteAll ran: the handle knows nothing of what was before */
	struct list warm;		/* in the shard: keeps its page cache */
	char *broken;			/* why every call fails from now on */
	bool critical;			/* ... which the log has to say when it is closed */
	bool damaged;			/* ... because its file is no database: it is to be set aside */
	struct buf meta;		/* what db_meta_get() lends */
	void (*on_dirty)(void *arg);
	void (*ask)(void *arg, struct sql_limits *);	/* NULL: nobody to ask */
	bool (*stop)(void *arg);	/* NULL: never */
	void *arg;
	struct db_name name;
};

static const char rolled_back[] = "SQLite query was canceled because the transaction was rolled back.";
static const char deleted[] = "SQLite query was canceled because the database was deleted.";
static const char slept[] = "SQLite query was canceled because the object went to sleep.";

struct db *
db_new(struct shard *s, const struct db_name *name, void (*on_dirty)(void *arg), void *arg)
{
	struct db *db = xcalloc(1, sizeof *db);

	capture_init(&db->capture, s, name->id);
	list_init(&db->parts.cursors);
	list_init(&db->warm);
	db->on_dirty = on_dirty;
	db->arg = arg;
	db->name = *name;
	return db;
}

void
db_ask_limits(struct db *db, void (*ask)(void *arg, struct sql_limits *))
{
	db->ask = ask;
}

void
db_ask_stop(struct db *db, bool (*stop)(void *arg))
{
	db->stop = stop;
}

static int
on_progress(void *arg)
{
	const struct db *db = arg;

	return db->stop(db->arg);
}

bool
db_limits(struct db *db, struct sql_limits *limits)
{
	*limits = (struct sql_limits){ 0 };
	if (db->ask)
		db->ask(db->arg, limits);
	return db->ask != NULL;
}

/* -- errors -- */

static int
db_break(struct db *db, const char *text)
{
	if (!db->broken)
		db->broken = xstrdup(text);
	return err_set(ERR_STORE, "%s", db->broken);
}

bool
db_broken(const struct db *db)
{
	return db->broken != NULL;
}

static bool
is_critical(int rc)
{
	return rc == SQLITE_FULL || rc == SQLITE_IOERR || rc == SQLITE_NOMEM || rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB;
}

/* CORRUPT_VTAB is about an index of FTS5 or R*Tree that does not agree with its rows, which SQL can bring about. */
static bool
is_damage(int code, int extended)
{
	return code == SQLITE_NOTADB || (code == SQLITE_CORRUPT && extended != SQLITE_CORRUPT_VTAB);
}

static void
add_size(struct buf *b, uint64_t bytes, const char *number)
{
	static const char *const units[] = { "KB", "MB", "GB", "TB" };
	double n = (double)bytes / 1024;
	size_t i = 0;

	for (; n >= 1024 && i + 1 < sizeof units / sizeof units[0]; i++)
		n /= 1024;
	buf_printf(b, number, n);
	buf_printf(b, " %s", units[i]);
}

/* max_page_count was reached: the transaction had filled all the object may have.  false: there is no such limit. */
static bool
storage_full(struct db *db)
{
	struct sql_limits limits;
	struct buf text = { 0 };
	uint64_t most;

	if (!db_limits(db, &limits) || !(most = (uint64_t)limits.of[SQL_LIMIT_STORAGE].value))
		return false;
	buf_printf(&text, "state limit exceeded: object %s uses ", limits.object);
	add_size(&text, most, "%.1f");
	buf_c(&text, " of ");
	add_size(&text, most, "%g");
	buf_printf(&text, " (limits storage, %s:%d); delete rows or raise the limit",
	    limits.of[SQL_LIMIT_STORAGE].file ? limits.of[SQL_LIMIT_STORAGE].file : "configuration", limits.of[SQL_LIMIT_STORAGE].line);
	err_set(ERR_STORE, "%s", text.p);
	buf_fini(&text);
	return true;
}

int
db_fail(struct db *db, int rc)
{
	int code = rc & 0xff, extended = db->handle ? sqlite3_extended_errcode(db->handle) : rc;
	const char *detail = (extended & 0xff) == code && extended != code ? sql_code_name(extended) : NULL;
	const char *message = db->handle && sqlite3_errcode(db->handle) == code ? sqlite3_errmsg(db->handle) : sqlite3_errstr(rc);
	int offset = db->handle ? sqlite3_error_offset(db->handle) : -1;
	char where[32] = "", extra[64] = "", file[512] = "";
	struct buf limit = { 0 };
	bool undone = db->begun && db->handle && sqlite3_get_autocommit(db->handle);

	if (db->broken)
		return db_break(db, NULL);
	if (offset >= 0)
		snprintf(where, sizeof where, " at offset %d", offset);
	if (detail)
		snprintf(extra, sizeof extra, " (extended: %s)", detail);
	if (code == SQLITE_IOERR && extended != SQLITE_IOERR_NOMEM && err_code() == ERR_IO)
		snprintf(file, sizeof file, ": %s", err_text());	/* of whoever is below vfs.c */
	guard_name_limit(db, code, message, &limit);
	if (code != SQLITE_FULL || !storage_full(db))
		err_set(ERR_STORE, "%s%s: %s%s%s%s", message, where, sql_code_name(code), extra, file, limit.n ? limit.p : "");
	buf_fini(&limit);
	/* undone: SQLite rolled everything back by itself; what the handler wrote before is gone.
	 * SQLITE_CORRUPT_VTAB is FTS5's word for an index that does not fit its content (the app's mistake). */
	if ((is_critical(code) && extended != SQLITE_CORRUPT_VTAB) || undone) {
		char *text = xstrdup(err_text());

		db_break(db, text);
		db->critical = is_critical(code);
		db->damaged = is_damage(code, extended);
		free(text);
	}
	return ERR_STORE;
}

/* -- the handle -- */

static void
db_cool(struct db *db)
{
	if (!list_linked(&db->warm))
		return;
	list_del(&db->warm);
	db->capture.shard->warm_n--;
}

static void
db_warm(struct db *db)
{
	struct shard *s = db->capture.shard;

	if (list_linked(&db->warm)) {
		list_del(&db->warm);
		list_push(&s->warm, &db->warm);
		return;
	}
	list_push(&s->warm, &db->warm);
	if (s->warm_n++ >= WARM_MAX) {
		struct db *oldest = list_first(&s->warm, struct db, warm);

		db_cool(oldest);
		if (!oldest->dirty)
			sqlite3_db_release_memory(oldest->handle);
	}
}

static void
db_close_handle(struct db *db, const char *why)
{
	if (!db->handle)
		return;
	db_cool(db);
	sql_orphan_all(db, why);
	kv_forget(db);
	sql_forget(db);
	sqlite3_finalize(db->begin);
	sqlite3_finalize(db->commit);
	db->begin = db->commit = NULL;
	must(sqlite3_close(db->handle) == SQLITE_OK);	/* BUSY: somebody keeps a statement that was to be finalized */
	db->handle = NULL;
	db->begun = false;
	atomic_fetch_sub_explicit(&db->capture.shard->databases, 1, memory_order_relaxed);
}

/* The rest is SQLite's default, or set by sql_guard(): a handle that is opened for one read feels each PRAGMA. */
#define SETUP \
	"PRAGMA locking_mode=EXCLUSIVE;"	/* nobody else writes: no look at the change counter before each read */ \
	"PRAGMA journal_mode=TRUNCATE;"		/* in memory while small; see temp.h */ \
	"PRAGMA synchronous=OFF;"		/* the journal thread syncs */ \
	"PRAGMA temp_store=FILE;"		/* likewise in memory while small */ \
	"PRAGMA cache_size="

static int
handle_set_up(struct db *db)
{
	/* Debian's SQLite registers a dozen modules per handle; the authorizer lets users have these. */
	static const char *modules[] = { "fts5", "fts5vocab", "json_each", "json_tree", "rtree", "rtree_i32", NULL };
	int rc;

	sqlite3_drop_modules(db->handle, modules);
	rc = sqlite3_exec(db->handle, SETUP CACHE_PAGES, NULL, NULL, NULL);
	if (db->stop)
		sqlite3_progress_handler(db->handle, ASK_STOP_STEPS, on_progress, db);
	sql_guard(db, db->handle);	/* now that ours are through its limits */
	return rc;
}

/* What a handle needs from its first transaction on. */
static int
writing_set_up(struct db *db)
{
	struct sql_limits now;
	char limit[64];
	int64_t pages = PAGES_MOST;
	int rc;

	if (db_limits(db, &now) && now.of[SQL_LIMIT_STORAGE].value)
		pages = now.of[SQL_LIMIT_STORAGE].value / PAGE_BYTES;
	if (pages > MAX_PAGE_COUNT)
		pages = MAX_PAGE_COUNT;
	snprintf(limit, sizeof limit, "PRAGMA max_page_count=%lld", (long long)pages);
	db->parts.trusted = true;
	rc = sqlite3_exec(db->handle, limit, NULL, NULL, NULL);
	if (rc == SQLITE_OK && !db->begin)
		rc = sqlite3_prepare_v3(db->handle, "BEGIN", -1, SQLITE_PREPARE_PERSISTENT, &db->begin, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v3(db->handle, "COMMIT", -1, SQLITE_PREPARE_PERSISTENT, &db->commit, NULL);
	db->parts.trusted = false;
	return rc;
}

/* Finds class and file; no SQLite. */
static int
db_know(struct db *db)
{
	struct capture *c = &db->capture;

	if (!c->klass && !(c->klass = shard_klass(c->shard, db->name.app, db->name.class_name)))
		return ERR_ARGUMENT;
	if (capture_know(c) == OK)
		return OK;
	db->damaged = err_code() == ERR_CORRUPT;
	db->critical = db->damaged || err_code() == ERR_IO;
	return db_break(db, err_text());
}

static int
db_open_handle(struct db *db)
{
	int rc;

	if (db_know(db) != OK)
		return err_code();
	vfs_opening = &db->capture;
	rc = sqlite3_open_v2("db", &db->handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, vfs_name(db->capture.shard));
	vfs_opening = NULL;
	if (db->handle)
		atomic_fetch_add_explicit(&db->capture.shard->databases, 1, memory_order_relaxed);
	if (rc == SQLITE_OK) {
		db->parts.trusted = true;
		rc = handle_set_up(db);
		db->parts.trusted = false;
	}
	if (rc == SQLITE_OK)
		return OK;
	db_fail(db, rc);
	sqlite3_finalize(db->begin);
	sqlite3_finalize(db->commit);
	db->begin = db->commit = NULL;
	if (db->handle)
		atomic_fetch_sub_explicit(&db->capture.shard->databases, 1, memory_order_relaxed);
	sqlite3_close(db->handle);
	db->handle = NULL;
	return ERR_STORE;
}

sqlite3 *
db_handle(struct db *db)
{
	if (db->broken) {
		db_break(db, NULL);
		return NULL;
	}
	if (!db->handle && db_open_handle(db) != OK)
		return NULL;
	db_warm(db);
	return db->handle;
}

struct db_parts *
db_parts(struct db *db)
{
	return &db->parts;
}

struct buf *
db_meta_lent(struct db *db)
{
	return &db->meta;
}

/* Steps one of our own statements that gives no rows. */
static int
run(struct db *db, sqlite3_stmt *s)
{
	int rc;

	db->parts.trusted = true;	/* SQLite may compile it again */
	rc = sqlite3_step(s);
	sqlite3_reset(s);
	db->parts.trusted = false;
	return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

/* -- the implicit transaction -- */

static void
db_soil(struct db *db)
{
	if (db->dirty)
		return;
	db->dirty = true;
	db->on_dirty(db->arg);
}

int
db_begin(struct db *db)
{
	int rc;

	if (db->begun && !db->broken)
		return OK;
	if (!db_handle(db) || room_check(&db->capture.shard->store->room) != OK)
		return err_code();
	if (!db->commit && (rc = writing_set_up(db)) != SQLITE_OK)
		return db_fail(db, rc);
	if ((rc = run(db, db->begin)) != SQLITE_OK)
		return db_fail(db, rc);
	db->begun = true;
	db_soil(db);
	return OK;
}

void
db_rollback(struct db *db)
{
	struct capture *c = &db->capture;

	if (!db->dirty)
		return;
	if (db->wiped) {
		db_close_handle(db, rolled_back);	/* its cache is of the empty database */
	} else if (db->handle) {
		sql_orphan_all(db, rolled_back);
		kv_forget(db);				/* its table may be among what is undone */
		db->parts.trusted = true;
		if (!sqlite3_get_autocommit(db->handle) &&
		    sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL) != SQLITE_OK)
			db_close_handle(db, rolled_back);
		db->parts.trusted = false;
	}
	capture_rollback(c);
	db->parts.savepoints = 0;
	db->begun = db->dirty = db->wiped = false;
}

/* COMMIT in SQLite: after it, what changed is in the pending pages. */
static int
db_commit_sqlite(struct db *db)
{
	int rc;

	if (db->broken)
		return db_break(db, NULL);
	if (!db->begun)
		return OK;		/* deleteAll and nothing after it */
	rc = run(db, db->commit);
	if (rc != SQLITE_OK)
		return db_fail(db, rc);
	db->begun = false;
	return OK;
}

int
db_commit(struct db *db, uint64_t *commit)
{
	char *text;
	int rc;

	if (!db->dirty)
		return OK;
	if ((rc = db_commit_sqlite(db)) != OK) {
		text = xstrdup(err_text());
		db_rollback(db);
		err_set(rc, "%s", text);
		free(text);
		return rc;
	}
	rc = capture_commit(&db->capture, commit);
	if (rc == OK) {
		db->parts.savepoints = 0;
		db->dirty = db->wiped = false;
		if (db->handle && !list_linked(&db->warm))
			sqlite3_db_release_memory(db->handle);	/* it cooled while its transaction was open */
		return OK;
	}
	/* SQLite believes it has committed, the journal did not take it: this handle must not be used again. */
	text = xstrdup(err_text());
	db_break(db, text);
	db_close_handle(db, text);
	free(text);
	capture_rollback(&db->capture);
	db->parts.savepoints = 0;
	db->dirty = db->wiped = false;
	return db_break(db, NULL);
}

bool
db_dirty(const struct db *db)
{
	return db->dirty;
}

bool
db_exists(struct db *db)
{
	/* Unreadable: let the caller open it and get the error. */
	return db->broken || db_know(db) != OK || db->capture.size > 0 ||
		(db->begun && sqlite3_txn_state(db->handle, "main") == SQLITE_TXN_WRITE);	/* a BEGIN alone stores nothing */
}

uint64_t
db_last_commit(const struct db *db)
{
	return db->capture.last_commit;
}

int
db_delete_all(struct db *db)
{
	if (db->broken)
		return db_break(db, NULL);
	if (db->parts.savepoints > 0)
		return err_set(ERR_STORE, "Cannot call deleteAll() within a transaction");
	if (db_know(db) != OK)
		return err_code();
	db_close_handle(db, deleted);
	if (db->capture.size == 0 && !db->dirty)
		return OK;
	capture_wipe(&db->capture);
	db->wiped = true;
	db_soil(db);
	return OK;
}

/* -- sleep -- */

static int
db_settle(struct capture *c)
{
	int rc;

	if (!c->since)
		return OK;
	if ((rc = shard_wait(c->shard, c->last_commit)) != OK)
		return rc;
	rc = capture_flush(c, UINT64_MAX, NULL);
	return rc < 0 ? rc : OK;
}

/* What broke it is said once, here at its end. */
static int
db_report(struct db *db)
{
	struct sql_limits limits;
	char object[1024], path[PATHS_MAX];

	paths_file(path, db->capture.klass, db->name.id);
	if (!db_limits(db, &limits))
		snprintf(limits.object, sizeof limits.object, "%.64s", strrchr(path, '/') + 1);
	snprintf(object, sizeof object, "%s/%s/%s", db->name.app, db->name.class_name, limits.object);
	if (db->damaged && !failure_is(&db->capture.shard->store->failure) && !quarantine_spares(path, db->broken))
		return quarantine(&db->capture, object, db->broken);
	log_error("the database of %s (%s) broke, the object is reset: %s", object, path, db->broken);
	return OK;
}

int
db_free(struct db **dbp)
{
	struct db *db = *dbp;
	int rc;

	db_close_handle(db, slept);
	capture_rollback(&db->capture);
	rc = db_settle(&db->capture);
	if (db->critical && rc == OK)
		rc = db_report(db);
	capture_drop(&db->capture);
	sql_orphan_all(db, slept);
	buf_fini(&db->meta);
	free(db->broken);
	free(db);
	*dbp = NULL;
	return rc;
}

/* -- small questions -- */

static int
pragma(struct db *db, sqlite3 *h, const char *text, sqlite3_int64 *value)
{
	sqlite3_stmt *s;
	int rc;

	db->parts.trusted = true;
	rc = sqlite3_prepare_v2(h, text, -1, &s, NULL);
	if (rc == SQLITE_OK && (rc = sqlite3_step(s)) == SQLITE_ROW)
		*value = sqlite3_column_int64(s, 0);
	db->parts.trusted = false;
	sqlite3_finalize(s);
	return rc == SQLITE_ROW ? OK : db_fail(db, rc);
}

int
db_size(struct db *db, uint64_t *bytes)
{
	sqlite3_int64 pages, unused;
	sqlite3 *h;
	int rc;

	*bytes = 0;
	if (!db->broken && !db_exists(db))
		return OK;
	if (!(h = db_handle(db)))
		return err_code();
	if ((rc = pragma(db, h, "PRAGMA page_count", &pages)) != OK ||
	    (rc = pragma(db, h, "PRAGMA freelist_count", &unused)) != OK)
		return rc;
	*bytes = (uint64_t)(pages - unused) * PAGE_BYTES;
	return OK;
}

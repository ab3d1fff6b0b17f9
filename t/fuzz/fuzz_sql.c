/* fuzz_sql.c -- any SQL text: whatever it does, it does not reach what is not the app's.
 *
 * After each text the planted key is as it was, no other reserved name, no foreign
 * key to one and no temporary table exists, the transaction is where db.c believes it is, and
 * the journal mode is ours.  The first byte says how many parameters are bound and
 * whether a savepoint is around it; the rest is SQL.
 *
 * The db underneath is a small one of our own, in memory: handle.h is all that
 * kv.c and sql*.c ask for.
 *
 *	clang -g -O1 -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -Isrc t/fuzz/fuzz_sql.c \
 *		src/store/kv.c src/store/sql*.c src/store/guard.c src/base/{str,err,map}.c -lsqlite3 -o fuzz_sql
 *	./fuzz_sql -max_total_time=60 -dict=t/fuzz/sql.dict t/fuzz/corpus/sql
 */
#include <stdlib.h>

#include "base/err.h"
#include "store/handle.h"
#include "store/kv.h"
#include "store/sql.h"

struct db {
	struct db_parts parts;
	sqlite3 *h;
	bool begun, broken;
	int ticks;
};

/* ---- what handle.h and db.h promise, in memory ---- */

static void
trusted(struct db *db, const char *text)
{
	db->parts.trusted = true;
	must(sqlite3_exec(db->h, text, NULL, NULL, NULL) == SQLITE_OK);
	db->parts.trusted = false;
}

sqlite3 *
db_handle(struct db *db)
{
	if (!db->broken)
		return db->h;
	err_set(ERR_STORE, "broken");
	return NULL;
}

struct db_parts *
db_parts(struct db *db)
{
	return &db->parts;
}

int
db_begin(struct db *db)
{
	if (!db->begun)
		trusted(db, "BEGIN");
	db->begun = true;
	return OK;
}

int
db_fail(struct db *db, int rc)
{
	if (db->begun && sqlite3_get_autocommit(db->h))
		db->broken = true;
	return err_set(ERR_STORE, "%s: %d", sqlite3_errmsg(db->h), rc);
}

bool
db_broken(const struct db *db)
{
	return db->broken;
}

bool
db_dirty(const struct db *db)
{
	return db->begun;
}

bool
db_exists(struct db *db)
{
	(void)db;
	return true;
}

/* The guard's own limits. */
bool
db_limits(struct db *db, struct sql_limits *limits)
{
	(void)db;
	*limits = (struct sql_limits){ 0 };
	return false;
}

static int
tick(void *arg)
{
	return ++((struct db *)arg)->ticks > 300;	/* of a thousand steps each: an endless recursion ends here */
}

static void
db_up(struct db *db)
{
	*db = (struct db){ 0 };
	list_init(&db->parts.cursors);
	must(sqlite3_open_v2(":memory:", &db->h, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK);
	sql_guard(db, db->h);
	sqlite3_progress_handler(db->h, 1000, tick, db);
	must(kv_put(db, STR("planted"), STR("value")) == OK);
	trusted(db, "CREATE TABLE t(a INTEGER PRIMARY KEY, b UNIQUE, c); INSERT INTO t VALUES (1, 'x', 2.5), (2, 'y', x'00'); COMMIT");
	db->begun = false;
}

static void
db_down(struct db *db)
{
	sql_orphan_all(db, "down");
	kv_forget(db);
	sql_forget(db);
	must(sqlite3_close(db->h) == SQLITE_OK);
}

/* ---- one text ---- */

static void
read_rows(struct cursor *c)
{
	volatile size_t seen = 0;
	struct sql_value v;

	for (int row = 0; row < 50 && sql_next(c) == 1; row++)
		for (int i = 0; i < sql_columns(c); i++) {
			sql_value(c, i, &v);
			seen += (size_t)v.type + sql_column_name(c, i).n;
			if (v.type == SQL_TEXT || v.type == SQL_BLOB)
				seen += v.s.n ? (size_t)v.s.p[0] + (size_t)v.s.p[v.s.n - 1] : 0;
		}
	must(sql_rows_read(c) >= 0 && sql_rows_written(c) >= 0);
}

static int64_t
ask(struct db *db, const char *text)
{
	sqlite3_stmt *stmt;
	int64_t answer;

	db->parts.trusted = true;
	must(sqlite3_prepare_v2(db->h, text, -1, &stmt, NULL) == SQLITE_OK);
	must(sqlite3_step(stmt) == SQLITE_ROW);
	answer = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	db->parts.trusted = false;
	return answer;
}

static void
check(struct db *db)
{
	struct str value;

	db->ticks = 0;
	must(db->broken || db->begun == !sqlite3_get_autocommit(db->h));
	db->broken = false;	/* what is committed is still to be seen */
	must(kv_get(db, STR("planted"), &value) == 1 && str_eq(value, STR("value")));
	must(ask(db, "SELECT count(*) FROM _cf_KV") == 1);
	must(ask(db, "SELECT count(*) FROM sqlite_master WHERE lower(substr(name, 1, 4)) = '_cf_'") == 1);
	must(ask(db, "SELECT count(*) FROM sqlite_temp_master") == 0);
	must(ask(db, "SELECT count(*) FROM sqlite_master AS m, pragma_foreign_key_list(m.name) AS f "
	    "WHERE m.type = 'table' AND lower(substr(f.\"table\", 1, 4)) = '_cf_'") == 0);
	must(ask(db, "SELECT count(*) FROM pragma_database_list WHERE name NOT IN ('main', 'temp')") == 0);
	must(ask(db, "SELECT journal_mode = 'memory' FROM pragma_journal_mode") == 1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct sql_value bindings[3] = { { .type = SQL_INTEGER, .i = 1 }, { .type = SQL_TEXT, .s = STR("t\0x") }, { .type = SQL_BLOB } };
	struct cursor *again, *c;
	struct db db;
	struct str text;

	if (n < 1)
		return 0;
	text = str_n(data + 1, n - 1);
	db_up(&db);
	if (data[0] & 4)
		must(sql_savepoint(&db) == OK);
	/* Twice, the first one still open: from the cache, or as a private copy. */
	c = sql_exec(&db, text, bindings, data[0] & 3);
	again = sql_exec(&db, text, bindings, data[0] & 3);
	if (c)
		read_rows(c);
	if (again)
		read_rows(again);
	sql_close(&c);
	if (data[0] & 4)
		sql_release(&db, data[0] & 8);
	check(&db);
	db_down(&db);
	sql_close(&again);
	return 0;
}

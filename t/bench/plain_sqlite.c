/* plain_sqlite.c -- what SQLite does by itself: the measure of drey's storage.
 *
 * One thread, WAL, synchronous=FULL, one file per object, one commit per
 * operation, prepared statements kept.  Prints operations per second.
 *
 * Usage: plain_sqlite DIR upsert|insert|select|create SECONDS
 *
 *	upsert	one row in one of 1,000 databases, in turn
 *	insert	1,000 rows in one transaction, after the last 1,000 are deleted
 *	select	1,000 rows, every column read
 *	create	a new database, its table, one row
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <sqlite3.h>

enum { OBJECTS = 1000, ROWS = 1000 };

static const char *dir;
static volatile long long sum;	/* what was read: keeps the reads from being optimised away */

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
run(sqlite3 *db, const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) {
		fprintf(stderr, "plain_sqlite: %s: %s\n", sql, sqlite3_errmsg(db));
		exit(1);
	}
}

static sqlite3 *
open_object(const char *kind, int n)
{
	char path[4096];
	sqlite3 *db;

	snprintf(path, sizeof path, "%s/%s%d.sqlite", dir, kind, n);
	if (sqlite3_open(path, &db) != SQLITE_OK) {
		fprintf(stderr, "plain_sqlite: %s: %s\n", path, sqlite3_errmsg(db));
		exit(1);
	}
	run(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
	    "CREATE TABLE IF NOT EXISTS t (k INTEGER PRIMARY KEY, name TEXT, n INTEGER)");
	return db;
}

static sqlite3_stmt *
prepare(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *s;

	if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK) {
		fprintf(stderr, "plain_sqlite: %s: %s\n", sql, sqlite3_errmsg(db));
		exit(1);
	}
	return s;
}

static void
put_row(sqlite3_stmt *s, int k, int n)
{
	char name[64];
	int length = snprintf(name, sizeof name, "the name of row number %d", k);

	sqlite3_bind_int(s, 1, k);
	sqlite3_bind_text(s, 2, name, length, SQLITE_TRANSIENT);
	sqlite3_bind_int(s, 3, n);
	if (sqlite3_step(s) != SQLITE_DONE) {
		fprintf(stderr, "plain_sqlite: %s\n", sqlite3_errmsg(sqlite3_db_handle(s)));
		exit(1);
	}
	sqlite3_reset(s);
}

static const char insert_sql[] = "INSERT INTO t (k, name, n) VALUES (?, ?, ?)";

static double
measure_upsert(double seconds)
{
	static sqlite3_stmt *statements[OBJECTS];
	double began;
	int done = 0;

	for (int i = 0; i < OBJECTS; i++)
		statements[i] = prepare(open_object("upsert", i), "INSERT INTO t (k, name, n) VALUES (?, ?, ?) "
		    "ON CONFLICT (k) DO UPDATE SET name = excluded.name, n = excluded.n");
	for (began = now(); now() - began < seconds; done++)
		put_row(statements[done % OBJECTS], done / OBJECTS % 10, done);
	return done / (now() - began);
}

static void
fill(sqlite3 *db, sqlite3_stmt *insert)
{
	run(db, "BEGIN; DELETE FROM t");
	for (int k = 1; k <= ROWS; k++)
		put_row(insert, k, k * 7);
	run(db, "COMMIT");
}

static double
measure_insert(double seconds)
{
	sqlite3 *db = open_object("insert", 0);
	sqlite3_stmt *insert = prepare(db, insert_sql);
	double began;
	int done = 0;

	for (began = now(); now() - began < seconds; done++)
		fill(db, insert);
	return done / (now() - began);
}

static double
measure_select(double seconds)
{
	sqlite3 *db = open_object("select", 0);
	sqlite3_stmt *s;
	double began;
	int done = 0;

	fill(db, prepare(db, insert_sql));
	s = prepare(db, "SELECT k, name, n FROM t ORDER BY k");
	for (began = now(); now() - began < seconds; done++) {
		while (sqlite3_step(s) == SQLITE_ROW)
			sum += sqlite3_column_int64(s, 0) + sqlite3_column_text(s, 1)[0] +
			    sqlite3_column_bytes(s, 1) + sqlite3_column_int64(s, 2);
		sqlite3_reset(s);
	}
	return done / (now() - began);
}

static double
measure_create(double seconds)
{
	double began;
	int done = 0;

	for (began = now(); now() - began < seconds; done++) {
		sqlite3 *db = open_object("create", done);
		sqlite3_stmt *insert = prepare(db, insert_sql);

		put_row(insert, 1, 1);
		sqlite3_finalize(insert);
		sqlite3_close(db);
	}
	return done / (now() - began);
}

static const struct {
	const char *name;
	double (*measure)(double seconds);
} kinds[] = {
	{ "upsert", measure_upsert }, { "insert", measure_insert },
	{ "select", measure_select }, { "create", measure_create },
};

int
main(int argc, char **argv)
{
	struct rlimit files;

	/* Three descriptors for each database. */
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	for (size_t i = 0; argc == 4 && i < sizeof kinds / sizeof *kinds; i++) {
		if (strcmp(argv[2], kinds[i].name) != 0)
			continue;
		dir = argv[1];
		printf("%.1f\n", kinds[i].measure(atof(argv[3])));
		return 0;
	}
	fprintf(stderr, "usage: plain_sqlite DIR upsert|insert|select|create SECONDS\n");
	return 2;
}

/* scratch_sql.h -- SQL on a scratch database, and a look at what is on disk; for the tests of db.c.
 *
 * Goes on from scratch_db.h.  Everything runs as the store's own SQL does: no
 * authorizer.
 */
#ifndef DREY_CHECK_SCRATCH_SQL_H
#define DREY_CHECK_SCRATCH_SQL_H

#include "scratch_db.h"

#include <sys/stat.h>

#include "store/handle.h"
#include "store/shard.h"

static inline void
do_sql(struct db *db, const char *text)
{
	char *said = NULL;

	ck_assert_msg(db_begin(db) == OK, "%s", err_text());
	db_parts(db)->trusted = true;
	ck_assert_msg(sqlite3_exec(db_handle(db), text, NULL, NULL, &said) == SQLITE_OK, "%s: %s", text, said);
	db_parts(db)->trusted = false;
}

static inline int
take_number(void *arg, int n, char **v, char **names)
{
	(void)n, (void)names;
	*(long long *)arg = v[0] ? atoll(v[0]) : -1;
	return 0;
}

/* The one number a query gives; -1: an error. */
static inline long long
ask(struct db *db, const char *text)
{
	long long answer = -1;

	db_parts(db)->trusted = true;
	if (sqlite3_exec(db_handle(db), text, take_number, &answer, NULL) != SQLITE_OK)
		answer = -1;
	db_parts(db)->trusted = false;
	return answer;
}

static inline uint64_t
commit(struct db *db)
{
	uint64_t number = 0;

	ck_assert_msg(db_commit(db, &number) == OK, "%s", err_text());
	return number;
}

static inline void
id_path(struct scratch *s, char path[600], unsigned char id)
{
	int n = snprintf(path, 600, "%s/app/Thing/%02x/%02xab", s->dir, id, id);

	for (int i = 2; i < 32; i++)
		n += snprintf(path + n, 600 - (size_t)n, "00");
	snprintf(path + n, 600 - (size_t)n, ".sqlite");
}

static inline off_t
file_size(struct scratch *s, unsigned char id)
{
	char path[600];
	struct stat st;

	id_path(s, path, id);
	return stat(path, &st) == 0 ? st.st_size : -1;
}

static inline int
entries(const char *dir, const char *sub)
{
	char command[600], answer[16] = "";
	FILE *f;

	snprintf(command, sizeof command, "ls -A %s%s 2>/dev/null | wc -l", dir, sub);
	f = popen(command, "r");
	ck_assert_ptr_nonnull(fgets(answer, sizeof answer, f));
	pclose(f);
	return atoi(answer);
}

/* The file, through SQLite's own file system. */
static inline long long
ask_file(struct scratch *s, unsigned char id, const char *text)
{
	char path[600];
	long long answer = -1;
	sqlite3 *h;

	id_path(s, path, id);
	if (sqlite3_open_v2(path, &h, SQLITE_OPEN_READONLY, "unix") == SQLITE_OK)
		sqlite3_exec(h, text, take_number, &answer, NULL);
	sqlite3_close(h);
	return answer;
}

static inline void
reopen(struct scratch *s)
{
	scratch_close(s);
	scratch_open(s);
}

static inline struct db *
filled(struct scratch *s, unsigned char id)
{
	struct db *db = scratch_db(s, id);

	do_sql(db, "CREATE TABLE t(x); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300) "
		"INSERT INTO t SELECT zeroblob(1000) FROM n");
	commit(db);
	return db;
}

#endif

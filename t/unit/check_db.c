/* check_db.c -- one object's database: transactions, sleep, deleteAll, failure, and what is on disk after each.
 *
 * fdatasync(), fsync() and syncfs() below stand in for libc's, so that a test
 * can make them fail.
 */
#include "scratch_db.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/log.h"
#include "store/handle.h"
#include "store/shard.h"

static atomic_bool syncs_fail, syncs_free;
static atomic_int woken;

static int
sync_or_fail(long number, int fd)
{
	if (atomic_load(&syncs_fail)) {
		errno = EIO;
		return -1;
	}
	return atomic_load(&syncs_free) ? 0 : (int)syscall(number, fd);
}

int
fdatasync(int fd)
{
	return sync_or_fail(SYS_fdatasync, fd);
}

int
fsync(int fd)
{
	return sync_or_fail(SYS_fsync, fd);
}

/* ---- helpers ---- */

static void
do_sql(struct db *db, const char *text)
{
	char *said = NULL;

	ck_assert_msg(db_begin(db) == OK, "%s", err_text());
	db_parts(db)->trusted = true;
	ck_assert_msg(sqlite3_exec(db_handle(db), text, NULL, NULL, &said) == SQLITE_OK, "%s: %s", text, said);
	db_parts(db)->trusted = false;
}

static int
take_number(void *arg, int n, char **v, char **names)
{
	(void)n, (void)names;
	*(long long *)arg = v[0] ? atoll(v[0]) : -1;
	return 0;
}

/* The one number a query gives; -1: an error. */
static long long
ask(struct db *db, const char *text)
{
	long long answer = -1;

	db_parts(db)->trusted = true;
	if (sqlite3_exec(db_handle(db), text, take_number, &answer, NULL) != SQLITE_OK)
		answer = -1;
	db_parts(db)->trusted = false;
	return answer;
}

static uint64_t
commit(struct db *db)
{
	uint64_t number = 0;

	ck_assert_msg(db_commit(db, &number) == OK, "%s", err_text());
	return number;
}

static void
id_path(struct scratch *s, char path[600], unsigned char id)
{
	int n = snprintf(path, 600, "%s/app/Thing/%02x/%02xab", s->dir, id, id);

	for (int i = 2; i < 32; i++)
		n += snprintf(path + n, 600 - (size_t)n, "00");
	snprintf(path + n, 600 - (size_t)n, ".sqlite");
}

static off_t
file_size(struct scratch *s, unsigned char id)
{
	char path[600];
	struct stat st;

	id_path(s, path, id);
	return stat(path, &st) == 0 ? st.st_size : -1;
}

static int
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
static long long
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

static void
reopen(struct scratch *s)
{
	scratch_close(s);
	scratch_open(s);
}

/* ---- scenes ---- */

START_TEST(nothing_exists_before_the_first_write)
{
	struct scratch s;
	struct db *db;
	struct str v;
	uint64_t bytes = 9;

	scratch_begin(&s);
	db = scratch_db(&s, 1);
	ck_assert(!db_exists(db));
	ck_assert_int_eq(db_meta_get(db, META_NAME, &v), OK);
	ck_assert_ptr_null(v.p);
	ck_assert_int_eq(db_size(db, &bytes), OK);
	ck_assert_uint_eq(bytes, 0);
	ck_assert_int_eq(ask(db, "SELECT 7"), 7);
	ck_assert_uint_eq(commit(db), 0);
	ck_assert_int_eq(db_free(&db), OK);
	ck_assert_msg(entries(s.dir, "/app") == 0 && entries(s.dir, "/journal") == 0, "reading made files");
	scratch_end(&s);
}
END_TEST

START_TEST(the_first_write_opens_one_transaction_and_commit_ends_it)
{
	struct scratch s;
	struct db *db;
	uint64_t first;

	scratch_begin(&s);
	db = scratch_db(&s, 1);
	ck_assert(!db_dirty(db));
	do_sql(db, "CREATE TABLE t(x)");
	do_sql(db, "INSERT INTO t VALUES(1)");
	ck_assert(db_dirty(db));
	ck_assert(db_exists(db));
	ck_assert_int_eq(s.dirtied, 1);
	first = commit(db);
	ck_assert_uint_gt(first, 0);
	ck_assert_uint_eq(db_last_commit(db), first);
	ck_assert(!db_dirty(db));
	do_sql(db, "INSERT INTO t VALUES(2)");
	ck_assert_int_eq(s.dirtied, 2);
	ck_assert_uint_eq(commit(db), first + 1);
	db_free(&db);
	scratch_end(&s);
}
END_TEST

START_TEST(a_transaction_that_changes_nothing_gets_no_number)
{
	struct scratch s;
	struct db *db;

	scratch_begin(&s);
	db = scratch_db(&s, 1);
	do_sql(db, "CREATE TABLE t(x)");
	commit(db);
	ck_assert_int_eq(db_begin(db), OK);
	ck_assert_int_eq(ask(db, "SELECT count(*) FROM t"), 0);
	ck_assert_uint_eq(commit(db), 0);
	do_sql(db, "DELETE FROM t");
	ck_assert_uint_eq(commit(db), 0);
	db_free(&db);
	scratch_end(&s);
}
END_TEST

START_TEST(the_file_is_written_at_sleep_and_is_plain_sqlite)
{
	struct scratch s;
	struct db *db;

	scratch_begin(&s);
	db = scratch_db(&s, 1);
	do_sql(db, "CREATE TABLE t(x); INSERT INTO t VALUES(42)");
	ck_assert_int_eq(shard_wait(s.shard, commit(db)), OK);
	ck_assert_msg(file_size(&s, 1) == -1, "the file is not written while the object is awake");
	ck_assert_int_eq(db_free(&db), OK);
	ck_assert_int_eq(file_size(&s, 1), 8192);
	ck_assert_int_eq(ask_file(&s, 1, "SELECT x FROM t"), 42);
	db = scratch_db(&s, 1);
	ck_assert_int_eq(ask(db, "SELECT x FROM t"), 42);
	db_free(&db);
	scratch_close(&s);
	ck_assert_msg(entries(s.dir, "/journal") == 0, "a clean stop leaves a journal");
	ck_assert_int_eq(ask_file(&s, 1, "SELECT x FROM t"), 42);
	scratch_open(&s);
	scratch_end(&s);
}
END_TEST

START_TEST(files_are_for_their_owner_only)
{
	struct scratch s;
	struct db *db;
	struct stat st;
	char path[600];

	scratch_begin(&s);
	db = scratch_db(&s, 1);
	do_sql(db, "CREATE TABLE t(x)");
	commit(db);
	db_free(&db);
	id_path(&s, path, 1);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0600);
	*strrchr(path, '/') = '\0';
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0700);
	scratch_end(&s);
}
END_TEST

START_TEST(rollback_leaves_what_was_committed)
{
	struct scratch s;
	struct db *db;

	scratch_begin(&s);
	db = scratch_db(&s, 1);
	do_sql(db, "CREATE TABLE t(x); INSERT INTO t VALUES(1)");
	commit(db);
	/* More pages than SQLite's cache holds, so that some have reached the pending set. */
	do_sql(db, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) INSERT INTO t SELECT randomblob(1000) FROM n");
	do_sql(db, "UPDATE t SET x = 2 WHERE x = 1; CREATE TABLE u(y)");
	db_rollback(db);
	ck_assert(!db_dirty(db));
	ck_assert_int_eq(ask(db, "SELECT count(*) FROM t WHERE x = 1"), 1);
	ck_assert_int_eq(ask(db, "SELECT count(*) FROM t"), 1);
	ck_assert_int_eq(ask(db, "SELECT count(*) FROM sqlite_master"), 1);
	ck_assert_int_eq(ask(db, "PRAGMA page_count"), 2);
	db_free(&db);
	ck_assert_int_eq(file_size(&s, 1), 8192);
	ck_assert_int_eq(ask_file(&s, 1, "SELECT x FROM t"), 1);
	scratch_end(&s);
}
END_TEST

START_TEST(sleep_forgets_what_was_not_committed)
{
	struct scratch s;
	struct db *db;

	scratch_begin(&s);
	db = scratch_db(&s, 1);
	do_sql(db, "CREATE TABLE t(x)");
	ck_assert_int_eq(db_free(&db), OK);
	ck_assert_int_eq(file_size(&s, 1), -1);
	scratch_end(&s);
}
END_TEST

START_TEST(delete_all_leaves_no_file)
{
	struct scratch s;
	struct db *db;

	scratch_begin(&s);
	db = scratch_db(&s, 1);
	do_sql(db, "CREATE TABLE t(x)");
	commit(db);
	db_free(&db);
	ck_assert_int_gt(file_size(&s, 1), 0);
	db = scratch_db(&s, 1);
	ck_assert_int_eq(db_delete_all(db), OK);
	ck_assert(db_dirty(db));
	ck_assert(!db_exists(db));
	ck_assert_int_eq(ask(db, "SELECT count(*) FROM sqlite_master"), 0);
	ck_assert_uint_gt(commit(db), 0);
	db_free(&db);
	ck_assert_int_eq(file_size(&s, 1), -1);
	reopen(&s);
	db = scratch_db(&s, 1);
	ck_assert(!db_exists(db));
	db_free(&db);
	scratch_end(&s);
}
END_TEST

START_TEST(a_new_life_after_delete_all_holds_nothing_of_the_old)
{
	struct scratch s;
	struct db *db;
	char path[600], command[700];

	scratch_begin(&s);
	db = scratch_db(&s, 1);
	do_sql(db, "CREATE TABLE t(x); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) "
		"INSERT INTO t SELECT 'old secret' || hex(randomblob(500)) FROM n");
	commit(db);
	db_free(&db);
	db = scratch_db(&s, 1);
	ck_assert_int_eq(db_delete_all(db), OK);
	do_sql(db, "CREATE TABLE u(y); INSERT INTO u VALUES(5)");
	ck_assert_int_eq(s.dirtied, 2);
	commit(db);
	ck_assert_int_eq(ask(db, "SELECT y FROM u"), 5);
	db_free(&db);
	ck_assert_int_eq(file_size(&s, 1), 8192);
	id_path(&s, path, 1);
	snprintf(command, sizeof command, "grep -q 'old secret' %s", path);
	ck_assert_int_ne(system(command), 0);
	ck_assert_int_eq(ask_file(&s, 1, "SELECT y FROM u"), 5);
	scratch_end(&s);
}
END_TEST

START_TEST(rollback_brings_back_what_delete_all_took)
{
	struct scratch s;
	struct db *db;

	scratch_begin(&s);
	db = scratch_db(&s, 1);
	do_sql(db, "CREATE TABLE t(x); INSERT INTO t VALUES(1)");
	commit(db);
	do_sql(db, "UPDATE t SET x = 2");
	ck_assert_int_eq(db_delete_all(db), OK);
	do_sql(db, "CREATE TABLE u(y)");
	db_rollback(db);
	ck_assert_int_eq(ask(db, "SELECT x FROM t"), 1);
	ck_assert_int_eq(ask(db, "SELECT count(*) FROM sqlite_master"), 1);
	do_sql(db, "UPDATE t SET x = 3");
	commit(db);
	db_free(&db);
	ck_assert_int_eq(ask_file(&s, 1, "SELECT x FROM t"), 3);
	scratch_end(&s);
}
END_TEST

START_TEST(delete_all_is_refused_within_a_transaction)
{
	struct scratch s;
	struct db *db;

	scratch_begin(&s);
	db = scratch_db(&s, 1);
	do_sql(db, "CREATE TABLE t(x)");
	db_parts(db)->savepoints = 1;
	ck_assert_int_eq(db_delete_all(db), ERR_STORE);
	ck_assert_str_eq(err_text(), "Cannot call deleteAll() within a transaction");
	db_parts(db)->savepoints = 0;
	db_free(&db);
	scratch_end(&s);
}
END_TEST

START_TEST(a_violated_deferred_constraint_undoes_the_transaction)
{
	struct scratch s;
	struct db *db;
	uint64_t number = 0;

	scratch_begin(&s);
	db = scratch_db(&s, 1);
	do_sql(db, "CREATE TABLE a(k INTEGER PRIMARY KEY); CREATE TABLE b(x REFERENCES a DEFERRABLE INITIALLY DEFERRED)");
	commit(db);
	do_sql(db, "INSERT INTO b VALUES(5)");
	ck_assert_int_eq(db_commit(db, &number), ERR_STORE);
	ck_assert_uint_eq(number, 0);
	ck_assert_said("FOREIGN KEY constraint failed: SQLITE_CONSTRAINT");
	ck_assert(!db_dirty(db));
	ck_assert_int_eq(ask(db, "SELECT count(*) FROM b"), 0);
	db_free(&db);
	scratch_end(&s);
}
END_TEST

START_TEST(the_name_of_an_object_is_kept)
{
	struct scratch s;
	struct db *db;
	struct str v;

	scratch_begin(&s);
	db = scratch_db(&s, 1);
	ck_assert_int_eq(db_meta_put(db, META_NAME, STR("a\0b")), OK);
	ck_assert_int_eq(db_meta_get(db, META_NAME, &v), OK);
	ck_assert(str_eq(v, STR("a\0b")));
	db_rollback(db);
	ck_assert_int_eq(db_meta_get(db, META_NAME, &v), OK);
	ck_assert_ptr_null(v.p);
	ck_assert_int_eq(db_meta_put(db, META_NAME, STR("one")), OK);
	ck_assert_int_eq(db_meta_put(db, META_NAME, STR("two")), OK);
	commit(db);
	db_free(&db);
	db = scratch_db(&s, 1);
	ck_assert_int_eq(db_meta_get(db, META_NAME, &v), OK);
	ck_assert(str_eq(v, STR("two")));
	ck_assert_int_eq(db_meta_get(db, 1, &v), OK);
	ck_assert_ptr_null(v.p);
	db_free(&db);
	scratch_end(&s);
}
END_TEST

START_TEST(size_counts_pages_in_use)
{
	struct scratch s;
	struct db *db;
	uint64_t one, many, less;

	scratch_begin(&s);
	db = scratch_db(&s, 1);
	do_sql(db, "CREATE TABLE t(x)");
	ck_assert_int_eq(db_size(db, &one), OK);
	ck_assert_uint_eq(one, 8192);
	do_sql(db, "CREATE TABLE u(y); INSERT INTO u VALUES(zeroblob(100000))");
	db_size(db, &many);
	ck_assert_uint_gt(many, 100000);
	do_sql(db, "DROP TABLE u");
	db_size(db, &less);
	ck_assert_uint_eq(less, one);
	db_free(&db);
	scratch_end(&s);
}
END_TEST

static struct db *
filled(struct scratch *s, unsigned char id)
{
	struct db *db = scratch_db(s, id);

	do_sql(db, "CREATE TABLE t(x); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300) "
		"INSERT INTO t SELECT zeroblob(1000) FROM n");
	commit(db);
	return db;
}

START_TEST(many_databases_share_few_descriptors)
{
	struct scratch s;
	struct db *db[40];
	struct store_stats st;

	scratch_begin(&s);
	for (int i = 0; i < 40; i++) {
		db[i] = filled(&s, (unsigned char)i);
		ck_assert_int_eq(db_free(&db[i]), OK);
		db[i] = scratch_db(&s, (unsigned char)i);
	}
	for (int round = 0; round < 3; round++)
		for (int i = 0; i < 40; i++)
			ck_assert_int_eq(ask(db[i], "SELECT sum(length(x)) FROM t"), 300000);
	store_stats(s.store, &st);
	ck_assert_uint_eq(st.databases_open, 40);
	ck_assert_uint_le(st.files_open, 16);
	ck_assert_uint_gt(st.files_open, 0);
	for (int i = 0; i < 40; i++)
		db_free(&db[i]);
	scratch_end(&s);
}
END_TEST

START_TEST(running_out_of_descriptors_is_survived)
{
	struct scratch s;
	struct db *a, *b;
	struct rlimit few = { 64, 64 };
	int fds[64], n = 0;

	scratch_begin(&s);
	a = filled(&s, 1);
	b = filled(&s, 2);
	ck_assert_int_eq(shard_wait(s.shard, db_last_commit(b)), OK);
	log_open("/dev/null", LOG_ERROR);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	while (n < 64 && (fds[n] = open("/dev/null", O_RDONLY)) >= 0)
		n++;
	ck_assert_int_eq(errno, EMFILE);
	ck_assert_msg(db_free(&a) == OK, "%s", err_text());
	ck_assert_msg(db_free(&b) == OK, "%s", err_text());
	while (n)
		close(fds[--n]);
	ck_assert(!store_failed(s.store));
	ck_assert_int_eq(ask_file(&s, 2, "SELECT count(*) FROM t"), 300);
	scratch_end(&s);
}
END_TEST

START_TEST(a_large_overlay_goes_to_the_file_early)
{
	struct store_options o = { .journal_segment = 64 << 20, .open_files = 4, .overlay_max = 256 << 10, .shards = 1 };
	struct scratch s;
	struct store_stats st;
	struct db *db;

	scratch_begin(&s);
	scratch_close(&s);
	o.dir = s.dir;
	s.store = store_open(&o);
	s.shard = shard_new(s.store, 0, scratch_wake, &s);
	db = scratch_db(&s, 1);
	do_sql(db, "CREATE TABLE t(x)");
	for (int i = 0; i < 100; i++) {
		do_sql(db, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20) INSERT INTO t SELECT randomblob(3000) FROM n");
		commit(db);
		store_stats(s.store, &st);
		ck_assert_uint_le(st.overlay_bytes, 800 << 10);
	}
	ck_assert_int_gt(file_size(&s, 1), 1 << 20);
	ck_assert_int_eq(ask(db, "SELECT count(*) FROM t"), 2000);
	db_free(&db);
	ck_assert_int_eq(ask_file(&s, 1, "SELECT count(*) FROM t WHERE length(x) = 3000"), 2000);
	scratch_end(&s);
}
END_TEST

START_TEST(a_damaged_file_breaks_its_object_only)
{
	struct scratch s;
	struct db *db;
	char path[600], text[200];

	scratch_begin(&s);
	db = filled(&s, 1);
	db_free(&db);
	id_path(&s, path, 1);
	int fd = open(path, O_WRONLY);
	memset(text, 0xff, sizeof text);
	ck_assert_int_eq(pwrite(fd, text, sizeof text, 4096), (ssize_t)sizeof text);	/* the table's root page */
	close(fd);
	db = scratch_db(&s, 1);
	ck_assert_ptr_nonnull(db_handle(db));
	db_parts(db)->trusted = true;
	int rc = sqlite3_exec(db_handle(db), "SELECT sum(length(x)) FROM t", NULL, NULL, NULL);
	ck_assert_int_eq(rc, SQLITE_CORRUPT);
	ck_assert_int_eq(db_fail(db, rc), ERR_STORE);
	ck_assert(db_broken(db));
	ck_assert_said("malformed: SQLITE_CORRUPT");
	snprintf(text, sizeof text, "%s", err_text());
	ck_assert_ptr_null(db_handle(db));
	ck_assert_str_eq(err_text(), text);
	ck_assert_int_eq(db_begin(db), ERR_STORE);
	ck_assert_int_eq(db_free(&db), OK);
	ck_assert(!store_failed(s.store));
	scratch_end(&s);
}
END_TEST

static void
count_wake(void *arg)
{
	(void)arg;
	atomic_fetch_add(&woken, 1);
}

START_TEST(after_a_failed_sync_nothing_is_acknowledged)
{
	struct scratch s;
	struct db *a, *b;
	uint64_t good, number = 0;

	scratch_begin(&s);
	log_open("/dev/null", LOG_ERROR);
	shard_free(&s.shard);
	s.shard = shard_new(s.store, 0, count_wake, NULL);
	a = scratch_db(&s, 1);
	b = scratch_db(&s, 2);
	do_sql(a, "CREATE TABLE t(x); INSERT INTO t VALUES(1)");
	good = commit(a);
	ck_assert_int_eq(shard_wait(s.shard, good), OK);

	atomic_store(&syncs_fail, true);
	do_sql(a, "UPDATE t SET x = 2");
	number = commit(a);
	do_sql(b, "CREATE TABLE t(x)");
	ck_assert_int_eq(shard_wait(s.shard, number), ERR_STORE);
	ck_assert_said("fdatasync");
	ck_assert_said("Input/output error");
	ck_assert(store_failed(s.store));
	ck_assert_ptr_nonnull(strstr(store_failure(s.store), "journal/0000000000000001.log"));
	for (int i = 0; i < 5000 && atomic_load(&woken) == 0; i++)
		usleep(1000);
	ck_assert_int_ge(atomic_load(&woken), 1);

	atomic_store(&syncs_fail, false);	/* the disk claims to be well again: it is not believed */
	ck_assert_uint_eq(store_durable(s.store), good);
	ck_assert_int_eq(db_commit(b, &number), ERR_STORE);
	ck_assert(db_broken(b));
	ck_assert_int_eq(db_free(&a), ERR_STORE);
	ck_assert_int_eq(db_free(&b), OK);	/* it had nothing to write */
	ck_assert_msg(file_size(&s, 1) == -1 && file_size(&s, 2) == -1, "a file was written after the failure");
	ck_assert_uint_eq(store_durable(s.store), good);
	shard_free(&s.shard);
	ck_assert_int_eq(store_close(&s.store), ERR_IO);
	ck_assert_int_eq(entries(s.dir, "/journal"), 1);

	scratch_open(&s);
	a = scratch_db(&s, 1);
	ck_assert_int_ge(ask(a, "SELECT x FROM t"), 1);
	db_free(&a);
	scratch_end(&s);
}
END_TEST

START_TEST(a_wish_is_granted_once)
{
	struct scratch s;
	struct db *db;
	uint64_t number;

	scratch_begin(&s);
	shard_free(&s.shard);
	s.shard = shard_new(s.store, 0, count_wake, NULL);
	db = scratch_db(&s, 1);
	do_sql(db, "CREATE TABLE t(x)");
	number = commit(db);
	shard_want(s.shard, number);
	ck_assert_int_eq(shard_wait(s.shard, number), OK);
	for (int i = 0; i < 5000 && atomic_load(&woken) == 0; i++)
		usleep(1000);
	ck_assert_int_eq(atomic_load(&woken), 1);
	shard_want(s.shard, number);		/* already so: told at once */
	ck_assert_int_eq(atomic_load(&woken), 2);
	do_sql(db, "INSERT INTO t VALUES(1)");
	ck_assert_int_eq(shard_wait(s.shard, commit(db)), OK);
	ck_assert_msg(atomic_load(&woken) == 2, "nobody asked");
	db_free(&db);
	scratch_end(&s);
}
END_TEST

START_TEST(a_second_owner_is_told_who_is_the_first)
{
	struct scratch s;
	struct store_options o = { .journal_segment = 1 << 20, .open_files = 4, .overlay_max = 1 << 20, .shards = 1 };
	char pid[32];

	scratch_begin(&s);
	o.dir = s.dir;
	ck_assert_ptr_null(store_open(&o));
	ck_assert_int_eq(err_code(), ERR_BUSY);
	snprintf(pid, sizeof pid, "process %d", (int)getpid());
	ck_assert_said(pid);
	scratch_end(&s);
}
END_TEST

START_TEST(a_killed_process_loses_nothing_acknowledged)
{
	struct scratch s;
	struct db *db;
	int status;
	pid_t child;

	scratch_begin(&s);
	scratch_close(&s);
	child = fork();
	if (child == 0) {
		scratch_open(&s);
		db = scratch_db(&s, 1);
		do_sql(db, "CREATE TABLE t(x); INSERT INTO t VALUES(77)");
		_exit(shard_wait(s.shard, commit(db)) == OK ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(file_size(&s, 1), -1);
	log_open("/dev/null", LOG_ERROR);
	scratch_open(&s);
	ck_assert_int_eq(ask_file(&s, 1, "SELECT x FROM t"), 77);
	struct store_stats st;
	store_stats(s.store, &st);
	ck_assert_uint_eq(st.recovered_records, 1);
	scratch_end(&s);
}
END_TEST

START_TEST(names_that_are_no_directories_are_escaped_or_refused)
{
	static char long_name[300];
	struct db_name taken = { "journal", "../x", { 1 } }, long_one = { "app", long_name, { 1 } };
	struct scratch s;
	struct db *db;

	memset(long_name, 'x', sizeof long_name - 1);
	scratch_begin(&s);
	db = db_new(s.shard, &taken, scratch_dirty, &s);
	do_sql(db, "CREATE TABLE t(x)");
	commit(db);
	ck_assert_int_eq(db_free(&db), OK);
	ck_assert_int_eq(entries(s.dir, "/%6aournal/%2e.%2fx/01"), 1);
	db = db_new(s.shard, &long_one, scratch_dirty, &s);
	ck_assert_int_eq(db_begin(db), ERR_ARGUMENT);
	ck_assert_said("use at most 255");
	ck_assert_int_eq(db_free(&db), OK);
	scratch_end(&s);
}
END_TEST

/* ---- several workers, segments that close all the time ---- */

enum { WORKERS = 3, OBJECTS = 8, ROUNDS = 150 };

struct worker {
	struct store *store;
	unsigned index;
	atomic_bool woken;
	const char *said;
};

static void
worker_wake(void *arg)
{
	atomic_store(&((struct worker *)arg)->woken, true);
}

static void
no_dirty(void *arg)
{
	(void)arg;
}

static void *
worker_main(void *arg)
{
	struct worker *w = arg;
	struct shard *s = shard_new(w->store, w->index, worker_wake, w);
	struct db *db[OBJECTS] = { 0 };
	uint64_t number = 0;

	for (int i = 0; i < ROUNDS * OBJECTS; i++) {
		struct db_name name = { "app", "Thing", { (unsigned char)(i % OBJECTS), 0xab, (unsigned char)w->index } };
		struct db **d = &db[i % OBJECTS];

		if (!*d)
			*d = db_new(s, &name, no_dirty, NULL);
		if (db_begin(*d) != OK)
			return w->said = "begin", NULL;
		db_parts(*d)->trusted = true;
		if (sqlite3_exec(db_handle(*d), "CREATE TABLE IF NOT EXISTS t(x); INSERT INTO t VALUES(randomblob(50))", NULL, NULL, NULL) != SQLITE_OK)
			return w->said = "insert", NULL;
		db_parts(*d)->trusted = false;
		if (db_commit(*d, &number) != OK)
			return w->said = "commit", NULL;
		shard_want(s, number);
		if (i % 5 == 0 && (shard_wait(s, number) != OK || store_durable(w->store) < number))
			return w->said = "wait", NULL;
		if (atomic_exchange(&w->woken, false))
			shard_tick(s);
		if (i % 97 == 0 && db_free(d) != OK)
			return w->said = "free", NULL;
	}
	for (int i = 0; i < OBJECTS; i++)
		if (db[i] && db_free(&db[i]) != OK)
			return w->said = "free at the end", NULL;
	shard_free(&s);
	return NULL;
}

START_TEST(workers_commit_side_by_side)
{
	struct store_options o = { .journal_segment = 64 << 10, .open_files = 12, .overlay_max = 1 << 20, .shards = WORKERS };
	struct worker w[WORKERS] = { 0 };
	pthread_t t[WORKERS];
	struct store_stats st;
	struct scratch s;

	scratch_begin(&s);
	scratch_close(&s);
	o.dir = s.dir;
	s.store = store_open(&o);
	for (unsigned i = 0; i < WORKERS; i++) {
		w[i].store = s.store;
		w[i].index = i;
		ck_assert_int_eq(pthread_create(&t[i], NULL, worker_main, &w[i]), 0);
	}
	for (int i = 0; i < WORKERS; i++)
		pthread_join(t[i], NULL);
	for (int i = 0; i < WORKERS; i++)
		ck_assert_msg(!w[i].said, "%s", w[i].said);
	store_stats(s.store, &st);
	ck_assert_uint_eq(st.commits, WORKERS * ROUNDS * OBJECTS);
	ck_assert_int_eq(store_close(&s.store), OK);
	ck_assert_int_eq(entries(s.dir, "/journal"), 0);
	scratch_open(&s);
	for (unsigned i = 0; i < WORKERS; i++)
		for (int k = 0; k < OBJECTS; k++) {
			struct db_name name = { "app", "Thing", { (unsigned char)k, 0xab, (unsigned char)i } };
			struct db *db = db_new(s.shard, &name, no_dirty, NULL);

			ck_assert_int_eq(ask(db, "SELECT count(*) FROM t"), ROUNDS);
			db_free(&db);
		}
	scratch_end(&s);
}
END_TEST

START_TEST(many_slept_objects_are_synced_and_forgotten)
{
	struct scratch s;
	struct store_stats st;
	struct db *db;

	scratch_begin(&s);
	shard_free(&s.shard);
	s.shard = shard_new(s.store, 0, count_wake, NULL);
	for (int i = 0; i < 200; i++) {
		db = filled(&s, (unsigned char)i);
		ck_assert_int_eq(db_free(&db), OK);
	}
	/* Each filled() is about 10 KB of journal, a segment 1 MiB: rotate until some were retired. */
	for (int i = 0; i < 20000; i++) {
		shard_tick(s.shard);
		store_stats(s.store, &st);
		if (st.segments == 1)
			break;
		usleep(500);
	}
	ck_assert_uint_eq(st.segments, 1);
	ck_assert_uint_eq(st.overlay_bytes, 0);
	scratch_end(&s);
}
END_TEST

/* Each commit is longer than a segment, and each worker's turn is one commit. */
START_TEST(files_keep_up_with_the_journal_however_large_the_transactions)
{
	enum { DATABASES = 40, COMMITS = 160 };
	struct db *db[DATABASES];
	struct store_stats st;
	uint64_t most = 0;
	struct scratch s;

	atomic_store(&syncs_free, true);		/* of how fast the disk is this says nothing */
	scratch_begin(&s);
	for (int i = 0; i < DATABASES; i++)
		db[i] = scratch_db(&s, (unsigned char)i);
	for (int n = 0; n < COMMITS; n++) {
		struct db *d = db[n % DATABASES];

		do_sql(d, "CREATE TABLE IF NOT EXISTS t(v); DELETE FROM t; INSERT INTO t VALUES(randomblob(1200000))");
		ck_assert_int_eq(shard_wait(s.shard, commit(d)), OK);
		shard_tick(s.shard);
		store_stats(s.store, &st);
		if (st.segments > most)
			most = st.segments;
	}
	ck_assert_uint_lt(most, DATABASES);		/* less than one whole round of all */
	for (int i = 0; i < DATABASES; i++)
		ck_assert_int_eq(db_free(&db[i]), OK);
	scratch_end(&s);
	atomic_store(&syncs_free, false);
	if (getenv("CK_VERBOSE"))
		printf("%llu segments at most\n", (unsigned long long)most);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("db");
	TCase *t = tcase_create("db");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_set_timeout(t, 120);
	tcase_add_test(t, nothing_exists_before_the_first_write);
	tcase_add_test(t, the_first_write_opens_one_transaction_and_commit_ends_it);
	tcase_add_test(t, a_transaction_that_changes_nothing_gets_no_number);
	tcase_add_test(t, the_file_is_written_at_sleep_and_is_plain_sqlite);
	tcase_add_test(t, files_are_for_their_owner_only);
	tcase_add_test(t, rollback_leaves_what_was_committed);
	tcase_add_test(t, sleep_forgets_what_was_not_committed);
	tcase_add_test(t, delete_all_leaves_no_file);
	tcase_add_test(t, a_new_life_after_delete_all_holds_nothing_of_the_old);
	tcase_add_test(t, rollback_brings_back_what_delete_all_took);
	tcase_add_test(t, delete_all_is_refused_within_a_transaction);
	tcase_add_test(t, a_violated_deferred_constraint_undoes_the_transaction);
	tcase_add_test(t, the_name_of_an_object_is_kept);
	tcase_add_test(t, size_counts_pages_in_use);
	tcase_add_test(t, many_databases_share_few_descriptors);
	tcase_add_test(t, running_out_of_descriptors_is_survived);
	tcase_add_test(t, a_large_overlay_goes_to_the_file_early);
	tcase_add_test(t, a_damaged_file_breaks_its_object_only);
	tcase_add_test(t, after_a_failed_sync_nothing_is_acknowledged);
	tcase_add_test(t, a_wish_is_granted_once);
	tcase_add_test(t, a_second_owner_is_told_who_is_the_first);
	tcase_add_test(t, a_killed_process_loses_nothing_acknowledged);
	tcase_add_test(t, names_that_are_no_directories_are_escaped_or_refused);
	tcase_add_test(t, workers_commit_side_by_side);
	tcase_add_test(t, many_slept_objects_are_synced_and_forgotten);
	tcase_add_test(t, files_keep_up_with_the_journal_however_large_the_transactions);
	suite_add_tcase(s, t);
	srunner_run_all(r, getenv("CK_VERBOSE") ? CK_VERBOSE : CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}

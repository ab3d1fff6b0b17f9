/* check_db_errors.c -- what goes wrong with one object's database, and how far it reaches.
 *
 * fdatasync() and fsync() below stand in for libc's, so that a test can make
 * them fail or wait.
 */
#include "scratch_sql.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "base/log.h"

static atomic_bool syncs_fail;
static atomic_bool files_wait, file_waits;	/* syncs of what is not the journal; one does */
static atomic_int woken;

static bool
is_journal(int fd)
{
	char link[64], path[600] = "";

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	return readlink(link, path, sizeof path - 1) > 0 && strstr(path, "/journal");
}

static int
sync_or_fail(long number, int fd)
{
	while (atomic_load(&files_wait) && !is_journal(fd)) {
		atomic_store(&file_waits, true);
		usleep(100);
	}
	if (atomic_load(&syncs_fail)) {
		errno = EIO;
		return -1;
	}
	return (int)syscall(number, fd);
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

static void
count_wake(void *arg)
{
	(void)arg;
	atomic_fetch_add(&woken, 1);
}

/* ---- scenes ---- */

/* As an app that catches the error would: it goes on, in vain.  Returns what SQLite said. */
static int
spoilt(struct db *db, const char *text)
{
	sqlite3 *h = db_handle(db);
	int rc;

	if (!h)
		return SQLITE_ERROR;
	db_parts(db)->trusted = true;
	rc = sqlite3_exec(h, text, NULL, NULL, NULL);
	db_parts(db)->trusted = false;
	if (rc != SQLITE_OK)
		db_fail(db, rc);
	return rc;
}

START_TEST(a_damaged_file_breaks_its_object_and_is_set_aside)
{
	struct scratch s;
	struct db *db;
	char path[600], text[200], log[300], command[600];
	uint64_t number = 0;

	scratch_begin(&s);
	snprintf(log, sizeof log, "%s/log", s.dir);
	log_open(log, LOG_ERROR);
	db = filled(&s, 1);
	db_free(&db);
	id_path(&s, path, 1);
	int fd = open(path, O_WRONLY);
	memset(text, 0xff, sizeof text);
	ck_assert_int_eq(pwrite(fd, text, sizeof text, 8192), (ssize_t)sizeof text);	/* the table's root page */
	close(fd);
	db = scratch_db(&s, 1);
	do_sql(db, "CREATE TABLE u(y)");
	ck_assert_int_eq(spoilt(db, "SELECT sum(length(x)) FROM t"), SQLITE_CORRUPT);
	ck_assert(db_broken(db));
	ck_assert_said("malformed: SQLITE_CORRUPT");
	snprintf(text, sizeof text, "%s", err_text());
	ck_assert_ptr_null(db_handle(db));
	ck_assert_str_eq(err_text(), text);
	ck_assert_int_eq(db_begin(db), ERR_STORE);
	ck_assert_int_eq(db_delete_all(db), ERR_STORE);
	ck_assert_int_eq(db_commit(db, &number), ERR_STORE);
	ck_assert_str_eq(err_text(), text);
	ck_assert_int_eq(db_free(&db), OK);
	ck_assert(!store_failed(s.store));
	ck_assert_int_eq(file_size(&s, 1), -1);
	snprintf(command, sizeof command, "grep -c ' error the database of app/Thing/01ab0.* is damaged and was set aside as .*SQLITE_CORRUPT' %s | grep -qx 1", log);
	ck_assert_int_eq(system(command), 0);

	db = scratch_db(&s, 1);
	ck_assert(db_exists(db));
	ck_assert_int_eq(db_begin(db), ERR_STORE);
	ck_assert_said("set aside as");
	ck_assert_int_eq(db_free(&db), OK);
	strcat(path, ".corrupt");
	ck_assert_int_eq(unlink(path), 0);
	db = scratch_db(&s, 1);
	ck_assert(!db_exists(db));
	do_sql(db, "CREATE TABLE t(x)");
	commit(db);
	db_free(&db);
	ck_assert_int_eq(file_size(&s, 1), 12288);
	scratch_end(&s);
}
END_TEST

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

/* The checkpointer is held up in one round while the journal fails and the shards go; in the next there is nobody left to ask. */
START_TEST(after_a_failure_no_segment_is_retired)
{
	struct scratch s;
	struct db *db;

	scratch_begin(&s);
	log_open("/dev/null", LOG_ERROR);
	db = scratch_db(&s, 1);
	atomic_store(&files_wait, true);
	do_sql(db, "CREATE TABLE t(x)");
	for (int i = 0; i < 20000 && !atomic_load(&file_waits); i++) {
		do_sql(db, "DELETE FROM t; INSERT INTO t VALUES(randomblob(300000))");
		ck_assert_int_eq(shard_wait(s.shard, commit(db)), OK);
		shard_tick(s.shard);
		usleep(500);
	}
	ck_assert(atomic_load(&file_waits));
	for (int i = 0; i < 8; i++) {			/* segments that close meanwhile */
		do_sql(db, i == 0 ? "CREATE TABLE early(x); INSERT INTO early VALUES(randomblob(50000))" :
			"DELETE FROM t; INSERT INTO t VALUES(randomblob(300000))");
		ck_assert_int_eq(shard_wait(s.shard, commit(db)), OK);
	}
	atomic_store(&syncs_fail, true);
	do_sql(db, "CREATE TABLE lost(x)");
	ck_assert_int_eq(shard_wait(s.shard, commit(db)), ERR_STORE);
	ck_assert_int_eq(db_free(&db), ERR_STORE);
	shard_free(&s.shard);
	atomic_store(&syncs_fail, false);
	atomic_store(&files_wait, false);
	ck_assert_int_eq(store_close(&s.store), ERR_IO);

	scratch_open(&s);
	db = scratch_db(&s, 1);
	ck_assert_int_eq(ask(db, "SELECT sum(length(x)) FROM early"), 50000);
	ck_assert_int_eq(ask(db, "SELECT sum(length(x)) FROM t"), 300000);
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

int
main(void)
{
	Suite *s = suite_create("db_errors");
	TCase *t = tcase_create("db_errors");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_set_timeout(t, 120);
	tcase_add_test(t, a_damaged_file_breaks_its_object_and_is_set_aside);
	tcase_add_test(t, after_a_failed_sync_nothing_is_acknowledged);
	tcase_add_test(t, after_a_failure_no_segment_is_retired);
	tcase_add_test(t, a_second_owner_is_told_who_is_the_first);
	tcase_add_test(t, running_out_of_descriptors_is_survived);
	tcase_add_test(t, a_violated_deferred_constraint_undoes_the_transaction);
	tcase_add_test(t, names_that_are_no_directories_are_escaped_or_refused);
	suite_add_tcase(s, t);
	srunner_run_all(r, getenv("CK_VERBOSE") ? CK_VERBOSE : CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}

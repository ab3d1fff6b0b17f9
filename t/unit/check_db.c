/* check_db.c -- one object's database: transactions, sleep, deleteAll, and what is on disk after each. */
#include "scratch_sql.h"

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

#define TABLES "SELECT count(*) FROM sqlite_master WHERE name <> '_cf_METADATA'"

enum { SMALLEST = 3 * 4096 };		/* the schema, our own table, one of the app's */

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
	ck_assert_int_eq(file_size(&s, 1), SMALLEST);
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

START_TEST(reading_stores_nothing_and_undoing_the_first_write_leaves_nothing)
{
	struct scratch s;
	struct db *db;

	scratch_begin(&s);
	db = scratch_db(&s, 1);
	ck_assert_int_eq(ask(db, TABLES), 0);
	ck_assert_int_eq(ask(db, "PRAGMA page_count"), 2);	/* what SQLite sees; see blank.h */
	ck_assert(!db_exists(db) && !db_dirty(db));
	for (int i = 0; i < 3; i++) {
		do_sql(db, "CREATE TABLE t(x); INSERT INTO t VALUES(zeroblob(1000000))");
		ck_assert(db_exists(db));
		db_rollback(db);
		ck_assert(!db_exists(db));
		ck_assert_int_eq(ask(db, TABLES), 0);
	}
	ck_assert_int_eq(db_delete_all(db), OK);
	ck_assert_int_eq(ask(db, TABLES), 0);
	ck_assert_uint_eq(commit(db), 0);
	do_sql(db, "CREATE TABLE t(x); INSERT INTO t VALUES(7)");
	ck_assert_uint_gt(commit(db), 0);
	ck_assert_int_eq(db_delete_all(db), OK);
	ck_assert_int_eq(ask(db, TABLES), 0);
	ck_assert_uint_gt(commit(db), 0);
	ck_assert_int_eq(ask(db, TABLES), 0);
	db_free(&db);
	ck_assert_int_eq(file_size(&s, 1), -1);
	db = scratch_db(&s, 1);
	do_sql(db, "CREATE TABLE t(x); INSERT INTO t VALUES(8)");
	commit(db);
	db_free(&db);
	ck_assert_int_eq(ask_file(&s, 1, "SELECT x FROM t"), 8);
	ck_assert_int_eq(ask_file(&s, 1, "SELECT count(*) FROM _cf_METADATA"), 0);
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
	ck_assert_int_eq(ask(db, TABLES), 1);
	ck_assert_int_eq(ask(db, "PRAGMA page_count"), SMALLEST / 4096);
	db_free(&db);
	ck_assert_int_eq(file_size(&s, 1), SMALLEST);
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
	ck_assert_int_eq(ask(db, TABLES), 0);
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
	ck_assert_int_eq(file_size(&s, 1), SMALLEST);
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
	ck_assert_int_eq(ask(db, TABLES), 1);
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
	ck_assert_uint_eq(one, SMALLEST);
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
	tcase_add_test(t, reading_stores_nothing_and_undoing_the_first_write_leaves_nothing);
	tcase_add_test(t, rollback_leaves_what_was_committed);
	tcase_add_test(t, sleep_forgets_what_was_not_committed);
	tcase_add_test(t, delete_all_leaves_no_file);
	tcase_add_test(t, a_new_life_after_delete_all_holds_nothing_of_the_old);
	tcase_add_test(t, rollback_brings_back_what_delete_all_took);
	tcase_add_test(t, delete_all_is_refused_within_a_transaction);
	tcase_add_test(t, the_name_of_an_object_is_kept);
	tcase_add_test(t, size_counts_pages_in_use);
	suite_add_tcase(s, t);
	srunner_run_all(r, getenv("CK_VERBOSE") ? CK_VERBOSE : CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}

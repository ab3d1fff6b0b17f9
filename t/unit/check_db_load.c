/* check_db_load.c -- many databases, large ones and several workers: descriptors, overlays, segments that close.
 *
 * fdatasync() and fsync() below stand in for libc's, so that a test can do
 * without them.
 */
#include "scratch_sql.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/log.h"

static atomic_bool syncs_free;
static atomic_int woken;

static int
sync_unless_free(long number, int fd)
{
	return atomic_load(&syncs_free) ? 0 : (int)syscall(number, fd);
}

int
fdatasync(int fd)
{
	return sync_unless_free(SYS_fdatasync, fd);
}

int
fsync(int fd)
{
	return sync_unless_free(SYS_fsync, fd);
}

static void
count_wake(void *arg)
{
	(void)arg;
	atomic_fetch_add(&woken, 1);
}

/* ---- scenes ---- */

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
	Suite *s = suite_create("db_load");
	TCase *t = tcase_create("db_load");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_set_timeout(t, 120);
	tcase_add_test(t, many_databases_share_few_descriptors);
	tcase_add_test(t, a_large_overlay_goes_to_the_file_early);
	tcase_add_test(t, a_wish_is_granted_once);
	tcase_add_test(t, a_killed_process_loses_nothing_acknowledged);
	tcase_add_test(t, workers_commit_side_by_side);
	tcase_add_test(t, many_slept_objects_are_synced_and_forgotten);
	tcase_add_test(t, files_keep_up_with_the_journal_however_large_the_transactions);
	suite_add_tcase(s, t);
	srunner_run_all(r, getenv("CK_VERBOSE") ? CK_VERBOSE : CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}

/* check_spill.c -- transactions larger than memory: their side files, and every way one can be damaged. */
#include "scratch_sql.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "store/capture.h"
#include "store/inside.h"
#include "store/recover.h"
#include "store/spill.h"

enum { GIANT = 8 };	/* megabytes; scratch_db.h allows 4 in memory */

static void
grow(struct db *db, int from, int mb)
{
	char text[300];

	snprintf(text, sizeof text, "CREATE TABLE IF NOT EXISTS t(k INTEGER PRIMARY KEY, v BLOB); WITH RECURSIVE n(i) AS (SELECT %d UNION ALL "
		"SELECT i + 1 FROM n WHERE i < %d) INSERT INTO t SELECT i, randomblob(1000) FROM n", from, from + mb * 1024 - 1);
	do_sql(db, text);
}

static int
sides(struct scratch *s)
{
	return entries(s->dir, "/journal/*.side");
}

static void
settle(struct scratch *s, struct db *db)
{
	ck_assert_int_eq(shard_wait(s->shard, db_last_commit(db)), OK);
}

/* All that hangs over moves on to the files. */
static void
tick(struct scratch *s)
{
	while (!list_empty(&s->shard->over))
		shard_tick(s->shard);
}

START_TEST(what_was_spilled_is_read_at_every_stage)
{
	struct scratch s;
	struct db *db;

	scratch_begin(&s);
	db = scratch_db(&s, 1);
	grow(db, 1, GIANT);
	ck_assert_int_eq(sides(&s), 1);
	ck_assert_msg(file_size(&s, 1) == -1, "the file has what is not committed");
	ck_assert_int_eq(ask(db, "SELECT sum(length(v)) FROM t"), GIANT * 1024 * 1000);
	settle(&s, (commit(db), db));
	ck_assert_int_eq(ask(db, "SELECT sum(length(v)) FROM t"), GIANT * 1024 * 1000);
	tick(&s);
	ck_assert_int_eq(sides(&s), 1);		/* the journal may need it */
	ck_assert_int_eq(ask(db, "SELECT sum(length(v)) FROM t"), GIANT * 1024 * 1000);
	db_free(&db);
	scratch_close(&s);
	ck_assert_int_eq(entries(s.dir, "/journal"), 0);
	ck_assert_int_eq(ask_file(&s, 1, "SELECT sum(length(v)) FROM t"), GIANT * 1024 * 1000);
	scratch_open(&s);
	scratch_end(&s);
}
END_TEST

START_TEST(a_page_changed_before_it_moved_on_keeps_its_change)
{
	struct scratch s;
	struct db *db;

	scratch_begin(&s);
	db = scratch_db(&s, 1);
	grow(db, 1, GIANT);
	commit(db);
	do_sql(db, "UPDATE t SET v = 'new' WHERE k % 500 = 0");
	settle(&s, (commit(db), db));
	tick(&s);
	ck_assert_int_eq(ask(db, "SELECT count(*) FROM t WHERE v = 'new'"), GIANT * 1024 / 500);
	db_free(&db);
	ck_assert_int_eq(ask_file(&s, 1, "SELECT count(*) FROM t WHERE v = 'new'"), GIANT * 1024 / 500);
	ck_assert_int_eq(ask_file(&s, 1, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"), 1);
	scratch_end(&s);
}
END_TEST

START_TEST(one_giant_after_the_other)
{
	struct scratch s;
	struct db *db;

	scratch_begin(&s);
	db = scratch_db(&s, 1);
	for (int i = 0; i < 3; i++) {
		grow(db, 1 + i * GIANT * 1024, GIANT);
		commit(db);
		do_sql(db, "UPDATE t SET v = randomblob(999)");
		commit(db);
	}
	ck_assert_int_eq(ask(db, "SELECT sum(length(v)) FROM t"), 3 * GIANT * 1024 * 999);
	db_free(&db);
	ck_assert_int_eq(ask_file(&s, 1, "SELECT sum(length(v)) FROM t"), 3 * GIANT * 1024 * 999);
	scratch_end(&s);
}
END_TEST

/* A segment's records are small, the files that go with it are not. */
START_TEST(side_files_do_not_gather)
{
	struct scratch s;
	struct db *db;

	scratch_begin(&s);
	db = scratch_db(&s, 1);
	for (int i = 0; i < 10; i++) {
		grow(db, 1 + i * GIANT * 1024, GIANT);
		settle(&s, (commit(db), db));
		tick(&s);
	}
	do_sql(db, "UPDATE t SET v = 'x' WHERE k = 1");	/* begins another segment */
	settle(&s, (commit(db), db));
	for (int tries = 0; sides(&s) > 0 && tries < 2000; tries++) {
		shard_tick(s.shard);
		usleep(5000);
	}
	ck_assert_int_eq(sides(&s), 0);
	db_free(&db);
	scratch_end(&s);
}
END_TEST

START_TEST(a_rollback_takes_the_file_along)
{
	struct scratch s;
	struct db *db;

	scratch_begin(&s);
	db = scratch_db(&s, 1);
	grow(db, 1, 1);
	commit(db);
	grow(db, 100000, GIANT);
	ck_assert_int_eq(sides(&s), 1);
	db_rollback(db);
	ck_assert_int_eq(sides(&s), 0);
	ck_assert_int_eq(ask(db, "SELECT count(*) FROM t"), 1024);
	db_free(&db);
	scratch_end(&s);
}
END_TEST

START_TEST(a_savepoint_inside_is_undone_alone)
{
	struct scratch s;
	struct db *db;

	scratch_begin(&s);
	db = scratch_db(&s, 1);
	grow(db, 1, GIANT);
	do_sql(db, "SAVEPOINT a; UPDATE t SET v = 'gone'; SAVEPOINT b; DELETE FROM t; ROLLBACK TO b; RELEASE b");
	ck_assert_int_eq(ask(db, "SELECT count(*) FROM t WHERE v = 'gone'"), GIANT * 1024);
	do_sql(db, "ROLLBACK TO a; RELEASE a; INSERT INTO t VALUES(0, 'kept')");
	commit(db);
	ck_assert_int_eq(ask(db, "SELECT sum(length(v)) FROM t"), GIANT * 1024 * 1000 + 4);
	db_free(&db);
	ck_assert_int_eq(ask_file(&s, 1, "SELECT sum(length(v)) FROM t"), GIANT * 1024 * 1000 + 4);
	scratch_end(&s);
}
END_TEST

START_TEST(delete_all_right_after_leaves_nothing)
{
	struct scratch s;
	struct db *db;

	scratch_begin(&s);
	db = scratch_db(&s, 1);
	grow(db, 1, GIANT);
	if (_i)
		commit(db);
	ck_assert_int_eq(db_delete_all(db), OK);
	grow(db, 1, _i == 2 ? GIANT : 1);
	commit(db);
	ck_assert_int_eq(ask(db, "SELECT count(*) FROM t"), _i == 2 ? GIANT * 1024 : 1024);
	db_free(&db);
	ck_assert_int_eq(ask_file(&s, 1, "SELECT count(*) FROM t"), _i == 2 ? GIANT * 1024 : 1024);
	ck_assert_int_eq(file_size(&s, 1), ask_file(&s, 1, "PRAGMA page_count") * PAGE_BYTES);
	scratch_end(&s);
}
END_TEST

static void
allow_files_of(rlim_t bytes)
{
	struct rlimit l = { bytes, RLIM_INFINITY };

	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &l), 0);
}

/* 0: the transaction notices while it writes; 1: at its commit. */
START_TEST(a_side_file_that_finds_no_room_costs_its_transaction_alone)
{
	struct scratch s;
	struct db *db, *other;
	uint64_t number = 0;

	scratch_begin(&s);
	db = scratch_db(&s, 1);
	other = scratch_db(&s, 2);
	grow(db, 1, 1);
	settle(&s, (commit(db), db));
	if (_i) {
		grow(db, 100000, GIANT);
		ck_assert_int_eq(sides(&s), 1);
		allow_files_of(2 << 20);
		ck_assert_int_lt(db_commit(db, &number), 0);
	} else {
		allow_files_of(2 << 20);
		ck_assert_int_eq(db_begin(db), OK);
		db_parts(db)->trusted = true;
		ck_assert_int_eq(sqlite3_exec(db_handle(db), "WITH RECURSIVE n(i) AS (SELECT 100000 UNION ALL SELECT i + 1 FROM n WHERE i < 108000) "
			"INSERT INTO t SELECT i, randomblob(1000) FROM n", NULL, NULL, NULL) & 0xff, SQLITE_IOERR);
		db_fail(db, SQLITE_IOERR);
		db_rollback(db);
	}
	ck_assert(db_broken(db) && !store_failed(s.store));
	ck_assert_int_eq(sides(&s), 0);
	db_free(&db);
	do_sql(other, "CREATE TABLE t(x)");
	settle(&s, (commit(other), other));
	db_free(&other);
	db = scratch_db(&s, 1);
	ck_assert_int_eq(ask(db, "SELECT count(*) FROM t"), 1024);
	allow_files_of(RLIM_INFINITY);
	grow(db, 100000, GIANT);
	commit(db);
	db_free(&db);
	ck_assert_int_eq(ask_file(&s, 1, "SELECT count(*) FROM t"), (GIANT + 1) * 1024);
	scratch_end(&s);
}
END_TEST

/* ---- recovery ---- */

/* A process that commits something giant, waits until it is durable, and dies. */
static void
die_with_a_giant(struct scratch *s)
{
	pid_t child;
	int status;

	scratch_close(s);
	child = fork();
	if (child == 0) {
		struct db *db;

		scratch_open(s);
		db = scratch_db(s, 1);
		grow(db, 1, GIANT);
		commit(db);
		do_sql(db, "UPDATE t SET v = 'after' WHERE k = 7");
		settle(s, (commit(db), db));
		_exit(0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(sides(s), 1);
}

static void
side_path(struct scratch *s, char path[600])
{
	snprintf(path, 600, "%s/journal/0000000000000001.side", s->dir);
	ck_assert_int_eq(access(path, F_OK), 0);
}

START_TEST(a_start_puts_the_side_file_into_the_database)
{
	struct scratch s;

	scratch_begin(&s);
	die_with_a_giant(&s);
	scratch_open(&s);
	ck_assert_int_eq(sides(&s), 0);
	ck_assert_int_eq(ask_file(&s, 1, "SELECT count(*) FROM t"), GIANT * 1024);
	ck_assert_int_eq(ask_file(&s, 1, "SELECT count(*) FROM t WHERE v = 'after'"), 1);
	ck_assert_int_eq(ask_file(&s, 1, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"), 1);
	scratch_end(&s);
}
END_TEST

static void
lose(const char *path)
{
	ck_assert_int_eq(unlink(path), 0);
}

static void
cut_short(const char *path)
{
	ck_assert_int_eq(truncate(path, GIANT * 500 * 1024 + 77), 0);
}

static void
emptied(const char *path)
{
	ck_assert_int_eq(truncate(path, 0), 0);
}

static void
flip_at(const char *path, off_t at)
{
	int fd = open(path, O_RDWR);
	char c;

	ck_assert_int_eq(pread(fd, &c, 1, at), 1);
	c ^= 0x10;
	ck_assert_int_eq(pwrite(fd, &c, 1, at), 1);
	close(fd);
}

static void
flip_first(const char *path)
{
	flip_at(path, 20);
}

static void
flip_last(const char *path)
{
	struct stat st;

	ck_assert_int_eq(stat(path, &st), 0);
	flip_at(path, st.st_size - 1);
}

/* Two pages that change places: each is whole, and in the wrong one. */
static void
swap_pages(const char *path)
{
	char a[PAGE_BYTES], b[PAGE_BYTES];
	int fd = open(path, O_RDWR);

	ck_assert(pread(fd, a, sizeof a, 10 * PAGE_BYTES) == PAGE_BYTES && pread(fd, b, sizeof b, 20 * PAGE_BYTES) == PAGE_BYTES);
	ck_assert(pwrite(fd, a, sizeof a, 20 * PAGE_BYTES) == PAGE_BYTES && pwrite(fd, b, sizeof b, 10 * PAGE_BYTES) == PAGE_BYTES);
	close(fd);
}

static void
another_kind(const char *path)
{
	lose(path);
	ck_assert_int_eq(symlink("/etc/hostname", path), 0);
}

static const struct {
	void (*hurt)(const char *path);
	const char *said;
} damages[] = {
	{ lose, "is missing, which holds this commit's pages" },
	{ cut_short, "is cut short: page" },
	{ emptied, "is cut short: page 0 is not there" },
	{ flip_first, "is not what was written there" },
	{ flip_last, "is not what was written there" },
	{ swap_pages, "page 10 in" },
	{ another_kind, "open " },
};

START_TEST(a_damaged_side_file_is_told_and_nothing_is_touched)
{
	struct scratch s;
	struct store_options o = { .journal_segment = 1 << 20, .open_files = 16, .overlay_max = 4 << 20, .shards = 1 };
	char path[600];
	int before;

	scratch_begin(&s);
	die_with_a_giant(&s);
	side_path(&s, path);
	damages[_i].hurt(path);
	before = entries(s.dir, "/journal");
	o.dir = s.dir;
	for (int again = 0; again < 2; again++) {
		ck_assert_ptr_null(store_open(&o));
		ck_assert_msg(err_code() == ERR_CORRUPT || damages[_i].hurt == another_kind, "%s", err_text());
		ck_assert_said(damages[_i].said);
		ck_assert_said("0000000000000001.side");
		ck_assert_int_eq(entries(s.dir, "/journal"), before);
		ck_assert_int_eq(file_size(&s, 1), -1);
	}
	nftw(s.dir, scratch_remove, 16, FTW_DEPTH | FTW_PHYS);
}
END_TEST

START_TEST(litter_goes_at_the_next_start)
{
	struct scratch s;
	char path[600];

	scratch_begin(&s);
	scratch_close(&s);
	for (int i = 0; i < 3; i++) {
		snprintf(path, sizeof path, "%s/journal/%016x.%s", s.dir, i, i ? "side" : "temp");
		close(open(path, O_CREAT | O_WRONLY, 0600));
	}
	scratch_open(&s);
	ck_assert_int_eq(entries(s.dir, "/journal"), 0);
	scratch_end(&s);
}
END_TEST

/* ---- the record's runs ---- */

START_TEST(runs_that_lie_are_corrupt)
{
	static const struct { const char *bytes; size_t n; } lies[] = {
		{ "\0\0\0\0\1\0\0", 7 },				/* no room for the numbers */
		{ "\0\0\0\0\1\0\0\0abcdefg", 15 },			/* no room for a sum */
		{ "\0\0\0\0\xff\xff\xff\xff" "abcdefgh", 16 },		/* four thousand million pages */
		{ "\xff\xff\xff\xff\2\0\0\0abcdefghabcdefgh", 24 },	/* past the last page number */
		{ "\5\0\0\0\1\0\0\0abcdefgh", 16 },			/* past the database's size */
	};
	char dir[] = "/tmp/drey-check-XXXXXX", path[SPILL_PATH], page[6 * PAGE_BYTES] = { 0 };
	int fd;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	spill_path(path, dir, 9);
	fd = open(path, O_CREAT | O_RDWR, 0600);
	ck_assert_int_eq(write(fd, page, sizeof page), sizeof page);
	close(fd);
	for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
		struct record r = { .side = 9, .size = 5, .pieces = str_n(lies[i].bytes, lies[i].n) };

		ck_assert_msg(spill_replay(dir, &r, NULL) == ERR_CORRUPT, "lie %zu", i);
	}
	nftw(dir, scratch_remove, 16, FTW_DEPTH | FTW_PHYS);
}
END_TEST

/* ---- SQLite's own scratch ---- */

START_TEST(sqlite_keeps_little_in_memory_and_leaves_no_file)
{
	struct scratch s;
	struct db *db;

	scratch_begin(&s);
	s.shard->temp_max = 64 << 10;
	db = scratch_db(&s, 1);
	grow(db, 1, GIANT);
	commit(db);
	do_sql(db, "UPDATE t SET v = randomblob(1000); CREATE INDEX i ON t(v)");
	ck_assert_msg(entries(s.dir, "/journal/*.temp") == 0, "a temporary file has a name");
	ck_assert_int_eq(ask(db, "SELECT count(*) FROM (SELECT v FROM t ORDER BY substr(v, 3), k)"), GIANT * 1024);
	db_rollback(db);
	ck_assert_int_eq(ask(db, "SELECT count(*) FROM sqlite_schema WHERE name <> '_cf_METADATA'"), 1);
	db_free(&db);
	scratch_end(&s);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("spill");
	TCase *t = tcase_create("spill");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_test(t, what_was_spilled_is_read_at_every_stage);
	tcase_add_test(t, a_page_changed_before_it_moved_on_keeps_its_change);
	tcase_add_test(t, one_giant_after_the_other);
	tcase_add_test(t, side_files_do_not_gather);
	tcase_add_test(t, a_rollback_takes_the_file_along);
	tcase_add_test(t, a_savepoint_inside_is_undone_alone);
	tcase_add_loop_test(t, delete_all_right_after_leaves_nothing, 0, 3);
	tcase_add_loop_test(t, a_side_file_that_finds_no_room_costs_its_transaction_alone, 0, 2);
	tcase_add_test(t, a_start_puts_the_side_file_into_the_database);
	tcase_add_loop_test(t, a_damaged_side_file_is_told_and_nothing_is_touched, 0, sizeof damages / sizeof *damages);
	tcase_add_test(t, litter_goes_at_the_next_start);
	tcase_add_test(t, runs_that_lie_are_corrupt);
	tcase_add_test(t, sqlite_keeps_little_in_memory_and_leaves_no_file);
	suite_add_tcase(s, t);
	srunner_run_all(r, getenv("CK_VERBOSE") ? CK_VERBOSE : CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}

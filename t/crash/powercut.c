/* powercut.c -- pulls the plug before every system call of a scenario, and looks at what is left.
 *
 * The scenario runs once on the real store, over the disk of powercut.h: several
 * databases that are created, changed, emptied, filled again, rolled back whole or to a savepoint,
 * put to sleep and woken, in tiny journal segments that close and retire all
 * the time, with a clean stop and a new start in between.  A tenth of the
 * transactions are larger than overlay_max: they spill into side files, are
 * committed, rolled back or emptied again by deleteAll().  After every commit
 * the database's content is written down.
 *
 * Then, for every N, the disk is made as a cut before call N leaves it (three
 * ways: strict, torn, killed), store_open() recovers it, and the contents of
 * all databases must be exactly what some one commit left: one that was
 * acknowledged before the cut, or a later one.  For a sample of N the
 * recovery itself is cut at each of its own calls and run again.
 *
 *	powercut [commits (90)] [seed] [cut every nth recovery (211)]
 */
#undef _FORTIFY_SOURCE
#include "powercut.h"

#include <ftw.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#include "base/err.h"
#include "base/log.h"
#include "base/str.h"
#include "store/handle.h"
#include "store/shard.h"
#include "store/sql.h"
#include "store/store.h"

/* In place of the archive's: every second store syncs two files and more with one syncfs(), the others sync each. */
static size_t whole_min;
#define WHOLE_MIN whole_min
#include "store/unsynced.c"

enum { DATABASES = 7, RECOVERY_EVERY = 211 };

#define check(expr) ((expr) ? (void)0 : failed(#expr, __LINE__))

static char *content[1 << 14][DATABASES];	/* by commit, counted over restarts: every database after it */
static uint64_t commits, base;			/* made; made before this start */
static atomic_uint_fast64_t acknowledged;
static _Atomic(struct store *) running;
static atomic_bool woken;
static char at[256];				/* where we are, for a failure */

static _Noreturn void
failed(const char *what, int line)
{
	fprintf(stderr, "powercut.c:%d: %s is false (%s): %s\n", line, what, at, err_text());
	_exit(1);
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st, (void)kind, (void)ftw;
	return remove(path);
}

static void
remove_all(const char *dir)
{
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void
make_scratch(char dir[128])
{
	const char *tmp = getenv("TMPDIR");

	/* What survives is decided above; below, memory will do and is six times faster. */
	if (!tmp)
		tmp = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	snprintf(dir, 128, "%s/drey-power-XXXXXX", tmp);
	check(mkdtemp(dir));
}

static uint64_t
note(void)
{
	struct store *st = atomic_load(&running);

	if (st)
		atomic_store(&acknowledged, base + store_durable(st));
	return atomic_load(&acknowledged);
}

static void
on_wake(void *arg)
{
	(void)arg;
	atomic_store(&woken, true);
}

static void
on_dirty(void *arg)
{
	(void)arg;
}

/* ---- a store with one shard ---- */

static struct shard *
begin(const char *dir)
{
	struct store_options o = {
		.dir = dir, .journal_segment = 12 << 10, .open_files = 2, .overlay_max = 40 << 10, .shards = 1
	};
	static unsigned starts;
	struct store *st;
	struct shard *s;

	whole_min = starts++ % 2 ? 2 : SIZE_MAX;
	st = store_open(&o);
	check(st);
	atomic_store(&running, st);
	s = shard_new(st, 0, on_wake, NULL);
	s->tick_pages = 3;		/* so that a checkpoint takes several ticks, as does a side file's way into the database */
	s->temp_max = 16 << 10;
	return s;
}

static void
end(struct shard *s)
{
	struct store *st = atomic_load(&running);

	shard_free(&s);
	note();
	atomic_store(&running, NULL);
	check(store_close(&st) == OK);
}

static struct db *
wake_up(struct shard *s, int i)
{
	/* Two classes; ids share their first byte here and there. */
	struct db_name name = { "app", i % 2 ? "Odd" : "Even", { (unsigned char)(i / 3), (unsigned char)i } };

	return db_new(s, &name, on_dirty, NULL);
}

static void
do_sql(struct db *db, const char *text)
{
	check(db_begin(db) == OK);
	db_parts(db)->trusted = true;
	check(sqlite3_exec(db_handle(db), text, NULL, NULL, NULL) == SQLITE_OK);
	db_parts(db)->trusted = false;
}

static int
add_row(void *arg, int n, char **v, char **names)
{
	(void)names;
	for (int i = 0; i < n; i++)
		buf_printf(arg, "%s ", v[i] ? v[i] : "-");
	return 0;
}

/* All it holds, as text. */
static char *
dump(struct db *db)
{
	struct buf b = { 0 };

	buf_c(&b, ":");
	if (db_exists(db)) {
		db_parts(db)->trusted = true;
		check(sqlite3_exec(db_handle(db), "SELECT k, length(v), hex(substr(v, 1, 6)) FROM t ORDER BY k", add_row, &b, NULL) == SQLITE_OK);
		db_parts(db)->trusted = false;
	}
	return b.p;
}

/* ---- the scenario ---- */

static unsigned
dice(unsigned n)
{
	static uint64_t x = 88172645463325252;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (unsigned)((x * 0x9e3779b97f4a7c15 >> 33) % n);
}

static void
change(struct db *db)
{
	char text[512];

	do_sql(db, "CREATE TABLE IF NOT EXISTS t(k INTEGER PRIMARY KEY, v BLOB)");
	switch (dice(7)) {
	case 6:		/* more than memory may hold; a page of it twice */
		snprintf(text, sizeof text, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %u) "
			"INSERT OR REPLACE INTO t SELECT i, randomblob(%u) FROM n; UPDATE t SET v = randomblob(30) WHERE k %% 11 = 3",
			40 + dice(30), 900 + dice(900));
		break;
	case 0:		/* many pages */
		snprintf(text, sizeof text, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %u) "
			"INSERT OR REPLACE INTO t SELECT i * 7 %% 90, randomblob(%u) FROM n", 5 + dice(25), 100 + dice(1400));
		break;
	case 1:		/* fewer pages */
		snprintf(text, sizeof text, "DELETE FROM t WHERE k %% 3 = %u", dice(3));
		break;
	case 2:		/* the file shrinks */
		snprintf(text, sizeof text, "DROP TABLE t; CREATE TABLE t(k INTEGER PRIMARY KEY, v BLOB)");
		break;
	default:	/* a counter */
		snprintf(text, sizeof text, "INSERT INTO t VALUES(%u, randomblob(20)) ON CONFLICT(k) DO UPDATE SET v = excluded.v", dice(dice(2) ? 20 : 70));
	}
	do_sql(db, text);
}

/* A transaction in a transaction, with another in it or none: what is undone leaves the content as it was. */
static void
nest(struct db *db, int depth)
{
	char *before, *after;
	bool keep = dice(5) < 3;

	do_sql(db, "CREATE TABLE IF NOT EXISTS t(k INTEGER PRIMARY KEY, v BLOB)");
	before = dump(db);
	check(sql_savepoint(db) == OK);
	change(db);
	if (depth < 3 && dice(2))
		nest(db, depth + 1);
	check(db_delete_all(db) < 0);
	if (dice(2))
		change(db);
	check(sql_release(db, keep) == OK);
	after = dump(db);
	check(keep || strcmp(before, after) == 0);
	free(before);
	free(after);
	if (dice(2))
		change(db);
}

static void
commit(struct db **db, int i)
{
	uint64_t number = 0;

	check(db_commit(db[i], &number) == OK);
	if (number == 0)
		return;
	check(base + number == commits + 1);
	commits++;
	for (int k = 0; k < DATABASES; k++)
		content[commits][k] = k == i ? dump(db[i]) : xstrdup(content[commits - 1][k]);
}

static void
one_step(struct shard *s, struct db **db)
{
	int i = (int)dice(DATABASES);

	switch (dice(16)) {
	case 0:
		check(db_delete_all(db[i]) == OK);
		if (dice(2))
			change(db[i]);
		break;
	case 1:
		change(db[i]);
		if (dice(3) == 0)
			check(db_delete_all(db[i]) == OK);
		db_rollback(db[i]);
		break;
	case 2:
	case 3:
		check(db_free(&db[i]) == OK);
		db[i] = wake_up(s, i);
		break;
	case 4:
	case 5:
		nest(db[i], 0);
		if (dice(4) == 0)
			check(db_delete_all(db[i]) == OK);
		break;
	default:
		/* Several on end, so that a side file's pages are written again before they have moved on. */
		for (unsigned more = dice(3); more; more--) {
			change(db[i]);
			commit(db, i);
		}
		change(db[i]);
		if (dice(8) == 0) {
			commit(db, i);
			check(db_delete_all(db[i]) == OK);
		}
	}
	commit(db, i);
	if (dice(4) == 0)
		check(shard_wait(s, db_last_commit(db[i])) == OK);
	if (atomic_exchange(&woken, false))
		shard_tick(s);
}

static void
scenario(const char *dir, uint64_t target)
{
	struct db *db[DATABASES];

	for (int round = 0; round < 2; round++) {
		struct shard *s = begin(dir);

		for (int i = 0; i < DATABASES; i++)
			db[i] = wake_up(s, i);
		while (commits < target * (unsigned)(round + 1) / 2)
			one_step(s, db);
		for (int i = 0; i < DATABASES; i++)
			check(db_free(&db[i]) == OK);
		end(s);
		base = commits;
	}
}

/* ---- looking at what is left ---- */

static bool
matches(char *const *found, uint64_t c)
{
	for (int i = 0; i < DATABASES; i++)
		if (strcmp(found[i], content[c][i]) != 0)
			return false;
	return true;
}

static int
number(void *arg, int n, char **v, char **names)
{
	(void)n, (void)names;
	*(long long *)arg = atoll(v[0]);
	return 0;
}

static int
sound(void *arg, int n, char **v, char **names)
{
	(void)arg, (void)n, (void)names;
	return strcmp(v[0], "ok") != 0;
}

/* The file is as long as the database, and there is none for an empty one. */
static void
check_file(const char *dir, int i, long long pages)
{
	char path[512];
	struct stat st = { 0 };
	int n = snprintf(path, sizeof path, "%s/app/%s/%02x/%02x%02x", dir, i % 2 ? "Odd" : "Even", i / 3, i / 3, i);

	for (int k = 2; k < 32; k++)
		n += snprintf(path + n, sizeof path - (size_t)n, "00");
	snprintf(path + n, sizeof path - (size_t)n, ".sqlite");
	check((stat(path, &st) == 0) == (pages > 0));
	check(st.st_size == pages * 4096);
}

/* Neither side files nor temporary ones outlive a start. */
static void
check_no_litter(const char *dir)
{
	char path[256];
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof path, "%s/journal", dir);
	d = opendir(path);
	check(d);
	while ((e = readdir(d)))
		check(!ends_in(e->d_name, ".side") && !ends_in(e->d_name, ".temp"));
	closedir(d);
}

/* Recovers dir and compares; before: acknowledged by the cut. */
static void
recover_and_compare(const char *dir, uint64_t before)
{
	struct shard *s = begin(dir);
	char *found[DATABASES];
	long long pages[DATABASES] = { 0 };
	uint64_t c;

	check_no_litter(dir);
	for (int i = 0; i < DATABASES; i++) {
		struct db *db = wake_up(s, i);

		found[i] = dump(db);
		if (db_exists(db)) {
			db_parts(db)->trusted = true;
			check(sqlite3_exec(db_handle(db), "PRAGMA integrity_check", sound, NULL, NULL) == SQLITE_OK);
			check(sqlite3_exec(db_handle(db), "PRAGMA page_count", number, &pages[i], NULL) == SQLITE_OK);
			db_parts(db)->trusted = false;
		}
		check(db_free(&db) == OK);
	}
	for (int i = 0; i < DATABASES; i++)
		check_file(dir, i, pages[i]);
	for (c = before; c <= commits && !matches(found, c); c++)
		;
	if (c > commits) {
		for (int i = 0; i < DATABASES; i++)
			fprintf(stderr, "%d found %s\n  wanted %s\n", i, found[i], content[before][i]);
		check(!"what is left is what one commit left");
	}
	for (int i = 0; i < DATABASES; i++)
		free(found[i]);
	end(s);
}

static uint64_t
note_nothing(void)
{
	return 0;
}

/* The recovery of a cut disk, cut again at each of its own calls. */
static size_t
cut_the_recovery(size_t n, enum cut cut, uint64_t before)
{
	char dir[128], again[128];
	size_t points;

	make_scratch(dir);
	powercut_make(dir, n, cut, n);
	struct powercut *outer = powercut_push();
	powercut_begin(dir, note_nothing);
	recover_and_compare(dir, before);
	powercut_end();
	points = powercut_count();
	for (size_t m = 0; m <= points; m++) {
		snprintf(at, sizeof at, "cut %d before call %zu, recovery cut before its call %zu of %zu", cut, n, m, points);
		make_scratch(again);
		powercut_make(again, m, m % 2 ? CUT_TORN : CUT_STRICT, n * 1000 + m);
		recover_and_compare(again, before);
		remove_all(again);
	}
	powercut_forget();
	powercut_pop(outer);
	remove_all(dir);
	return points + 1;
}

int
main(int argc, char **argv)
{
	static const char *const way[] = { "strict", "torn", "killed" };
	uint64_t target = argc > 1 ? strtoull(argv[1], NULL, 10) : 90;
	size_t points, whole, sides, temps, again = 0;
	uint64_t all;
	size_t every = argc > 3 ? strtoull(argv[3], NULL, 10) : RECOVERY_EVERY;
	char dir[128], left[128];

	for (unsigned skip = argc > 2 ? (unsigned)atoi(argv[2]) : 0; skip; skip--)
		dice(2);
	log_open("/dev/null", LOG_ERROR);
	store_configure_sqlite();
	for (int i = 0; i < DATABASES; i++)
		content[0][i] = xstrdup(":");
	make_scratch(dir);
	powercut_begin(dir, note);
	scenario(dir, target);
	powercut_end();
	remove_all(dir);
	points = powercut_count();
	whole = powercut_count_of(DID_SYNC_ALL);
	sides = powercut_count_named(DID_CREATE, ".side");
	temps = powercut_count_named(DID_CREATE, ".temp");
	check(whole > 0 && sides > 0 && temps > 0);
	check(powercut_count_named(DID_UNLINK, ".side") == sides);
	pc_read_again = 0;
	all = atomic_load(&acknowledged);
	for (size_t n = 0; n <= points; n++)
		for (int cut = CUT_STRICT; cut <= CUT_KILLED; cut++) {
			uint64_t before = powercut_noted(n, all);

			snprintf(at, sizeof at, "%s cut before call %zu of %zu", way[cut], n, points);
			make_scratch(left);
			powercut_make(left, n, (enum cut)cut, n);
			recover_and_compare(left, before);
			remove_all(left);
			if (n % every == 0 && cut != CUT_KILLED)
				again += cut_the_recovery(n, (enum cut)cut, before);
		}
	for (uint64_t c = 0; c <= commits; c++)
		for (int i = 0; i < DATABASES; i++)
			free(content[c][i]);
	powercut_forget();
	check(pc_read_again > 0);
	printf("power cut before each of %zu system calls (%zu syncfs) of %llu commits, 3 ways each; recovery cut %zu times more; "
		"%zu side files, %zu temporary ones, a side file read %zu times by a recovery: every acknowledged commit is there, none in part\n",
		points + 1, whole, (unsigned long long)commits, again, sides, temps, pc_read_again);
	return 0;
}

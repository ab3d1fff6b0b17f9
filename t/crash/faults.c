/* faults.c -- every system call of a workload fails once, and every malloc of SQLite.
 *
 * For each row of the matrix and each N from 1 on, a child process runs the
 * workload on the real store while the Nth call of that kind fails (in some
 * rows: all from the Nth on), until the workload runs through without having
 * been hit.  The workload is several databases with SQL, keys, savepoints,
 * rollbacks, deleteAll, large commits, sleep, a damaged file, tiny segments
 * that close and retire, and a stop and a start in between.  After the hit:
 *
 *	nothing crashes or hangs
 *	an error is told only after a fault, and its text names what failed
 *	when the store has not failed the work goes on
 *	a start without faults finds what exactly one commit left: one that was
 *	acknowledged, or a later one; the damaged database is no empty one
 *
 * base's own allocations abort the process on purpose (xmalloc() in base/err.h
 * says why), so the malloc that fails here is SQLite's.
 *
 *	faults [seed [row [N]]]	that row alone; with N: that workload alone, and its folder is kept when it goes wrong
 *	DREY_FAULTS_ALL=1	every N.  Otherwise a stride, so that it takes seconds
 *	DREY_FAULTS_STEPS=n	a workload of n steps (70)
 */
#undef _FORTIFY_SOURCE
#include "faults.h"

#include <ftw.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "base/log.h"
#include "base/str.h"
#include "store/handle.h"
#include "store/kv.h"
#include "store/shard.h"
#include "store/sql.h"
#include "store/store.h"

enum { DATABASES = 6, VICTIM = DATABASES - 1, COMMITS_MAX = 1024, SECONDS = 60 };

static int steps = 70;			/* of the workload, each time the store is open */
static bool keep;			/* the folder of a workload that went wrong */

/* ---- the store, and what it should hold ---- */

static struct store *st;
static struct shard *shard;
static struct db *db[DATABASES];
static atomic_bool woken;
static char *content[COMMITS_MAX][DATABASES];	/* by commit, counted over restarts: every database after it */
static uint64_t commits, base, acknowledged;
static bool over;			/* the store has failed */
static bool told;			/* somebody was given an error */
static bool damaged;			/* the victim's file was spoilt */

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

/* After something failed: it may have, and the text says what. */
static void
excused(const char *text)
{
	const char *words = row->call == MALLOC ? "SQLITE_NOMEM" : strerror(row->error);

	check(atomic_load(&hit));
	told = true;
	if (!strstr(text, words) || (row->call != MALLOC && !strstr(text, root))) {
		err_set(ERR_STORE, "the text does not name what failed: %.300s", text);
		failed("excused", __FILE__, __LINE__);
	}
}

static void
drop(int i)
{
	over = db_free(&db[i]) != OK;
	check(!over || store_failed(st));
}

/* The store has failed, or one object has broken: what the runtime does then. */
static void
trouble(int i)
{
	char text[1024];

	snprintf(text, sizeof text, "%s", err_text());
	if (row->error == ENOSPC && strstr(text, "the disk is full: ")) {
		db_rollback(db[i]);	/* refused early: the object goes on */
		return;
	}
	excused(store_failed(st) ? store_failure(st) : text);
	if (store_failed(st)) {
		over = true;
		return;
	}
	check(db_broken(db[i]));
	db_rollback(db[i]);
	drop(i);
}

static struct db *
wake_up(int i)
{
	/* Two classes; ids share their first byte here and there. */
	struct db_name name = { "app", i % 2 ? "Odd" : "Even", { (unsigned char)(i / 3), (unsigned char)i } };

	return db_new(shard, &name, on_dirty, NULL);
}

static void
file_of(int i, char path[256])
{
	int n = snprintf(path, 256, "%s/app/%s/%02x/%02x%02x", root, i % 2 ? "Odd" : "Even", i / 3, i / 3, i);

	for (int k = 2; k < 32; k++)
		n += snprintf(path + n, 256 - (size_t)n, "00");
	snprintf(path + n, 256 - (size_t)n, ".sqlite");
}

/* false: the start failed, as it may. */
static bool
begin(void)
{
	struct store_options o = {
		.dir = root, .journal_segment = 12 << 10, .open_files = 2, .overlay_max = 40 << 10, .shards = 1, .full_timeout_ms = 60
	};

	if (!(st = store_open(&o))) {
		excused(err_text());
		return false;
	}
	shard = shard_new(st, 0, on_wake, NULL);
	shard->tick_pages = 3;		/* so that a checkpoint takes several ticks */
	for (int i = 0; i < DATABASES; i++)
		db[i] = wake_up(i);
	return true;
}

/* The numbers up to and with this one have these contents. */
static void
record(uint64_t upto, int i, char *now)
{
	check(upto < COMMITS_MAX && commits < upto);
	while (commits < upto) {
		uint64_t c = ++commits;

		for (int k = 0; k < DATABASES; k++)
			content[c][k] = k == i && c == upto ? now : content[c - 1][k];
	}
}

/* A number that no commit of ours was given is the quarantine's, and changed nothing. */
static void
note(void)
{
	uint64_t durable = base + store_durable(st);

	if (durable > commits && damaged)
		record(durable, -1, NULL);
	check(durable <= commits);
	if (durable > acknowledged)
		acknowledged = durable;
}

static void
end(void)
{
	for (int i = 0; i < DATABASES; i++)
		if (db[i] && db_free(&db[i]) != OK)
			check(store_failed(st));
	shard_free(&shard);
	note();
	if (store_failed(st)) {
		excused(store_failure(st));
		over = true;
	}
	if (store_close(&st) != OK && !over) {
		excused(err_text());
		over = true;
	}
	if (!over)
		base = commits;		/* a clean stop leaves no journal, and numbers begin anew */
}

/* ---- SQL and keys, through the front door ---- */

static int
sql(struct db *d, const char *text)
{
	struct cursor *c = sql_exec(d, str_c(text), NULL, 0);
	int rc;

	if (!c)
		return err_code();
	while ((rc = sql_next(c)) == 1)
		;
	sql_close(&c);
	return rc;
}

static int
add_key(void *arg, struct str key, struct str value)
{
	buf_printf(arg, "%.*s=%.*s ", (int)key.n, key.p, (int)value.n, value.p);
	return 0;
}

static int
add_rows(struct db *d, struct buf *out)
{
	struct cursor *c = sql_exec(d, STR("SELECT k || ':' || length(v) || ':' || hex(substr(v, 1, 4)) FROM t ORDER BY k"), NULL, 0);
	struct sql_value v;
	int rc;

	if (!c)
		return strstr(err_text(), "no such table") ? OK : err_code();
	while ((rc = sql_next(c)) == 1) {
		sql_value(c, 0, &v);
		buf_add(out, v.s.p, v.s.n);
		buf_byte(out, ' ');
	}
	sql_close(&c);
	return rc;
}

/* All it holds, as text, read without faults. */
static char *
dump(struct db *d)
{
	bool was = atomic_exchange(&armed, false);
	struct buf b = { 0 };

	buf_c(&b, ":");
	if (db_exists(d)) {
		check(add_rows(d, &b) == OK);
		check(kv_list(d, &(struct kv_range){ .limit = -1 }, add_key, &b) == OK);
	}
	atomic_store(&armed, was);
	return b.p;
}

/* ---- the workload ---- */

static int
change_rows(struct db *d)
{
	char text[512];
	int rc = sql(d, "CREATE TABLE IF NOT EXISTS t(k INTEGER PRIMARY KEY, v BLOB)");

	if (rc != OK)
		return rc;
	switch (dice(6)) {
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
		snprintf(text, sizeof text, "INSERT INTO t VALUES(%u, randomblob(20)) ON CONFLICT(k) DO UPDATE SET v = excluded.v", dice(20));
	}
	return sql(d, text);
}

static int
change_keys(struct db *d)
{
	char key[16], value[16];
	int rc = OK;

	for (unsigned n = 1 + dice(4); n && rc == OK; n--) {
		snprintf(key, sizeof key, "key%u", dice(9));
		snprintf(value, sizeof value, "%u", dice(1000));
		rc = dice(4) ? kv_put(d, str_c(key), str_c(value)) : kv_delete(d, str_c(key));
		rc = rc > 0 ? OK : rc;
	}
	return rc;
}

/* A savepoint in a savepoint, each kept or undone. */
static int
change_nested(struct db *d)
{
	bool keep = dice(2), keep_inner = dice(2);
	int rc, inner;

	if ((rc = sql_savepoint(d)) != OK)
		return rc;
	rc = change_rows(d);
	if (rc == OK && (rc = sql_savepoint(d)) == OK) {
		rc = change_keys(d);
		inner = sql_release(d, keep_inner && rc == OK);
		rc = rc == OK ? inner : rc;
	}
	inner = sql_release(d, keep && rc == OK);
	return rc == OK ? inner : rc;
}

static int
change(struct db *d)
{
	switch (dice(4)) {
	case 0:
		return change_keys(d);
	case 1:
		return change_nested(d);
	default:
		return change_rows(d);
	}
}

static void
commit(int i)
{
	uint64_t number = 0;
	/* It may have broken unnoticed, while indexes were counted: then the commit says so. */
	char *then = db_dirty(db[i]) && !db_broken(db[i]) ? dump(db[i]) : NULL;

	if (db_commit(db[i], &number) == OK) {
		if (number)
			record(base + number, i, then);
		return;
	}
	trouble(i);
	if (over && then)		/* it may have reached the journal all the same */
		record(commits + 1, i, then);
}

/* Sleeps, loses its file to rubbish, and is woken. */
static void
damage(void)
{
	char path[256];
	int fd;

	snprintf(doing, sizeof doing, "the victim falls asleep");
	if (db_free(&db[VICTIM]) != OK) {
		trouble(VICTIM);
		return;
	}
	file_of(VICTIM, path);
	fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY);
	check(fd >= 0 && syscall(SYS_pwrite64, fd, "rubbish, and more of it", 23, 0) == 23);
	close(fd);
	damaged = true;
	db[VICTIM] = wake_up(VICTIM);
	snprintf(doing, sizeof doing, "the victim is damaged");
	check(sql(db[VICTIM], "SELECT count(*) FROM t") != OK);
	if (!strstr(err_text(), "SQLITE_NOTADB"))
		trouble(VICTIM);
	if (!over && db[VICTIM])
		drop(VICTIM);
}

static void
one_step(int n)
{
	int i = (int)dice(damaged ? VICTIM : DATABASES), rc = OK;
	unsigned what = dice(16);

	snprintf(doing, sizeof doing, "step %d, database %d, what %u", n, i, what);
	if (!db[i])
		db[i] = wake_up(i);
	switch (what) {
	case 0:
		rc = db_delete_all(db[i]);
		if (rc == OK && dice(2))
			rc = change(db[i]);
		break;
	case 1:
		rc = change(db[i]);
		if (rc == OK)
			db_rollback(db[i]);
		break;
	case 2:
	case 3:
		if ((rc = db_free(&db[i])) != OK)
			break;
		db[i] = wake_up(i);
		break;
	default:
		rc = change(db[i]);
	}
	if (rc != OK)
		trouble(i);
	if (!over && db[i])
		commit(i);
	if (!over && db[i] && dice(4) == 0 && shard_wait(shard, db_last_commit(db[i])) != OK)
		trouble(i);
	if (!over && atomic_exchange(&woken, false))
		shard_tick(shard);
	over |= store_failed(st);
	note();
}

static void
workload(void)
{
	for (int round = 0; round < 2 && !over; round++) {
		snprintf(doing, sizeof doing, "start %d", round);
		if (!begin())
			return;
		for (int n = 0; n < steps && !over; n++) {
			one_step(n);
			if (!over && round == 0 && n == steps / 2) {
				/* Something to lose first. */
				if (!db[VICTIM])
					db[VICTIM] = wake_up(VICTIM);
				if (sql(db[VICTIM], "CREATE TABLE IF NOT EXISTS t(k INTEGER PRIMARY KEY, v BLOB); INSERT OR REPLACE INTO t VALUES(1, 'here')") != OK)
					trouble(VICTIM);
				if (!over && db[VICTIM])
					commit(VICTIM);
				if (!over && db[VICTIM] && strcmp(content[commits][VICTIM], ":") != 0)
					damage();
			}
		}
		snprintf(doing, sizeof doing, "stop %d", round);
		end();
	}
}

/* ---- looking at what is left ---- */

static bool
matches(char *const *found, uint64_t c)
{
	for (int i = 0; i < DATABASES; i++)
		if (found[i] && strcmp(found[i], content[c][i]) != 0)
			return false;
	return true;
}

/* The victim still says why nothing works, unless a crash came before it was set aside: then the journal may have mended it. */
static bool
refused(void)
{
	if (!damaged)
		return false;
	check(db_exists(db[VICTIM]));
	if (sql(db[VICTIM], "SELECT count(*) FROM t") == OK) {
		check(atomic_load(&hit));
		return false;
	}
	check(strstr(err_text(), "SQLITE_NOTADB") || strstr(err_text(), "was set aside"));
	return true;
}

static void
look(void)
{
	char *found[DATABASES] = { 0 };
	uint64_t c;

	snprintf(doing, sizeof doing, "the look at what is left");
	atomic_store(&armed, false);
	st = NULL;
	check(begin());
	for (int i = 0; i < DATABASES; i++)
		if (i != VICTIM || !refused())
			found[i] = dump(db[i]);
	for (c = acknowledged; c <= commits && !matches(found, c); c++)
		;
	if (c > commits)
		for (int i = 0; i < DATABASES; i++)
			fprintf(stderr, "%d found %.90s\n  acknowledged %.90s\n  last %.90s\n", i, found[i], content[acknowledged][i], content[commits][i]);
	check(c <= commits);
	over = false;
	end();
	check(!over);
}

enum { RAN_THROUGH = 77 };

static _Noreturn void
child(unsigned seed)
{
	for (int i = 0; i < DATABASES; i++)
		content[0][i] = xstrdup(":");
	for (; seed; seed--)
		dice(2);
	alarm(SECONDS);
	take_over_malloc();
	store_configure_sqlite();
	log_open("/dev/null", LOG_ERROR);
	atomic_store(&armed, true);
	workload();
	check(!atomic_load(&hit) || !row->told || told);
	look();
	_exit(atomic_load(&hit) ? 0 : RAN_THROUGH);
}

/* ---- the matrix ---- */

static int
remove_one(const char *path, const struct stat *s, int kind, struct FTW *ftw)
{
	(void)s, (void)kind, (void)ftw;
	return remove(path);
}

/* The exit code of a workload whose Nth call fails. */
static int
try(unsigned seed)
{
	const char *tmp = getenv("TMPDIR");
	int status;
	pid_t pid;

	if (!tmp)
		tmp = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	snprintf(root, sizeof root, "%s/drey-faults-XXXXXX", tmp);
	check(mkdtemp(root));
	pid = fork();
	check(pid >= 0);
	if (pid == 0)
		child(seed);
	check(waitpid(pid, &status, 0) == pid);
	if (WIFSIGNALED(status)) {
		fprintf(stderr, "faults: %s, call %ld: ended by signal %d; its folder is %s\n", row->name, nth, WTERMSIG(status), root);
		return -1;
	}
	if (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != RAN_THROUGH && keep) {
		fprintf(stderr, "its folder is %s\n", root);
		return WEXITSTATUS(status);
	}
	nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return WEXITSTATUS(status);
}

static const struct row *
row_named(const char *name)
{
	for (size_t i = 0; i < sizeof matrix / sizeof *matrix; i++)
		if (strcmp(matrix[i].name, name) == 0)
			return &matrix[i];
	fprintf(stderr, "faults: there is no row \"%s\"\n", name);
	exit(2);
}

/* One row, from N = 1 on until it is not hit.  How many went wrong. */
static long
sweep(unsigned seed, bool all, long *total)
{
	long tried = 0, wrong = 0;
	int code = 0;

	for (nth = 1; code != RAN_THROUGH && wrong < 5; nth += all ? 1 : row->stride) {
		code = try(seed);
		tried += code != RAN_THROUGH;
		wrong += code != 0 && code != RAN_THROUGH;
	}
	printf("%-28s %6ld of %ld places, %ld wrong\n", row->name, tried, nth, wrong);
	*total += tried;
	return wrong;
}

int
main(int argc, char **argv)
{
	unsigned seed = argc > 1 ? (unsigned)atoi(argv[1]) : 0;
	bool all = getenv("DREY_FAULTS_ALL") != NULL;
	long total = 0, bad = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (getenv("DREY_FAULTS_STEPS"))
		steps = atoi(getenv("DREY_FAULTS_STEPS"));
	row = argc > 2 ? row_named(argv[2]) : matrix;
	if (argc > 3) {
		keep = true;
		nth = atol(argv[3]);
		return try(seed);
	}
	if (argc > 2)
		bad = sweep(seed, all, &total);
	else
		for (; row < matrix + sizeof matrix / sizeof *matrix; row++)
			bad += sweep(seed, all, &total);
	printf("%ld workloads with a fault each: nothing crashed, no acknowledged commit is missing, none in part; %ld wrong\n", total, bad);
	return bad ? 1 : 0;
}

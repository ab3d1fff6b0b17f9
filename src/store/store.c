/* store.c -- opens and closes the data directory; see store.h. */
#include "store/store.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "store/blank.h"
#include "store/checkpoint.h"
#include "store/disk.h"
#include "store/inside.h"
#include "store/lock.h"
#include "store/memory.h"
#include "store/recover.h"
#include "store/shard.h"
#include "store/spill.h"

void
store_configure_sqlite(void)
{
	/* Without these an open database costs 117 KB instead of about 17: SQLite would preallocate cache pages and
	 * a lookaside pool for each.  The counters of MEMSTATUS take a global lock on every malloc. */
	must(sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, 0) == SQLITE_OK);
	must(sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0) == SQLITE_OK);
	must(sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0) == SQLITE_OK);
	must(sqlite3_config(SQLITE_CONFIG_MULTITHREAD) == SQLITE_OK);
	memory_configure();
	must(sqlite3_initialize() == SQLITE_OK);
	blank_make();			/* now, when nothing fails yet */
}

/* -- what the threads tell -- */

static void
on_durable(void *arg)
{
	struct store *st = arg;
	uint64_t durable = journal_durable(st->journal);

	pthread_mutex_lock(&st->mutex);
	for (unsigned i = 0; i < st->shards_max; i++) {
		struct shard *s = st->shards[i];
		uint64_t want = s ? atomic_load(&s->want) : 0;

		if (want && want <= durable && atomic_compare_exchange_strong(&s->want, &want, 0))
			s->wake(s->arg);
	}
	pthread_mutex_unlock(&st->mutex);
}

static void
on_rotate(void *arg)
{
	struct store *st = arg;

	checkpoint_poke(st->checkpoint);
}

static void
on_failure(void *arg)
{
	struct store *st = arg;

	log_error("the store has failed and acknowledges nothing from here on: %s", st->failure.text);
	if (st->journal)
		journal_wake(st->journal);
	if (st->checkpoint)
		checkpoint_poke(st->checkpoint);
	pthread_mutex_lock(&st->mutex);
	for (unsigned i = 0; i < st->shards_max; i++)
		if (st->shards[i])
			st->shards[i]->wake(st->shards[i]->arg);
	pthread_mutex_unlock(&st->mutex);
}

/* Bytes of pages that are in the journal and may not be in their files yet. */
static uint64_t
owed(void *arg)
{
	struct store *st = arg;
	uint64_t bytes = 0;

	pthread_mutex_lock(&st->mutex);
	for (unsigned i = 0; i < st->shards_max; i++)
		if (st->shards[i])
			bytes += (uint64_t)atomic_load_explicit(&st->shards[i]->overlay_bytes, memory_order_relaxed);
	pthread_mutex_unlock(&st->mutex);
	return bytes;
}

/* -- open -- */

/* Makes dir and what is missing above it, 0700. */
static int
make_dirs(const char *dir)
{
	char *path = xstrdup(dir);
	int rc = OK;

	for (char *p = path + 1; rc == OK; p++) {
		char c = *p;

		if (c != '/' && c != '\0')
			continue;
		*p = '\0';
		if (disk_make_dir(path) != 0)
			rc = err_set(ERR_IO, "make the directory %s: %s", path, strerror(errno));
		*p = c;
		if (c == '\0')
			break;
	}
	free(path);
	return rc;
}

static int
sync_new_dir(const char *dir)
{
	struct files fs;
	int rc = OK;

	files_init(&fs, 1);
	if (files_sync_dir(&fs, dir) != 0)
		rc = err_set(ERR_IO, "fsync %s: %s", dir, strerror(errno));
	files_fini(&fs);
	return rc;
}

/* The directories, their names on disk. */
static int
prepare(const struct store *st)
{
	struct stat sb;
	bool fresh = stat(st->journal_dir, &sb) != 0;
	int rc;

	if (disk_make_dir(st->journal_dir) != 0)
		return err_set(ERR_IO, "make the directory %s: %s", st->journal_dir, strerror(errno));
	if (!fresh)
		return OK;
	if ((rc = sync_new_dir(st->dir)) == OK) {
		char *up = xasprintf("%s/..", st->dir);

		rc = sync_new_dir(up);
		free(up);
	}
	return rc;
}

static void
store_drop(struct store *st)
{
	if (st->whole >= 0)
		close(st->whole);
	if (st->lock >= 0)
		lock_release(st->lock);
	unsynced_fini(&st->orphans);
	klass_free_all(&st->klasses);
	failure_fini(&st->failure);
	pthread_mutex_destroy(&st->mutex);
	free(st->shards);
	free(st->sides);
	free(st->journal_dir);
	free(st->dir);
	free(st);
}

static int
store_start(struct store *st, const struct store_options *o)
{
	struct recovered r = { 0 };
	struct journal_options jo = {
		.dir = st->journal_dir, .segment_max = o->journal_segment, .failure = &st->failure,
		.room = &st->room, .patience_ms = o->full_timeout_ms,
		.on_durable = on_durable, .on_rotate = on_rotate, .arg = st
	};
	int rc;

	if ((rc = make_dirs(st->dir)) != OK)
		return rc;
	if ((st->lock = lock_take(st->dir)) < 0)
		return st->lock;
	if ((rc = prepare(st)) != OK || (rc = recover(st->dir, st->journal_dir, &st->klasses, &r)) != OK)
		return rc;
	st->recovered = r.records;
	st->whole = unsynced_whole(st->dir);
	jo.first_segment = r.last_segment + 1;
	jo.last_commit = r.last_commit;
	if (!(st->journal = journal_new(&jo)))
		return err_code();
	st->checkpoint = checkpoint_new(st);
	return OK;
}

struct store *
store_open(const struct store_options *o)
{
	struct store *st = xcalloc(1, sizeof *st);

	must(o->shards > 0);
	st->dir = xstrdup(o->dir);
	while (strlen(st->dir) > 1 && st->dir[strlen(st->dir) - 1] == '/')
		st->dir[strlen(st->dir) - 1] = '\0';
	st->journal_dir = xasprintf("%s/journal", st->dir);
	st->overlay_max = o->overlay_max;
	st->room = (struct room){
		.dir = st->dir, .min_free = o->min_free, .file = o->min_free_file, .line = o->min_free_line, .owed = owed, .arg = st
	};
	st->files_max = (unsigned)(o->open_files / o->shards);
	st->lock = st->whole = -1;
	st->shards_max = o->shards;
	st->shards = xcalloc(o->shards, sizeof *st->shards);
	map_init(&st->klasses);
	pthread_mutex_init(&st->mutex, NULL);
	failure_init(&st->failure, on_failure, st);
	if (store_start(st, o) == OK)
		return st;
	store_drop(st);
	return NULL;
}

/* -- close -- */

int
store_close(struct store **sp)
{
	struct store *st = *sp;
	int rc = OK;

	for (unsigned i = 0; i < st->shards_max; i++)
		must(!st->shards[i]);
	checkpoint_free(&st->checkpoint);
	/* First the files, then the journal that could restore them. */
	if (!failure_is(&st->failure))
		unsynced_sync(&st->orphans, st->dir, st->whole, &st->failure);
	journal_free(&st->journal);
	if (!failure_is(&st->failure))
		spill_retire(st, UINT64_MAX);
	if (failure_is(&st->failure))
		rc = err_set(ERR_IO, "%s", st->failure.text);
	store_drop(st);
	*sp = NULL;
	return rc;
}

/* -- facts -- */

uint64_t
store_durable(const struct store *st)
{
	return journal_durable(st->journal);
}

bool
store_failed(const struct store *st)
{
	return failure_is(&st->failure);
}

const char *
store_failure(const struct store *st)
{
	return failure_text(&st->failure);
}

void
store_stats(struct store *st, struct store_stats *out)
{
	struct journal_stats j;

	journal_stats(st->journal, &j);
	*out = (struct store_stats){
		.commits = j.commits, .syncs = j.syncs, .journal_bytes = j.bytes, .segments = j.segments,
		.recovered_records = st->recovered
	};
	pthread_mutex_lock(&st->mutex);
	for (unsigned i = 0; i < st->shards_max; i++) {
		struct shard *s = st->shards[i];

		if (!s)
			continue;
		out->databases_open += (uint64_t)atomic_load_explicit(&s->databases, memory_order_relaxed);
		out->overlay_bytes += (uint64_t)atomic_load_explicit(&s->overlay_bytes, memory_order_relaxed);
		out->files_open += (uint64_t)atomic_load_explicit(&s->files.n, memory_order_relaxed);
	}
	pthread_mutex_unlock(&st->mutex);
}

/* fake_store.c -- see fake_store.h. */
#include "fake_store.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/map.h"

struct file {
	unsigned char id[32];
	int64_t number;
	struct version *versions;	/* newest first, down to one that is durable */
	char *name;			/* NULL: none was put */
	size_t name_n;
	bool exists;
};

struct version {
	struct version *older;
	uint64_t commit;
	int64_t number;
};

struct store {
	pthread_mutex_t lock;		/* the files */
	struct map files;
	atomic_uint_fast64_t commits, durable, wanted, waits;
	atomic_bool failed;
	const char *failure;
	_Atomic(const char *) refuse;
	atomic_uint open;
	bool sync_at_once;
	struct shard *shards[8];
};

struct shard {
	struct store *store;
	unsigned index;
	atomic_uint_fast64_t want;
	void (*wake)(void *);
	void *arg;
};

struct db {
	struct shard *shard;
	struct file *file;		/* committed */
	struct file open;		/* with the implicit transaction on top */
	struct {
		int64_t number;
		bool exists;
	} saved[16];
	int savepoints;
	bool dirty;
	const char *broken;
	uint64_t last_commit;
	void (*on_dirty)(void *);
	void *arg;
};

struct store *
fake_store_new(bool sync_at_once)
{
	struct store *st = xcalloc(1, sizeof(*st));

	pthread_mutex_init(&st->lock, NULL);
	map_init(&st->files);
	st->sync_at_once = sync_at_once;
	return st;
}

static void
versions_free(struct version *v)
{
	while (v) {
		struct version *older = v->older;

		free(v);
		v = older;
	}
}

static void
file_free(struct file *f)
{
	versions_free(f->versions);
	free(f->name);
	free(f);
}

/* What is older than the newest durable one is never asked for. */
static void
version_add(struct store *st, struct file *f, uint64_t commit)
{
	struct version *v = xcalloc(1, sizeof(*v));

	v->older = f->versions;
	v->commit = commit;
	v->number = f->number;
	f->versions = v;
	while (v && v->commit > st->durable)
		v = v->older;
	if (v) {
		versions_free(v->older);
		v->older = NULL;
	}
}

/* Names are not brought along: they are known from the next event. */
struct store *
fake_store_after_crash(const struct store *dead)
{
	struct store *st = fake_store_new(dead->sync_at_once);
	struct file *f, *copy;

	st->commits = st->durable = dead->durable;
	for (size_t i = 0; (f = map_next(&dead->files, &i));) {
		struct version *v = f->versions;

		while (v && v->commit > dead->durable)
			v = v->older;
		if (!v)
			continue;
		copy = xcalloc(1, sizeof(*copy));
		memcpy(copy->id, f->id, sizeof(copy->id));
		copy->exists = true;
		copy->number = v->number;
		map_put(&st->files, str_n(copy->id, sizeof(copy->id)), copy);
		version_add(st, copy, v->commit);
	}
	return st;
}

void
fake_store_free(struct store **sp)
{
	struct store *st = *sp;
	struct file *f;

	must(st->open == 0);
	for (unsigned i = 0; i < 8; i++)
		must(!st->shards[i]);
	for (size_t i = 0; (f = map_next(&st->files, &i));) {
		map_del(&st->files, str_n(f->id, sizeof(f->id)));
		file_free(f);
	}
	map_fini(&st->files);
	pthread_mutex_destroy(&st->lock);
	free(st);
	*sp = NULL;
}

static void
wake_all(struct store *st)
{
	for (unsigned i = 0; i < 8; i++) {
		struct shard *s = st->shards[i];
		uint64_t want = s ? s->want : 0;

		if (!want || (want > st->durable && !st->failed))
			continue;
		s->want = 0;
		s->wake(s->arg);
	}
}

void
fake_store_sync_to(struct store *st, uint64_t commit)
{
	if (st->failed)
		return;
	st->durable = commit;
	wake_all(st);
}

void
fake_store_sync(struct store *st)
{
	fake_store_sync_to(st, st->commits);
}

void
fake_store_fail(struct store *st, const char *why)
{
	st->failure = why;
	st->failed = true;
	wake_all(st);
}

void
fake_store_refuse(struct store *st, const char *why)
{
	st->refuse = why;
}

uint64_t
fake_store_commits(const struct store *st)
{
	return st->commits;
}

uint64_t
fake_store_wanted(const struct store *st)
{
	return st->wanted;
}

uint64_t
fake_store_waits(const struct store *st)
{
	return st->waits;
}

unsigned
fake_store_open(const struct store *st)
{
	return st->open;
}

/* ---- store.h ---- */

uint64_t
store_durable(const struct store *st)
{
	return st->durable;
}

bool
store_failed(const struct store *st)
{
	return st->failed;
}

const char *
store_failure(const struct store *st)
{
	return st->failure;
}

struct shard *
shard_new(struct store *st, unsigned index, void (*wake)(void *arg), void *arg)
{
	struct shard *s = xcalloc(1, sizeof(*s));

	must(index < 8 && !st->shards[index]);
	s->store = st;
	s->index = index;
	s->wake = wake;
	s->arg = arg;
	st->shards[index] = s;
	return s;
}

void
shard_free(struct shard **sp)
{
	(*sp)->store->shards[(*sp)->index] = NULL;
	free(*sp);
	*sp = NULL;
}

/* As the real one: the earliest wish counts, and it is gone when it is fulfilled. */
void
shard_want(struct shard *s, uint64_t commit)
{
	must(commit > 0 && commit <= s->store->commits);
	if (commit > s->store->wanted)
		s->store->wanted = commit;
	if (!s->want || commit < s->want)
		s->want = commit;
	if (commit > s->store->durable && !s->store->failed)
		return;
	s->want = 0;
	s->wake(s->arg);
}

void
shard_tick(struct shard *s)
{
	(void)s;
}

/* The journal is quick when a worker really waits. */
int
shard_wait(struct shard *s, uint64_t commit)
{
	if (commit > s->store->durable && !s->store->failed) {
		s->store->waits++;
		fake_store_sync_to(s->store, commit);
	}
	return commit <= s->store->durable ? OK : err_set(ERR_STORE, "%s", s->store->failure);
}

/* ---- db.h ---- */

static struct file *
file_of(struct store *st, const unsigned char id[32])
{
	struct file *f;

	pthread_mutex_lock(&st->lock);
	f = map_get(&st->files, str_n(id, 32));
	if (!f) {
		f = xcalloc(1, sizeof(*f));
		memcpy(f->id, id, 32);
		map_put(&st->files, str_n(f->id, 32), f);
	}
	pthread_mutex_unlock(&st->lock);
	return f;
}

/* Only objects that stored something leave a file. */
static void
file_drop(struct store *st, struct file *f)
{
	pthread_mutex_lock(&st->lock);
	map_del(&st->files, str_n(f->id, 32));
	pthread_mutex_unlock(&st->lock);
	file_free(f);
}

static void
begin(struct db *db)
{
	if (db->dirty)
		return;
	db->dirty = true;
	db->on_dirty(db->arg);
}

static char *
name_copy(const struct file *f)
{
	return f->name ? memcpy(xmalloc(f->name_n + 1), f->name, f->name_n) : NULL;
}

static void
reread(struct db *db)
{
	free(db->open.name);
	db->open = *db->file;
	db->open.name = name_copy(db->file);
	db->dirty = false;
	db->savepoints = 0;
}

struct db *
db_new(struct shard *s, const struct db_name *name, void (*on_dirty)(void *arg), void *arg)
{
	struct db *db = xcalloc(1, sizeof(*db));

	must(name->app && name->class_name);
	db->shard = s;
	db->file = file_of(s->store, name->id);
	db->on_dirty = on_dirty;
	db->arg = arg;
	reread(db);
	s->store->open++;
	return db;
}

/* It has no SQL. */
void
db_ask_limits(struct db *db, void (*ask)(void *arg, struct sql_limits *))
{
	(void)db;
	(void)ask;
}

void
db_ask_stop(struct db *db, bool (*stop)(void *arg))
{
	(void)db;
	(void)stop;
}

int
db_free(struct db **dbp)
{
	struct db *db = *dbp;
	struct store *st = db->shard->store;
	int rc = shard_wait(db->shard, db->last_commit);

	*dbp = NULL;
	if (!db->file->exists)
		file_drop(st, db->file);
	free(db->open.name);
	free(db);
	st->open--;
	return rc;
}

int
db_commit(struct db *db, uint64_t *commit)
{
	struct store *st = db->shard->store;
	const char *refuse;

	if (!db->dirty)
		return OK;		/* a broken one too */
	must(db->savepoints == 0);	/* nobody may commit half of a transaction */
	if ((refuse = atomic_exchange(&st->refuse, NULL))) {
		db_rollback(db);
		return err_set(ERR_STORE, "%s", refuse);
	}
	free(db->file->name);
	db->open.versions = db->file->versions;
	*db->file = db->open;
	db->file->name = name_copy(&db->open);
	db->dirty = false;
	*commit = db->last_commit = ++st->commits;
	version_add(st, db->file, db->last_commit);
	if (st->sync_at_once)
		st->durable = db->last_commit;
	return OK;
}

void
db_rollback(struct db *db)
{
	reread(db);
}

bool
db_dirty(const struct db *db)
{
	return db->dirty;
}

bool
db_exists(struct db *db)
{
	return db->open.exists;
}

uint64_t
db_last_commit(const struct db *db)
{
	return db->last_commit;
}

bool
db_broken(const struct db *db)
{
	return db->broken;
}

int
db_meta_get(struct db *db, int key, struct str *value)
{
	must(key == META_NAME);
	if (db->broken)
		return err_set(ERR_STORE, "%s", db->broken);
	*value = str_n(db->open.name, db->open.name_n);
	return OK;
}

int
db_meta_put(struct db *db, int key, struct str value)
{
	must(key == META_NAME);
	begin(db);
	free(db->open.name);
	db->open.name = xmalloc(value.n + 1);
	db->open.name_n = value.n;
	memcpy(db->open.name, value.p, value.n);
	return OK;
}

/* ---- what the fake engine stores ---- */

const unsigned char *
fake_db_id(const struct db *db)
{
	return db->file->id;
}

int64_t
fake_db_number(struct db *db)
{
	return db->open.number;
}

void
fake_db_set(struct db *db, int64_t number)
{
	begin(db);
	db->open.exists = true;
	db->open.number = number;
}

void
fake_db_spoil(struct db *db, const char *why)
{
	db->broken = why;
	reread(db);
}

/* ---- sql.h ---- */

int
sql_savepoint(struct db *db)
{
	if (db->broken)
		return err_set(ERR_STORE, "%s", db->broken);
	must(db->savepoints < 16);
	begin(db);
	db->saved[db->savepoints].number = db->open.number;
	db->saved[db->savepoints++].exists = db->open.exists;
	return OK;
}

int
sql_release(struct db *db, bool keep)
{
	if (db->savepoints == 0)
		return keep ? err_set(ERR_STORE, "Cannot commit transaction: it was rolled back before its end") : OK;
	db->savepoints--;
	if (!keep) {
		db->open.number = db->saved[db->savepoints].number;
		db->open.exists = db->saved[db->savepoints].exists;
	}
	return OK;
}

int
sql_depth(struct db *db)
{
	return db->savepoints;
}

/* scratch_db.h -- a store in a scratch directory with one shard, for the tests of kv, sql and guard.
 *
 *	struct scratch s;
 *	struct db *db;
 *
 *	scratch_begin(&s);
 *	db = scratch_db(&s, 1);
 *	...
 *	db_free(&db);
 *	scratch_end(&s);
 */
#ifndef DREY_CHECK_SCRATCH_DB_H
#define DREY_CHECK_SCRATCH_DB_H

#include <check.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"
#include "store/db.h"
#include "store/store.h"

struct scratch {
	char dir[256];
	struct store *store;
	struct shard *shard;
	int dirtied;		/* how many implicit transactions began */
};

static inline void
scratch_wake(void *arg)
{
	(void)arg;
}

static inline void
scratch_dirty(void *arg)
{
	((struct scratch *)arg)->dirtied++;
}

static inline void
scratch_open(struct scratch *s)
{
	struct store_options options = { .dir = s->dir, .journal_segment = 1 << 20, .open_files = 16, .overlay_max = 4 << 20, .shards = 1 };

	s->store = store_open(&options);
	ck_assert_msg(s->store != NULL, "%s", err_text());
	s->shard = shard_new(s->store, 0, scratch_wake, s);
}

static inline void
scratch_begin(struct scratch *s)
{
	const char *tmp = getenv("TMPDIR");

	*s = (struct scratch){ 0 };
	snprintf(s->dir, sizeof(s->dir), "%s/drey-check-XXXXXX", tmp ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(s->dir));
	store_configure_sqlite();
	scratch_open(s);
}

static inline void
scratch_close(struct scratch *s)
{
	shard_free(&s->shard);
	ck_assert_msg(store_close(&s->store) == OK, "%s", err_text());
}

static inline int
scratch_remove(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

static inline void
scratch_end(struct scratch *s)
{
	scratch_close(s);
	nftw(s->dir, scratch_remove, 16, FTW_DEPTH | FTW_PHYS);
}

static inline struct db *
scratch_db(struct scratch *s, unsigned char id)
{
	struct db_name name = { "app", "Thing", { id, 0xab } };

	return db_new(s->shard, &name, scratch_dirty, s);
}

static inline void
scratch_commit(struct db *db)
{
	uint64_t commit = 0;

	ck_assert_msg(db_commit(db, &commit) == OK, "%s", err_text());
}

/* Asserts that the last error's text contains words. */
#define ck_assert_said(words) ck_assert_msg(strstr(err_text(), words) != NULL, "said: %s", err_text())

#endif

/* replay.c -- see replay.h. */
#include "store/replay.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/list.h"
#include "store/disk.h"
#include "store/pages.h"
#include "store/paths.h"
#include "store/quarantine.h"
#include "store/spill.h"
#include "store/unsynced.h"

enum { PAGES_MAX = 32768 };		/* 128 MB in memory, then all is written */

struct target {				/* one database */
	struct str key;			/* klass pointer and id */
	struct list all;
	struct klass *klass;
	unsigned char id[PATHS_ID];
	struct pages pages;
	uint32_t size;			/* pages now */
	uint32_t keep;			/* pages of the file that still hold */
	uint64_t settled;		/* records up to this commit are in the file */
	bool written;			/* pages may be in the file alone */
	bool touched;			/* a record came since the file was written */
	char bytes[sizeof(struct klass *) + PATHS_ID];
};

struct replay {
	const char *dir, *journal_dir;
	struct map *klasses;
	struct map targets;
	struct list all;
	struct page_pool pool;
	uint64_t pages;
	int whole;
	struct unsynced unsynced;
	struct failure failure;
};

struct replay *
replay_new(const char *dir, const char *journal_dir, struct map *klasses)
{
	struct replay *r = xcalloc(1, sizeof *r);

	r->dir = dir;
	r->journal_dir = journal_dir;
	r->klasses = klasses;
	r->whole = unsynced_whole(dir);
	page_pool_init(&r->pool);
	map_init(&r->targets);
	list_init(&r->all);
	failure_init(&r->failure, NULL, NULL);
	return r;
}

static struct target *
replay_target(struct replay *r, const struct record *rec)
{
	char app[256], class_name[256], key[sizeof(struct klass *) + PATHS_ID];
	struct klass *k;
	struct target *t;

	if (rec->app.n > 255 || rec->class_name.n > 255)
		return NULL;
	memcpy(app, rec->app.p, rec->app.n);
	app[rec->app.n] = '\0';
	memcpy(class_name, rec->class_name.p, rec->class_name.n);
	class_name[rec->class_name.n] = '\0';
	if (!(k = klass_get(r->klasses, r->dir, app, class_name)))
		return NULL;
	memcpy(key, &k, sizeof k);
	memcpy(key + sizeof k, rec->id, PATHS_ID);
	if ((t = map_get(&r->targets, str_n(key, sizeof key))))
		return t;
	t = xcalloc(1, sizeof *t);
	memcpy(t->bytes, key, sizeof key);
	memcpy(t->id, rec->id, PATHS_ID);
	t->key = str_n(t->bytes, sizeof t->bytes);
	t->klass = k;
	t->size = t->keep = UINT32_MAX;
	list_push(&r->all, &t->all);
	map_put(&r->targets, t->key, t);
	return t;
}

/* The page as replayed so far.  NULL: ERR_CORRUPT, the journal changes a page it never gave. */
static struct page *
target_page(struct replay *r, struct target *t, uint32_t pgno, bool whole)
{
	struct page *p = pages_find(&t->pages, pgno);
	char path[PATHS_MAX];
	int fd;

	if (p)
		return p;
	if (!whole && !t->written)
		return NULL;
	p = page_get(&r->pool);
	p->pgno = pgno;
	memset(p->data, 0, PAGE_BYTES);
	if (!whole) {
		paths_file(path, t->klass, t->id);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || disk_read(fd, p->data, PAGE_BYTES, (off_t)pgno * PAGE_BYTES) != PAGE_BYTES) {
			page_put(&r->pool, p);
			p = NULL;
		}
		if (fd >= 0)
			close(fd);
	}
	if (p) {
		pages_add(&t->pages, p);
		r->pages++;
	}
	return p;
}

static void
target_cut(struct replay *r, struct target *t, uint32_t keep)
{
	uint32_t before = t->pages.n;

	if (keep >= t->size)
		return;
	if (t->keep > keep)
		t->keep = keep;
	pages_cut(&t->pages, keep, &r->pool);
	r->pages -= before - t->pages.n;
}

/* -- files -- */

static int
write_pages(struct target *t, int fd)
{
	struct page **v = pages_sorted(&t->pages);
	int rc = pages_write(v, t->pages.n, fd);

	free(v);
	return rc;
}

/* Its directories are there most of the time. */
static int
open_file(struct target *t, const char *path)
{
	int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, fd = open(path, flags, 0600);

	if (fd < 0 && errno == ENOENT && paths_make(t->klass, t->id[0]) == 0)
		fd = open(path, flags, 0600);
	return fd;
}

static int
fit_file(int fd, uint32_t pages, bool grow)
{
	off_t size = (off_t)pages * PAGE_BYTES;
	struct stat st;

	if (fstat(fd, &st) != 0)
		return -1;
	return st.st_size == size || (st.st_size < size && !grow) ? 0 : ftruncate(fd, size);
}

static int
write_file(struct target *t, const char *path)
{
	int fd = open_file(t, path), rc = -1, saved;

	if (fd < 0)
		return -1;
	/* What holds no more goes first: it must read as zeros when the file grows over it again. */
	if (fit_file(fd, t->keep, false) == 0 && write_pages(t, fd) == 0 && fit_file(fd, t->size, true) == 0)
		rc = 0;
	saved = errno;
	close(fd);
	errno = saved;
	return rc;
}

static int
target_write(struct replay *r, struct target *t)
{
	char path[PATHS_MAX];

	paths_file(path, t->klass, t->id);
	if (t->size == 0)
		quarantine_outlived(path);
	if (t->size == 0 ? unlink(path) != 0 && errno != ENOENT && errno != ENOTDIR : write_file(t, path) != 0)
		return err_set(ERR_IO, "write %s: %s", path, strerror(errno));
	unsynced_add(&r->unsynced, t->klass, t->id);
	r->pages -= t->pages.n;
	pages_cut(&t->pages, 0, &r->pool);
	t->written = true;
	t->touched = false;
	t->keep = UINT32_MAX;
	return OK;
}

static int
replay_write(struct replay *r)
{
	int rc = OK;

	list_each(n, &r->all) {
		struct target *t = container_of(n, struct target, all);

		if (rc == OK && t->touched)
			rc = target_write(r, t);
	}
	return rc;
}

/* -- records -- */

struct side_target {
	struct replay *replay;
	struct target *target;
};

/* A side file may be larger than memory: what is over the bound goes to the file in the middle of the commit.  Dying
 * there is as harmless as anywhere: the next start begins with the same record's predecessors again. */
static int
on_side_page(void *arg, uint32_t pgno, const unsigned char *data)
{
	struct side_target *st = arg;
	int rc = OK;

	if (st->replay->pages > PAGES_MAX) {
		rc = replay_write(st->replay);
		st->target->touched = true;
	}
	memcpy(target_page(st->replay, st->target, pgno, true)->data, data, PAGE_BYTES);
	return rc;
}

static int
apply_side(struct replay *r, struct target *t, const struct record *rec)
{
	struct side_target st = { r, t };

	return spill_replay(r->journal_dir, rec, &(struct spill_sink){ on_side_page, &st });
}

static int
apply(struct replay *r, struct target *t, const struct record *rec)
{
	struct str in = rec->pieces;
	struct piece piece;
	struct page *p;
	int rc;

	t->touched = true;
	target_cut(r, t, rec->keep);
	t->size = rec->size;
	if (rec->side)
		return apply_side(r, t, rec);
	while ((rc = record_piece(&in, &piece)) == 1) {
		if (piece.pgno >= rec->size)
			return err_set(ERR_CORRUPT, "page %u of a database of %u", piece.pgno, rec->size);
		if (!(p = target_page(r, t, piece.pgno, piece.whole)))
			return err_set(ERR_CORRUPT, "page %u is changed before it was given whole", piece.pgno);
		if ((rc = piece_apply(&piece, p->data)) != OK)
			return rc;
	}
	return rc;
}

static int
nameless(const char *path, uint64_t at)
{
	return err_set(ERR_CORRUPT, "the journal is damaged: the record in %s at byte %" PRIu64 " names no class", path, at);
}

int
replay_look(struct replay *r, const struct record *rec, const char *path, uint64_t at)
{
	struct target *t;
	char why[512];
	int rc;

	/* What a record leans on is checked before any file is touched. */
	if (rec->side && (rc = spill_replay(r->journal_dir, rec, NULL)) != OK) {
		snprintf(why, sizeof why, "%s", err_text());
		return rc != ERR_CORRUPT ? rc : err_set(ERR_CORRUPT, "the journal is damaged: the record in %s at byte %" PRIu64 ": %s. Nothing was "
			"changed. Restore the data directory from a backup, or move the journal files away to go on without what they hold", path, at, why);
	}
	if (rec->size != RECORD_SETTLED || rec->keep != RECORD_SETTLED)
		return OK;
	if (!(t = replay_target(r, rec)))
		return nameless(path, at);
	t->settled = rec->commit;
	return OK;
}

int
replay_record(struct replay *r, const struct record *rec, const char *path, uint64_t at)
{
	struct target *t = replay_target(r, rec);
	char why[256];
	int rc;

	if (!t)
		return nameless(path, at);
	if (rec->commit <= t->settled)
		return OK;
	rc = apply(r, t, rec);
	if (rc != OK) {
		snprintf(why, sizeof why, "%s", err_text());
		return err_set(ERR_CORRUPT, "the journal is damaged: the record in %s at byte %" PRIu64 ": %s", path, at, why);
	}
	return r->pages > PAGES_MAX ? replay_write(r) : OK;
}

int
replay_finish(struct replay *r)
{
	int rc = replay_write(r);

	if (rc != OK)
		return rc;
	rc = unsynced_sync(&r->unsynced, r->dir, r->whole, &r->failure);
	return rc == OK ? OK : err_set(ERR_IO, "%s", r->failure.text);
}

void
replay_free(struct replay **rp)
{
	struct replay *r = *rp;
	struct list *n;

	while ((n = list_shift(&r->all))) {
		struct target *t = container_of(n, struct target, all);

		pages_fini(&t->pages, &r->pool);
		free(t);
	}
	if (r->whole >= 0)
		close(r->whole);
	map_fini(&r->targets);
	page_pool_fini(&r->pool);
	unsynced_fini(&r->unsynced);
	failure_fini(&r->failure);
	free(r);
	*rp = NULL;
}

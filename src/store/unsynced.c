/* unsynced.c -- remembers written files, syncs them; see unsynced.h. */
#include "store/unsynced.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/err.h"
#include "store/files.h"

enum { BLOCK = 254 };			/* entries; about 10 KB */

/* Files; fewer are synced one by one, which waits for nobody else's writes.  t/crash/powercut.c compiles this file with a smaller one. */
#ifndef WHOLE_MIN
#define WHOLE_MIN 64
#endif

struct entry {
	const struct klass *klass;
	unsigned char id[PATHS_ID];
};

struct unsynced_block {
	struct unsynced_block *next;
	size_t n;
	struct entry entries[BLOCK];
};

void
unsynced_add(struct unsynced *u, const struct klass *k, const unsigned char id[PATHS_ID])
{
	struct unsynced_block *b = u->blocks;
	struct entry *e;

	if (b && b->n && b->entries[b->n - 1].klass == k && memcmp(b->entries[b->n - 1].id, id, PATHS_ID) == 0)
		return;
	if (!b || b->n == BLOCK) {
		b = xmalloc(sizeof *b);
		b->next = u->blocks;
		b->n = 0;
		u->blocks = b;
	}
	e = &b->entries[b->n++];
	e->klass = k;
	memcpy(e->id, id, PATHS_ID);
	u->n++;
}

void
unsynced_move(struct unsynced *to, struct unsynced *from)
{
	struct unsynced_block **last = &from->blocks;

	while (*last)
		last = &(*last)->next;
	*last = to->blocks;
	to->blocks = from->blocks;
	to->n += from->n;
	*from = (struct unsynced){ 0 };
}

void
unsynced_fini(struct unsynced *u)
{
	while (u->blocks) {
		struct unsynced_block *b = u->blocks;

		u->blocks = b->next;
		free(b);
	}
	u->n = 0;
}

static int
entry_order(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->klass != y->klass)
		return x->klass < y->klass ? -1 : 1;
	return memcmp(x->id, y->id, PATHS_ID);
}

static struct entry *
unsynced_sorted(struct unsynced *u, size_t *n)
{
	struct entry *v = xmalloc((u->n + 1) * sizeof *v);

	*n = 0;
	for (struct unsynced_block *b = u->blocks; b; b = b->next) {
		memcpy(v + *n, b->entries, b->n * sizeof *v);
		*n += b->n;
	}
	unsynced_fini(u);
	qsort(v, *n, sizeof *v, entry_order);
	return v;
}

static int
sync_file(struct files *fs, const struct entry *e, struct failure *failure)
{
	char path[PATHS_MAX];
	struct file f;
	int rc = OK;

	paths_file(path, e->klass, e->id);
	file_init(&f);
	if (file_open(fs, &f, path, false) < 0)	/* gone: its directory is synced all the same */
		return errno == ENOENT ? OK : failure_set(failure, "open %s to sync it: %s", path, strerror(errno));
	if (fdatasync(f.fd) != 0)
		rc = failure_set(failure, "fdatasync %s: %s", path, strerror(errno));
	file_close(fs, &f);
	return rc;
}

static int
sync_dir(struct files *fs, const char *path, struct failure *failure)
{
	if (files_sync_dir(fs, path) == 0 || errno == ENOENT)	/* ENOENT: the file was removed before it ever needed one */
		return OK;
	return failure_set(failure, "fsync %s: %s", path, strerror(errno));
}

/* The directories above e that next does not share. */
static int
sync_dirs(struct files *fs, const struct entry *e, const struct entry *next, struct failure *failure)
{
	char path[PATHS_MAX];
	int rc;

	if (next && next->klass == e->klass && next->id[0] == e->id[0])
		return OK;
	paths_dir(path, e->klass, e->id[0]);
	if ((rc = sync_dir(fs, path, failure)) != OK || (next && next->klass == e->klass))
		return rc;
	if ((rc = sync_dir(fs, e->klass->dir, failure)) != OK)
		return rc;
	return sync_dir(fs, e->klass->app_dir, failure);
}

/* Others (FUSE, network file systems) may answer syncfs() without having done it. */
static const unsigned long honest[] = { 0xEF53 /* ext4 */, 0x58465342 /* xfs */, 0x9123683E /* btrfs */ };

int
unsynced_whole(const char *data_dir)
{
	int fd = open(data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct statfs st;

	if (fd < 0)
		return -1;
	if (fstatfs(fd, &st) == 0)
		for (size_t i = 0; i < sizeof honest / sizeof *honest; i++)
			if ((unsigned long)st.f_type == honest[i])
				return fd;
	close(fd);
	return -1;
}

static int
sync_one_by_one(struct entry *v, size_t n, const char *data_dir, struct failure *failure)
{
	struct files fs;
	int rc = OK;

	files_init(&fs, 1);
	for (size_t i = 0; i < n && rc == OK; i++) {
		const struct entry *next = i + 1 < n ? &v[i + 1] : NULL;

		if (next && entry_order(&v[i], next) == 0)
			continue;
		if ((rc = sync_file(&fs, &v[i], failure)) == OK)
			rc = sync_dirs(&fs, &v[i], next, failure);
	}
	if (rc == OK)
		rc = sync_dir(&fs, data_dir, failure);
	files_fini(&fs);
	return rc;
}

int
unsynced_sync(struct unsynced *u, const char *data_dir, int whole, struct failure *failure)
{
	struct entry *v;
	size_t n;
	int rc;

	if (u->n == 0)
		return OK;
	if (whole >= 0 && u->n >= WHOLE_MIN) {
		unsynced_fini(u);
		return syncfs(whole) == 0 ? OK : failure_set(failure, "syncfs %s: %s", data_dir, strerror(errno));
	}
	v = unsynced_sorted(u, &n);
	rc = sync_one_by_one(v, n, data_dir, failure);
	free(v);
	return rc;
}

/* temp.c -- see temp.h. */
#include "store/temp.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "store/disk.h"
#include "store/inside.h"
#include "store/shard.h"

enum { FIRST_CAP = 16384 };	/* the journal of a transaction of three pages */

void
temp_init(struct temp *t, struct shard *s)
{
	*t = (struct temp){ .shard = s };
}

void
temp_fini(struct temp *t)
{
	if (t->on_disk)
		close(t->fd);
	free(t->p);
	temp_init(t, t->shard);
}

static int
temp_to_disk(struct temp *t)
{
	struct store *st = t->shard->store;
	char path[4096 + 32];
	int fd;

	snprintf(path, sizeof path, "%s/%016" PRIx64 ".temp", st->journal_dir, 1 + atomic_fetch_add(&st->side_number, 1));
	fd = files_try_open(&t->shard->files, path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW);
	files_refill(&t->shard->files);
	if (fd < 0)
		return err_set(ERR_IO, "make %s: %s", path, strerror(errno));
	unlink(path);
	if (t->size && disk_write(fd, t->p, t->size, 0) != 0) {
		close(fd);
		return err_set(ERR_IO, "write SQLite's temporary file beside the journal: %s", strerror(errno));
	}
	free(t->p);
	t->p = NULL;
	t->cap = 0;
	t->fd = fd;
	t->on_disk = true;
	return OK;
}

/* What lies between the old end and a write past it reads as zeros, as in a file. */
static void
temp_grow(struct temp *t, uint64_t at, uint64_t end)
{
	if (end > t->cap) {
		t->cap = end <= FIRST_CAP ? FIRST_CAP : end * 2;
		t->p = xrealloc(t->p, t->cap);
	}
	if (at > t->size)
		memset(t->p + t->size, 0, at - t->size);
}

int
temp_read(struct temp *t, uint64_t at, size_t n, void *to)
{
	uint64_t have = at < t->size ? t->size - at : 0;
	size_t got = have < n ? (size_t)have : n;

	if (t->on_disk && disk_read(t->fd, to, got, (off_t)at) != (ssize_t)got)
		return err_set(ERR_IO, "read SQLite's temporary file beside the journal: %s", strerror(errno));
	if (!t->on_disk && got)
		memcpy(to, t->p + at, got);
	memset((char *)to + got, 0, n - got);
	return got == n;
}

int
temp_write(struct temp *t, uint64_t at, size_t n, const void *from)
{
	uint64_t end = at + n;
	int rc;

	if (!t->on_disk && end > t->shard->temp_max && (rc = temp_to_disk(t)) != OK)
		return rc;
	if (t->on_disk) {
		if (disk_write(t->fd, from, n, (off_t)at) != 0)
			return err_set(ERR_IO, "write SQLite's temporary file beside the journal: %s", strerror(errno));
	} else {
		temp_grow(t, at, end);
		memcpy(t->p + at, from, n);
	}
	if (end > t->size)
		t->size = end;
	return OK;
}

int
temp_truncate(struct temp *t, uint64_t size)
{
	if (size == 0) {
		temp_fini(t);
		return OK;
	}
	if (size > t->size)
		return OK;
	if (t->on_disk && ftruncate(t->fd, (off_t)size) != 0)
		return err_set(ERR_IO, "truncate SQLite's temporary file beside the journal: %s", strerror(errno));
	t->size = size;
	return OK;
}

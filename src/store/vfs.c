/* vfs.c -- the sqlite3_vfs and its io methods; see vfs.h. */
#include "store/vfs.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "store/blank.h"
#include "store/capture.h"
#include "store/shard.h"
#include "store/temp.h"

_Thread_local struct capture *vfs_opening;

struct vfs_file {
	sqlite3_file base;
	union {
		struct capture *capture;	/* the database */
		struct temp temp;		/* all else */
	};
};

static struct capture *
capture_of(sqlite3_file *f)
{
	return ((struct vfs_file *)f)->capture;
}

static int
vfs_close(sqlite3_file *f)
{
	(void)f;
	return SQLITE_OK;
}

/* SQLite's pages are ours almost always; the loop is for its 100-byte header read and for files made with another page size. */
static int
vfs_read(sqlite3_file *f, void *to, int n, sqlite3_int64 at)
{
	struct capture *c = capture_of(f);
	sqlite3_int64 end = (sqlite3_int64)capture_size(c) * PAGE_BYTES;
	char *p = to;
	int all = n;

	if (at + n > end) {
		n = at < end ? (int)(end - at) : 0;
		memset(p + n, 0, (size_t)(all - n));
	}
	for (int left = n; left > 0;) {
		unsigned from = (unsigned)(at % PAGE_BYTES), part = PAGE_BYTES - from;

		if (part > (unsigned)left)
			part = (unsigned)left;
		if (capture_read(c, (uint32_t)(at / PAGE_BYTES), from, part, p) != OK)
			return SQLITE_IOERR_READ;
		p += part;
		at += part;
		left -= (int)part;
	}
	return n == all ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

static int
vfs_write_part(struct capture *c, sqlite3_int64 at, unsigned from, unsigned part, const char *p)
{
	unsigned char page[PAGE_BYTES];
	uint32_t pgno = (uint32_t)(at / PAGE_BYTES);

	if (capture_read(c, pgno, 0, PAGE_BYTES, page) != OK)
		return SQLITE_IOERR_READ;
	memcpy(page + from, p, part);
	return capture_write(c, pgno, page) == OK ? SQLITE_OK : SQLITE_IOERR_WRITE;
}

static int
vfs_write(sqlite3_file *f, const void *from_mem, int n, sqlite3_int64 at)
{
	struct capture *c = capture_of(f);
	const char *p = from_mem;
	int rc = SQLITE_OK;

	while (n > 0) {
		unsigned from = (unsigned)(at % PAGE_BYTES), part = PAGE_BYTES - from;

		if (part > (unsigned)n)
			part = (unsigned)n;
		if (part < PAGE_BYTES)
			rc = vfs_write_part(c, at, from, part, p);
		else if (capture_write(c, (uint32_t)(at / PAGE_BYTES), p) != OK)
			rc = SQLITE_IOERR_WRITE;
		if (rc != SQLITE_OK)
			return rc;
		p += part;
		at += part;
		n -= (int)part;
	}
	return SQLITE_OK;
}

static int
vfs_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	capture_truncate(capture_of(f), (uint32_t)((size + PAGE_BYTES - 1) / PAGE_BYTES));
	return SQLITE_OK;
}

static int
vfs_sync(sqlite3_file *f, int flags)
{
	(void)f, (void)flags;
	return SQLITE_OK;
}

static int
vfs_size(sqlite3_file *f, sqlite3_int64 *size)
{
	*size = (sqlite3_int64)capture_size(capture_of(f)) * PAGE_BYTES;
	return SQLITE_OK;
}

static int
vfs_lock(sqlite3_file *f, int level)
{
	(void)f, (void)level;
	return SQLITE_OK;
}

static int
vfs_reserved(sqlite3_file *f, int *held)
{
	(void)f;
	*held = 0;
	return SQLITE_OK;
}

static int
vfs_control(sqlite3_file *f, int op, void *arg)
{
	(void)f, (void)op, (void)arg;
	return SQLITE_NOTFOUND;
}

static int
vfs_sector(sqlite3_file *f)
{
	(void)f;
	return PAGE_BYTES;
}

static int
vfs_traits(sqlite3_file *f)
{
	(void)f;
	return SQLITE_IOCAP_POWERSAFE_OVERWRITE | SQLITE_IOCAP_UNDELETABLE_WHEN_OPEN;
}

static const sqlite3_io_methods methods = {
	.iVersion = 1,
	.xClose = vfs_close, .xRead = vfs_read, .xWrite = vfs_write, .xTruncate = vfs_truncate,
	.xSync = vfs_sync, .xFileSize = vfs_size, .xLock = vfs_lock, .xUnlock = vfs_lock,
	.xCheckReservedLock = vfs_reserved, .xFileControl = vfs_control,
	.xSectorSize = vfs_sector, .xDeviceCharacteristics = vfs_traits
};

/* -- SQLite's temporary files -- */

static struct temp *
temp_of(sqlite3_file *f)
{
	return &((struct vfs_file *)f)->temp;
}

static int
vfs_temp_close(sqlite3_file *f)
{
	temp_fini(temp_of(f));
	return SQLITE_OK;
}

static int
vfs_temp_read(sqlite3_file *f, void *to, int n, sqlite3_int64 at)
{
	int rc = temp_read(temp_of(f), (uint64_t)at, (size_t)n, to);

	return rc < 0 ? SQLITE_IOERR_READ : rc == 1 ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

static int
vfs_temp_write(sqlite3_file *f, const void *from, int n, sqlite3_int64 at)
{
	return temp_write(temp_of(f), (uint64_t)at, (size_t)n, from) == OK ? SQLITE_OK : SQLITE_IOERR_WRITE;
}

static int
vfs_temp_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	return temp_truncate(temp_of(f), (uint64_t)size) == OK ? SQLITE_OK : SQLITE_IOERR_TRUNCATE;
}

static int
vfs_temp_size(sqlite3_file *f, sqlite3_int64 *size)
{
	*size = (sqlite3_int64)temp_of(f)->size;
	return SQLITE_OK;
}

static const sqlite3_io_methods temp_methods = {
	.iVersion = 1,
	.xClose = vfs_temp_close, .xRead = vfs_temp_read, .xWrite = vfs_temp_write, .xTruncate = vfs_temp_truncate,
	.xSync = vfs_sync, .xFileSize = vfs_temp_size, .xLock = vfs_lock, .xUnlock = vfs_lock,
	.xCheckReservedLock = vfs_reserved, .xFileControl = vfs_control,
	.xSectorSize = vfs_sector, .xDeviceCharacteristics = vfs_traits
};

static int
vfs_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *out)
{
	struct vfs_file *vf = (struct vfs_file *)f;

	(void)name;
	f->pMethods = NULL;
	if (!(flags & SQLITE_OPEN_MAIN_DB)) {
		temp_init(&vf->temp, v->pAppData);
		f->pMethods = &temp_methods;
	} else if (vfs_opening) {
		vf->capture = vfs_opening;
		vfs_opening = NULL;
		f->pMethods = &methods;
	} else {
		return SQLITE_CANTOPEN;
	}
	if (out)
		*out = flags;
	return SQLITE_OK;
}

static int
vfs_delete(sqlite3_vfs *v, const char *name, int sync)
{
	(void)v, (void)name, (void)sync;
	return SQLITE_OK;
}

static int
vfs_access(sqlite3_vfs *v, const char *name, int flags, int *there)
{
	(void)v, (void)name, (void)flags;
	*there = 0;		/* no hot journal, ever */
	return SQLITE_OK;
}

static int
vfs_full(sqlite3_vfs *v, const char *name, int n, char *out)
{
	(void)v;
	sqlite3_snprintf(n, out, "%s", name);
	return SQLITE_OK;
}

struct shard_vfs {
	sqlite3_vfs vfs;
	char name[32];
};

void
vfs_register(struct shard *s)
{
	struct shard_vfs *v = xcalloc(1, sizeof *v);
	sqlite3_vfs *system = sqlite3_vfs_find(NULL);

	must(system);
	v->vfs = *system;	/* randomness, sleep and time are the system's */
	snprintf(v->name, sizeof v->name, "drey-%p", (void *)s);
	v->vfs.zName = v->name;
	v->vfs.pNext = NULL;
	v->vfs.pAppData = s;
	v->vfs.szOsFile = (int)sizeof(struct vfs_file);
	v->vfs.mxPathname = 64;
	v->vfs.xOpen = vfs_open;
	v->vfs.xDelete = vfs_delete;
	v->vfs.xAccess = vfs_access;
	v->vfs.xFullPathname = vfs_full;
	must(sqlite3_vfs_register(&v->vfs, 0) == SQLITE_OK);
	s->vfs = v;
	blank_make();
}

const char *
vfs_name(const struct shard *s)
{
	return s->vfs->name;
}

void
vfs_unregister(struct shard *s)
{
	sqlite3_vfs_unregister(&s->vfs->vfs);
	free(s->vfs);
	s->vfs = NULL;
}

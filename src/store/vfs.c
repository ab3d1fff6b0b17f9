/* vfs.c -- the sqlite3_vfs and its io methods; see vfs.h. */
#include "store/vfs.h"

#include <sqlite3.h>
#include <string.h>

#include "base/err.h"
#include "store/capture.h"

_Thread_local struct capture *vfs_opening;

struct vfs_file {
	sqlite3_file base;
	struct capture *capture;
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
	sqlite3_int64 end = (sqlite3_int64)c->size * PAGE_BYTES;
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
	capture_write(c, pgno, page);
	return SQLITE_OK;
}

static int
vfs_write(sqlite3_file *f, const void *from_mem, int n, sqlite3_int64 at)
{
	struct capture *c = capture_of(f);
	const char *p = from_mem;

	while (n > 0) {
		unsigned from = (unsigned)(at % PAGE_BYTES), part = PAGE_BYTES - from;

		if (part > (unsigned)n)
			part = (unsigned)n;
		if (part == PAGE_BYTES)
			capture_write(c, (uint32_t)(at / PAGE_BYTES), p);
		else if (vfs_write_part(c, at, from, part, p) != SQLITE_OK)
			return SQLITE_IOERR_READ;
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
	*size = (sqlite3_int64)capture_of(f)->size * PAGE_BYTES;
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

static int
vfs_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *out)
{
	struct vfs_file *vf = (struct vfs_file *)f;

	(void)v, (void)name;
	f->pMethods = NULL;
	/* Nothing but the one database: journals and temporary tables live in memory. */
	if (!(flags & SQLITE_OPEN_MAIN_DB) || !vfs_opening)
		return SQLITE_CANTOPEN;
	vf->capture = vfs_opening;
	vfs_opening = NULL;
	f->pMethods = &methods;
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

void
vfs_register(void)
{
	static sqlite3_vfs vfs;
	sqlite3_vfs *system = sqlite3_vfs_find(NULL);

	must(system);
	if (vfs.zName)
		return;
	vfs = *system;		/* randomness, sleep and time are the system's */
	vfs.zName = VFS_NAME;
	vfs.pNext = NULL;
	vfs.szOsFile = (int)sizeof(struct vfs_file);
	vfs.mxPathname = 64;
	vfs.xOpen = vfs_open;
	vfs.xDelete = vfs_delete;
	vfs.xAccess = vfs_access;
	vfs.xFullPathname = vfs_full;
	must(sqlite3_vfs_register(&vfs, 0) == SQLITE_OK);
}

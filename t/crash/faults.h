/* faults.h -- the matrix, and system calls that fail as it says; linked into one program.
 *
 * The functions below stand in for libc's, and two for SQLite's malloc: the
 * Nth call of the row's kind below root fails while armed, the others are
 * real, but for the syncs.
 */
#ifndef DREY_CRASH_FAULTS_H
#define DREY_CRASH_FAULTS_H

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/err.h"
#include "store/memory.h"

enum { FDS = 1024 };

enum call { READ, WRITE, SYNC, OPEN, TRUNCATE, RENAME, UNLINK, MKDIR, MALLOC };

static const struct row {
	const char *name;
	enum call call;
	int error;
	bool on;			/* all calls from the Nth on */
	bool told;			/* it never passes in silence */
	unsigned stride;		/* of N, in a short run */
} matrix[] = {
	{ "read EIO", READ, EIO, false, false, 3 },
	{ "read EIO from then on", READ, EIO, true, true, 5 },
	{ "write EIO", WRITE, EIO, false, true, 9 },
	{ "write ENOSPC", WRITE, ENOSPC, false, false, 11 },
	{ "write ENOSPC from then on", WRITE, ENOSPC, true, true, 23 },
	{ "sync EIO", SYNC, EIO, false, true, 7 },
	{ "open EIO", OPEN, EIO, false, false, 5 },
	{ "open EACCES from then on", OPEN, EACCES, true, true, 11 },
	{ "ftruncate EIO", TRUNCATE, EIO, false, true, 1 },
	{ "rename EIO", RENAME, EIO, false, false, 1 },
	{ "unlink EIO", UNLINK, EIO, false, false, 1 },
	{ "mkdir EIO", MKDIR, EIO, false, true, 1 },
	{ "mkdir ENOSPC from then on", MKDIR, ENOSPC, true, true, 1 },
	{ "malloc", MALLOC, ENOMEM, false, false, 701 },
	{ "malloc from then on", MALLOC, ENOMEM, true, true, 1409 },
};

static const struct row *row;		/* what fails in this process */
static long nth;
static atomic_long calls;
static atomic_bool armed, hit;
static char root[128];
static atomic_bool below[FDS];		/* is this descriptor of a file below root? */
static char doing[64] = "";		/* for a failure */

static _Noreturn void
failed(const char *what, const char *file, int line)
{
	fprintf(stderr, "%s:%d: %s is false: %s, call %ld, %s: %s\n", file, line, what, row ? row->name : "none", nth, doing, err_text());
	_exit(1);
}

#define check(expr) ((expr) ? (void)0 : failed(#expr, __FILE__, __LINE__))

/* ---- what stands in for libc ---- */

static bool
fails(enum call call, bool ours)
{
	long n;

	if (!ours || !atomic_load(&armed) || row->call != call)
		return false;
	n = atomic_fetch_add(&calls, 1) + 1;
	if (row->on ? n < nth : n != nth)
		return false;
	atomic_store(&hit, true);
	errno = row->error;
	return true;
}

static bool
ours(int fd)
{
	return fd >= 0 && fd < FDS && atomic_load(&below[fd]);
}

static bool
path_ours(const char *path)
{
	return *root && strncmp(path, root, strlen(root)) == 0;
}

int
open(const char *path, int flags, ...)
{
	int fd = fails(OPEN, path_ours(path)) ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, flags, 0600);

	if (fd >= 0 && fd < FDS)
		atomic_store(&below[fd], path_ours(path));
	return fd;
}

ssize_t
pread(int fd, void *to, size_t n, off_t at)
{
	return fails(READ, ours(fd)) ? -1 : syscall(SYS_pread64, fd, to, n, at);
}

ssize_t
pwrite(int fd, const void *from, size_t n, off_t at)
{
	return fails(WRITE, ours(fd)) ? -1 : syscall(SYS_pwrite64, fd, from, n, at);
}

ssize_t
pwritev(int fd, const struct iovec *v, int n, off_t at)
{
	return fails(WRITE, ours(fd)) ? -1 : syscall(SYS_pwritev, fd, v, n, (long)at, 0L);
}

int
ftruncate(int fd, off_t size)
{
	return fails(TRUNCATE, ours(fd)) ? -1 : (int)syscall(SYS_ftruncate, fd, size);
}

/* What a sync does is powercut.c's matter; here it only fails or not. */
int
fsync(int fd)
{
	return fails(SYNC, ours(fd)) ? -1 : 0;
}

int
fdatasync(int fd)
{
	return fsync(fd);
}

int
syncfs(int fd)
{
	return fsync(fd);
}

int
rename(const char *from, const char *to)
{
	return fails(RENAME, path_ours(from)) ? -1 : (int)syscall(SYS_rename, from, to);
}

int
unlink(const char *path)
{
	return fails(UNLINK, path_ours(path)) ? -1 : (int)syscall(SYS_unlink, path);
}

int
mkdir(const char *path, mode_t mode)
{
	return fails(MKDIR, path_ours(path)) ? -1 : (int)syscall(SYS_mkdir, path, mode);
}

static sqlite3_mem_methods usual;

static void *
failing_malloc(int n)
{
	return fails(MALLOC, true) ? NULL : usual.xMalloc(n);
}

static void *
failing_realloc(void *p, int n)
{
	return fails(MALLOC, true) ? NULL : usual.xRealloc(p, n);
}

static void
take_over_malloc(void)
{
	sqlite3_mem_methods m;

	memory_configure();
	check(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &usual) == SQLITE_OK);
	m = usual;
	m.xMalloc = failing_malloc;
	m.xRealloc = failing_realloc;
	check(sqlite3_config(SQLITE_CONFIG_MALLOC, &m) == SQLITE_OK);
}

#endif

/* fault.c -- LD_PRELOAD: system calls fail as the file DREY_FAULTS says at that moment.
 *
 * One rule per line:
 *
 *	CALL PART ERROR [GOOD]
 *
 * CALL on a path with PART in it ("-": any) fails with ERROR (EIO, ENOSPC,
 * EACCES or a number), but for its first GOOD calls since the file last
 * changed.  CALL is open, pread, pwrite (and pwritev), zeros (a pwrite of
 * nothing else, which is no pwrite), ftruncate, sync (all three), rename, unlink or mkdir.  For
 * statvfs ERROR is what is said to be free, in bytes.
 *
 * The test rewrites the file while the server runs; it is read at each call.
 */
#undef _FORTIFY_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { RULES = 16, TEXT = 4096 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static char last[TEXT];
static long called[RULES];

/* With the lock held: the rules of now, their counts begun anew when they changed. */
static void
read_rules(void)
{
	const char *path = getenv("DREY_FAULTS");
	char text[TEXT] = "";
	int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC) : -1;

	if (fd >= 0) {
		syscall(SYS_read, fd, text, sizeof text - 1);
		syscall(SYS_close, fd);
	}
	if (strcmp(text, last) != 0) {
		memcpy(last, text, sizeof last);
		memset(called, 0, sizeof called);
	}
}

/* The third word of the rule this call falls under, copied; false: none. */
static bool
rule_of(const char *call, const char *path, char error[32])
{
	bool hit = false;
	int i = 0;

	pthread_mutex_lock(&mutex);
	read_rules();
	for (const char *line = last; *line && !hit && i < RULES; i++) {
		char name[32] = "", part[256] = "";
		long good = 0;

		if (sscanf(line, "%31s %255s %31s %ld", name, part, error, &good) >= 3 && strcmp(name, call) == 0 &&
		    (strcmp(part, "-") == 0 || strstr(path, part)))
			hit = called[i]++ >= good;
		line = strchr(line, '\n') ? strchr(line, '\n') + 1 : "";
	}
	pthread_mutex_unlock(&mutex);
	return hit;
}

static bool
fails(const char *call, const char *path)
{
	static const struct {
		const char *name;
		int number;
	} errors[] = { { "EIO", EIO }, { "ENOSPC", ENOSPC }, { "EACCES", EACCES } };
	char error[32];

	if (!rule_of(call, path, error))
		return false;
	errno = atoi(error);
	for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
		if (strcmp(errors[i].name, error) == 0)
			errno = errors[i].number;
	return true;
}

static bool
fd_fails(const char *call, int fd)
{
	char link[64], path[1024];
	ssize_t n;

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof path - 1);
	path[n > 0 ? n : 0] = '\0';
	return fails(call, path);
}

int
open(const char *path, int flags, ...)
{
	va_list ap;
	int mode;

	va_start(ap, flags);
	mode = va_arg(ap, int);
	va_end(ap);
	return fails("open", path) ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

ssize_t
pread(int fd, void *to, size_t n, off_t at)
{
	return fd_fails("pread", fd) ? -1 : syscall(SYS_pread64, fd, to, n, at);
}

static bool
all_zero(const char *p, size_t n)
{
	return n && p[0] == 0 && memcmp(p, p + 1, n - 1) == 0;
}

ssize_t
pwrite(int fd, const void *from, size_t n, off_t at)
{
	return fd_fails(all_zero(from, n) ? "zeros" : "pwrite", fd) ? -1 : syscall(SYS_pwrite64, fd, from, n, at);
}

ssize_t
pwritev(int fd, const struct iovec *v, int n, off_t at)
{
	return fd_fails("pwrite", fd) ? -1 : syscall(SYS_pwritev, fd, v, n, (long)at, 0L);
}

int
ftruncate(int fd, off_t size)
{
	return fd_fails("ftruncate", fd) ? -1 : (int)syscall(SYS_ftruncate, fd, size);
}

int
fdatasync(int fd)
{
	return fd_fails("sync", fd) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int
fsync(int fd)
{
	return fd_fails("sync", fd) ? -1 : (int)syscall(SYS_fsync, fd);
}

int
syncfs(int fd)
{
	return fd_fails("sync", fd) ? -1 : (int)syscall(SYS_syncfs, fd);
}

int
rename(const char *from, const char *to)
{
	return fails("rename", from) ? -1 : (int)syscall(SYS_rename, from, to);
}

int
unlink(const char *path)
{
	return fails("unlink", path) ? -1 : (int)syscall(SYS_unlink, path);
}

int
mkdir(const char *path, mode_t mode)
{
	return fails("mkdir", path) ? -1 : (int)syscall(SYS_mkdir, path, mode);
}

int
fstatvfs(int fd, struct statvfs *st)
{
	char free_bytes[32];

	(void)fd;

	memset(st, 0, sizeof *st);
	st->f_bsize = st->f_frsize = 512;
	st->f_bavail = UINT32_MAX;
	if (rule_of("statvfs", "", free_bytes))
		st->f_bavail = strtoull(free_bytes, NULL, 10) / 512;
	return 0;
}

/* fail_sync.c -- LD_PRELOAD: the first DREY_FAIL_SYNC_AFTER calls of fdatasync(), fsync() and syncfs() work, all later ones fail with EIO.
 *
 * Without the variable the first already fails.  Who retries a failed fsync
 * and believes the answer would be found by DREY_FAIL_SYNC_ONCE=1: then only
 * one call fails and the later ones say that all is well.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static atomic_long calls;

static bool
fails(void)
{
	const char *after = getenv("DREY_FAIL_SYNC_AFTER");
	long good = after ? atol(after) : 0, call = atomic_fetch_add(&calls, 1);

	return getenv("DREY_FAIL_SYNC_ONCE") ? call == good : call >= good;
}

static int
sync_or_fail(long number, int fd)
{
	if (fails()) {
		errno = EIO;
		return -1;
	}
	return (int)syscall(number, fd);
}

int
fdatasync(int fd)
{
	return sync_or_fail(SYS_fdatasync, fd);
}

int
fsync(int fd)
{
	return sync_or_fail(SYS_fsync, fd);
}

int
syncfs(int fd)
{
	return sync_or_fail(SYS_syncfs, fd);
}

/* slow_sync.c -- LD_PRELOAD: every fdatasync(), fsync() and syncfs() takes DREY_SLOW_SYNC_MS (200) longer.
 *
 * A reply that leaves earlier than that did not wait for the disk.
 */
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void
slow(void)
{
	const char *ms = getenv("DREY_SLOW_SYNC_MS");
	long n = ms ? atol(ms) : 200;
	struct timespec t = { n / 1000, n % 1000 * 1000000 };

	while (nanosleep(&t, &t) != 0)
		;
}

int
fdatasync(int fd)
{
	slow();
	return (int)syscall(SYS_fdatasync, fd);
}

int
fsync(int fd)
{
	slow();
	return (int)syscall(SYS_fsync, fd);
}

int
syncfs(int fd)
{
	slow();
	return (int)syscall(SYS_syncfs, fd);
}

/* lock.c -- see lock.h. */
#include "store/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/err.h"

static int
lock_busy(int fd, const char *path)
{
	char pid[32];
	ssize_t n = pread(fd, pid, sizeof pid - 1, 0);

	pid[n > 0 ? n : 0] = '\0';
	pid[strcspn(pid, "\n")] = '\0';
	close(fd);
	return err_set(ERR_BUSY, "the data directory is in use by process %s (it holds %s): stop that server, or give this one another data_dir",
		*pid ? pid : "unknown", path);
}

int
lock_take(const char *dir)
{
	char path[4096], pid[32];
	int fd, n;

	snprintf(path, sizeof path, "%s/lock", dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_set(ERR_IO, "open %s: %s", path, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno == EWOULDBLOCK)
			return lock_busy(fd, path);
		err_set(ERR_IO, "lock %s: %s", path, strerror(errno));
		close(fd);
		return ERR_IO;
	}
	n = snprintf(pid, sizeof pid, "%d\n", (int)getpid());
	if (ftruncate(fd, 0) != 0 || pwrite(fd, pid, (size_t)n, 0) != n) {
		err_set(ERR_IO, "write %s: %s", path, strerror(errno));
		close(fd);
		return ERR_IO;
	}
	return fd;
}

void
lock_release(int fd)
{
	close(fd);
}

/* disk.c -- whole writes, directories; see disk.h. */
#include "store/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int
disk_write(int fd, const void *data, size_t n, off_t at)
{
	const char *p = data;

	while (n) {
		ssize_t done = pwrite(fd, p, n, at);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0) {
			errno = done < 0 ? errno : EIO;
			return -1;
		}
		p += done;
		at += done;
		n -= (size_t)done;
	}
	return 0;
}

int
disk_writev(int fd, struct iovec *v, int n, off_t at)
{
	while (n) {
		ssize_t done = pwritev(fd, v, n, at);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0) {
			errno = done < 0 ? errno : EIO;
			return -1;
		}
		at += done;
		for (; n && (size_t)done >= v->iov_len; v++, n--)
			done -= (ssize_t)v->iov_len;
		if (n) {
			v->iov_base = (char *)v->iov_base + done;
			v->iov_len -= (size_t)done;
		}
	}
	return 0;
}

ssize_t
disk_read(int fd, void *data, size_t n, off_t at)
{
	size_t got = 0;

	while (got < n) {
		ssize_t done = pread(fd, (char *)data + got, n - got, at + (off_t)got);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -1;
		if (done == 0)
			break;
		got += (size_t)done;
	}
	return (ssize_t)got;
}

int
disk_make_dir(const char *path)
{
	return mkdir(path, 0700) == 0 || errno == EEXIST ? 0 : -1;
}

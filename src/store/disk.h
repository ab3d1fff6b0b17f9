/* disk.h -- the few system calls the store's promises hang on.
 *
 * Everything the store changes on disk goes through open, pwrite, pwritev,
 * ftruncate, rename, unlink, mkdir, fsync, fdatasync and syncfs, and
 * nothing else: t/crash/powercut.c stands in for exactly these.
 *
 * All answer 0, or -1 with errno.
 */
#ifndef DREY_STORE_DISK_H
#define DREY_STORE_DISK_H

#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

int disk_write(int fd, const void *, size_t n, off_t at);	/* all of it */
int disk_writev(int fd, struct iovec *, int n, off_t at);	/* all of it; spoils the iovec */
ssize_t disk_read(int fd, void *, size_t n, off_t at);		/* bytes read, fewer only at the end of the file */
int disk_make_dir(const char *path);				/* 0700; there already is fine */

#endif

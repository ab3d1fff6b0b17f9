/* files.c -- descriptors on a leash; see files.h. */
#include "store/files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

enum { TRIES = 500 };		/* a millisecond apart, once nothing of ours is left to close */

void
files_init(struct files *fs, unsigned max)
{
	list_init(&fs->lru);
	fs->n = 0;
	fs->max = max ? max : 1;
	fs->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

void
files_fini(struct files *fs)
{
	if (fs->reserve >= 0)
		close(fs->reserve);
	fs->reserve = -1;
}

void
file_init(struct file *f)
{
	f->fd = -1;
	list_init(&f->lru);
}

void
file_close(struct files *fs, struct file *f)
{
	if (f->fd < 0)
		return;
	close(f->fd);
	f->fd = -1;
	list_del(&f->lru);
	fs->n--;
}

static bool
files_give_up_one(struct files *fs)
{
	struct file *oldest = list_first(&fs->lru, struct file, lru);

	if (oldest) {
		file_close(fs, oldest);
		return true;
	}
	if (fs->reserve < 0)
		return false;
	close(fs->reserve);
	fs->reserve = -1;
	return true;
}

int
files_try_open(struct files *fs, const char *path, int flags)
{
	const struct timespec ms = { 0, 1000000 };
	bool short_of = false;

	for (int tries = 0;;) {
		int fd = open(path, flags, 0600), saved = errno;

		if (fd >= 0 || (saved != EMFILE && saved != ENFILE && saved != EINTR))
			return fd;
		if (saved == EINTR)
			continue;
		if (!short_of)
			log_warn("out of file descriptors (%s): closing database files; lower open_files or raise the limit of open files", strerror(saved));
		short_of = true;
		if (files_give_up_one(fs))
			continue;
		if (++tries > TRIES) {
			errno = saved;
			return -1;
		}
		nanosleep(&ms, NULL);
	}
}

void
files_refill(struct files *fs)
{
	if (fs->reserve < 0)
		fs->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

int
file_open(struct files *fs, struct file *f, const char *path, bool create)
{
	if (f->fd >= 0) {
		list_del(&f->lru);
		list_push(&fs->lru, &f->lru);
		return f->fd;
	}
	while (fs->n >= fs->max)
		files_give_up_one(fs);
	f->fd = files_try_open(fs, path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | (create ? O_CREAT : 0));
	if (f->fd < 0)
		return -1;
	list_push(&fs->lru, &f->lru);
	fs->n++;
	files_refill(fs);
	return f->fd;
}

int
files_sync_dir(struct files *fs, const char *path)
{
	int fd = files_try_open(fs, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc, saved;

	if (fd < 0)
		return -1;
	rc = fsync(fd);
	saved = errno;
	close(fd);
	files_refill(fs);
	errno = saved;
	return rc;
}

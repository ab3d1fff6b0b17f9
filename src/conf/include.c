/* include.c -- files: the main one, and those it includes. */
#include "conf/parse.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"

#define FILE_MAX (16 << 20)	/* bytes; nobody writes that much, but /dev/zero has it */
#define DEPTH_MAX 16

static int
read_all(int fd, char *p, size_t n)
{
	while (n > 0) {
		ssize_t got = read(fd, p, n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return -1;
		p += got;
		n -= (size_t)got;
	}
	return 0;
}

/* Only plain files: a FIFO would keep drey waiting, a device would never end. */
static int
read_fd(struct arena *a, int fd, struct str *text)
{
	struct stat st;
	char *p;

	if (fstat(fd, &st) < 0)
		return -1;
	if (S_ISDIR(st.st_mode) || !S_ISREG(st.st_mode) || st.st_size > FILE_MAX) {
		errno = S_ISDIR(st.st_mode) ? EISDIR : S_ISREG(st.st_mode) ? EFBIG : EINVAL;
		return -1;
	}
	p = arena_alloc(a, (size_t)st.st_size + 1);
	if (read_all(fd, p, (size_t)st.st_size) < 0)
		return -1;
	*text = str_n(p, (size_t)st.st_size);
	return 0;
}

int
include_read(struct arena *a, const char *path, struct str *text)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC), rc, saved;

	if (fd < 0)
		return -1;
	errno = EIO;
	rc = read_fd(a, fd, text);
	saved = errno;
	close(fd);
	errno = saved;
	return rc;
}

void
include_identify(const char *path, struct source_file *f)
{
	struct stat st;

	f->path = path;
	if (stat(path, &st) == 0) {
		f->dev = st.st_dev;
		f->ino = st.st_ino;
	}
}

static int
check_cycle(const struct parse *p, const struct source_file *f, struct place at)
{
	for (const struct source_file *up = p->file; up; up = up->up)
		if (up->ino && up->dev == f->dev && up->ino == f->ino)
			return place_error(at, "include cycle: %s is being read already and leads back to itself; remove this line",
				up->path);
	if (f->depth > DEPTH_MAX)
		return place_error(at, "includes are nested more than %d deep; include %s from a file further up", DEPTH_MAX, f->path);
	return OK;
}

static int
include_file(struct parse *p, const char *path, struct place at)
{
	struct source_file f = { .up = p->file, .depth = p->file->depth + 1 };
	struct str text;
	int rc;

	include_identify(arena_strdup(&p->settings->arena, path), &f);
	if ((rc = check_cycle(p, &f, at)) != OK)
		return rc;
	if (include_read(&p->settings->arena, f.path, &text) < 0)
		return place_error(at, "cannot include %s: %s; write a path relative to the folder of %s", f.path,
			strerror(errno), at.file);
	p->file = &f;
	rc = parse_text(p, f.path, text);
	p->file = f.up;
	return rc;
}

/* As nginx has it: a pattern may match nothing, a plain name must exist. */
static int
include_pattern(struct parse *p, const char *pattern, struct place at)
{
	glob_t g = { 0 };
	int rc = OK;

	if (glob(pattern, 0, NULL, &g) == 0)
		for (size_t i = 0; rc == OK && i < g.gl_pathc; i++)
			rc = include_file(p, g.gl_pathv[i], at);
	globfree(&g);
	return rc;
}

int
set_include(struct parse *p, const struct directive *d, const struct statement *st)
{
	const char *name = st->args[0].text, *slash = strrchr(p->file->path, '/');
	int folder = slash && *name != '/' ? (int)(slash - p->file->path + 1) : 0;
	const char *path = arena_printf(&p->settings->arena, "%.*s%s", folder, p->file->path, name);

	if (*name == '\0')
		return place_error(st->args[0].at, "include names no file; write  %s", d->write);
	if (strpbrk(name, "*?["))
		return include_pattern(p, path, st->args[0].at);
	return include_file(p, path, st->args[0].at);
}

/* segment.c -- see segment.h. */
#include "store/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "store/disk.h"
#include "store/journal.h"

enum { WINDOW = 1 << 20 };

/* n bytes at s->at, or fewer at the end of the file; lends until the next call. */
static int
segment_peek(struct segment *s, uint64_t n, struct str *out)
{
	uint64_t left = s->size - s->at, want;
	ssize_t got;

	if (n > left)
		n = left;
	if (s->at < s->window_at || s->at + n > s->window_at + s->window.n) {
		want = n > WINDOW ? n : left < WINDOW ? left : WINDOW;
		buf_clear(&s->window);
		buf_reserve(&s->window, want + 1);
		got = disk_read(s->fd, s->window.p, want, (off_t)s->at);
		if (got < 0)
			return err_set(ERR_IO, "read %s: %s", s->path, strerror(errno));
		s->window.n = (size_t)got;
		s->window_at = s->at;
		if (n > s->window.n)
			n = s->window.n;
	}
	*out = str_n(s->window.p + (s->at - s->window_at), n);
	return OK;
}

int
segment_open(struct segment *s, const char *journal_dir, uint64_t number)
{
	struct stat st;
	struct str head;
	int rc;

	*s = (struct segment){ .number = number };
	journal_path(s->path, sizeof s->path, journal_dir, number);
	s->fd = open(s->path, O_RDONLY | O_CLOEXEC);
	if (s->fd < 0 || fstat(s->fd, &st) != 0) {
		err_set(ERR_IO, "open %s: %s", s->path, strerror(errno));
		segment_close(s);
		return ERR_IO;
	}
	s->size = (uint64_t)st.st_size;
	rc = segment_peek(s, SEGMENT_HEAD, &head);
	if (rc == OK)
		rc = segment_head_read(head, number);
	/* Without its head a segment has no records: it was made and never written, or recycled and not yet. */
	s->at = rc == 1 ? SEGMENT_HEAD : s->size;
	if (rc < 0)
		segment_close(s);
	return rc < 0 ? rc : OK;
}

int
segment_next(struct segment *s, struct record *r, uint64_t *at)
{
	struct str in;
	uint64_t n;
	int rc;

	if ((rc = segment_peek(s, 4, &in)) != OK)
		return rc;
	n = record_length(in);
	if (n == 0 || n > s->size - s->at)
		return 0;
	if ((rc = segment_peek(s, n, &in)) != OK)
		return rc;
	if (in.n < n || !record_read(in, s->number, r))
		return 0;
	*at = s->at;
	s->at += n;
	return 1;
}

void
segment_close(struct segment *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	buf_fini(&s->window);
}

/* access_log.c -- one line per request. */
#include "net/access_log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/list.h"
#include "base/log.h"

enum { FLUSH_BYTES = 32768, FLUSH_MS = 1000 };

static int
open_path(const char *path)
{
	int fd = strcmp(path, "stdout") == 0 ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
					     : open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);

	return fd >= 0 ? fd : err_set(ERR_IO, "access_log %s: %s", path, strerror(errno));
}

int
access_log_open(struct access_log_file *f, const char *path)
{
	*f = (struct access_log_file){ .path = path, .fd = -1 };
	if (path == NULL)
		return OK;
	f->fd = open_path(path);
	return f->fd >= 0 ? OK : f->fd;
}

int
access_log_reopen(struct access_log_file *f)
{
	if (f->path == NULL)
		return OK;
	int fd = open_path(f->path);
	if (fd < 0)
		return fd;
	dup3(fd, f->fd, O_CLOEXEC);
	close(fd);
	return OK;
}

void
access_log_close(struct access_log_file *f)
{
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
}

static void
flush(struct access_log *a)
{
	/* A full disk must not stop the server: what cannot be written is dropped. */
	for (size_t at = 0; at < a->lines.n;) {
		ssize_t n = write(a->file->fd, a->lines.p + at, a->lines.n - at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		at += (size_t)n;
	}
	buf_clear(&a->lines);
}

static void
on_flush(struct timer *t)
{
	flush(container_of(t, struct access_log, flush));
}

void
access_log_init(struct access_log *a, const struct access_log_file *file, struct timers *timers)
{
	*a = (struct access_log){ .file = file, .timers = timers };
	timer_init(&a->flush, on_flush);
}

void
access_log_fini(struct access_log *a)
{
	if (a->lines.n > 0)
		flush(a);
	timer_clear(a->timers, &a->flush);
	buf_fini(&a->lines);
}

/* What a client sent may not look like another line or end the quotes. */
static void
add_escaped(struct buf *b, struct str s)
{
	static const char digits[] = "0123456789ABCDEF";

	if (s.n == 0)
		buf_byte(b, '-');
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c >= ' ' && c != 0x7f && c != '"' && c != '\\')
			buf_byte(b, c);
		else
			buf_add(b, (char[4]){ '\\', 'x', digits[c >> 4], digits[c & 15] }, 4);
	}
}

static void
add_request_line(struct buf *b, const struct access_entry *e)
{
	if (e->version == 0) {
		buf_byte(b, '-');
		return;
	}
	add_escaped(b, e->method);
	buf_byte(b, ' ');
	add_escaped(b, e->target);
	buf_printf(b, " HTTP/%d.%d", e->version >> 8, e->version & 0xff);
}

void
access_log_write(struct access_log *a, const struct access_entry *e)
{
	struct buf *b = &a->lines;

	buf_str(b, e->client);
	buf_c(b, " - - [");
	buf_str(b, e->time);
	buf_c(b, "] \"");
	add_request_line(b, e);
	buf_printf(b, "\" %d %" PRIu64 " \"", e->status, e->bytes);
	add_escaped(b, e->referer);
	buf_c(b, "\" \"");
	add_escaped(b, e->agent);
	buf_printf(b, "\" %" PRId64 ".%06d ", e->took_us / 1000000, (int)(e->took_us % 1000000));
	if (e->request_id != 0)
		buf_printf(b, "%016" PRIx64 " ", e->request_id);
	else
		buf_c(b, "- ");
	add_escaped(b, e->app);
	buf_byte(b, '\n');
	if (b->n >= FLUSH_BYTES)
		flush(a);
	else if (!timer_is_set(&a->flush))
		timer_set(a->timers, &a->flush, clock_ms() + FLUSH_MS);
}

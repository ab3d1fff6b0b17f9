/* log.c -- the error log.
 *
 * A reopened file takes the number of the old one (dup2), so threads that
 * are writing need no lock and never meet a closed descriptor.
 *
 * Texts may quote what clients and apps sent.  In a file a newline is written
 * as \n and other control bytes as \xNN, so nobody forges a line; on a
 * terminal newlines stay (indented), because there a person reads tracebacks.
 *
 * Thread: log_at() any; log_open() and log_reopen() the main one.
 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"

#define TEXT_MAX 65536		/* of one line; the rest is cut */

static const struct {
	const char *word, *colour;
} levels[] = {
	[LOG_ERROR] = { "error", "\033[1;31m" },
	[LOG_WARN] = { "warn", "\033[33m" },
	[LOG_INFO] = { "info", "\033[32m" },
	[LOG_DEBUG] = { "debug", "\033[2m" },
};

static _Atomic int out_fd = STDERR_FILENO;
static _Atomic int out_level = LOG_INFO;
static _Atomic int out_tty = -1;	/* -1: not asked yet */
static int file_fd = -1;		/* kept once opened: reopened files move onto it */
static char *file_path;			/* NULL: stderr */

int
log_level_of(const char *word)
{
	for (int i = 0; i < (int)(sizeof(levels) / sizeof(levels[0])); i++)
		if (strcmp(word, levels[i].word) == 0)
			return i;
	return -1;
}

static int
file_open(const char *path)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);

	if (fd < 0)
		return err_set(ERR_IO, "error_log: open %s: %s", path, strerror(errno));
	if (file_fd < 0) {
		file_fd = fd;
		return OK;
	}
	if (dup3(fd, file_fd, O_CLOEXEC) < 0) {
		err_set(ERR_IO, "error_log: replace by %s: %s", path, strerror(errno));
		close(fd);
		return ERR_IO;
	}
	close(fd);
	return OK;
}

int
log_open(const char *path, enum log_level level)
{
	char *copy = NULL;

	if (strcmp(path, "stderr") != 0) {
		int rc = file_open(path);

		if (rc != OK)
			return rc;
		copy = xstrdup(path);
	}
	free(file_path);
	file_path = copy;
	out_fd = copy ? file_fd : STDERR_FILENO;
	out_tty = isatty(out_fd);
	out_level = (int)level;
	return OK;
}

int
log_reopen(void)
{
	return file_path ? file_open(file_path) : OK;
}

/* ---- one line ---- */

static void
add_text(struct buf *line, const char *s, bool tty)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '\n')
			buf_c(line, tty ? "\n    " : "\\n");
		else if ((c < 0x20 && c != '\t') || c == 0x7f)
			buf_printf(line, "\\x%02x", c);
		else
			buf_byte(line, c);
	}
}

static void
write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t w = write(fd, p, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return;		/* a full disk must not stop the server */
		p += w;
		n -= (size_t)w;
	}
}

static bool
on_tty(void)
{
	if (out_tty < 0)
		out_tty = isatty(out_fd);
	return out_tty > 0;
}

static void
write_line(enum log_level level, const char *text)
{
	struct buf line = { 0 };
	bool tty = on_tty();
	char stamp[40];

	clock_stamp(stamp, sizeof(stamp));
	buf_reserve(&line, strlen(text) + 64);
	buf_printf(&line, "%s %s%s%s ", stamp, tty ? levels[level].colour : "", levels[level].word, tty ? "\033[0m" : "");
	add_text(&line, text, tty);
	buf_byte(&line, '\n');
	write_all(out_fd, line.p, line.n);
	buf_fini(&line);
}

bool
log_shows(enum log_level level)
{
	return (int)level <= out_level;
}

void
log_at(enum log_level level, const char *fmt, ...)
{
	int saved = errno;
	char small[1024], *text = small;
	va_list ap;
	int n;

	if ((int)level > out_level)
		return;
	va_start(ap, fmt);
	n = vsnprintf(small, sizeof(small), fmt, ap);
	va_end(ap);
	if (n >= (int)sizeof(small)) {
		size_t size = n < TEXT_MAX ? (size_t)n + 1 : TEXT_MAX;

		text = xmalloc(size);
		va_start(ap, fmt);
		vsnprintf(text, size, fmt, ap);
		va_end(ap);
	}
	write_line(level, text);
	if (text != small)
		free(text);
	errno = saved;
}

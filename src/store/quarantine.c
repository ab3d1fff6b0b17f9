/* quarantine.c -- sets damaged database files aside; see quarantine.h. */
#include "store/quarantine.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "store/disk.h"
#include "store/inside.h"
#include "store/record.h"
#include "store/shard.h"

enum {
	ASIDE_MAX = PATHS_MAX + 32,
	LEAST_PAGE = 512,		/* of any SQLite database */
	HEADER = 100
};

static void
aside_path(char aside[ASIDE_MAX], const char *path, int n)
{
	snprintf(aside, ASIDE_MAX, n ? "%s.corrupt.%d" : "%s.corrupt", path, n);
}

/* The first of PATH.corrupt, PATH.corrupt.1, ... that is not taken. */
static void
free_aside(char aside[ASIDE_MAX], const char *path)
{
	struct stat st;
	int n = 0;

	do
		aside_path(aside, path, n);
	while (lstat(aside, &st) == 0 && ++n < 1000);
}

/* -- looking -- */

int
quarantine_missing(const char *path)
{
	char aside[ASIDE_MAX];
	struct stat st;

	aside_path(aside, path, 0);
	if (lstat(aside, &st) != 0)
		return OK;
	return err_set(ERR_STORE, "the object's database is damaged and was set aside as %s; the object answers nothing else until it is mended "
		"(sqlite3 %s .recover | sqlite3 mended) and moved to %s, or removed to start empty", aside, aside, path);
}

/* How long its pages are, by its own header.  0: it is no database; ERR_IO: who knows. */
static int
page_bytes(const char *path)
{
	unsigned char head[HEADER];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), size;
	ssize_t n;

	if (fd < 0)
		return err_set(ERR_IO, "open %s: %s", path, strerror(errno));
	n = disk_read(fd, head, sizeof head, 0);
	close(fd);
	if (n < 0)
		return err_set(ERR_IO, "read %s: %s", path, strerror(errno));
	if (n < HEADER || memcmp(head, "SQLite format 3", 16) != 0)
		return 0;
	size = head[16] << 8 | head[17];
	return size == 1 ? 65536 : size;
}

int
quarantine_odd(const char *path, const struct stat *st)
{
	int page;

	if (!S_ISREG(st->st_mode))
		return err_set(ERR_STORE, "%s should be an object's database, but it is not a file: move it away", path);
	if ((page = page_bytes(path)) < 0)
		return page;
	if (page >= LEAST_PAGE && st->st_size > 0 && st->st_size % page == 0)
		return OK;
	return err_set(ERR_CORRUPT, "a file of %lld bytes is no database: a piece is missing", (long long)st->st_size);
}

bool
quarantine_spares(const char *path, const char *found)
{
	sqlite3 *h;
	bool good;

	/* Any rule of today that a CREATE of old breaks makes SQLite call the schema malformed.  Without our rules it reads well. */
	if (strncmp(found, "malformed database schema", 25) != 0)
		return false;
	good = sqlite3_open_v2(path, &h, SQLITE_OPEN_READONLY, "unix") == SQLITE_OK &&
		sqlite3_exec(h, "SELECT count(*) FROM sqlite_master", NULL, NULL, NULL) == SQLITE_OK;
	sqlite3_close(h);
	return good;
}

/* -- setting aside -- */

static int
sync_written(struct capture *c)
{
	struct store *st = c->shard->store;
	struct unsynced one = { 0 };
	int rc;

	unsynced_add(&one, c->klass, c->id);
	rc = unsynced_sync(&one, st->dir, -1, &st->failure);
	unsynced_fini(&one);
	return rc;
}

/* From here on recovery leaves the file alone. */
static int
journal_settled(struct capture *c)
{
	struct journal *j = c->shard->store->journal;
	struct buf *b = &c->shard->record;
	struct record r = {
		.wall_ms = clock_wall_ms(), .keep = RECORD_SETTLED, .size = RECORD_SETTLED,
		.app = c->klass->app, .class_name = c->klass->name, .id = c->id
	};
	uint64_t body, commit;
	int rc;

	do {
		uint64_t segment = journal_segment(j);

		buf_clear(b);
		record_begin(b, &r);
		record_end(b, &body);
		rc = journal_append(j, segment, b, body, &commit);
	} while (rc == JOURNAL_ROTATED);
	return rc == OK ? journal_wait(j, commit) : rc;
}

static int
move_aside(struct capture *c, const char *path, const char *aside)
{
	struct shard *s = c->shard;
	char dir[PATHS_MAX];

	paths_dir(dir, c->klass, c->id[0]);
	/* Nothing is lost when it cannot be renamed: it is found damaged again. */
	if (rename(path, aside) != 0) {
		log_error("rename %s to %s: %s", path, aside, strerror(errno));
		return OK;
	}
	if (files_sync_dir(&s->files, dir) != 0)
		return failure_set(&s->store->failure, "fsync %s: %s", dir, strerror(errno));
	return OK;
}

int
quarantine(struct capture *c, const char *object, const char *found)
{
	char path[PATHS_MAX], aside[ASIDE_MAX];
	int rc;

	paths_file(path, c->klass, c->id);
	free_aside(aside, path);
	file_close(&c->shard->files, &c->file);
	if ((rc = sync_written(c)) != OK || (rc = journal_settled(c)) != OK || (rc = move_aside(c, path, aside)) != OK)
		return rc;
	log_error("the database of %s is damaged and was set aside as %s: %s. Every call of the object is an error until the file is mended "
		"(sqlite3 %s .recover | sqlite3 mended) and moved to %s, or removed to start empty", object, aside, found, aside, path);
	return OK;
}

void
quarantine_outlived(const char *path)
{
	char aside[ASIDE_MAX], other[ASIDE_MAX];
	struct stat st;

	aside_path(aside, path, 0);
	if (lstat(aside, &st) != 0)
		return;
	free_aside(other, path);
	if (rename(aside, other) != 0)
		log_error("rename %s to %s: %s; the object cannot be used before it is moved away", aside, other, strerror(errno));
}

/* spill.c -- see spill.h.
 *
 * A side record's pieces are runs: u32 first page, u32 n, then n checksums of
 * u64, little endian.
 */
#include "store/spill.h"

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "store/disk.h"
#include "store/inside.h"
#include "store/shard.h"

enum { CHUNK = 512, RUN = 32, STEP = 1 << 20 };

void
spill_path(char path[SPILL_PATH], const char *journal_dir, uint64_t number)
{
	snprintf(path, SPILL_PATH, "%s/%016" PRIx64 ".side", journal_dir, number);
}

uint64_t
spill_sum(const void *page, uint64_t number, uint32_t pgno)
{
	uint64_t sum = record_sum(page, PAGE_BYTES, number * 0x9e3779b97f4a7c15 + pgno);

	return sum ? sum : 1;
}

/* -- which pages are here -- */

static uint64_t *
spill_at(const struct spill *s, uint32_t pgno)
{
	uint32_t chunk = pgno / CHUNK;

	return chunk < s->chunks && s->sums[chunk] ? &s->sums[chunk][pgno % CHUNK] : NULL;
}

static void
spill_put(struct spill *s, uint32_t pgno, uint64_t sum)
{
	uint32_t chunk = pgno / CHUNK;

	if (chunk >= s->chunks) {
		uint32_t n = chunk + 1 + chunk / 4;

		s->sums = xrealloc(s->sums, n * sizeof *s->sums);
		memset(s->sums + s->chunks, 0, (n - s->chunks) * sizeof *s->sums);
		s->chunks = n;
	}
	if (!s->sums[chunk])
		s->sums[chunk] = xcalloc(CHUNK, sizeof **s->sums);
	s->n += s->sums[chunk][pgno % CHUNK] == 0;
	s->sums[chunk][pgno % CHUNK] = sum;
}

bool
spill_has(const struct spill *s, uint32_t pgno)
{
	const uint64_t *at = spill_at(s, pgno);

	return at && *at;
}

void
spill_forget(struct spill *s, uint32_t pgno)
{
	uint64_t *at = spill_at(s, pgno);

	if (!at || !*at)
		return;
	*at = 0;
	s->n--;
}

void
spill_cut(struct spill *s, uint32_t keep)
{
	uint32_t first = keep, n;

	for (; (n = spill_run(s, &first, UINT32_MAX)); first += n)
		for (uint32_t i = 0; i < n; i++)
			spill_forget(s, first + i);
}

uint32_t
spill_run(const struct spill *s, uint32_t *first, uint32_t most)
{
	uint64_t at = *first, end = (uint64_t)s->chunks * CHUNK;
	uint32_t n = 0;

	while (at < end && !spill_has(s, (uint32_t)at))
		at = s->sums[at / CHUNK] ? at + 1 : (at / CHUNK + 1) * CHUNK;
	if (at >= end)
		return 0;
	*first = (uint32_t)at;
	while (n < most && at + n < end && spill_has(s, (uint32_t)(at + n)))
		n++;
	return n;
}

/* -- the file of an open transaction -- */

int
spill_open(struct spill *s, struct shard *shard)
{
	struct store *st = shard->store;
	char path[SPILL_PATH];

	*s = (struct spill){ .dir = st->journal_dir, .number = 1 + atomic_fetch_add(&st->side_number, 1) };
	spill_path(path, st->journal_dir, s->number);
	s->fd = files_try_open(&shard->files, path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW);
	files_refill(&shard->files);
	if (s->fd < 0)
		return err_set(ERR_IO, "make %s for a large transaction: %s", path, strerror(errno));
	s->open = true;
	if (files_sync_dir(&shard->files, st->journal_dir) == 0)
		return OK;
	err_set(ERR_IO, "fsync %s: %s", st->journal_dir, strerror(errno));
	spill_discard(s, st);
	return ERR_IO;
}

/* Sends what was written to the disk step by step, each when the one before is there: the journal's syncs find their
 * turn in between.  The last step is on its way when this returns. */
static void
spill_pace(struct spill *s, uint64_t from, uint64_t end)
{
	for (uint64_t at = from; at < end; at += STEP) {
		uint64_t n = end - at < STEP ? end - at : STEP;

		if (s->step_bytes)
			sync_file_range(s->fd, (off_t)s->step_from, (off_t)s->step_bytes,
				SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
		sync_file_range(s->fd, (off_t)at, (off_t)n, SYNC_FILE_RANGE_WRITE);
		s->step_from = at;
		s->step_bytes = n;
	}
}

int
spill_write(struct spill *s, struct page **v, uint32_t n)
{
	char path[SPILL_PATH];

	if (n == 0)
		return OK;
	if (pages_write(v, n, s->fd) != 0) {
		int error = errno;

		spill_path(path, s->dir, s->number);
		return err_set(ERR_IO, "write a large transaction's pages to %s: %s", path, strerror(error));
	}
	for (uint32_t i = 0; i < n; i++)
		spill_put(s, v[i]->pgno, spill_sum(v[i]->data, s->number, v[i]->pgno));
	spill_pace(s, (uint64_t)v[0]->pgno * PAGE_BYTES, ((uint64_t)v[n - 1]->pgno + 1) * PAGE_BYTES);
	return OK;
}

int
spill_sync(struct spill *s, struct store *st)
{
	char path[SPILL_PATH];

	if (fdatasync(s->fd) == 0)
		return OK;
	spill_path(path, st->journal_dir, s->number);
	return failure_set(&st->failure, "fdatasync %s: %s", path, strerror(errno));
}

int
spill_read(const struct spill *s, uint32_t pgno, unsigned from, unsigned n, void *to)
{
	ssize_t got = disk_read(s->fd, to, n, (off_t)pgno * PAGE_BYTES + from);
	int error = errno;
	char path[SPILL_PATH];

	if (got == (ssize_t)n)
		return OK;
	spill_path(path, s->dir, s->number);
	return err_set(ERR_IO, "read page %u of %s: %s", pgno, path, got < 0 ? strerror(error) : "it is cut short");
}

void
spill_close(struct spill *s)
{
	if (!s->open)
		return;
	close(s->fd);
	for (uint32_t i = 0; i < s->chunks; i++)
		free(s->sums[i]);
	free(s->sums);
	*s = (struct spill){ 0 };
}

static void
remove_side(const struct store *st, uint64_t number)
{
	char path[SPILL_PATH];

	spill_path(path, st->journal_dir, number);
	unlink(path);			/* if it stays it is litter, and the next start's business */
}

void
spill_discard(struct spill *s, struct store *st)
{
	if (!s->open)
		return;
	remove_side(st, s->number);
	spill_close(s);
}

/* -- files that belong to segments -- */

void
spill_keep(struct store *st, uint64_t number, uint64_t segment)
{
	pthread_mutex_lock(&st->mutex);
	st->sides = xrealloc(st->sides, (st->sides_n + 1) * sizeof *st->sides);
	st->sides[st->sides_n++] = (struct side){ number, segment };
	pthread_mutex_unlock(&st->mutex);
}

static uint64_t
take_side(struct store *st, uint64_t upto)
{
	uint64_t number = 0;

	pthread_mutex_lock(&st->mutex);
	for (size_t i = 0; i < st->sides_n && !number; i++)
		if (st->sides[i].segment <= upto) {
			number = st->sides[i].number;
			st->sides[i] = st->sides[--st->sides_n];
		}
	pthread_mutex_unlock(&st->mutex);
	return number;
}

void
spill_retire(struct store *st, uint64_t upto)
{
	uint64_t number;

	while ((number = take_side(st, upto)))
		remove_side(st, number);
}

/* -- in the record -- */

static void
put_le(struct buf *b, uint64_t v, size_t bytes)
{
	v = htole64(v);
	buf_add(b, &v, bytes);
}

static uint64_t
take_le(struct str *in, size_t bytes)
{
	uint64_t v = 0;

	memcpy(&v, in->p, bytes);
	in->p += bytes;
	in->n -= bytes;
	return le64toh(v);
}

void
spill_put_run(struct buf *b, uint32_t first, uint32_t n, const uint64_t *sums)
{
	put_le(b, first, 4);
	put_le(b, n, 4);
	for (uint32_t i = 0; i < n; i++)
		put_le(b, sums[i], 8);
}

void
spill_encode(const struct spill *s, struct buf *b)
{
	uint32_t first = 0, n;

	/* A run may not leave its chunk: its sums lie in one piece. */
	for (; (n = spill_run(s, &first, CHUNK)); first += n) {
		if (n > CHUNK - first % CHUNK)
			n = CHUNK - first % CHUNK;
		spill_put_run(b, first, n, spill_at(s, first));
	}
}

/* -- recovery -- */

struct side_file {
	char path[SPILL_PATH];
	int fd;
	uint64_t number;
	uint32_t size;			/* of the database, in pages */
	const struct spill_sink *sink;
};

static int
side_page(const struct side_file *f, uint32_t pgno, uint64_t sum, const unsigned char *data)
{
	if (pgno >= f->size)
		return err_set(ERR_CORRUPT, "page %u of a database of %u", pgno, f->size);
	if (spill_sum(data, f->number, pgno) != sum)
		return err_set(ERR_CORRUPT, "page %u in %s is not what was written there", pgno, f->path);
	return f->sink ? f->sink->page(f->sink->arg, pgno, data) : OK;
}

static int
side_pages(const struct side_file *f, unsigned char *data, uint32_t first, uint32_t n, struct str *sums)
{
	ssize_t got = disk_read(f->fd, data, (size_t)n * PAGE_BYTES, (off_t)first * PAGE_BYTES);
	int rc = OK;

	if (got < 0)
		return err_set(ERR_IO, "read %s: %s", f->path, strerror(errno));
	if ((size_t)got < (size_t)n * PAGE_BYTES)
		return err_set(ERR_CORRUPT, "%s is cut short: page %u is not there", f->path, first + (uint32_t)(got / PAGE_BYTES));
	for (uint32_t i = 0; i < n && rc == OK; i++)
		rc = side_page(f, first + i, take_le(sums, 8), data + (size_t)i * PAGE_BYTES);
	return rc;
}

static int
side_runs(const struct side_file *f, unsigned char *data, struct str in)
{
	int rc = OK;

	while (in.n && rc == OK) {
		uint64_t first, n;

		if (in.n < 8)
			return err_set(ERR_CORRUPT, "a run of side pages is cut short");
		first = take_le(&in, 4);
		n = take_le(&in, 4);
		if (n > in.n / 8 || first + n > UINT32_MAX)
			return err_set(ERR_CORRUPT, "a run of side pages is cut short");
		for (uint32_t part; n && rc == OK; first += part, n -= part) {
			part = n < RUN ? (uint32_t)n : RUN;
			rc = side_pages(f, data, (uint32_t)first, part, &in);
		}
	}
	return rc;
}

int
spill_replay(const char *journal_dir, const struct record *r, const struct spill_sink *sink)
{
	struct side_file f = { .number = r->side, .size = r->size, .sink = sink };
	unsigned char *data;
	int rc;

	spill_path(f.path, journal_dir, r->side);
	f.fd = open(f.path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (f.fd < 0 && errno == ENOENT)
		return err_set(ERR_CORRUPT, "%s is missing, which holds this commit's pages", f.path);
	if (f.fd < 0)
		return err_set(ERR_IO, "open %s: %s", f.path, strerror(errno));
	data = xmalloc((size_t)RUN * PAGE_BYTES);
	rc = side_runs(&f, data, r->pieces);
	free(data);
	close(f.fd);
	return rc;
}

static bool
ends_with(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);

	return n > m && strcmp(name + n - m, end) == 0;
}

int
spill_sweep(const char *journal_dir)
{
	DIR *d = opendir(journal_dir);
	char path[4096 + 300];
	struct dirent *e;
	bool any = false;
	int rc = OK, fd;

	if (!d)
		return err_set(ERR_IO, "open %s: %s", journal_dir, strerror(errno));
	while ((e = readdir(d)) && rc == OK) {
		if (!ends_with(e->d_name, ".side") && !ends_with(e->d_name, ".temp"))
			continue;
		snprintf(path, sizeof path, "%s/%s", journal_dir, e->d_name);
		if (unlink(path) != 0)
			rc = err_set(ERR_IO, "remove %s: %s", path, strerror(errno));
		any = true;
	}
	closedir(d);
	if (!any || rc != OK)
		return rc;
	/* Gone for good before a new file gets the old name. */
	fd = open(journal_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) != 0)
		rc = err_set(ERR_IO, "fsync %s: %s", journal_dir, strerror(errno));
	if (fd >= 0)
		close(fd);
	return rc;
}

/* capture.c -- pending and overlay pages, commits; see capture.h.  The way into the file is flush.c. */
#include "store/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "store/blank.h"
#include "store/disk.h"
#include "store/inside.h"
#include "store/quarantine.h"
#include "store/record.h"
#include "store/shard.h"

enum {
	SPILL_MOST = 64 << 20	/* bytes of an open transaction in memory, however large overlay_max is: its record must fit the journal */
};

void
capture_init(struct capture *c, struct shard *s, const unsigned char id[PATHS_ID])
{
	memset(c, 0, sizeof *c);
	c->shard = s;
	memcpy(c->id, id, PATHS_ID);
	list_init(&c->journaled);
	list_init(&c->over);
	file_init(&c->file);
}

/* Pages that are committed and perhaps not in the file: room.c keeps room for them, also for those in a side file. */
int64_t
capture_unwritten(const struct capture *c)
{
	return (int64_t)c->overlay.n + c->side.n;
}

void
capture_count(struct capture *c, int64_t before)
{
	int64_t now = capture_unwritten(c);

	if (now != before)
		atomic_fetch_add_explicit(&c->shard->overlay_bytes, (now - before) * (int64_t)sizeof(struct page), memory_order_relaxed);
}

void
capture_drop(struct capture *c)
{
	int64_t before = capture_unwritten(c);

	list_del(&c->journaled);
	list_del(&c->over);
	file_close(&c->shard->files, &c->file);
	spill_discard(&c->spill, c->shard->store);
	spill_close(&c->side);
	pages_fini(&c->pending, &c->shard->pool);
	pages_fini(&c->overlay, &c->shard->pool);
	capture_count(c, before);
}

int
capture_know(struct capture *c)
{
	char path[PATHS_MAX];
	struct stat st = { 0 };
	int rc = OK;

	if (c->known)
		return OK;
	paths_file(path, c->klass, c->id);
	if (lstat(path, &st) != 0)
		rc = errno == ENOENT || errno == ENOTDIR ? quarantine_missing(path) : err_set(ERR_IO, "stat %s: %s", path, strerror(errno));
	else if (!S_ISREG(st.st_mode) || st.st_size == 0 || st.st_size % PAGE_BYTES)
		rc = quarantine_odd(path, &st);
	if (rc != OK)
		return rc;
	if (st.st_size > (off_t)PAGE_BYTES * INT32_MAX)
		return err_set(ERR_CORRUPT, "%s is larger than any database can be", path);
	c->file_size = (uint32_t)((st.st_size + PAGE_BYTES - 1) / PAGE_BYTES);
	c->size = c->keep = c->committed = c->file_keep = c->file_size;
	c->known = true;
	return OK;
}

/* -- what SQLite sees -- */

static int
file_page(struct capture *c, uint32_t pgno, unsigned from, unsigned n, void *to)
{
	char path[PATHS_MAX];
	ssize_t got;

	paths_file(path, c->klass, c->id);
	if (file_open(&c->shard->files, &c->file, path, false) < 0)
		return err_set(ERR_IO, "open %s: %s", path, strerror(errno));
	got = disk_read(c->file.fd, to, n, (off_t)pgno * PAGE_BYTES + from);
	if (got < 0)
		return err_set(ERR_IO, "read %s: %s", path, strerror(errno));
	memset((char *)to + got, 0, n - (size_t)got);
	return OK;
}

uint32_t
capture_size(const struct capture *c)
{
	return c->size ? c->size : BLANK_PAGES;
}

int
capture_read(struct capture *c, uint32_t pgno, unsigned from, unsigned n, void *to)
{
	struct page *p = pages_find(&c->pending, pgno);

	if (!p && spill_has(&c->spill, pgno))
		return spill_read(&c->spill, pgno, from, n, to);
	if (c->size == 0 && pgno < BLANK_PAGES) {
		memcpy(to, blank_page(pgno) + from, n);
		return OK;
	}
	if (!p && pgno < c->keep)
		p = pages_find(&c->overlay, pgno);
	if (p) {
		memcpy(to, p->data + from, n);
		return OK;
	}
	if (pgno < c->keep && spill_has(&c->side, pgno))
		return spill_read(&c->side, pgno, from, n, to);
	if (pgno < c->keep && pgno < c->file_keep)
		return file_page(c, pgno, from, n, to);
	memset(to, 0, n);
	return OK;
}

/* -- a transaction too large for memory -- */

static uint64_t
overlay_max(const struct capture *c)
{
	return c->shard->store->overlay_max;
}

/* The side file of an earlier commit moves on to the database file, as far as the budget goes; NULL: all of it. */
static int
side_move(struct capture *c, unsigned *budget)
{
	int rc;

	if (!c->side.open)
		return OK;
	if ((rc = shard_wait(c->shard, c->last_commit)) != OK)
		return rc;
	rc = capture_flush(c, UINT64_MAX, budget);
	return rc < 0 ? rc : OK;
}

static int
capture_spill(struct capture *c)
{
	unsigned budget = 2 * c->pending.n;
	struct page **v;
	int rc;

	if (!c->spill.open && (rc = spill_open(&c->spill, c->shard)) != OK)
		return rc;
	if ((rc = side_move(c, &budget)) != OK)
		return rc;
	v = pages_sorted(&c->pending);
	rc = spill_write(&c->spill, v, c->pending.n);
	free(v);
	if (rc == OK)
		pages_cut(&c->pending, 0, &c->shard->pool);
	return rc;
}

/* All that the transaction wrote is in its side file and synced; or there is no side file and it is as any other. */
static int
capture_seal(struct capture *c)
{
	int rc;

	if (c->spill.n == 0) {
		spill_discard(&c->spill, c->shard->store);
		return OK;
	}
	if ((rc = side_move(c, NULL)) != OK || (rc = capture_spill(c)) != OK)
		return rc;
	return spill_sync(&c->spill, c->shard->store);
}

static void
put_page(struct capture *c, uint32_t pgno, const void *page)
{
	struct page *p = pages_find(&c->pending, pgno);

	if (!p) {
		p = page_get(&c->shard->pool);
		p->pgno = pgno;
		pages_add(&c->pending, p);
	}
	memcpy(p->data, page, PAGE_BYTES);
	if (pgno >= c->size)
		c->size = pgno + 1;
}

int
capture_write(struct capture *c, uint32_t pgno, const void *page)
{
	if (c->size == 0)		/* what SQLite took for pages becomes pages */
		for (uint32_t i = 0; i < BLANK_PAGES; i++)
			put_page(c, i, blank_page(i));
	put_page(c, pgno, page);
	c->changed = true;
	if ((uint64_t)c->pending.n * PAGE_BYTES > (overlay_max(c) < SPILL_MOST ? overlay_max(c) : SPILL_MOST))
		return capture_spill(c);
	return OK;
}

void
capture_truncate(struct capture *c, uint32_t size)
{
	if (size >= c->size)
		return;
	pages_cut(&c->pending, size, &c->shard->pool);
	spill_cut(&c->spill, size);
	c->size = size;
	if (c->keep > size)
		c->keep = size;
	c->changed = true;
}

void
capture_wipe(struct capture *c)
{
	pages_cut(&c->pending, 0, &c->shard->pool);
	spill_cut(&c->spill, 0);
	c->size = c->keep = 0;
	c->changed = true;
}

void
capture_rollback(struct capture *c)
{
	if (c->pending.n)
		pages_cut(&c->pending, 0, &c->shard->pool);
	spill_discard(&c->spill, c->shard->store);
	c->size = c->keep = c->committed;
	c->changed = false;
}

/* -- commit -- */

/* The page as the journal's current segment knows it, or NULL: then it goes in whole. */
static const unsigned char *
logged_base(const struct capture *c, uint32_t pgno, uint64_t segment)
{
	struct page *old = pgno < c->keep ? pages_find(&c->overlay, pgno) : NULL;

	return old && old->logged == segment ? old->data : NULL;
}

static bool
capture_encode(struct capture *c, uint64_t segment, uint64_t *body)
{
	struct buf *b = &c->shard->record;
	struct record r = {
		.wall_ms = clock_wall_ms(), .keep = c->keep, .size = c->size, .side = c->spill.n ? c->spill.number : 0,
		.app = c->klass->app, .class_name = c->klass->name, .id = c->id
	};
	bool any = c->size != c->committed || c->keep < c->committed || c->spill.n;
	struct page *p;

	buf_clear(b);
	record_begin(b, &r);
	if (c->spill.n)
		spill_encode(&c->spill, b);	/* and nothing is pending */
	for (uint32_t i = 0; (p = pages_next(&c->pending, &i));) {
		p->changed = record_page(b, p->pgno, logged_base(c, p->pgno, segment), p->data);
		any |= p->changed;
	}
	if (any)
		record_end(b, body);
	return any;
}

/* One pending page becomes the committed one. */
static void
page_commit(struct capture *c, struct page *p, uint64_t segment)
{
	struct page *old = pages_find(&c->overlay, p->pgno);

	if (old && !p->changed) {
		page_put(&c->shard->pool, p);
		return;
	}
	p->logged = segment;
	p->since = old && old->since ? old->since : segment;
	spill_forget(&c->side, p->pgno);
	if (old)
		page_put(&c->shard->pool, pages_take(&c->overlay, p->pgno));
	pages_add(&c->overlay, p);
}

/* The spilled pages become the committed ones. */
static void
spill_commit(struct capture *c, uint64_t segment)
{
	struct pages kept = { 0 };
	struct page *p;

	must(!c->side.open);
	c->side = c->spill;
	c->spill = (struct spill){ 0 };
	c->side.since = segment;
	for (uint32_t i = 0; (p = pages_next(&c->overlay, &i));) {
		if (spill_has(&c->side, p->pgno))
			page_put(&c->shard->pool, p);
		else
			pages_add(&kept, p);
	}
	free(c->overlay.slots);
	c->overlay = kept;
	spill_keep(c->shard->store, c->side.number, segment);
	/* A record of kilobytes keeps a file of gigabytes: without this a segment would gather hundreds of them. */
	journal_weigh(c->shard->store->journal, (uint64_t)c->side.n * PAGE_BYTES);
}

static void
capture_merge(struct capture *c, uint64_t segment)
{
	int64_t before = capture_unwritten(c);
	struct page *p;

	if (c->keep < c->committed) {
		pages_cut(&c->overlay, c->keep, &c->shard->pool);
		spill_cut(&c->side, c->keep);
	}
	if (c->file_keep > c->keep)
		c->file_keep = c->keep;
	for (uint32_t i = 0; (p = pages_next(&c->pending, &i));)
		page_commit(c, p, segment);
	if (c->spill.open)
		spill_commit(c, segment);
	c->pending.n = 0;
	if (c->pending.cap > 64) {
		free(c->pending.slots);
		c->pending = (struct pages){ 0 };
	} else if (c->pending.cap) {
		memset(c->pending.slots, 0, c->pending.cap * sizeof *c->pending.slots);
	}
	c->committed = c->keep = c->size;
	c->changed = false;
	capture_count(c, before);
}

/* The overlay must not grow without end: its pages go to the file as soon as they are durable. */
static int
capture_limit(struct capture *c)
{
	uint64_t bytes = (uint64_t)c->overlay.n * PAGE_BYTES, max = overlay_max(c);
	int rc;

	if (bytes <= max && !c->side.open)
		return OK;
	if (bytes > 2 * max) {
		if ((rc = shard_wait(c->shard, c->last_commit)) != OK)
			return rc;
		return capture_flush(c, UINT64_MAX, NULL) < 0 ? ERR_STORE : OK;
	}
	if (!list_linked(&c->over))
		list_push(&c->shard->over, &c->over);
	shard_want(c->shard, c->last_commit);
	return OK;
}

int
capture_commit(struct capture *c, uint64_t *commit)
{
	struct journal *j = c->shard->store->journal;
	uint64_t segment, body;
	int rc;

	if (!c->changed)
		return OK;
	if (c->spill.open && (rc = capture_seal(c)) != OK)
		return rc;
	do {
		segment = journal_segment(j);
		if (!capture_encode(c, segment, &body)) {
			capture_rollback(c);	/* SQLite wrote what was there already */
			return OK;
		}
		if (c->shard->record.n > RECORD_MAX)
			return err_set(ERR_LIMIT, "a transaction changed %u pages, more than the journal can name: split it", c->spill.n);
		rc = journal_append(j, segment, &c->shard->record, body, &c->last_commit);
	} while (rc == JOURNAL_ROTATED);
	if (c->shard->record.cap > 1 << 20)
		buf_fini(&c->shard->record);
	if (rc != OK)
		return rc;
	*commit = c->last_commit;
	c->shard->committed += c->pending.n;
	capture_merge(c, segment);
	if (!c->since) {
		c->since = segment;
		list_push(&c->shard->journaled, &c->journaled);
	}
	return capture_limit(c);
}

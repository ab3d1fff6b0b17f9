/* capture.c -- pending and overlay pages, commits, the file; see capture.h. */
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
	CLEAN_KEPT = 4,		/* pages kept in memory after they reached the file: the hot ones of small databases */
	SPILL_MOST = 64 << 20,	/* bytes of an open transaction in memory, however large overlay_max is: its record must fit the journal */
	COPY_RUN = 32		/* neighbouring pages of the side file copied at once */
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
static int64_t
unwritten(const struct capture *c)
{
	return (int64_t)c->overlay.n + c->side.n;
}

static void
overlay_count(struct capture *c, int64_t before)
{
	int64_t now = unwritten(c);

	if (now != before)
		atomic_fetch_add_explicit(&c->shard->overlay_bytes, (now - before) * (int64_t)sizeof(struct page), memory_order_relaxed);
}

void
capture_drop(struct capture *c)
{
	int64_t before = unwritten(c);

	list_del(&c->journaled);
	list_del(&c->over);
	file_close(&c->shard->files, &c->file);
	spill_discard(&c->spill, c->shard->store);
	spill_close(&c->side);
	pages_fini(&c->pending, &c->shard->pool);
	pages_fini(&c->overlay, &c->shard->pool);
	overlay_count(c, before);
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
	int64_t before = unwritten(c);
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
	overlay_count(c, before);
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

/* -- the file -- */

static int
capture_unlink(struct capture *c, const char *path)
{
	struct shard *s = c->shard;

	file_close(&s->files, &c->file);
	shard_wrote(s, c->klass, c->id);
	quarantine_outlived(path);
	if (unlink(path) != 0 && errno != ENOENT)
		return failure_set(&s->store->failure, "unlink %s: %s", path, strerror(errno));
	c->file_size = c->file_keep = 0;
	return OK;
}

static int
capture_open(struct capture *c, const char *path)
{
	struct shard *s = c->shard;

	if (file_open(&s->files, &c->file, path, true) >= 0)
		return OK;
	if (errno == ENOENT && paths_make(c->klass, c->id[0]) == 0 && file_open(&s->files, &c->file, path, true) >= 0)
		return OK;
	return failure_set(&s->store->failure, "open %s to write it: %s", path, strerror(errno));
}

static int
capture_resize(struct capture *c, const char *path, uint32_t size)
{
	if (ftruncate(c->file.fd, (off_t)size * PAGE_BYTES) != 0)
		return failure_set(&c->shard->store->failure, "truncate %s: %s", path, strerror(errno));
	c->file_size = size;
	return OK;
}

/* Is this page to be written now?  Within the budget everything goes, else only what holds up old segments. */
static bool
page_due(const struct page *p, uint64_t upto, bool all)
{
	return p->since && (all || p->since <= upto);
}

/* The file holds all up to this page: what lies between reads as zeros, as it should, or is in the overlay. */
static void
capture_grew(struct capture *c, uint32_t end)
{
	if (c->file_size < end)
		c->file_size = end;
	c->file_keep = c->file_size;
}

static int
capture_write_pages(struct capture *c, const char *path, uint64_t upto, unsigned *budget)
{
	struct page **v = pages_sorted(&c->overlay);
	uint32_t most = budget ? *budget : UINT32_MAX, n = 0;
	bool all = c->overlay.n <= most;
	int rc = OK;

	for (uint32_t i = 0; i < c->overlay.n && n < most; i++)
		if (page_due(v[i], upto, all))
			v[n++] = v[i];
	if (pages_write(v, n, c->file.fd) != 0)
		rc = failure_set(&c->shard->store->failure, "write %s: %s", path, strerror(errno));
	for (uint32_t i = 0; i < n && rc == OK; i++)
		v[i]->since = 0;
	if (n && rc == OK)
		capture_grew(c, v[n - 1]->pgno + 1);
	if (budget)
		*budget -= n;
	free(v);
	return rc;
}

static int
copy_run(struct capture *c, const char *path, char *data, uint32_t first, uint32_t n)
{
	int rc = spill_read(&c->side, first, 0, n * PAGE_BYTES, data);

	if (rc != OK)
		return failure_set(&c->shard->store->failure, "%s", err_text());
	if (disk_write(c->file.fd, data, (size_t)n * PAGE_BYTES, (off_t)first * PAGE_BYTES) != 0)
		return failure_set(&c->shard->store->failure, "write %s: %s", path, strerror(errno));
	/* On its way at once, so that the checkpoint's sync finds little left and holds up nobody's. */
	sync_file_range(c->file.fd, (off_t)first * PAGE_BYTES, (off_t)n * PAGE_BYTES, SYNC_FILE_RANGE_WRITE);
	for (uint32_t i = 0; i < n; i++)
		spill_forget(&c->side, first + i);
	capture_grew(c, first + n);
	return OK;
}

static int
capture_copy_side(struct capture *c, const char *path, unsigned *budget)
{
	char *data = xmalloc((size_t)COPY_RUN * PAGE_BYTES);
	uint32_t first = 0, n;
	int rc = OK;

	while (rc == OK && (n = spill_run(&c->side, &first, !budget || *budget > COPY_RUN ? COPY_RUN : *budget))) {
		rc = copy_run(c, path, data, first, n);
		if (budget)
			*budget -= n;
	}
	free(data);
	return rc;
}

static void
capture_drop_clean(struct capture *c)
{
	struct pages kept = { 0 };
	struct page *p;

	for (uint32_t i = 0; (p = pages_next(&c->overlay, &i));) {
		if (p->since)
			pages_add(&kept, p);
		else
			page_put(&c->shard->pool, p);
	}
	free(c->overlay.slots);
	c->overlay = kept;
}

/* After a write: since is now the oldest that is left; the list stays in order. */
static void
capture_relist(struct capture *c)
{
	struct list *at;
	struct page *p;

	c->since = c->side.open ? c->side.since : 0;
	for (uint32_t i = 0; (p = pages_next(&c->overlay, &i));)
		if (p->since && (!c->since || p->since < c->since))
			c->since = p->since;
	list_del(&c->journaled);
	if (!c->since)
		return;
	at = c->shard->journaled.prev;
	while (at != &c->shard->journaled && container_of(at, struct capture, journaled)->since > c->since)
		at = at->prev;
	list_insert(at, &c->journaled);
}

static int
capture_fit(struct capture *c, const char *path)
{
	int rc = capture_open(c, path);

	/* Cut first: what is past file_keep must read as zeros when the file grows over it again. */
	if (rc == OK && c->file_size > c->file_keep)
		rc = capture_resize(c, path, c->file_keep);
	return rc;
}

int
capture_flush(struct capture *c, uint64_t upto, unsigned *budget)
{
	int64_t before = unwritten(c);
	char path[PATHS_MAX];
	int rc;

	if (failure_is(&c->shard->store->failure))
		return failure_err(&c->shard->store->failure);
	must(c->last_commit <= journal_durable(c->shard->store->journal));
	if (!c->since)
		return 1;
	paths_file(path, c->klass, c->id);
	if (c->committed == 0) {
		rc = capture_unlink(c, path);
	} else {
		shard_wrote(c->shard, c->klass, c->id);
		if ((rc = capture_fit(c, path)) == OK)
			rc = capture_write_pages(c, path, upto, budget);
		if (rc == OK && c->side.open && c->side.since <= upto)
			rc = capture_copy_side(c, path, budget);
		if (rc == OK && c->file_size < c->committed) {
			rc = capture_resize(c, path, c->committed);
			c->file_keep = c->file_size;
		}
	}
	if (rc != OK)
		return rc;
	if (c->overlay.n > CLEAN_KEPT)
		capture_drop_clean(c);
	if (c->side.n == 0)
		spill_close(&c->side);
	overlay_count(c, before);
	capture_relist(c);
	return !c->since || c->since > upto;
}

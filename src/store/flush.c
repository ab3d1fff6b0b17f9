/* flush.c -- committed pages on their way into the database's file; see capture.h.
 *
 *	overlay    --write_pages--> file   what holds up old segments, or all if the budget lasts
 *	side file  --copy_side----> file   a transaction that was too large for memory
 *
 * Only what is durable gets here, so the file never holds what could still be lost.
 */
#include "store/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "store/disk.h"
#include "store/inside.h"
#include "store/quarantine.h"
#include "store/shard.h"

enum {
	CLEAN_KEPT = 4,		/* pages kept in memory after they reached the file: the hot ones of small databases */
	COPY_RUN = 32		/* neighbouring pages of the side file copied at once */
};

static int
file_unlink(struct capture *c, const char *path)
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
file_make(struct capture *c, const char *path)
{
	struct shard *s = c->shard;

	if (file_open(&s->files, &c->file, path, true) >= 0)
		return OK;
	if (errno == ENOENT && paths_make(c->klass, c->id[0]) == 0 && file_open(&s->files, &c->file, path, true) >= 0)
		return OK;
	return failure_set(&s->store->failure, "open %s to write it: %s", path, strerror(errno));
}

static int
file_resize(struct capture *c, const char *path, uint32_t size)
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
file_grew(struct capture *c, uint32_t end)
{
	if (c->file_size < end)
		c->file_size = end;
	c->file_keep = c->file_size;
}

static int
write_pages(struct capture *c, const char *path, uint64_t upto, unsigned *budget)
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
		file_grew(c, v[n - 1]->pgno + 1);
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
	file_grew(c, first + n);
	return OK;
}

static int
copy_side(struct capture *c, const char *path, unsigned *budget)
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
drop_clean(struct capture *c)
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
relist(struct capture *c)
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
file_fit(struct capture *c, const char *path)
{
	int rc = file_make(c, path);

	/* Cut first: what is past file_keep must read as zeros when the file grows over it again. */
	if (rc == OK && c->file_size > c->file_keep)
		rc = file_resize(c, path, c->file_keep);
	return rc;
}

int
capture_flush(struct capture *c, uint64_t upto, unsigned *budget)
{
	int64_t before = capture_unwritten(c);
	char path[PATHS_MAX];
	int rc;

	if (failure_is(&c->shard->store->failure))
		return failure_err(&c->shard->store->failure);
	must(c->last_commit <= journal_durable(c->shard->store->journal));
	if (!c->since)
		return 1;
	paths_file(path, c->klass, c->id);
	if (c->committed == 0) {
		rc = file_unlink(c, path);
	} else {
		shard_wrote(c->shard, c->klass, c->id);
		if ((rc = file_fit(c, path)) == OK)
			rc = write_pages(c, path, upto, budget);
		if (rc == OK && c->side.open && c->side.since <= upto)
			rc = copy_side(c, path, budget);
		if (rc == OK && c->file_size < c->committed) {
			rc = file_resize(c, path, c->committed);
			c->file_keep = c->file_size;
		}
	}
	if (rc != OK)
		return rc;
	if (c->overlay.n > CLEAN_KEPT)
		drop_clean(c);
	if (c->side.n == 0)
		spill_close(&c->side);
	capture_count(c, before);
	relist(c);
	return !c->since || c->since > upto;
}

/* recover.c -- checks, replays and removes the journal; see recover.h. */
#include "store/recover.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "store/replay.h"
#include "store/segment.h"
#include "store/spill.h"

struct segments {
	uint64_t *v;			/* numbers, ascending */
	size_t n, cap;
};

/* -- which segments are there -- */

static bool
segment_number(const char *name, uint64_t *number)
{
	char again[32];

	if (sscanf(name, "%16" SCNx64, number) != 1)
		return false;
	snprintf(again, sizeof again, "%016" PRIx64 ".log", *number);
	return strcmp(name, again) == 0;
}

static int
number_order(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void
segments_add(struct segments *s, uint64_t number)
{
	if (s->n == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 16;
		s->v = xrealloc(s->v, s->cap * sizeof *s->v);
	}
	s->v[s->n++] = number;
}

static int
segments_list(struct segments *s, const char *dir)
{
	DIR *d = opendir(dir);
	char spare[4096];
	struct dirent *e;
	uint64_t number;

	if (!d)
		return err_set(ERR_IO, "open %s: %s", dir, strerror(errno));
	while ((e = readdir(d)))
		if (segment_number(e->d_name, &number))
			segments_add(s, number);
	closedir(d);
	snprintf(spare, sizeof spare, "%s/spare", dir);
	unlink(spare);			/* a recycled segment, never in use under this name */
	if (s->n)
		qsort(s->v, s->n, sizeof *s->v, number_order);
	return OK;
}

/* -- the first pass -- */

/* Where the records read so far end, and what must come next. */
struct walk {
	int (*step)(struct replay *, const struct record *, const char *path, uint64_t at);
	struct replay *replay;
	char path[4096];
	uint64_t at, next;		/* next commit; 0: any */
	bool empty;			/* path is a segment without records: none may follow */
};

static int
walk_gap(const struct walk *w, const struct segment *s, uint64_t at, uint64_t found)
{
	return err_set(ERR_CORRUPT, "the journal is damaged: %s cannot be read at byte %" PRIu64 ", where commit %" PRIu64
		" should be, yet %s goes on at byte %" PRIu64 " with commit %" PRIu64 ". Nothing was changed. Restore the data "
		"directory from a backup, or move the journal files away to go on without what they hold",
		w->path, w->at, w->next, s->path, at, found);
}

static int
walk_segment(struct walk *w, struct segment *s, struct recovered *out)
{
	struct record r;
	uint64_t at, before = out->records;
	int rc;

	while ((rc = segment_next(s, &r, &at)) == 1) {
		if (w->empty || (w->next && r.commit != w->next))
			return walk_gap(w, s, at, r.commit);
		if ((rc = w->step(w->replay, &r, s->path, at)) != OK)
			return rc;
		out->last_commit = r.commit;
		out->records++;
		w->next = r.commit + 1;
		w->at = s->at;
		snprintf(w->path, sizeof w->path, "%s", s->path);
	}
	if (rc == OK && out->records == before && !w->empty) {
		w->empty = true;
		w->at = s->at < s->size ? s->at : 0;
		snprintf(w->path, sizeof w->path, "%s", s->path);
	}
	return rc;
}

/* Every record of all segments, in order. */
static int
segments_walk(const struct segments *list, const char *dir, struct walk w, struct recovered *out)
{
	struct segment s;
	int rc = OK;

	*out = (struct recovered){ 0 };
	for (size_t i = 0; i < list->n && rc == OK; i++) {
		if ((rc = segment_open(&s, dir, list->v[i])) != OK)
			return rc;
		rc = walk_segment(&w, &s, out);
		segment_close(&s);
		out->last_segment = list->v[i];	/* also without records: a number is used once */
	}
	return rc;
}

/* -- the end -- */

/* Oldest first, each removal on disk before the next, so that what is left never has a gap. */
static int
segments_remove(const struct segments *list, const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = OK;
	char name[32];

	if (fd < 0)
		return err_set(ERR_IO, "open %s: %s", dir, strerror(errno));
	for (size_t i = 0; i < list->n && rc == OK; i++) {
		char path[4096];

		snprintf(name, sizeof name, "%016" PRIx64 ".log", list->v[i]);
		snprintf(path, sizeof path, "%s/%s", dir, name);
		if (unlink(path) != 0 || fsync(fd) != 0)
			rc = err_set(ERR_IO, "remove %s: %s", path, strerror(errno));
	}
	close(fd);
	return rc;
}

int
recover(const char *dir, const char *journal_dir, struct map *klasses, struct recovered *out)
{
	struct segments list = { 0 };
	struct replay *replay = replay_new(dir, journal_dir, klasses);
	int rc = segments_list(&list, journal_dir);

	if (rc == OK)
		rc = segments_walk(&list, journal_dir, (struct walk){ .step = replay_look, .replay = replay }, out);
	if (rc == OK && out->records)
		rc = segments_walk(&list, journal_dir, (struct walk){ .step = replay_record, .replay = replay }, out);
	if (rc == OK && out->records)
		rc = replay_finish(replay);
	replay_free(&replay);
	if (rc == OK && list.n)
		rc = segments_remove(&list, journal_dir);
	if (rc == OK)
		rc = spill_sweep(journal_dir);
	if (rc == OK && out->records)
		log_info("recovered the journal records=%" PRIu64 " segments=%zu last_commit=%" PRIu64, out->records, list.n, out->last_commit);
	free(list.v);
	return rc;
}

/* room.c -- see room.h. */
#include "store/room.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"

enum { LOOK_MS = 1000, LOOK_BYTES = 16 << 20 };

enum { LOW = 1, STARVED = 2 };

static double
mb(uint64_t bytes)
{
	return (double)bytes / (1 << 20);
}

/* "64.0 MB (min_free, drey.conf:5) and 1.2 MB for pages that are not in their files yet" */
static void
say_need(const struct room *r, char *text, size_t n)
{
	uint64_t need = atomic_load(&r->need);
	char where[256] = ", its default", owed[96] = "";

	if (r->line)
		snprintf(where, sizeof where, ", %.200s:%d", r->file, r->line);
	if (need > r->min_free)
		snprintf(owed, sizeof owed, " and %.1f MB for pages that are not in their files yet", mb(need - r->min_free));
	snprintf(text, n, "%.1f MB (min_free%s)%s", mb(r->min_free), where, owed);
}

/* -- the journal thread -- */

static void
room_change(struct room *r, bool low)
{
	char need[512];

	say_need(r, need, sizeof need);
	if (low)
		log_error("the disk is almost full: %s has %.1f MB free, less than %s: writes are refused, reads go on", r->dir,
			mb(atomic_load(&r->free_bytes)), need);
	else
		log_warn("the disk has room again: %s has %.1f MB free: writes go on", r->dir, mb(atomic_load(&r->free_bytes)));
	if (low)
		atomic_fetch_or(&r->refused, LOW);
	else
		atomic_fetch_and(&r->refused, ~(unsigned)LOW);
}

void
room_look(struct room *r, int fd, uint64_t written)
{
	struct statvfs st;
	uint64_t need, now_free;
	int64_t now;
	bool low = atomic_load(&r->refused) & LOW;

	if (!r->min_free)
		return;
	now = clock_ms();
	r->written += written;
	if (r->looked_ms && now - r->looked_ms < LOOK_MS && r->written < LOOK_BYTES)
		return;
	r->looked_ms = now;
	r->written = 0;
	if (fstatvfs(fd, &st) != 0)
		return;			/* what cannot be asked refuses nobody */
	now_free = (uint64_t)st.f_bavail * st.f_frsize;
	need = r->min_free + (r->owed ? r->owed(r->arg) : 0);
	atomic_store(&r->free_bytes, now_free);
	atomic_store(&r->need, need);
	/* It ends a little above where it began: a file system at the very edge would say so every second. */
	if (low ? now_free >= need + need / 16 : now_free < need)
		room_change(r, !low);
}

void
room_starve(struct room *r, bool starved)
{
	bool was = atomic_load(&r->refused) & STARVED;

	if (was == starved)
		return;
	if (starved) {
		log_error("the disk is full: the journal of %s finds no room (%s): writes are refused, reads go on", r->dir, strerror(errno));
		atomic_fetch_or(&r->refused, STARVED);
	} else {
		log_warn("the disk has room again: the journal of %s goes on", r->dir);
		atomic_fetch_and(&r->refused, ~(unsigned)STARVED);
	}
}

/* -- whoever is to write -- */

int
room_check(struct room *r)
{
	unsigned refused = atomic_load_explicit(&r->refused, memory_order_relaxed);
	char need[512];

	if (!refused)
		return OK;
	if (refused & STARVED)
		return err_set(ERR_LIMIT, "the disk is full: the journal of %s finds no room. Nothing was written; reads and deleteAll() work: "
			"free some room there", r->dir);
	say_need(r, need, sizeof need);
	return err_set(ERR_LIMIT, "the disk is almost full: %s has %.1f MB free, less than %s. Nothing was written; reads and deleteAll() work: "
		"free some room there, or lower min_free", r->dir, mb(atomic_load(&r->free_bytes)), need);
}

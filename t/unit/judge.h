/* judge.h -- what the events of a schedule did, and whether it was right; see schedule.h.
 *
 * Told by the engine of schedule.c and by breakage.c, which sees commits and rollbacks.
 */
#ifndef DREY_JUDGE_H
#define DREY_JUDGE_H

#include "fake_store.h"
#include "object/worker.h"
#include "schedule.h"

enum { OBJECTS = 4, DEEDS_MAX = 48, TALES_MAX = 4096, SERIALS_MAX = 16384 };

/* What one event did and saw, in order. */
struct tale {
	unsigned object;		/* where it runs */
	unsigned from;			/* OBJECTS: from outside; else the object that called */
	unsigned sent;			/* its number among those of the same sender to the same object */
	struct tale *parent;		/* of a call: whose, and how much of that one's story was told before */
	unsigned parent_n, parent_before;	/* ... and before its transaction */
	bool inside;			/* of a transaction, which began when there were so many deeds */
	unsigned before;
	unsigned said, came;		/* when it was answered by the engine; how often it came back */
	unsigned instance;		/* that ran it */
	unsigned n;
	uint32_t deeds[DEEDS_MAX];	/* serials written or read */
};

void judge_begin(struct life *, struct store *);
void judge_end(void);			/* everything must have come back */
void judge_store(struct store *);	/* after a power cut: this one goes on, and only what was durable counts */
struct tale *judge_tale(unsigned object, struct tale *parent);
unsigned judge_object(const unsigned char id[32]);	/* which of the objects this is */

void judge_instance(struct object *, int more);	/* +1 built, -1 forgotten */
void judge_delivered(struct object *, struct tale *);
void judge_runs(struct object *, const void *task);	/* a task of it is about to run */
void judge_locks(struct object *, const void *task, bool lock);
void judge_write(struct object *, struct tale *, bool relaxed);
void judge_read(struct object *, struct tale *);
uint32_t judge_begins(struct object *, struct tale *);	/* a transaction: a mark for judge_undone() */
void judge_undone(struct object *, uint32_t mark);	/* what was written since then is, on purpose */
void judge_parked(struct object *);
void judge_synced(struct tale *);
void judge_said(struct tale *);
void judge_came(struct tale *, const struct event *);

void judge_committed(struct db *, uint64_t commit);
void judge_dropped(struct db *);

void judge_fault(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif

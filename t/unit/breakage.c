/* breakage.c -- gates broken on purpose, to see whether the judge notices; and the judge's ears at the store.
 *
 * Linked with --wrap: a call of gate_hold() from another file comes to
 * __wrap_gate_hold(), the true one is __real_gate_hold().
 */
#include "judge.h"

#include "base/err.h"
#include "object/parts.h"

enum breakage breakage;

/* ---- the output gate ---- */

void __real_gate_hold(struct gate *, struct word *, uint64_t ticket);
void __wrap_gate_hold(struct gate *, struct word *, uint64_t ticket);

void
__wrap_gate_hold(struct gate *g, struct word *word, uint64_t ticket)
{
	if (breakage == BROKEN_HOLD)
		word->say(word, NULL);
	else
		__real_gate_hold(g, word, ticket);
}

void __real_gate_stamp(struct gate *, uint64_t commit);
void __wrap_gate_stamp(struct gate *, uint64_t commit);

void
__wrap_gate_stamp(struct gate *g, uint64_t commit)
{
	__real_gate_stamp(g, breakage == BROKEN_STAMP && commit ? commit - 1 : commit);
}

bool __real_gate_open(struct gate *, uint64_t durable);
bool __wrap_gate_open(struct gate *, uint64_t durable);

bool
__wrap_gate_open(struct gate *g, uint64_t durable)
{
	return __real_gate_open(g, breakage == BROKEN_OPEN ? TICKET_OPEN - 1 : durable);
}

void __real_gate_break_open(struct gate *, const struct failure *);
void __wrap_gate_break_open(struct gate *, const struct failure *);

void
__wrap_gate_break_open(struct gate *g, const struct failure *why)
{
	if (breakage != BROKEN_TELL && breakage != BROKEN_LOSS) {
		__real_gate_break_open(g, why);
		return;
	}
	list_each_safe(n, &g->words) {
		struct word *word = container_of(n, struct word, link);

		if (word->ticket != TICKET_OPEN)
			continue;
		list_del(n);
		if (breakage == BROKEN_LOSS)
			word->say(word, NULL);
	}
}

void __real_object_confirm(struct object *);
void __wrap_object_confirm(struct object *);

void
__wrap_object_confirm(struct object *o)
{
	if (breakage != BROKEN_CONFIRM)
		__real_object_confirm(o);
}

/* ---- the input gate and the mailbox ---- */

bool __real_input_admits(const struct input_gate *, const struct waiter *);
bool __wrap_input_admits(const struct input_gate *, const struct waiter *);

bool
__wrap_input_admits(const struct input_gate *g, const struct waiter *w)
{
	return breakage == BROKEN_LOCK || __real_input_admits(g, w);
}

struct waiter *__real_input_next(struct input_gate *);
struct waiter *__wrap_input_next(struct input_gate *);

struct waiter *
__wrap_input_next(struct input_gate *g)
{
	struct list *first;

	if (breakage != BROKEN_TURN)
		return __real_input_next(g);
	first = list_shift(&g->stalled);
	return first ? container_of(first, struct waiter, link) : NULL;
}

struct event *__real_mailbox_shift(struct mailbox *);
struct event *__wrap_mailbox_shift(struct mailbox *);

struct event *
__wrap_mailbox_shift(struct mailbox *m)
{
	struct list *last = m->events.prev;

	if (breakage == BROKEN_ORDER && m->n > 1) {
		list_del(last);
		list_insert(&m->events, last);
	}
	return __real_mailbox_shift(m);
}

/* ---- transactions ---- */

void __real_object_yield(struct object *);
void __wrap_object_yield(struct object *);

void
__wrap_object_yield(struct object *o)
{
	if (breakage != BROKEN_YIELD)
		__real_object_yield(o);
}

int __real_sql_release(struct db *, bool keep);
int __wrap_sql_release(struct db *, bool keep);

int
__wrap_sql_release(struct db *db, bool keep)
{
	return __real_sql_release(db, keep || breakage == BROKEN_UNDO);
}

int __real_db_commit(struct db *, uint64_t *commit);
int __wrap_db_commit(struct db *, uint64_t *commit);

int
__wrap_db_commit(struct db *db, uint64_t *commit)
{
	uint64_t before = db_last_commit(db);
	int rc = __real_db_commit(db, commit);

	if (rc != OK)
		judge_dropped(db);
	else if (db_last_commit(db) != before)
		judge_committed(db, db_last_commit(db));
	return rc;
}

void __real_db_rollback(struct db *);
void __wrap_db_rollback(struct db *);

void
__wrap_db_rollback(struct db *db)
{
	judge_dropped(db);
	if (breakage != BROKEN_ROLLBACK)
		__real_db_rollback(db);
}

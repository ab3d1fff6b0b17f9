/* transaction.c -- storage:transaction(): what is open, who may end it, and what becomes of it.
 *
 *	object_lock    nobody else runs in this object
 *	object_begin   what was written before is committed; a savepoint in a transaction of its own
 *	  ...          the task may park: neither a yield nor the end of the tick commits
 *	object_end     the savepoint is kept or undone; after the outermost: commit; the gate is given back
 *
 * Words while one is open.  An answer of this object can only be said by a
 * task that runs, and only the task that holds the gate runs: it has no answer before
 * its transaction has ended (object_let_go() sees to it).  So no answer can
 * claim a write that is not committed.  What that task does say inside are calls to
 * others.  They cannot wait for the commit, which waits for the end, which waits for
 * them; so they take the ticket of the last commit, and leave though what
 * was written inside may still be undone -- as in the original.  So do the
 * pieces of a stream that it writes inside: the gate keeps words in order, and a piece
 * that waited for the commit would hold up a call behind it.
 */
#include <stdlib.h>

#include "base/err.h"
#include "object/parts.h"
#include "store/sql.h"

struct transaction {
	struct transaction *outer;
	uint64_t id;
	int depth;		/* of its savepoint */
	bool relaxed;		/* of the object when it began: what it wanted is undone with it */
	bool undone;		/* rolled back; its function still runs, and the gate is held */
};

static struct transaction *
find(const struct object *o, uint64_t id)
{
	struct transaction *x = o->transaction;

	while (x && x->id != id)
		x = x->outer;
	return x;
}

/* After the outermost savepoint what is written is an implicit transaction again. */
static void
one_less(struct object *o)
{
	must(o->transactions > 0);
	if (--o->transactions == 0 && (db_dirty(o->db) || db_broken(o->db)) && !list_linked(&o->dirty_link))
		list_push(&o->worker->dirty, &o->dirty_link);
}

static int
finish(struct object *o, struct transaction *x, bool keep)
{
	int rc;

	if (x->undone)
		return OK;
	rc = sql_release(o->db, keep);
	if (!keep || rc < 0)
		o->relaxed = x->relaxed;
	x->undone = true;
	one_less(o);
	return rc;
}

static void
pop(struct object *o)
{
	struct transaction *x = o->transaction;

	o->transaction = x->outer;
	free(x);
}

int
object_begin(struct object *o, uint64_t *id)
{
	struct transaction *x;
	int rc;

	if (o->transactions == 0) {
		object_yield(o);
		if (o->reset)
			return err_set(ERR_STORE, "%.*s", (int)o->reset->message.n, o->reset->message.p);
		object_relax(o);	/* to begin is not to write: what is written inside decides */
	}
	o->transactions++;		/* before on_dirty() looks */
	rc = sql_savepoint(o->db);
	if (rc < 0) {
		one_less(o);
		return rc;
	}
	x = xcalloc(1, sizeof(*x));
	*x = (struct transaction){ o->transaction, ++o->last_transaction, sql_depth(o->db), o->relaxed, false };
	o->transaction = x;
	*id = x->id;
	return OK;
}

bool
object_within(const struct object *o, uint64_t id)
{
	const struct transaction *x = find(o, id);

	return x && !x->undone;
}

int
object_undo(struct object *o, uint64_t id)
{
	struct transaction *x = find(o, id);

	must(x && !x->undone);
	for (struct transaction *inner = o->transaction; inner != x; inner = inner->outer)
		if (!inner->undone)
			goto nested;
	if (sql_depth(o->db) != x->depth && !db_broken(o->db))
		goto nested;		/* inside transactionSync() */
	return finish(o, x, false);
nested:
	return err_set(ERR_ARGUMENT, "Cannot roll back an outer transaction while a nested transaction is still running.");
}

int
object_end(struct object *o, struct waiter *waiter, uint64_t id, bool keep)
{
	static const char left[] = "a transaction ended while one that was begun inside it still ran (in another coroutine): both were rolled back";
	struct transaction *x = find(o, id);
	bool nested = false;
	int rc;

	if (!x)
		return err_set(ERR_ARGUMENT, "this transaction was rolled back: the handler that began it ended before its function did");
	for (; o->transaction != x; nested = true) {
		finish(o, o->transaction, false);
		pop(o);
		object_unlock(o, waiter);
	}
	rc = finish(o, x, keep && !nested);
	pop(o);
	if (o->transactions == 0)
		object_yield(o);
	object_unlock(o, waiter);
	return nested && rc == OK ? err_set(ERR_ARGUMENT, left) : rc;
}

void
transactions_forget(struct object *o)
{
	while (o->transaction)
		pop(o);
	o->transactions = 0;
}

void
object_let_go(struct object *o, struct waiter *waiter)
{
	static const struct failure stuck = {
		.message = STR("A critical section within this Durable Object awaited a Promise that apparently will never complete. "
		    "(ctx:blockConcurrencyWhile(fn): the handler ended while fn had not; was it left in a coroutine that nobody resumes?)"),
		.reset = true
	};
	unsigned held = o->input.depth, transactions = 0;

	if (!input_drop(&o->input, waiter))
		return;
	for (; o->transaction; transactions++) {
		finish(o, o->transaction, false);
		pop(o);
	}
	object_ready(o);
	if (held > transactions)
		object_break(o, &stuck);
}

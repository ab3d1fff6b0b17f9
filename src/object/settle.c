/* settle.c -- deeds first, then words.
 *
 *	words held open --db_commit--> commit N --gate_stamp--> words that wait for N
 *	                     |                                        |
 *	                     | refused                                | store_durable() >= N
 *	                     v                                        v
 *	                 reset: they are told why                  they leave
 *
 * A transaction all of whose writes said allowUnconfirmed gives its words the
 * number of the newest commit that was not such a one.
 */
#include <stdio.h>

#include "base/err.h"
#include "base/log.h"
#include "object/parts.h"

static uint64_t
durable(const struct worker *w)
{
	return store_durable(w->runtime->store);
}

/* The number of the last commit that something said now could have seen and has to wait for. */
static uint64_t
ticket(struct object *o)
{
	if (o->worker->failed)
		return 0;		/* nothing becomes durable any more, and all that is said is a failure */
	if (o->state == OBJECT_BROKEN)
		return o->confirmed;
	if (o->reset)
		return TICKET_OPEN;
	if (!db_broken(o->db))
		return db_dirty(o->db) && o->transactions == 0 ? TICKET_OPEN : o->confirmed;	/* inside one: see transaction.c */
	/* Its transaction is lost, though the handler may not have noticed: the commit will fail and say why. */
	if (!list_linked(&o->dirty_link))
		list_push(&o->worker->dirty, &o->dirty_link);
	return TICKET_OPEN;
}

static void
want(struct worker *w, uint64_t commit)
{
	if (commit > w->wanted)
		w->wanted = commit;
}

static void
hold(struct object *o, struct word *word, uint64_t t)
{
	struct worker *w = o->worker;

	if (gate_empty(&o->gate) && t <= durable(w)) {
		word->say(word, NULL);
		return;
	}
	idle_stir(o);
	gate_hold(&o->gate, word, t);
	if (t != TICKET_OPEN)
		want(w, t);
	if (!list_linked(&o->gate_link))
		list_push(&w->gates, &o->gate_link);
}

void
settle_hold(struct object *o, struct word *word)
{
	hold(o, word, ticket(o));
}

static void
say_nothing(struct word *word, const struct failure *broken)
{
	(void)word, (void)broken;
}

bool
settle_durable(struct object *o)
{
	if (o->worker->failed || db_last_commit(o->db) <= durable(o->worker))
		return true;
	o->sleep.say = say_nothing;
	hold(o, &o->sleep, db_last_commit(o->db));
	return false;
}

void
object_relax(struct object *o)
{
	if (!db_dirty(o->db))
		o->relaxed = true;
}

void
object_confirm(struct object *o)
{
	o->relaxed = false;
}

bool
object_sync(struct object *o, struct word *word)
{
	struct worker *w = o->worker;

	word->ticket = db_last_commit(o->db);
	if (word->ticket <= durable(w))
		return true;
	list_push(&w->syncs, &word->link);
	want(w, word->ticket);
	return false;
}

/* They belong to many objects, so their tickets come in any order.  What they say only wakes tasks: the line stays as it is meanwhile. */
static void
tell_syncs(struct worker *w, uint64_t upto)
{
	list_each_safe(n, &w->syncs) {
		struct word *word = container_of(n, struct word, link);

		if (word->ticket > upto)
			continue;
		list_del(n);
		word->say(word, NULL);
	}
}

static void
open_gate(struct object *o, uint64_t upto)
{
	if (!gate_open(&o->gate, upto))
		return;
	list_del(&o->gate_link);
	if (o->evict)
		object_ready(o);
	idle_rest(o);
}

/* The name goes into the first transaction, so that an object found by its file alone still knows it. */
static int
keep_name(struct object *o)
{
	struct str kept;

	if (!o->name.p || o->name_stored || !db_exists(o->db))
		return OK;
	if (db_meta_get(o->db, META_NAME, &kept) == OK && kept.p && str_eq(kept, o->name))
		return OK;
	return db_meta_put(o->db, META_NAME, o->name);
}

/* A broken database may have nothing left to commit; any call on it says why it broke. */
static int
commit_object(struct object *o, uint64_t *commit)
{
	struct str none;
	int rc;

	if (db_broken(o->db)) {
		rc = db_meta_get(o->db, META_NAME, &none);
		return rc < 0 ? rc : err_set(ERR_STORE, "the object's database broke");
	}
	rc = keep_name(o);
	return rc < 0 ? rc : db_commit(o->db, commit);
}

static void
commit_lost(struct object *o)
{
	static const char constraint[] = "Durable Object was reset and rolled back to its last known good state because "
		"the application left the database in a state where constraints were violated: ";
	char text[4096];

	snprintf(text, sizeof(text), "%s%s", strstr(err_text(), "SQLITE_CONSTRAINT") ? constraint : "", err_text());
	object_break(o, &(struct failure){ .message = str_c(text) });
}

void
settle_object(struct object *o)
{
	uint64_t before = db_last_commit(o->db), commit = before;
	bool relaxed = o->relaxed;

	list_del(&o->dirty_link);
	o->relaxed = false;
	if (o->reset)
		return;			/* it will be dropped, and who saw it told */
	if (commit_object(o, &commit) != OK) {
		commit_lost(o);
		return;
	}
	if (!relaxed && commit != before)
		o->confirmed = commit;
	o->name_stored = o->name.p && db_exists(o->db);
	if (o->evict)
		object_ready(o);
	if (gate_empty(&o->gate)) {
		idle_rest(o);
		return;
	}
	gate_stamp(&o->gate, o->confirmed);
	want(o->worker, o->confirmed);
	if (o->confirmed <= durable(o->worker))
		open_gate(o, o->confirmed);	/* nothing was written after all, or nothing that must be waited for */
}

void
settle_dirty(struct worker *w)
{
	while (!list_empty(&w->dirty))
		settle_object(list_first(&w->dirty, struct object, dirty_link));
}

void
settle_gates(struct worker *w)
{
	uint64_t upto = durable(w);

	if (upto == w->seen_durable)
		return;
	w->seen_durable = upto;
	w->asked = 0;			/* that wish was fulfilled; who still waits wishes again */
	list_each_safe(n, &w->gates)
		open_gate(container_of(n, struct object, gate_link), upto);
	tell_syncs(w, upto);
}

void
settle_ask(struct worker *w)
{
	if (w->wanted <= w->seen_durable || w->wanted <= w->asked)
		return;
	w->asked = w->wanted;
	shard_want(w->shard, w->wanted);
}

static void
tell_everybody(struct worker *w, const struct failure *why)
{
	struct object *o;

	for (size_t i = 0; (o = map_next(&w->objects.map, &i));) {
		gate_break(&o->gate, why);
		list_del(&o->gate_link);
		object_break(o, why);
	}
}

static struct str
failure_text(const struct worker *w, char *text, size_t n)
{
	snprintf(text, n, "storage failed: %s; the write is not saved", store_failure(w->runtime->store));
	return str_c(text);
}

void
settle_failure(struct worker *w)
{
	char text[4096];

	if (w->failed || !store_failed(w->runtime->store))
		return;
	settle_gates(w);		/* what is on disk is on disk */
	w->failed = true;
	tell_everybody(w, &(struct failure){ .message = failure_text(w, text, sizeof(text)), .reset = true });
}

void
settle_refuse(struct worker *w, struct event *ev)
{
	char text[4096];

	event_fail_with(ev, &(struct failure){ .message = failure_text(w, text, sizeof(text)), .reset = true });
}

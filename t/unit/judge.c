/* judge.c -- see judge.h. */
#include "judge.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"

enum fate { OPEN, COMMITTED, DROPPED, UNDONE };

/* One write. */
struct deed {
	unsigned object;
	enum fate fate;
	bool relaxed;			/* alone: it said so; committed: all of its transaction said so */
	uint64_t commit;
};

struct model {
	uint32_t stack[SERIALS_MAX];	/* its writes that count, oldest first */
	unsigned n;
	unsigned instances, built;	/* alive now; ever */
	const void *owner;		/* of its lock */
	unsigned depth;
	unsigned sent[OBJECTS + 1], got[OBJECTS + 1];	/* by sender */
	unsigned said, heard;		/* answers to the outside that succeeded */
};

static struct {
	struct life *life;
	struct store *store;
	struct model objects[OBJECTS];
	struct deed deeds[SERIALS_MAX];
	uint32_t serials, open;		/* given so far, 0 is nobody's; none before this one is open */
	struct tale tales[TALES_MAX];
	unsigned ntales;
} j;

void
judge_fault(const char *fmt, ...)
{
	va_list ap;

	if (j.life->fault[0])
		return;
	va_start(ap, fmt);
	vsnprintf(j.life->fault, sizeof(j.life->fault), fmt, ap);
	va_end(ap);
}

static struct model *
model_of(const struct object *o)
{
	return &j.objects[judge_object(o->id.b)];
}

/* ---- a life begins and ends ---- */

void
judge_begin(struct life *life, struct store *store)
{
	memset(&j, 0, sizeof(j));
	memset(life, 0, sizeof(*life));
	j.open = 1;
	j.life = life;
	j.store = store;
}

void
judge_end(void)
{
	for (unsigned i = 0; i < j.ntales; i++)
		if (j.tales[i].came != 1)
			judge_fault("event %u of object %u, of sender %u, came back %u times; it was %s", i, j.tales[i].object, j.tales[i].from,
			    j.tales[i].came, j.tales[i].said ? "answered" : j.tales[i].instance ? "delivered" : "never delivered");
	for (unsigned i = 0; i < OBJECTS; i++)
		if (j.objects[i].instances)
			judge_fault("object %u has an instance that was never forgotten", i);
}

/* The power is gone: those who have not been answered never will be, and what was not on disk never was. */
void
judge_store(struct store *store)
{
	uint64_t durable = store_durable(j.store);

	for (uint32_t s = 1; s <= j.serials; s++) {
		struct deed *d = &j.deeds[s];

		if (d->fate == OPEN || (d->fate == COMMITTED && d->commit > durable))
			d->fate = DROPPED;
	}
	for (unsigned i = 0; i < j.ntales; i++)
		if (!j.tales[i].came)
			j.tales[i].came = 1;
	for (unsigned i = 0; i < OBJECTS; i++) {
		j.objects[i].instances = 0;
		j.objects[i].owner = NULL;
		j.objects[i].depth = 0;
		j.objects[i].heard = j.objects[i].said;
	}
	j.store = store;
}

struct tale *
judge_tale(unsigned object, struct tale *parent)
{
	struct tale *t = &j.tales[j.ntales++];

	must(j.ntales < TALES_MAX);
	t->object = object;
	t->parent = parent;
	t->parent_n = parent ? parent->n : 0;
	t->parent_before = parent && parent->inside ? parent->before : t->parent_n;
	t->from = parent ? parent->object : OBJECTS;
	t->sent = ++j.objects[object].sent[t->from];
	return t;
}

/* ---- one at a time, in order ---- */

void
judge_instance(struct object *o, int more)
{
	struct model *m = model_of(o);

	m->instances += (unsigned)more;
	m->built += more > 0;
	if (m->instances > 1)
		judge_fault("object %u has two instances", judge_object(o->id.b));
	m->owner = NULL;
	m->depth = 0;
}

void
judge_runs(struct object *o, const void *task)
{
	struct model *m = model_of(o);

	if (m->owner && m->owner != task)
		judge_fault("a task of object %u ran while another held its lock", judge_object(o->id.b));
	if (m->instances != 1)
		judge_fault("a task of object %u ran without an instance", judge_object(o->id.b));
}

void
judge_locks(struct object *o, const void *task, bool lock)
{
	struct model *m = model_of(o);

	m->depth += lock ? 1 : -1u;
	m->owner = m->depth ? task : NULL;
}

static bool told(const struct tale *, unsigned before, unsigned n, const char *what);

void
judge_delivered(struct object *o, struct tale *t)
{
	struct model *m = model_of(o);

	judge_runs(o, NULL);
	if (t->sent <= m->got[t->from])
		judge_fault("object %u got event %u of sender %u after event %u", t->object, t->sent, t->from, m->got[t->from]);
	m->got[t->from] = t->sent;
	t->instance = m->built;
	if (t->parent)
		told(t->parent, t->parent_before, t->parent_n, "called another object");
}

/* ---- writes and reads ---- */

static void
add(struct tale *t, uint32_t serial)
{
	must(t->n < DEEDS_MAX);
	t->deeds[t->n++] = serial;
}

/* The newest write of the object that counts; 0: none. */
static uint32_t
expected(struct model *m)
{
	while (m->n && j.deeds[m->stack[m->n - 1]].fate >= DROPPED)
		m->n--;
	return m->n ? m->stack[m->n - 1] : 0;
}

void
judge_write(struct object *o, struct tale *t, bool relaxed)
{
	struct model *m = model_of(o);
	uint64_t serial = ++j.serials;

	must(serial < SERIALS_MAX);
	expected(m);
	m->stack[m->n++] = (uint32_t)serial;
	j.deeds[serial] = (struct deed){ .object = t->object, .relaxed = relaxed };
	fake_db_set(o->db, (int64_t)(serial << 32 | ((uint64_t)fake_db_number(o->db) & UINT32_MAX)));
	fake_db_set(o->db, (int64_t)(serial << 32 | serial));
	add(t, (uint32_t)serial);
}

void
judge_read(struct object *o, struct tale *t)
{
	uint64_t number = (uint64_t)fake_db_number(o->db);
	uint32_t serial = (uint32_t)number, want = expected(model_of(o));

	if (number >> 32 != serial)
		judge_fault("object %u saw half of a write: %u and %u", t->object, (unsigned)(number >> 32), serial);
	else if (serial != want)
		judge_fault("object %u holds write %u, it should hold %u", t->object, serial, want);
	else if (serial)
		add(t, serial);
}

/* The next open write of this object from serial s on; 0: none. */
static uint32_t
open_write(unsigned object, uint32_t s)
{
	while (j.open <= j.serials && j.deeds[j.open].fate != OPEN)
		j.open++;
	for (s = s > j.open ? s : j.open; s <= j.serials; s++)
		if (j.deeds[s].fate == OPEN && j.deeds[s].object == object)
			return s;
	return 0;
}

uint32_t
judge_begins(struct object *o, struct tale *t)
{
	if (o->transactions == 1) {
		uint32_t s = open_write(judge_object(o->id.b), 1);

		if (s)
			judge_fault("a transaction of object %u began, and write %u before it is still open", t->object, s);
		t->before = t->n;
		t->inside = true;
	}
	return j.serials;
}

void
judge_undone(struct object *o, uint32_t mark)
{
	unsigned object = judge_object(o->id.b);

	for (uint32_t s = mark; (s = open_write(object, s + 1));)
		j.deeds[s].fate = UNDONE;
}

void
judge_parked(struct object *o)
{
	unsigned object = judge_object(o->id.b);
	uint32_t s = o->reset || o->transactions ? 0 : open_write(object, 1);

	if (s)
		judge_fault("a task of object %u parked, and write %u is still open", object, s);
}

void
judge_committed(struct db *db, uint64_t commit)
{
	unsigned object = judge_object(fake_db_id(db));
	bool relaxed = true;

	j.life->commits++;
	for (uint32_t s = 0; (s = open_write(object, s + 1));)
		relaxed &= j.deeds[s].relaxed;
	for (uint32_t s = 0; (s = open_write(object, s + 1));) {
		j.deeds[s].fate = COMMITTED;
		j.deeds[s].commit = commit;
		j.deeds[s].relaxed = relaxed;
	}
}

void
judge_dropped(struct db *db)
{
	unsigned object = judge_object(fake_db_id(db));

	for (uint32_t s = 0; (s = open_write(object, s + 1));)
		j.deeds[s].fate = DROPPED;
}

/* ---- words ---- */

/* Somebody has heard of the first n deeds of this tale: they must be on disk.  Those from before on are of a transaction that may still be
 * open: if they are not committed, that is as it should be. */
static bool
told(const struct tale *t, unsigned before, unsigned n, const char *what)
{
	static const char *const fates[] = { "is not committed", "is not durable", "was dropped" };
	uint64_t durable = store_durable(j.store);

	for (unsigned i = 0; i < n; i++) {
		const struct deed *d = &j.deeds[t->deeds[i]];

		if (d->fate == COMMITTED && (d->relaxed || d->commit <= durable))
			continue;
		if (d->fate == UNDONE || (i >= before && d->fate != COMMITTED))
			continue;
		judge_fault("object %u %s, and write %u that it had seen %s", t->object, what, t->deeds[i], fates[d->fate]);
		return false;
	}
	return true;
}

void
judge_synced(struct tale *t)
{
	uint64_t durable = store_durable(j.store);

	for (unsigned i = 0; i < t->n; i++)
		if (j.deeds[t->deeds[i]].commit > durable)
			judge_fault("sync() returned in object %u before write %u was durable", t->object, t->deeds[i]);
}

void
judge_said(struct tale *t)
{
	t->said = ++j.objects[t->object].said;
}

/* A failure that says "reset" promises nothing; all else does, an error of the handler too. */
void
judge_came(struct tale *t, const struct event *ev)
{
	struct model *m = &j.objects[t->object];

	if (++t->came > 1)
		judge_fault("an event of object %u came back twice", t->object);
	if (ev->failed && (ev->failure.reset || !t->said))
		return;
	told(t, t->n, t->n, "answered");
	if (t->from != OBJECTS || ev->failed)
		return;
	if (t->said < m->heard)
		judge_fault("answer %u of object %u came after answer %u", t->said, t->object, m->heard);
	m->heard = t->said;
}

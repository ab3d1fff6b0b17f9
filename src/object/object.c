/* object.c -- an object's life, and what the engine may say about it.
 *
 * Nothing here runs code of a tenant: it is called from inside the engine, so
 * it only writes down what the tick does next.
 */
#include "object/object.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/log.h"
#include "object/parts.h"

enum { LABEL_DIGITS = 12 };

/* From the row to the column: the drawing in object.h. */
static const bool steps[4][4] = {
	[OBJECT_ASLEEP] = { [OBJECT_WAKING] = true, [OBJECT_BROKEN] = true },
	[OBJECT_WAKING] = { [OBJECT_AWAKE] = true, [OBJECT_BROKEN] = true },
	[OBJECT_AWAKE] = { [OBJECT_ASLEEP] = true, [OBJECT_BROKEN] = true },
	[OBJECT_BROKEN] = { [OBJECT_ASLEEP] = true },
};

void
object_become(struct object *o, enum object_state state)
{
	must(steps[o->state][state]);
	o->state = state;
}

static void
on_dirty(void *arg)
{
	struct object *o = arg;

	if (list_linked(&o->dirty_link))
		return;
	idle_stir(o);
	if (o->transactions > 0)
		return;			/* its end commits */
	list_push(&o->worker->dirty, &o->dirty_link);
}

/* The configuration's numbers, for SQLite. */
static void
ask_limits(void *arg, struct sql_limits *limits)
{
	static const struct {
		const char *name;
		size_t offset;
	} rows[SQL_LIMITS] = {
		[SQL_LIMIT_LENGTH] = { "length", offsetof(struct app_conf, sql_limits.length) },
		[SQL_LIMIT_STATEMENT] = { "statement", offsetof(struct app_conf, sql_limits.statement) },
		[SQL_LIMIT_COLUMNS] = { "columns", offsetof(struct app_conf, sql_limits.columns) },
		[SQL_LIMIT_PARAMS] = { "params", offsetof(struct app_conf, sql_limits.params) },
		[SQL_LIMIT_EXPR_DEPTH] = { "expr_depth", offsetof(struct app_conf, sql_limits.expr_depth) },
		[SQL_LIMIT_COMPOUND_SELECT] = { "compound_select", offsetof(struct app_conf, sql_limits.compound_select) },
		[SQL_LIMIT_FUNCTION_ARG] = { "function_arg", offsetof(struct app_conf, sql_limits.function_arg) },
		[SQL_LIMIT_LIKE_PATTERN] = { "like_pattern", offsetof(struct app_conf, sql_limits.like_pattern) },
		[SQL_LIMIT_TRIGGER_DEPTH] = { "trigger_depth", offsetof(struct app_conf, sql_limits.trigger_depth) },
		[SQL_LIMIT_VDBE_OP] = { "vdbe_op", offsetof(struct app_conf, sql_limits.vdbe_op) },
		[SQL_LIMIT_STORAGE] = { "storage", offsetof(struct app_conf, limits.storage) },
	};
	const struct object *o = arg;
	const struct app_conf *conf = o->class->app->conf;
	char label[512];
	size_t skip, n;

	for (int i = 0; i < SQL_LIMITS; i++) {
		struct place at = settings_limit_at(conf, rows[i].name);

		limits->of[i].value = (int64_t)*(const uint64_t *)((const char *)conf + rows[i].offset);
		limits->of[i].file = at.file;
		limits->of[i].line = at.line;
	}
	skip = strlen(o->class->app->name) + strlen(o->class->name) + 2;
	n = object_label(o, label, sizeof(label)).n;
	snprintf(limits->object, sizeof(limits->object), "%.100s", label + (skip < n ? skip : 0));
}

static bool
ask_stop(void *arg)
{
	const struct object *o = arg;

	return atomic_load_explicit(&o->worker->overtime, memory_order_relaxed);
}

void
object_db_new(struct object *o)
{
	struct db_name name = { .app = o->class->app->name, .class_name = o->class->name };

	memcpy(name.id, o->id.b, sizeof(name.id));
	o->db = db_new(o->worker->shard, &name, on_dirty, o);
	db_ask_limits(o->db, ask_limits);
	db_ask_stop(o->db, ask_stop);
	o->name_stored = false;
}

/* Its pages go to its file; what cannot be written there is in the journal, or the store says that it failed. */
int
object_db_free(struct object *o)
{
	char label[256];
	int rc = db_free(&o->db);

	list_del(&o->dirty_link);
	if (rc != OK)
		log_error("closing the database of %s: %s", object_label(o, label, sizeof(label)).p, err_text());
	return rc;
}

struct object *
object_new(struct worker *w, const struct class *class, const struct object_id *id)
{
	struct object *o = xcalloc(1, sizeof(*o));

	o->id = *id;
	o->class = class;
	o->worker = w;
	mailbox_init(&o->mailbox, class->app->conf);
	input_init(&o->input);
	gate_init(&o->gate);
	list_init(&o->ready_link);
	list_init(&o->dirty_link);
	list_init(&o->gate_link);
	list_init(&o->idle_link);
	list_init(&o->sleep.link);
	life_init(o);
	object_db_new(o);
	return o;
}

void
object_free(struct object **op)
{
	struct object *o = *op;

	*op = NULL;
	must(o->state == OBJECT_ASLEEP && !o->instance && !o->reset && !o->db);
	must(!o->transaction && gate_empty(&o->gate) && o->mailbox.n == 0 && list_empty(&o->input.stalled));
	must(!list_linked(&o->ready_link) && !list_linked(&o->gate_link) && !list_linked(&o->idle_link));
	life_fini(o);
	free((char *)o->name.p);
	free(o);
}

void
object_know_name(struct object *o, struct str name)
{
	char *p;

	if (o->name.p || !name.p)
		return;
	p = xmalloc(name.n + 1);
	memcpy(p, name.p, name.n);
	p[name.n] = '\0';
	o->name = str_n(p, name.n);
}

void
object_ready(struct object *o)
{
	if (list_linked(&o->ready_link))
		return;
	idle_stir(o);
	list_push(&o->worker->ready, &o->ready_link);
}

void
object_awake(struct object *o)
{
	object_become(o, OBJECT_AWAKE);
	object_ready(o);
}

static void
answer_say(struct word *word, const struct failure *broken)
{
	struct event *ev = container_of(word, struct event, word);
	struct worker *w = ev->object->worker;

	if (broken)
		event_overrule(ev, broken);
	ev->object = NULL;
	worker_answer(w, ev);
}

void
object_answer(struct object *o, struct event *ev)
{
	must(ev->object == o && o->running > 0);
	o->running--;
	if (!ev->own) {
		o->callers--;
		o->life.called_ms = o->worker->now_ms;
	}
	list_del(&ev->link);		/* perhaps its engine was to be told that the caller has gone */
	ev->task = NULL;
	ev->word.say = answer_say;
	settle_hold(o, &ev->word);
	if (o->evict)
		object_ready(o);
	idle_rest(o);
}

static void
emit_say(struct word *word, const struct failure *broken)
{
	struct event *ev = container_of(word, struct event, word);

	if (!broken) {
		worker_send(ev->home, ev);
		return;
	}
	event_overrule(ev, broken);
	worker_answer(ev->home, ev);
}

void
object_emit(struct object *o, struct event *ev)
{
	must(ev->home == o->worker);
	if (o->callers == 0)
		life_pin(o);
	ev->word.say = emit_say;
	if (o->state == OBJECT_BROKEN)
		emit_say(&ev->word, o->reset);
	else
		settle_hold(o, &ev->word);
}

bool
object_undoes(const struct object *o)
{
	return o->class->conf && o->class->conf->rollback;
}

void
object_yield(struct object *o)
{
	if (list_linked(&o->dirty_link))
		settle_object(o);
}

/* On the list of dirty ones it stays: words that wait there get their number at the end of the tick. */
void
object_raised(struct object *o)
{
	if (!object_undoes(o) || o->transactions || !db_dirty(o->db))	/* object_let_go() rolls back a transaction that was left open */
		return;
	db_rollback(o->db);
	o->relaxed = o->name_stored = false;
}

/* A broken object's tasks are being put away by the engine; none of them goes on. */
void
object_wake(struct object *o, struct waiter *waiter)
{
	if (o->state == OBJECT_BROKEN)
		return;
	idle_stir(o);
	input_stall(&o->input, waiter);
	if (serve_has_work(o))
		object_ready(o);
}

int
object_lock(struct object *o, struct waiter *waiter)
{
	int rc = input_lock(&o->input, waiter);

	if (rc == ERR_BUSY)
		input_stall(&o->input, waiter);
	return rc;
}

void
object_unlock(struct object *o, struct waiter *waiter)
{
	if (input_unlock(&o->input, waiter))
		object_ready(o);
}

void
object_hold(struct object *o)
{
	idle_stir(o);
	o->running++;
	o->holds++;
	life_pin(o);
}

void
object_release(struct object *o)
{
	must(o->holds > 0);
	o->holds--;
	o->running--;
	if (o->evict)
		object_ready(o);
	idle_rest(o);
}

void
object_stream(struct object *o)
{
	o->streams++;
}

void
object_stream_end(struct object *o)
{
	must(o->streams > 0);
	o->streams--;
	o->life.called_ms = o->worker->now_ms;
	idle_rest(o);
}

void
object_evict(struct object *o)
{
	if (o->state != OBJECT_AWAKE)
		return;
	o->evict = true;
	object_ready(o);
}

struct str
object_label(const struct object *o, char *buf, size_t n)
{
	bool plain = o->name.p && !memchr(o->name.p, '\0', o->name.n);
	char hex[ID_HEX + 1];
	int len;

	id_hex(&o->id, hex);
	hex[LABEL_DIGITS] = '\0';
	len = snprintf(buf, n, "%s/%s/%s", o->class->app->name, o->class->name, plain ? o->name.p : hex);
	must(len >= 0);
	return str_n(buf, (size_t)len < n ? (size_t)len : n - 1);
}

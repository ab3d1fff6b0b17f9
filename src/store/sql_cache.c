/* sql_cache.c -- compiling statements, keeping them, handing them out.
 *
 * Bounds: a mebibyte of text, as in the original, and besides a number of
 * statements, because a compiled statement weighs far more than its text (2 to 5 KB for
 * one line of SQL) and an app that pastes values into its SQL makes a new
 * text each time.
 *
 * A PRAGMA is never kept: it acts while it is compiled.  Nor is what changes the schema.
 *
 * Thread: the owning worker only.
 */
#include "store/sql_cache.h"

#include <limits.h>
#include <stdlib.h>

#include "base/err.h"

#define TEXT_BYTES_MAX (1u << 20)
#define STATEMENTS_MAX 64

struct sql_cache *
sql_cache_of(struct db *db)
{
	struct db_parts *parts = db_parts(db);

	if (!parts->sql) {
		parts->sql = xcalloc(1, sizeof(*parts->sql));
		map_init(&parts->sql->by_text);
		list_init(&parts->sql->idle);
	}
	return parts->sql;
}

/* ---- column names ---- */

void
sql_names_drop(struct sql_names *names)
{
	if (names && --names->refs == 0)
		free(names);
}

static struct sql_names *
names_copy(sqlite3_stmt *stmt)
{
	int n = sqlite3_column_count(stmt);
	size_t bytes = 0, head = sizeof(struct sql_names) + (size_t)n * sizeof(struct str);
	struct sql_names *names;
	char *p;

	for (int i = 0; i < n; i++)
		bytes += str_c(sqlite3_column_name(stmt, i)).n;
	names = xmalloc(head + bytes);
	names->refs = 1;
	names->n = n;
	p = (char *)names + head;
	for (int i = 0; i < n; i++) {
		struct str name = str_c(sqlite3_column_name(stmt, i));

		if (name.n)
			memcpy(p, name.p, name.n);
		names->name[i] = str_n(p, name.n);
		p += name.n;
	}
	return names;
}

/* Names are copied once per compilation: SELECT * has other columns after an ALTER TABLE. */
struct sql_names *
sql_names_of(struct sql_statement *st)
{
	int reprepared = sqlite3_stmt_status(st->stmt, SQLITE_STMTSTATUS_REPREPARE, 0);

	if (st->names && st->reprepared != reprepared) {
		sql_names_drop(st->names);
		st->names = NULL;
	}
	if (!st->names) {
		st->names = names_copy(st->stmt);
		st->reprepared = reprepared;
	}
	st->names->refs++;
	return st->names;
}

/* ---- compiling ---- */

static bool
blank(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!memchr(" \t\n\v\f\r", s.p[i], 6))
			return false;
	return true;
}

static struct sql_statement *
no_statement(struct str query, struct str rest)
{
	if (rest.p == query.p)
		err_set(ERR_STORE, "SQL code did not contain a statement.");
	else
		err_set(ERR_STORE, "SQL code did not contain a statement. After the last statement, at offset %zu, comes something "
		    "that is none (a comment or a ;): move a comment in front of its statement, leave out a second ;",
		    (size_t)(rest.p - query.p));
	return NULL;
}

static bool
is_writer(sqlite3_stmt *stmt, const struct guard_seen *seen)
{
	return seen->writes || (!sqlite3_stmt_readonly(stmt) && !sqlite3_stmt_isexplain(stmt));
}

static int
refuse_name(const struct sql_cache *cache)
{
	struct buf text = { 0 };

	buf_c(&text, "not authorized: SQLITE_AUTH");
	guard_explain(&cache->seen, &text);
	err_set(ERR_STORE, "%s", text.p);
	buf_fini(&text);
	return ERR_STORE;
}

struct sql_statement *
sql_prepare(struct db *db, sqlite3 *h, struct str query, struct str *rest)
{
	struct sql_cache *cache = sql_cache_of(db);
	unsigned flags = rest->p == query.p ? SQLITE_PREPARE_PERSISTENT : 0;
	struct str from = *rest;
	struct sql_statement *st;
	sqlite3_stmt *stmt = NULL;
	const char *tail = from.p;
	int rc;

	cache->seen = (struct guard_seen){ 0 };
	rc = sqlite3_prepare_v3(h, from.n ? from.p : "", from.n > INT_MAX ? INT_MAX : (int)from.n, flags, &stmt, &tail);
	if (rc != SQLITE_OK) {
		sql_failed(db, h, rc, query, from);
		return NULL;
	}
	if (!stmt)
		return no_statement(query, from);
	*rest = str_n(tail, from.n - (size_t)(tail - from.p));
	if (cache->seen.schema)
		sql_count_forget(db);
	if (cache->seen.names && guard_names(str_n(from.p, from.n - rest->n), &cache->seen)) {
		refuse_name(cache);
		sqlite3_finalize(stmt);
		return NULL;
	}
	st = xcalloc(1, sizeof(*st));
	list_init(&st->idle);
	st->stmt = stmt;
	st->params = sqlite3_bind_parameter_count(stmt);
	st->writes = is_writer(stmt, &cache->seen);
	if (blank(*rest))
		rest->n = 0;
	return st;
}

/* ---- keeping ---- */

static void
statement_free(struct sql_statement *st)
{
	sqlite3_finalize(st->stmt);
	sql_names_drop(st->names);
	free((char *)st->text.p);
	free(st);
}

static void
evict(struct sql_cache *cache)
{
	struct sql_statement *st;

	while (cache->text_bytes > TEXT_BYTES_MAX || cache->by_text.n > STATEMENTS_MAX) {
		if (!(st = list_first(&cache->idle, struct sql_statement, idle)))
			return;		/* all are lent; those that come back are looked at again */
		list_del(&st->idle);
		map_del(&cache->by_text, st->text);
		cache->text_bytes -= st->text.n;
		statement_free(st);
	}
}

struct sql_statement *
sql_cache_take(struct db *db, struct str text)
{
	struct sql_statement *st = map_get(&sql_cache_of(db)->by_text, text);

	if (!st || !list_linked(&st->idle))
		return NULL;
	list_del(&st->idle);
	return st;
}

void
sql_cache_keep(struct db *db, struct sql_statement *st, struct str text)
{
	struct sql_cache *cache = sql_cache_of(db);

	if (cache->seen.pragma || cache->seen.schema || text.n > TEXT_BYTES_MAX / 4 || map_get(&cache->by_text, text))
		return;
	st->text = str_n(memcpy(xmalloc(text.n), text.p, text.n), text.n);
	map_put(&cache->by_text, st->text, st);
	cache->text_bytes += text.n;
}

void
sql_give_back(struct db *db, struct sql_statement *st)
{
	struct sql_cache *cache = sql_cache_of(db);

	if (!st->text.p) {
		statement_free(st);
		return;
	}
	sqlite3_reset(st->stmt);
	if (st->params)
		sqlite3_clear_bindings(st->stmt);	/* they may point into memory of the caller, or be large */
	list_push(&cache->idle, &st->idle);
	evict(cache);
}

void
sql_forget(struct db *db)
{
	struct db_parts *parts = db_parts(db);
	struct sql_cache *cache = parts->sql;
	struct list *n;

	if (!cache)
		return;
	while ((n = list_shift(&cache->idle))) {
		struct sql_statement *st = container_of(n, struct sql_statement, idle);

		map_del(&cache->by_text, st->text);
		statement_free(st);
	}
	must(cache->by_text.n == 0);	/* a lent one means that sql_orphan_all() was not called before */
	map_fini(&cache->by_text);
	for (int i = 0; i < 3; i++)
		sqlite3_finalize(cache->savepoint[i]);
	sqlite3_finalize(cache->count.ask);
	free(cache);
	parts->sql = NULL;
}

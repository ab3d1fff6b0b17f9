/* sql_cursor.c -- rows, one ahead.
 *
 * The row that sql_next() gave is a copy; SQLite's statement already stands on
 * the one after it.  So the statement goes back to the cache with the last
 * row, without waiting for a call that may never come, and the row at hand
 * survives whatever happens to the statement.
 *
 *	              cells  [k]        statement on row k+1
 *	sql_next() -> cells  [k+1]      statement on row k+2, or given back
 *
 * sql_walk() leaves the copying out: the row at hand is the one the statement
 * stands on, and the next call moves on first.
 *
 * A statement that writes and gives rows (RETURNING) is run to its end at
 * once and all its rows are kept: an unfinished writer would make the commit fail.
 * It has changed everything before its first row anyway.
 *
 * Counters.  Stock SQLite counts steps of full scans, not rows.  rows_read is
 * the larger of rows given out and rows scanned (plus those copied into an
 * automatic index); a row found through an index and then thrown away is not
 * counted.  rows_written is the change of sqlite3_total_changes64(): rows inserted, updated and
 * deleted, triggers and foreign key actions included; and the entries inserted rows have in indexes (sql_count.c).
 *
 * Thread: the owning worker only.
 */
#include <stdlib.h>

#include "base/err.h"
#include "store/sql_cache.h"

#define RETURNED_MAX (64u << 20)	/* bytes of rows that one RETURNING may give */

struct cursor {
	struct list link;		/* on db_parts()->cursors while there are rows to come */
	struct db *db;			/* only while linked: a finished cursor may outlive its db */
	struct sql_statement *st;	/* NULL: given back */
	struct sql_names *names;
	struct sql_value *cells;	/* rows held; text and blobs are offsets into bytes until sql_value() */
	struct buf bytes;
	size_t rows, cap;		/* rows in cells, rows with room */
	size_t at;			/* the row sql_next() will give */
	int error;			/* of the step ahead; told by the next sql_next() */
	char *dead;			/* why there will be no more rows, or the text of error */
	int64_t stepped;		/* rows the statement has given */
	int64_t read, written;
	bool wrote;
	bool direct;			/* the row at hand is the statement's own: sql_walk() gave it */
};

/* ---- counting ---- */

int64_t
sql_rows_scanned(sqlite3_stmt *stmt)
{
	int64_t steps = sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_FULLSCAN_STEP, 0);

	/* A scan of n rows makes n - 1 steps. */
	return steps + (steps > 0) + sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_AUTOINDEX, 0);
}

static int64_t
rows_read(const struct cursor *c)
{
	int64_t scanned = sql_rows_scanned(c->st->stmt);

	return scanned > c->stepped ? scanned : c->stepped;
}

void
sql_cursor_count(struct cursor *c, int64_t read_before, int64_t written, bool wrote_before)
{
	c->wrote |= wrote_before;
	c->read += read_before;
	c->written = written;
}

bool
sql_wrote(const struct cursor *c)
{
	return c->wrote;
}

int64_t
sql_rows_read(const struct cursor *c)
{
	return c->read + (c->st ? rows_read(c) : 0);
}

int64_t
sql_rows_written(const struct cursor *c)
{
	return c->written;
}

/* ---- the statement ---- */

static void
give_back(struct cursor *c)
{
	if (!c->st)
		return;
	c->read += rows_read(c);
	sql_give_back(c->db, c->st);
	c->st = NULL;
	c->direct = false;
}

/* No more rows will come: nothing of the db is needed any more. */
static void
detach(struct cursor *c)
{
	give_back(c);
	list_del(&c->link);
	c->db = NULL;
}

static void
fail(struct cursor *c, int code, const char *text)
{
	c->error = code;
	c->dead = xstrdup(text);
}

static int
bind_text(sqlite3_stmt *stmt, int i, struct str s, void (*keep)(void *))
{
	return sqlite3_bind_text64(stmt, i, s.p ? s.p : "", s.n, keep, SQLITE_UTF8);
}

static int
bind_one(sqlite3_stmt *stmt, int i, const struct sql_value *v, void (*keep)(void *))
{
	switch (v->type) {
	case SQL_INTEGER:
		return sqlite3_bind_int64(stmt, i, v->i);
	case SQL_REAL:
		return sqlite3_bind_double(stmt, i, v->r);
	case SQL_TEXT:
		return bind_text(stmt, i, v->s, keep);
	case SQL_BLOB:
		return sqlite3_bind_blob64(stmt, i, v->s.p ? v->s.p : "", v->s.n, keep);
	default:
		return sqlite3_bind_null(stmt, i);
	}
}

static int
bind_all(struct cursor *c, sqlite3 *h, const struct sql_value *v, int n)
{
	/* A statement that stays open after sql_exec() needs copies: the caller's bytes are borrowed for the call only. */
	bool stays = !c->st->writes && sqlite3_column_count(c->st->stmt) > 0;
	int rc = SQLITE_OK;

	if (n != c->st->params)
		return err_set(ERR_STORE, "Wrong number of parameter bindings for SQL query. The statement has %d parameter%s, %d %s given.",
		    c->st->params, c->st->params == 1 ? "" : "s", n, n == 1 ? "was" : "were");
	for (int i = 0; i < n && rc == SQLITE_OK; i++)
		rc = bind_one(c->st->stmt, i + 1, &v[i], stays ? SQLITE_TRANSIENT : SQLITE_STATIC);
	return rc == SQLITE_OK ? OK : sql_failed(c->db, h, rc, (struct str){ 0 }, (struct str){ 0 });
}

/* SQLITE_ROW or SQLITE_DONE, or a negative code with err_set(). */
static int
step(struct cursor *c, sqlite3 *h)
{
	struct guard_seen *seen = &sql_cache_of(c->db)->seen;
	int rc;

	seen->denial = GUARD_NOTHING;	/* FTS5 compiles statements while it runs, and may be refused */
	rc = sqlite3_step(c->st->stmt);
	if (rc == SQLITE_ROW)
		c->stepped++;
	else if (rc != SQLITE_DONE)
		rc = sql_failed(c->db, h, rc, (struct str){ 0 }, (struct str){ 0 });
	return rc;
}

/* ---- rows ---- */

/* Column i of the row the statement stands on.  sqlite3_value_*() on a column's value does half of what
 * sqlite3_column_*() does; it is not protected by a mutex, but no handle has one. */
static void
read_cell(const struct cursor *c, int i, struct sql_value *v)
{
	sqlite3_value *column = sqlite3_column_value(c->st->stmt, i);

	v->type = SQL_NULL;
	switch (sqlite3_value_type(column)) {
	case SQLITE_INTEGER:
		v->type = SQL_INTEGER;
		v->i = sqlite3_value_int64(column);
		break;
	case SQLITE_FLOAT:
		v->type = SQL_REAL;
		v->r = sqlite3_value_double(column);
		break;
	case SQLITE_TEXT:
		v->type = SQL_TEXT;
		v->s.p = (const char *)sqlite3_value_text(column);
		v->s.n = (size_t)sqlite3_value_bytes(column);
		break;
	case SQLITE_BLOB:
		v->type = SQL_BLOB;
		v->s.p = sqlite3_value_blob(column);
		v->s.n = (size_t)sqlite3_value_bytes(column);
		break;
	}
}

static void
copy_cell(struct cursor *c, struct sql_value *cell, int i)
{
	read_cell(c, i, cell);
	if (cell->type != SQL_TEXT && cell->type != SQL_BLOB)
		return;
	cell->i = (int64_t)c->bytes.n;		/* the buffer may move: sql_value() makes it a pointer */
	buf_add(&c->bytes, cell->s.n ? cell->s.p : "", cell->s.n);
}

/* Appends the row the statement stands on. */
static void
copy_row(struct cursor *c)
{
	size_t n = (size_t)c->names->n;

	if (c->rows == c->cap) {
		c->cap = c->cap ? 2 * c->cap : 1;
		c->cells = xrealloc(c->cells, c->cap * n * sizeof(*c->cells));
	}
	for (size_t i = 0; i < n; i++)
		copy_cell(c, &c->cells[c->rows * n + i], (int)i);
	c->rows++;
}

/* All rows of a RETURNING. */
static int
copy_rows(struct cursor *c, sqlite3 *h, int rc)
{
	for (; rc == SQLITE_ROW; rc = step(c, h)) {
		copy_row(c);
		if (c->bytes.n + c->rows * (size_t)c->names->n * sizeof(*c->cells) > RETURNED_MAX)
			return err_set(ERR_STORE, "RETURNING gave more than %u MiB of rows: return fewer columns, or write fewer rows at a time. "
			    "The rows are written; undo them with ctx.storage:transactionSync()", RETURNED_MAX >> 20);
	}
	return rc;
}

/* ---- opening and closing ---- */

/* Runs the statement to its first row, or to its end if it writes. */
static int
start(struct cursor *c, sqlite3 *h, const struct sql_value *bindings, int n)
{
	int rc;

	sql_cache_of(c->db)->seen.denial = GUARD_NOTHING;	/* what an earlier statement was refused for explains nothing here */
	sqlite3_stmt_status(c->st->stmt, SQLITE_STMTSTATUS_FULLSCAN_STEP, 1);
	sqlite3_stmt_status(c->st->stmt, SQLITE_STMTSTATUS_AUTOINDEX, 1);
	if ((rc = bind_all(c, h, bindings, n)) < 0)
		return rc;
	c->wrote = c->st->writes;
	if (c->wrote && (rc = db_begin(c->db)) < 0)
		return rc;
	rc = step(c, h);
	c->names = sql_names_of(c->st);		/* after the step: it may have compiled the statement anew */
	if (c->st->writes)
		rc = copy_rows(c, h, rc);
	return rc;
}

struct cursor *
sql_cursor_open(struct db *db, sqlite3 *h, struct sql_statement *st, const struct sql_value *bindings, int n)
{
	struct cursor *c = xcalloc(1, sizeof(*c));
	int rc;

	c->db = db;
	c->st = st;
	list_init(&c->link);
	rc = start(c, h, bindings, n);
	if (rc < 0) {
		give_back(c);
		sql_close(&c);
		return NULL;
	}
	if (rc == SQLITE_ROW || c->rows)
		list_push(&db_parts(db)->cursors, &c->link);
	if (rc == SQLITE_DONE)
		give_back(c);
	return c;
}

void
sql_close(struct cursor **cp)
{
	struct cursor *c = *cp;

	if (!c)
		return;
	detach(c);
	sql_names_drop(c->names);
	free(c->cells);
	free(c->dead);
	buf_fini(&c->bytes);
	free(c);
	*cp = NULL;
}

static void
move_on(struct cursor *c)
{
	int rc = step(c, sqlite3_db_handle(c->st->stmt));

	c->direct = false;
	if (rc < 0)
		fail(c, rc, err_text());
	if (rc != SQLITE_ROW)
		detach(c);
}

/* Takes the row ahead into cells and moves the statement on. */
static void
advance(struct cursor *c)
{
	c->rows = 0;
	c->at = 0;
	buf_clear(&c->bytes);
	copy_row(c);
	move_on(c);
}

int
sql_next(struct cursor *c)
{
	if (c->direct)
		move_on(c);
	if (c->st)
		advance(c);
	if (c->at < c->rows) {
		if (++c->at == c->rows && !c->st && list_linked(&c->link))
			detach(c);	/* the last row of a RETURNING */
		return 1;
	}
	return c->dead ? err_set(c->error, "%s", c->dead) : 0;
}

int
sql_walk(struct cursor *c)
{
	if (c->direct)
		move_on(c);
	if (!c->st)
		return sql_next(c);
	c->direct = true;
	return 1;
}

int
sql_columns(const struct cursor *c)
{
	return c->names->n;
}

struct str
sql_column_name(struct cursor *c, int i)
{
	must(i >= 0 && i < c->names->n);
	return c->names->name[i];
}

void
sql_value(struct cursor *c, int i, struct sql_value *v)
{
	must(i >= 0 && i < c->names->n);
	if (c->direct) {
		read_cell(c, i, v);
		if (!v->s.p)
			v->s = STR("");		/* an empty blob */
		return;
	}
	must(c->at > 0);
	*v = c->cells[(c->at - 1) * (size_t)c->names->n + (size_t)i];
	if (v->type == SQL_TEXT || v->type == SQL_BLOB)
		v->s.p = c->bytes.p ? c->bytes.p + v->i : "";
}

void
sql_cancel(struct cursor *c, const char *why)
{
	if (!list_linked(&c->link))
		return;
	detach(c);
	/* The row at hand stays readable; those of a RETURNING that were not given are gone too. */
	c->rows = c->at;
	fail(c, ERR_STORE, why);
}

void
sql_orphan_all(struct db *db, const char *why)
{
	struct list *cursors = &db_parts(db)->cursors;

	while (!list_empty(cursors))
		sql_cancel(container_of(cursors->next, struct cursor, link), why);
	sql_count_forget(db);
}

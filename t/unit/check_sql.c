/* check_sql.c -- statements, bindings, cursors, savepoints and the texts of their errors. */
#include "scratch_db.h"

#include <sys/resource.h>

#include "store/kv.h"
#include "store/sql.h"

static struct sql_value
integer(int64_t i)
{
	return (struct sql_value){ .type = SQL_INTEGER, .i = i };
}

static struct sql_value
text(const char *s)
{
	return (struct sql_value){ .type = SQL_TEXT, .s = str_c(s) };
}

#define BIND(...) ((struct sql_value[]){ __VA_ARGS__ }), (int)(sizeof((struct sql_value[]){ __VA_ARGS__ }) / sizeof(struct sql_value))
#define NOTHING NULL, 0

static struct cursor *
open_cursor(struct db *db, const char *query, const struct sql_value *v, int n)
{
	struct cursor *c = sql_exec(db, str_c(query), v, n);

	ck_assert_msg(c != NULL, "%s: %s", query, err_text());
	return c;
}

/* Prints a row as "a|1|2.5|NULL|x'00ff'". */
static void
print_row(struct cursor *c, struct buf *out)
{
	struct sql_value v;

	for (int i = 0; i < sql_columns(c); i++) {
		sql_value(c, i, &v);
		buf_c(out, i ? "|" : "");
		if (v.type == SQL_INTEGER)
			buf_printf(out, "%lld", (long long)v.i);
		else if (v.type == SQL_REAL)
			buf_printf(out, "%.17g%s", v.r, v.r == (double)(int64_t)v.r ? ".0" : "");
		else if (v.type == SQL_TEXT)
			buf_str(out, v.s);
		else if (v.type == SQL_NULL)
			buf_c(out, "NULL");
		else
			for (size_t k = 0; k < v.s.n; k++)
				buf_printf(out, "%s%02x", k ? "" : "x", (unsigned char)v.s.p[k]);
	}
}

/* All rows, with spaces between; lends until the next call. */
static const char *
run(struct db *db, const char *query, const struct sql_value *v, int n)
{
	static char answer[4096];
	struct cursor *c = open_cursor(db, query, v, n);
	struct buf out = { 0 };
	int rc;

	while ((rc = sql_next(c)) == 1) {
		buf_c(&out, out.n ? " " : "");
		print_row(c, &out);
	}
	ck_assert_msg(rc == 0, "%s: %s", query, err_text());
	sql_close(&c);
	snprintf(answer, sizeof(answer), "%s", out.p ? out.p : "");
	buf_fini(&out);
	return answer;
}

/* The error's text. */
static const char *
refused(struct db *db, const char *query, const struct sql_value *v, int n)
{
	struct cursor *c = sql_exec(db, str_c(query), v, n);

	ck_assert_msg(c == NULL, "%s was taken", query);
	ck_assert_int_eq(err_code(), ERR_STORE);
	return err_text();
}

#define ck_refused(db, query, words) \
	ck_assert_msg(strstr(refused(db, query, NOTHING), words) != NULL, "%s: %s", query, err_text())

static struct db *
begin(struct scratch *s)
{
	scratch_begin(s);
	return scratch_db(s, 1);
}

static void
end(struct scratch *s, struct db *db)
{
	if (db)
		ck_assert_msg(db_free(&db) == OK, "%s", err_text());
	scratch_end(s);
}

START_TEST(every_type_goes_in_and_comes_out)
{
	struct scratch s;
	struct db *db = begin(&s);

	run(db, "CREATE TABLE t (a, b, c, d, e)", NOTHING);
	run(db, "INSERT INTO t VALUES (?, ?, ?, ?, ?)", BIND(integer(INT64_MIN), { .type = SQL_REAL, .r = 2.5 }, text("h\xc3\xa4"),
	    { .type = SQL_BLOB, .s = STR("\0\xff") }, { .type = SQL_NULL }));
	ck_assert_str_eq(run(db, "SELECT * FROM t", NOTHING), "-9223372036854775808|2.5|h\xc3\xa4|x00ff|NULL");
	ck_assert_str_eq(run(db, "SELECT typeof(a), typeof(b), typeof(c), typeof(d), typeof(e) FROM t", NOTHING), "integer|real|text|blob|null");
	ck_assert_str_eq(run(db, "SELECT typeof(?), length(?), typeof(?), length(?)",
	    BIND({ .type = SQL_TEXT }, { .type = SQL_TEXT }, { .type = SQL_BLOB }, { .type = SQL_BLOB })), "text|0|blob|0");
	ck_assert_str_eq(run(db, "SELECT ?1 + ?2, ?2", BIND(integer(2), integer(3))), "5|3");
	ck_assert_str_eq(run(db, "SELECT count(*) FROM t WHERE c = ?", BIND(text("'; DROP TABLE t; --"))), "0");
	end(&s, db);
}
END_TEST

START_TEST(all_statements_run_and_the_last_one_answers)
{
	struct scratch s;
	struct db *db = begin(&s);
	struct cursor *c;

	ck_assert_str_eq(run(db, "SELECT 1; SELECT 2;", NOTHING), "2");
	ck_assert_str_eq(run(db, " \n-- first\nCREATE TABLE t(a); CREATE INDEX i ON t(a);\n"
	    "INSERT INTO t VALUES (1), (2); /* then */ SELECT a + ? FROM t ORDER BY a; \t\r\n\v\f", BIND(integer(10))), "11 12");
	ck_assert_str_eq(run(db, "SELECT 1;PRAGMA foreign_keys=ON;SELECT 2;PRAGMA recursive_triggers=1;SELECT count(*) FROM t", NOTHING), "2");
	c = open_cursor(db, "INSERT INTO t VALUES (3); INSERT INTO t VALUES (4), (5)", NOTHING);
	ck_assert_int_eq(sql_rows_written(c), 6);	/* three rows, three entries of i */
	sql_close(&c);
	end(&s, db);
}
END_TEST

START_TEST(a_text_without_a_statement_says_so)
{
	static const char *const texts[] = { "", ";", ";;", " ", "-- x", "/* x */", " ; -- x", "SELECT 1; -- x", "SELECT 1;;" };
	struct scratch s;
	struct db *db = begin(&s);

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		ck_refused(db, texts[i], "SQL code did not contain a statement.");
	ck_assert_str_eq(run(db, "SELECT 1 -- x", NOTHING), "1");
	ck_assert_str_eq(run(db, "SELECT 1 /* x */;", NOTHING), "1");
	ck_assert_ptr_null(sql_exec(db, STR("SELECT 1\0; DROP TABLE t"), NOTHING));
	ck_assert_said("zero byte at offset 8");
	end(&s, db);
}
END_TEST

START_TEST(parse_errors_say_what_where_and_what_instead)
{
	struct scratch s;
	struct db *db = begin(&s);

	ck_assert_str_eq(refused(db, "SELECT ;", NOTHING), "near \";\": syntax error at offset 7: SQLITE_ERROR");
	ck_assert_str_eq(refused(db, "SELECT -;", NOTHING), "near \";\": syntax error at offset 8: SQLITE_ERROR");
	ck_assert_str_eq(refused(db, "SELECT 1; bunk", NOTHING), "near \"bunk\": syntax error at offset 10: SQLITE_ERROR");
	ck_refused(db, "SELECT * FROM misspelled_table_name", "no such table: misspelled_table_name");
	ck_refused(db, "SELECT 1 // one", ": SQLITE_ERROR. A comment in SQL begins with -- or stands between /* and */");
	ck_refused(db, "// one\nSELECT 1", "begins with --");
	ck_refused(db, "SELECT 1 / / 2", "syntax error at offset 11: SQLITE_ERROR");
	ck_assert_ptr_null(strstr(err_text(), "begins with --"));
	ck_refused(db, "SELECT ?; SELECT 1",
	    "When executing multiple SQL statements in a single call, only the last statement can have parameters.");
	ck_assert_str_eq(refused(db, "SELECT ?, ?", BIND(integer(1))),
	    "Wrong number of parameter bindings for SQL query. The statement has 2 parameters, 1 was given.");
	ck_assert_str_eq(refused(db, "SELECT ?", BIND(integer(1), integer(2))),
	    "Wrong number of parameter bindings for SQL query. The statement has 1 parameter, 2 were given.");
	ck_assert_str_eq(refused(db, "SELECT 1", BIND(integer(1))),
	    "Wrong number of parameter bindings for SQL query. The statement has 0 parameters, 1 was given.");
	end(&s, db);
}
END_TEST

START_TEST(statement_errors_carry_the_code_and_leave_the_transaction_open)
{
	struct scratch s;
	struct db *db = begin(&s);

	run(db, "CREATE TABLE p(id INTEGER PRIMARY KEY); CREATE TABLE t(a UNIQUE, b CHECK (b IN ('A','B')), c NOT NULL DEFAULT 0, "
	    "d REFERENCES p)", NOTHING);
	scratch_commit(db);
	run(db, "INSERT INTO t(a) VALUES (1)", NOTHING);
	ck_assert_str_eq(refused(db, "INSERT INTO t(a) VALUES (1)", NOTHING),
	    "UNIQUE constraint failed: t.a: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_UNIQUE)");
	ck_refused(db, "INSERT INTO t(b) VALUES ('C')", "CHECK constraint failed: b IN ('A','B'): SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_CHECK)");
	ck_refused(db, "INSERT INTO t(d) VALUES (5)", "FOREIGN KEY constraint failed: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_FOREIGNKEY)");
	ck_assert_str_eq(refused(db, "INSERT INTO p VALUES ('x')", NOTHING), "datatype mismatch: SQLITE_MISMATCH");
	ck_assert(db_dirty(db));
	ck_assert(!db_broken(db));
	scratch_commit(db);
	ck_assert_str_eq(run(db, "SELECT count(*) FROM t", NOTHING), "1");
	end(&s, db);
}
END_TEST

START_TEST(transaction_statements_name_the_functions_to_use)
{
	static const char *const texts[] = { "BEGIN", "begin immediate", "COMMIT", "END", "ROLLBACK", "SAVEPOINT a", "RELEASE a",
		"ROLLBACK TO a", "SELECT 1; BEGIN TRANSACTION", "EXPLAIN BEGIN" };
	struct scratch s;
	struct db *db = begin(&s);

	run(db, "CREATE TABLE t(a)", NOTHING);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		ck_refused(db, texts[i], "To execute a transaction, please use ctx.storage:transactionSync(");
		ck_assert_said("ctx.storage:transaction(");
		ck_assert_said("BEGIN TRANSACTION");
		ck_assert_said("SAVEPOINT");
	}
	ck_assert(db_dirty(db));
	scratch_commit(db);
	end(&s, db);
}
END_TEST

START_TEST(a_cursor_reads_one_row_ahead)
{
	struct scratch s;
	struct db *db = begin(&s);
	struct cursor *c;

	run(db, "CREATE TABLE t(a); INSERT INTO t VALUES (1), (2), (3)", NOTHING);
	c = open_cursor(db, "SELECT a, a * 2 AS twice FROM t", NOTHING);
	ck_assert_int_eq(sql_rows_read(c), 1);
	for (int k = 1; k <= 3; k++) {
		struct sql_value v;

		ck_assert_int_eq(sql_next(c), 1);
		sql_value(c, 1, &v);
		ck_assert_int_eq(v.i, 2 * k);
		ck_assert_int_eq(sql_rows_read(c), k < 3 ? k + 1 : 3);
	}
	ck_assert_int_eq(sql_next(c), 0);
	ck_assert_int_eq(sql_next(c), 0);
	ck_assert_int_eq(sql_columns(c), 2);
	ck_assert(str_eq(sql_column_name(c, 1), STR("twice")));
	ck_assert_int_eq(sql_rows_written(c), 0);
	sql_close(&c);
	sql_close(&c);
	end(&s, db);
}
END_TEST

START_TEST(rows_that_are_walked_are_the_same_rows)
{
	struct scratch s;
	struct db *db = begin(&s);
	struct cursor *c;
	struct buf out = { 0 };

	run(db, "CREATE TABLE t(a, b); INSERT INTO t VALUES (1, 'x'), (2, x''), (3, NULL), (4, 2.5), (5, ''), (6, x'00')", NOTHING);
	c = open_cursor(db, "SELECT a, b FROM t", NOTHING);
	for (int k = 0; k < 6; k++) {		/* both ways in turn lose no row and give none twice */
		ck_assert_int_eq((k % 3 == 1 ? sql_next : sql_walk)(c), 1);
		print_row(c, &out);
		buf_c(&out, " ");
	}
	ck_assert_str_eq(out.p, "1|x 2| 3|NULL 4|2.5 5| 6|x00 ");
	ck_assert_int_eq(sql_walk(c), 0);
	ck_assert_int_eq(sql_next(c), 0);
	run(db, "DROP TABLE t", NOTHING);	/* the statement has ended */
	sql_close(&c);
	buf_fini(&out);
	c = open_cursor(db, "SELECT abs(value) FROM json_each('[1,2,-9223372036854775808]')", NOTHING);
	ck_assert_int_eq(sql_walk(c), 1);
	ck_assert_int_eq(sql_walk(c), 1);
	ck_assert_int_eq(sql_walk(c), ERR_STORE);
	ck_assert(strstr(err_text(), "integer overflow"));
	ck_assert_int_eq(sql_next(c), ERR_STORE);
	sql_close(&c);
	c = open_cursor(db, "CREATE TABLE u(a); INSERT INTO u VALUES (7), (8) RETURNING a", NOTHING);
	ck_assert_int_eq(sql_walk(c), 1);
	ck_assert_int_eq(sql_walk(c), 1);
	ck_assert_int_eq(sql_walk(c), 0);
	sql_close(&c);
	c = open_cursor(db, "SELECT a FROM u", NOTHING);
	ck_assert_int_eq(sql_walk(c), 1);
	db_rollback(db);
	ck_assert_int_eq(sql_walk(c), ERR_STORE);
	sql_close(&c);
	end(&s, db);
}
END_TEST

START_TEST(the_statement_is_free_again_with_the_last_row)
{
	struct scratch s;
	struct db *db = begin(&s);
	struct cursor *c;

	run(db, "CREATE TABLE t(a); INSERT INTO t VALUES (1)", NOTHING);
	c = open_cursor(db, "SELECT a FROM t", NOTHING);
	ck_refused(db, "DROP TABLE t", "table is locked");
	ck_assert_int_eq(sql_next(c), 1);		/* the only row: nobody asked for a second */
	run(db, "DROP TABLE t", NOTHING);
	ck_assert_int_eq(sql_next(c), 0);
	sql_close(&c);
	end(&s, db);
}
END_TEST

START_TEST(cursors_on_one_text_do_not_disturb_each_other)
{
	struct scratch s;
	struct db *db = begin(&s);
	struct cursor *c[3];
	struct buf out = { 0 };
	int open = 3;

	run(db, "CREATE TABLE t(a); INSERT INTO t VALUES (1), (2), (3), (4)", NOTHING);
	for (int i = 0; i < 3; i++)
		c[i] = open_cursor(db, "SELECT a FROM t WHERE a > ?", BIND(integer(i)));
	for (int i = 0; open; i = (i + 1) % 3) {
		if (!c[i])
			continue;
		if (sql_next(c[i]) == 1) {
			buf_printf(&out, "%d:", i);
			print_row(c[i], &out);
			buf_c(&out, " ");
		} else {
			sql_close(&c[i]);
			open--;
		}
	}
	ck_assert_str_eq(out.p, "0:1 1:2 2:3 0:2 1:3 2:4 0:3 1:4 0:4 ");
	buf_fini(&out);
	end(&s, db);
}
END_TEST

START_TEST(a_row_outlives_its_statement_and_the_bindings_their_owner)
{
	struct scratch s;
	struct db *db = begin(&s);
	char *owned = xstrdup("hello hello hello hello hello");
	struct cursor *c;
	struct sql_value v;

	run(db, "CREATE TABLE t(a); INSERT INTO t VALUES ('one'), ('two'), ('three')", NOTHING);
	c = open_cursor(db, "SELECT a || ? FROM t", BIND(text(owned)));
	memset(owned, 'x', strlen(owned));
	free(owned);
	ck_assert_int_eq(sql_next(c), 1);	/* the first row was made in sql_exec(), the second one is made now */
	ck_assert_int_eq(sql_next(c), 1);
	sql_value(c, 0, &v);
	db_rollback(db);
	ck_assert(str_eq(v.s, STR("twohello hello hello hello hello")));
	ck_assert_int_eq(sql_next(c), ERR_STORE);
	sql_close(&c);
	end(&s, db);
}
END_TEST

START_TEST(returning_is_complete_when_exec_returns)
{
	struct scratch s;
	struct db *db = begin(&s);
	struct cursor *c;

	run(db, "CREATE TABLE t(id INTEGER PRIMARY KEY, a)", NOTHING);
	c = open_cursor(db, "INSERT INTO t(a) VALUES ('x'), ('y'), ('z') RETURNING id, a", NOTHING);
	ck_assert_int_eq(sql_rows_written(c), 3);
	ck_assert_int_eq(sql_next(c), 1);
	scratch_commit(db);		/* two rows are not read yet */
	ck_assert_int_eq(sql_next(c), 1);
	run(db, "INSERT INTO t(a) VALUES ('lost')", NOTHING);
	db_rollback(db);		/* kills cursors, also those that hold their rows themselves */
	ck_assert_int_eq(sql_next(c), ERR_STORE);
	sql_close(&c);
	ck_assert_str_eq(run(db, "INSERT INTO t(a) VALUES (?) RETURNING id", BIND(text("w"))), "4");
	ck_assert_str_eq(run(db, "DELETE FROM t WHERE id < 3 RETURNING a", NOTHING), "x y");
	c = open_cursor(db, "INSERT INTO t(a) VALUES ('v') RETURNING id", NOTHING);	/* never read */
	scratch_commit(db);
	sql_close(&c);
	ck_assert_str_eq(run(db, "SELECT count(*) FROM t", NOTHING), "3");
	end(&s, db);
}
END_TEST

START_TEST(an_error_in_a_later_row_is_told_at_that_row)
{
	struct scratch s;
	struct db *db = begin(&s);
	struct cursor *c;

	run(db, "CREATE TABLE t(a); INSERT INTO t VALUES ('[1]'), ('[2]'), ('bad'), ('[4]')", NOTHING);
	c = open_cursor(db, "SELECT json_extract(a, '$[0]') FROM t", NOTHING);
	ck_assert_int_eq(sql_next(c), 1);
	ck_assert_int_eq(sql_next(c), 1);
	ck_assert_int_eq(sql_next(c), ERR_STORE);
	ck_assert_said("malformed JSON: SQLITE_ERROR");
	ck_assert_int_eq(sql_next(c), ERR_STORE);
	sql_close(&c);
	end(&s, db);
}
END_TEST

START_TEST(open_cursors_die_with_a_reason)
{
	struct scratch s;
	struct db *db = begin(&s);
	struct cursor *a, *b, *c;

	run(db, "CREATE TABLE t(a); INSERT INTO t VALUES (1), (2), (3)", NOTHING);
	scratch_commit(db);
	a = open_cursor(db, "SELECT a FROM t", NOTHING);
	ck_assert_int_eq(sql_next(a), 1);
	ck_assert_int_eq(db_delete_all(db), OK);
	ck_assert_int_eq(sql_next(a), ERR_STORE);
	ck_assert_str_eq(err_text(), "SQLite query was canceled because the database was deleted.");
	ck_assert_int_eq(sql_columns(a), 1);
	run(db, "CREATE TABLE t(a); INSERT INTO t VALUES (1), (2), (3)", NOTHING);
	b = open_cursor(db, "SELECT a FROM t", NOTHING);
	db_rollback(db);
	ck_assert_int_eq(sql_next(b), ERR_STORE);
	c = open_cursor(db, "SELECT 1 UNION SELECT 2", NOTHING);
	ck_assert_int_eq(db_free(&db), OK);
	ck_assert_int_eq(sql_next(c), ERR_STORE);
	sql_close(&a);
	sql_close(&b);
	sql_close(&c);
	end(&s, db);
}
END_TEST

START_TEST(a_select_goes_on_after_the_commit)
{
	struct scratch s;
	struct db *db = begin(&s);
	struct cursor *c;

	run(db, "CREATE TABLE t(a); INSERT INTO t VALUES (1), (2), (3)", NOTHING);
	c = open_cursor(db, "SELECT a FROM t", NOTHING);
	ck_assert_int_eq(sql_next(c), 1);
	scratch_commit(db);
	ck_assert_int_eq(sql_next(c), 1);
	run(db, "UPDATE t SET a = a + 10 WHERE a = 1", NOTHING);
	scratch_commit(db);
	ck_assert_int_eq(sql_next(c), 1);
	ck_assert_int_eq(sql_next(c), 0);
	sql_close(&c);
	end(&s, db);
}
END_TEST

START_TEST(a_cached_statement_sees_new_columns)
{
	struct scratch s;
	struct db *db = begin(&s);
	struct cursor *c;

	run(db, "CREATE TABLE t(a); INSERT INTO t VALUES (1)", NOTHING);
	ck_assert_str_eq(run(db, "SELECT * FROM t", NOTHING), "1");
	run(db, "ALTER TABLE t ADD COLUMN b DEFAULT 'x'", NOTHING);
	ck_assert_str_eq(run(db, "SELECT * FROM t", NOTHING), "1|x");
	run(db, "ALTER TABLE t RENAME COLUMN b TO c", NOTHING);
	c = open_cursor(db, "SELECT * FROM t", NOTHING);
	ck_assert(str_eq(sql_column_name(c, 1), STR("c")));
	sql_close(&c);
	run(db, "ALTER TABLE t DROP COLUMN c", NOTHING);
	ck_assert_str_eq(run(db, "SELECT * FROM t", NOTHING), "1");
	run(db, "ALTER TABLE t RENAME TO u", NOTHING);
	ck_refused(db, "SELECT * FROM t", "no such table: t");
	ck_assert_str_eq(run(db, "SELECT * FROM u", NOTHING), "1");
	end(&s, db);
}
END_TEST

START_TEST(names_of_columns_are_the_texts_of_their_expressions)
{
	struct scratch s;
	struct db *db = begin(&s);
	struct cursor *c = open_cursor(db, "SELECT 123, 'hello', ? + ?, count(*), 1 AS a, 2 AS a", BIND(integer(1), integer(2)));
	static const char *const names[] = { "123", "'hello'", "? + ?", "count(*)", "a", "a" };

	ck_assert_int_eq(sql_columns(c), 6);
	for (int i = 0; i < 6; i++)
		ck_assert(str_eq(sql_column_name(c, i), str_c(names[i])));
	sql_close(&c);
	c = open_cursor(db, "CREATE TABLE t(a)", NOTHING);
	ck_assert_int_eq(sql_columns(c), 0);
	ck_assert_int_eq(sql_next(c), 0);
	sql_close(&c);
	end(&s, db);
}
END_TEST

START_TEST(only_writers_begin_the_transaction)
{
	static const struct {
		const char *text;
		int begun;
	} cases[] = {
		{ "SELECT * FROM t", 0 }, { "PRAGMA table_info(t)", 0 }, { "PRAGMA foreign_keys = OFF", 0 }, { "PRAGMA foreign_keys", 0 },
		{ "PRAGMA quick_check", 0 }, { "EXPLAIN INSERT INTO t VALUES (1)", 0 }, { "EXPLAIN QUERY PLAN SELECT * FROM t", 0 },
		{ "PRAGMA defer_foreign_keys", 0 }, { "PRAGMA defer_foreign_keys = ON", 1 }, { "PRAGMA optimize", 1 }, { "ANALYZE", 1 },
		{ "INSERT INTO t VALUES (1)", 1 }, { "UPDATE t SET a = 1 WHERE 0", 1 }, { "CREATE TABLE u(a)", 1 },
		{ "DELETE FROM t RETURNING a", 1 }, { "ALTER TABLE t RENAME TO v", 1 },
	};
	struct scratch s;
	struct db *db = begin(&s);

	run(db, "CREATE TABLE t(a)", NOTHING);
	scratch_commit(db);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int before = s.dirtied;

		run(db, cases[i].text, NOTHING);
		ck_assert_msg(s.dirtied - before == cases[i].begun, "%s", cases[i].text);
		scratch_commit(db);
	}
	end(&s, db);
}
END_TEST

START_TEST(analyze_and_optimize_are_kept_by_the_commit_only)
{
	struct scratch s;
	struct db *db = begin(&s);

	run(db, "CREATE TABLE t(a); CREATE INDEX i ON t(a); INSERT INTO t VALUES (1), (2), (3)", NOTHING);
	ck_assert_int_eq(kv_put(db, STR("k"), STR("v")), OK);
	scratch_commit(db);
	run(db, "SELECT a FROM t WHERE a = 2", NOTHING);
	run(db, "PRAGMA optimize", NOTHING);
	ck_assert_str_eq(run(db, "SELECT count(*) FROM sqlite_master WHERE name = 'sqlite_stat1'", NOTHING), "1");
	db_rollback(db);
	ck_assert_str_eq(run(db, "SELECT count(*) FROM sqlite_master WHERE name = 'sqlite_stat1'", NOTHING), "0");
	run(db, "ANALYZE", NOTHING);
	scratch_commit(db);
	ck_assert_str_eq(run(db, "SELECT stat FROM sqlite_stat1 WHERE tbl = 't'", NOTHING), "3 1");
	end(&s, db);
}
END_TEST

START_TEST(deferred_keys_wait_for_the_commit)
{
	struct scratch s;
	struct db *db = begin(&s);
	uint64_t commit = 0;

	run(db, "CREATE TABLE p(id INTEGER PRIMARY KEY); CREATE TABLE c(p REFERENCES p)", NOTHING);
	scratch_commit(db);
	run(db, "PRAGMA defer_foreign_keys = ON", NOTHING);
	run(db, "SELECT 1", NOTHING);
	run(db, "INSERT INTO c VALUES (1)", NOTHING);
	run(db, "INSERT INTO p VALUES (1)", NOTHING);
	scratch_commit(db);
	run(db, "PRAGMA defer_foreign_keys = ON", NOTHING);
	run(db, "INSERT INTO c VALUES (2)", NOTHING);
	ck_assert_int_eq(db_commit(db, &commit), ERR_STORE);
	ck_assert_said("FOREIGN KEY constraint failed");
	end(&s, db);
}
END_TEST

START_TEST(savepoints_nest_and_hold_keys_and_rows_together)
{
	struct scratch s;
	struct db *db = begin(&s);
	struct str value;

	run(db, "CREATE TABLE t(a)", NOTHING);
	ck_assert_int_eq(sql_savepoint(db), OK);
	run(db, "INSERT INTO t VALUES (1)", NOTHING);
	ck_assert_int_eq(kv_put(db, STR("k"), STR("1")), OK);
	ck_assert_int_eq(sql_savepoint(db), OK);
	run(db, "INSERT INTO t VALUES (2)", NOTHING);
	ck_assert_int_eq(kv_put(db, STR("k"), STR("2")), OK);
	ck_assert_int_eq(kv_batch_begin(db), OK);
	ck_assert_int_eq(kv_put(db, STR("l"), STR("3")), OK);
	ck_assert_int_eq(kv_batch_end(db, true), OK);
	ck_assert_int_eq(sql_release(db, false), OK);
	ck_assert_int_eq(kv_get(db, STR("k"), &value), 1);
	ck_assert(str_eq(value, STR("1")));
	ck_assert_int_eq(kv_get(db, STR("l"), &value), 0);
	ck_assert_int_eq(sql_release(db, true), OK);
	ck_assert_str_eq(run(db, "SELECT a FROM t", NOTHING), "1");
	scratch_commit(db);
	ck_assert_int_eq(sql_savepoint(db), OK);
	ck_assert(db_dirty(db));		/* also when nothing is written inside */
	db_rollback(db);
	ck_assert_int_eq(sql_release(db, false), OK);
	ck_assert_int_eq(sql_savepoint(db), OK);
	db_rollback(db);
	ck_assert_int_eq(sql_release(db, true), ERR_STORE);
	ck_assert_said("Cannot commit transaction");
	end(&s, db);
}
END_TEST

START_TEST(or_rollback_breaks_the_object_and_loses_nothing_committed)
{
	struct scratch s;
	struct db *db = begin(&s);

	run(db, "CREATE TABLE t(a UNIQUE); INSERT INTO t VALUES (1)", NOTHING);
	scratch_commit(db);
	ck_assert_int_eq(sql_savepoint(db), OK);
	run(db, "INSERT INTO t VALUES (2)", NOTHING);
	ck_refused(db, "INSERT OR ROLLBACK INTO t VALUES (1)", "UNIQUE constraint failed: t.a: SQLITE_CONSTRAINT");
	ck_assert(db_broken(db));
	ck_refused(db, "SELECT 1", "UNIQUE constraint failed: t.a");
	ck_assert_int_eq(sql_release(db, true), ERR_STORE);
	ck_assert_said("Cannot commit transaction due to an earlier SQL critical error");
	ck_assert_int_eq(db_free(&db), OK);
	db = scratch_db(&s, 1);
	ck_assert_str_eq(run(db, "SELECT a FROM t", NOTHING), "1");
	end(&s, db);
}
END_TEST

START_TEST(a_savepoint_around_nothing_stores_nothing)
{
	struct scratch s;
	struct db *db = begin(&s);

	ck_assert_int_eq(sql_depth(db), 0);
	ck_assert_int_eq(sql_savepoint(db), OK);
	ck_assert_int_eq(sql_savepoint(db), OK);
	ck_assert_int_eq(sql_depth(db), 2);
	ck_assert_str_eq(run(db, "SELECT 1", NOTHING), "1");
	ck_assert(!db_exists(db));
	ck_assert_int_eq(sql_release(db, false), OK);
	ck_assert_int_eq(sql_release(db, true), OK);
	ck_assert_int_eq(sql_depth(db), 0);
	ck_assert(!db_exists(db));		/* or the runtime would store its name */
	run(db, "CREATE TABLE t(a)", NOTHING);
	ck_assert(db_exists(db));
	end(&s, db);
}
END_TEST

START_TEST(a_cursor_left_open_does_not_hinder_a_savepoint)
{
	struct scratch s;
	struct db *db = begin(&s);
	struct cursor *c;

	run(db, "CREATE TABLE t(a); INSERT INTO t VALUES (1), (2), (3)", NOTHING);
	c = open_cursor(db, "SELECT a FROM t", NOTHING);
	ck_assert_int_eq(sql_next(c), 1);
	ck_assert_int_eq(sql_savepoint(db), OK);
	run(db, "INSERT INTO t VALUES (4) RETURNING a", NOTHING);
	ck_assert_int_eq(sql_release(db, true), OK);
	ck_assert_int_eq(sql_savepoint(db), OK);
	run(db, "DELETE FROM t", NOTHING);
	ck_assert_int_eq(sql_release(db, false), OK);
	ck_assert_int_ge(sql_next(c), ERR_STORE);	/* goes on, or says that it cannot: never crashes */
	sql_close(&c);
	ck_assert_str_eq(run(db, "SELECT count(*) FROM t", NOTHING), "4");
	end(&s, db);
}
END_TEST

/* The sanitizer keeps freed memory for a while: there is nothing to measure under it. */
static long
peak_kb(void)
{
	struct rusage u = { 0 };

#ifndef __SANITIZE_ADDRESS__
	getrusage(RUSAGE_SELF, &u);
#endif
	return u.ru_maxrss;
}

START_TEST(a_hundred_thousand_rows_stream_with_flat_memory)
{
	struct scratch s;
	struct db *db = begin(&s);
	struct cursor *c;
	struct sql_value v;
	int64_t sum = 0;
	long before;
	int n = 0;

	run(db, "CREATE TABLE t(a INTEGER, b TEXT)", NOTHING);
	c = open_cursor(db, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) "
	    "INSERT INTO t SELECT i, printf('row %090d', i) FROM n", NOTHING);
	ck_assert_int_eq(sql_rows_written(c), 100000);
	sql_close(&c);
	scratch_commit(db);
	run(db, "SELECT count(*) FROM t", NOTHING);
	c = open_cursor(db, "SELECT a, b FROM t", NOTHING);
	before = peak_kb();
	for (; sql_next(c) == 1; n++) {
		sql_value(c, 0, &v);
		sum += v.i;
		sql_value(c, 1, &v);
		ck_assert_uint_eq(v.s.n, 94);
	}
	ck_assert_int_eq(n, 100000);
	ck_assert_int_eq(sum, 5000050000);
	ck_assert_int_eq(sql_rows_read(c), 100000);
	/* The rows are 10 MB: a cursor that kept them would show. */
	ck_assert_int_lt(peak_kb() - before, 3000);
	sql_close(&c);
	end(&s, db);
}
END_TEST

START_TEST(the_cache_is_bounded)
{
	struct scratch s;
	struct db *db = begin(&s);
	struct buf query = { 0 };
	long before = 0;

	run(db, "CREATE TABLE t(a)", NOTHING);
	for (int i = 0; i < 5000; i++) {
		buf_clear(&query);
		buf_printf(&query, "SELECT a FROM t WHERE a = %d ORDER BY a LIMIT 10", i);
		run(db, query.p, NOTHING);
		if (i == 1000)
			before = peak_kb();
	}
	ck_assert_int_lt(peak_kb() - before, 2000);	/* 4,000 statements would be 16 MB */
	buf_fini(&query);
	end(&s, db);
}
END_TEST

START_TEST(too_large_is_refused_by_size)
{
	struct scratch s;
	struct db *db = begin(&s);
	size_t n = 33u << 20;
	char *large = xmalloc(n);

	memset(large, ' ', n);
	ck_assert_ptr_null(sql_exec(db, str_n(large, 2u << 20), NOTHING));
	ck_assert_said("SQLITE_TOOBIG");
	ck_assert_ptr_null(sql_exec(db, STR("SELECT length(?)"), BIND({ .type = SQL_TEXT, .s = { large, n } })));
	ck_assert_said("string or blob too big: SQLITE_TOOBIG");
	ck_assert(!db_broken(db));
	ck_assert_str_eq(run(db, "SELECT 1", NOTHING), "1");
	free(large);
	end(&s, db);
}
END_TEST

START_TEST(returning_too_much_says_that_the_rows_are_written)
{
	struct scratch s;
	struct db *db = begin(&s);

	run(db, "CREATE TABLE t(a)", NOTHING);
	ck_refused(db, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 80) "
	    "INSERT INTO t SELECT i FROM n RETURNING zeroblob(1 << 20)", "RETURNING gave more than 64 MiB of rows: return fewer columns");
	ck_assert_str_eq(run(db, "SELECT count(*) FROM t", NOTHING), "80");
	scratch_commit(db);
	end(&s, db);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("sql");
	TCase *tc = tcase_create("sql");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, every_type_goes_in_and_comes_out);
	tcase_add_test(tc, all_statements_run_and_the_last_one_answers);
	tcase_add_test(tc, a_text_without_a_statement_says_so);
	tcase_add_test(tc, parse_errors_say_what_where_and_what_instead);
	tcase_add_test(tc, statement_errors_carry_the_code_and_leave_the_transaction_open);
	tcase_add_test(tc, transaction_statements_name_the_functions_to_use);
	tcase_add_test(tc, a_cursor_reads_one_row_ahead);
	tcase_add_test(tc, rows_that_are_walked_are_the_same_rows);
	tcase_add_test(tc, the_statement_is_free_again_with_the_last_row);
	tcase_add_test(tc, cursors_on_one_text_do_not_disturb_each_other);
	tcase_add_test(tc, a_row_outlives_its_statement_and_the_bindings_their_owner);
	tcase_add_test(tc, returning_is_complete_when_exec_returns);
	tcase_add_test(tc, an_error_in_a_later_row_is_told_at_that_row);
	tcase_add_test(tc, open_cursors_die_with_a_reason);
	tcase_add_test(tc, a_select_goes_on_after_the_commit);
	tcase_add_test(tc, a_cached_statement_sees_new_columns);
	tcase_add_test(tc, names_of_columns_are_the_texts_of_their_expressions);
	tcase_add_test(tc, only_writers_begin_the_transaction);
	tcase_add_test(tc, analyze_and_optimize_are_kept_by_the_commit_only);
	tcase_add_test(tc, deferred_keys_wait_for_the_commit);
	tcase_add_test(tc, savepoints_nest_and_hold_keys_and_rows_together);
	tcase_add_test(tc, or_rollback_breaks_the_object_and_loses_nothing_committed);
	tcase_add_test(tc, a_savepoint_around_nothing_stores_nothing);
	tcase_add_test(tc, a_cursor_left_open_does_not_hinder_a_savepoint);
	tcase_add_test(tc, a_hundred_thousand_rows_stream_with_flat_memory);
	tcase_add_test(tc, the_cache_is_bounded);
	tcase_add_test(tc, too_large_is_refused_by_size);
	tcase_add_test(tc, returning_too_much_says_that_the_rows_are_written);
	srunner_run_all(sr, getenv("CK_VERBOSE") ? CK_VERBOSE : CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

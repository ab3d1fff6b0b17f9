/* check_guard.c -- what user SQL may do, row by row, and what it must never reach. */
#include "scratch_db.h"

#include "store/kv.h"
#include "store/sql.h"

/* NULL, or the error's text. */
static const char *
trouble(struct db *db, const char *query)
{
	struct cursor *c = sql_exec(db, str_c(query), NULL, 0);
	int rc;

	if (!c)
		return err_text();
	while ((rc = sql_next(c)) == 1)
		;
	sql_close(&c);
	return rc < 0 ? err_text() : NULL;
}

static void
allowed(struct db *db, const char *query)
{
	const char *text = trouble(db, query);

	ck_assert_msg(text == NULL, "%s: %s", query, text);
}

static void
denied(struct db *db, const char *query, const char *words)
{
	const char *text = trouble(db, query);

	ck_assert_msg(text != NULL, "%s was allowed", query);
	ck_assert_msg(strstr(text, words) != NULL, "%s: %s", query, text);
}

static struct db *
begin(struct scratch *s)
{
	struct db *db;

	scratch_begin(s);
	db = scratch_db(s, 1);
	ck_assert_int_eq(kv_put(db, STR("secret"), STR("value")), OK);
	allowed(db, "CREATE TABLE t(a INTEGER PRIMARY KEY, b); INSERT INTO t VALUES (1, 'x'), (2, 'y')");
	return db;
}

static void
end(struct scratch *s, struct db *db)
{
	struct str value;

	ck_assert_int_eq(kv_get(db, STR("secret"), &value), 1);
	ck_assert(str_eq(value, STR("value")));
	ck_assert_int_eq(db_free(&db), OK);
	scratch_end(s);
}

START_TEST(the_hidden_table_cannot_be_reached)
{
	static const char *const ways[] = {
		"SELECT count(*) FROM _cf_KV", "INSERT INTO _cf_KV VALUES ('k', 'v')", "UPDATE _cf_KV SET value = ''",
		"DELETE FROM _cf_KV", "DROP TABLE _cf_KV", "ALTER TABLE _cf_KV RENAME TO mine", "ALTER TABLE _cf_KV ADD COLUMN x",
		"ALTER TABLE _cf_KV DROP COLUMN value", "CREATE INDEX i ON _cf_KV(value)", "CREATE TABLE c AS SELECT * FROM _cf_KV",
		"CREATE TRIGGER tr AFTER INSERT ON _cf_KV BEGIN SELECT 1; END", "SELECT * FROM main.\"_CF_kv\"", "SELECT 1 FROM [_cf_KV]",
		"SELECT (SELECT count(*) FROM _cf_KV)", "WITH w AS (SELECT * FROM _cf_KV) SELECT * FROM w",
		"INSERT INTO t SELECT 5, value FROM _cf_KV", "DELETE FROM t WHERE b IN (SELECT key FROM _cf_KV)",
		"PRAGMA table_info(_cf_KV)", "PRAGMA table_xinfo('_cf_KV')", "PRAGMA index_list(\"_cf_KV\")", "PRAGMA quick_check(_cf_KV)",
		"SELECT * FROM pragma_table_info('_cf_KV')", "SELECT * FROM _cf_METADATA", "SELECT * FROM t JOIN _cf_KV",
		"SELECT * FROM dbstat", "SELECT count(*) FROM dbstat", "SELECT * FROM sqlite_stmt", "SELECT * FROM pragma_optimize",
		"UPDATE sqlite_master SET sql = ''", "DELETE FROM sqlite_schema", "INSERT INTO sqlite_master VALUES (1,2,3,4,5)",
		"PRAGMA writable_schema = ON", "PRAGMA index_info(sqlite_autoindex__cf_KV_1)",
	};
	struct scratch s;
	struct db *db = begin(&s);

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		denied(db, ways[i], "");
	denied(db, "SELECT key FROM _cf_KV", "access to _cf_KV.key is prohibited");
	denied(db, "SELECT * FROM _cf_KV", "reserved table");
	denied(db, "DROP TABLE _cf_KV", "not authorized: SQLITE_AUTH");
	denied(db, "DROP TABLE _cf_KV", "\"_cf_KV\" is a reserved table name");
	end(&s, db);
}
END_TEST

START_TEST(a_door_built_first_stays_shut)
{
	struct scratch s;
	struct db *db = begin(&s);

	/* SQLite looks inside these only when they are used. */
	allowed(db, "CREATE VIEW v AS SELECT * FROM _cf_KV");
	denied(db, "SELECT * FROM v", "access to _cf_KV.key is prohibited");
	allowed(db, "DROP VIEW v");
	allowed(db, "CREATE TRIGGER tr AFTER INSERT ON t BEGIN DELETE FROM _cf_KV; END");
	denied(db, "INSERT INTO t VALUES (3, 'z')", "not authorized");
	allowed(db, "DROP TRIGGER tr");
	allowed(db, "CREATE TRIGGER tr AFTER INSERT ON t BEGIN SELECT sqlite_version(); END");
	denied(db, "INSERT INTO t VALUES (3, 'z')", "not authorized to use function: sqlite_version");
	allowed(db, "DROP TRIGGER tr");
	allowed(db, "CREATE VIRTUAL TABLE f USING fts5(key, value, content='_cf_KV')");
	denied(db, "SELECT * FROM f", "");
	denied(db, "INSERT INTO f(f) VALUES ('rebuild')", "");
	end(&s, db);
}
END_TEST

START_TEST(reserved_names_cannot_be_made)
{
	static const char *const ways[] = {
		"CREATE TABLE _cf_x(a)", "CREATE TABLE _CF_x(a)", "CREATE TABLE \"_Cf_x\"(a)", "CREATE TABLE [_cF_](a)",
		"CREATE VIEW _cf_v AS SELECT 1", "CREATE INDEX _cf_i ON t(b)", "CREATE TRIGGER _cf_t AFTER INSERT ON t BEGIN SELECT 1; END",
		"CREATE VIRTUAL TABLE _cf_f USING fts5(a)", "CREATE VIRTUAL TABLE _cf USING fts5(a)", "CREATE TABLE _cf_c AS SELECT 1",
		"ALTER TABLE t RENAME TO _cf_x", "ALTER TABLE t RENAME TO '_cf_x'", "alter table t rename to \"_CF_x\"",
		"ALTER TABLE t RENAME TO [_cf_x]", "ALTER TABLE t RENAME TO `_cf_x`", "ALTER TABLE main.t RENAME/**/TO--x\n_cf_x",
		"ALTER TABLE t RENAME TO \xef\xbb\xbf_cf_x", "SELECT 1; ALTER TABLE t RENAME TO _cf_x; SELECT 2", "ALTER TABLE t RENAME TO _cf",
		"ALTER TABLE \"rename\" RENAME TO _cf_x", "ALTER TABLE rename RENAME TO _cf_x",
		/* PRAGMA foreign_key_check would tell which keys are there. */
		"CREATE TABLE c(k TEXT REFERENCES _cf_KV(key))", "CREATE TABLE c(k, FOREIGN KEY (k) references/**/\"_CF_kv\")",
		"CREATE TABLE c(k REFERENCES\n'_cf_KV' ON DELETE CASCADE)", "CREATE TABLE c(k REFERENCES [_cf_KV], l REFERENCES t)",
		"ALTER TABLE t ADD COLUMN k REFERENCES `_cf_KV`", "CREATE TABLE main.c(k REFERENCES t, l CONSTRAINT x REFERENCES _cf_x)",
	};
	struct scratch s;
	struct db *db = begin(&s);

	allowed(db, "CREATE TABLE rename(a)");
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		denied(db, ways[i], "not authorized: SQLITE_AUTH. \"");
	allowed(db, "ALTER TABLE t RENAME TO cf_x; ALTER TABLE cf_x RENAME TO t");
	allowed(db, "ALTER TABLE t RENAME COLUMN b TO _cf_b; ALTER TABLE t RENAME _cf_b TO b");
	allowed(db, "ALTER TABLE t ADD COLUMN c DEFAULT 'rename to _cf_x'");
	allowed(db, "CREATE TABLE _cfx(a); CREATE TABLE x_cf_(a)");
	allowed(db, "CREATE TABLE fine(\"references\" DEFAULT 'references _cf_x', _cf_a REFERENCES t, \"it''s\" REFERENCES t /* _cf_x */)");
	end(&s, db);
}
END_TEST

START_TEST(what_ordinary_apps_write_is_allowed)
{
	static const char *const texts[] = {
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 5) SELECT sum(i) FROM n",
		"CREATE TABLE u(id INTEGER PRIMARY KEY AUTOINCREMENT, t INTEGER REFERENCES t(a) ON DELETE CASCADE, at TEXT DEFAULT CURRENT_TIMESTAMP, "
		"g INTEGER AS (id * 2) STORED, CHECK (id > 0)) STRICT",
		"CREATE UNIQUE INDEX ui ON u(t) WHERE t IS NOT NULL", "INSERT INTO u(t) VALUES (1) ON CONFLICT DO NOTHING RETURNING id",
		"CREATE VIEW v AS SELECT a, upper(b) AS b FROM t", "SELECT * FROM v WHERE b LIKE 'x%' OR b GLOB 'y*'",
		"CREATE TRIGGER tr INSTEAD OF INSERT ON v BEGIN INSERT INTO t(b) VALUES (new.b); END", "INSERT INTO v(b) VALUES ('q')",
		"UPDATE t SET b = b || '!' WHERE a BETWEEN 1 AND 2", "DELETE FROM t WHERE a = 1 LIMIT 1", "REINDEX", "REINDEX t", "ANALYZE",
		"ANALYZE t", "PRAGMA optimize", "SELECT row_number() OVER (ORDER BY a), lag(a) OVER (ORDER BY a) FROM t",
		"SELECT json_extract('{\"a\":[1,2]}', '$.a[1]'), '{\"a\":1}' -> 'a', '{\"a\":1}' ->> '$.a'",
		"SELECT value FROM json_each('[1,2,3]')", "SELECT count(*) FROM json_tree('{\"a\":{\"b\":1}}')",
		"SELECT date('now'), current_date, current_time, unixepoch(), strftime('%Y', 0)", "SELECT sqrt(2), pow(2, 10), pi(), trunc(1.5)",
		"SELECT name FROM sqlite_master", "SELECT * FROM sqlite_sequence", "SELECT * FROM pragma_table_list", "EXPLAIN QUERY PLAN SELECT * FROM t",
		"SELECT * FROM t, pragma_table_info('t')", "CREATE VIRTUAL TABLE z USING rtree(id, x0, x1, y0, y1, +name)",
		"INSERT INTO z VALUES (1, 0, 1, 0, 1, 'n')", "SELECT name FROM z WHERE x0 >= 0", "SELECT rtreecheck('z')", "DROP TABLE z",
		"CREATE VIRTUAL TABLE z USING rtree_i32(id, x0, x1)", "ALTER TABLE t ADD COLUMN c", "ALTER TABLE t RENAME COLUMN c TO d",
		"ALTER TABLE t DROP COLUMN d", "DROP TRIGGER tr", "DROP VIEW v", "DROP INDEX ui", "DROP TABLE u",
	};
	struct scratch s;
	struct db *db = begin(&s);

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		allowed(db, texts[i]);
	end(&s, db);
}
END_TEST

START_TEST(full_text_search_works_with_triggers)
{
	struct scratch s;
	struct db *db = begin(&s);

	allowed(db, "CREATE VIRTUAL TABLE f USING FTS5(b, content='t', content_rowid='a', tokenize='porter unicode61')");
	allowed(db, "CREATE TRIGGER ti AFTER INSERT ON t BEGIN INSERT INTO f(rowid, b) VALUES (new.a, new.b); END");
	allowed(db, "CREATE TRIGGER td AFTER DELETE ON t BEGIN INSERT INTO f(f, rowid, b) VALUES ('delete', old.a, old.b); END");
	allowed(db, "INSERT INTO t(b) VALUES ('running foxes'), ('a lazy dog')");
	denied(db, "SELECT json_extract(b, '$') FROM f WHERE f MATCH 'run'", "malformed JSON");	/* so: a row was found */
	allowed(db, "SELECT highlight(f, 0, '[', ']'), snippet(f, 0, '', '', '', 5), bm25(f) FROM f WHERE f MATCH 'fox' ORDER BY rank");
	allowed(db, "CREATE VIRTUAL TABLE vocab USING fts5vocab('f', 'row')");
	allowed(db, "SELECT * FROM vocab");
	allowed(db, "DELETE FROM t WHERE a > 2");
	allowed(db, "INSERT INTO f(f) VALUES ('optimize')");
	scratch_commit(db);
	allowed(db, "ALTER TABLE f RENAME TO g; DROP TABLE g");
	denied(db, "CREATE VIRTUAL TABLE x USING fts4(a)", "fts5, fts5vocab, rtree and rtree_i32 are");
	denied(db, "CREATE VIRTUAL TABLE x USING dbstat", "There is no virtual table module \"dbstat\" here");
	end(&s, db);
}
END_TEST

START_TEST(pragmas_are_allowed_by_name_and_argument)
{
	static const char *const good[] = {
		"data_version", "page_size", "case_sensitive_like", "case_sensitive_like = TRUE", "foreign_keys", "foreign_keys = 'off'",
		"foreign_keys(1)", "defer_foreign_keys = no", "ignore_check_constraints = Yes", "legacy_alter_table = \"on\"",
		"recursive_triggers = 0", "reverse_unordered_selects = false", "foreign_key_check", "foreign_key_check(t)",
		"foreign_key_list(t)", "index_info(i)", "index_list('t')", "index_xinfo(i)", "table_info(t)", "main.table_info(t)",
		"table_xinfo(t)", "table_list", "table_list(t)", "quick_check", "quick_check(10)", "quick_check(t)", "optimize",
		"optimize(-1)", "optimize(0xfffe)", "optimize = 2", "user_version", "user_version = 5",
	};
	static const char *const bad[] = {
		"journal_mode", "journal_mode = DELETE", "synchronous = OFF", "locking_mode = NORMAL", "cache_size = 1000000",
		"max_page_count = 1", "application_id", "integrity_check", "hard_heap_limit = 1",
		"soft_heap_limit", "temp_store = 1", "encoding", "encoding = 'UTF-16'", "auto_vacuum = 1", "incremental_vacuum",
		"wal_checkpoint", "database_list", "compile_options", "function_list", "module_list", "secure_delete", "mmap_size = 1",
		"threads = 4", "writable_schema = 1", "trusted_schema = 1", "schema_version = 1", "page_count", "freelist_count",
		"shrink_memory", "busy_timeout", "query_only = 1", "cell_size_check", "analysis_limit", "temp_store_directory = '/'",
	};
	static const char *const wrong[] = {
		"data_version = 1", "page_size = 512", "foreign_keys = nonsense", "foreign_keys = 2", "foreign_keys = 123",
		"recursive_triggers = offf", "optimize(t)", "optimize('1x')", "optimize('')", "foreign_key_list", "table_info",
		"user_version = x",
	};
	struct scratch s;
	struct db *db = begin(&s);
	char text[128];

	allowed(db, "CREATE INDEX i ON t(b)");
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		snprintf(text, sizeof(text), "PRAGMA %s", good[i]);
		allowed(db, text);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "PRAGMA %s", bad[i]);
		denied(db, text, "not authorized: SQLITE_AUTH. PRAGMA ");
		ck_assert_said("is not available");
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(text, sizeof(text), "PRAGMA %s", wrong[i]);
		denied(db, text, "not authorized: SQLITE_AUTH. PRAGMA ");
		ck_assert_said("does not take this argument");
	}
	denied(db, "SELECT * FROM pragma_journal_mode", "not authorized");
	denied(db, "SELECT * FROM pragma_database_list", "not authorized");
	end(&s, db);
}
END_TEST

START_TEST(a_pragma_acts_every_time_it_is_sent)
{
	struct scratch s;
	struct db *db = begin(&s);

	allowed(db, "CREATE TABLE c(p REFERENCES t)");
	scratch_commit(db);
	for (int i = 0; i < 3; i++) {
		allowed(db, "PRAGMA foreign_keys = OFF");
		allowed(db, "INSERT INTO c VALUES (77)");
		scratch_commit(db);
		allowed(db, "PRAGMA foreign_keys = ON");
		denied(db, "INSERT INTO c VALUES (77)", "FOREIGN KEY constraint failed");
		scratch_commit(db);
	}
	end(&s, db);
}
END_TEST

START_TEST(functions_are_allowed_by_name)
{
	static const char *const good[] = { "abs(-1)", "ABS(-1)", "round(1.5, 1)", "hex(x'00')", "printf('%d', 1)", "iif(1, 2, 3)",
		"last_insert_rowid()", "changes()", "total_changes()", "likely(1)", "soundex('a')", "typeof(1)", "zeroblob(3)",
		"length(randomblob(4))", "random()", "instr('ab', 'b')", "log10(100)", "power(2, 3)", "ceiling(1.2)", "unicode('a')",
		"quote('x')", "coalesce(NULL, 1)", "min(1, 2)", "group_concat('a')", "substring('abc', 2)", "atan2(1, 2)" };
	static const char *const bad[] = { "sqlite_version()", "sqlite_source_id()", "sqlite_compileoption_get(1)",
		"sqlite_compileoption_used('x')", "load_extension('x')", "fts3_tokenizer('simple')", "fts5_source_id()", "rtreenode(2, x'')",
		"sqlite_log(1, 'x')" };
	struct scratch s;
	struct db *db = begin(&s);
	char text[128];

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		snprintf(text, sizeof(text), "SELECT %s", good[i]);
		allowed(db, text);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "SELECT %s", bad[i]);
		denied(db, text, "not authorized to use function: ");
	}
	denied(db, "SELECT readfile('/etc/passwd')", "no such function");
	denied(db, "SELECT writefile('/tmp/x', 'x')", "no such function");
	denied(db, "SELECT sqlite_rename_table('main', 'table', 't', '', 't', 'u', 0)", "");	/* allowed inside ALTER only */
	denied(db, "CREATE TABLE g(a, b AS (sqlite_version()))", "");
	end(&s, db);
}
END_TEST

START_TEST(other_databases_and_temporary_things_are_refused)
{
	struct scratch s;
	struct db *db = begin(&s);

	denied(db, "ATTACH ':memory:' AS other", "not authorized: SQLITE_AUTH. ATTACH and DETACH are not available");
	denied(db, "DETACH main", "ATTACH and DETACH");
	denied(db, "CREATE TEMP TABLE q(a)", "Temporary tables, indexes, views and triggers (here \"q\")");
	denied(db, "CREATE TABLE temp.q(a)", "Temporary");
	denied(db, "CREATE TEMP VIEW q AS SELECT 1", "Temporary");
	denied(db, "CREATE TEMP TRIGGER q AFTER INSERT ON t BEGIN SELECT 1; END", "Temporary");
	denied(db, "VACUUM", "");
	denied(db, "VACUUM INTO '/tmp/drey-check-guard-vacuum'", "");
	ck_assert_int_ne(access("/tmp/drey-check-guard-vacuum", F_OK), 0);
	allowed(db, "SELECT * FROM sqlite_temp_master");
	end(&s, db);
}
END_TEST

START_TEST(a_refused_statement_does_nothing_and_the_next_one_works)
{
	struct scratch s;
	struct db *db = begin(&s);

	denied(db, "INSERT INTO t VALUES (9, sqlite_version())", "not authorized to use function");
	denied(db, "INSERT INTO t VALUES (1, 'again')", "UNIQUE constraint failed: t.a: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_PRIMARYKEY)");
	ck_assert_ptr_null(strstr(err_text(), "reserved"));
	allowed(db, "INSERT INTO t VALUES (9, 'fine')");
	ck_assert(!db_broken(db));
	scratch_commit(db);
	end(&s, db);
}
END_TEST

/* ---- sql_limits ---- */

static void
ask(void *arg, struct sql_limits *limits)
{
	(void)arg;
	for (int i = 0; i < SQL_LIMITS; i++) {
		limits->of[i].value = 10;
		limits->of[i].file = "site.conf";
		limits->of[i].line = 100 + i;
	}
	limits->of[SQL_LIMIT_LENGTH].value = 5000;
	limits->of[SQL_LIMIT_STATEMENT].value = 2000;
	limits->of[SQL_LIMIT_VDBE_OP].value = 10000;
}

START_TEST(the_check_of_an_r_tree_runs_inside_the_implicit_transaction)
{
	struct scratch s;
	struct db *db = begin(&s);

	allowed(db, "CREATE VIRTUAL TABLE z USING rtree(id, x0, x1); INSERT INTO z VALUES (1, 0, 10)");
	scratch_commit(db);
	ck_assert(!db_dirty(db));
	allowed(db, "SELECT rtreecheck('z')");
	scratch_commit(db);
	allowed(db, "SELECT rtreecheck('z')");	/* the kept statement */
	end(&s, db);
}
END_TEST

START_TEST(a_limit_that_is_hit_is_named_with_its_place)
{
	static const struct {
		const char *query, *words;
	} rows[] = {
		{ "SELECT zeroblob(5001)", "string or blob too big: SQLITE_TOOBIG (sql_limits length, site.conf:100)" },
		{ "SELECT 1,2,3,4,5,6,7,8,9,10,11", "too many columns in result set: SQLITE_ERROR (sql_limits columns, site.conf:102)" },
		{ "CREATE TABLE c(a,b,c,d,e,f,g,h,i,j,k)", "too many columns on c: SQLITE_ERROR (sql_limits columns, site.conf:102)" },
		{ "SELECT a FROM t ORDER BY 1,1,1,1,1,1,1,1,1,1,1", "(sql_limits columns, site.conf:102)" },
		{ "SELECT a FROM t GROUP BY a,b,a,b,a,b,a,b,a,b,a", "(sql_limits columns, site.conf:102)" },
		{ "SELECT ?11", "variable number must be between ?1 and ?10" },
		{ "SELECT ?11", "(sql_limits params, site.conf:103)" },
		{ "SELECT max(?,?,?,?,?,?), max(?,?,?,?,?)", "too many SQL variables" },
		{ "SELECT max(?,?,?,?,?,?), max(?,?,?,?,?)", "SQLITE_ERROR (sql_limits params, site.conf:103)" },
		{ "SELECT ((((((((((((((((1+1)+1)+1)+1)+1)+1)+1)+1)+1)+1)+1)+1)+1)+1)+1))",
		  "Expression tree is too large (maximum depth 10)" },
		{ "SELECT ((((((((((((((((1+1)+1)+1)+1)+1)+1)+1)+1)+1)+1)+1)+1)+1)+1)+1))", "(sql_limits expr_depth, site.conf:104)" },
		{ "SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6 UNION SELECT 7 UNION SELECT 8 "
		  "UNION SELECT 9 UNION SELECT 10 UNION SELECT 11", "(sql_limits compound_select, site.conf:105)" },
		{ "SELECT max(1,2,3,4,5,6,7,8,9,10,11)", "(sql_limits function_arg, site.conf:106)" },
		{ "SELECT 'x' LIKE 'abcdefghijk'", "LIKE or GLOB pattern too complex: SQLITE_ERROR (sql_limits like_pattern, site.conf:107)" },
		{ "INSERT INTO deep VALUES (1)", "too many levels of trigger recursion: SQLITE_ERROR (sql_limits trigger_depth, site.conf:108)" },
	};
	struct scratch s;
	struct db *db;

	scratch_begin(&s);
	db = scratch_db(&s, 1);
	db_ask_limits(db, ask);
	allowed(db, "CREATE TABLE t(a INTEGER PRIMARY KEY, b); CREATE TABLE deep(n)");
	allowed(db, "CREATE TRIGGER d AFTER INSERT ON deep WHEN new.n < 12 BEGIN INSERT INTO deep VALUES (new.n + 1); END");
	allowed(db, "PRAGMA recursive_triggers = on");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		denied(db, rows[i].query, rows[i].words);
	/* At the limit all is well. */
	allowed(db, "SELECT 1,2,3,4,5,6,7,8,9,10");
	allowed(db, "SELECT zeroblob(4900), 'x' LIKE 'abcdefghij', max(1,2,3,4,5,6,7,8,9,10)");
	allowed(db, "INSERT INTO deep VALUES (3)");
	allowed(db, "CREATE TABLE ten(a,b,c,d,e,f,g,h,i,j)");
	ck_assert_int_eq(kv_put(db, STR("k"), STR("v")), OK);
	scratch_commit(db);
	ck_assert(!db_broken(db));
	ck_assert_int_eq(db_free(&db), OK);
	scratch_end(&s);
}
END_TEST

START_TEST(what_goes_through_no_sql_of_the_app_is_named_too)
{
	static char big[6000];
	struct buf text = { 0 };
	struct scratch s;
	struct db *db;

	scratch_begin(&s);
	db = scratch_db(&s, 1);
	db_ask_limits(db, ask);
	memset(big, 'x', sizeof(big));
	ck_assert_int_eq(kv_put(db, STR("k"), str_n(big, sizeof(big))), ERR_STORE);
	ck_assert_said("string or blob too big: SQLITE_TOOBIG (sql_limits length, site.conf:100)");
	buf_c(&text, "SELECT 1");
	while (text.n <= 2000)
		buf_c(&text, " -- more");
	denied(db, text.p, "statement too long: SQLITE_TOOBIG (sql_limits statement, site.conf:101)");
	ck_assert_int_eq(kv_put(db, STR("k"), STR("small")), OK);
	buf_fini(&text);
	ck_assert_int_eq(db_free(&db), OK);
	scratch_end(&s);
}
END_TEST

static void
ask_storage(void *arg, struct sql_limits *limits)
{
	(void)arg;
	limits->of[SQL_LIMIT_STORAGE].value = 1 << 20;
	limits->of[SQL_LIMIT_STORAGE].file = "site.conf";
	limits->of[SQL_LIMIT_STORAGE].line = 7;
	strcpy(limits->object, "room-7");
}

START_TEST(a_write_beyond_the_storage_is_undone_and_the_rest_still_works)
{
	static char big[100000];
	struct scratch s;
	struct db *db;
	struct str value;
	char key[2] = "a";

	scratch_begin(&s);
	db = scratch_db(&s, 1);
	db_ask_limits(db, ask_storage);
	memset(big, 'x', sizeof(big));
	while (kv_put(db, str_c(key), str_n(big, sizeof(big))) == OK) {
		scratch_commit(db);
		ck_assert_int_le(key[0], 'k');
		key[0]++;
	}
	ck_assert_int_ge(key[0], 'j');		/* nine of them fit */
	ck_assert_said("state limit exceeded: object room-7 uses 1.0 MB of 1 MB (limits storage, site.conf:7); delete rows or raise the limit");
	ck_assert(db_broken(db));		/* SQLite undid the transaction, so the object must begin anew */
	db_rollback(db);
	ck_assert_int_eq(db_free(&db), OK);
	db = scratch_db(&s, 1);
	db_ask_limits(db, ask_storage);
	ck_assert_int_eq(kv_get(db, str_c(key), &value), 0);
	ck_assert_int_eq(kv_get(db, STR("b"), &value), 1);
	ck_assert_uint_eq(value.n, sizeof(big));
	ck_assert_int_eq(kv_delete(db, STR("b")), 1);
	ck_assert_int_eq(kv_put(db, str_c(key), str_n(big, sizeof(big))), OK);
	scratch_commit(db);
	ck_assert_int_eq(db_free(&db), OK);
	scratch_end(&s);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("guard");
	TCase *tc = tcase_create("guard");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, the_hidden_table_cannot_be_reached);
	tcase_add_test(tc, a_door_built_first_stays_shut);
	tcase_add_test(tc, reserved_names_cannot_be_made);
	tcase_add_test(tc, what_ordinary_apps_write_is_allowed);
	tcase_add_test(tc, full_text_search_works_with_triggers);
	tcase_add_test(tc, pragmas_are_allowed_by_name_and_argument);
	tcase_add_test(tc, a_pragma_acts_every_time_it_is_sent);
	tcase_add_test(tc, functions_are_allowed_by_name);
	tcase_add_test(tc, other_databases_and_temporary_things_are_refused);
	tcase_add_test(tc, a_refused_statement_does_nothing_and_the_next_one_works);
	tcase_add_test(tc, the_check_of_an_r_tree_runs_inside_the_implicit_transaction);
	tcase_add_test(tc, a_limit_that_is_hit_is_named_with_its_place);
	tcase_add_test(tc, a_write_beyond_the_storage_is_undone_and_the_rest_still_works);
	tcase_add_test(tc, what_goes_through_no_sql_of_the_app_is_named_too);
	srunner_run_all(sr, getenv("CK_VERBOSE") ? CK_VERBOSE : CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* guard.c -- what user SQL may do: SQLite's authorizer over sorted tables.
 *
 * An allow-list: what is in none of the tables is refused.  The authorizer is
 * asked while a statement is compiled, so a refused one never ran.  It is also
 * asked for the statements that FTS5 and ALTER TABLE compile inside, which is
 * why sqlite_rename_table and its like are on the list (SQLite itself keeps
 * users from calling them) and why an FTS5 table with content='_cf_KV' reads
 * nothing.  Our own statements run with db_parts()->trusted.
 *
 * Two things the stock authorizer is not told: the new name in ALTER TABLE ...
 * RENAME TO, and the table behind REFERENCES (PRAGMA foreign_key_check would
 * tell which keys it holds).  guard_names() reads them from the text.
 *
 * To allow a function or PRAGMA: one row, in its sorted place.
 *
 * How large SQL may be is the app's to say (sql_limits): set on every fresh
 * handle, and named when SQLite's message shows that one was hit.
 *
 * Thread: the owning worker only.
 */
#include "store/guard.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/err.h"
#include "store/sql_cache.h"

/* ---- names ---- */

#define AUTOMATIC "sqlite_autoindex_"	/* SQLite's index behind PRIMARY KEY and UNIQUE; its table's name follows */

static bool
reserved(const char *name)
{
	if (name && strncasecmp(name, AUTOMATIC, sizeof(AUTOMATIC) - 1) == 0)
		name += sizeof(AUTOMATIC) - 1;
	return name && strncasecmp(name, "_cf_", 4) == 0;
}

static int
by_name(const void *key, const void *row)
{
	return strcasecmp(key, *(const char *const *)row);
}

#define FIND(name, table) bsearch(name, table, sizeof(table) / sizeof((table)[0]), sizeof((table)[0]), by_name)

/* Notes the first refusal: the later ones follow from it. */
static int
deny(struct guard_seen *seen, enum guard_denial denial, const char *name)
{
	if (seen->denial == GUARD_NOTHING) {
		seen->denial = denial;
		snprintf(seen->name, sizeof(seen->name), "%s", name ? name : "");
	}
	return SQLITE_DENY;
}

/* ---- functions ---- */

/* ceiling, log10, power and if are SQLite's own second names of allowed ones; the rest is the original's list. */
static const char *const functions[] = {
	"->", "->>", "abs", "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "avg", "bm25", "ceil", "ceiling",
	"changes", "char", "coalesce", "concat", "concat_ws", "cos", "cosh", "count", "cume_dist", "current_date",
	"current_time", "current_timestamp", "date", "datetime", "degrees", "dense_rank", "exp", "first_value", "floor",
	"format", "glob", "group_concat", "hex", "highlight", "if", "ifnull", "iif", "instr", "json", "json_array",
	"json_array_length", "json_each", "json_extract", "json_group_array", "json_group_object", "json_insert",
	"json_object", "json_patch", "json_quote", "json_remove", "json_replace", "json_set", "json_tree", "json_type",
	"json_valid", "jsonb", "jsonb_array", "jsonb_extract", "jsonb_group_array", "jsonb_group_object", "jsonb_insert",
	"jsonb_object", "jsonb_patch", "jsonb_remove", "jsonb_replace", "jsonb_set", "julianday", "lag",
	"last_insert_rowid", "last_value", "lead", "length", "like", "likelihood", "likely", "ln", "log", "log10", "log2",
	"lower", "ltrim", "match", "max", "min", "mod", "nth_value", "ntile", "nullif", "octet_length", "percent_rank",
	"pi", "pow", "power", "printf", "quote", "radians", "random", "randomblob", "rank", "replace", "round",
	"row_number", "rtreecheck", "rtrim", "sign", "sin", "sinh", "snippet", "soundex", "sqlite_drop_column",
	"sqlite_fail", "sqlite_rename_column", "sqlite_rename_quotefix", "sqlite_rename_table", "sqlite_rename_test",
	"sqrt", "strftime", "string_agg", "substr", "substring", "sum", "tan", "tanh", "time", "timediff", "total",
	"total_changes", "trim", "trunc", "typeof", "unhex", "unicode", "unixepoch", "unlikely", "upper", "zeroblob",
};

static int
allow_function(struct guard_seen *seen, const char *name)
{
	if (!FIND(name, functions))
		return deny(seen, GUARD_FUNCTION, name);
	if (strcasecmp(name, "rtreecheck") == 0)
		seen->writes = true;	/* it sends BEGIN and END unless it finds itself in a transaction */
	return SQLITE_OK;
}

/* ---- PRAGMAs ---- */

enum argument { NONE, BOOLEAN, NAME, NAME_OR_NONE, NUMBER_OR_NONE, NUMBER_NAME_OR_NONE };

static const struct pragma {
	const char *name;
	enum argument argument;
	bool writes;		/* needs the implicit transaction though SQLite calls it a reader */
} pragmas[] = {
	{ "case_sensitive_like", BOOLEAN, false },
	{ "data_version", NONE, false },
	{ "defer_foreign_keys", BOOLEAN, true },	/* the end of a transaction switches it off: it must begin in one */
	{ "foreign_key_check", NAME_OR_NONE, false },
	{ "foreign_key_list", NAME, false },
	{ "foreign_keys", BOOLEAN, false },		/* SQLite ignores it inside a transaction, so it must not begin one */
	{ "ignore_check_constraints", BOOLEAN, false },
	{ "index_info", NAME, false },
	{ "index_list", NAME, false },
	{ "index_xinfo", NAME, false },
	{ "legacy_alter_table", BOOLEAN, false },
	{ "optimize", NUMBER_OR_NONE, true },		/* runs ANALYZE from inside */
	{ "page_size", NONE, false },
	{ "quick_check", NUMBER_NAME_OR_NONE, false },
	{ "recursive_triggers", BOOLEAN, false },
	{ "reverse_unordered_selects", BOOLEAN, false },
	{ "table_info", NAME, false },
	{ "table_list", NAME_OR_NONE, false },
	{ "table_xinfo", NAME, false },
	{ "user_version", NUMBER_OR_NONE, false },	/* SQLite itself knows whether it writes */
};

static bool
is_boolean(const char *s)
{
	static const char *const words[] = { "0", "1", "false", "no", "off", "on", "true", "yes" };

	return FIND(s, words) != NULL;
}

static bool
is_number(const char *s)
{
	char *end;

	if (*s == '+' || *s == '-')
		s++;
	if (*s < '0' || *s > '9')
		return false;
	strtoull(s, &end, s[0] == '0' && (s[1] == 'x' || s[1] == 'X') ? 16 : 10);
	return *end == '\0';
}

static bool
argument_fits(enum argument kind, const char *arg)
{
	if (!arg)
		return kind != NAME;
	switch (kind) {
	case NONE:
		return false;
	case BOOLEAN:
		return is_boolean(arg);
	case NUMBER_OR_NONE:
		return is_number(arg);
	default:
		return !reserved(arg);
	}
}

static int
allow_pragma(struct guard_seen *seen, const char *name, const char *arg)
{
	const struct pragma *p = FIND(name, pragmas);

	seen->pragma = true;
	if (!p)
		return deny(seen, GUARD_PRAGMA, name);
	if (!argument_fits(p->argument, arg))
		return reserved(arg) ? deny(seen, GUARD_RESERVED, arg) : deny(seen, GUARD_PRAGMA_ARGUMENT, p->name);
	if (p->writes && (arg || p->argument != BOOLEAN))
		seen->writes = true;
	return SQLITE_OK;
}

/* ---- tables and modules ---- */

static const char *const modules[] = { "fts5", "fts5vocab", "rtree", "rtree_i32" };

/* Tables that SQLite conjures up: they show pages, statements, or act (pragma_optimize writes while it is read). */
static const char *const hidden[] = { "bytecode", "dbstat", "fts3tokenize", "pragma_optimize", "sqlite_dbpage", "sqlite_stmt", "tables_used" };

/* ---- actions ---- */

enum verdict { REFUSE, ALLOW, TABLE, OBJECT, CREATE, TEMPORARY, VIRTUAL, PRAGMA, FUNCTION, TRANSACTION, ALTER, ATTACH };

/* By SQLite's action number; what is not here is REFUSE. */
static const unsigned char actions[] = {
	[SQLITE_CREATE_INDEX] = OBJECT,		/* index, table */
	[SQLITE_CREATE_TABLE] = CREATE,		/* table */
	[SQLITE_CREATE_TEMP_INDEX] = TEMPORARY,
	[SQLITE_CREATE_TEMP_TABLE] = TEMPORARY,
	[SQLITE_CREATE_TEMP_TRIGGER] = TEMPORARY,
	[SQLITE_CREATE_TEMP_VIEW] = TEMPORARY,
	[SQLITE_CREATE_TRIGGER] = OBJECT,	/* trigger, table */
	[SQLITE_CREATE_VIEW] = OBJECT,		/* view */
	[SQLITE_DELETE] = TABLE,
	[SQLITE_DROP_INDEX] = OBJECT,
	[SQLITE_DROP_TABLE] = OBJECT,
	[SQLITE_DROP_TEMP_INDEX] = TEMPORARY,
	[SQLITE_DROP_TEMP_TABLE] = TEMPORARY,
	[SQLITE_DROP_TEMP_TRIGGER] = TEMPORARY,
	[SQLITE_DROP_TEMP_VIEW] = TEMPORARY,
	[SQLITE_DROP_TRIGGER] = OBJECT,
	[SQLITE_DROP_VIEW] = OBJECT,
	[SQLITE_INSERT] = TABLE,
	[SQLITE_PRAGMA] = PRAGMA,		/* name, argument */
	[SQLITE_READ] = TABLE,			/* table, column */
	[SQLITE_SELECT] = ALLOW,
	[SQLITE_TRANSACTION] = TRANSACTION,
	[SQLITE_UPDATE] = TABLE,		/* table, column */
	[SQLITE_ATTACH] = ATTACH,
	[SQLITE_DETACH] = ATTACH,
	[SQLITE_ALTER_TABLE] = ALTER,		/* database, table */
	[SQLITE_REINDEX] = ALLOW,
	[SQLITE_ANALYZE] = ALLOW,		/* a plain ANALYZE visits _cf_KV too, and may */
	[SQLITE_CREATE_VTABLE] = VIRTUAL,	/* table, module */
	[SQLITE_DROP_VTABLE] = VIRTUAL,
	[SQLITE_FUNCTION] = FUNCTION,		/* -, function */
	[SQLITE_SAVEPOINT] = TRANSACTION,
	[SQLITE_RECURSIVE] = ALLOW,
};

/* CREATE TABLE temp.x is reported as an ordinary table, in this database. */
static bool
temporary(const char *database)
{
	return database && strcasecmp(database, "temp") == 0;
}

static int
allow_object(struct guard_seen *seen, const char *a, const char *b)
{
	if (reserved(a))
		return deny(seen, GUARD_RESERVED, a);
	return reserved(b) ? deny(seen, GUARD_RESERVED, b) : SQLITE_OK;
}

static int
allow_table(struct guard_seen *seen, const char *table)
{
	if (reserved(table))
		return deny(seen, GUARD_RESERVED, table);
	return table && FIND(table, hidden) ? deny(seen, GUARD_TABLE, table) : SQLITE_OK;
}

static int
allow_module(struct guard_seen *seen, const char *table, const char *module)
{
	if (reserved(table))
		return deny(seen, GUARD_RESERVED, table);
	return module && FIND(module, modules) ? SQLITE_OK : deny(seen, GUARD_MODULE, module);
}

static int
authorize(void *arg, int action, const char *a, const char *b, const char *database, const char *trigger)
{
	struct db *db = arg;
	struct guard_seen *seen;

	(void)trigger;
	if (db_parts(db)->trusted)
		return SQLITE_OK;
	seen = &sql_cache_of(db)->seen;
	switch (action >= 0 && (size_t)action < sizeof(actions) ? actions[action] : REFUSE) {
	case ALLOW:
		return SQLITE_OK;
	case TABLE:
		return allow_table(seen, a);
	case CREATE:
		seen->names = true;
		/* fall through */
	case OBJECT:
		seen->schema = true;
		return temporary(database) ? deny(seen, GUARD_TEMP, a) : allow_object(seen, a, b);
	case TEMPORARY:
		return deny(seen, GUARD_TEMP, a);
	case VIRTUAL:
		return temporary(database) ? deny(seen, GUARD_TEMP, a) : allow_module(seen, a, b);
	case PRAGMA:
		return allow_pragma(seen, a, b);
	case FUNCTION:
		return allow_function(seen, b);
	case TRANSACTION:
		return deny(seen, GUARD_TRANSACTION, a);
	case ALTER:
		seen->schema = true;
		seen->names = true;
		return allow_object(seen, b, NULL);
	case ATTACH:
		return deny(seen, GUARD_ATTACH, a);
	default:
		return deny(seen, GUARD_NOTHING, a);
	}
}

/* ---- names in the text ---- */

enum token { END, WORD, QUOTED, SIGN };

/* Skips blanks (a byte order mark counts as one, to SQLite too) and comments. */
static struct str
skip_blank(struct str s)
{
	size_t n;

	for (;;) {
		if (s.n && memchr(" \t\n\v\f\r", s.p[0], 6)) {
			n = 1;
		} else if (str_starts(s, STR("\xef\xbb\xbf"))) {
			n = 3;
		} else if (str_starts(s, STR("--"))) {
			const char *end = memchr(s.p, '\n', s.n);

			n = end ? (size_t)(end - s.p) + 1 : s.n;
		} else if (str_starts(s, STR("/*"))) {
			const char *end = s.n > 3 ? memmem(s.p + 2, s.n - 2, "*/", 2) : NULL;

			n = end ? (size_t)(end - s.p) + 2 : s.n;
		} else {
			return s;
		}
		s = str_n(s.p + n, s.n - n);
	}
}

static bool
is_word(unsigned char c)
{
	return c == '_' || c == '$' || c >= 0x80 || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Takes one token off.  A doubled quote ends this one early; the names we look for have no quote inside. */
static enum token
take_token(struct str *s, struct str *token)
{
	size_t n = 1;
	const char *end;

	*s = skip_blank(*s);
	if (s->n == 0)
		return END;
	if (memchr("\"'`[", s->p[0], 4)) {
		end = memchr(s->p + 1, s->p[0] == '[' ? ']' : s->p[0], s->n - 1);
		n = end ? (size_t)(end - s->p) : s->n;
		*token = str_n(s->p + 1, n - 1);
		n += end != NULL;
		*s = str_n(s->p + n, s->n - n);
		return QUOTED;
	}
	while (n < s->n && is_word((unsigned char)s->p[0]) && is_word((unsigned char)s->p[n]))
		n++;
	*token = str_n(s->p, n);
	*s = str_n(s->p + n, s->n - n);
	return is_word((unsigned char)token->p[0]) ? WORD : SIGN;
}

/* A bare _cf is refused as well: FTS5 would name its parts _cf_data and so on after it. */
static bool
reserved_new_name(struct str name)
{
	return str_ieq(name, STR("_cf")) || (name.n >= 4 && str_ieq(str_n(name.p, 4), STR("_cf_")));
}

/* What the words so far announce. */
enum ahead { NOTHING, RENAME, A_NAME };

static enum ahead
look_ahead(enum ahead before, struct str word)
{
	if (str_ieq(word, STR("references")))
		return A_NAME;
	if (str_ieq(word, STR("rename")))
		return RENAME;
	return before == RENAME && str_ieq(word, STR("to")) ? A_NAME : NOTHING;
}

bool
guard_names(struct str sql, struct guard_seen *seen)
{
	struct str token = { NULL, 0 };
	enum ahead ahead = NOTHING;
	enum token kind;

	while ((kind = take_token(&sql, &token)) != END) {
		if (ahead == A_NAME && kind != SIGN && reserved_new_name(token)) {
			seen->denial = GUARD_RESERVED;
			snprintf(seen->name, sizeof(seen->name), "%.*s", (int)(token.n < 63 ? token.n : 63), token.p);
			return true;
		}
		ahead = kind == WORD ? look_ahead(ahead, token) : NOTHING;
	}
	return false;
}

/* ---- explanations ---- */

static const char *const explanations[] = {
	[GUARD_NOTHING] = NULL,
	[GUARD_TRANSACTION] = NULL,	/* sql_error.c has a text of its own */
	[GUARD_FUNCTION] = NULL,	/* SQLite's text says it */
	[GUARD_RESERVED] = "\"%s\" is a reserved table name: names that begin with _cf_ belong to the server. "
	    "Keys and values are read and written with ctx.storage:get(), put(), delete() and list()",
	[GUARD_PRAGMA] = "PRAGMA %s is not available; table_info, foreign_keys, optimize and others that cannot harm the storage are",
	[GUARD_PRAGMA_ARGUMENT] = "PRAGMA %s does not take this argument",
	[GUARD_MODULE] = "There is no virtual table module \"%s\" here; fts5, fts5vocab, rtree and rtree_i32 are",
	[GUARD_TABLE] = "The table \"%s\" is not available",
	[GUARD_TEMP] = "Temporary tables, indexes, views and triggers (here \"%s\") are not available: use an ordinary table "
	    "and drop it, or WITH ... AS (...)",
	[GUARD_ATTACH] = "ATTACH and DETACH are not available: an object has one database, its own",
};

void
guard_explain(const struct guard_seen *seen, struct buf *out)
{
	const char *explanation = explanations[seen->denial];
	const char *at = explanation ? strstr(explanation, "%s") : NULL;

	if (!explanation)
		return;
	buf_c(out, ". ");
	if (!at) {
		buf_c(out, explanation);
		return;
	}
	buf_add(out, explanation, (size_t)(at - explanation));
	buf_c(out, seen->name);
	buf_c(out, at + 2);
}

/* ---- a fresh handle ---- */

/* Not for the app to choose. */
static const struct {
	int id, value;
} fixed[] = {
	{ SQLITE_LIMIT_ATTACHED, 0 },
	{ SQLITE_LIMIT_WORKER_THREADS, 0 },
};

/* The app's: SQLite's number, ours where nobody says one (0: SQLite's default), and the directive. */
static const struct {
	int id, value;
	const char *directive;
} limits[] = {
	[SQL_LIMIT_LENGTH] = { SQLITE_LIMIT_LENGTH, 32 << 20, "length" },
	[SQL_LIMIT_STATEMENT] = { SQLITE_LIMIT_SQL_LENGTH, 1 << 20, "statement" },
	[SQL_LIMIT_COLUMNS] = { SQLITE_LIMIT_COLUMN, 0, "columns" },
	[SQL_LIMIT_PARAMS] = { SQLITE_LIMIT_VARIABLE_NUMBER, 0, "params" },
	[SQL_LIMIT_EXPR_DEPTH] = { SQLITE_LIMIT_EXPR_DEPTH, 0, "expr_depth" },
	[SQL_LIMIT_COMPOUND_SELECT] = { SQLITE_LIMIT_COMPOUND_SELECT, 0, "compound_select" },
	[SQL_LIMIT_FUNCTION_ARG] = { SQLITE_LIMIT_FUNCTION_ARG, 0, "function_arg" },
	[SQL_LIMIT_LIKE_PATTERN] = { SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 0, "like_pattern" },
	[SQL_LIMIT_TRIGGER_DEPTH] = { SQLITE_LIMIT_TRIGGER_DEPTH, 0, "trigger_depth" },
	[SQL_LIMIT_VDBE_OP] = { SQLITE_LIMIT_VDBE_OP, 0, "vdbe_op" },
};

/* How SQLite's messages about a limit begin.  vdbe_op has none of its own: it says "out of memory". */
static const struct {
	const char *begins;
	enum sql_limit limit;
} hits[] = {
	{ "string or blob too big", SQL_LIMIT_LENGTH },
	{ "statement too long", SQL_LIMIT_STATEMENT },
	{ "too many columns ", SQL_LIMIT_COLUMNS },	/* on t, in result set, in index, in set list */
	{ "too many terms in GROUP BY", SQL_LIMIT_COLUMNS },
	{ "too many terms in ORDER BY", SQL_LIMIT_COLUMNS },
	{ "too many SQL variables", SQL_LIMIT_PARAMS },
	{ "variable number must be between", SQL_LIMIT_PARAMS },
	{ "Expression tree is too large", SQL_LIMIT_EXPR_DEPTH },
	{ "too many terms in compound SELECT", SQL_LIMIT_COMPOUND_SELECT },
	{ "too many arguments on function", SQL_LIMIT_FUNCTION_ARG },
	{ "LIKE or GLOB pattern too complex", SQL_LIMIT_LIKE_PATTERN },
	{ "too many levels of trigger recursion", SQL_LIMIT_TRIGGER_DEPTH },
};

void
guard_name_limit(struct db *db, int rc, const char *message, struct buf *out)
{
	struct sql_limits now;

	if (rc != SQLITE_ERROR && rc != SQLITE_TOOBIG)
		return;
	for (size_t i = 0; i < sizeof(hits) / sizeof(hits[0]); i++) {
		enum sql_limit which = hits[i].limit;

		if (strncmp(message, hits[i].begins, strlen(hits[i].begins)) != 0)
			continue;
		if (db_limits(db, &now) && now.of[which].file)
			buf_printf(out, " (sql_limits %s, %s:%d)", limits[which].directive, now.of[which].file, now.of[which].line);
		return;
	}
}

static void
set_limits(struct db *db, sqlite3 *h)
{
	struct sql_limits now;

	db_limits(db, &now);
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		int value = now.of[i].value ? (int)now.of[i].value : limits[i].value;

		if (value)
			sqlite3_limit(h, limits[i].id, value);
	}
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		sqlite3_limit(h, fixed[i].id, fixed[i].value);
}

static const struct {
	int option, value;
} settings[] = {
	{ SQLITE_DBCONFIG_DEFENSIVE, 1 },	/* no writing to sqlite_schema or the inner tables of FTS5 */
	/* On: with it off SQLite 3.40 refuses FTS5 tables inside triggers, the usual way to keep an index up to date.
	 * Nothing is lost: the authorizer is asked about every function and table inside triggers and views too. */
	{ SQLITE_DBCONFIG_TRUSTED_SCHEMA, 1 },
	{ SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0 },
	{ SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, 0 },
	{ SQLITE_DBCONFIG_ENABLE_FKEY, 1 },	/* as in the original */
};

void
sql_guard(struct db *db, sqlite3 *h)
{
	set_limits(db, h);
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		must(sqlite3_db_config(h, settings[i].option, settings[i].value, NULL) == SQLITE_OK);
	must(sqlite3_set_authorizer(h, authorize, db) == SQLITE_OK);
	sql_count_watch(db, h);
}

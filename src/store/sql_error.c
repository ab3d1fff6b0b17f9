/* sql_error.c -- SQLite's refusals, in words that say where and what instead.
 *
 *	<sqlite3_errmsg>[ at offset N]: SQLITE_NAME[ (extended: SQLITE_NAME_DETAIL)][ (sql_limits NAME, FILE:LINE)][. What to write instead.]
 *
 * The offset counts bytes from the start of the whole text given to
 * sql_exec(), also when the mistake is in its third statement.
 *
 * Thread: the owning worker only.
 */
#include <stdlib.h>

#include "base/err.h"
#include "store/sql_cache.h"

#define CODE(c) { c, #c }

/* Every code SQLite 3.40 documents. Primary ones come first. */
static const struct {
	int code;
	const char *name;
} codes[] = {
	CODE(SQLITE_OK), CODE(SQLITE_ERROR), CODE(SQLITE_INTERNAL), CODE(SQLITE_PERM), CODE(SQLITE_ABORT), CODE(SQLITE_BUSY),
	CODE(SQLITE_LOCKED), CODE(SQLITE_NOMEM), CODE(SQLITE_READONLY), CODE(SQLITE_INTERRUPT), CODE(SQLITE_IOERR),
	CODE(SQLITE_CORRUPT), CODE(SQLITE_NOTFOUND), CODE(SQLITE_FULL), CODE(SQLITE_CANTOPEN), CODE(SQLITE_PROTOCOL),
	CODE(SQLITE_EMPTY), CODE(SQLITE_SCHEMA), CODE(SQLITE_TOOBIG), CODE(SQLITE_CONSTRAINT), CODE(SQLITE_MISMATCH),
	CODE(SQLITE_MISUSE), CODE(SQLITE_NOLFS), CODE(SQLITE_AUTH), CODE(SQLITE_FORMAT), CODE(SQLITE_RANGE), CODE(SQLITE_NOTADB),
	CODE(SQLITE_NOTICE), CODE(SQLITE_WARNING), CODE(SQLITE_ROW), CODE(SQLITE_DONE),
	CODE(SQLITE_ERROR_MISSING_COLLSEQ), CODE(SQLITE_ERROR_RETRY), CODE(SQLITE_ERROR_SNAPSHOT), CODE(SQLITE_ABORT_ROLLBACK),
	CODE(SQLITE_BUSY_RECOVERY), CODE(SQLITE_BUSY_SNAPSHOT), CODE(SQLITE_BUSY_TIMEOUT), CODE(SQLITE_LOCKED_SHAREDCACHE),
	CODE(SQLITE_LOCKED_VTAB), CODE(SQLITE_READONLY_RECOVERY), CODE(SQLITE_READONLY_CANTLOCK), CODE(SQLITE_READONLY_ROLLBACK),
	CODE(SQLITE_READONLY_DBMOVED), CODE(SQLITE_READONLY_CANTINIT), CODE(SQLITE_READONLY_DIRECTORY), CODE(SQLITE_IOERR_READ),
	CODE(SQLITE_IOERR_SHORT_READ), CODE(SQLITE_IOERR_WRITE), CODE(SQLITE_IOERR_FSYNC), CODE(SQLITE_IOERR_DIR_FSYNC),
	CODE(SQLITE_IOERR_TRUNCATE), CODE(SQLITE_IOERR_FSTAT), CODE(SQLITE_IOERR_UNLOCK), CODE(SQLITE_IOERR_RDLOCK),
	CODE(SQLITE_IOERR_DELETE), CODE(SQLITE_IOERR_NOMEM), CODE(SQLITE_IOERR_ACCESS), CODE(SQLITE_IOERR_CHECKRESERVEDLOCK),
	CODE(SQLITE_IOERR_LOCK), CODE(SQLITE_IOERR_CLOSE), CODE(SQLITE_IOERR_DIR_CLOSE), CODE(SQLITE_IOERR_SHMOPEN),
	CODE(SQLITE_IOERR_SHMSIZE), CODE(SQLITE_IOERR_SHMLOCK), CODE(SQLITE_IOERR_SHMMAP), CODE(SQLITE_IOERR_SEEK),
	CODE(SQLITE_IOERR_DELETE_NOENT), CODE(SQLITE_IOERR_MMAP), CODE(SQLITE_IOERR_GETTEMPPATH), CODE(SQLITE_IOERR_CONVPATH),
	CODE(SQLITE_IOERR_VNODE), CODE(SQLITE_IOERR_AUTH), CODE(SQLITE_IOERR_BEGIN_ATOMIC), CODE(SQLITE_IOERR_COMMIT_ATOMIC),
	CODE(SQLITE_IOERR_ROLLBACK_ATOMIC), CODE(SQLITE_IOERR_DATA), CODE(SQLITE_IOERR_CORRUPTFS), CODE(SQLITE_CORRUPT_VTAB),
	CODE(SQLITE_CORRUPT_SEQUENCE), CODE(SQLITE_CORRUPT_INDEX), CODE(SQLITE_CANTOPEN_NOTEMPDIR), CODE(SQLITE_CANTOPEN_ISDIR),
	CODE(SQLITE_CANTOPEN_FULLPATH), CODE(SQLITE_CANTOPEN_CONVPATH), CODE(SQLITE_CANTOPEN_SYMLINK), CODE(SQLITE_CONSTRAINT_CHECK),
	CODE(SQLITE_CONSTRAINT_COMMITHOOK), CODE(SQLITE_CONSTRAINT_FOREIGNKEY), CODE(SQLITE_CONSTRAINT_FUNCTION),
	CODE(SQLITE_CONSTRAINT_NOTNULL), CODE(SQLITE_CONSTRAINT_PRIMARYKEY), CODE(SQLITE_CONSTRAINT_TRIGGER),
	CODE(SQLITE_CONSTRAINT_UNIQUE), CODE(SQLITE_CONSTRAINT_VTAB), CODE(SQLITE_CONSTRAINT_ROWID), CODE(SQLITE_CONSTRAINT_PINNED),
	CODE(SQLITE_CONSTRAINT_DATATYPE), CODE(SQLITE_AUTH_USER),
};

const char *
sql_code_name(int code)
{
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (codes[i].code == code)
			return codes[i].name;
	return "SQLITE_UNKNOWN";
}

/* People write // where other languages begin a comment; SQLite then stumbles over one of the slashes. */
static bool
slashes_at(struct str text, size_t at)
{
	if (at >= text.n || text.p[at] != '/')
		return false;
	return (at + 1 < text.n && text.p[at + 1] == '/') || (at > 0 && text.p[at - 1] == '/');
}

#define COMMENTS ". A comment in SQL begins with -- or stands between /* and */; "

/* How messages begin that want a word more. */
static const struct {
	const char *begins, *hint;
} hints[] = {
	{ "unrecognized token: \"#", COMMENTS "# is not one" },
	{ "cannot VACUUM", ". VACUUM is not available: pages that were freed are used again, and ctx.storage:deleteAll() gives all of them back" },
};

static void
add_hint(int rc, struct str rest, int offset, const char *message, struct buf *text)
{
	if (rc == SQLITE_CORRUPT_VTAB)
		buf_c(text, ". The index of a virtual table does not fit what it indexes; INSERT INTO f(f) VALUES ('rebuild') makes that of an FTS5 table f anew");
	if (rest.p && offset >= 0 && slashes_at(rest, (size_t)offset))
		buf_c(text, COMMENTS "// is not one");
	for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++)
		if (strncmp(message, hints[i].begins, strlen(hints[i].begins)) == 0)
			buf_c(text, hints[i].hint);
}

static void
describe(struct db *db, sqlite3 *h, int rc, struct str query, struct str rest, struct buf *text)
{
	int offset = sqlite3_error_offset(h);
	int primary = rc & 0xff;

	buf_c(text, sqlite3_errmsg(h));
	if (rest.p && offset >= 0)
		buf_printf(text, " at offset %zu", (size_t)(rest.p - query.p) + (size_t)offset);
	buf_printf(text, ": %s", sql_code_name(primary));
	if (rc != primary)
		buf_printf(text, " (extended: %s)", sql_code_name(rc));
	guard_name_limit(db, primary, sqlite3_errmsg(h), text);
	add_hint(rc, rest, offset, sqlite3_errmsg(h), text);
}

#define USE_TRANSACTIONS \
	"To execute a transaction, please use ctx.storage:transactionSync(fn) or ctx.storage:transaction(fn) instead of the " \
	"SQL statements BEGIN TRANSACTION, COMMIT, ROLLBACK, SAVEPOINT and RELEASE. fn's writes are kept when it returns and undone " \
	"when it raises an error; the server itself opens and commits the transaction around them"

/* rest.p NULL: the failure is not one of parsing, there is no offset. */
int
sql_failed(struct db *db, sqlite3 *h, int rc, struct str query, struct str rest)
{
	struct guard_seen *seen = &sql_cache_of(db)->seen;
	struct buf text = { 0 };
	int extended = sqlite3_extended_errcode(h);
	int code;

	if ((extended & 0xff) != (rc & 0xff))
		extended = rc;
	if (rc == SQLITE_SCHEMA && seen->denial)	/* a refused CREATE TABLE ... AS ends so, with "not authorized" as its message */
		extended = SQLITE_AUTH;
	/* db_fail() may roll back, and that changes what SQLite says: read it before. */
	describe(db, h, extended, query, rest, &text);
	if (seen->denial == GUARD_TRANSACTION) {
		buf_clear(&text);
		buf_c(&text, USE_TRANSACTIONS);
	} else {
		guard_explain(seen, &text);
	}
	code = db_fail(db, rc);
	if (!db_broken(db))
		code = err_set(ERR_STORE, "%s", text.p);
	buf_fini(&text);
	return code;
}

/* err.h -- three kinds of trouble, three answers.
 *
 * A bug:     must(expr) prints where and aborts; it is never compiled out.
 * The world: a function returns one of the negative codes below after
 *            err_set() has written what happened, once, at the spot.  The
 *            border (log line, HTTP status, Lua error) reads err_text().
 * A tenant:  fails that event only; see object/event.h, struct failure.
 *
 * The text is thread-local and lives until the next err_set() there.
 */
#ifndef DREY_BASE_ERR_H
#define DREY_BASE_ERR_H

enum {
	OK = 0,
	ERR_MEMORY = -1,	/* out of memory, or over a memory limit */
	ERR_IO = -2,		/* a system call on a file or socket failed */
	ERR_CONF = -3,		/* the configuration is wrong; text has file:line:column */
	ERR_STORE = -4,		/* SQLite or the journal refused */
	ERR_CORRUPT = -5,	/* bytes on disk or on the wire are not what was written */
	ERR_LIMIT = -6,		/* a configured limit; the text names the directive */
	ERR_OVERLOADED = -7,	/* try later; nothing was done */
	ERR_GONE = -8,		/* the other side went away, or the object was reset */
	ERR_ARGUMENT = -9,	/* the caller's argument cannot be used */
	ERR_LUA = -10,		/* the app's code raised */
	ERR_BUSY = -11,		/* somebody else owns it (data directory, pid file) */
};

int err_set(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));	/* copies; returns code */
const char *err_text(void);			/* lends, until the next err_set() of this thread */
int err_code(void);
const char *err_name(int code);			/* "store", "limit", ...; for logs */

_Noreturn void must_fail(const char *expr, const char *file, int line, const char *func);

#define must(expr) ((expr) ? (void)0 : must_fail(#expr, __FILE__, __LINE__, __func__))

#endif

/* err.c -- the thread's last error text, and the end of a process with a bug.
 *
 * The text is built aside and copied, so a caller may wrap what went wrong
 * below: err_set(ERR_STORE, "open %s: %s", name, err_text()).
 *
 * Thread: any; each has its own text.
 */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEXT_MAX 4096

static __thread struct {
	int code;
	char text[TEXT_MAX];
} last;

static const char *const names[] = {
	[-OK] = "ok",
	[-ERR_MEMORY] = "memory",
	[-ERR_IO] = "io",
	[-ERR_CONF] = "conf",
	[-ERR_STORE] = "store",
	[-ERR_CORRUPT] = "corrupt",
	[-ERR_LIMIT] = "limit",
	[-ERR_OVERLOADED] = "overloaded",
	[-ERR_GONE] = "gone",
	[-ERR_ARGUMENT] = "argument",
	[-ERR_LUA] = "lua",
	[-ERR_BUSY] = "busy",
};

int
err_set(int code, const char *fmt, ...)
{
	int saved = errno;
	char text[TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	memcpy(last.text, text, strlen(text) + 1);
	last.code = code;
	errno = saved;
	return code;
}

const char *
err_text(void)
{
	return last.text;
}

int
err_code(void)
{
	return last.code;
}

const char *
err_name(int code)
{
	if (code > 0 || code <= -(int)(sizeof(names) / sizeof(names[0])))
		return "unknown";
	return names[-code];
}

_Noreturn void
must_fail(const char *expr, const char *file, int line, const char *func)
{
	char text[512];
	int n = snprintf(text, sizeof(text), "drey: bug: %s:%d: %s: must(%s) failed\n", file, line, func, expr);

	if (n >= (int)sizeof(text))
		n = sizeof(text) - 1;
	if (write(STDERR_FILENO, text, (size_t)n) < 0) {
		/* nobody left to tell */
	}
	abort();
}

/* log.h -- the error log: one event, one line, at once.
 *
 * A line is "2026-11-23T10:00:00.123Z level text key=value ...".  Colours only when
 * the destination is a terminal.  Lines of different threads never mix: each
 * is one write().
 */
#ifndef DREY_BASE_LOG_H
#define DREY_BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

int log_open(const char *path, enum log_level);	/* "stderr" or a file, appended to; ERR_IO */
int log_reopen(void);				/* after rotation; keeps the old file if the new one cannot be opened */
void log_at(enum log_level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool log_shows(enum log_level);			/* would a line be written? before one that costs */
int log_level_of(const char *word);		/* "error", "warn", "info", "debug"; -1 if none of these */

#define log_error(...) log_at(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_at(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_at(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_DEBUG, __VA_ARGS__)

#endif

/* values.h -- sizes, times, numbers and flags: read, and written the same way.
 *
 * What value_print_x() writes value_x() reads back to the same value.
 */
#ifndef DREY_CONF_VALUES_H
#define DREY_CONF_VALUES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* false: not of that kind, or too large for 63 bits */
bool value_size(const char *, int64_t *bytes);		/* 512, 64k, 32m, 10g */
bool value_time(const char *, int64_t *ms);		/* 500ms, 10s, 15m, 1h30m, 2d; a bare number is seconds */
bool value_number(const char *, int64_t *);
bool value_flag(const char *, bool *);			/* on, off */

/* What a text that is none was probably meant to be ("10gb": 10g, "yes": on), or NULL. */
const char *value_guess_size(const char *, struct buf *);	/* lends, in the buffer */
const char *value_guess_time(const char *, struct buf *);
const char *value_guess_flag(const char *);

void value_print_size(struct buf *, int64_t bytes);
void value_print_time(struct buf *, int64_t ms);
void value_print_word(struct buf *, const char *);	/* in quotes where the lexer needs them */

/* Letters to add, drop, replace or swap with their neighbour; 64 when either is beyond 32 letters. */
unsigned value_distance(const char *, const char *);
bool value_is_name(const char *);	/* letters, digits and _, no digit first: a Lua name */

#endif

/* directives.h -- every directive is one row of one table.
 *
 * The parser takes from a row where the directive may stand, how many
 * arguments it has, of what kind, within which bounds, and where the value
 * lands; drey -T prints from the same row, errors quote its line to copy, and
 * defaults are texts that go through the parser like any other.
 *
 * To add one: a field in settings.h, a row here; a setter and a printer only
 * if a field at an offset will not do.
 */
#ifndef DREY_CONF_DIRECTIVES_H
#define DREY_CONF_DIRECTIVES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct parse;
struct statement;

/* Where a directive may stand; and the struct its offset and setter mean there. */
enum {
	IN_MAIN = 1 << 0,	/* struct settings */
	IN_APP = 1 << 1,	/* struct app_conf */
	IN_OBJECTS = 1 << 2,	/* durable_objects { }: struct app_conf */
	IN_MIGRATIONS = 1 << 3,	/* struct app_conf */
	IN_MIGRATION = 1 << 4,	/* v1 { }: struct app_conf; the tag is the frame's name */
	IN_VARS = 1 << 5,	/* struct app_conf */
	IN_LIMITS = 1 << 6,	/* struct app_conf */
	IN_SERVER = 1 << 7,	/* struct server_conf */
	IN_LOCATION = 1 << 8,	/* struct location_conf */
	IN_SQL_LIMITS = 1 << 9,	/* struct app_conf */
	IN_OVERLOAD = 1 << 10,	/* struct app_conf */
	IN_ANY = (1 << 11) - 1,
	IN_ALL_LIMITS = IN_LIMITS | IN_SQL_LIMITS | IN_OVERLOAD,	/* blocks whose values have a default, and whose places are kept */
};

enum value_kind {
	VALUE_CUSTOM,		/* the setter knows */
	VALUE_TEXT,		/* const char * */
	VALUE_SIZE,		/* uint64_t, bytes */
	VALUE_TIME,		/* int64_t, milliseconds */
	VALUE_NUMBER,		/* uint64_t */
	VALUE_FLAG,		/* bool */
};

struct directive {
	const char *name;	/* NULL: any word (KEY in vars, TAG in migrations) */
	unsigned contexts;	/* IN_x bits */
	unsigned opens;		/* the IN_x inside its block; 0: it ends with ; */
	unsigned min, max;	/* arguments */
	enum value_kind kind;
	int64_t least, most;	/* of a size, time or number */
	const char *initial;	/* its default as it would be written; NULL: none */
	const char *original;	/* the hosted original's number, for "profile cloudflare"; NULL: it has none */
	size_t offset;		/* of the value in the context's struct */
	int (*set)(struct parse *, const struct directive *, const struct statement *);	/* NULL: by kind and offset */
	void (*print)(struct buf *, int depth, const struct directive *, const void *target);	/* NULL: likewise */
	bool repeat;		/* may stand more than once in a block */
	bool reloadable;	/* a reload can change it */
	const char *write;	/* a line to copy into a file */
	const char *help;	/* one line */
};

extern const struct directive directives[];	/* in the order they are printed */
extern const size_t directives_n;

/* The row for this word here; exact names win over "any word". NULL: none. */
const struct directive *directive_find(const char *name, unsigned context);
unsigned directive_contexts(const char *name);	/* all places where a directive of this name may stand */
/* The name most like this one, preferring those that may stand here; NULL: none is near. */
const struct directive *directive_nearest(const char *name, unsigned context);
bool directive_is_limit(const struct directive *);	/* a number of limits { } or a block like it: settings_limit_at() knows its place */
/* The value a target of its context has, as it would be written: "2m". */
void directive_print_value(struct buf *, const struct directive *, const void *target);
const char *directive_context_name(unsigned context);	/* of one IN_x: "at the top level", "in app", ... */

#endif

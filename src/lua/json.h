/* json.h -- JSON text to Lua values and back, exactly.
 *
 * Reading: RFC 8259 and nothing else.  A number without point and exponent
 * beyond +-2^53 becomes int64 or uint64 cdata while it fits, so that no digit is
 * lost (SQL columns do the same); any other number is the nearest double.
 * null is a light userdata of NULL (cjson.null); an empty array gets the mark of
 * value_array_mt().  What is refused is refused with line, column and byte.
 *
 * Writing: as JSON.stringify of ECMA-262, numbers in the shortest form that
 * reads back the same; whole numbers below 2^64 with all their digits.
 * What JSON has no words for is refused with the path to it.  Access is raw;
 * the app's code runs only where a metatable has a toJSON of its own.
 *
 * All memory is the Lua state's, so it counts, and an error loses none.
 *
 * Thread: the state's.
 */
#ifndef DREY_LUA_JSON_H
#define DREY_LUA_JSON_H

#include <lua.h>

#include "base/str.h"

enum {
	JSON_DEPTH_MAX = 1000,		/* tables inside tables */
	JSON_NUMBER_MAX = 32		/* bytes of the longest number, without a NUL */
};

/* Which tables are more than tables; by the address of their metatable, NULL: none are. */
struct json_kinds {
	const void *date, *map;
};

int json_push(lua_State *, struct str text);	/* pushes the value; ERR_ARGUMENT, with nothing pushed */
/* Pushes the text of the value at idx; ERR_ARGUMENT, with nothing pushed.  indent NULL: none; else keys are sorted by sorted(table),
 * the function at stack index sorted. */
int json_push_text(lua_State *, int idx, const struct json_kinds *, const char *indent, int sorted);
size_t json_number(char out[JSON_NUMBER_MAX], double);	/* finite; returns the length */
unsigned json_utf8(const unsigned char *p, const unsigned char *end);	/* bytes of the character at p, 1 to 4; 0: there is none */

#endif

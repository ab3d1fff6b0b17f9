/* hints.h -- what to write instead, for those who come from JavaScript.
 *
 * A message of the Lua compiler or of a running program is right, and of no
 * help to somebody who wrote "!=" or list:push(x).  Two tables know the common
 * ones: words and signs in a line that did not compile, and names in a message.
 * A message that no row knows stays as it is.
 *
 * Thread: any; there is no state.
 */
#ifndef DREY_LUA_HINTS_H
#define DREY_LUA_HINTS_H

#include "base/str.h"

/* Why a file did not compile ("counter.lua:3: ..."), with the fix behind it if that line has a known mistake. */
void hints_syntax(struct str message, struct str text, struct buf *out);
/* A file that compiles may still hold what can only be a mistake: `local v = await f()` is two statements.  True: out says where. */
bool hints_check(const char *file, struct str text, struct buf *out);
/* Appends "; ..." to a message that Lua itself raised, if its cause is known.  True: it did. */
bool hints_runtime(struct str message, struct buf *out);

#endif

/* sqlvalue.h -- Lua values to SQL bindings, and rows to Lua tables. */
#ifndef DREY_LUA_SQLVALUE_H
#define DREY_LUA_SQLVALUE_H

#include <lua.h>

#include "store/sql.h"

/* The n arguments from stack index idx on.  Raises on a value that SQL has no type for.  to borrows from the stack, where a
 * Date or a Blob is replaced by its bytes. */
void sqlvalue_bindings(lua_State *, int idx, int n, struct sql_value *to);
int sqlvalue_names(lua_State *, struct cursor *);	/* pushes the names of all columns; the stack index of the first */
/* Pushes the row at hand: { name = value }, names being what sqlvalue_names() said; or { value, value, ... }, names unused. */
void sqlvalue_row(lua_State *, struct cursor *, int names);
void sqlvalue_array(lua_State *, struct cursor *, int names);
void sqlvalue_blob_mt(lua_State *);			/* pops the metatable of Blobs */

struct vm;
void sql_lose_cursors(struct vm *);	/* closes them: their Lua state is gone */

#endif

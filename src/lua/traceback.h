/* traceback.h -- where in the app's code it went wrong.
 *
 * Frames of drey's own Lua half (chunks named =drey/...) are left out, and C
 * functions above them: what stays is what the author wrote.
 */
#ifndef DREY_LUA_TRACEBACK_H
#define DREY_LUA_TRACEBACK_H

#include <lua.h>

#include "object/event.h"

/* The nearest line that the app's author wrote, from this level on: "counter.lua:12: ", or "" and false. */
bool traceback_place(lua_State *, int level, char *place, size_t n);
/* Appends "\n\tcounter.lua:12: in increment" for the app's frames from this level on, those in the middle of a very deep stack left
 * out.  message: what was raised; it may know a line that the frame does not. */
void traceback_add(lua_State *, int level, struct str message, struct buf *);
/* Appends what an error value says: a string as it is, with the fix behind what Lua itself raised if it is known (hints.h), a table's message, else "(error object is a X value)", with the place if co,
 * where it was raised, is given. */
void traceback_describe(lua_State *, int idx, lua_State *co, struct buf *);
void traceback_error_mt(lua_State *);	/* pushes a new metatable for failure_push(): tostring() gives the message */
/* Pushes an error table made of a failure that came from elsewhere; mt is the registry reference of its metatable. */
void failure_push(lua_State *, int mt, const struct failure *, bool dev);
/* Makes a failure of the error value at idx; the slices go to the arena.  co: whose frames tell where; may be NULL. */
void failure_from_lua(lua_State *, int idx, lua_State *co, struct arena *, struct failure *);

#endif

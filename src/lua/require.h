/* require.h -- the app's files.
 *
 * A name is relative to the app's root and never leads out of it; "lib.rooms"
 * is lib/rooms.lua or lib/rooms/init.lua.  Only source text is loaded.
 *
 * Thread: the VM's.
 */
#ifndef DREY_LUA_REQUIRE_H
#define DREY_LUA_REQUIRE_H

#include <lua.h>

/* Pushes the chunk of a file below the root.  0, or 1 with an error text pushed, or -1: no such file, nothing pushed. */
int require_file(lua_State *, const char *path);
int require_module(lua_State *);	/* the app's require() */

#endif

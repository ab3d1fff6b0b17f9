/* modules.h -- the Lua half of drey, carried inside the binary.
 *
 * Made at build time from lua/drey/ by lua/embed.sh, in the order of
 * Makefile.am: lua/drey/class.lua is the module "drey.class",
 * lua/drey/init.lua would be "drey".  The text is the file as it is, so load
 * it with a chunk name like "=drey/class.lua" and errors point at its lines.
 *
 * The list ends with a NULL name.  Constant; any thread.
 */
#ifndef DREY_LUA_MODULES_H
#define DREY_LUA_MODULES_H

#include <stddef.h>

struct lua_module {
	const char *name;	/* as in require "drey.class" */
	const char *text;	/* a NUL follows */
	size_t n;
};

extern const struct lua_module lua_modules[];

#endif

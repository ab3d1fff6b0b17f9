/* loader.h -- where code comes from: the app's root, and drey's own modules.
 *
 * Promise: no path leads out of the root; bytecode is refused; every error
 * names a file, and a line when there is one.
 */
#ifndef DREY_LUA_LOADER_H
#define DREY_LUA_LOADER_H

#include "lua/vm.h"

int loader_native(struct vm *);		/* makes native, runs the embedded modules, keeps what the host needs of them; ERR_LUA */
/* Runs the app's main file, finds its front module and its classes.  ERR_LUA: the error of the app with its place;
 * ERR_CONF: a binding's class is missing, the text begins with the place of the binding. */
int loader_app(struct vm *);
int loader_require(lua_State *);	/* the app's require(name) */

#endif

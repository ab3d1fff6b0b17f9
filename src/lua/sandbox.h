/* sandbox.h -- what an app may touch.
 *
 * sandbox_open() makes the libraries ready for drey's own Lua half;
 * sandbox_close() makes the app's global table and puts it in the place of the real one, for
 * good.  In between the embedded modules are loaded.
 *
 * Promise: the app reaches no file, no process, no C function but the listed ones,
 * no bytecode, and not the real globals.
 */
#ifndef DREY_LUA_SANDBOX_H
#define DREY_LUA_SANDBOX_H

#include "lua/vm.h"

void sandbox_open(struct vm *);
void sandbox_close(struct vm *);	/* after REF_INIT is kept: its globals are copied in */

#endif

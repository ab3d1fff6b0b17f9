/* loader.h -- one app's VM, ready to run: drey's own modules, the sandbox, the app's files.
 *
 * Promise: no path leads out of the root; bytecode is refused; every error
 * names a file, and a line when there is one.
 */
#ifndef DREY_LUA_LOADER_H
#define DREY_LUA_LOADER_H

#include "lua/vm.h"

/* Runs the app's main file, finds its front module and its classes.  NULL and err_text(); ERR_LUA: the error of the app with its
 * place; ERR_CONF: a binding's class is missing, the text begins with the place of the binding.  host and worker: NULL if nobody is
 * to run it yet. */
int loader_load(struct vm *);		/* into a bare one.  ERR_LUA, ERR_CONF: what is in it is of no use */
struct vm *loader_open(struct host *, struct worker *, const struct app *);

#endif

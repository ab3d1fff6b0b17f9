/* host_engine.h -- the Lua engine, as main and the tests see it.
 *
 * Thread: host_new() anywhere before its worker's loop starts, then the
 * worker's; host_free() after worker_stop().  host_prepare() on one thread
 * at a time; a Lua state may go from one thread to another.
 */
#ifndef DREY_LUA_HOST_ENGINE_H
#define DREY_LUA_HOST_ENGINE_H

#include "conf/settings.h"

struct engine;
struct worker;

/* Loads every app into a VM of its own.  NULL and err_text(): "counter.lua:3: ...", "site.conf:14: binding ...". Borrows the worker. */
struct engine *host_new(struct worker *);
void host_free(struct engine **);
/* Loads every app into a throwaway VM: does it compile, does its main run, are all bound classes there?  ERR_LUA, ERR_CONF. */
int host_check(const struct settings *);
/* The same, but the VMs are kept, and the first host_new() with these settings takes them: loading one costs 2 ms of the start. */
int host_prepare(const struct settings *);

#endif

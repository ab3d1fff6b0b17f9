/* host.h -- what every bind_X.c may ask: whose task is this, and how to fail.
 *
 * Bindings are found by the Lua half (lua/drey) through one table, native:
 * every embedded module is a chunk that is called with it as its argument
 * (`local native = ...`).  bind_X.c fills native.X.
 *
 * A binding: check, borrow, act.  A binding that calls back into Lua holds no
 * lock and owns nothing outside the VM or the object.
 */
#ifndef DREY_LUA_HOST_H
#define DREY_LUA_HOST_H

#include <lauxlib.h>
#include <lua.h>

#include "object/object.h"

struct host;		/* one worker's engine: all its VMs */
struct task;		/* one coroutine running one event */
struct vm;		/* one app's Lua state on this worker */

enum { HOST_VALUES_MAX = 250 };		/* arguments or results of one call: a Lua stack is not endless */

struct vm *host_vm(lua_State *);
struct task *host_task(lua_State *);		/* the running task; raises outside of one ("only inside a handler") */
struct object *host_object(lua_State *);	/* the running task's object; raises in a front module */
/* The object of ctx, ctx.storage, ctx.storage.sql at idx (their field _serial); raises if it is not the running task's own:
 * "this ctx belongs to another object (or to an instance that was reset)". */
struct object *host_owner(lua_State *, int idx);
struct app *host_app(lua_State *);
/* Raises err_text() with the app author's file:line in front. Returns never; the int is for `return host_raise(L)`. */
int host_raise(lua_State *);
int host_error(lua_State *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));	/* the same with a text of its own */
/* " (limits kv_key, site.conf:12)": how every text about a limit ends.  Copies. */
const char *host_limit(const struct app_conf *, const char *directive, char *place, size_t n);
int host_over_message(const struct app_conf *, size_t n);	/* sets that so many bytes are above limits rpc_message; ERR_LIMIT */
/* After a storage call that made db_broken() true: resets the object even if the handler catches the error. */
int host_raise_store(lua_State *, struct object *);

/* One line in the error log (an enum log_level), with the task's object and request behind the text; t NULL: none. */
void host_log(struct task *, int level, const char *text);
void host_log_failure(struct task *, const struct failure *);	/* what the app's code raised, with its traceback; once per failure */

/* Every bind_X.c has one: pushes nothing, fills the table on top of the stack (native) with its field. */
void bind_storage(lua_State *);		/* native.storage */
void bind_sql(lua_State *);		/* native.sql */
void bind_stub(lua_State *);		/* native.stub: ids, namespaces, calls */
void bind_fetch(lua_State *);		/* native.fetch: requests to other servers */
void bind_http(lua_State *);		/* native.http: inbound requests, responses */
void bind_ctx(lua_State *);		/* native.ctx: blockConcurrencyWhile, waitUntil, abort */
void bind_ref(lua_State *);		/* native.ref: functions and objects passed by reference */
void bind_stream(lua_State *);		/* native.stream: bodies in pieces */
void bind_promise(lua_State *);		/* native.promise: async and await */
void bind_txn(lua_State *);		/* native.txn: storage:transaction; and native.storage.transactionSync */
void bind_time(lua_State *);		/* native.time: now, sleep */
void bind_timers(lua_State *);		/* native.timers: set, clear */
void bind_crypto(lua_State *);		/* native.crypto */
void bind_console(lua_State *);		/* native.console */
void bind_room(lua_State *);		/* native.room(): raises when the thread's stack runs short */
void bind_json(lua_State *);		/* native.json: parse, stringify, null, and the array mark */

#endif

/* value.h -- Lua values to codec bytes and back.
 *
 * What may cross an object boundary or be stored: nil, booleans, numbers,
 * int64 and uint64 cdata, strings, Date, cjson.null, and tables of these;
 * in a call, by reference, also functions and objects of classes of RpcTarget.
 * Values are copied; a table that stands twice is written twice.  Refused
 * with the path to it: functions, userdata, threads, cycles, tables deeper
 * than CODEC_DEPTH_MAX.
 *
 * An empty table stays an array if it was marked by JSON.array{} or came as
 * one; it gets the metatable value_array_mt() back.
 */
#ifndef DREY_LUA_VALUE_H
#define DREY_LUA_VALUE_H

#include <lua.h>

#include "base/str.h"

struct list;
struct references;
struct task;

/* Appends one value, without the version byte.  ERR_ARGUMENT: "<what> .user.cb is a function: cannot cross an object boundary". */
int value_encode(lua_State *, int idx, struct buf *out, const char *what);
/* Takes one value off the front of in and pushes it.  ERR_CORRUPT, with nothing pushed. */
int value_push(lua_State *, struct str *in);
/* The same in a call: what goes by reference stands in vm->lent then, lent by this task; what came becomes stubs, on the list of their
 * owner. */
int value_encode_call(lua_State *, int idx, struct buf *out, const char *what, struct task *by);
int value_push_call(lua_State *, struct str *in, const struct references *, struct list *owner);
enum value_wide { VALUE_NOT_WIDE, VALUE_INT64, VALUE_UINT64 };
enum value_wide value_wide(lua_State *, int idx, uint64_t *bits);	/* is this cdata of 64 bits?  then which */
void value_push_int64(lua_State *, int64_t);
void value_push_uint64(lua_State *, uint64_t);
void value_array_mt(lua_State *);	/* pushes the metatable that marks an array */
void value_date_mt(lua_State *);	/* pops the metatable of dates: a table with its raw field _ms */
void value_open(lua_State *);		/* once per VM, before the sandbox closes: keeps what it needs of ffi in the registry */

#endif

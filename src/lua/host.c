/* host.c -- what every binding asks: whose code runs, and how to fail in the words of its author's file. */
#include "lua/host.h"

#include <lauxlib.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/err.h"
#include "lua/overtime.h"
#include "lua/task.h"
#include "lua/traceback.h"

struct vm *
host_vm(lua_State *L)
{
	return vm_of(L);
}

struct app *
host_app(lua_State *L)
{
	return (struct app *)vm_of(L)->app;
}

struct task *
host_task(lua_State *L)
{
	struct task *t = vm_of(L)->current;

	if (!t)
		host_error(L, "this works only inside a handler, not while the app's files are loaded");
	return t;
}

struct object *
host_object(lua_State *L)
{
	struct task *t = host_task(L);

	if (!t->object)
		host_error(L, "the front module has no object: this works inside the methods of an object");
	return t->object;
}

struct object *
host_owner(lua_State *L, int idx)
{
	struct vm *vm = vm_of(L);
	struct object *o = host_object(L);
	bool mine = false;

	if (lua_istable(L, idx)) {
		lua_pushvalue(L, idx);
		vm_push(L, vm, REF_SERIAL);
		lua_rawget(L, -2);
		mine = lua_type(L, -1) == LUA_TNUMBER && lua_tonumber(L, -1) == ((struct instance *)o->instance)->serial;
		lua_pop(L, 2);
	} else {
		host_error(L, "call this with a colon, as in ctx:name(...): the first argument must be ctx or a part of it, not a %s",
		    luaL_typename(L, idx));
	}
	if (!mine)
		host_error(L, "this ctx belongs to another object (or to an instance that was reset)");
	return o;
}

int
host_error(lua_State *L, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	err_set(ERR_ARGUMENT, "%s", text);
	return host_raise(L);
}

const char *
host_limit(const struct app_conf *conf, const char *directive, char *place, size_t n)
{
	struct place at = settings_limit_at(conf, directive);

	snprintf(place, n, " (limits %s, %s:%d)", directive, at.file ? at.file : "configuration", at.line);
	return place;
}

int
host_over_message(const struct app_conf *conf, size_t n)
{
	char place[512];

	return err_set(ERR_LIMIT, "Serialized RPC arguments or return values are limited to %lluMiB, but the size of this value was: %zu bytes.%s",
	    (unsigned long long)(conf->limits.rpc_message >> 20), n, host_limit(conf, "rpc_message", place, sizeof(place)));
}

int
host_raise(lua_State *L)
{
	char place[128];

	traceback_place(L, 1, place, sizeof(place));
	lua_pushfstring(L, "%s%s", place, err_text());
	return lua_error(L);
}

int
host_raise_store(lua_State *L, struct object *o)
{
	if (db_broken(o->db)) {
		struct failure why = { .message = str_c(err_text()), .reset = true };

		overtime_raise(L, o);
		object_break(o, &why);
	}
	return host_raise(L);
}

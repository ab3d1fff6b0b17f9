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

/* storage.get("k"): the method is known by the name it was called by, unless the call is the last thing its caller did. */
static void
refuse_dot(lua_State *L)
{
	static const struct {
		const char *method, *owner;
	} others[] = { { "abort", "ctx" }, { "blockConcurrencyWhile", "ctx" }, { "exec", "sql" }, { "waitUntil", "ctx" } };
	const char *owner = "storage";
	lua_Debug ar = { 0 };

	if (lua_getstack(L, 0, &ar))
		lua_getinfo(L, "n", &ar);
	for (size_t i = 0; ar.name && i < sizeof(others) / sizeof(others[0]); i++)
		if (strcmp(others[i].method, ar.name) == 0)
			owner = others[i].owner;
	if (ar.name)
		host_error(L, "%s.%s(...) needs a colon: write  %s:%s(...)", owner, ar.name, owner, ar.name);
	host_error(L, "a method of ctx, storage or sql needs a colon: write  storage:get(...), not  storage.get(...)");
}

struct object *
host_owner(lua_State *L, int idx)
{
	bool dot = true;
	struct vm *vm = vm_of(L);
	struct object *o = host_object(L);
	bool mine = false;

	if (lua_istable(L, idx)) {
		lua_pushvalue(L, idx);
		vm_push(L, vm, REF_SERIAL);
		lua_rawget(L, -2);
		dot = lua_type(L, -1) != LUA_TNUMBER;
		mine = !dot && lua_tonumber(L, -1) == ((struct instance *)o->instance)->serial;
		lua_pop(L, 2);
	}
	if (dot)
		refuse_dot(L);
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

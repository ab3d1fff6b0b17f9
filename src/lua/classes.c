/* classes.c -- which of the configured classes the app's files returned.
 *
 * A class is found by the name it was extended with, wherever in the
 * returned table it stands.
 */
#include "lua/classes.h"

#include <lauxlib.h>
#include <string.h>

#include "base/err.h"

/* The name of the class on top of the stack, pushed; or false. */
static bool
push_class_name(struct vm *vm)
{
	lua_State *L = vm->L;

	if (!lua_istable(L, -1))
		return false;
	vm_push(L, vm, REF_INIT);
	lua_getfield(L, -1, "class_name");
	lua_remove(L, -2);
	lua_pushvalue(L, -2);
	lua_call(L, 1, 1);
	if (lua_isstring(L, -1))
		return true;
	lua_pop(L, 1);
	return false;
}

/* Remembers the value on top if it is a class; its name goes to names, for error texts.  Pops it. */
static void
take_class(struct vm *vm, struct buf *names)
{
	lua_State *L = vm->L;
	const struct class *class;

	if (!push_class_name(vm)) {
		lua_pop(L, 1);
		return;
	}
	buf_printf(names, "%s%s", names->n ? ", " : "", lua_tostring(L, -1));
	class = app_class(vm->app, lua_tostring(L, -1));
	lua_pop(L, 1);
	if (!class || vm->classes[class->index].table != LUA_NOREF) {
		lua_pop(L, 1);
		return;
	}
	vm->classes[class->index].table = luaL_ref(L, LUA_REGISTRYINDEX);
	lua_newtable(L);
	vm->classes[class->index].known = luaL_ref(L, LUA_REGISTRYINDEX);
}

void
classes_take(struct vm *vm, struct buf *names)
{
	lua_State *L = vm->L;

	if (!lua_istable(L, -1) || push_class_name(vm)) {
		if (lua_isstring(L, -1) && lua_istable(L, -2))
			lua_pop(L, 1);
		take_class(vm, names);
		return;
	}
	lua_pushnil(L);
	while (lua_next(L, -2))
		take_class(vm, names);
	lua_pop(L, 1);
}

void
classes_take_main(struct vm *vm, struct buf *names)
{
	lua_State *L = vm->L;

	if (!lua_istable(L, -1)) {
		lua_pop(L, 1);
		lua_pushnil(L);
		vm_keep(vm, REF_FRONT_FETCH);
		return;
	}
	lua_pushvalue(L, -1);
	classes_take(vm, names);
	if (push_class_name(vm)) {		/* main is a class: there is no front module */
		lua_pop(L, 2);
		lua_pushnil(L);
		vm_keep(vm, REF_FRONT_FETCH);
		return;
	}
	lua_pushliteral(L, "fetch");
	lua_rawget(L, -2);
	if (!lua_isfunction(L, -1)) {
		lua_pop(L, 1);
		lua_pushnil(L);
	}
	vm_keep(vm, REF_FRONT_FETCH);
	lua_pop(L, 1);
}

static int
missing_class(const struct app_conf *conf, const struct binding_conf *b, const char *type, const char *names)
{
	const char *at = b->at.file ? b->at.file : "configuration";

	if (names)
		return err_set(ERR_CONF, "%s:%d: binding %s: class \"%s\" not found: %s returned the classes %s", at, b->at.line, b->name,
		    b->class_name, conf->main, names);
	if (strcmp(type, "table") == 0)
		return err_set(ERR_CONF, "%s:%d: binding %s: class \"%s\" not found: %s returned a table without it "
		    "(did you forget \"return { fetch = fetch, %s = %s }\"?)", at, b->at.line, b->name, b->class_name, conf->main,
		    b->class_name, b->class_name);
	return err_set(ERR_CONF, "%s:%d: binding %s: class \"%s\" not found: %s returned %s (did you forget \"return %s\"?)", at,
	    b->at.line, b->name, b->class_name, conf->main, type, b->class_name);
}

/* What other apps bind of this one's classes. */
static int
check_lent(struct vm *vm, const char *type, const char *names)
{
	for (const struct app_conf *conf = vm->app->settings->apps; conf; conf = conf->next)
		for (const struct binding_conf *b = conf->bindings; b; b = b->next) {
			const struct class *class = b->script_name && strcmp(b->script_name, vm->app->name) == 0 ?
				app_class(vm->app, b->class_name) : NULL;

			if (class && vm->classes[class->index].table == LUA_NOREF)
				return missing_class(vm->app->conf, b, type, names);
		}
	return OK;
}

int
classes_check(struct vm *vm, const char *type, const char *names)
{
	for (const struct binding_conf *b = vm->app->conf->bindings; b; b = b->next) {
		const struct class *class = app_bound_class(vm->app, b);

		if (class && class->app != vm->app)
			continue;	/* that app is asked for it when it is loaded: below */
		if (!class)
			return err_set(ERR_CONF, "%s:%d: binding %s: no migration creates the class \"%s\"; write new_sqlite_classes %s; in migrations",
			    b->at.file ? b->at.file : "configuration", b->at.line, b->name, b->class_name, b->class_name);
		if (vm->classes[class->index].table == LUA_NOREF)
			return missing_class(vm->app->conf, b, type, names);
	}
	return check_lent(vm, type, names);
}

/* loader.c -- loads drey's Lua half, then the app, and finds the classes.
 *
 *	sandbox_open()
 *	load_native()      native.* by bind_X(), then lua/drey/park, stub and init
 *	sandbox_close()
 *	p_environment()    env, and the front module's ctx
 *	load_app()         main file --> a class, or a table with fetch and classes
 */
#include "lua/loader.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "lua/classes.h"
#include "lua/host.h"
#include "lua/modules.h"
#include "lua/require.h"
#include "lua/sandbox.h"
#include "lua/task.h"
#include "lua/traceback.h"
#include "lua/value.h"

/* ---- drey's own modules ---- */

static const struct lua_module *
find_module(const char *name)
{
	char full[64];

	snprintf(full, sizeof(full), strcmp(name, "init") == 0 ? "drey" : "drey.%s", name);
	for (const struct lua_module *m = lua_modules; m->name; m++)
		if (strcmp(m->name, full) == 0)
			return m;
	return NULL;
}

/* native.module(name): what lua/drey/<name>.lua returns when it is called with native; once. */
static int
l_module(lua_State *L)
{
	struct vm *vm = vm_of(L);
	const char *name = luaL_checkstring(L, 1);
	const struct lua_module *m;
	char chunk[80];

	if (strncmp(name, "drey.", 5) == 0)
		name += 5;
	vm_push(L, vm, REF_MODULES);
	lua_getfield(L, -1, name);
	if (!lua_isnil(L, -1))
		return 1;
	lua_pop(L, 1);
	m = find_module(name);
	if (!m)
		return luaL_error(L, "native.module: there is no lua/drey/%s.lua", name);
	snprintf(chunk, sizeof(chunk), "=drey/%s.lua", name);
	if (luaL_loadbufferx(L, m->text, m->n, chunk, "t") != 0)
		return lua_error(L);
	vm_push(L, vm, REF_NATIVE);
	lua_call(L, 1, 1);
	if (lua_isnil(L, -1)) {
		lua_pop(L, 1);
		lua_pushboolean(L, 1);
	}
	lua_pushvalue(L, -1);
	lua_setfield(L, -3, name);
	return 1;
}

/* native.place(f): "counter.lua:12", where the author wrote this function. */
static int
l_place(lua_State *L)
{
	lua_Debug ar;

	luaL_checktype(L, 1, LUA_TFUNCTION);
	lua_settop(L, 1);
	lua_getinfo(L, ">S", &ar);
	lua_pushfstring(L, "%s:%d", ar.short_src, ar.linedefined);
	return 1;
}

static void (*const binds[])(lua_State *) = {
	bind_room, bind_json, bind_console, bind_crypto, bind_time, bind_timers, bind_fetch, bind_http, bind_stub, bind_ctx,
	bind_promise, bind_ref, bind_stream, bind_storage, bind_sql, bind_txn
};

/* Keeps a field of the table on top. */
static void
keep_field(struct vm *vm, const char *name, enum vm_ref r)
{
	lua_getfield(vm->L, -1, name);
	vm_keep(vm, r);
}

static void
keep_string(struct vm *vm, const char *s, enum vm_ref r)
{
	lua_pushstring(vm->L, s);
	vm_keep(vm, r);
}

static void
call_module(lua_State *L, const char *name)
{
	lua_pushcfunction(L, l_module);
	lua_pushstring(L, name);
	lua_call(L, 1, 1);
}

/* Protected: anything here may raise. */
static int
p_native(lua_State *L)
{
	struct vm *vm = vm_of(L);

	lua_newtable(L);
	vm_keep(vm, REF_MODULES);
	lua_newtable(L);
	vm_keep(vm, REF_LOADED);
	lua_newtable(L);
	lua_pushcfunction(L, l_module);
	lua_setfield(L, -2, "module");
	lua_pushcfunction(L, l_place);
	lua_setfield(L, -2, "place");
	task_push_mark(L);
	lua_setfield(L, -2, "PARK");
	traceback_error_mt(L);
	lua_setfield(L, -2, "error");
	lua_pushvalue(L, -1);
	vm_keep(vm, REF_NATIVE);
	for (size_t i = 0; i < sizeof(binds) / sizeof(binds[0]); i++)
		binds[i](L);
	lua_getfield(L, -1, "error");
	vm_keep(vm, REF_ERROR);
	keep_string(vm, "status", REF_STATUS);
	keep_string(vm, "_headers", REF_HEADERS);
	keep_string(vm, "_body", REF_BODY);
	keep_string(vm, "_serial", REF_SERIAL);
	call_module(L, "park");
	call_module(L, "stub");
	call_module(L, "init");
	if (!lua_istable(L, -1))
		return luaL_error(L, "lua/drey/init.lua must return a table");
	keep_field(vm, "Response", REF_RESPONSE);
	keep_field(vm, "method", REF_METHOD);
	keep_field(vm, "lost", REF_LOST);
	lua_getfield(L, -1, "Date");
	if (lua_istable(L, -1))
		value_date_mt(L);
	else
		lua_pop(L, 1);
	vm_keep(vm, REF_INIT);
	/* Now that the hooks exist, the starters of tasks can close over them. */
	lua_getfield(L, -2, "connect");
	vm_push(L, vm, REF_INIT);
	lua_call(L, 1, 0);
	lua_pop(L, 1);
	keep_field(vm, "front", REF_RUN_FRONT);
	keep_field(vm, "fetch", REF_RUN_FETCH);
	keep_field(vm, "wake", REF_RUN_WAKE);
	return 0;
}

static int
load_native(struct vm *vm)
{
	int rc = lua_cpcall(vm->L, p_native, NULL);

	if (rc == 0)
		return OK;
	err_set(ERR_LUA, "drey's own Lua: %s", lua_tostring(vm->L, -1));
	lua_pop(vm->L, 1);
	return ERR_LUA;
}

/* ---- the app ---- */

static int
on_error(lua_State *L)
{
	struct buf message = { 0 }, frames = { 0 };

	traceback_describe(L, 1, L, &message);
	traceback_add(L, 1, buf_slice(&message), &frames);
	buf_str(&message, buf_slice(&frames));
	lua_pushlstring(L, message.p, message.n);
	buf_fini(&message);
	buf_fini(&frames);
	return 1;
}

/* Runs the main chunk, which is on top.  0 leaves its result. */
static int
run_main(struct vm *vm)
{
	lua_State *L = vm->L;
	int rc;

	lua_pushcfunction(L, on_error);
	lua_insert(L, -2);
	vm->strict = true;
	rc = lua_pcall(L, 0, 1, -2);
	vm->strict = false;
	lua_remove(L, -2);
	return rc;
}

/* Loads and runs one file of the app; leaves what it returned.  at: where the configuration names it. */
static int
run_file(struct vm *vm, const char *directive, const char *rel, struct place at)
{
	lua_State *L = vm->L;
	const struct app_conf *conf = vm->app->conf;
	int rc = require_file(L, rel);

	if (rc < 0)
		return err_set(ERR_CONF, "%s:%d: app %s: %s %s: there is no such file in %s", at.file ? at.file : "configuration", at.line,
		    conf->name, directive, rel, conf->root);
	if (rc == 0)
		rc = run_main(vm);
	if (rc == 0)
		return OK;
	err_set(ERR_LUA, "%s", lua_tostring(L, -1));
	lua_pop(L, 1);
	return ERR_LUA;
}

static int
load_app(struct vm *vm)
{
	const struct app_conf *conf = vm->app->conf;
	struct buf names = { 0 };
	const char *type = "nil";
	int rc = run_file(vm, "main", conf->main, conf->main_at);

	if (rc == OK) {
		type = luaL_typename(vm->L, -1);
		classes_take_main(vm, &names);
	}
	for (const struct source_conf *s = conf->sources; s && rc == OK; s = s->next) {
		rc = run_file(vm, "source", s->path, s->at);
		if (rc == OK)
			classes_take(vm, &names);
	}
	if (rc == OK)
		rc = classes_check(vm, type, names.p);
	buf_fini(&names);
	return rc;
}

/* ---- the whole ---- */

/* Into the table on top: under this name, the namespace of a class. */
static void
add_namespace(lua_State *L, const char *where, const char *name, const struct class *class)
{
	vm_push(L, vm_of(L), REF_NATIVE);
	lua_getfield(L, -1, "stub");
	lua_getfield(L, -1, "namespace");
	lua_pushfstring(L, "%s.%s", where, name);
	lua_pushinteger(L, (lua_Integer)class->number);
	lua_call(L, 2, 1);
	lua_setfield(L, -4, name);
	lua_pop(L, 2);
}

/* env: the namespaces of the bindings and the vars; ctx.exports: those of the app's own classes.  Pushes them. */
static void
push_app_table(lua_State *L, const struct app *app)
{
	lua_createtable(L, 0, 4);
	lua_pushstring(L, app->name);
	lua_setfield(L, -2, "name");
	lua_newtable(L);
	for (unsigned i = 0; i < app->nclasses; i++)
		add_namespace(L, "ctx.exports", app->classes[i].name, &app->classes[i]);
	lua_setfield(L, -2, "exports");
	lua_newtable(L);
	for (const struct binding_conf *b = app->conf->bindings; b; b = b->next) {
		const struct class *class = app_bound_class(app, b);

		if (class)		/* else classes_check() says so */
			add_namespace(L, "env", b->name, class);
	}
	lua_setfield(L, -2, "bindings");
	lua_newtable(L);
	for (const struct var_conf *v = app->conf->vars; v; v = v->next) {
		lua_pushstring(L, v->value);
		lua_setfield(L, -2, v->name);
	}
	lua_setfield(L, -2, "vars");
}

static int
p_environment(lua_State *L)
{
	struct vm *vm = vm_of(L);

	vm_push(L, vm, REF_INIT);
	lua_getfield(L, -1, "env");
	push_app_table(L, vm->app);
	lua_call(L, 1, 1);
	vm_keep(vm, REF_ENV);
	lua_getfield(L, -1, "front_ctx");
	lua_call(L, 0, 1);
	vm_keep(vm, REF_FRONT_CTX);
	return 0;
}

int
loader_load(struct vm *vm)
{
	int rc;

	lua_gc(vm->L, LUA_GCSTOP, 0);		/* what is loaded here stays */
	sandbox_open(vm);
	rc = load_native(vm);
	if (rc == OK) {
		sandbox_close(vm);
		if (lua_cpcall(vm->L, p_environment, NULL) != 0)
			rc = err_set(ERR_LUA, "drey's own Lua: %s", lua_tostring(vm->L, -1));
	}
	lua_gc(vm->L, LUA_GCRESTART, 0);
	return rc == OK ? load_app(vm) : rc;
}

struct vm *
loader_open(struct host *host, struct worker *worker, const struct app *app)
{
	struct vm *vm = vm_new(host, worker, app);

	if (loader_load(vm) != OK)
		vm_free(&vm);
	return vm;
}

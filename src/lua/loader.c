/* loader.c -- loads drey's Lua half, then the app, and finds the classes.
 *
 *	loader_native()    native.* by bind_X(), then lua/drey/park, stub and init
 *	sandbox_close()
 *	loader_app()       main file --> a class, or a table with fetch and classes
 *
 * A class is found by the name it was extended with, wherever in the
 * returned table it stands.
 */
#include "lua/loader.h"

#include <errno.h>
#include <lauxlib.h>
#include <lua-cjson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "lua/host.h"
#include "lua/modules.h"
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
	bind_json, bind_console, bind_time, bind_http, bind_stub, bind_ctx, bind_storage, bind_sql
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

int
loader_native(struct vm *vm)
{
	int rc = lua_cpcall(vm->L, p_native, NULL);

	if (rc == 0)
		return OK;
	err_set(ERR_LUA, "drey's own Lua: %s", lua_tostring(vm->L, -1));
	lua_pop(vm->L, 1);
	return ERR_LUA;
}

/* ---- the app's files ---- */

/* Reads root/rel.  NULL with errno. */
static char *
read_file(const char *root, const char *rel, size_t *n)
{
	char *path = xasprintf("%s/%s", root, rel), *text = NULL;
	FILE *f = fopen(path, "rb");
	size_t cap = 0, got;

	free(path);
	if (!f)
		return NULL;
	*n = 0;
	do {
		if (*n == cap)
			text = xrealloc(text, (cap = cap ? cap * 2 : 16384));
		got = fread(text + *n, 1, cap - *n, f);
		*n += got;
	} while (got > 0);
	if (ferror(f)) {
		int saved = errno ? errno : EIO;

		free(text);
		text = NULL;
		errno = saved;		/* a directory opens and fails here */
	}
	fclose(f);
	return text;
}

/* Pushes the chunk of a file.  0, or 1 with an error text pushed, or -1: no such file, nothing pushed. */
static int
load_file(lua_State *L, const char *rel)
{
	struct vm *vm = vm_of(L);
	const char *root = vm->app->conf->root;
	size_t n;
	char *text = read_file(root, rel, &n), chunk[512];
	int rc;

	if (!text) {
		if (errno == ENOENT || errno == ENOTDIR)
			return -1;
		lua_pushfstring(L, "%s/%s: %s", root, rel, strerror(errno));
		return 1;
	}
	snprintf(chunk, sizeof(chunk), "@%s", rel);
	if (n > 0 && text[0] == '\033') {
		free(text);
		lua_pushfstring(L, "%s: this is compiled Lua; only source text is loaded", rel);
		return 1;
	}
	rc = luaL_loadbufferx(L, text, n, chunk, "t");
	free(text);
	return rc == 0 ? 0 : 1;
}

/* "lib.rooms" -> "lib/rooms".  Raises on anything that could lead out of the root. */
static void
check_name(lua_State *L, const char *name, size_t n, char *path, size_t size)
{
	if (n == 0 || n >= size - 16 || strlen(name) != n)
		luaL_error(L, "require: \"%s\" is not a module name", name);
	for (size_t i = 0; i < n; i++) {
		char c = name[i];

		if (c == '.' && (i == 0 || i == n - 1 || name[i - 1] == '.'))
			luaL_error(L, "require \"%s\": write a name like \"lib.rooms\"; paths with \"..\" do not leave the app's root", name);
		if (c == '/' && (i == 0 || name[i - 1] == '/'))
			luaL_error(L, "require \"%s\": absolute paths are not allowed; names are relative to the app's root", name);
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./", c))
			luaL_error(L, "require: \"%s\" is not a module name", name);
		path[i] = c == '.' ? '/' : c;
	}
	path[n] = '\0';
}

static void
load_module(lua_State *L, const char *name, const char *path)
{
	static const char *const tails[] = { ".lua", "/init.lua" };
	char rel[300];

	for (int i = 0; i < 2; i++) {
		int rc;

		snprintf(rel, sizeof(rel), "%s%s", path, tails[i]);
		rc = load_file(L, rel);
		if (rc == 0)
			return;
		if (rc > 0)
			lua_error(L);
	}
	luaL_error(L, "module \"%s\" not found: there is no %s.lua and no %s/init.lua in %s", name, path, path, vm_of(L)->app->conf->root);
}

/* What drey itself offers by name: init.modules, and cjson. */
static bool
push_own_module(lua_State *L, struct vm *vm, const char *name)
{
	vm_push(L, vm, REF_INIT);
	lua_getfield(L, -1, "modules");
	lua_remove(L, -2);
	if (lua_istable(L, -1)) {
		lua_getfield(L, -1, name);
		lua_remove(L, -2);
		if (!lua_isnil(L, -1))
			return true;
	}
	lua_pop(L, 1);
	if (strcmp(name, "cjson") != 0)
		return false;
	lua_pushcfunction(L, luaopen_cjson);	/* one of its own for the app: its settings are not ours */
	lua_call(L, 0, 1);
	return true;
}

static char loading;		/* its address marks a module whose file is running */

int
loader_require(lua_State *L)
{
	struct vm *vm = vm_of(L);
	size_t n;
	const char *name = luaL_checklstring(L, 1, &n);
	char path[256];

	lua_settop(L, 1);
	vm_push(L, vm, REF_LOADED);
	lua_getfield(L, 2, name);
	if (lua_touserdata(L, 3) == &loading)
		return luaL_error(L, "require \"%s\": it is being loaded already, by a file that it requires itself", name);
	if (!lua_isnil(L, 3))
		return 1;
	lua_settop(L, 2);
	if (!push_own_module(L, vm, name)) {
		check_name(L, name, n, path, sizeof(path));
		load_module(L, name, path);
		lua_pushlightuserdata(L, &loading);
		lua_setfield(L, 2, name);
		lua_pushvalue(L, 1);
		if (lua_pcall(L, 1, 1, 0) != 0) {
			lua_pushnil(L);
			lua_setfield(L, 2, name);
			return lua_error(L);
		}
		if (lua_isnil(L, -1)) {
			lua_pop(L, 1);
			lua_pushboolean(L, 1);
		}
	}
	lua_pushvalue(L, -1);
	lua_setfield(L, 2, name);
	return 1;
}

/* ---- classes ---- */

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

/* A source file returned a class or a table of classes, which is on top.  Pops it. */
static void
take_source(struct vm *vm, struct buf *names)
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

/* What main returned is on top: finds fetch and the classes.  Pops it. */
static void
take_main(struct vm *vm, struct buf *names)
{
	lua_State *L = vm->L;

	if (!lua_istable(L, -1)) {
		lua_pop(L, 1);
		lua_pushnil(L);
		vm_keep(vm, REF_FRONT_FETCH);
		return;
	}
	lua_pushvalue(L, -1);
	take_source(vm, names);
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

static int
check_bindings(struct vm *vm, const char *type, const char *names)
{
	for (const struct binding_conf *b = vm->app->conf->bindings; b; b = b->next) {
		const struct class *class = app_class(vm->app, b->class_name);

		if (!class)
			return err_set(ERR_CONF, "%s:%d: binding %s: no migration creates the class \"%s\"; write new_sqlite_classes %s; in migrations",
			    b->at.file ? b->at.file : "configuration", b->at.line, b->name, b->class_name, b->class_name);
		if (vm->classes[class->index].table == LUA_NOREF)
			return missing_class(vm->app->conf, b, type, names);
	}
	return OK;
}

static int
on_error(lua_State *L)
{
	struct buf text = { 0 };

	traceback_describe(L, 1, &text);
	traceback_add(L, 1, &text);
	lua_pushlstring(L, text.p, text.n);
	buf_fini(&text);
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
	int rc = load_file(L, rel);

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

int
loader_app(struct vm *vm)
{
	const struct app_conf *conf = vm->app->conf;
	struct buf names = { 0 };
	const char *type = "nil";
	int rc = run_file(vm, "main", conf->main, conf->main_at);

	if (rc == OK) {
		type = luaL_typename(vm->L, -1);
		take_main(vm, &names);
	}
	for (const struct source_conf *s = conf->sources; s && rc == OK; s = s->next) {
		rc = run_file(vm, "source", s->path, s->at);
		if (rc == OK)
			take_source(vm, &names);
	}
	if (rc == OK)
		rc = check_bindings(vm, type, names.p);
	buf_fini(&names);
	return rc;
}

/* require.c -- the app's files: read, compiled, and found by require. */
#include "lua/require.h"

#include <errno.h>
#include <lauxlib.h>
#include <lua-cjson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "lua/hints.h"
#include "lua/vm.h"

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

/* Pushes the chunk and gives 0, or what is wrong with it and 1. */
static int
compile(lua_State *L, const char *rel, const char *chunk, struct str text)
{
	struct buf why = { 0 };
	int rc = luaL_loadbufferx(L, text.p, text.n, chunk, "t");

	if (rc == LUA_ERRSYNTAX)
		hints_syntax((struct str){ lua_tostring(L, -1), lua_objlen(L, -1) }, text, &why);
	else if (rc == 0 && hints_check(rel, text, &why))
		rc = LUA_ERRSYNTAX;
	if (rc == LUA_ERRSYNTAX) {
		lua_pop(L, 1);
		lua_pushlstring(L, why.p, why.n);
	}
	buf_fini(&why);
	return rc == 0 ? 0 : 1;
}

int
require_file(lua_State *L, const char *rel)
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
	rc = compile(L, rel, chunk, (struct str){ text, n });
	free(text);
	return rc;
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
		rc = require_file(L, rel);
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
require_module(lua_State *L)
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

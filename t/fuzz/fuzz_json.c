/* fuzz_json.c -- any bytes: a value or a place where they are wrong; and a value that was read is written, and read again the same.
 *
 * Keys may change their order on the way, so texts are compared by their length.
 */
#include <lauxlib.h>
#include <lualib.h>
#include <stdlib.h>

#include "base/err.h"
#include "lua/json.h"
#include "lua/value.h"
#include "lua/vm.h"

static struct vm *vm;		/* what is found from its state only would look lost: that memory is mapped, not malloc'ed */

static lua_State *
open_state(void)
{
	static struct app_conf conf = { .limits.memory = 1 << 28 };
	static struct app app = { .conf = &conf };
	lua_State *L;

	vm = vm_new(NULL, NULL, &app);
	L = vm->L;
	luaL_openlibs(L);
	must(luaL_dostring(L, "require 'ffi'") == 0);
	value_open(L);
	return L;
}

/* Reads, writes; the text replaces what was on top. */
static bool
once_more(lua_State *L)
{
	static const struct json_kinds none = { NULL, NULL };
	struct str text;

	text.p = lua_tolstring(L, -1, &text.n);
	if (json_push(L, text) != OK) {
		must(strstr(err_text(), " at line ") != NULL);
		return false;
	}
	must(json_push_text(L, lua_gettop(L), &none, NULL, 0) == OK);
	lua_replace(L, -3);
	lua_pop(L, 1);
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static lua_State *L;
	static unsigned runs;
	char *exact = malloc(n + 1);
	size_t first;

	if (!L)
		L = open_state();
	if (n)
		memcpy(exact, data, n);	/* so that a read behind its NUL is seen */
	exact[n] = '\0';
	if (json_push(L, str_n(exact, n)) == OK) {
		lua_pop(L, 1);
		lua_pushlstring(L, exact, n);
		must(once_more(L));
		first = lua_objlen(L, -1);
		must(once_more(L));	/* what was written can be read, */
		must(lua_objlen(L, -1) == first);	/* and is as long again */
	}
	lua_settop(L, 0);
	free(exact);
	if (++runs % 1000 == 0)
		lua_gc(L, LUA_GCCOLLECT, 0);
	return 0;
}

/* bind_list.c -- storage:list(options), and the pages that storage.kv:list(options) is read in.
 *
 * The pairs are copied into the scratch buffer while the database is read and
 * become Lua values afterwards: a Lua error cannot leap out of the statement.
 *
 * See doc/api/storage.md.
 */
#include <lauxlib.h>
#include <stddef.h>
#include <string.h>

#include "base/err.h"
#include "lua/host.h"
#include "lua/stored.h"
#include "store/kv.h"

struct bounds {			/* what list(options) asks for; strings live in the options */
	struct str start, start_after, end, prefix;
	int64_t limit;
	bool reverse;
};

enum option_kind { OPTION_HINT, OPTION_TEXT, OPTION_FLAG, OPTION_COUNT };

static const struct list_option {
	const char *name;
	enum option_kind kind;
	size_t offset;
} list_options[] = {
	{ "allowConcurrency", OPTION_HINT, 0 },		/* means nothing here: storage never waits */
	{ "end", OPTION_TEXT, offsetof(struct bounds, end) },
	{ "end_", OPTION_TEXT, offsetof(struct bounds, end) },	/* "end" is a word of Lua */
	{ "limit", OPTION_COUNT, offsetof(struct bounds, limit) },
	{ "noCache", OPTION_HINT, 0 },
	{ "prefix", OPTION_TEXT, offsetof(struct bounds, prefix) },
	{ "reverse", OPTION_FLAG, offsetof(struct bounds, reverse) },
	{ "start", OPTION_TEXT, offsetof(struct bounds, start) },
	{ "startAfter", OPTION_TEXT, offsetof(struct bounds, start_after) },
	{ NULL, OPTION_HINT, 0 },
};

static void
read_text(lua_State *L, const char *name, struct str *to)
{
	if (lua_type(L, -1) != LUA_TSTRING) {
		err_set(ERR_ARGUMENT, "list(): %s is a string, not a %s", name, luaL_typename(L, -1));
		host_raise(L);
	}
	to->p = lua_tolstring(L, -1, &to->n);
}

static void
read_count(lua_State *L, int64_t *to)
{
	lua_Number n = lua_tonumber(L, -1);

	if (lua_type(L, -1) != LUA_TNUMBER) {
		err_set(ERR_ARGUMENT, "list(): limit is a number, not a %s", luaL_typename(L, -1));
		host_raise(L);
	}
	if (!(n >= 1))
		stored_refuse(L, "List limit must be positive.");
	*to = n < 9e15 ? (int64_t)n : -1;
}

static void
read_option(lua_State *L, struct bounds *b)	/* name at -2, value at -1 */
{
	const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : luaL_typename(L, -2);
	const struct list_option *o = list_options;
	void *to;

	while (o->name && strcmp(o->name, name) != 0)
		o++;
	if (!o->name) {
		err_set(ERR_ARGUMENT, "list() has no option %s; it knows start, startAfter, end (or end_), prefix, reverse and limit", name);
		host_raise(L);
	}
	to = (char *)b + o->offset;
	if (o->kind == OPTION_TEXT)
		read_text(L, name, to);
	else if (o->kind == OPTION_COUNT)
		read_count(L, to);
	else if (o->kind == OPTION_FLAG)
		*(bool *)to = lua_toboolean(L, -1);
}

/* Makes the range from the options at 2; what it borrows stays on the stack. */
static void
check_range(lua_State *L, struct bounds *b, struct kv_range *r)
{
	*b = (struct bounds){ .limit = -1 };
	if (!lua_isnoneornil(L, 2)) {
		if (!lua_istable(L, 2))
			stored_refuse(L, "list() takes a table of options, such as list { prefix = \"user:\", limit = 100 }");
		lua_pushnil(L);
		while (lua_next(L, 2)) {
			read_option(L, b);
			lua_pop(L, 1);
		}
	}
	if (b->start.p && b->start_after.p)
		stored_refuse(L, "list() cannot be called with both start and startAfter values.");
	if (b->start_after.p) {		/* the first key behind it */
		lua_pushlstring(L, b->start_after.p, b->start_after.n);
		lua_pushlstring(L, "", 1);
		lua_concat(L, 2);
		b->start.p = lua_tolstring(L, -1, &b->start.n);
	}
	*r = (struct kv_range){ .start = b->start, .end = b->end, .reverse = b->reverse, .limit = b->limit };
}

struct listing {
	struct buf *out;
	uint64_t max;
};

enum { PAGE_FULL = 1, PAGE_BYTES_MOST = 256 << 10 };

static int
on_pair(void *arg, struct str key, struct str value)
{
	struct listing *l = arg;

	if (l->out->n + key.n + value.n > l->max)
		return err_set(ERR_LIMIT, "list() found more than the memory of the app can hold; read in parts with limit and startAfter");
	pairs_frame(l->out, key, value.n);
	buf_str(l->out, value);
	return OK;
}

/* A page always has room for one more pair, however large. */
static int
on_page_pair(void *arg, struct str key, struct str value)
{
	struct listing *l = arg;

	if (l->out->n > PAGE_BYTES_MOST)
		return PAGE_FULL;
	pairs_frame(l->out, key, value.n);
	buf_str(l->out, value);
	return OK;
}

/* Pushes the Map of the options at 2.  true: behind it there may be more. */
static bool
push_list(lua_State *L, int (*each)(void *, struct str, struct str))
{
	struct object *o = host_owner(L, 1);
	struct listing l = { .max = stored_limits(L)->memory };
	struct buf bound = { 0 };
	struct bounds b;
	struct kv_range r;
	struct str in, key, value;
	struct pairs m;
	int rc = OK;

	check_range(L, &b, &r);
	l.out = stored_scratch(L);
	if (!b.prefix.p || kv_range_prefix(&r, b.prefix, &bound))
		rc = kv_list(o->db, &r, each, &l);
	buf_fini(&bound);
	if (rc < 0)
		stored_fail(L, o);
	pairs_begin(L, &m);
	in = buf_slice(l.out);
	while (pairs_unframe(&in, &key, &value))
		pairs_add(L, &m, key, value);
	pairs_end(L, &m);
	return rc == PAGE_FULL || m.n == r.limit;
}

int
storage_list(lua_State *L)
{
	push_list(L, on_pair);
	return 1;
}

/* page(storage, options) -> Map, is there more */
int
storage_page(lua_State *L)
{
	lua_pushboolean(L, push_list(L, on_page_pair));
	return 2;
}

/* changes(storage): another number once a Map read before may be out of date */
int
storage_changes(lua_State *L)
{
	lua_pushnumber(L, (lua_Number)kv_changes(host_owner(L, 1)->db));
	return 1;
}

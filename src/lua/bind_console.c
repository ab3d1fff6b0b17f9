/* bind_console.c -- native.console: an app's words in the error log.
 *
 * Tables are printed as one would write them, bounded in depth and size; a
 * __tostring is honoured.  What one event may write is bounded, too.
 */
#include <ctype.h>
#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "lua/host.h"
#include "lua/task.h"

enum { DEPTH_MAX = 4, TEXT_MAX = 16384, LINE_COST = 64 /* time, object, request */ };

static void add_value(lua_State *, int idx, struct buf *, int depth);

static bool
is_name(const char *s, size_t n)
{
	if (n == 0 || isdigit((unsigned char)s[0]))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)s[i]) && s[i] != '_')
			return false;
	return true;
}

static void
add_quoted(lua_State *L, int idx, struct buf *out)
{
	size_t n;
	const char *s = lua_tolstring(L, idx, &n);

	buf_byte(out, '"');
	buf_add(out, s, n > TEXT_MAX ? TEXT_MAX : n);
	buf_byte(out, '"');
}

static void
add_key(lua_State *L, int idx, struct buf *out, int depth)
{
	size_t n;
	const char *s;

	if (lua_type(L, idx) == LUA_TSTRING && (s = lua_tolstring(L, idx, &n)) && is_name(s, n)) {
		buf_add(out, s, n);
	} else {
		buf_byte(out, '[');
		add_value(L, idx, out, depth);
		buf_byte(out, ']');
	}
	buf_c(out, " = ");
}

/* First the list part, then the rest. */
static void
add_table(lua_State *L, int idx, struct buf *out, int depth)
{
	int n = (int)lua_objlen(L, idx);
	const char *between = " ";

	if (depth > DEPTH_MAX) {
		buf_c(out, "{ ... }");
		return;
	}
	buf_byte(out, '{');
	for (int i = 1; i <= n && out->n < TEXT_MAX; i++, between = ", ") {
		buf_c(out, between);
		lua_rawgeti(L, idx, i);
		add_value(L, lua_gettop(L), out, depth + 1);
		lua_pop(L, 1);
	}
	for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1)) {
		lua_Number k = lua_type(L, -2) == LUA_TNUMBER ? lua_tonumber(L, -2) : 0;

		if (out->n >= TEXT_MAX || (k >= 1 && k <= n && k == (int)k))
			continue;
		buf_c(out, between);
		between = ", ";
		add_key(L, lua_gettop(L) - 1, out, depth + 1);
		add_value(L, lua_gettop(L), out, depth + 1);
	}
	buf_c(out, between[0] == ',' ? " }" : "}");
}

/* What a __tostring does meanwhile may need the buffer, too: to log, to store, to call. */
static void
add_tostring(lua_State *L, int idx, struct buf *out)
{
	size_t n;
	const char *s;

	lua_pushlstring(L, out->n ? out->p : "", out->n);
	lua_getfield(L, lua_upvalueindex(1), "tostring");
	lua_pushvalue(L, idx);
	lua_call(L, 1, 1);
	buf_clear(out);
	s = lua_tolstring(L, -2, &n);
	buf_add(out, s, n);
	s = lua_tolstring(L, -1, &n);
	buf_add(out, s ? s : "?", s ? n : 1);
	lua_pop(L, 2);
}

static void
add_value(lua_State *L, int idx, struct buf *out, int depth)
{
	int type = lua_type(L, idx);

	luaL_checkstack(L, 8, "console");
	if (type == LUA_TSTRING && depth > 0) {
		add_quoted(L, idx, out);
	} else if (type == LUA_TLIGHTUSERDATA && !lua_touserdata(L, idx)) {
		buf_c(out, "null");
	} else if (type == LUA_TTABLE && !luaL_getmetafield(L, idx, "__tostring")) {
		add_table(L, idx, out, depth);
	} else {
		if (type == LUA_TTABLE)
			lua_pop(L, 1);		/* the metafield */
		add_tostring(L, idx, out);
	}
}

void
host_log(struct task *t, int level, const char *text)
{
	char label[160];
	struct str where;

	if (!t) {
		log_at((enum log_level)level, "%s", text);
		return;
	}
	where = t->object ? object_label(t->object, label, sizeof(label)) : str_c(t->vm->app->name);
	if (t->event)
		log_at((enum log_level)level, "%s object=%.*s request=%016llx", text, (int)where.n, where.p,
		    (unsigned long long)t->event->request_id);
	else
		log_at((enum log_level)level, "%s object=%.*s", text, (int)where.n, where.p);
}

/* The first line that does not fit is one that says so. */
static void
count(struct task *t, size_t n)
{
	uint64_t max = t->vm->app->conf->limits.console;
	struct place at = settings_limit_at(t->vm->app->conf, "console");
	char text[200];

	t->logged += n;
	if (t->logged <= max)
		return;
	snprintf(text, sizeof(text), "console: one event may write %llu bytes (limits console, %s:%d); what this one writes from here on is lost",
	    (unsigned long long)max, at.file ? at.file : "configuration", at.line);
	host_log(t, LOG_WARN, text);
}

static int
l_write(lua_State *L)
{
	struct vm *vm = vm_of(L);
	struct task *t = vm->current;
	struct buf *text = &vm->scratch;	/* owned by the VM: a __tostring may raise */
	int n = lua_gettop(L);

	if (t && t->logged > vm->app->conf->limits.console)
		return 0;
	buf_clear(text);
	for (int i = 1; i <= n; i++) {
		if (i > 1)
			buf_byte(text, ' ');
		add_value(L, i, text, 0);
	}
	if (text->n > TEXT_MAX)
		text->n = TEXT_MAX, text->p[TEXT_MAX] = '\0';
	host_log(t, (int)lua_tointeger(L, lua_upvalueindex(2)), text->n ? text->p : "");
	if (t)
		count(t, text->n + LINE_COST);
	return 0;
}

static const struct {
	const char *name;
	enum log_level level;
} levels[] = {
	{ "log", LOG_INFO }, { "info", LOG_INFO }, { "warn", LOG_WARN }, { "error", LOG_ERROR }, { "debug", LOG_DEBUG }
};

void
bind_console(lua_State *L)
{
	lua_newtable(L);
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		lua_newtable(L);
		lua_getglobal(L, "tostring");
		lua_setfield(L, -2, "tostring");
		lua_pushinteger(L, levels[i].level);
		lua_pushcclosure(L, l_write, 2);
		lua_setfield(L, -2, levels[i].name);
	}
	lua_setfield(L, -2, "console");
}

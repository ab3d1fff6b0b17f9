/* traceback.c -- Lua errors made into failures, failures into Lua errors.
 *
 * An error that crossed an object boundary is a table: message, name,
 * remote = true, the flags that tell whether to try again, the thrower's own
 * fields, and, in dev mode, stack.  When nobody catches it on this side
 * either, it goes on as it came, flags and all.
 */
#include "lua/traceback.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "lua/hints.h"
#include "lua/value.h"
#include "store/codec.h"

enum { FRAMES_FIRST = 12, FRAMES_LAST = 10 };	/* of a very deep stack */
enum { MESSAGE_MAX = 65536, PROPS_MAX = 1 << 20 };	/* bytes: an error is no place for data */

static bool
is_own(const lua_Debug *ar)
{
	return strncmp(ar->source, "=drey/", 6) == 0;
}

bool
traceback_place(lua_State *L, int level, char *place, size_t n)
{
	lua_Debug ar;

	place[0] = '\0';
	for (; lua_getstack(L, level, &ar); level++) {
		lua_getinfo(L, "Sl", &ar);
		if (ar.currentline > 0 && !is_own(&ar)) {
			snprintf(place, n, "%s:%d: ", ar.short_src, ar.currentline);
			return true;
		}
	}
	return false;
}

/* Where an instruction raised and not a call, LuaJIT does not know the line any more; the message does. */
static int
line_of(const lua_Debug *ar, struct str message)
{
	size_t n = strlen(ar->short_src);
	int line = 0;

	if (ar->currentline > 0)
		return ar->currentline;
	if (message.n <= n || memcmp(message.p, ar->short_src, n) != 0 || message.p[n] != ':')
		return 0;
	for (size_t i = n + 1; i < message.n && i < n + 9 && message.p[i] >= '0' && message.p[i] <= '9'; i++)
		line = line * 10 + (message.p[i] - '0');
	return line;
}

static void
add_frame(struct buf *out, const lua_Debug *ar, struct str message)
{
	int line = line_of(ar, message);

	buf_printf(out, "\n\t%s:", ar->short_src);
	if (line > 0)
		buf_printf(out, "%d:", line);
	buf_c(out, " in ");
	if (*ar->what == 'm')
		buf_c(out, "main chunk");
	else if (ar->name)
		buf_printf(out, "%s", ar->name);
	else
		buf_printf(out, "function <%s:%d>", ar->short_src, ar->linedefined);
}

/* lua_getstack() walks down from the top each time: asking for every level of a stack that overflowed takes seconds. */
static int
depth(lua_State *L)
{
	lua_Debug ar;
	int low = 0, high = 1;

	while (lua_getstack(L, high, &ar)) {
		low = high;
		high *= 2;
	}
	while (low < high) {		/* the first level that is not there */
		int mid = low + (high - low) / 2;

		if (lua_getstack(L, mid, &ar))
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

void
traceback_add(lua_State *L, int level, struct str message, struct buf *out)
{
	lua_Debug ar;
	int total = depth(L);

	for (int l = level; l < total && lua_getstack(L, l, &ar); l++) {
		if (l - level == FRAMES_FIRST && total - l > FRAMES_LAST) {
			buf_c(out, "\n\t...");
			l = total - FRAMES_LAST - 1;
			continue;
		}
		lua_getinfo(L, "Snl", &ar);
		if (*ar.what != 'C' && !is_own(&ar))
			add_frame(out, &ar, message);
	}
}

static struct str
raw_string(lua_State *L, int idx, const char *field)
{
	struct str s = { 0 };

	lua_pushstring(L, field);
	lua_rawget(L, idx);
	if (lua_type(L, -1) == LUA_TSTRING)
		s.p = lua_tolstring(L, -1, &s.n);
	lua_pop(L, 1);		/* the table keeps the string */
	return s;
}

static bool
raw_bool(lua_State *L, int idx, const char *field)
{
	bool b;

	lua_pushstring(L, field);
	lua_rawget(L, idx);
	b = lua_toboolean(L, -1);
	lua_pop(L, 1);
	return b;
}

static void
add_message(struct buf *out, struct str s)
{
	bool cut = s.n > MESSAGE_MAX + 64;	/* one that was cut before is not cut again */

	buf_add(out, s.p, cut ? MESSAGE_MAX : s.n);
	if (cut)
		buf_printf(out, "... (%zu bytes)", s.n);
}

/* Raised in a line of drey's own Lua, "drey/request.lua:124: ...": the author is told the line of theirs that led there. */
static bool
add_own(lua_State *co, struct str s, struct buf *out)
{
	static const char self_nil[] = "attempt to index local 'self' (a nil value)";
	const char *text = s.n > 5 && memcmp(s.p, "drey/", 5) == 0 ? memmem(s.p, s.n, ": ", 2) : NULL;
	char place[128];

	if (!co || !text)
		return false;
	text += 2;
	traceback_place(co, 0, place, sizeof(place));	/* or nothing, after "return request.text()" */
	buf_c(out, place);
	if (memmem(text, (size_t)(s.p + s.n - text), self_nil, sizeof(self_nil) - 1))
		buf_c(out, "a method needs a colon: write  object:method(...), not  object.method(...)");
	else
		buf_printf(out, "%.*s (%.*s)", (int)(s.p + s.n - text), text, (int)(text - 2 - s.p), s.p);
	return true;
}

void
traceback_describe(lua_State *L, int idx, lua_State *co, struct buf *out)
{
	struct str s = { 0 };
	char place[128] = "";

	if (lua_type(L, idx) == LUA_TSTRING || lua_type(L, idx) == LUA_TNUMBER) {
		lua_pushvalue(L, idx);
		s.p = lua_tolstring(L, -1, &s.n);
		if (!add_own(co, s, out))
			add_message(out, s);
		hints_runtime(s, out);
		lua_pop(L, 1);
		return;
	}
	if (lua_istable(L, idx))
		s = raw_string(L, idx, "message");
	if (s.p) {
		add_message(out, s);
		return;
	}
	if (co)
		traceback_place(co, 0, place, sizeof(place));
	buf_printf(out, "%s(error object is a %s value)", place, luaL_typename(L, idx));
}

static const char *const own_fields[] = {
	"message", "name", "remote", "retryable", "overloaded", "durableObjectReset", "stack", NULL
};

/* The fields of an error table that are the app's own, as a map.  Those that cannot cross are left out. */
static struct str
encode_props(lua_State *L, int idx, struct arena *a)
{
	struct buf one = { 0 }, all = { 0 };
	struct str props = { 0 };

	lua_newtable(L);
	lua_pushnil(L);
	while (lua_next(L, idx)) {
		buf_clear(&one);
		if (lua_type(L, -2) != LUA_TSTRING || value_encode(L, -1, &one, "") != OK) {
			lua_pop(L, 1);
			continue;
		}
		lua_pushvalue(L, -2);
		lua_insert(L, -2);
		lua_rawset(L, -4);
	}
	for (const char *const *f = own_fields; *f; f++) {
		lua_pushstring(L, *f);
		lua_pushnil(L);
		lua_rawset(L, -3);
	}
	lua_pushnil(L);
	if (lua_next(L, -2)) {
		lua_pop(L, 2);
		if (value_encode(L, -1, &all, "") == OK && all.n <= PROPS_MAX)
			props = arena_str(a, buf_slice(&all));
	}
	lua_pop(L, 1);
	buf_fini(&one);
	buf_fini(&all);
	return props;
}

static void
from_table(lua_State *L, int idx, struct arena *a, struct failure *f)
{
	struct str name = raw_string(L, idx, "name");

	if (name.p)
		f->name = arena_str(a, name);
	f->remote = raw_bool(L, idx, "remote");
	f->retryable = raw_bool(L, idx, "retryable");
	f->overloaded = raw_bool(L, idx, "overloaded");
	f->reset = raw_bool(L, idx, "durableObjectReset");
	f->props = encode_props(L, idx, a);
}

void
failure_from_lua(lua_State *L, int idx, lua_State *co, struct arena *a, struct failure *f)
{
	struct buf text = { 0 };

	memset(f, 0, sizeof(*f));
	lua_checkstack(L, 10);
	if (idx < 0)
		idx = lua_gettop(L) + idx + 1;
	traceback_describe(L, idx, co, &text);
	f->message = arena_str(a, buf_slice(&text));
	buf_clear(&text);
	if (lua_istable(L, idx)) {
		struct str stack = raw_string(L, idx, "stack");

		from_table(L, idx, a, f);
		if (stack.n)
			buf_printf(&text, "\n%.*s", (int)stack.n, stack.p);	/* the innermost frames first */
	}
	if (co)
		traceback_add(co, 0, f->message, &text);
	if (text.n)
		f->traceback = arena_str(a, (struct str){ text.p + (text.p[0] == '\n'), text.n - (text.p[0] == '\n') });
	buf_fini(&text);
}

static void
set_true(lua_State *L, const char *field, bool on)
{
	if (!on)
		return;
	lua_pushboolean(L, 1);
	lua_setfield(L, -2, field);
}

static void
set_string(lua_State *L, const char *field, struct str s)
{
	lua_pushlstring(L, s.p ? s.p : "", s.n);
	lua_setfield(L, -2, field);
}

void
failure_push(lua_State *L, int mt, const struct failure *f, bool dev)
{
	struct str props = f->props;

	lua_checkstack(L, 8);
	if (!props.n || value_push(L, &props) != OK)
		lua_createtable(L, 0, 6);
	set_string(L, "message", f->message);
	set_string(L, "name", f->name.n ? f->name : STR("Error"));
	set_true(L, "remote", true);
	set_true(L, "retryable", f->retryable);
	set_true(L, "overloaded", f->overloaded);
	set_true(L, "durableObjectReset", f->reset);
	if (dev && f->traceback.n)
		set_string(L, "stack", f->traceback);
	lua_rawgeti(L, LUA_REGISTRYINDEX, mt);
	lua_setmetatable(L, -2);
}

static int
l_error_string(lua_State *L)
{
	struct str s = { 0 };

	if (lua_istable(L, 1))
		s = raw_string(L, 1, "message");
	lua_pushlstring(L, s.p ? s.p : "Error", s.p ? s.n : 5);
	return 1;
}

void
traceback_error_mt(lua_State *L)
{
	lua_createtable(L, 0, 1);
	lua_pushcfunction(L, l_error_string);
	lua_setfield(L, -2, "__tostring");
}

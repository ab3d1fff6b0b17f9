/* bind_http.c -- native.http: what an inbound request holds; and a returned Response made into bytes.
 *
 * A request's handle is a number that names its task and the use of it, so
 * a table that outlives its event can do no harm: the number is not good any
 * more and says so.  Only the work that its handler gave to waitUntil() may still
 * read: it carries a copy.
 */
#include "lua/bind_http.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "lua/bind_stream.h"
#include "lua/host.h"
#include "lua/task.h"

/* ---- requests that outlive their event ---- */

struct kept {
	double handle;
	unsigned refs;
	struct message request;
	struct arena arena;
};

struct kept *
http_keep(struct task *t)
{
	struct kept *k = t->kept;

	if (!k) {
		if (!t->event || t->event->kind != EVENT_FETCH)
			return NULL;
		k = t->kept = xcalloc(1, sizeof(*k));
		k->refs = 1;
		k->handle = task_handle(t);
		arena_init(&k->arena);
		message_copy(&k->arena, &k->request, &t->event->request);
	}
	k->refs++;
	return k;
}

void
http_unkeep(struct kept **kp)
{
	struct kept *k = *kp;

	*kp = NULL;
	if (!k || --k->refs > 0)
		return;
	arena_fini(&k->arena);
	free(k);
}

struct message *
http_request(lua_State *L, int idx)
{
	struct vm *vm = vm_of(L);
	double handle = luaL_checknumber(L, idx);
	struct task *t = task_by_handle(vm, handle);
	struct kept *k;

	if (t && t->event->kind == EVENT_FETCH)
		return &t->event->request;
	k = vm->current ? vm->current->kept : NULL;
	return k && k->handle == handle ? &k->request : NULL;
}

static struct message *
check_request(lua_State *L)
{
	struct message *m = http_request(L, 1);

	if (!m)
		host_error(L, "this request has ended: read its method, url, headers and body while its handler runs, or in its waitUntil");
	return m;
}

/* ---- inbound ---- */

static void
push_str(lua_State *L, struct str s)
{
	lua_pushlstring(L, s.p ? s.p : "", s.n);
}

static int
l_method(lua_State *L)
{
	push_str(L, check_request(L)->method);
	return 1;
}

static int
l_url(lua_State *L)
{
	const struct message *m = check_request(L);
	size_t n = m->scheme.n + 3 + m->authority.n + m->path.n;
	char small[512], *p = n <= sizeof(small) ? small : lua_newuserdata(L, n), *q = p;

	q = mempcpy(q, m->scheme.p, m->scheme.n);
	q = mempcpy(q, "://", 3);
	q = mempcpy(q, m->authority.p, m->authority.n);
	mempcpy(q, m->path.p, m->path.n);
	lua_pushlstring(L, p, n);
	return 1;
}

static void
push_lower(lua_State *L, struct str s)
{
	char small[128], *p = s.n <= sizeof(small) ? small : lua_newuserdata(L, s.n);

	for (size_t i = 0; i < s.n; i++)
		p[i] = s.p[i] >= 'A' && s.p[i] <= 'Z' ? (char)(s.p[i] | 0x20) : s.p[i];
	lua_pushlstring(L, p, s.n);
	if (p != small)
		lua_remove(L, -2);
}

void
http_push_headers(lua_State *L, const struct message *m)
{
	lua_createtable(L, (int)m->nheaders * 2, 0);
	for (unsigned i = 0; i < m->nheaders; i++) {
		push_lower(L, m->headers[i].name);
		lua_rawseti(L, -2, (int)i * 2 + 1);
		push_str(L, m->headers[i].value);
		lua_rawseti(L, -2, (int)i * 2 + 2);
	}
}

static int
l_headers(lua_State *L)
{
	http_push_headers(L, check_request(L));
	return 1;
}

static int
l_header(lua_State *L)
{
	const struct message *m = check_request(L);
	struct str name;
	int n = 0;

	name.p = luaL_checklstring(L, 2, &name.n);
	for (unsigned i = 0; i < m->nheaders; i++) {
		if (!str_ieq(m->headers[i].name, name))
			continue;
		luaL_checkstack(L, 3, "too many headers of one name");
		if (n++ > 0)
			lua_pushliteral(L, ", ");
		push_str(L, m->headers[i].value);
	}
	if (n == 0) {
		lua_pushnil(L);		/* a value, not none: tostring(none) would raise */
		return 1;
	}
	lua_concat(L, n * 2 - 1);
	return 1;
}

/* A string, nil, or the box of a stream: that only the first time. */
static int
l_body(lua_State *L)
{
	struct message *m = check_request(L);
	struct str body = m->body;

	if (m->stream)
		stream_push(L, &m->stream);
	else if (body.p)
		push_str(L, body);
	else
		lua_pushnil(L);
	return 1;
}

static int
l_client(lua_State *L)
{
	push_str(L, check_request(L)->client);
	return 1;
}

static int
l_aborted(lua_State *L)
{
	struct task *t = task_by_handle(vm_of(L), luaL_checknumber(L, 1));

	lua_pushboolean(L, t && atomic_load_explicit(&t->event->abandoned, memory_order_relaxed));
	return 1;
}

static const luaL_Reg functions[] = {
	{ "method", l_method },
	{ "url", l_url },
	{ "headers", l_headers },
	{ "header", l_header },
	{ "body", l_body },
	{ "client", l_client },
	{ "aborted", l_aborted },
	{ NULL, NULL }
};

void
bind_http(lua_State *L)
{
	lua_newtable(L);
	luaL_register(L, NULL, functions);
	lua_setfield(L, -2, "http");
}

/* ---- outwards ---- */

/* A line end or NUL in a header would let its author write another response. */
static bool
clean(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '\r' || s.p[i] == '\n' || s.p[i] == '\0')
			return false;
	return true;
}

int
http_take_headers(lua_State *L, int idx, struct arena *a, struct message *m)
{
	unsigned n = (unsigned)lua_objlen(L, idx) / 2;

	for (unsigned i = 1; i <= n; i++) {
		struct str name, value;

		lua_rawgeti(L, idx, (int)i * 2 - 1);
		lua_rawgeti(L, idx, (int)i * 2);
		if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING) {
			lua_pop(L, 2);
			return err_set(ERR_ARGUMENT, "a header's name and value must be strings; use headers:set(name, value)");
		}
		name.p = lua_tolstring(L, -2, &name.n);
		value.p = lua_tolstring(L, -1, &value.n);
		if (!clean(name) || !clean(value) || name.n == 0) {
			lua_pop(L, 2);
			return err_set(ERR_ARGUMENT, "a header holds a line end or NUL, or has no name");
		}
		message_add_header(a, m, arena_str(a, name), arena_str(a, value));
		lua_pop(L, 2);
	}
	return OK;
}

static int
take_fields(struct vm *vm, lua_State *L, int idx, struct event *ev)
{
	struct message *m = &ev->response;
	int rc;

	vm_push(L, vm, REF_STATUS);
	lua_rawget(L, idx);
	m->status = lua_type(L, -1) == LUA_TNUMBER ? (int)lua_tointeger(L, -1) : 0;
	if (m->status < 100 || m->status > 599)
		return err_set(ERR_ARGUMENT, "response.status must be a number from 200 to 599");
	vm_push(L, vm, REF_BODY);
	lua_rawget(L, idx);
	rc = stream_body(L, lua_gettop(L), "Response", &ev->arena, m);
	if (rc != OK)
		return rc;
	vm_push(L, vm, REF_HEADERS);
	lua_rawget(L, idx);
	if (lua_istable(L, -1))
		rc = http_take_headers(L, lua_gettop(L), &ev->arena, m);
	else if (m->body.p)
		message_add_header(&ev->arena, m, STR("content-type"), STR("text/plain;charset=UTF-8"));
	return rc;
}

int
http_take_response(struct vm *vm, lua_State *L, int idx, struct event *ev)
{
	bool is = false;
	int top, rc;

	if (lua_istable(L, idx) && lua_getmetatable(L, idx)) {
		vm_push(L, vm, REF_RESPONSE);
		is = lua_rawequal(L, -1, -2);
		lua_pop(L, 2);
	}
	if (!is)
		return err_set(ERR_ARGUMENT, "fetch must return a Response, got %s", luaL_typename(L, idx));
	top = lua_gettop(L);
	rc = take_fields(vm, L, idx, ev);
	lua_settop(L, top);
	return rc;
}

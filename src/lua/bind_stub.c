/* bind_stub.c -- native.stub: ids, and calls from one object to another.
 *
 * An id is a userdata: plain bytes, nothing to free.  Namespaces and stubs
 * are tables made in lua/drey/stub.lua; a stub's id says where a call goes.
 *
 *	l_call, l_fetch: check and encode --> event --> worker_send (front) or object_emit (object)
 *	                                                   |
 *	call.c, on this thread again  <--------------------+  task_wake
 *	answered: push true and the values, or false and the error; stub.lua raises it
 *
 * Arguments are encoded before the event exists: nothing that can raise
 * happens between its birth and its departure.
 */
#include <lauxlib.h>
#include <string.h>

#include "base/err.h"
#include "lua/bind_http.h"
#include "lua/bind_stream.h"
#include "lua/bind_stub.h"
#include "lua/call.h"
#include "lua/host.h"
#include "lua/parcel.h"
#include "lua/watchdog.h"
#include "object/worker.h"

struct id_box {
	const struct class *class;
	struct object_id id;
	enum jurisdiction jurisdiction;
	size_t n;		/* bytes of the name */
	bool named;
	char name[];
};

/* ---- ids ---- */

static struct id_box *
push_id(lua_State *L, const struct class *class, enum jurisdiction j, const struct object_id *id, struct str name)
{
	struct id_box *box = lua_newuserdata(L, sizeof(*box) + name.n);

	box->class = class;
	box->id = *id;
	box->jurisdiction = j;
	box->named = name.p != NULL;
	box->n = name.n;
	if (name.n)
		memcpy(box->name, name.p, name.n);
	vm_push(L, vm_of(L), REF_ID);
	lua_setmetatable(L, -2);
	return box;
}

void
stub_push_id(lua_State *L, const struct class *class, const struct object_id *id, struct str name)
{
	enum jurisdiction j;

	class_owns(class, id, &j);
	push_id(L, class, j, id, name);
}

static struct id_box *
to_id(lua_State *L, int idx)
{
	struct id_box *box = lua_type(L, idx) == LUA_TUSERDATA ? lua_touserdata(L, idx) : NULL;
	bool is;

	if (!box || !lua_getmetatable(L, idx))
		return NULL;
	vm_push(L, vm_of(L), REF_ID);
	is = lua_rawequal(L, -1, -2);
	lua_pop(L, 2);
	return is ? box : NULL;
}

static struct id_box *
check_id(lua_State *L, int idx, const char *usage)
{
	struct id_box *box = to_id(L, idx);

	if (!box) {
		err_set(ERR_ARGUMENT, "%s, not a %s", usage, luaL_typename(L, idx));
		host_raise(L);
	}
	return box;
}

static int
l_id_string(lua_State *L)
{
	char hex[ID_HEX + 1];

	id_hex(&check_id(L, 1, "id:toString() is called on an id")->id, hex);
	lua_pushlstring(L, hex, ID_HEX);
	return 1;
}

static int
l_id_equals(lua_State *L)
{
	struct id_box *a = check_id(L, 1, "id:equals(other) is called on an id"), *b = to_id(L, 2);

	lua_pushboolean(L, b && id_equal(&a->id, &b->id));
	return 1;
}

static int
l_id_index(lua_State *L)
{
	struct id_box *box = check_id(L, 1, "an id is expected");
	const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";

	if (strcmp(key, "name") == 0) {
		if (!box->named)
			return 0;
		lua_pushlstring(L, box->name, box->n);
		return 1;
	}
	if (strcmp(key, "jurisdiction") == 0) {
		lua_pushstring(L, jurisdiction_names[box->jurisdiction]);	/* NULL is nil */
		return 1;
	}
	lua_pushvalue(L, 2);
	lua_rawget(L, lua_upvalueindex(1));
	return 1;
}

static const struct class *
check_class(lua_State *L, int idx)
{
	const struct class *class = app_numbered_class(vm_of(L)->app, (unsigned)luaL_checkint(L, idx));

	luaL_argcheck(L, class, idx, "no such class");
	return class;
}

/* Never a fallback: what is to stay in a jurisdiction is not begun on a server that is elsewhere. */
static enum jurisdiction
check_within(lua_State *L, int j)
{
	const struct settings *settings = vm_of(L)->app->settings;

	luaL_argcheck(L, j >= 0 && j < JURISDICTIONS, 2, "no such jurisdiction");
	if (j != JURISDICTION_NONE && !settings->within[j])
		host_error(L, "objects of the jurisdiction \"%s\" cannot live on this server, which is not said to lie there; where it does, write  "
		    "jurisdiction %s;  in %s", jurisdiction_names[j], jurisdiction_names[j], settings->file);
	return (enum jurisdiction)j;
}

/* A name to its number, which the functions below take. */
static int
l_jurisdiction(lua_State *L)
{
	const char *name = lua_type(L, 1) == LUA_TSTRING ? lua_tostring(L, 1) : luaL_typename(L, 1);

	for (int j = 1; j < JURISDICTIONS; j++) {
		if (strcmp(jurisdiction_names[j], name) != 0)
			continue;
		lua_pushinteger(L, check_within(L, j));
		return 1;
	}
	return host_error(L, "\"%s\" is not a jurisdiction; there are \"eu\", \"fedramp\" and \"us\"", name);
}

static int
l_id_from_name(lua_State *L)		/* (class, jurisdiction, name) */
{
	const struct class *class = check_class(L, 1);
	enum jurisdiction j = check_within(L, luaL_checkint(L, 2));
	struct object_id id;
	struct str name;

	name.p = luaL_checklstring(L, 3, &name.n);
	id_from_name(class_key(class, j), name, &id);
	push_id(L, class, j, &id, name);
	return 1;
}

static int
l_id_unique(lua_State *L)		/* (class, jurisdiction) */
{
	const struct class *class = check_class(L, 1);
	enum jurisdiction j = check_within(L, luaL_checkint(L, 2));
	struct object_id id;

	id_unique(class_key(class, j), &id);
	push_id(L, class, j, &id, (struct str){ 0 });
	return 1;
}

/* A namespace of one jurisdiction takes only its own ids, any other takes all. */
static int
refuse_foreign(lua_State *L, enum jurisdiction want, enum jurisdiction have, const char *verb)
{
	const char *of = jurisdiction_names[have];

	if (want == JURISDICTION_NONE || want == have)
		return 0;
	return host_error(L, "%s called on jurisdictional subnamespace with an ID from a different jurisdiction (the namespace is of \"%s\", the id %s%s)",
	    verb, jurisdiction_names[want], of ? "of " : "of none", of ? of : "");
}

static int
l_id_from_string(lua_State *L)		/* (class, jurisdiction, text) */
{
	const struct class *class = check_class(L, 1);
	enum jurisdiction want = (enum jurisdiction)luaL_checkint(L, 2), have;
	struct object_id id;
	struct str hex;

	hex.p = luaL_checklstring(L, 3, &hex.n);
	if (id_parse(hex, &id) != OK)
		return host_raise(L);
	if (!class_owns(class, &id, &have)) {
		id_refuse();
		return host_raise(L);
	}
	refuse_foreign(L, want, have, "idFromString");
	push_id(L, class, check_within(L, have), &id, (struct str){ 0 });
	return 1;
}

static int
l_check_class(lua_State *L)		/* (id, class, jurisdiction) */
{
	struct id_box *box = check_id(L, 1, "get(id) takes an id, made by idFromName, idFromString or newUniqueId");
	const struct class *class = check_class(L, 2);

	if (box->class == class)
		return refuse_foreign(L, (enum jurisdiction)luaL_checkint(L, 3), box->jurisdiction, "get");
	err_set(ERR_ARGUMENT, "Durable Object ID is not valid for this namespace. It is of class %s, the namespace of class %s",
	    box->class->name, class->name);
	return host_raise(L);
}

/* ---- calls ---- */

static struct event *
make_event(struct task *t, enum event_kind kind, const struct id_box *to)
{
	struct event *ev = call_new(t, kind);

	ev->class = to->class;
	ev->id = to->id;
	if (to->named)
		ev->name = arena_str(&ev->arena, (struct str){ to->name, to->n });
	return ev;
}

static int
fetched(struct task *t, lua_State *to)
{
	const struct message *m = &t->answer->response;
	int n = 2;

	if (t->answer->failed) {
		call_push_failure(t, to);
	} else {
		lua_pushboolean(to, 1);
		lua_pushinteger(to, m->status);
		http_push_headers(to, m);
		if (m->stream)
			stream_push(to, &t->answer->response.stream);
		else if (m->body.p)
			lua_pushlstring(to, m->body.p, m->body.n);
		else
			lua_pushnil(to);
		n = 4;
	}
	event_free(&t->answer);
	return n;
}

static struct id_box *
check_stub(lua_State *L, const char *usage)
{
	struct id_box *box = NULL;

	if (lua_istable(L, 1)) {
		lua_pushliteral(L, "id");
		lua_rawget(L, 1);
		box = to_id(L, -1);
		lua_pop(L, 1);
	}
	if (!box) {
		err_set(ERR_ARGUMENT, "a stub's methods are called with a colon: %s", usage);
		host_raise(L);
	}
	return box;
}

/* The original had fetch alone before this day. */
static void
refuse_before_calls(lua_State *L)
{
	const struct app_conf *conf = vm_of(L)->app->conf;

	if (conf->compatibility_date && strcmp(conf->compatibility_date, "2024-04-03") < 0)
		host_error(L, "stubs have no methods but fetch before compatibility_date 2024-04-03, and %s:%d says %s; write  "
		    "compatibility_date 2024-04-03;  there, or a later day, or call stub:fetch(request)",
		    conf->compatibility_at.file, conf->compatibility_at.line, conf->compatibility_date);
}

static int
l_call(lua_State *L)		/* (stub, method name, arguments ...) */
{
	struct str method;
	struct id_box *to = check_stub(L, "stub:method(...)");
	struct task *t = host_task(L);
	struct event *ev;

	refuse_before_calls(L);
	method.p = luaL_checklstring(L, 2, &method.n);
	if (parcel_pack(L, 3, lua_gettop(L) - 2, t, PARCEL_ARGUMENTS) != OK)
		return host_raise(L);
	t = task_waits(L, "a call to another object");
	if (!t)
		return task_hang(L);
	call_refuse_deadlock(L, t, &to->id);
	ev = make_event(t, EVENT_CALL, to);
	ev->method = arena_str(&ev->arena, method);
	return call_send(L, t, ev);
}

/* "https://host:1/p?q#f" into scheme, authority and path, which borrow it. */
static int
split_url(struct str url, struct message *m)
{
	const char *colon = memmem(url.p, url.n, "://", 3), *p, *end = url.p + url.n;

	if (!colon || colon == url.p)
		return err_set(ERR_ARGUMENT, "stub:fetch() needs an absolute URL such as \"http://object/path\" (the host may be any), not \"%.*s\"",
		    (int)(url.n > 200 ? 200 : url.n), url.p);
	p = colon + 3;
	m->scheme = str_n(url.p, (size_t)(colon - url.p));
	m->authority = str_n(p, strcspn(p, "/?#"));
	p += m->authority.n;
	m->path = str_n(p, strcspn(p, "#"));
	if (p + m->path.n > end || m->authority.n == 0)
		return err_set(ERR_ARGUMENT, "stub:fetch(): the URL has no host, or a NUL");
	if (m->path.n == 0 || m->path.p[0] != '/')
		m->path.p = NULL;	/* to be written with a slash in front */
	return OK;
}

/* (stub, method, url, headers, body): what came as Lua values goes into the event. */
static int
take_request(lua_State *L, struct event *ev)
{
	struct arena *a = &ev->arena;
	struct message *m = &ev->request;
	size_t tail = m->path.n;
	const char *path = m->authority.p + m->authority.n;

	m->method = arena_str(a, (struct str){ lua_tostring(L, 2), lua_objlen(L, 2) });
	m->path = m->path.p ? arena_str(a, m->path) : str_c(arena_printf(a, "/%.*s", (int)tail, path));
	m->scheme = arena_str(a, m->scheme);
	m->authority = arena_str(a, m->authority);
	if (lua_istable(L, 4) && http_take_headers(L, 4, a, m) != OK)
		return err_code();
	return stream_body(L, 5, "Request", a, m);
}

static int
l_fetch(lua_State *L)		/* (stub, handle)  or  (stub, method, url, headers, body) */
{
	struct id_box *to = check_stub(L, "stub:fetch(request)");
	bool forward = lua_type(L, 2) == LUA_TNUMBER;
	struct message parts = { 0 };
	struct message *from = NULL;
	struct task *t;
	struct event *ev;

	lua_settop(L, 5);
	if (forward) {
		from = http_request(L, 2);
		if (!from)
			return host_error(L, "stub:fetch(request): this request has ended; pass it on while its handler runs, or in its waitUntil");
	} else {
		size_t n;
		const char *url = luaL_checklstring(L, 3, &n);

		luaL_checktype(L, 2, LUA_TSTRING);
		if (split_url((struct str){ url, n }, &parts) != OK)
			return host_raise(L);
	}
	t = task_waits(L, "stub:fetch()");
	if (!t)
		return task_hang(L);
	call_refuse_deadlock(L, t, &to->id);
	watch_hold(t->vm->watch);	/* until the event is on its way */
	ev = make_event(t, EVENT_FETCH, to);
	ev->request = parts;
	if (forward) {
		message_copy(&ev->arena, &ev->request, from);
		ev->request.stream = from->stream;
		from->stream = NULL;
	} else if (take_request(L, ev) != OK) {
		event_free(&ev);
		watch_release(t->vm->watch);
		return host_raise(L);
	}
	watch_release(t->vm->watch);
	return call_await(L, t, ev, fetched);
}

static const luaL_Reg functions[] = {
	{ "jurisdiction", l_jurisdiction },
	{ "id_from_name", l_id_from_name },
	{ "id_from_string", l_id_from_string },
	{ "id_unique", l_id_unique },
	{ "check_class", l_check_class },
	{ "call", l_call },
	{ "fetch", l_fetch },
	{ NULL, NULL }
};

static const luaL_Reg id_methods[] = { { "toString", l_id_string }, { "equals", l_id_equals }, { NULL, NULL } };

void
bind_stub(lua_State *L)
{
	lua_newtable(L);
	luaL_register(L, NULL, functions);
	lua_setfield(L, -2, "stub");

	lua_newtable(L);		/* the metatable of ids */
	lua_newtable(L);
	luaL_register(L, NULL, id_methods);
	lua_pushcclosure(L, l_id_index, 1);
	lua_setfield(L, -2, "__index");
	lua_pushcfunction(L, l_id_string);
	lua_setfield(L, -2, "__tostring");
	lua_pushcfunction(L, l_id_equals);
	lua_setfield(L, -2, "__eq");
	lua_pushliteral(L, "id");
	lua_setfield(L, -2, "__metatable");
	vm_keep(vm_of(L), REF_ID);
}

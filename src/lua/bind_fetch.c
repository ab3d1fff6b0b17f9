/* bind_fetch.c -- native.fetch: a request to another server, and its abort.
 *
 *	send(method, url, headers, body, redirect, timeout_ms)
 *		waits for the head; true, status, headers, body (string, box of a stream, nil), status text, url, was it redirected
 *		or false and an error, whose name is TypeError, TimeoutError or AbortError
 *	handle()	of the running task, for abort()
 *	abort(handle)	the fetch it waits in, if any, comes back as an AbortError
 *	limit()		how many bytes of a body may be held as one string, and where that is written
 *
 * The rest of the API is lua/drey/fetch.lua and lua/drey/abort.lua.
 */
#include <lauxlib.h>

#include "base/err.h"
#include "lua/bind_http.h"
#include "lua/bind_stream.h"
#include "lua/call.h"
#include "lua/host.h"
#include "lua/watchdog.h"
#include "object/outbound.h"
#include "object/worker.h"

static void
push_str(lua_State *L, struct str s)
{
	lua_pushlstring(L, s.p ? s.p : "", s.n);
}

/* It did not come from another object's code: it is the caller's own error. */
static int
push_own_failure(struct task *t, lua_State *to)
{
	call_push_failure(t, to);
	lua_pushnil(to);
	lua_setfield(to, -2, "remote");
	return 2;
}

static int
push_answer(struct task *t, lua_State *to)
{
	struct message *m = &t->answer->response;
	const struct outgoing *out = t->answer->outgoing;

	lua_pushboolean(to, 1);
	lua_pushinteger(to, m->status);
	http_push_headers(to, m);
	if (m->stream)
		stream_push(to, &m->stream);
	else if (m->body.p)
		lua_pushlstring(to, m->body.p, m->body.n);
	else
		lua_pushnil(to);
	push_str(to, out->status_text);
	push_str(to, out->url);
	lua_pushboolean(to, out->redirects > 0);
	return 7;
}

static int
answered(struct task *t, lua_State *to)
{
	int n;

	must(t->answer && lua_checkstack(to, 12));
	n = t->answer->failed ? push_own_failure(t, to) : push_answer(t, to);
	event_free(&t->answer);
	return n;
}

static struct str
slice(lua_State *L, int idx)
{
	struct str s;

	s.p = lua_tolstring(L, idx, &s.n);
	return s;
}

static int
take_request(lua_State *L, struct event *ev, enum redirect_mode redirect, int64_t timeout_ms)
{
	struct arena *a = &ev->arena;
	struct outgoing *out = arena_zalloc(a, sizeof(*out));

	ev->outgoing = out;
	ev->owned = true;
	ev->request.method = arena_str(a, slice(L, 1));
	out->url = arena_str(a, slice(L, 2));
	out->redirect = redirect;
	out->timeout_ms = timeout_ms;
	if (http_take_headers(L, 3, a, &ev->request) != OK)
		return err_code();
	return stream_body(L, 4, "Request", a, &ev->request);
}

static int
l_send(lua_State *L)
{
	static const char *const modes[] = { "follow", "manual", "error", NULL };
	int redirect = luaL_checkoption(L, 5, "follow", modes);
	lua_Number ms = luaL_optnumber(L, 6, 0);
	struct task *t;
	struct event *ev;
	int rc;

	luaL_checkstring(L, 1);
	luaL_checkstring(L, 2);
	luaL_checktype(L, 3, LUA_TTABLE);
	luaL_argcheck(L, ms >= 0 && ms <= 9e15, 6, "milliseconds");
	t = task_waits(L, "fetch()");
	if (!t)
		return task_hang(L);
	watch_hold(t->vm->watch);	/* until the event is whole */
	ev = call_new(t, EVENT_OUTBOUND);
	rc = take_request(L, ev, (enum redirect_mode)redirect, (int64_t)ms);
	if (rc != OK)
		event_free(&ev);
	watch_release(t->vm->watch);
	if (rc != OK)
		return host_raise(L);
	return call_await(L, t, ev, answered);
}

static int
l_handle(lua_State *L)
{
	lua_pushnumber(L, task_handle(host_task(L)));
	return 1;
}

/* The event comes back by the way it went, so nothing is woken while code of the app runs. */
static int
l_abort(lua_State *L)
{
	struct vm *vm = vm_of(L);
	struct task *t = task_find(vm, luaL_checknumber(L, 1));

	if (t && t->call && t->call->kind == EVENT_OUTBOUND)
		worker_abandon(vm->worker, t->call);
	return 0;
}

static int
l_limit(lua_State *L)
{
	const struct app_conf *conf = vm_of(L)->app->conf;

	lua_pushnumber(L, (lua_Number)conf->fetch.body_max);
	lua_pushfstring(L, "in app %s (%s:%d)", conf->name, conf->at.file, conf->at.line);
	return 2;
}

static const luaL_Reg functions[] = { { "limit", l_limit }, { "send", l_send }, { "handle", l_handle }, { "abort", l_abort }, { NULL, NULL } };

void
bind_fetch(lua_State *L)
{
	lua_newtable(L);
	luaL_register(L, NULL, functions);
	lua_setfield(L, -2, "fetch");
}

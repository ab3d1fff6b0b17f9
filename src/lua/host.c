/* host.c -- the engine: runs the code of events for one worker, in one VM per app.
 *
 * How the C half and the Lua half (lua/drey) meet.  Every embedded module is a
 * chunk called as chunk(native).  native.module(name) loads one (once) and
 * gives what it returned.  The host loads "init" before the sandbox closes
 * and uses these fields of the table it returns:
 *
 *	globals				copied into the app's globals
 *	Response			the metatable of responses.  C reads the raw fields status (number),
 *					_headers (a list name, value, name, value, ... or nil), _body (string or nil)
 *	request(handle) -> Request	handle: a number, good while its event runs; see native.http
 *	response(status, headers, body) -> Response	an answer that came back to stub:fetch(); headers is such a list
 *	outbound(input, init) -> handle  or  method, url, headers, body	what stub:fetch(input, init) sends;
 *					the handle of an inbound request that was passed on untouched is the fast way
 *	class_name(v) -> string or nil	is v a class made with extend?  what is it called?
 *	env(app) -> env			app = { name=, bindings={ NAME=namespace }, vars={ NAME=string } }
 *	ctx(serial, id) -> ctx		for an object; its field _serial is the number, id the DurableObjectId
 *	front_ctx() -> ctx		for a front module: waitUntil only; made once
 *	instance(class, ctx, env) -> instance	runs the constructor
 *	method(class, name) -> function  or  nil, error text	RPC lookup
 *	Date				the metatable of dates; C reads and makes the raw field _ms (milliseconds since 1970)
 *	modules				what require finds besides the app's files: name -> value; may be nil ("cjson" is the host's)
 *	fetch(instance, request) -> Response	calls instance:fetch(request), raises when there is none
 *
 * native.http: method(h) url(h) headers(h) header(h, name) body(h) client(h) aborted(h), h being the handle; headers gives
 * the list with lower-case names, header all values of that name joined with ", " or nil.  After the event has ended they raise.
 *
 * Ready to use, found in native when init runs: native.time.now() and sleep(ms), native.console.log info warn error debug,
 * native.ctx.blockConcurrencyWhile(ctx, fn) waitUntil(ctx, fn) abort(ctx, reason), native.json (lua-cjson's table, and array_mt),
 * native.place(function) -> "counter.lua:12", and native.error, the metatable of error tables that come back from other objects.  Namespaces, ids and stubs (native.stub, lua/drey/stub.lua) and
 * what a waiting call does (lua/drey/park.lua) are the host's own.
 */
#include <lauxlib.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "lua/bind_ctx.h"
#include "lua/bind_http.h"
#include "lua/bind_stub.h"
#include "lua/host.h"
#include "lua/host_engine.h"
#include "lua/loader.h"
#include "lua/sandbox.h"
#include "lua/task.h"
#include "lua/traceback.h"
#include "lua/value.h"
#include "object/worker.h"
#include "store/codec.h"

struct host {
	struct engine engine;
	struct worker *worker;
	struct vm **vms;		/* by app->index */
	unsigned nvms;
	double serial;			/* of the last instance */
};

/* ---- what bindings ask ---- */

struct vm *
host_vm(lua_State *L)
{
	return vm_of(L);
}

struct app *
host_app(lua_State *L)
{
	return (struct app *)vm_of(L)->app;
}

struct task *
host_task(lua_State *L)
{
	struct task *t = vm_of(L)->current;

	if (!t)
		host_error(L, "this works only inside a handler, not while the app's files are loaded");
	return t;
}

struct object *
host_object(lua_State *L)
{
	struct task *t = host_task(L);

	if (!t->object)
		host_error(L, "the front module has no object: this works inside the methods of an object");
	return t->object;
}

struct object *
host_owner(lua_State *L, int idx)
{
	struct vm *vm = vm_of(L);
	struct object *o = host_object(L);
	bool mine = false;

	if (lua_istable(L, idx)) {
		lua_pushvalue(L, idx);
		vm_push(L, vm, REF_SERIAL);
		lua_rawget(L, -2);
		mine = lua_type(L, -1) == LUA_TNUMBER && lua_tonumber(L, -1) == ((struct instance *)o->instance)->serial;
		lua_pop(L, 2);
	} else {
		host_error(L, "call this with a colon, as in ctx:name(...): the first argument must be ctx or a part of it, not a %s",
		    luaL_typename(L, idx));
	}
	if (!mine)
		host_error(L, "this ctx belongs to another object (or to an instance that was reset)");
	return o;
}

/* The place of the nearest frame that the app's author wrote; "" when there is none. */
static void
push_place(lua_State *L)
{
	lua_Debug ar;

	for (int level = 1; lua_getstack(L, level, &ar); level++) {
		lua_getinfo(L, "Sl", &ar);
		if (ar.currentline > 0 && strncmp(ar.source, "=drey/", 6) != 0) {
			lua_pushfstring(L, "%s:%d: ", ar.short_src, ar.currentline);
			return;
		}
	}
	lua_pushliteral(L, "");
}

int
host_error(lua_State *L, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	err_set(ERR_ARGUMENT, "%s", text);
	return host_raise(L);
}

int
host_raise(lua_State *L)
{
	push_place(L);
	lua_pushstring(L, err_text());
	lua_concat(L, 2);
	return lua_error(L);
}

int
host_raise_store(lua_State *L, struct object *o)
{
	if (db_broken(o->db)) {
		struct failure why = { .message = str_c(err_text()), .reset = true };

		object_break(o, &why);
	}
	return host_raise(L);
}

void
host_log_failure(struct task *t, const struct failure *f)
{
	struct buf text = { 0 };

	if (f->remote)			/* logged where it was raised */
		return;
	buf_str(&text, f->message);
	if (f->traceback.n) {
		buf_c(&text, "\n");
		buf_str(&text, f->traceback);
	}
	host_log(t, LOG_ERROR, text.p);
	buf_fini(&text);
}

/* ---- the end of a task ---- */

/* The coroutine raised.  Its stack may be full to the brim, so its error is looked at on the main one. */
static void
take_error(struct task *t, int status, struct arena *a, struct failure *f)
{
	lua_State *L = t->vm->L;

	lua_checkstack(L, 8);
	lua_xmove(t->co, L, 1);
	failure_from_lua(L, -1, t->co, a, f);
	lua_pop(L, 1);
	if (status == LUA_ERRMEM)
		f->message = str_c(arena_printf(a, "not enough memory: all objects of app %s on this thread together may use "
		    "%llu bytes (limits memory)", t->vm->app->name, (unsigned long long)t->vm->max));
	host_log_failure(t, f);
}

/* Its error goes into the event and the log. */
static void
fail_event(struct task *t, int status)
{
	take_error(t, status, &t->event->arena, &t->event->failure);
	t->event->failed = true;
}

/* What a handler returned cannot be sent: err_text() says why. */
static void
refuse_result(struct task *t, const char *place)
{
	if (place)
		event_fail(t->event, "%s (%s)", err_text(), place);
	else
		event_fail(t->event, "%s", err_text());
	host_log_failure(t, &t->event->failure);
}

static const char *
place_of_front(struct vm *vm, char *buf, size_t n)
{
	lua_Debug ar;

	vm_push(vm->L, vm, REF_FRONT_FETCH);
	if (!lua_isfunction(vm->L, -1)) {
		lua_pop(vm->L, 1);
		return NULL;
	}
	lua_getinfo(vm->L, ">S", &ar);
	snprintf(buf, n, "%s:%d", ar.short_src, ar.linedefined);
	return buf;
}

static void
end_front(struct task *t, int status)
{
	struct worker *worker = t->vm->worker;
	struct event *ev = t->event;
	char place[200];

	if (status != 0)
		fail_event(t, status);
	else if (http_take_response(t->vm, t->co, 1, ev) != OK)
		refuse_result(t, place_of_front(t->vm, place, sizeof(place)));
	task_release(t, status == 0);
	worker_answer(worker, ev);
}

/* To the caller; if the object is being reset by now, with why. */
static void
answer_from_object(struct task *t, bool reusable)
{
	struct object *o = t->object;
	struct event *ev = t->event;

	task_release(t, reusable);
	if (o->reset)
		event_fail_with(ev, o->reset);
	object_answer(o, ev);
}

static void
end_fetch(struct task *t, int status)
{
	if (status != 0)
		fail_event(t, status);
	else if (http_take_response(t->vm, t->co, lua_gettop(t->co) ? 1 : (lua_pushnil(t->co), 1), t->event) != OK)
		refuse_result(t, NULL);
	answer_from_object(t, status == 0);
}

/* All that the method returned, as one array. */
static int
encode_results(struct task *t)
{
	struct buf *out = &t->vm->scratch;
	uint64_t max = t->vm->app->conf->limits.rpc_message;
	int n = lua_gettop(t->co);

	if (n == 0)
		return OK;
	if (n > HOST_VALUES_MAX)
		return err_set(ERR_LIMIT, "%d values returned: a call gives at most %d; return them in a table", n, HOST_VALUES_MAX);
	buf_clear(out);
	codec_array(out, (uint32_t)n);
	for (int i = 1; i <= n; i++) {
		int rc = value_encode(t->co, i, out, i == 1 ? "the result" : "a result");

		if (rc != OK)
			return rc;
	}
	if (out->n > max)
		return err_set(ERR_LIMIT, "Serialized RPC arguments or return values are limited to %lluMiB, but the size of this value was: "
		    "%zu bytes. (limits rpc_message)", (unsigned long long)(max >> 20), out->n);
	t->event->result = arena_str(&t->event->arena, buf_slice(out));
	return OK;
}

static void
end_call(struct task *t, int status)
{
	char place[200];

	if (status != 0) {
		fail_event(t, status);
	} else if (encode_results(t) != OK) {
		snprintf(place, sizeof(place), "%s:%.*s", t->object->class->name, (int)t->event->method.n, t->event->method.p);
		refuse_result(t, place);
	}
	answer_from_object(t, status == 0);
}

static void
end_wake(struct task *t, int status)
{
	struct object *o = t->object;
	struct instance *in = o->instance;
	struct failure why = { 0 };
	struct arena a;

	if (status == 0) {
		lua_settop(t->co, 1);
		in->table = luaL_ref(t->co, LUA_REGISTRYINDEX);
		task_release(t, true);
		if (!o->reset)
			object_awake(o);
		return;
	}
	arena_init(&a);
	take_error(t, status, &a, &why);
	why.reset = true;
	task_release(t, false);
	object_break(o, &why);
	arena_fini(&a);
}

static void
end_background(struct task *t, int status)
{
	struct failure why;
	struct arena a;

	if (status != 0 && t->event) {
		fail_event(t, status);
	} else if (status != 0) {
		arena_init(&a);
		take_error(t, status, &a, &why);
		arena_fini(&a);
	}
	if (t->event)
		answer_from_object(t, status == 0);
	else
		task_release(t, status == 0);
}

void
host_done(struct task *t, int status)
{
	static void (*const ends[])(struct task *, int) = {
		[TASK_FRONT] = end_front, [TASK_WAKE] = end_wake, [TASK_CALL] = end_call,
		[TASK_FETCH] = end_fetch, [TASK_BACKGROUND] = end_background
	};

	if (status == 0)
		must(lua_checkstack(t->co, 8));
	ends[t->kind](t, status);
}

/* ---- the engine ---- */

static struct vm *
vm_for(struct engine *e, const struct app *app)
{
	return container_of(e, struct host, engine)->vms[app->index];
}

static void
on_front(struct engine *e, struct event *ev)
{
	struct vm *vm = vm_for(e, ev->app);
	struct task *t;
	lua_State *co;

	if (vm->ref[REF_FRONT_FETCH] == LUA_REFNIL) {
		event_fail(ev, "%s has no fetch(request, env, ctx) to answer requests from outside: return { fetch = function(request, env) "
		    "return Response.new \"ok\" end } from it", ev->app->conf->main);
		host_log(NULL, LOG_ERROR, ev->failure.message.p);
		worker_answer(vm->worker, ev);
		return;
	}
	t = task_new(vm, TASK_FRONT, ev, NULL);
	co = t->co;
	vm_push(co, vm, REF_RUN_FRONT);
	vm_push(co, vm, REF_FRONT_FETCH);
	lua_pushnumber(co, task_handle(t));
	vm_push(co, vm, REF_ENV);
	vm_push(co, vm, REF_FRONT_CTX);
	task_run(t, 4);
}

static void
break_without_class(struct object *o)
{
	char *text = xasprintf("class \"%s\" is not returned by %s", o->class->name, o->class->app->conf->main);
	struct failure why = { .message = str_c(text), .reset = true };

	object_break(o, &why);
	free(text);
}

static void
on_wake(struct engine *e, struct object *o)
{
	struct host *host = container_of(e, struct host, engine);
	struct vm *vm = vm_for(e, o->class->app);
	struct instance *in = xmalloc(sizeof(*in));
	struct task *t;

	in->table = LUA_NOREF;
	in->serial = ++host->serial;
	list_init(&in->tasks);
	o->instance = in;
	if (vm->classes[o->class->index].table == LUA_NOREF) {
		break_without_class(o);
		return;
	}
	t = task_new(vm, TASK_WAKE, NULL, o);
	vm_push(t->co, vm, REF_RUN_WAKE);
	lua_rawgeti(t->co, LUA_REGISTRYINDEX, vm->classes[o->class->index].table);
	lua_pushnumber(t->co, in->serial);
	stub_push_id(t->co, o->class, &o->id, o->name);
	vm_push(t->co, vm, REF_ENV);
	task_run(t, 4);
}

/* Asks init.method, once per name; what it lets pass is remembered.  Pushes the function, or err_set() and nothing. */
static int
find_method(struct vm *vm, const struct vm_class *class, struct str name)
{
	lua_State *L = vm->L;

	vm_push(L, vm, REF_METHOD);
	lua_rawgeti(L, LUA_REGISTRYINDEX, class->table);
	lua_pushlstring(L, name.p, name.n);
	if (lua_pcall(L, 2, 2, 0) != 0) {
		err_set(ERR_ARGUMENT, "%s", lua_tostring(L, -1));
		lua_pop(L, 1);
		return ERR_ARGUMENT;
	}
	if (!lua_isfunction(L, -2)) {
		err_set(ERR_ARGUMENT, "%s", lua_isstring(L, -1) ? lua_tostring(L, -1) : "no such method");
		lua_pop(L, 2);
		return ERR_ARGUMENT;
	}
	lua_pop(L, 1);
	lua_rawgeti(L, LUA_REGISTRYINDEX, class->known);
	lua_pushlstring(L, name.p, name.n);
	lua_pushvalue(L, -3);
	lua_rawset(L, -3);
	lua_pop(L, 1);
	return OK;
}

/* Pushes the method.  Raw access only: a metamethod of the app must not run out here.  A method that the class itself has is
 * taken as it stands now; an inherited one as it stood when it was first called. */
static int
push_method(struct vm *vm, const struct vm_class *class, struct str name)
{
	lua_State *L = vm->L;

	lua_rawgeti(L, LUA_REGISTRYINDEX, class->known);
	lua_pushlstring(L, name.p, name.n);
	lua_pushvalue(L, -1);
	lua_rawget(L, -3);
	if (!lua_isfunction(L, -1)) {
		lua_pop(L, 3);
		return find_method(vm, class, name);
	}
	lua_rawgeti(L, LUA_REGISTRYINDEX, class->table);
	lua_pushvalue(L, -3);
	lua_rawget(L, -2);
	if (!lua_isfunction(L, -1)) {
		lua_pop(L, 1);
		lua_pushvalue(L, -2);
	}
	lua_replace(L, -5);		/* the function takes the place of known */
	lua_settop(L, -4);
	return OK;
}

/* The arguments, onto the coroutine: how many, or an error. */
static int
push_args(lua_State *co, struct str in)
{
	struct codec_item head;
	int rc;

	if (in.n == 0)
		return 0;
	rc = codec_read(&in, &head);
	if (rc != OK)
		return rc;
	if (head.type != CODEC_ARRAY || head.count > HOST_VALUES_MAX)
		return err_set(ERR_ARGUMENT, "the arguments of this call cannot be read");
	must(lua_checkstack(co, HOST_VALUES_MAX + 8));
	for (uint32_t i = 0; i < head.count; i++)
		if ((rc = value_push(co, &in)) != OK)
			return rc;
	return (int)head.count;
}

static void
refuse_call(struct object *o, struct event *ev)
{
	event_fail(ev, "%s", err_text());
	ev->failure.name = STR("TypeError");
	object_answer(o, ev);
}

static void
deliver_call(struct vm *vm, struct object *o, struct event *ev)
{
	struct instance *in = o->instance;
	struct task *t;
	int n;

	if (push_method(vm, &vm->classes[o->class->index], ev->method) != OK) {
		refuse_call(o, ev);
		return;
	}
	t = task_new(vm, TASK_CALL, ev, o);
	lua_xmove(vm->L, t->co, 1);
	lua_rawgeti(t->co, LUA_REGISTRYINDEX, in->table);
	n = push_args(t->co, ev->args);
	if (n < 0) {
		task_release(t, true);
		refuse_call(o, ev);
		return;
	}
	task_run(t, n + 1);
}

static void
on_deliver(struct engine *e, struct object *o, struct event *ev)
{
	struct vm *vm = vm_for(e, o->class->app);
	struct instance *in = o->instance;
	struct task *t;

	if (ev->kind == EVENT_FETCH) {
		t = task_new(vm, TASK_FETCH, ev, o);
		vm_push(t->co, vm, REF_RUN_FETCH);
		lua_rawgeti(t->co, LUA_REGISTRYINDEX, in->table);
		lua_pushnumber(t->co, task_handle(t));
		task_run(t, 2);
	} else if (background_take(ev, vm->L)) {
		t = task_new(vm, TASK_BACKGROUND, ev, o);
		lua_xmove(vm->L, t->co, 1);
		task_run(t, 0);
	} else {
		deliver_call(vm, o, ev);
	}
}

static void
on_forget(struct engine *e, struct object *o, const struct failure *why)
{
	struct vm *vm = vm_for(e, o->class->app);
	struct instance *in = o->instance;

	if (!in)
		return;
	while (!list_empty(&in->tasks)) {
		struct task *t = list_first(&in->tasks, struct task, link);
		struct event *ev = t->event;

		must(why);
		task_drop(t);
		if (!ev)
			continue;
		event_fail_with(ev, why);
		object_answer(o, ev);
	}
	luaL_unref(vm->L, LUA_REGISTRYINDEX, in->table);
	free(in);
	o->instance = NULL;
	vm_stir(vm);
}

static void
on_abandon(struct engine *e, struct event *ev)
{
	struct task *t = ev->task;

	(void)e;
	if (t && !t->object && t->event == ev)
		task_interrupt(t);
}

static const struct engine_ops ops = { on_front, on_wake, on_deliver, on_forget, on_abandon };

/* ---- VMs ---- */

/* env: the namespaces of the bindings and the vars.  Pushes it. */
static void
push_app_table(lua_State *L, const struct app *app)
{
	struct vm *vm = vm_of(L);

	lua_createtable(L, 0, 3);
	lua_pushstring(L, app->name);
	lua_setfield(L, -2, "name");
	lua_newtable(L);
	for (const struct binding_conf *b = app->conf->bindings; b; b = b->next) {
		const struct class *class = app_class(app, b->class_name);

		if (!class)
			continue;	/* loader_app() says so */
		vm_push(L, vm, REF_NATIVE);
		lua_getfield(L, -1, "stub");
		lua_getfield(L, -1, "namespace");
		lua_pushstring(L, b->name);
		lua_pushinteger(L, class->index);
		lua_call(L, 2, 1);
		lua_setfield(L, -4, b->name);
		lua_pop(L, 2);
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

/* A VM with its app loaded, or NULL and err_text(). */
static struct vm *
load(struct host *host, struct worker *worker, const struct app *app)
{
	struct vm *vm = vm_new(host, worker, app);
	int rc;

	lua_gc(vm->L, LUA_GCSTOP, 0);		/* what is loaded here stays */
	sandbox_open(vm);
	rc = loader_native(vm);
	if (rc == OK) {
		sandbox_close(vm);
		if (lua_cpcall(vm->L, p_environment, NULL) != 0)
			rc = err_set(ERR_LUA, "drey's own Lua: %s", lua_tostring(vm->L, -1));
	}
	lua_gc(vm->L, LUA_GCRESTART, 0);
	if (rc == OK)
		rc = loader_app(vm);
	if (rc != OK)
		vm_free(&vm);
	return vm;
}

struct engine *
host_new(struct worker *worker)
{
	struct host *host = xcalloc(1, sizeof(*host));
	struct runtime *runtime = worker->runtime;
	struct engine *e = &host->engine;

	host->engine.ops = &ops;
	host->worker = worker;
	host->nvms = runtime->settings->napps;
	host->vms = xcalloc(host->nvms + 1, sizeof(*host->vms));
	for (unsigned i = 0; i < host->nvms; i++) {
		host->vms[i] = load(host, worker, &runtime->apps[i]);
		if (!host->vms[i]) {
			host_free(&e);
			return NULL;
		}
	}
	return e;
}

void
host_free(struct engine **ep)
{
	struct host *host;

	if (!*ep)
		return;
	host = container_of(*ep, struct host, engine);
	*ep = NULL;
	for (unsigned i = 0; i < host->nvms; i++)
		vm_free(&host->vms[i]);
	free(host->vms);
	free(host);
}

int
host_check(const struct settings *settings)
{
	struct app *apps = apps_new(settings);
	int rc = OK;

	for (unsigned i = 0; i < settings->napps && rc == OK; i++) {
		struct vm *vm = load(NULL, NULL, &apps[i]);

		if (vm)
			vm_free(&vm);
		else
			rc = err_code();
	}
	apps_free(&apps, settings->napps);
	return rc;
}

/* host_engine.c -- the engine: runs the code of events for one worker, in one VM per app.
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
 *	env(app) -> env			app = { name=, bindings={ NAME=namespace }, vars={ NAME=string }, exports={ Class=namespace } }
 *	ctx(serial, id) -> ctx		for an object; its field _serial is the number, id the DurableObjectId
 *	front_ctx() -> ctx		for a front module: waitUntil only; made once
 *	instance(class, ctx, env) -> instance	runs the constructor
 *	method(class, name) -> function  or  nil, error text	RPC lookup
 *	lost(handle, err)		the task of an async() broke off: its promise is to raise err
 *	Date				the metatable of dates; C reads and makes the raw field _ms (milliseconds since 1970)
 *	modules				what require finds besides the app's files: name -> value; may be nil ("cjson" is the host's)
 *	fetch(instance, request) -> Response	calls instance:fetch(request), raises when there is none
 *
 * native.http: method(h) url(h) headers(h) header(h, name) body(h) client(h) aborted(h), h being the handle; headers gives
 * the list with lower-case names, header all values of that name joined with ", " or nil.  After the event has ended they raise,
 * but in its waitUntil work.
 *
 * Ready to use, found in native when init runs: native.time.now() and sleep(ms), native.timers.set(what, fn, ms, repeats) and
 * clear(id), native.console.log info warn error debug,
 * native.ctx.blockConcurrencyWhile(ctx, fn) waitUntil(ctx, fn) abort(ctx, reason), native.json (parse, stringify, setup, null, array_mt),
 * native.place(function) -> "counter.lua:12", and native.error, the metatable of error tables that come back from other objects.  Namespaces, ids and stubs (native.stub, lua/drey/stub.lua) and
 * what a waiting call does (lua/drey/park.lua) are the host's own.
 */
#include "lua/host_engine.h"

#include <lauxlib.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/log.h"
#include "lua/bind_ctx.h"
#include "lua/bind_promise.h"
#include "lua/bind_ref.h"
#include "lua/bind_stub.h"
#include "lua/host.h"
#include "lua/loader.h"
#include "lua/overtime.h"
#include "lua/parcel.h"
#include "lua/task.h"
#include "lua/timeouts.h"
#include "lua/watchdog.h"
#include "object/worker.h"

struct host {
	struct engine engine;
	struct worker *worker;
	struct vm **vms;		/* by app->index */
	unsigned nvms;
	double serial;			/* of the last instance */
	struct watch watch;
};

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

	if (!overtime_load(vm)) {
		event_fail(ev, "%s", err_text());
		worker_answer(vm->worker, ev);
		return;
	}
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
break_without_class(struct vm *vm, struct object *o)
{
	char *text = vm->unloaded ? xstrdup(vm->unloaded) :
		xasprintf("class \"%s\" is not returned by %s", o->class->name, o->class->app->conf->main);
	struct failure why = { .message = str_c(text), .reset = true };

	object_break(o, &why);
	free(text);
}

static void
on_wake(struct engine *e, struct object *o)
{
	struct host *host = container_of(e, struct host, engine);
	struct vm *vm = vm_for(e, o->class->app);
	struct instance *in = xcalloc(1, sizeof(*in));
	struct task *t;

	in->table = LUA_NOREF;
	in->serial = ++host->serial;
	in->timeouts = NULL;
	list_init(&in->tasks);
	o->instance = in;
	if (!overtime_load(vm) || vm->classes[o->class->index].table == LUA_NOREF) {
		break_without_class(vm, o);
		return;
	}
	in->life = vm->life;
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
	n = parcel_open(t->co, ev->args, &ev->lent, &t->stubs);
	if (n < 0) {
		task_release(t, true);
		refuse_call(o, ev);
		return;
	}
	task_run(t, n + 1);
}

/* What an instance lent.  It may have gone while the call waited: then there is a new one, which knows nothing of it. */
static void
deliver_callback(struct vm *vm, struct object *o, struct event *ev)
{
	struct task *t = task_new(vm, TASK_CALL, ev, o);
	int before = ref_push_target(t, ev), n = 0;

	if (before > 0)
		n = parcel_open(t->co, ev->args, &ev->lent, &t->stubs);
	if (before > 0 && n >= 0) {
		task_run(t, before + n - 1);
		return;
	}
	task_release(t, true);
	if (before > 0)
		event_fail(ev, "%s", err_text());
	else
		reference_refuse(ev);
	object_answer(o, ev);
}

static void
on_call_front(struct engine *e, struct event *ev)
{
	struct vm *vm = vm_for(e, ev->app);
	struct task *t = task_new(vm, TASK_CALL, ev, NULL);
	int before = ref_push_target(t, ev), n;

	must(before > 0);
	ref_join(t, ev);
	n = parcel_open(t->co, ev->args, &ev->lent, &t->stubs);
	if (n < 0) {
		task_release(t, true);
		event_fail(ev, "%s", err_text());
		worker_answer(vm->worker, ev);
		return;
	}
	worker_hold(vm->worker);	/* until answer_from_front(), or the VM is lost */
	task_run(t, before + n - 1);
}

static void
on_deliver(struct engine *e, struct object *o, struct event *ev)
{
	struct vm *vm = vm_for(e, o->class->app);
	struct instance *in = o->instance;
	struct kept *kept;
	struct task *t;

	if (ev->kind == EVENT_FETCH) {
		t = task_new(vm, TASK_FETCH, ev, o);
		vm_push(t->co, vm, REF_RUN_FETCH);
		lua_rawgeti(t->co, LUA_REGISTRYINDEX, in->table);
		lua_pushnumber(t->co, task_handle(t));
		task_run(t, 2);
	} else if (background_take(ev, vm->L, &kept)) {
		t = task_new(vm, TASK_BACKGROUND, ev, o);
		t->kept = kept;
		lua_xmove(vm->L, t->co, 1);
		task_run(t, 0);
	} else if (ev->target) {
		deliver_callback(vm, o, ev);
	} else if (!timeouts_deliver(vm, o, ev)) {
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
		if (t->kind == TASK_ASYNC)
			async_let_go(t);
		task_drop(t);
		if (!ev)
			continue;
		event_fail_with(ev, why);
		object_answer(o, ev);
	}
	if (in->life == vm->life)
		luaL_unref(vm->L, LUA_REGISTRYINDEX, in->table);
	timeouts_end(&in->timeouts);
	scope_end(&in->scope);
	free(in);
	o->instance = NULL;
	vm_stir(vm);
}

static void
on_abandon(struct engine *e, struct event *ev)
{
	struct task *t = ev->task;

	(void)e;
	if (t && !t->object && t->event == ev && !ev->target)
		task_interrupt(t);
}

static const struct engine_ops ops = { on_front, on_wake, on_deliver, on_forget, on_abandon, on_call_front };

/* ---- VMs that were loaded before there was a worker ---- */

struct prepared {
	const struct settings *settings;
	struct app *apps;		/* borrowed by the VMs until they are taken */
	unsigned n;
	struct vm *vms[];		/* one per app */
};

static _Atomic(struct prepared *) prepared;

static void
prepared_free(struct prepared **pp)
{
	struct prepared *p = *pp;

	*pp = NULL;
	if (!p)
		return;
	for (unsigned i = 0; i < p->n; i++)
		vm_free(&p->vms[i]);
	apps_free(&p->apps, p->n);
	free(p);
}

/* Every app in a VM of its own; NULL and err_text() when one is not good. */
static struct prepared *
prepared_new(const struct settings *settings)
{
	struct prepared *p = xcalloc(1, sizeof(*p) + settings->napps * sizeof(*p->vms));

	p->settings = settings;
	p->n = settings->napps;
	p->apps = apps_new(settings);
	for (unsigned i = 0; i < p->n; i++) {
		p->vms[i] = loader_open(NULL, NULL, &p->apps[i]);
		if (!p->vms[i]) {
			prepared_free(&p);
			break;
		}
	}
	return p;
}

/* Nothing in a VM that ran no task yet knows its app by another way than vm->app. */
static bool
take_prepared(struct host *host)
{
	struct runtime *runtime = host->worker->runtime;
	struct prepared *p = atomic_exchange(&prepared, NULL);
	bool fits = p && p->settings == runtime->settings;

	for (unsigned i = 0; fits && i < host->nvms; i++) {
		struct vm *vm = p->vms[i];

		vm->host = host;
		vm->worker = host->worker;
		vm->watch = &host->watch;
		vm->app = &runtime->apps[i];
		host->vms[i] = vm;
		p->vms[i] = NULL;
	}
	prepared_free(&p);
	return fits;
}

/* The shortest CPU limit of any app says how closely the watchdog looks. */
static int64_t
least_limit(const struct settings *settings)
{
	int64_t least = INT64_MAX;

	for (const struct app_conf *app = settings->apps; app; app = app->next)
		if (app->limits.cpu_ms < least)
			least = app->limits.cpu_ms;
	return least == INT64_MAX ? 0 : least * 1000;
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
	watch_init(&host->watch, least_limit(runtime->settings), overtime_hook, &worker->overtime);
	if (take_prepared(host))
		return e;
	for (unsigned i = 0; i < host->nvms; i++) {
		host->vms[i] = loader_open(host, worker, &runtime->apps[i]);
		if (!host->vms[i]) {
			host_free(&e);
			return NULL;
		}
		host->vms[i]->watch = &host->watch;
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
	watch_fini(&host->watch);
	for (unsigned i = 0; i < host->nvms; i++)
		vm_free(&host->vms[i]);
	free(host->vms);
	free(host);
}

int
host_check(const struct settings *settings)
{
	struct prepared *p = prepared_new(settings);
	int rc = p ? OK : err_code();

	prepared_free(&p);
	return rc;
}

int
host_prepare(const struct settings *settings)
{
	struct prepared *p = prepared_new(settings), *old;

	if (!p)
		return err_code();
	old = atomic_exchange(&prepared, p);
	prepared_free(&old);
	return OK;
}

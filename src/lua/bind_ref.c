/* bind_ref.c -- native.ref: what stands behind functions and RpcTargets that were passed over RPC (lua/drey/ref.lua).
 *
 *	call(stub, method or false, ...)	true and values, or false and the error
 *	dup(stub) -> stub			another, which belongs to the instance or the request
 *	dispose(stub)
 *	connect(mt, classes, run)		ref.lua's: the metatable of stubs, the set of classes of RpcTarget, and
 *						run(target, method, ...), which calls a method of a target
 */
#include "lua/bind_ref.h"

#include <lauxlib.h>
#include <stdlib.h>

#include "base/err.h"
#include "lua/call.h"
#include "lua/host.h"
#include "lua/parcel.h"
#include "object/worker.h"

struct scope {
	struct vm *vm;
	unsigned life;			/* of the VM: the values are of no other */
	struct object *object;		/* NULL: a front module's event */
	unsigned tasks;			/* that share it, in a front module */
	struct list exports, kept;
};

struct export {
	struct reference reference;
	struct list link;		/* scope->exports */
	struct scope *scope;		/* NULL: it has ended */
	int value;			/* registry reference */
};

struct stub {
	struct list link;		/* its owner's */
	struct vm *vm;
	unsigned life;			/* of the VM: an earlier one's userdata is gone */
	struct reference *to;
	struct stub **box;		/* the userdata */
};

const char ref_disposed[] = "is an RPC stub used after being disposed.";

static char stub_key, classes_key;	/* in the registry: the metatable of stubs, the set of classes of RpcTarget */

static void
push_kept(lua_State *L, char *key)
{
	lua_pushlightuserdata(L, key);
	lua_rawget(L, LUA_REGISTRYINDEX);
}

static void
keep(lua_State *L, char *key)		/* pops the value */
{
	lua_pushlightuserdata(L, key);
	lua_insert(L, -2);
	lua_rawset(L, LUA_REGISTRYINDEX);
}

/* ---- scopes ---- */

static struct scope *
scope_new(struct vm *vm, struct object *o)
{
	struct scope *s = xcalloc(1, sizeof(*s));

	s->vm = vm;
	s->life = vm->life;
	s->object = o;
	s->tasks = 1;
	list_init(&s->exports);
	list_init(&s->kept);
	return s;
}

static struct scope *
scope_of(struct task *t)
{
	struct scope **s = t->object ? &((struct instance *)t->object->instance)->scope : &t->scope;

	if (!*s)
		*s = scope_new(t->vm, t->object);
	return *s;
}

struct list *
ref_kept(struct task *t)
{
	return &scope_of(t)->kept;
}

void
scope_share(struct task *of, struct task *with)
{
	must(!of->object && !with->object && !with->scope);
	with->scope = scope_of(of);
	with->scope->tasks++;
}

/* Nobody can call it any more.  What is left waits for its last holder. */
static void
withdraw(struct export *e)
{
	struct scope *s = e->scope;

	e->scope = NULL;
	e->reference.live = false;
	list_del(&e->link);
	s->vm->exports--;
	if (s->life == s->vm->life)
		luaL_unref(s->vm->L, LUA_REGISTRYINDEX, e->value);
	if (s->object)
		object_linger_end(s->object);
}

void
scope_end(struct scope **sp)
{
	struct scope *s = *sp;

	*sp = NULL;
	if (!s)
		return;
	while (!list_empty(&s->exports))
		withdraw(list_first(&s->exports, struct export, link));
	ref_drop_stubs(&s->kept);
	free(s);
}

void
scope_leave(struct scope **sp)
{
	if (*sp && --(*sp)->tasks == 0)
		scope_end(sp);
	*sp = NULL;
}

/* ---- what this VM lends ---- */

bool
ref_is_target(lua_State *L, int idx)
{
	bool is;

	if (!lua_istable(L, idx) || !lua_getmetatable(L, idx))
		return false;
	push_kept(L, &classes_key);
	lua_insert(L, -2);
	if (lua_istable(L, -2))
		lua_rawget(L, -2);
	is = lua_isboolean(L, -1);
	lua_pop(L, 2);
	return is;
}

static void
on_end(struct reference *r)
{
	struct export *e = container_of(r, struct export, reference);

	if (e->scope)
		withdraw(e);
	free(e);
}

static int
too_many(const struct vm *vm)
{
	const struct app_conf *conf = vm->app->conf;
	struct place at = settings_limit_at(conf, "references");

	return err_set(ERR_LIMIT, "%llu functions and RpcTargets of this app are lent out already; whoever got them calls dispose() on what it "
	    "no longer needs (limits references, %s:%d)", (unsigned long long)conf->limits.references,
	    at.file ? at.file : "configuration", at.line);
}

/* An instance that lends something stays awake, as with a timer: what is lent is lost with it. */
static struct reference *
export_new(struct scope *s, int value)
{
	struct export *e = xcalloc(1, sizeof(*e));

	reference_init(&e->reference, s->vm->worker, on_end);
	e->reference.app = s->vm->app;
	e->scope = s;
	e->value = value;
	s->vm->exports++;
	list_push(&s->exports, &e->link);
	if (s->object) {
		e->reference.class = s->object->class;
		e->reference.id = s->object->id;
		object_linger(s->object);
	}
	return &e->reference;
}

static struct stub *
to_stub(lua_State *L, int idx)
{
	struct stub **box = lua_touserdata(L, idx);

	return ref_is_stub(L, idx) ? *box : NULL;
}

int
ref_lend(lua_State *L, int idx, struct task *by)
{
	struct vm *vm = by->vm;
	struct scope *s;
	struct stub *stub;
	int value;

	if (ref_is_stub(L, idx)) {
		stub = to_stub(L, idx);
		return stub ? (int)references_add(&vm->lent, reference_hold(stub->to)) : ERR_ARGUMENT;
	}
	if (vm->exports >= vm->app->conf->limits.references)
		return too_many(vm);
	s = scope_of(by);
	lua_pushvalue(L, idx);
	value = luaL_ref(L, LUA_REGISTRYINDEX);
	return (int)references_add(&vm->lent, export_new(s, value));
}

/* ---- a call of it ---- */

int
ref_push_target(struct task *t, struct event *ev)
{
	struct export *e = container_of(ev->target, struct export, reference);
	lua_State *co = t->co;

	if (!e->scope)
		return ERR_GONE;
	lua_rawgeti(co, LUA_REGISTRYINDEX, e->value);
	if (!ev->method.p && lua_isfunction(co, -1))
		return 1;
	vm_push(co, t->vm, REF_RUN_TARGET);
	lua_insert(co, -2);
	if (ev->method.p)
		lua_pushlstring(co, ev->method.p, ev->method.n);
	else
		lua_pushboolean(co, 0);
	return 3;
}

void
ref_join(struct task *t, struct event *ev)
{
	t->scope = container_of(ev->target, struct export, reference)->scope;
	t->scope->tasks++;
}

/* ---- stubs ---- */

bool
ref_is_stub(lua_State *L, int idx)
{
	bool is;

	if (lua_type(L, idx) != LUA_TUSERDATA || !lua_getmetatable(L, idx))
		return false;
	push_kept(L, &stub_key);
	is = lua_rawequal(L, -1, -2);
	lua_pop(L, 2);
	return is;
}

void
ref_push(lua_State *L, struct reference *to, struct list *owner)
{
	struct stub **box = lua_newuserdata(L, sizeof(*box)), *s;
	struct vm *vm = vm_of(L);

	*box = NULL;
	push_kept(L, &stub_key);
	lua_setmetatable(L, -2);
	s = xmalloc(sizeof(*s));
	s->vm = vm;
	s->life = vm->life;
	s->to = reference_hold(to);
	s->box = box;
	*box = s;
	list_init(&s->link);
	list_push(owner, &s->link);
}

static void
stub_end(struct stub *s)
{
	if (s->life == s->vm->life)
		*s->box = NULL;
	list_del(&s->link);
	reference_drop(&s->to);
	free(s);
}

void
ref_drop_stubs(struct list *owner)
{
	while (!list_empty(owner))
		stub_end(list_first(owner, struct stub, link));
}

static int
l_gc(lua_State *L)
{
	struct stub **box = lua_touserdata(L, 1);

	if (*box)
		stub_end(*box);
	return 0;
}

static struct stub *
check_stub(lua_State *L)
{
	struct stub *s = to_stub(L, 1);

	if (!ref_is_stub(L, 1))
		host_error(L, "methods of a stub are called with a colon, as in stub:method(...); the first argument is a %s", luaL_typename(L, 1));
	if (!s)
		host_error(L, "RPC stub used after being disposed. One that came as an argument is disposed when its call ends: keep stub:dup()");
	return s;
}

static int
l_dup(lua_State *L)
{
	struct stub *s = check_stub(L);

	ref_push(L, s->to, ref_kept(host_task(L)));
	return 1;
}

static int
l_dispose(lua_State *L)		/* twice does no harm */
{
	if (!ref_is_stub(L, 1))
		check_stub(L);
	return l_gc(L);
}

static int
l_call(lua_State *L)		/* (stub, method or false, arguments ...) */
{
	struct task *t = host_task(L);
	struct str method = { 0 };
	struct reference *to;
	struct event *ev;

	if (lua_isstring(L, 2))
		method.p = lua_tolstring(L, 2, &method.n);
	check_stub(L);
	if (parcel_pack(L, 3, lua_gettop(L) - 2, t, PARCEL_ARGUMENTS) != OK)
		return host_raise(L);
	t = task_waits(L, "a call of something passed by reference");
	if (!t)
		return task_hang(L);
	to = check_stub(L)->to;
	if (to->class)
		call_refuse_deadlock(L, t, &to->id);
	ev = call_new(t, EVENT_CALL);
	ev->target = reference_hold(to);
	ev->app = to->app;
	ev->class = to->class;
	ev->id = to->id;
	ev->method = method.p ? arena_str(&ev->arena, method) : method;
	return call_send(L, t, ev);
}

static int
l_connect(lua_State *L)		/* (mt, classes, run) */
{
	lua_settop(L, 3);
	vm_keep(vm_of(L), REF_RUN_TARGET);
	keep(L, &classes_key);
	lua_pushcfunction(L, l_gc);
	lua_setfield(L, -2, "__gc");
	keep(L, &stub_key);
	return 0;
}

static const luaL_Reg functions[] = {
	{ "call", l_call }, { "dup", l_dup }, { "dispose", l_dispose }, { "connect", l_connect }, { NULL, NULL }
};

void
bind_ref(lua_State *L)
{
	lua_newtable(L);
	luaL_register(L, NULL, functions);
	lua_setfield(L, -2, "ref");
}

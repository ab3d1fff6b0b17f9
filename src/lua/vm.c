/* vm.c -- a Lua state whose memory is counted.
 *
 * LuaJIT never collects because an allocation failed: it raises at once.  So
 * garbage must not be what fills the limit.  Its own threshold is twice
 * what was alive, which is too late near the limit; vm_tidy() collects
 * between tasks once half of what was left after the last full
 * collection is used.
 *
 * Nor does it collect when nothing runs: what the last burst left would stay
 * for as long as the app is quiet.  So a VM that has been quiet for a
 * moment is collected in full, once, and its memory goes back to the kernel.
 */
#include "lua/vm.h"

#include <lauxlib.h>
#include <malloc.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "lua/bind_stream.h"
#include "lua/overtime.h"
#include "lua/sqlvalue.h"
#include "lua/task.h"
#include "object/worker.h"

enum { ROUNDS_MAX = 8, REST_MS = 400, REST_WORTH = 1 << 20 };	/* how long quiet; how many bytes make it worth it */

static void *
on_alloc(void *ud, void *p, size_t old, size_t n)
{
	struct vm *vm = ud;
	void *q;

	if (n == 0) {
		vm->used -= old;
		slabs_put(&vm->slabs, p, old);
		return NULL;
	}
	if (n > old && vm->strict && vm->used + (n - old) > vm->max) {
		overtime_full(vm);
		return NULL;
	}
	q = slabs_resize(&vm->slabs, p, old, n);
	if (!q) {
		must(vm->strict);	/* nobody could catch it */
		return NULL;
	}
	vm->used += n - old;
	return q;
}

static int
on_panic(lua_State *L)
{
	must_fail(lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "a Lua error outside of a task", __FILE__, __LINE__, __func__);
}

struct vm *
vm_of(lua_State *L)
{
	void *ud;

	lua_getallocf(L, &ud);
	return ud;
}

void
vm_keep(struct vm *vm, enum vm_ref r)
{
	must(vm->ref[r] == LUA_NOREF);
	if (lua_isnil(vm->L, -1)) {		/* luaL_ref would give LUA_REFNIL, which is fine to push */
		lua_pop(vm->L, 1);
		vm->ref[r] = LUA_REFNIL;
		return;
	}
	vm->ref[r] = luaL_ref(vm->L, LUA_REGISTRYINDEX);
}

/* Lua's table of strings shrinks by half with each collection.  One left by a burst makes every step of the collector so slow that
 * garbage outgrows the limit: it goes on while that is worth it. */
static void
collect(struct vm *vm)
{
	size_t before, start = vm->used;

	for (int i = 0; i < ROUNDS_MAX; i++) {
		before = vm->used;
		lua_gc(vm->L, LUA_GCCOLLECT, 0);
		if (vm->used > before - before / 16)
			break;
	}
	vm->untrimmed |= start - vm->used > REST_WORTH;
	vm->settled = vm->used;
	vm->collect_at = vm->used < vm->max ? vm->used + (vm->max - vm->used) / 2 : vm->max;
	if (vm->collect_at < vm->max / 2)
		vm->collect_at = vm->max / 2;
}

static void
on_rest(struct timer *t)
{
	struct vm *vm = container_of(t, struct vm, rest);

	if (vm->runs != vm->runs_seen) {
		vm->runs_seen = vm->runs;
		timer_set(&vm->worker->timers, t, clock_ms() + REST_MS);
		return;
	}
	if (vm->used >= vm->settled + REST_WORTH)
		collect(vm);
	if (!vm->untrimmed)
		return;
	vm->untrimmed = false;
	slabs_trim(&vm->slabs);
	malloc_trim(0);
}

void
vm_stir(struct vm *vm)
{
	vm->runs++;
	if (!timer_is_set(&vm->rest))
		timer_set(&vm->worker->timers, &vm->rest, clock_ms() + REST_MS);
}

/* A bare state, and nothing is kept of it yet. */
static void
open_state(struct vm *vm)
{
	slabs_init(&vm->slabs);
	vm->collect_at = vm->max / 2;
	for (int i = 0; i < REF_COUNT; i++)
		vm->ref[i] = LUA_NOREF;
	for (unsigned i = 0; i < vm->app->nclasses; i++)
		vm->classes[i].table = vm->classes[i].known = LUA_NOREF;
	vm->L = lua_newstate(on_alloc, vm);
	must(vm->L);
	lua_atpanic(vm->L, on_panic);
}

struct vm *
vm_new(struct host *host, struct worker *worker, const struct app *app)
{
	struct vm *vm = xcalloc(1, sizeof(*vm));

	vm->host = host;
	vm->worker = worker;
	vm->app = app;
	vm->max = app->conf->limits.memory;
	timer_init(&vm->rest, on_rest);
	list_init(&vm->idle);
	list_init(&vm->vacant);
	list_init(&vm->front);
	list_init(&vm->cursors);
	list_init(&vm->readers);
	vm->classes = xcalloc(app->nclasses + 1, sizeof(*vm->classes));
	open_state(vm);
	return vm;
}

void
vm_free(struct vm **vmp)
{
	struct vm *vm = *vmp;

	if (!vm)
		return;
	*vmp = NULL;
	if (vm->worker)
		timer_clear(&vm->worker->timers, &vm->rest);
	tasks_fini(vm);
	lua_close(vm->L);
	slabs_fini(&vm->slabs);
	buf_fini(&vm->scratch);
	references_fini(&vm->lent);
	buf_fini(&vm->over);
	free(vm->unloaded);
	free(vm->classes);
	free(vm);
}

void
vm_lose(struct vm *vm)
{
	must(!vm->current);
	vm->life++;
	vm->untrimmed |= vm->used > REST_WORTH;
	vm->used = vm->settled = 0;
	vm->strict = vm->jit_off = false;
	sql_lose_cursors(vm);
	stream_lose_readers(vm);
	references_clear(&vm->lent);
	tasks_lose(vm);
	slabs_fini(&vm->slabs);
	open_state(vm);
}

void
vm_tidy(struct vm *vm)
{
	if (vm->used < vm->collect_at)
		return;
	collect(vm);
}

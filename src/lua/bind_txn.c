/* bind_txn.c -- native.storage.transactionSync, and native.txn: what stands behind storage:transaction(fn).
 *
 * transaction (put together in lua/drey/transaction.lua):
 *
 *	begin    takes the input gate, or parks until it is this task's turn; a savepoint, known by a number
 *	fn(txn)  runs in the same coroutine; it may park
 *	undo     rollback(): at once; fn runs on
 *	finish   keeps or undoes; after the outermost: commit; gives the gate back
 *
 * What a task leaves open, because a coroutine of it is never resumed or because it
 * was stopped, is rolled back by object_let_go().  Then its number is not known any more.
 *
 * transactionSync calls back into Lua under lua_pcall; nothing in it can wait.
 *
 * See doc/api/storage.md and src/object/transaction.c.
 */
#include <lauxlib.h>
#include <string.h>

#include "base/err.h"
#include "lua/host.h"
#include "lua/stored.h"
#include "lua/task.h"
#include "store/sql.h"

/* ---- transaction ---- */

/* The gate is this task's. */
static int
begun(struct task *t, lua_State *to)
{
	struct object *o = t->object;
	uint64_t id;

	if (!o->transaction)
		t->raised = NULL;
	if (object_begin(o, &id) == OK) {
		lua_pushboolean(to, 1);
		lua_pushnumber(to, (lua_Number)id);
		return 2;
	}
	if (db_broken(o->db))
		object_break(o, &(struct failure){ .message = str_c(err_text()) });
	if (o->reset)
		return -1;		/* it ends with the instance */
	object_unlock(o, &t->waiter);
	task_unlocked(t);
	lua_pushboolean(to, 0);
	lua_pushstring(to, err_text());
	return 2;
}

static int
l_begin(lua_State *L)		/* (storage) */
{
	struct task *t;

	host_owner(L, 1);
	t = task_waits(L, "storage:transaction()");
	return t ? task_lock(L, t, begun) : task_hang(L);
}

static int
l_within(lua_State *L)		/* (txn, number) */
{
	lua_pushboolean(L, object_within(host_owner(L, 1), (uint64_t)luaL_checknumber(L, 2)));
	return 1;
}

static int
l_undo(lua_State *L)		/* (txn, number) */
{
	struct object *o = host_owner(L, 1);
	uint64_t id = (uint64_t)luaL_checknumber(L, 2);

	if (object_within(o, id) && object_undo(o, id) < 0)
		return stored_fail(L, o);
	return 0;
}

static int
l_finish(lua_State *L)		/* (txn, number, keep) */
{
	struct object *o = host_owner(L, 1);
	struct task *t = host_task(L);
	bool keep = lua_toboolean(L, 3);
	int rc = object_end(o, &t->waiter, (uint64_t)luaL_checknumber(L, 2), keep);

	task_unlocked(t);
	if (o->reset)
		return task_hang(L);	/* it could not be committed */
	return rc == OK || (!keep && rc == ERR_ARGUMENT) ? 0 : stored_fail(L, o);
}

/* ---- transactionSync ---- */

/* The error on top came from a call that would have waited: say it in terms of the transaction. */
static void
explain_wait(lua_State *L)
{
	const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";

	if (!strstr(text, " waits, and Lua cannot wait inside") && !strstr(text, "attempt to yield across C-call boundary"))
		return;
	err_set(ERR_ARGUMENT, "transactionSync(fn): fn must not wait (no sleep, no call to another object); do that before or after");
	lua_pop(L, 1);
	host_raise(L);
}

static int
l_transactionSync(lua_State *L)
{
	struct object *o = host_owner(L, 1);
	bool relaxed;

	if (!lua_isfunction(L, 2))
		return stored_refuse(L, "transactionSync(fn): fn is the function that reads and writes; what it returns is returned");
	lua_settop(L, 2);
	lua_pushcfunction(L, task_trace);
	lua_insert(L, 2);
	object_relax(o);		/* to begin is not to write: what fn writes decides */
	relaxed = o->relaxed;
	if (sql_savepoint(o->db) < 0)
		return stored_fail(L, o);
	if (lua_pcall(L, 0, LUA_MULTRET, 2) != 0) {
		sql_release(o->db, false);
		o->relaxed = relaxed;	/* what fn wrote is undone, and what it wanted with it */
		explain_wait(L);
		return lua_error(L);
	}
	if (sql_release(o->db, true) < 0)
		return stored_fail(L, o);
	return lua_gettop(L) - 2;
}

static const luaL_Reg parts[] = {
	{ "begin", l_begin }, { "within", l_within }, { "undo", l_undo }, { "finish", l_finish }, { "trace", task_trace }, { NULL, NULL }
};

void
bind_txn(lua_State *L)
{
	lua_newtable(L);
	luaL_register(L, NULL, parts);
	lua_setfield(L, -2, "txn");
	lua_getfield(L, -1, "storage");
	lua_pushcfunction(L, l_transactionSync);
	lua_setfield(L, -2, "transactionSync");
	lua_pop(L, 1);
}

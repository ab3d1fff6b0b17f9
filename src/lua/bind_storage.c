/* bind_storage.c -- native.storage: get, put, delete, list, deleteAll, sync.
 *
 * The functions are the methods of ctx.storage (lua/drey/storage.lua) and
 * take it first.  Values become bytes before the database is touched, and
 * bytes become values after it was left: no Lua error can leap out of a
 * running statement or an open batch.
 *
 * See doc/api/storage.md.
 */
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "lua/host.h"
#include "lua/stored.h"
#include "lua/task.h"
#include "store/kv.h"

/* Right before a write: may the answers of its transaction leave before it is on disk?  One write that says no decides for all. */
static void
heed_options(lua_State *L, int idx, struct object *o)
{
	bool relax = false;

	if (lua_istable(L, idx)) {
		lua_pushliteral(L, "allowUnconfirmed");
		lua_rawget(L, idx);
		relax = lua_toboolean(L, -1);
		lua_pop(L, 1);
	}
	if (relax)
		object_relax(o);
	else
		object_confirm(o);
}

/* ---- get ---- */

static int
by_bytes(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static int
get_many(lua_State *L, struct object *o)
{
	struct pairs m;
	size_t n;
	struct str *keys = stored_keys(L, 2, "get", &n);

	qsort(keys, n, sizeof(*keys), by_bytes);
	pairs_begin(L, &m);
	for (size_t i = 0; i < n; i++) {
		struct str value;
		int rc;

		if (i > 0 && str_eq(keys[i], keys[i - 1]))
			continue;
		rc = kv_get(o->db, keys[i], &value);
		if (rc < 0)
			return stored_fail(L, o);
		if (rc > 0)
			pairs_add(L, &m, keys[i], value);
	}
	pairs_end(L, &m);
	return 1;
}

static int
l_get(lua_State *L)
{
	struct object *o = host_owner(L, 1);
	struct str key, value;
	int rc;

	if (lua_istable(L, 2))
		return get_many(L, o);
	key = stored_key(L, 2, "get");
	rc = kv_get(o->db, key, &value);
	if (rc < 0)
		return stored_fail(L, o);
	if (rc == 0)
		lua_pushnil(L);		/* a value all the same: tostring(storage:get "x") */
	else
		stored_push(L, value);
	return 1;
}

/* ---- put ---- */

/* Frames every pair of the table at 2. */
static size_t
encode_pairs(lua_State *L, struct buf *out)
{
	size_t n = 0;

	lua_pushnil(L);
	while (lua_next(L, 2)) {
		struct str key = stored_key(L, -2, "put");
		size_t at = out->n, value_n;

		pairs_frame(out, key, 0);
		stored_encode(L, -1, out);
		value_n = out->n - at - 2 * sizeof(size_t) - key.n;
		memcpy(out->p + at + sizeof(size_t), &value_n, sizeof(value_n));
		lua_pop(L, 1);
		n++;
	}
	return n;
}

static int
put_many(lua_State *L, struct object *o)
{
	struct buf *pairs = stored_scratch(L);
	size_t n = encode_pairs(L, pairs);
	struct str in = buf_slice(pairs), key, value;
	int rc;

	if (n > stored_limits(L)->kv_batch)
		return stored_over_batch(L, n);
	if (n == 0)
		return 0;
	heed_options(L, 3, o);
	if (kv_batch_begin(o->db) < 0)
		return stored_fail(L, o);
	rc = OK;
	while (rc >= 0 && pairs_unframe(&in, &key, &value))
		rc = kv_put(o->db, key, value);
	if (rc < 0) {
		kv_batch_end(o->db, false);	/* leaves err_text() alone unless it fails itself */
		return stored_fail(L, o);
	}
	return kv_batch_end(o->db, true) < 0 ? stored_fail(L, o) : 0;
}

#define PUT_MISUSE "put() may only be called with a single key-value pair and optional options as put(key, value, options) " \
	"or with multiple key-value pairs and optional options as put(entries, options)"

static int
l_put(lua_State *L)
{
	struct object *o = host_owner(L, 1);
	struct buf *out;
	struct str key;

	if (lua_istable(L, 2))
		return lua_isnoneornil(L, 3) || lua_istable(L, 3) ? put_many(L, o) : stored_refuse(L, PUT_MISUSE);
	if (lua_type(L, 2) != LUA_TSTRING)
		return stored_refuse(L, PUT_MISUSE);
	key = stored_key(L, 2, "put");
	if (lua_isnoneornil(L, 3))
		return stored_refuse(L, "put() called with undefined value. (nil; to remove a key, call delete(key))");
	out = stored_scratch(L);
	stored_encode(L, 3, out);
	heed_options(L, 4, o);
	return kv_put(o->db, key, buf_slice(out)) < 0 ? stored_fail(L, o) : 0;
}

/* ---- delete ---- */

static int
delete_many(lua_State *L, struct object *o)
{
	size_t n;
	struct str *keys = stored_keys(L, 2, "delete", &n);
	int count = 0, rc = OK;

	heed_options(L, 3, o);
	if (n > 0 && kv_batch_begin(o->db) < 0)
		return stored_fail(L, o);
	for (size_t i = 0; rc >= 0 && i < n; i++) {
		rc = kv_delete(o->db, keys[i]);
		count += rc > 0;
	}
	if (rc < 0) {
		kv_batch_end(o->db, false);
		return stored_fail(L, o);
	}
	if (n > 0 && kv_batch_end(o->db, true) < 0)
		return stored_fail(L, o);
	lua_pushinteger(L, count);
	return 1;
}

static int
l_delete(lua_State *L)
{
	struct object *o = host_owner(L, 1);
	struct str key;
	int rc;

	if (lua_istable(L, 2))
		return delete_many(L, o);
	key = stored_key(L, 2, "delete");
	heed_options(L, 3, o);
	rc = kv_delete(o->db, key);
	if (rc < 0)
		return stored_fail(L, o);
	lua_pushboolean(L, rc);
	return 1;
}

/* ---- the whole ---- */

static int
l_deleteAll(lua_State *L)
{
	struct object *o = host_owner(L, 1);

	object_confirm(o);
	if (db_delete_all(o->db) < 0)
		return stored_fail(L, o);
	o->name_stored = false;		/* it went with the rest; the next thing written brings it back */
	return 0;
}

static int
synced(struct task *t, lua_State *to)
{
	(void)t;
	lua_pushboolean(to, 1);
	return 1;
}

/* broken is for words at a gate; this one stands at none. */
static void
on_synced(struct word *word, const struct failure *broken)
{
	must(!broken);
	task_wake(container_of(word, struct task, synced));
}

/* What the task wrote so far is committed by task_waits().  If the store fails, the object is reset and this task ends with it. */
static int
l_sync(lua_State *L)
{
	struct object *o = host_owner(L, 1);
	struct task *t = task_waits(L, "storage:sync()");

	if (!t)
		return task_hang(L);
	t->synced.say = on_synced;
	if (!object_sync(o, &t->synced))
		return task_park(L, t, synced);
	lua_pushboolean(L, 1);
	return 1;
}

static const luaL_Reg functions[] = {
	{ "get", l_get },
	{ "put", l_put },
	{ "delete", l_delete },
	{ "list", storage_list },
	{ "page", storage_page },
	{ "changes", storage_changes },
	{ "deleteAll", l_deleteAll },
	{ "sync", l_sync },
	{ "setup", stored_setup },
	{ NULL, NULL }
};

void
bind_storage(lua_State *L)
{
	lua_newtable(L);
	luaL_register(L, NULL, functions);
	lua_setfield(L, -2, "storage");
}

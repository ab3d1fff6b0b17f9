/* stored.c -- keys checked, values encoded, pairs framed, Maps built.
 *
 * Thread: the VM's.
 */
#include "lua/stored.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "lua/host.h"
#include "lua/value.h"
#include "lua/vm.h"
#include "store/codec.h"

enum { SCRATCH_KEEP = 65536 };	/* a scratch buffer larger than this is given back */

static char map_key;		/* its address keeps the metatable of Map in the registry */

/* ---- failing ---- */

int
stored_fail(lua_State *L, struct object *o)
{
	return db_broken(o->db) ? host_raise_store(L, o) : host_raise(L);
}

int
stored_refuse(lua_State *L, const char *text)
{
	err_set(ERR_ARGUMENT, "%s", text);
	return host_raise(L);
}

const struct limits_conf *
stored_limits(lua_State *L)
{
	return &host_app(L)->conf->limits;
}

static int
over(lua_State *L, const char *directive, const char *text)
{
	char place[512];

	err_set(ERR_LIMIT, "%s%s", text, host_limit(host_app(L)->conf, directive, place, sizeof(place)));
	return host_raise(L);
}

static int
over_size(lua_State *L, const char *directive, const char *what, uint64_t max, size_t got)
{
	char text[160];

	snprintf(text, sizeof(text), "%c%ss cannot be larger than %llu bytes. A %s of size %zu was provided.", what[0] ^ 0x20, what + 1,
	    (unsigned long long)max, what, got);
	return over(L, directive, text);
}

void
stored_room(lua_State *L, const char *text)
{
	const struct vm *vm = host_vm(L);
	size_t most = vm->max / 4 * 3;

	if (vm->used <= most)
		return;
	lua_gc(L, LUA_GCCOLLECT, 0);
	if (vm->used > most)
		over(L, "memory", text);
}

int
stored_over_batch(lua_State *L, size_t got)
{
	char text[160];

	snprintf(text, sizeof(text), "Maximum number of key value pairs is %llu. %zu pairs were provided.",
	    (unsigned long long)stored_limits(L)->kv_batch, got);
	return over(L, "kv_batch", text);
}

/* ---- arguments ---- */

struct str
stored_key(lua_State *L, int idx, const char *call)
{
	const struct limits_conf *max = stored_limits(L);
	struct str key;

	if (lua_type(L, idx) != LUA_TSTRING) {
		err_set(ERR_ARGUMENT, "%s: a key is a string, not a %s", call, lua_isnone(L, idx) ? "nil" : luaL_typename(L, idx));
		host_raise(L);
	}
	key.p = lua_tolstring(L, idx, &key.n);
	if (key.n > max->kv_key)
		over_size(L, "kv_key", "key", max->kv_key, key.n);
	return key;
}

/* The list of keys at idx, checked; they live as long as the list.  Lives in a userdata that is pushed. */
struct str *
stored_keys(lua_State *L, int idx, const char *call, size_t *n)
{
	struct str *keys;

	*n = lua_objlen(L, idx);
	if (*n > stored_limits(L)->kv_batch)
		stored_over_batch(L, *n);
	keys = lua_newuserdata(L, (*n ? *n : 1) * sizeof(*keys));
	for (size_t i = 0; i < *n; i++) {
		lua_rawgeti(L, idx, (int)i + 1);
		keys[i] = stored_key(L, -1, call);
		lua_pop(L, 1);		/* the list keeps it */
	}
	return keys;
}

struct buf *
stored_scratch(lua_State *L)
{
	struct buf *b = &host_vm(L)->scratch;

	if (b->cap > SCRATCH_KEEP)
		buf_fini(b);
	buf_clear(b);
	return b;
}

/* ---- values and maps ---- */

/* Pushes a stored value. */
void
stored_push(lua_State *L, struct str bytes)
{
	if (codec_check(&bytes) < 0 || value_push(L, &bytes) < 0)
		host_raise(L);
}

/* Appends the value at idx as it is stored. */
void
stored_encode(lua_State *L, int idx, struct buf *out)
{
	size_t from = out->n;

	codec_begin(out);
	if (value_encode(L, idx, out, "the value") < 0)
		host_raise(L);
	if (out->n - from > stored_limits(L)->kv_value)
		over_size(L, "kv_value", "value", stored_limits(L)->kv_value, out->n - from);
}

void
pairs_begin(lua_State *L, struct pairs *m)
{
	luaL_checkstack(L, 8, "too many values");
	lua_newtable(L);
	lua_newtable(L);
	m->values = lua_gettop(L);
	m->keys = m->values - 1;
	m->n = 0;
}

void
pairs_add(lua_State *L, struct pairs *m, struct str key, struct str bytes)
{
	lua_pushlstring(L, key.p, key.n);
	lua_pushvalue(L, -1);
	lua_rawseti(L, m->keys, ++m->n);
	stored_push(L, bytes);
	lua_rawset(L, m->values);
}

/* Makes the Map and leaves it on top. */
void
pairs_end(lua_State *L, struct pairs *m)
{
	lua_createtable(L, 0, 3);
	lua_pushvalue(L, m->keys);
	lua_setfield(L, -2, "_keys");
	lua_pushvalue(L, m->values);
	lua_setfield(L, -2, "_values");
	lua_pushinteger(L, m->n);
	lua_setfield(L, -2, "size");
	lua_pushlightuserdata(L, &map_key);
	lua_rawget(L, LUA_REGISTRYINDEX);
	lua_setmetatable(L, -2);
}

/* ---- framed pairs ---- */

void
pairs_frame(struct buf *out, struct str key, size_t value_n)
{
	size_t head[2] = { key.n, value_n };

	buf_add(out, head, sizeof(head));
	buf_str(out, key);
}

/* Takes one framed pair off the front. */
bool
pairs_unframe(struct str *in, struct str *key, struct str *value)
{
	size_t head[2];

	if (in->n == 0)
		return false;
	memcpy(head, in->p, sizeof(head));
	*key = str_n(in->p + sizeof(head), head[0]);
	*value = str_n(key->p + key->n, head[1]);
	in->p = value->p + value->n;
	in->n -= sizeof(head) + head[0] + head[1];
	return true;
}

/* ---- for lua/drey ---- */

/* storage.setup(Map): the metatable of what get { keys } and list() return. */
int
stored_setup(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_pushlightuserdata(L, &map_key);
	lua_pushvalue(L, 1);
	lua_rawset(L, LUA_REGISTRYINDEX);
	return 0;
}

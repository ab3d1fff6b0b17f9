/* stored.h -- keys and values on their way into an object's storage and out of it.
 *
 * Shared by bind_storage.c and bind_list.c.  Everything here raises on
 * error, with the app author's file:line in front; nothing is held meanwhile,
 * so nothing leaks.
 *
 * Many pairs are framed in the VM's scratch buffer: key length, value length
 * (size_t each), key, value.
 */
#ifndef DREY_LUA_STORED_H
#define DREY_LUA_STORED_H

#include <lua.h>

#include "base/str.h"
#include "object/object.h"

int stored_fail(lua_State *, struct object *);		/* raises err_text(); resets the object if its database broke */
int stored_refuse(lua_State *, const char *text);	/* raises: a wrong argument */
const struct limits_conf *stored_limits(lua_State *);
void stored_room(lua_State *, const char *text);	/* raises text when the memory of the app is nearly used up */
int stored_over_batch(lua_State *, size_t got);		/* raises: too many keys in one call */

struct str stored_key(lua_State *, int idx, const char *call);	/* a key within the limits; borrows the Lua string */
/* The list of keys at idx, n of them, in a userdata that it pushes; they borrow from the list. */
struct str *stored_keys(lua_State *, int idx, const char *call, size_t *n);

struct buf *stored_scratch(lua_State *);		/* the VM's, empty; lent until the next use by anybody */
void stored_encode(lua_State *, int idx, struct buf *);	/* appends the value at idx as it is kept */
void stored_push(lua_State *, struct str bytes);	/* pushes a kept value */

void pairs_frame(struct buf *, struct str key, size_t value_n);	/* the value's bytes follow */
bool pairs_unframe(struct str *in, struct str *key, struct str *value);	/* takes one off the front; false: none left */

struct pairs {			/* a Map being built: stack indexes, and how many are in it */
	int keys, values, n;
};

void pairs_begin(lua_State *, struct pairs *);		/* pushes two tables */
void pairs_add(lua_State *, struct pairs *, struct str key, struct str bytes);
void pairs_end(lua_State *, struct pairs *);		/* pushes the Map */

int stored_setup(lua_State *);		/* storage.setup(Map): the metatable of what get { keys } and list() return */
/* bind_list.c: storage:list(options); for storage.kv:list(options) a page of it, and whether that still holds. */
int storage_list(lua_State *);
int storage_page(lua_State *);
int storage_changes(lua_State *);

#endif

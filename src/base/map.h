/* map.h -- a hash map from bytes to a pointer.
 *
 * The key's bytes are borrowed: they live in the value, as long as it is in
 * the map.  Open addressing, grows by doubling, shrinks when mostly empty
 * (a million objects that came and went leave no table behind).
 * Hash: seeded once per process, so that names sent by clients cannot be
 * chosen to collide.
 */
#ifndef DREY_BASE_MAP_H
#define DREY_BASE_MAP_H

#include "base/str.h"

struct map_slot;

struct map {
	struct map_slot *slots;
	size_t n, cap, used;
};

void map_init(struct map *);
void map_fini(struct map *);			/* the values are the owner's */
void *map_get(const struct map *, struct str key);
void *map_put(struct map *, struct str key, void *value);	/* borrows key; returns the value it replaced, or NULL */
void *map_del(struct map *, struct str key);	/* returns the value that was there, or NULL */
/* for (size_t i = 0; (v = map_next(m, &i));) -- no insertion meanwhile; deleting the current one is fine. */
void *map_next(const struct map *, size_t *i);

uint64_t hash_bytes(const void *, size_t);	/* the seeded hash itself */

#endif

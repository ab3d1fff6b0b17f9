/* registry.h -- the objects of one worker that are in memory, by id.
 *
 * Ids of different classes differ (they are keyed), so one map serves all.
 *
 * Thread: the owning worker only.
 */
#ifndef DREY_OBJECT_REGISTRY_H
#define DREY_OBJECT_REGISTRY_H

#include "base/map.h"
#include "object/object.h"

struct registry {
	struct map map;
};

void registry_init(struct registry *);
void registry_fini(struct registry *);		/* must be empty */
struct object *registry_get(struct registry *, const struct object_id *);	/* NULL: asleep */
void registry_add(struct registry *, struct object *);	/* takes */
void registry_remove(struct registry *, struct object *);	/* gives back */
struct object *registry_random(struct registry *);	/* any one, or NULL when empty; for chaos_evict */

#endif

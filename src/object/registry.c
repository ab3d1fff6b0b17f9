/* registry.c -- the map from id to object. */
#include "object/registry.h"

#include <stdlib.h>

#include "base/err.h"

static struct str
key_of(const struct object_id *id)
{
	return str_n(id->b, sizeof(id->b));
}

void
registry_init(struct registry *r)
{
	map_init(&r->map);
}

void
registry_fini(struct registry *r)
{
	must(r->map.n == 0);
	map_fini(&r->map);
}

struct object *
registry_get(struct registry *r, const struct object_id *id)
{
	return map_get(&r->map, key_of(id));
}

void
registry_add(struct registry *r, struct object *o)
{
	must(!map_put(&r->map, key_of(&o->id), o));	/* one instance */
}

void
registry_remove(struct registry *r, struct object *o)
{
	must(map_del(&r->map, key_of(&o->id)) == o);
}

/* From a random slot to the next full one: not quite even, which chaos does not mind. */
struct object *
registry_random(struct registry *r)
{
	struct object *o;
	size_t i;

	if (r->map.n == 0)
		return NULL;
	i = (size_t)random() % r->map.cap;
	o = map_next(&r->map, &i);
	if (o)
		return o;
	i = 0;
	return map_next(&r->map, &i);
}

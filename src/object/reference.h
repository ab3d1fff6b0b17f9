/* reference.h -- something of one VM that others may call: a function, an object of a class of RpcTarget.
 *
 *	engine makes it, live            holders 1: the message that carries it
 *	events under way, stubs in VMs   each holds it; on any thread
 *	its owner ends                   live is false from then on: calls are refused
 *	the last holder lets go          a poke: end() on the home worker's thread, which frees it
 *
 * An event carries what its bytes refer to in a list beside them, by place.  So
 * bytes alone never lead anywhere, and an event that is lost on its way lets go
 * of what it carried as every other.
 *
 * Owner: its holders together.  Thread: holders any; live and end() the home worker's only.
 */
#ifndef DREY_OBJECT_REFERENCE_H
#define DREY_OBJECT_REFERENCE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/arena.h"
#include "object/id.h"
#include "object/queue.h"

struct app;
struct class;
struct event;
struct runtime;
struct worker;

struct reference {
	atomic_uint holders;
	struct runtime *runtime;
	unsigned home;			/* index of the worker where it lives */
	const struct app *app;		/* whose VM has it; the engine's to set, as class and id */
	const struct class *class;	/* of the object that lends it; NULL: a front module */
	struct object_id id;
	struct poke poke;
	bool live;			/* who lends it is still there */
	void (*end)(struct reference *);	/* the engine's */
};

struct references {		/* as many as one message carries */
	struct reference **of;
	unsigned n, room;
};

void reference_init(struct reference *, struct worker *home, void (*end)(struct reference *));	/* with one holder */
struct reference *reference_hold(struct reference *);
void reference_drop(struct reference **);	/* nulls yours */
void reference_refuse(struct event *);		/* its target is not live: the event fails */

unsigned references_add(struct references *, struct reference *);	/* takes; its place */
void references_clear(struct references *);	/* drops all; the list may be used again */
void references_fini(struct references *);
void references_move(struct arena *, struct references *to, struct references *from);	/* to's list is in the arena; from is empty */

#endif

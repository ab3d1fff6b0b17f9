/* parts.h -- what the files of the runtime share with each other and nobody else.
 *
 *	runtime.c  workers are made and freed
 *	worker.c   the way in (front, send), the way out (answer), the tick
 *	serve.c    one turn of one ready object; every entry into the engine
 *	object.c   what the engine may say about an object
 *	reset.c    the end of an instance that went wrong
 *	settle.c   deeds first, then words
 *	transaction.c  storage:transaction()
 *	pipe.c     words that are pieces of one long answer
 *	life.c     what an object is doing, and why it is still awake
 *	idle.c     who has nothing to do, and how it goes to sleep
 */
#ifndef DREY_OBJECT_PARTS_H
#define DREY_OBJECT_PARTS_H

#include "object/worker.h"

/* object.c */
struct object *object_new(struct worker *, const struct class *, const struct object_id *);
void object_free(struct object **);
void object_become(struct object *, enum object_state);	/* the one place that assigns the state; a forbidden step is a bug */
void object_db_new(struct object *);
void object_know_name(struct object *, struct str name);	/* copies, if none was known */
void object_ready(struct object *);		/* it gets a turn in this tick or the next */
int object_db_free(struct object *);

/* serve.c */
bool serve_turn(struct worker *);		/* one turn of the first ready object; false: none is */
void serve_callback(struct worker *, struct event *);	/* calls what a front module here has lent; takes */
bool serve_abandoned(struct worker *);		/* tells the engine about one caller that has gone */
bool serve_has_work(const struct object *);
void serve_front(struct worker *, struct event *);
void serve_forget(struct object *, const struct failure *why);	/* the instance goes; the engine must be at rest */
bool engine_enter(struct worker *, struct object *);	/* o NULL: none.  Returns what engine_leave() needs. */
void engine_leave(struct worker *, struct object *, bool was_inside);

/* object.c */
bool object_undoes(const struct object *);	/* on_error rollback: what one turn wrote is committed before the next begins */

/* reset.c */
void reset_run(struct object *);		/* does what object_break() asked for */

/* settle.c */
void settle_object(struct object *);
void settle_dirty(struct worker *);
void settle_gates(struct worker *);
void settle_ask(struct worker *);		/* to be woken when the next words may leave */
void settle_failure(struct worker *);		/* has the store failed? then everybody here is told, once */
void settle_refuse(struct worker *, struct event *);	/* fails an event that came after that */
void settle_hold(struct object *, struct word *);	/* says it now if it may leave, else holds it */
/* May its database be closed without waiting for the disk?  If not, a word is held that has nothing to say: when it leaves, the
 * object rests or gets its turn again. */
bool settle_durable(struct object *);

/* transaction.c */
void transactions_forget(struct object *);	/* the database has undone them */

/* idle.c */
void idle_init(struct worker *);
void idle_fini(struct worker *);
void idle_rest(struct object *);		/* perhaps it has nothing to do any more: then its time runs */
void idle_stir(struct object *);		/* it has something to do again */
bool idle_quiet(const struct object *);
bool idle_run(struct worker *);			/* puts some whose time is up to sleep; true: there are more */
void idle_sleep(struct object **);

#endif

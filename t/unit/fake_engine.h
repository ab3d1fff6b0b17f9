/* fake_engine.h -- an engine without Lua, a transport without sockets, and the scene they play in.
 *
 * A handler is named by ev->method:
 *
 *	echo         answers its arguments
 *	get          answers the stored number
 *	inc          adds one to it, answers the new number
 *	inc+raise    the same, but fails with "boom"
 *	inc+park     adds one, parks; answers the number when woken
 *	park         parks until scene_wake(); answers its arguments
 *	yield        adds one, ends its transaction as at a yield, adds ten, answers
 *	lock         blocks the others, parks; woken, it unlocks and answers
 *	call         calls "inc" of the object named by its arguments, answers what that answers
 *	inc+call     adds one first, so that the call must wait for the disk
 *	txn          begins a transaction, adds one, parks; woken: keeps it, answers the number
 *	txn+undo     the same, but rolls it back when woken
 *	txn+call     the same as txn, but calls "inc" of the object named by its arguments instead of parking
 *	txn+nest     one inside another: the inner is undone, the outer kept when woken
 *	inc+abort    adds one, then resets its own object
 *	inc+spoil    adds one, then meets a critical error it does not mention
 *
 * The front module calls the method request.method of the object named by request.path, or, without a
 * path, answers at once.
 *
 * Everything that runs is written to the trace: "wake deliver:inc ...".
 */
#ifndef DREY_FAKE_ENGINE_H
#define DREY_FAKE_ENGINE_H

#include "fake_store.h"
#include "object/worker.h"

enum { SCENE_WORKERS = 4 };

struct fake_engine {
	struct engine engine;
	struct worker *worker;
	struct list tasks;		/* parked or in the constructor */
	enum { BUILD_AT_ONCE, BUILD_PARKS, BUILD_FAILS } build;
	unsigned inside;		/* must never exceed 1 */
	unsigned wakes, forgets, abandons, cancels;
	char trace[4096];		/* full: no more is written */
	size_t traced;
};

/* One answer; every event is given one as its caller. */
struct reply {
	unsigned came;			/* how often: exactly once is right */
	unsigned order;			/* 1 for the first answer of the scene */
	bool failed, reset, retryable, overloaded;
	char text[512];			/* result or message */
	struct event *event;		/* while it is out */
};

struct scene {
	struct settings settings;
	struct app_conf app_conf;
	struct class_conf class_conf;
	struct runtime runtime;
	struct store *store;
	struct fake_engine engines[SCENE_WORKERS];
	struct worker *w;		/* the first */
	atomic_uint wakes[SCENE_WORKERS];
	unsigned answers;
};

void scene_open(struct scene *, unsigned workers, bool sync_at_once);
void scene_close(struct scene *);	/* stops the workers; whatever is left over fails the test */
struct event *scene_event(struct scene *, struct reply *, const char *object, const char *method, const char *args);
void scene_send(struct scene *, struct reply *, const char *object, const char *method, const char *args);
void scene_front(struct scene *, struct reply *, const char *object, const char *method);
struct object *scene_object(struct scene *, const char *name);	/* NULL: asleep */
void scene_wake(struct scene *, const char *object);	/* what its oldest parked task waited for has come */
void scene_drop(struct scene *, const char *object);	/* its oldest parked task alone is removed; its event fails with "stopped" */
void scene_build(struct scene *, const char *object, bool ok);	/* a constructor that parked ends */
unsigned scene_tick(struct scene *);	/* ticks of the first worker until it has nothing more to do; how many */
const char *scene_trace(struct scene *);	/* and forgets it */

#endif

/* event.h -- one thing that happens to an object, on its walk.
 *
 *	maker (net/http, lua/bind_stub)  kind, payload, transport
 *	   | worker_send()               the worker that owns the id
 *	   | mailbox, input gate         object
 *	   | engine                      result or failure
 *	   | output gate                 the commit it saw is durable
 *	   v
 *	transport->answer()              on the maker's thread
 *
 * An event goes out once and comes back exactly once, whatever happens on
 * the way: answered, failed, or abandoned by its caller.  Whoever holds it owns it;
 * the transport frees it.  Everything it says lives in its arena (or is
 * borrowed from the connection until event_own()).
 */
#ifndef DREY_OBJECT_EVENT_H
#define DREY_OBJECT_EVENT_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/list.h"
#include "object/gate.h"
#include "object/id.h"
#include "object/message.h"
#include "object/reference.h"

struct app;
struct class;
struct event;
struct object;
struct outgoing;
struct worker;

enum event_kind {
	EVENT_FETCH,		/* request -> response */
	EVENT_CALL,		/* method, args -> result */
	EVENT_OUTBOUND,		/* request that leaves the house -> response; goes to no object: see outbound.h */
};

/* Why an event has no result. Slices live in the event's arena, or are constant. */
struct failure {
	struct str message;	/* "Counter.lua:12: boom", shown to the caller */
	struct str name;	/* "Error", "TypeError"; empty = "Error" */
	struct str traceback;	/* for the log and, with dev_errors, for the client; may be empty */
	struct str props;	/* codec bytes of a table error's own fields; may be empty */
	bool remote;		/* raised on the other side of an object boundary */
	bool retryable;		/* the object went away; trying again may work */
	bool overloaded;	/* do not try again at once */
	bool reset;		/* the object's memory was lost: .durableObjectReset */
};

struct transport {
	void (*answer)(struct event *);		/* takes the event; called on the home worker's thread */
};

struct event {
	struct list link;		/* mailbox or queue between threads: one at a time */
	struct word word;		/* its place at an output gate */
	enum event_kind kind;
	uint64_t request_id;		/* of the outside request it serves; in logs and 5xx answers as 16 hex digits */
	const struct app *app;
	const struct class *class;	/* NULL: the app's front module (with a target: what it lent), or the outside */
	struct object_id id;
	struct str name;		/* the name the id was made from; p NULL: none known */
	struct message request;		/* EVENT_FETCH, EVENT_OUTBOUND */
	struct str method, args;	/* EVENT_CALL: codec bytes, one array of arguments */
	struct reference *target;	/* EVENT_CALL of something that was lent, instead of a method of the object; held; NULL: none */
	struct references lent;		/* what the arguments refer to; held */
	struct message response;	/* result of EVENT_FETCH, EVENT_OUTBOUND */
	struct outgoing *outgoing;	/* EVENT_OUTBOUND: what else it says; in the arena */
	struct str result;		/* result of EVENT_CALL: codec bytes */
	struct references returned;	/* what the result refers to; held */
	bool failed;			/* failure says why */
	struct failure failure;
	struct object *object;		/* set by the mailbox's side */
	int64_t queued_ms;		/* clock_ms() when it came into the mailbox */
	bool own;			/* an object's to itself (a timer, waitUntil): nobody outside waits for it, it is never refused as too much */
	void *task;			/* the engine's, while it runs the event */
	const struct transport *transport;
	void *caller;			/* the transport's */
	struct worker *home;		/* the worker that made it; answers go back there */
	bool answering;			/* on the way back (queues between threads carry both ways) */
	bool owned;			/* the request borrows from nobody: event_own() was called, or its maker put all in the arena */
	atomic_bool abandoned;		/* the caller no longer waits; the task may be told */
	struct arena arena;
};

struct event *event_new(enum event_kind, const struct transport *, void *caller, struct worker *home);
void event_free(struct event **);		/* and all in its arena; nulls yours */
void event_own(struct event *);			/* copies what the request borrows from a connection into the arena; once */
/* Marks it failed; copies message into the arena. First failure wins. */
void event_fail(struct event *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void event_fail_with(struct event *, const struct failure *);	/* copies; first failure wins */
void event_overrule(struct event *, const struct failure *);	/* copies; replaces result and failure: what it has to say was not saved */
void failure_copy(struct arena *, struct failure *to, const struct failure *from);
void event_request_id(const struct event *, char out[17]);

#endif

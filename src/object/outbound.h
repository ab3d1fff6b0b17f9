/* outbound.h -- who carries requests out of the house.
 *
 * An app's fetch() is an event of kind EVENT_OUTBOUND.  It leaves its object
 * through the output gate like a call to another object, but goes to no
 * worker: whoever carries it (src/net/fetch.c, on a thread of its own) takes
 * it, and brings it home with worker_return(), answered or failed, once.
 *
 *	bind_fetch --object_emit--> gate --worker_send--> ops->send()
 *	                                                      |  another thread
 *	task wakes <-- transport->answer <-- inbox <-- worker_return()
 *
 * A task that no longer waits (aborted, client gone, object reset) marks the event
 * with worker_abandon(); ops->look() makes the carrier notice.  The event still
 * comes back, soon and failed.  So whoever waits never frees what the carrier holds,
 * and the carrier never asks whether somebody waits.
 *
 * Bodies go whole or in pieces.  request.body is sent from the event's arena,
 * request.stream is read to its end by the carrier.  The event comes home when the
 * head of the answer is there: with response.body, if that is complete by then and no
 * larger than the app's fetch_body_max, else with response.stream, which the carrier
 * goes on writing.  It stops reading the socket while the pipe is full; whoever gives
 * the reader's end back ends the transfer.
 */
#ifndef DREY_OBJECT_OUTBOUND_H
#define DREY_OBJECT_OUTBOUND_H

#include <stdint.h>

#include "base/str.h"

struct event;
struct outbound;

enum redirect_mode { REDIRECT_FOLLOW, REDIRECT_MANUAL, REDIRECT_ERROR };

/* ev->outgoing; slices live in the event's arena.  Method, headers and body are ev->request's. */
struct outgoing {
	struct str url;			/* absolute; with the answer: the last one asked, without fragment */
	enum redirect_mode redirect;
	int64_t timeout_ms;		/* from its departure to the last byte of its answer; 0: none but the app's fetch_timeout */
	/* with the answer: */
	struct str status_text;		/* "Not Found"; may be empty */
	unsigned redirects;		/* followed */
};

struct outbound_ops {
	void (*send)(struct outbound *, struct event *);	/* takes; any worker's thread */
	void (*look)(struct outbound *);			/* an event that was sent is abandoned; any worker's thread */
};

struct outbound {
	const struct outbound_ops *ops;
};

#endif

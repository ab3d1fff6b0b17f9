/* fetch_body.h -- the bodies of one request on its way, whole or in pieces.
 *
 *	answer    gathered while its head is not home yet; from body_open() on, each piece goes into t->out
 *	request   a string, or the pieces of t->in
 *
 * libcurl is held up (paused) while the reader of the answer is PIPE_WINDOW
 * behind, or the writer of the request has nothing yet; the pipe's other end stirs
 * the transfer when that has changed, and body_resume() lets libcurl go on.
 *
 * Thread: the fetch thread only.
 */
#ifndef DREY_NET_FETCH_BODY_H
#define DREY_NET_FETCH_BODY_H

#include "net/fetch_transfer.h"

struct failure;

void body_take(struct transfer *);		/* the pieces of the event's request, if it has some, are the transfer's */
bool body_sends(const struct transfer *);	/* has this hop a body? */
void body_forget(struct transfer *);		/* the next hop has none */
void body_set(struct transfer *, CURL *);	/* the options of this hop */
/* The answer goes on as a stream; what was gathered is its first piece. */
void body_open(struct transfer *, struct message *answer);
void body_resume(struct transfer *);
void body_close(struct transfer *, const struct failure *why);	/* the end of the answer's stream, if it has one and it is open */
void body_fini(struct transfer *);

#endif

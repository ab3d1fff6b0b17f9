/* answer.h -- what goes back to the client.
 *
 * An event's response, its failure, or a plain sentence.  Bytes of a
 * response are not copied: they belong to the event, which the connection
 * keeps until libh2o has sent them.
 */
#ifndef DREY_NET_ANSWER_H
#define DREY_NET_ANSWER_H

#include "net/conn.h"
#include "object/event.h"

const char *answer_reason(int status);		/* "Not Found"; "Unknown" for what is not in the table */
void answer_text(h2o_req_t *, int status, const char *fmt, ...) __attribute__((format(printf, 3, 4)));	/* text/plain, with a line end */
void answer_event(struct conn *, struct event *);	/* borrows the event until the request has ended */

#endif

/* stream.h -- a response whose body comes in pieces.
 *
 *	pipe --on_piece--> h2o_send (one in flight) --proceed--> the next pieces
 *
 * Sent in chunks (HTTP/1.1) or until the connection closes (1.0).  A client that
 * reads slowly slows the writer down: pieces are freed when they are sent.  A
 * client that goes cancels the pipe.  A writer that breaks off cuts the
 * connection, so that nobody takes the half for the whole.
 *
 * Freed with the request's memory.  Thread: its connection's.
 */
#ifndef DREY_NET_STREAM_H
#define DREY_NET_STREAM_H

#include "net/conn.h"
#include "net/wire.h"

struct pipe;

/* Takes the reader's end.  The slices of the head must live until the request has ended. */
void stream_send(struct conn *, const struct wire_head *, struct pipe **);
void stream_end(struct conn *);		/* the request has ended, sent or cut short: lets go */

#endif

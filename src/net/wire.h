/* wire.h -- the head of a response, written straight to bytes.
 *
 * libh2o prints it with sprintf, which is two fifths of all it does for a
 * small answer.  Here the same lines are copied together, and libh2o is told
 * that the head has been sent already.  That relies on how 2.2's HTTP/1 output
 * stream is laid out, so it is only done for that version and for HTTP/1;
 * otherwise the headers go in the usual way.
 *
 * Thread: a wire belongs to one.
 */
#ifndef DREY_NET_WIRE_H
#define DREY_NET_WIRE_H

#include <stdbool.h>
#include <time.h>

#include "net/h2o.h"
#include "object/message.h"

struct wire {
	time_t second;				/* date is of this one */
	char date[H2O_TIMESTR_RFC1123_LEN + 1];
};

struct wire_head {
	int status;
	const char *reason;
	bool has_length;
	size_t length;
	const struct header *headers;		/* all clean and none of the connection's business */
	unsigned nheaders;
};

/* Begins the response and sends head and body; all slices must live until the request has ended.  Returns the bytes of the head
 * that req->bytes_sent will count, 0 if libh2o wrote it. */
size_t wire_send(struct wire *, h2o_req_t *, const struct wire_head *, struct str body);

/* Begins a response whose body generator sends with h2o_send(), its length unknown. */
void wire_begin(h2o_req_t *, const struct wire_head *, h2o_generator_t *generator);

#endif

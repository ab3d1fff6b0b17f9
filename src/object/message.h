/* message.h -- an HTTP request or response as bytes, owned by nobody.
 *
 * All slices borrow: from the connection at first, from an event's arena
 * after message_copy().
 */
#ifndef DREY_OBJECT_MESSAGE_H
#define DREY_OBJECT_MESSAGE_H

#include "base/arena.h"

struct pipe;

struct header {
	struct str name, value;		/* name as it was written; compare without case */
};

struct message {
	struct str method;		/* request: "GET" */
	struct str scheme, authority;	/* request: "http", "127.0.0.1:8787" */
	struct str path;		/* request: path and query, "/counter?x=1" */
	struct str client;		/* request from outside: the peer's address, "127.0.0.1" */
	int status;			/* response: 200 */
	struct header *headers;
	unsigned nheaders, room;	/* room: message_add_header()'s own; 0 when the array is borrowed */
	struct str body;		/* p NULL: none */
	struct pipe *stream;		/* the body comes through here instead; the reader's end is the event's until taken */
};

void message_copy(struct arena *, struct message *to, const struct message *from);	/* copies every byte into the arena; not the stream, which stays */
struct str message_header(const struct message *, struct str name);	/* the first of that name; p NULL: none */
void message_add_header(struct arena *, struct message *, struct str name, struct str value);	/* borrows the slices; array grows in the arena */

#endif

/* message.c -- copying and building messages in an arena. */
#include "object/message.h"

enum { ROOM_MIN = 8 };

/* Keeps "none" apart from "empty". */
static struct str
copy(struct arena *a, struct str s)
{
	return s.p ? arena_str(a, s) : s;
}

static struct header *
headers_new(struct arena *a, unsigned room)
{
	return arena_alloc(a, room * sizeof(struct header));
}

void
message_copy(struct arena *a, struct message *to, const struct message *from)
{
	struct message m = *from;

	m.method = copy(a, from->method);
	m.scheme = copy(a, from->scheme);
	m.authority = copy(a, from->authority);
	m.path = copy(a, from->path);
	m.client = copy(a, from->client);
	m.body = copy(a, from->body);
	m.room = from->nheaders;
	m.headers = m.room ? headers_new(a, m.room) : NULL;
	for (unsigned i = 0; i < m.nheaders; i++) {
		m.headers[i].name = copy(a, from->headers[i].name);
		m.headers[i].value = copy(a, from->headers[i].value);
	}
	m.stream = to == from ? from->stream : NULL;	/* read once: there is one */
	*to = m;
}

struct str
message_header(const struct message *m, struct str name)
{
	for (unsigned i = 0; i < m->nheaders; i++)
		if (str_ieq(m->headers[i].name, name))
			return m->headers[i].value;
	return (struct str){ NULL, 0 };
}

/* An array that is not ours (room 0) is full: somebody else's bytes may follow it. */
void
message_add_header(struct arena *a, struct message *m, struct str name, struct str value)
{
	if (m->nheaders >= m->room) {
		unsigned room = m->nheaders < ROOM_MIN ? ROOM_MIN : m->nheaders * 2;
		struct header *grown = headers_new(a, room);

		if (m->nheaders)
			memcpy(grown, m->headers, m->nheaders * sizeof(*grown));
		m->headers = grown;
		m->room = room;
	}
	m->headers[m->nheaders++] = (struct header){ name, value };
}

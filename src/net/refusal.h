/* refusal.h -- why a request was not let in, as a status and a sentence.
 *
 * Written by the readers (head.c, chunk.c), sent to the client by conn.c.
 */
#ifndef DREY_NET_REFUSAL_H
#define DREY_NET_REFUSAL_H

enum { REFUSAL_TEXT = 200 };

struct refusal {
	int status;
	char text[REFUSAL_TEXT];
};

#endif

/* chunk.h -- where a chunked body ends, checked strictly.
 *
 * libh2o decodes; this only walks along and refuses what is not beyond
 * doubt (bare LF, spaces, sizes that overflow), so that libh2o and a proxy in
 * front can never disagree about the end.  RFC 9112, section 7.1.
 */
#ifndef DREY_NET_CHUNK_H
#define DREY_NET_CHUNK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/refusal.h"

enum chunk_result { CHUNK_REFUSED = -1, CHUNK_MORE = 0, CHUNK_DONE = 1 };

struct chunk {
	int state;
	uint64_t size;		/* of the current chunk: so far read, then left */
	uint64_t total;		/* bytes of body so far announced */
	unsigned digits;
	size_t extra;		/* bytes of extensions and trailers so far */
};

void chunk_init(struct chunk *);
/* Walks over n new bytes; *used says how many belong to the body (all of them, unless CHUNK_DONE). */
enum chunk_result chunk_walk(struct chunk *, const char *p, size_t n, uint64_t max, size_t *used, struct refusal *);

#endif

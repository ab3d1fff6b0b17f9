/* head.h -- a strict reader of HTTP/1 request heads.
 *
 * libh2o's reader lets pass what two readers may understand differently:
 * Transfer-Encoding with Content-Length, two of either, two Hosts, folded
 * lines, bare LF.  A proxy in front and we behind would disagree about where
 * a request ends (request smuggling).  So every head goes through here
 * before libh2o sees a byte of it; what is not beyond doubt is refused with a
 * sentence that says why (RFC 9112, sections 2 to 6).
 *
 * Lines are read as they arrive, each byte once, however many packets they
 * come in.  Positions are offsets: the buffer may move between calls.
 */
#ifndef DREY_NET_HEAD_H
#define DREY_NET_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "net/refusal.h"

enum head_result { HEAD_REFUSED = -1, HEAD_MORE = 0, HEAD_DONE = 1 };
enum head_body { HEAD_BODY_NONE, HEAD_BODY_LENGTH, HEAD_BODY_CHUNKED };

enum { HEAD_FIELDS_MAX = 100 };	/* libh2o's own limit; more and it would hang up without a word */

struct span {
	size_t at, n;
};

struct head {
	size_t line;		/* where the first line not yet read begins */
	size_t seen;		/* its end was searched for up to here */
	unsigned lines;		/* read so far, the request line included */
	size_t size;		/* HEAD_DONE: bytes of the whole head */
	int minor;		/* HTTP/1.minor */
	struct span method, target, host;
	bool has_host, has_length, has_coding;
	bool expects;		/* Expect: 100-continue */
	enum head_body body;
	uint64_t length;	/* HEAD_BODY_LENGTH: bytes of the body */
};

void head_init(struct head *);
/* Reads on in p, which holds all n bytes since the head began.  max: the limit client_header_size. */
enum head_result head_read(struct head *, const char *p, size_t n, size_t max, struct refusal *);

bool head_is_name(struct str);		/* may it be a header's name: a token, not empty */
bool head_is_value(struct str);		/* may it be a header's value: no line break, no control byte */

static inline struct str
head_slice(const char *p, struct span s)
{
	return str_n(p + s.at, s.n);
}

#endif

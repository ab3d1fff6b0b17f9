/* chunk.c -- where a chunked body ends, checked strictly.
 *
 *	SIZE --;--> EXT --CR--> SIZE_LF --LF--> DATA --> DATA_CR --> DATA_LF --> SIZE
 *	                           |
 *	                           +-- size 0 --> LINE (trailers) --CR--> END_LF --> done
 */
#include "net/chunk.h"

#include <stdio.h>

enum { SIZE, EXT, SIZE_LF, DATA, DATA_CR, DATA_LF, LINE, TRAILER, TRAILER_LF, END_LF };
enum { EXTRA_MAX = 8192 };	/* of extensions and trailers together; nobody reads them */

static int
refuse(struct refusal *no, int status, const char *text)
{
	no->status = status;
	snprintf(no->text, sizeof no->text, "%s", text);
	return CHUNK_REFUSED;
}

static int
hex(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void
chunk_init(struct chunk *k)
{
	*k = (struct chunk){ .state = SIZE };
}

/* The size line is complete: does the body still fit? */
static int
sized(struct chunk *k, uint64_t max, struct refusal *no)
{
	k->total += k->size;
	if (k->total > max) {
		no->status = 413;
		snprintf(no->text, sizeof no->text, "the body is larger than %llu bytes (client_max_body_size)",
			(unsigned long long)max);
		return CHUNK_REFUSED;
	}
	k->state = k->size > 0 ? DATA : LINE;
	return CHUNK_MORE;
}

static int
on_size(struct chunk *k, unsigned char c, struct refusal *no)
{
	int v = hex(c);

	if (v < 0) {
		if (k->digits == 0 || (c != ';' && c != '\r'))
			return refuse(no, 400, "malformed chunked body: a chunk begins with its size in hexadecimal digits");
		k->state = c == ';' ? EXT : SIZE_LF;
		return CHUNK_MORE;
	}
	if (++k->digits > 15)	/* 60 bits: the sum cannot overflow before the limit refuses it */
		return refuse(no, 400, "malformed chunked body: a chunk size has more than 15 digits");
	k->size = k->size << 4 | (unsigned)v;
	return CHUNK_MORE;
}

/* Inside an extension or a trailer line, which we only pass over. */
static int
on_extra(struct chunk *k, unsigned char c, int next, struct refusal *no)
{
	if (++k->extra > EXTRA_MAX)
		return refuse(no, 431, "chunk extensions and trailers are larger than 8192 bytes");
	if (c == '\r')
		k->state = next;
	else if ((c < ' ' && c != '\t') || c == 0x7f)
		return refuse(no, 400, "malformed chunked body: a control byte in an extension or trailer");
	return CHUNK_MORE;
}

/* Any byte but those of DATA. */
static int
step(struct chunk *k, unsigned char c, uint64_t max, struct refusal *no)
{
	switch (k->state) {
	case SIZE:
		return on_size(k, c, no);
	case EXT:
		return on_extra(k, c, SIZE_LF, no);
	case LINE:
		if (c == '\r') {
			k->state = END_LF;
			return CHUNK_MORE;
		}
		k->state = TRAILER;
		return on_extra(k, c, TRAILER_LF, no);
	case TRAILER:
		return on_extra(k, c, TRAILER_LF, no);
	case DATA_CR:
		k->state = DATA_LF;
		return c == '\r' ? CHUNK_MORE : refuse(no, 400, "malformed chunked body: a chunk is longer than its size");
	}
	if (c != '\n')
		return refuse(no, 400, "malformed chunked body: CR without LF");
	if (k->state == SIZE_LF)
		return sized(k, max, no);
	if (k->state == END_LF)
		return CHUNK_DONE;
	if (k->state == DATA_LF) {
		k->size = k->digits = 0;
		k->state = SIZE;
	} else {
		k->state = LINE;
	}
	return CHUNK_MORE;
}

enum chunk_result
chunk_walk(struct chunk *k, const char *p, size_t n, uint64_t max, size_t *used, struct refusal *no)
{
	for (size_t i = 0; i < n;) {
		if (k->state == DATA) {
			size_t take = k->size < n - i ? (size_t)k->size : n - i;
			k->size -= take;
			i += take;
			if (k->size == 0)
				k->state = DATA_CR;
			continue;
		}
		int r = step(k, (unsigned char)p[i++], max, no);
		*used = i;
		if (r != CHUNK_MORE)
			return r;
	}
	*used = n;
	return CHUNK_MORE;
}

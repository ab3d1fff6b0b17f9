/* fuzz_head.c -- any bytes as a request: the strict readers never read past the end, see the same however the bytes are cut,
 * and let nothing through whose end another reader could see elsewhere.
 *
 * The first byte says how large the pieces are.
 */
#include <stdlib.h>

#include "base/err.h"
#include "net/chunk.h"
#include "net/head.h"

enum { MAX = 4096 };

struct seen {
	int head, body;
	size_t end;
	struct head h;
	struct refusal no;
};

static void
walk_body(struct seen *s, const char *p, size_t n, size_t step)
{
	struct chunk k;
	size_t used = 0;

	chunk_init(&k);
	s->body = CHUNK_MORE;
	for (size_t i = s->h.size; i < n && s->body == CHUNK_MORE; i += step) {
		size_t take = n - i < step ? n - i : step;
		char *piece = memcpy(malloc(take), p + i, take);
		s->body = chunk_walk(&k, piece, take, 100000, &used, &s->no);
		must(s->body == CHUNK_REFUSED || used <= take);
		s->end = i + used;
		free(piece);
	}
}

static struct seen
look(const char *p, size_t n, size_t step)
{
	struct seen s = { 0 };

	head_init(&s.h);
	for (size_t end = 0; end < n && s.head == HEAD_MORE;) {
		end = n - end < step ? n : end + step;
		char *piece = memcpy(malloc(end), p, end);
		s.head = head_read(&s.h, piece, end, MAX, &s.no);
		free(piece);
	}
	if (s.head == HEAD_DONE && s.h.body == HEAD_BODY_CHUNKED)
		walk_body(&s, p, n, step);
	return s;
}

/* What a lenient reader might take for the end of the head, or for a second opinion about the body. */
static void
check_accepted(const char *p, const struct head *h)
{
	must(h->size <= MAX && memcmp(p + h->size - 4, "\r\n\r\n", 4) == 0);
	must(!(h->has_coding && h->has_length));
	must(h->minor == 0 || h->has_host);
	must(h->target.n > 0 && h->target.at + h->target.n < h->size);
	for (size_t i = 1; i < h->size; i++) {
		must(p[i] != 0);
		must(p[i] != '\n' || p[i - 1] == '\r');
		must(p[i - 1] != '\r' || p[i] == '\n');
		must(i < 4 || p[i - 1] != '\n' || (p[i] != ' ' && p[i] != '\t'));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	const char *p = (const char *)data + 1;
	size_t n = size - 1;
	struct seen whole = look(p, n, n + 1), cut = look(p, n, 1 + data[0] % 16);

	must(whole.head == cut.head);
	if (whole.head == HEAD_REFUSED)
		must(whole.no.status >= 400 && whole.no.status < 600 && whole.no.status == cut.no.status);
	if (whole.head != HEAD_DONE)
		return 0;
	check_accepted(p, &whole.h);
	must(whole.h.size == cut.h.size && whole.body == cut.body);
	if (whole.body == CHUNK_DONE)
		must(whole.end == cut.end);
	return 0;
}

/* record.c -- encodes and decodes journal records; see record.h for the bytes. */
#include "store/record.h"

#include <endian.h>

#include "base/err.h"

static const unsigned char page_of_zeros[PAGE_BYTES];
static const char segment_magic[8] = { 'd', 'r', 'e', 'y', 'j', 'r', 'n', 'l' };

/* -- numbers -- */

static void
put_u32(char *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, sizeof v);
}

static void
put_u64(char *p, uint64_t v)
{
	v = htole64(v);
	memcpy(p, &v, sizeof v);
}

static uint32_t
get_u32(const char *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof v);
	return le32toh(v);
}

static uint64_t
get_u64(const char *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof v);
	return le64toh(v);
}

static char *
put_varint(char *p, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		*p++ = (char)(v | 0x80);
	*p++ = (char)v;
	return p;
}

static void
buf_varint(struct buf *b, uint64_t v)
{
	char tmp[10];

	buf_add(b, tmp, (size_t)(put_varint(tmp, v) - tmp));
}

static bool
take_varint(struct str *in, uint64_t *v)
{
	uint64_t r = 0;

	for (unsigned shift = 0; shift < 64 && in->n; shift += 7) {
		unsigned char c = (unsigned char)*in->p;

		in->p++;
		in->n--;
		r |= (uint64_t)(c & 0x7f) << shift;
		if (c < 0x80) {
			*v = r;
			return true;
		}
	}
	return false;
}

static bool
take_u32(struct str *in, uint32_t *v)
{
	uint64_t wide;

	if (!take_varint(in, &wide) || wide > UINT32_MAX)
		return false;
	*v = (uint32_t)wide;
	return true;
}

static bool
take_bytes(struct str *in, uint64_t n, struct str *out)
{
	if (n > in->n)
		return false;
	*out = str_n(in->p, (size_t)n);
	in->p += n;
	in->n -= (size_t)n;
	return true;
}

/* -- the checksum: 64x64 bits multiplied, the halves folded, 16 bytes a step -- */

static uint64_t
fold(uint64_t a, uint64_t b)
{
	unsigned __int128 m = (unsigned __int128)a * b;

	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static const uint64_t K0 = 0x9e3779b97f4a7c15, K1 = 0xd1b54a32d192ed03, K2 = 0x8cb92ba72f3d8dd7;

uint64_t
record_sum(const void *data, size_t n, uint64_t seed)
{
	const char *p = data;
	uint64_t h = fold(seed ^ K0, (uint64_t)n ^ K1);
	char tail[16] = { 0 };

	for (; n >= 16; p += 16, n -= 16)
		h = fold(get_u64(p) ^ K1 ^ h, get_u64(p + 8) ^ K2) + h;
	if (n) {
		memcpy(tail, p, n);
		h = fold(get_u64(tail) ^ K1 ^ h, get_u64(tail + 8) ^ K2) + h;
	}
	return fold(h ^ K2, K0);
}

/* What the journal adds once it knows the commit number: cheap, under its lock. */
static uint64_t
sum_stamp(uint64_t body, uint64_t segment, uint64_t commit)
{
	return fold(fold(body ^ K0, segment ^ K1) ^ commit, K2 ^ (commit << 1));
}

/* -- writing -- */

void
record_begin(struct buf *b, const struct record *r)
{
	char head[RECORD_HEAD] = { 0 };

	put_u64(head + 20, (uint64_t)r->wall_ms);
	buf_add(b, head, sizeof head);
	buf_varint(b, r->keep);
	buf_varint(b, r->size);
	buf_varint(b, r->side);
	buf_varint(b, r->app.n);
	buf_str(b, r->app);
	buf_varint(b, r->class_name.n);
	buf_str(b, r->class_name);
	buf_add(b, r->id, RECORD_ID);
}

/* First byte at or after i where the pages differ; PAGE_BYTES if none does. */
static unsigned
differ_at(const unsigned char *a, const unsigned char *b, unsigned i)
{
	for (; i % 8 && i < PAGE_BYTES; i++)
		if (a[i] != b[i])
			return i;
	for (; i < PAGE_BYTES; i += 8) {
		uint64_t x, y;

		memcpy(&x, a + i, 8);
		memcpy(&y, b + i, 8);
		if (x != y)
			return i + (unsigned)__builtin_ctzll(htole64(x ^ y)) / 8;
	}
	return PAGE_BYTES;
}

/* End of the range that begins at i.  It ends where the next eight bytes agree: less would not pay for a new range's head. */
static unsigned
agree_at(const unsigned char *a, const unsigned char *b, unsigned i)
{
	unsigned end = i + 1;

	while (end + 8 <= PAGE_BYTES) {
		uint64_t x, y;

		memcpy(&x, a + end, 8);
		memcpy(&y, b + end, 8);
		if (x == y)
			return end;
		end += 8 - (unsigned)__builtin_clzll(le64toh(x ^ y)) / 8;
	}
	for (i = end; i < PAGE_BYTES; i++)
		if (a[i] != b[i])
			end = i + 1;
	return end;
}

bool
record_page(struct buf *b, uint32_t pgno, const unsigned char *base, const unsigned char *page)
{
	const unsigned char *old = base ? base : page_of_zeros;
	unsigned from = differ_at(old, page, 0), last = 0, ranges = 0;
	char body[PAGE_BYTES + 512 * 4], *p = body;	/* a range is 9 bytes apart from the next: 4096 + 4096/9*4 at most */

	if (base && from == PAGE_BYTES)
		return false;
	while (from < PAGE_BYTES) {
		unsigned to = agree_at(old, page, from);

		p = put_varint(p, from - last);
		p = put_varint(p, to - from);
		memcpy(p, page + from, to - from);
		p += to - from;
		ranges++;
		last = to;
		from = differ_at(old, page, to);
	}
	buf_varint(b, (uint64_t)pgno << 1 | !base);
	buf_varint(b, ranges);
	buf_add(b, body, (size_t)(p - body));
	return true;
}

void
record_end(struct buf *b, uint64_t *body)
{
	must(b->n <= UINT32_MAX);
	put_u32(b->p, (uint32_t)b->n);
	*body = record_sum(b->p + 20, b->n - 20, b->n);
}

void
record_stamp(char *record, uint64_t body, uint64_t segment, uint64_t commit)
{
	put_u64(record + 4, sum_stamp(body, segment, commit));
	put_u64(record + 12, commit);
}

/* -- reading -- */

uint64_t
record_length(struct str in)
{
	uint32_t n;

	if (in.n < 4)
		return 0;
	n = get_u32(in.p);
	return n > RECORD_HEAD + RECORD_ID && n <= RECORD_MAX ? n : 0;
}

bool
record_read(struct str in, uint64_t segment, struct record *r)
{
	uint64_t n = record_length(in);
	struct str id;

	if (n == 0 || n != in.n)
		return false;
	r->commit = get_u64(in.p + 12);
	r->wall_ms = (int64_t)get_u64(in.p + 20);
	if (get_u64(in.p + 4) != sum_stamp(record_sum(in.p + 20, in.n - 20, in.n), segment, r->commit))
		return false;
	in = str_n(in.p + RECORD_HEAD, in.n - RECORD_HEAD);
	if (!take_u32(&in, &r->keep) || !take_u32(&in, &r->size) || !take_varint(&in, &r->side) ||
	    !take_varint(&in, &n) || !take_bytes(&in, n, &r->app) ||
	    !take_varint(&in, &n) || !take_bytes(&in, n, &r->class_name) ||
	    !take_bytes(&in, RECORD_ID, &id))
		return false;
	r->id = (const unsigned char *)id.p;
	r->pieces = in;
	return true;
}

int
record_piece(struct str *in, struct piece *piece)
{
	uint64_t number, gap, n;
	struct str bytes;

	if (in->n == 0)
		return 0;
	if (!take_varint(in, &number) || number >> 1 > UINT32_MAX || !take_u32(in, &piece->ranges))
		return err_set(ERR_CORRUPT, "a journal record's page piece is cut short");
	piece->pgno = (uint32_t)(number >> 1);
	piece->whole = number & 1;
	bytes = *in;
	for (uint32_t i = 0; i < piece->ranges; i++) {
		struct str skipped;

		if (!take_varint(in, &gap) || !take_varint(in, &n) || !take_bytes(in, n, &skipped))
			return err_set(ERR_CORRUPT, "a journal record's byte range is cut short");
	}
	piece->bytes = str_n(bytes.p, bytes.n - in->n);
	return 1;
}

int
piece_apply(const struct piece *piece, unsigned char *page)
{
	struct str in = piece->bytes;
	uint64_t at = 0;

	if (piece->whole)
		memset(page, 0, PAGE_BYTES);
	for (uint32_t i = 0; i < piece->ranges; i++) {
		uint64_t gap, n;
		struct str bytes;

		if (!take_varint(&in, &gap) || !take_varint(&in, &n) || !take_bytes(&in, n, &bytes))
			return err_set(ERR_CORRUPT, "a journal record's byte range is cut short");
		if (gap > PAGE_BYTES - at || n > PAGE_BYTES - at - gap)
			return err_set(ERR_CORRUPT, "a journal record's byte range leaves its page");
		memcpy(page + at + gap, bytes.p, bytes.n);
		at += gap + n;
	}
	return OK;
}

/* -- the head of a segment: magic, version, number, first commit, checksum -- */

void
segment_head(char head[SEGMENT_HEAD], uint64_t segment, uint64_t first_commit)
{
	memcpy(head, segment_magic, 8);
	put_u32(head + 8, SEGMENT_VERSION);
	put_u64(head + 12, segment);
	put_u64(head + 20, first_commit);
	put_u32(head + 28, (uint32_t)record_sum(head, 28, segment));
}

int
segment_head_read(struct str in, uint64_t segment)
{
	if (in.n < SEGMENT_HEAD || memcmp(in.p, segment_magic, 8) != 0 ||
	    get_u64(in.p + 12) != segment || get_u32(in.p + 28) != (uint32_t)record_sum(in.p, 28, segment))
		return 0;
	if (get_u32(in.p + 8) != SEGMENT_VERSION)
		return err_set(ERR_CORRUPT, "journal version %u, this drey reads version %d: finish with the drey that wrote it, stop it cleanly, then upgrade",
			get_u32(in.p + 8), SEGMENT_VERSION);
	return 1;
}

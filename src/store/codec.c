/* codec.c -- one MessagePack item written, one read.
 *
 * Writers pick the shortest form, so equal values have equal bytes: the
 * golden test in t/unit/check_codec.c freezes them.  The reader takes every
 * form other tools may write (any width of int, float 32, bin as string) and
 * refuses what has no meaning here.  Each read first asks whether the bytes
 * are there; nothing is allocated, nothing recurses.
 *
 * Thread: any.
 */
#include "store/codec.h"

#include <math.h>

#include "base/err.h"

/* The first byte of an item, by the names of the MessagePack specification. */
enum {
	FIXMAP = 0x80, FIXARRAY = 0x90, FIXSTR = 0xa0,
	NIL = 0xc0, NEVER = 0xc1, FALSE = 0xc2, TRUE = 0xc3,
	BIN8 = 0xc4, EXT8 = 0xc7, FLOAT32 = 0xca, FLOAT64 = 0xcb,
	UINT8 = 0xcc, UINT16 = 0xcd, UINT32 = 0xce, UINT64 = 0xcf,
	INT8 = 0xd0, INT16 = 0xd1, INT32 = 0xd2, INT64 = 0xd3,
	FIXEXT1 = 0xd4, FIXEXT4 = 0xd6, FIXEXT8 = 0xd7, FIXEXT16 = 0xd8,
	STR8 = 0xd9, STR16 = 0xda, STR32 = 0xdb,
	ARRAY16 = 0xdc, ARRAY32 = 0xdd, MAP16 = 0xde, MAP32 = 0xdf,
	NEGATIVE_FIXINT = 0xe0
};

#define EXACT_MAX 9007199254740992.0	/* 2^53: every whole double up to here is exact */
#define NANOS_MAX 999999999u
#define NANOS_INVALID 0xffffffffu	/* a Date that is no date (NaN): no other writer can mean this */

/* ---- writing ---- */

/* A first byte and n bytes of v, big endian, in one piece. */
static void
put(struct buf *b, unsigned char first, uint64_t v, int n)
{
	unsigned char bytes[9];

	bytes[0] = first;
	for (int i = n; i > 0; i--, v >>= 8)
		bytes[i] = (unsigned char)v;
	buf_add(b, bytes, (size_t)n + 1);
}

void
codec_begin(struct buf *b)
{
	buf_byte(b, CODEC_VERSION);
}

void
codec_null(struct buf *b)
{
	buf_byte(b, NIL);
}

void
codec_undefined(struct buf *b)
{
	put(b, EXT8, CODEC_EXT_UNDEFINED, 2);	/* length 0, then the type */
}

void
codec_bool(struct buf *b, bool v)
{
	buf_byte(b, v ? TRUE : FALSE);
}

static void
put_unsigned(struct buf *b, uint64_t v)
{
	if (v < 0x80)
		buf_byte(b, (unsigned char)v);
	else if (v <= UINT8_MAX)
		put(b, UINT8, v, 1);
	else if (v <= UINT16_MAX)
		put(b, UINT16, v, 2);
	else if (v <= UINT32_MAX)
		put(b, UINT32, v, 4);
	else
		put(b, UINT64, v, 8);
}

static void
put_negative(struct buf *b, int64_t v)
{
	if (v >= -32)
		buf_byte(b, (unsigned char)v);
	else if (v >= INT8_MIN)
		put(b, INT8, (uint64_t)v, 1);
	else if (v >= INT16_MIN)
		put(b, INT16, (uint64_t)v, 2);
	else if (v >= INT32_MIN)
		put(b, INT32, (uint64_t)v, 4);
	else
		put(b, INT64, (uint64_t)v, 8);
}

void
codec_number(struct buf *b, double v)
{
	uint64_t bits;

	/* The range test comes first: a cast from a double outside int64 is undefined.  Minus zero must stay one. */
	if (v >= -EXACT_MAX && v <= EXACT_MAX && (double)(int64_t)v == v && !(v == 0 && signbit(v))) {
		if (v < 0)
			put_negative(b, (int64_t)v);
		else
			put_unsigned(b, (uint64_t)v);
		return;
	}
	memcpy(&bits, &v, sizeof(bits));
	put(b, FLOAT64, bits, 8);
}

static void
put_ext64(struct buf *b, unsigned char type, uint64_t v)
{
	const unsigned char head[2] = { FIXEXT8, type };

	buf_byte(b, head[0]);
	put(b, head[1], v, 8);
}

void
codec_int64(struct buf *b, int64_t v)
{
	put_ext64(b, CODEC_EXT_INT64, (uint64_t)v);
}

void
codec_uint64(struct buf *b, uint64_t v)
{
	put_ext64(b, CODEC_EXT_UINT64, v);
}

void
codec_reference(struct buf *b, uint32_t place)
{
	buf_byte(b, FIXEXT4);
	put(b, CODEC_EXT_REFERENCE, place, 4);
}

void
codec_string(struct buf *b, struct str s)
{
	must(s.n <= UINT32_MAX);
	if (s.n < 32)
		buf_byte(b, (unsigned char)(FIXSTR | s.n));
	else if (s.n <= UINT8_MAX)
		put(b, STR8, s.n, 1);
	else if (s.n <= UINT16_MAX)
		put(b, STR16, s.n, 2);
	else
		put(b, STR32, s.n, 4);
	if (s.n)
		buf_add(b, s.p, s.n);
}

void
codec_array(struct buf *b, uint32_t n)
{
	if (n < 16)
		buf_byte(b, (unsigned char)(FIXARRAY | n));
	else if (n <= UINT16_MAX)
		put(b, ARRAY16, n, 2);
	else
		put(b, ARRAY32, n, 4);
}

void
codec_map(struct buf *b, uint32_t n)
{
	if (n < 16)
		buf_byte(b, (unsigned char)(FIXMAP | n));
	else if (n <= UINT16_MAX)
		put(b, MAP16, n, 2);
	else
		put(b, MAP32, n, 4);
}

void
codec_date(struct buf *b, double ms)
{
	double seconds = floor(ms / 1000);
	uint32_t nanos = NANOS_INVALID;

	if (ms >= -EXACT_MAX && ms <= EXACT_MAX) {
		nanos = (uint32_t)((ms - seconds * 1000) * 1e6 + 0.5);
		if (nanos > NANOS_MAX)
			nanos = NANOS_MAX;	/* a fraction that rounds up to the next second stays just below it */
	} else {
		seconds = 0;	/* NaN, infinity, or farther than a Date can tell milliseconds apart */
	}
	put(b, EXT8, 12, 1);
	put(b, (unsigned char)CODEC_EXT_DATE, nanos, 4);
	buf_reserve(b, 8);
	for (int shift = 56; shift >= 0; shift -= 8)
		buf_byte(b, (unsigned char)((uint64_t)(int64_t)seconds >> shift));
}

/* ---- reading ---- */

static int
corrupt(const char *what, unsigned char first)
{
	return err_set(ERR_CORRUPT, "stored value is damaged: %s (item begins with byte 0x%02x)", what, first);
}

/* n bytes, big endian.  The caller has checked that they are there. */
static uint64_t
take(struct str *in, size_t n)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++)
		v = v << 8 | (unsigned char)in->p[i];
	in->p += n;
	in->n -= n;
	return v;
}

static int64_t
sign_extend(uint64_t v, size_t n)
{
	unsigned unused = 64 - 8 * (unsigned)n;

	return (int64_t)(v << unused) >> unused;
}

static double
as_double(uint64_t bits, size_t n)
{
	double d;
	float f;
	uint32_t bits32 = (uint32_t)bits;

	if (n == 4) {
		memcpy(&f, &bits32, sizeof(f));
		return (double)f;
	}
	memcpy(&d, &bits, sizeof(d));
	return d;
}

static int
read_string(struct str *in, struct codec_item *item, uint64_t n, unsigned char first)
{
	if (n > in->n)
		return corrupt("a string is longer than the bytes that are left", first);
	item->type = CODEC_STRING;
	item->s = str_n(in->p, (size_t)n);
	in->p += n;
	in->n -= (size_t)n;
	return OK;
}

/* An item takes at least one byte, so a count that exceeds the bytes is a lie: refuse it before anybody allocates for it. */
static int
read_container(struct str *in, struct codec_item *item, enum codec_type type, uint64_t n, unsigned char first)
{
	if (n * (type == CODEC_MAP ? 2 : 1) > in->n)
		return corrupt("a table claims more items than there are bytes left", first);
	item->type = type;
	item->count = (uint32_t)n;
	return OK;
}

/* The three forms of MessagePack's timestamp. */
static int
read_date(struct str *in, struct codec_item *item, uint64_t n, unsigned char first)
{
	uint64_t nanos = 0;
	int64_t seconds = 0;

	if (n == 4) {
		seconds = (int64_t)take(in, 4);
	} else if (n == 8) {
		uint64_t both = take(in, 8);

		nanos = both >> 34;
		seconds = (int64_t)(both & ((UINT64_C(1) << 34) - 1));
	} else if (n == 12) {
		nanos = take(in, 4);
		seconds = (int64_t)take(in, 8);
	} else {
		return corrupt("a date of a wrong size", first);
	}
	if (nanos > NANOS_MAX && !(nanos == NANOS_INVALID && seconds == 0))
		return corrupt("a date with more than a second of nanoseconds", first);
	item->type = CODEC_DATE;
	item->d = nanos == NANOS_INVALID ? NAN : (double)seconds * 1000 + (double)nanos / 1e6;
	return OK;
}

static int
read_ext(struct str *in, struct codec_item *item, uint64_t n, unsigned char first)
{
	int type;

	if (in->n == 0 || n > in->n - 1)
		return corrupt("an extension is longer than the bytes that are left", first);
	type = (signed char)take(in, 1);
	if (type == CODEC_EXT_DATE)
		return read_date(in, item, n, first);
	if (type == CODEC_EXT_UNDEFINED && n == 0) {
		item->type = CODEC_UNDEFINED;
		return OK;
	}
	if ((type == CODEC_EXT_INT64 || type == CODEC_EXT_UINT64) && n == 8) {
		item->type = type == CODEC_EXT_INT64 ? CODEC_INT64 : CODEC_UINT64;
		item->i = (int64_t)take(in, 8);
		return OK;
	}
	if (type == CODEC_EXT_REFERENCE && n == 4) {
		item->type = CODEC_REFERENCE;
		item->i = (int64_t)take(in, 4);
		return OK;
	}
	return corrupt("an extension of an unknown type or a wrong size", first);
}

/* What follows a first byte from 0xc0 to 0xdf: how many bytes of number, and what the number means. */
enum form { F_NONE, F_REFUSED, F_UINT, F_SINT, F_FLOAT, F_STRING, F_EXT, F_FIXEXT, F_ARRAY, F_MAP };

static const struct {
	unsigned char form, bytes;	/* F_FIXEXT: bytes of payload, there is no number */
} forms[32] = {
	[NIL - NIL] = { F_NONE, 0 }, [NEVER - NIL] = { F_REFUSED, 0 }, [FALSE - NIL] = { F_NONE, 0 }, [TRUE - NIL] = { F_NONE, 0 },
	[BIN8 - NIL] = { F_STRING, 1 }, { F_STRING, 2 }, { F_STRING, 4 },
	[EXT8 - NIL] = { F_EXT, 1 }, { F_EXT, 2 }, { F_EXT, 4 },
	[FLOAT32 - NIL] = { F_FLOAT, 4 }, [FLOAT64 - NIL] = { F_FLOAT, 8 },
	[UINT8 - NIL] = { F_UINT, 1 }, { F_UINT, 2 }, { F_UINT, 4 }, { F_UINT, 8 },
	[INT8 - NIL] = { F_SINT, 1 }, { F_SINT, 2 }, { F_SINT, 4 }, { F_SINT, 8 },
	[FIXEXT1 - NIL] = { F_FIXEXT, 1 }, { F_FIXEXT, 2 }, { F_FIXEXT, 4 }, { F_FIXEXT, 8 }, { F_FIXEXT, 16 },
	[STR8 - NIL] = { F_STRING, 1 }, { F_STRING, 2 }, { F_STRING, 4 },
	[ARRAY16 - NIL] = { F_ARRAY, 2 }, { F_ARRAY, 4 },
	[MAP16 - NIL] = { F_MAP, 2 }, { F_MAP, 4 },
};

static int
read_int(struct codec_item *item, int64_t v)
{
	item->type = CODEC_INT;
	item->i = v;
	return OK;
}

static int
read_unsigned(struct codec_item *item, uint64_t v)
{
	if (v <= INT64_MAX)
		return read_int(item, (int64_t)v);
	item->type = CODEC_UINT64;	/* another tool's; ours writes ext 3 for these */
	item->i = (int64_t)v;
	return OK;
}

/* nil, false and true: the byte is the value. */
static int
read_word(struct codec_item *item, unsigned char first)
{
	item->type = first == NIL ? CODEC_NULL : first == TRUE ? CODEC_TRUE : CODEC_FALSE;
	return OK;
}

static int
read_double(struct codec_item *item, double d)
{
	item->type = CODEC_DOUBLE;
	item->d = d;
	return OK;
}

static int
read_long_form(struct str *in, struct codec_item *item, unsigned char first)
{
	enum form form = forms[first - NIL].form;
	size_t bytes = forms[first - NIL].bytes;
	uint64_t v = 0;

	if (form == F_FIXEXT)
		return read_ext(in, item, bytes, first);
	if (bytes > in->n)
		return corrupt("it ends in the middle of an item", first);
	v = take(in, bytes);
	switch (form) {
	case F_NONE:
		return read_word(item, first);
	case F_UINT:
		return read_unsigned(item, v);
	case F_SINT:
		return read_int(item, sign_extend(v, bytes));
	case F_FLOAT:
		return read_double(item, as_double(v, bytes));
	case F_STRING:
		return read_string(in, item, v, first);
	case F_EXT:
		return read_ext(in, item, v, first);
	case F_ARRAY:
		return read_container(in, item, CODEC_ARRAY, v, first);
	case F_MAP:
		return read_container(in, item, CODEC_MAP, v, first);
	default:
		return corrupt("no item begins so", first);
	}
}

int
codec_check(struct str *in)
{
	unsigned char version;

	if (in->n == 0)
		return err_set(ERR_CORRUPT, "stored value is damaged: it is empty, even its version byte is missing");
	version = (unsigned char)take(in, 1);
	if (version != CODEC_VERSION)
		return err_set(ERR_CORRUPT, "stored value has version 0x%02x; this server reads 0x%02x: it is damaged, or a newer server wrote it",
		    version, CODEC_VERSION);
	return OK;
}

int
codec_read(struct str *in, struct codec_item *item)
{
	unsigned char first;

	*item = (struct codec_item){ 0 };
	if (in->n == 0)
		return err_set(ERR_CORRUPT, "stored value is damaged: it ends where another item should begin");
	first = (unsigned char)take(in, 1);
	if (first < FIXMAP)
		return read_int(item, first);
	if (first < FIXARRAY)
		return read_container(in, item, CODEC_MAP, first & 0x0f, first);
	if (first < FIXSTR)
		return read_container(in, item, CODEC_ARRAY, first & 0x0f, first);
	if (first < NIL)
		return read_string(in, item, first & 0x1f, first);
	if (first >= NEGATIVE_FIXINT)
		return read_int(item, (signed char)first);
	return read_long_form(in, item, first);
}

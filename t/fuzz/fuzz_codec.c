/* fuzz_codec.c -- any bytes: items or ERR_CORRUPT, and what was read is written back to the same meaning.
 *
 *	clang -g -O1 -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -Isrc \
 *		t/fuzz/fuzz_codec.c src/store/codec.c src/base/str.c src/base/err.c -lm -o fuzz_codec
 *	./fuzz_codec -max_total_time=60 t/fuzz/corpus/codec
 */
#include <math.h>
#include <stdlib.h>

#include "base/err.h"
#include "store/codec.h"

static void
write_back(struct buf *out, const struct codec_item *item)
{
	switch (item->type) {
	case CODEC_NULL:
		return codec_null(out);
	case CODEC_UNDEFINED:
		return codec_undefined(out);
	case CODEC_FALSE:
	case CODEC_TRUE:
		return codec_bool(out, item->type == CODEC_TRUE);
	case CODEC_INT:
		/* Beyond 2^53 an int comes from another tool only; it is kept as what can hold it. */
		return (double)item->i >= -9007199254740992.0 && (double)item->i <= 9007199254740992.0 ?
		    codec_number(out, (double)item->i) : codec_int64(out, item->i);
	case CODEC_DOUBLE:
		return codec_number(out, item->d);
	case CODEC_STRING:
		return codec_string(out, item->s);
	case CODEC_ARRAY:
		return codec_array(out, item->count);
	case CODEC_MAP:
		return codec_map(out, item->count);
	case CODEC_DATE:
		return codec_date(out, item->d);
	case CODEC_REFERENCE:
		return codec_reference(out, (uint32_t)item->i);
	case CODEC_INT64:
		return codec_int64(out, item->i);
	case CODEC_UINT64:
		return codec_uint64(out, (uint64_t)item->i);
	}
	must(!"a type of codec.h");
}

/* Reads all items, writes them to out.  Returns the number read. */
static size_t
copy_items(struct str in, struct buf *out)
{
	struct codec_item item;
	size_t n = 0, before = in.n;

	while (in.n && codec_read(&in, &item) == OK) {
		must(in.n < before);	/* every item takes bytes: no loop without end */
		before = in.n;
		must(item.type == CODEC_STRING || item.count <= in.n);
		write_back(out, &item);
		n++;
	}
	return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str in = str_n(data, n);
	struct buf once = { 0 }, twice = { 0 };
	size_t items;

	codec_check(&in);
	items = copy_items(in, &once);
	/* Our own form is a fixed point: read and written again it is the same bytes.  A table may have lost
	 * the items that were cut off behind it, so only its own reading can fail: feed enough bytes. */
	for (int i = 0; i < 64; i++)
		codec_null(&once);
	if (once.n < n * 2 + 64) {
		struct str again = buf_slice(&once);
		size_t read = copy_items(again, &twice);

		if (read == items + 64)
			must(twice.n == once.n && memcmp(twice.p, once.p, once.n) == 0);
	}
	buf_fini(&once);
	buf_fini(&twice);
	return 0;
}

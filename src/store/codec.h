/* codec.h -- how values are written: a version byte, then MessagePack.
 *
 * This floor knows bytes, not Lua: writers append one item to a buffer,
 * the reader takes one item off a slice.  lua/value.c walks tables with them;
 * the same bytes are kept in _cf_KV and cross object boundaries.
 *
 *	nil that is a value of its own (an RPC argument)    ext 1, empty
 *	explicit null (cjson.null)                          nil
 *	numbers that are whole and within +-2^53            int / uint, shortest
 *	other numbers                                       float 64
 *	int64 cdata                                         ext 2, 8 bytes big endian;  uint64: ext 3
 *	strings                                             str (any bytes; not checked for UTF-8)
 *	tables whose keys are 1..n                          array
 *	an empty table marked as an array                   array of 0;  any other empty table: map of 0
 *	other tables                                        map, any scalar key
 *	Date                                                ext -1, MessagePack's timestamp 96
 *	a reference (in a call, never stored)               ext 4, its place in the list beside the bytes, 4 bytes big endian
 *
 * Reading is total: any bytes give items or ERR_CORRUPT, never a crash, a
 * read past the end or a size that is not backed by bytes (a map may not
 * claim more items than bytes are left).  Depth is bounded by the caller.
 */
#ifndef DREY_STORE_CODEC_H
#define DREY_STORE_CODEC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum { CODEC_VERSION = 0x01, CODEC_DEPTH_MAX = 100 };
enum { CODEC_EXT_DATE = -1, CODEC_EXT_UNDEFINED = 1, CODEC_EXT_INT64 = 2, CODEC_EXT_UINT64 = 3, CODEC_EXT_REFERENCE = 4 };

enum codec_type {
	CODEC_NULL, CODEC_UNDEFINED, CODEC_FALSE, CODEC_TRUE, CODEC_INT, CODEC_DOUBLE,
	CODEC_STRING, CODEC_ARRAY, CODEC_MAP, CODEC_DATE, CODEC_INT64, CODEC_UINT64, CODEC_REFERENCE
};

struct codec_item {
	enum codec_type type;
	int64_t i;		/* INT, INT64 and UINT64 (as bits); REFERENCE: its place */
	double d;		/* DOUBLE; DATE: milliseconds since 1970 */
	struct str s;		/* STRING: borrows the slice read */
	uint32_t count;		/* ARRAY: items that follow; MAP: pairs that follow */
};

void codec_begin(struct buf *);			/* the version byte */
void codec_null(struct buf *);
void codec_undefined(struct buf *);
void codec_bool(struct buf *, bool);
void codec_number(struct buf *, double);	/* picks int or float 64 */
void codec_int64(struct buf *, int64_t);
void codec_uint64(struct buf *, uint64_t);
void codec_string(struct buf *, struct str);
void codec_array(struct buf *, uint32_t n);
void codec_map(struct buf *, uint32_t n);
void codec_date(struct buf *, double ms);
void codec_reference(struct buf *, uint32_t place);

int codec_check(struct str *in);		/* takes the version byte off; ERR_CORRUPT */
int codec_read(struct str *in, struct codec_item *);	/* takes one item off the front; ERR_CORRUPT */

#endif

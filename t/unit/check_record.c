/* check_record.c -- what a commit looks like in the journal. */
#include <check.h>
#include <stdlib.h>

#include "base/err.h"
#include "store/record.h"

static const unsigned char id[RECORD_ID] = { 0xab, 1, 2, 3 };
static unsigned char zeros[PAGE_BYTES];

static void
put_record(struct buf *b, uint32_t keep, uint32_t size)
{
	struct record r = { .wall_ms = 1234567, .keep = keep, .size = size, .app = STR("app"), .class_name = STR("Counter"), .id = id };

	record_begin(b, &r);
}

static void
seal(struct buf *b, uint64_t segment, uint64_t commit)
{
	uint64_t body;

	record_end(b, &body);
	record_stamp(b->p, body, segment, commit);
}

START_TEST(a_record_reads_back_as_it_was_written)
{
	unsigned char page[PAGE_BYTES] = { 0 }, got[PAGE_BYTES];
	struct buf b = { 0 };
	struct record r;
	struct piece piece;

	page[0] = 1;
	page[4095] = 9;
	put_record(&b, 3, 5);
	ck_assert(record_page(&b, 4, NULL, page));
	seal(&b, 77, 1000);
	ck_assert_uint_eq(record_length(buf_slice(&b)), b.n);
	ck_assert(record_read(buf_slice(&b), 77, &r));
	ck_assert_uint_eq(r.commit, 1000);
	ck_assert_int_eq(r.wall_ms, 1234567);
	ck_assert_uint_eq(r.keep, 3);
	ck_assert_uint_eq(r.size, 5);
	ck_assert(str_eq(r.app, STR("app")) && str_eq(r.class_name, STR("Counter")));
	ck_assert_mem_eq(r.id, id, RECORD_ID);
	ck_assert_int_eq(record_piece(&r.pieces, &piece), 1);
	ck_assert_uint_eq(piece.pgno, 4);
	ck_assert(piece.whole);
	memset(got, 0xee, sizeof got);
	ck_assert_int_eq(piece_apply(&piece, got), OK);
	ck_assert_mem_eq(got, page, PAGE_BYTES);
	ck_assert_int_eq(record_piece(&r.pieces, &piece), 0);
	buf_fini(&b);
}
END_TEST

START_TEST(a_counter_costs_about_a_hundred_bytes)
{
	unsigned char before[PAGE_BYTES], after[PAGE_BYTES];
	struct buf b = { 0 };

	for (int i = 0; i < PAGE_BYTES; i++)
		before[i] = (unsigned char)(i * 7);
	memcpy(after, before, sizeof after);
	after[4090]++;
	put_record(&b, 2, 2);
	ck_assert(record_page(&b, 1, before, after));
	ck_assert_uint_lt(b.n, 100);
	buf_fini(&b);
}
END_TEST

START_TEST(a_page_that_did_not_change_adds_nothing)
{
	struct buf b = { 0 };

	put_record(&b, 2, 2);
	size_t n = b.n;
	ck_assert(!record_page(&b, 1, zeros, zeros));
	ck_assert_uint_eq(b.n, n);
	ck_assert_msg(record_page(&b, 1, NULL, zeros), "a whole page of zeros must be given all the same");
	ck_assert_uint_le(b.n, n + 2);
	buf_fini(&b);
}
END_TEST

/* Sparse, dense, at the ends, in runs: whatever differs is carried over. */
START_TEST(any_change_of_a_page_is_replayed_exactly)
{
	unsigned char before[PAGE_BYTES], after[PAGE_BYTES];
	unsigned seed = (unsigned)_i + 1;

	for (int round = 0; round < 200; round++) {
		struct buf b = { 0 };
		struct str in;
		struct piece piece;
		int changes = 1 << (round % 13);

		for (int i = 0; i < PAGE_BYTES; i++)
			before[i] = round % 3 ? (unsigned char)rand_r(&seed) : 0;
		memcpy(after, before, sizeof after);
		for (int i = 0; i < changes; i++) {
			int at = rand_r(&seed) % PAGE_BYTES, run = 1 + rand_r(&seed) % 20;

			for (; run-- && at < PAGE_BYTES; at++)
				after[at] = (unsigned char)rand_r(&seed);
		}
		if (round % 7 == 0)
			after[0] ^= 1, after[PAGE_BYTES - 1] ^= 1;
		if (!record_page(&b, 9, round % 2 ? before : NULL, after))
			continue;
		ck_assert_uint_lt(b.n, PAGE_BYTES + 2100);
		in = buf_slice(&b);
		ck_assert_int_eq(record_piece(&in, &piece), 1);
		ck_assert_uint_eq(in.n, 0);
		ck_assert_int_eq(piece_apply(&piece, before), OK);
		ck_assert_mem_eq(before, after, PAGE_BYTES);
		buf_fini(&b);
	}
}
END_TEST

START_TEST(every_flipped_bit_is_noticed)
{
	struct buf b = { 0 };
	struct record r;

	put_record(&b, 0, 1);
	record_page(&b, 0, NULL, zeros);
	seal(&b, 5, 6);
	ck_assert(record_read(buf_slice(&b), 5, &r));
	for (size_t bit = 0; bit < b.n * 8; bit++) {
		b.p[bit / 8] ^= (char)(1 << bit % 8);
		ck_assert_msg(!record_read(buf_slice(&b), 5, &r), "bit %zu", bit);
		b.p[bit / 8] ^= (char)(1 << bit % 8);
	}
	ck_assert(record_read(buf_slice(&b), 5, &r));
	buf_fini(&b);
}
END_TEST

START_TEST(a_record_of_an_earlier_life_of_the_file_is_refused)
{
	struct buf b = { 0 };
	struct record r;

	put_record(&b, 0, 0);
	seal(&b, 5, 6);
	ck_assert(record_read(buf_slice(&b), 5, &r));
	ck_assert(!record_read(buf_slice(&b), 6, &r));
	ck_assert(!record_read(buf_slice(&b), 4, &r));
	buf_fini(&b);
}
END_TEST

START_TEST(a_record_cut_anywhere_is_refused)
{
	struct buf b = { 0 };
	struct record r;

	put_record(&b, 1, 2);
	seal(&b, 5, 6);
	for (size_t n = 0; n < b.n; n++)
		ck_assert(!record_read(str_n(b.p, n), 5, &r));
	buf_fini(&b);
}
END_TEST

/* With a good checksum, as a bug or a forger would make it. */
START_TEST(pieces_that_lie_are_corrupt)
{
	static const struct { const char *bytes; size_t n; } lies[] = {
		{ "\x03", 1 },					/* no number of ranges */
		{ "\x03\x01", 2 },				/* no range */
		{ "\x03\x01\x00\x7f""abc", 7 },			/* fewer bytes than said */
		{ "\x03\xff\xff\xff\xff\x0f\x00\x00", 8 },	/* four thousand million ranges */
		{ "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x00", 11 },	/* a page number past all */
	};
	struct piece piece;

	for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
		struct str in = str_n(lies[i].bytes, lies[i].n);

		ck_assert_msg(record_piece(&in, &piece) == ERR_CORRUPT, "lie %zu", i);
	}
}
END_TEST

START_TEST(a_range_that_leaves_its_page_is_corrupt)
{
	static const struct { const char *bytes; size_t n; uint32_t ranges; } lies[] = {
		{ "\x80\x20\x01x", 4, 1 },			/* begins at 4096 */
		{ "\xff\x1f\x02xy", 5, 1 },			/* begins at 4095, two bytes */
		{ "\xff\x1f\x01x\x00\x01y", 7, 2 },		/* the second one begins at 4096 */
		{ "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01x", 12, 1 },	/* wraps around */
	};
	unsigned char page[PAGE_BYTES];

	for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
		struct piece piece = { .ranges = lies[i].ranges, .bytes = str_n(lies[i].bytes, lies[i].n) };

		ck_assert_msg(piece_apply(&piece, page) == ERR_CORRUPT, "lie %zu", i);
	}
}
END_TEST

START_TEST(a_segment_of_another_version_is_named_as_such)
{
	char head[SEGMENT_HEAD];
	uint32_t sum;

	segment_head(head, 3, 10);
	ck_assert_int_eq(segment_head_read(str_n(head, sizeof head), 3), 1);
	ck_assert_int_eq(segment_head_read(str_n(head, sizeof head), 4), 0);
	ck_assert_int_eq(segment_head_read(str_n(head, 10), 3), 0);
	head[8] = 1;
	ck_assert_int_eq(segment_head_read(str_n(head, sizeof head), 3), 0);
	sum = (uint32_t)record_sum(head, 28, 3);
	memcpy(head + 28, &sum, sizeof sum);
	ck_assert_int_eq(segment_head_read(str_n(head, sizeof head), 3), ERR_CORRUPT);
	ck_assert_ptr_nonnull(strstr(err_text(), "journal version 1, this drey reads version 2"));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("record");
	TCase *t = tcase_create("record");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_test(t, a_record_reads_back_as_it_was_written);
	tcase_add_test(t, a_counter_costs_about_a_hundred_bytes);
	tcase_add_test(t, a_page_that_did_not_change_adds_nothing);
	tcase_add_loop_test(t, any_change_of_a_page_is_replayed_exactly, 0, 5);
	tcase_add_test(t, every_flipped_bit_is_noticed);
	tcase_add_test(t, a_record_of_an_earlier_life_of_the_file_is_refused);
	tcase_add_test(t, a_record_cut_anywhere_is_refused);
	tcase_add_test(t, pieces_that_lie_are_corrupt);
	tcase_add_test(t, a_range_that_leaves_its_page_is_corrupt);
	tcase_add_test(t, a_segment_of_another_version_is_named_as_such);
	suite_add_tcase(s, t);
	srunner_run_all(r, getenv("CK_VERBOSE") ? CK_VERBOSE : CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}

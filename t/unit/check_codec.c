/* check_codec.c -- the bytes of values: frozen, exact both ways, total on anything. */
#include <check.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "store/codec.h"

static struct buf out;

/* What was written since the last call, in hex; lends until the next. */
static const char *
hex(void)
{
	static char text[512];

	text[0] = '\0';
	for (size_t i = 0; i < out.n && i < 200; i++)
		snprintf(text + 2 * i, sizeof(text) - 2 * i, "%02x", (unsigned char)out.p[i]);
	buf_clear(&out);
	return text;
}

static struct codec_item
read_one(void)
{
	struct str in = buf_slice(&out);
	struct codec_item item;

	ck_assert_msg(codec_read(&in, &item) == OK, "%s", err_text());
	ck_assert_uint_eq(in.n, 0);
	return item;
}

/* A file written today must be read by every later server: these bytes never change. */
START_TEST(the_bytes_of_every_type_are_frozen)
{
	static const struct {
		double v;
		const char *bytes;
	} numbers[] = {
		{ 0, "00" }, { 127, "7f" }, { 128, "cc80" }, { 255, "ccff" }, { 256, "cd0100" }, { 65535, "cdffff" },
		{ 65536, "ce00010000" }, { 4294967295.0, "ceffffffff" }, { 4294967296.0, "cf0000000100000000" },
		{ 9007199254740992.0, "cf0020000000000000" }, { 9007199254740994.0, "cb4340000000000001" },
		{ -1, "ff" }, { -32, "e0" }, { -33, "d0df" }, { -128, "d080" }, { -129, "d1ff7f" }, { -32768, "d18000" },
		{ -32769, "d2ffff7fff" }, { -2147483648.0, "d280000000" }, { -2147483649.0, "d3ffffffff7fffffff" },
		{ -9007199254740992.0, "d3ffe0000000000000" }, { -9007199254740994.0, "cbc340000000000001" },
		{ 0.5, "cb3fe0000000000000" }, { -0.0, "cb8000000000000000" }, { INFINITY, "cb7ff0000000000000" },
		{ 1e300, "cb7e37e43c8800759c" }, { DBL_MIN / 2, "cb0008000000000000" },
	};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		codec_number(&out, numbers[i].v);
		ck_assert_str_eq(hex(), numbers[i].bytes);
	}
	codec_begin(&out);
	ck_assert_str_eq(hex(), "01");
	codec_null(&out);
	ck_assert_str_eq(hex(), "c0");
	codec_undefined(&out);
	ck_assert_str_eq(hex(), "c70001");
	codec_bool(&out, false);
	codec_bool(&out, true);
	ck_assert_str_eq(hex(), "c2c3");
	codec_int64(&out, INT64_MIN);
	ck_assert_str_eq(hex(), "d7028000000000000000");
	codec_uint64(&out, UINT64_MAX);
	ck_assert_str_eq(hex(), "d703ffffffffffffffff");
	codec_string(&out, STR("a\0\xff"));
	ck_assert_str_eq(hex(), "a36100ff");
	codec_string(&out, STR(""));
	ck_assert_str_eq(hex(), "a0");
	codec_date(&out, 0);
	ck_assert_str_eq(hex(), "c70cff000000000000000000000000");
	codec_date(&out, 1767225600123.0);
	ck_assert_str_eq(hex(), "c70cff0754d4c0000000006955b900");
	codec_date(&out, -1);
	ck_assert_str_eq(hex(), "c70cff3b8b87c0ffffffffffffffff");
	codec_date(&out, NAN);
	ck_assert_str_eq(hex(), "c70cffffffffff0000000000000000");
	buf_fini(&out);
}
END_TEST

START_TEST(the_heads_of_strings_and_tables_are_frozen)
{
	static const struct {
		uint32_t n;
		const char *string, *array, *map;
	} heads[] = {
		{ 15, "af", "9f", "8f" }, { 16, "b0", "dc0010", "de0010" }, { 31, "bf", "dc001f", "de001f" },
		{ 32, "d920", "dc0020", "de0020" }, { 255, "d9ff", "dc00ff", "de00ff" }, { 256, "da0100", "dc0100", "de0100" },
		{ 65535, "daffff", "dcffff", "deffff" }, { 65536, "db00010000", "dd00010000", "df00010000" },
	};
	char *bytes = xcalloc(1, 65536);

	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		codec_string(&out, str_n(bytes, heads[i].n));
		ck_assert_uint_eq(out.n, strlen(heads[i].string) / 2 + heads[i].n);
		ck_assert_int_eq(strncmp(hex(), heads[i].string, strlen(heads[i].string)), 0);
		codec_array(&out, heads[i].n);
		ck_assert_str_eq(hex(), heads[i].array);
		codec_map(&out, heads[i].n);
		ck_assert_str_eq(hex(), heads[i].map);
	}
	free(bytes);
	buf_fini(&out);
}
END_TEST

START_TEST(every_number_comes_back_bit_for_bit)
{
	uint64_t seed = 88172645463325252u;

	for (int i = 0; i < 50000; i++) {
		struct codec_item item;
		double v, back;

		seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
		memcpy(&v, &seed, sizeof(v));
		if (i % 3 == 0)
			v = (double)(int64_t)(seed >> (seed & 63));	/* whole numbers of every length */
		if (i % 6 == 0)
			v = -v;
		codec_number(&out, v);
		item = read_one();
		ck_assert(item.type == CODEC_INT || item.type == CODEC_DOUBLE);
		back = item.type == CODEC_INT ? (double)item.i : item.d;
		ck_assert_int_eq(memcmp(&v, &back, sizeof(v)), 0);
		buf_clear(&out);
	}
	buf_fini(&out);
}
END_TEST

START_TEST(dates_come_back_to_the_millisecond)
{
	static const double days[] = { 0, -1, 1, 999, 1000, -999, -1000, -1001, 1767225600123.0, 8.64e15, -8.64e15, 1.5, -1.5 };

	for (size_t i = 0; i < sizeof(days) / sizeof(days[0]); i++) {
		struct codec_item item;

		codec_date(&out, days[i]);
		item = read_one();
		ck_assert_int_eq(item.type, CODEC_DATE);
		ck_assert_msg(item.d == days[i], "%.17g became %.17g", days[i], item.d);
		buf_clear(&out);
	}
	codec_date(&out, INFINITY);
	ck_assert(isnan(read_one().d));
	buf_fini(&out);
}
END_TEST

/* What other tools write: wider forms than ours, bin, float 32, the shorter timestamps. */
START_TEST(foreign_forms_are_read)
{
	static const struct {
		struct str bytes;
		enum codec_type type;
		int64_t i;
		double d;
	} forms[] = {
		{ STR("\xcc\x05"), CODEC_INT, 5, 0 }, { STR("\xcf\0\0\0\0\0\0\0\x05"), CODEC_INT, 5, 0 },
		{ STR("\xd3\xff\xff\xff\xff\xff\xff\xff\xff"), CODEC_INT, -1, 0 }, { STR("\xd0\xff"), CODEC_INT, -1, 0 },
		{ STR("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"), CODEC_UINT64, -1, 0 }, { STR("\xca\x3f\x00\0\0"), CODEC_DOUBLE, 0, 0.5 },
		{ STR("\xd6\xff\0\0\0\x01"), CODEC_DATE, 0, 1000 }, { STR("\xd7\xff\x00\x00\x00\x04\0\0\0\x01"), CODEC_DATE, 0, 1000.000001 },
		{ STR("\xc4\x02hi"), CODEC_STRING, 0, 0 }, { STR("\xc5\0\x02hi"), CODEC_STRING, 0, 0 },
		{ STR("\xc6\0\0\0\x02hi"), CODEC_STRING, 0, 0 }, { STR("\xda\0\x02hi"), CODEC_STRING, 0, 0 },
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct codec_item item;

		buf_str(&out, forms[i].bytes);
		item = read_one();
		ck_assert_int_eq(item.type, forms[i].type);
		ck_assert_int_eq(item.i, forms[i].i);
		ck_assert(item.d == forms[i].d);
		if (item.type == CODEC_STRING)
			ck_assert(str_eq(item.s, STR("hi")));
		buf_clear(&out);
	}
	buf_fini(&out);
}
END_TEST

START_TEST(damage_is_an_error_never_a_read_past_the_end)
{
	static const struct str damaged[] = {
		STR(""), STR("\xc1"), STR("\xcc"), STR("\xcd\x01"), STR("\xcb\0\0\0"), STR("\xd3\0\0\0\0\0\0\0"), STR("\xa3" "ab"),
		STR("\xd9"), STR("\xd9\x05" "abcd"), STR("\xda\xff"), STR("\xdb\xff\xff\xff\xff"), STR("\xc6\xff\xff\xff\xff" "abc"),
		STR("\x91"), STR("\x82\x01\x02\x03"), STR("\xdc\xff\xff\x01"), STR("\xdd\xff\xff\xff\xff\x01"),
		STR("\xdf\x80\0\0\0\x01\x01"), STR("\xdf\xff\xff\xff\xff\x01\x01"), STR("\xc7"), STR("\xc7\0"), STR("\xc7\x01\x01\0"),
		STR("\xc7\x08\x02\0\0\0"), STR("\xd4\x02\0"), STR("\xd7\x09\0\0\0\0\0\0\0\0"), STR("\xd8"),
		STR("\xc7\x0c\xff\x3b\x9a\xca\x00\0\0\0\0\0\0\0\0"), STR("\xc7\x05\xff\0\0\0\0\0"), STR("\xc9\xff\xff\xff\xff\x02"),
		STR("\xd7\xff\xff\xff\xff\xff\0\0\0\0"),
	};

	for (size_t i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++) {
		struct codec_item item;
		char *exact = xmalloc(damaged[i].n + !damaged[i].n);	/* so that the sanitizer sees one byte too many */
		struct str in = str_n(memcpy(exact, damaged[i].p, damaged[i].n), damaged[i].n);

		ck_assert_msg(codec_read(&in, &item) == ERR_CORRUPT, "case %zu was taken", i);
		ck_assert_ptr_nonnull(strstr(err_text(), "stored value is damaged"));
		free(exact);
	}
}
END_TEST

START_TEST(every_cut_of_a_value_is_noticed)
{
	struct str whole;

	codec_begin(&out);
	codec_map(&out, 3);
	codec_string(&out, STR("list"));
	codec_array(&out, 3);
	codec_number(&out, 1e6);
	codec_undefined(&out);
	codec_date(&out, 12345);
	codec_string(&out, STR("deep"));
	codec_int64(&out, -5);
	codec_number(&out, 0.1);
	codec_null(&out);
	whole = buf_slice(&out);
	for (size_t cut = 0; cut <= whole.n; cut++) {
		struct str in = str_n(whole.p, cut);
		struct codec_item item;
		int rc = codec_check(&in);
		uint64_t left = 1;

		for (; rc == OK && left > 0; left--)
			if ((rc = codec_read(&in, &item)) == OK && (item.type == CODEC_ARRAY || item.type == CODEC_MAP))
				left += (uint64_t)item.count * (item.type == CODEC_MAP ? 2 : 1);
		ck_assert_int_eq(rc, cut == whole.n ? OK : ERR_CORRUPT);
	}
	buf_fini(&out);
}
END_TEST

START_TEST(another_version_is_refused_by_name)
{
	struct str newer = STR("\x02\xc0"), empty = STR(""), ours = STR("\x01\xc0");

	ck_assert_int_eq(codec_check(&newer), ERR_CORRUPT);
	ck_assert_ptr_nonnull(strstr(err_text(), "version 0x02"));
	ck_assert_int_eq(codec_check(&empty), ERR_CORRUPT);
	ck_assert_int_eq(codec_check(&ours), OK);
	ck_assert_uint_eq(ours.n, 1);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("codec");
	TCase *tc = tcase_create("codec");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, the_bytes_of_every_type_are_frozen);
	tcase_add_test(tc, the_heads_of_strings_and_tables_are_frozen);
	tcase_add_test(tc, every_number_comes_back_bit_for_bit);
	tcase_add_test(tc, dates_come_back_to_the_millisecond);
	tcase_add_test(tc, foreign_forms_are_read);
	tcase_add_test(tc, damage_is_an_error_never_a_read_past_the_end);
	tcase_add_test(tc, every_cut_of_a_value_is_noticed);
	tcase_add_test(tc, another_version_is_refused_by_name);
	srunner_run_all(sr, getenv("CK_VERBOSE") ? CK_VERBOSE : CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

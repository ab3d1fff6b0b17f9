/* check_id.c -- ids: known answers, what is refused, and what they cost. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "object/id.h"

static struct id_key
key_of(const char *unique_key)
{
	struct id_key key;

	id_key_init(&key, unique_key);
	return key;
}

START_TEST(a_name_gives_the_id_the_original_gives)
{
	static const struct { const char *name, *hex; } known[] = {
		{ "http://foo/", "59002eb8cf872e541722977a258a12d6a93bbe8192b502e1c0cb250aa91af234" },
		{ "http://foo/bar", "02b496f65dd35cbac90e3e72dc5a398ee93926ea4a3821e26677082d2e6f9b79" },
		{ "name", "3652ef6221834806dc8df802d1d216e27b7d07e0a6b7adf6cfdaeec90f06459a" },
	};
	struct id_key key = key_of("mykey");

	for (unsigned i = 0; i < 3; i++) {
		struct object_id id;
		char hex[ID_HEX + 1];

		id_from_name(&key, str_c(known[i].name), &id);
		id_hex(&id, hex);
		ck_assert_str_eq(hex, known[i].hex);
	}
}
END_TEST

START_TEST(an_id_survives_being_written_and_read)
{
	struct id_key key = key_of("app/Class");
	struct object_id a, b;
	char hex[ID_HEX + 1];

	id_unique(&key, &a);
	id_hex(&a, hex);
	ck_assert_int_eq(id_from_string(&key, str_c(hex), &b), OK);
	ck_assert(id_equal(&a, &b));
	for (char *p = hex; *p; p++)
		if (*p >= 'a')
			*p -= 32;
	ck_assert_int_eq(id_from_string(&key, str_c(hex), &b), OK);	/* capitals are the same digits */
	ck_assert(id_equal(&a, &b));
}
END_TEST

START_TEST(two_unique_ids_differ)
{
	struct id_key key = key_of("app/Class");
	struct object_id a, b;

	id_unique(&key, &a);
	id_unique(&key, &b);
	ck_assert(!id_equal(&a, &b));
}
END_TEST

START_TEST(what_is_not_an_id_is_refused_with_the_reason)
{
	static const char *const bad[] = {
		"", "abc", "zz02eb8cf872e541722977a258a12d6a93bbe8192b502e1c0cb250aa91af2345",
		"59002eb8cf872e541722977a258a12d6a93bbe8192b502e1c0cb250aa91af23",
		"59002eb8cf872e541722977a258a12d6a93bbe8192b502e1c0cb250aa91af2341",
		"59002eb8cf872e541722977a258a12d6a93bbe8192b502e1c0cb250aa91af23 ",
	};
	struct id_key key = key_of("mykey");
	struct object_id id;

	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		ck_assert_int_eq(id_from_string(&key, str_c(bad[i]), &id), ERR_ARGUMENT);
		ck_assert_str_eq(err_text(), "Invalid Durable Object ID: must be 64 hex digits");
	}
}
END_TEST

START_TEST(an_id_of_another_class_or_with_one_bit_changed_is_refused)
{
	struct id_key mine = key_of("app/Mine"), theirs = key_of("app/Theirs");
	struct object_id id, out;
	char hex[ID_HEX + 1];

	id_from_name(&theirs, STR("room-7"), &id);
	id_hex(&id, hex);
	ck_assert_int_eq(id_from_string(&mine, str_c(hex), &out), ERR_ARGUMENT);
	ck_assert_str_eq(err_text(), "Durable Object ID is not valid for this namespace.");
	for (unsigned bit = 0; bit < 256; bit++) {
		struct object_id bent = id;

		bent.b[bit / 8] ^= 1 << bit % 8;
		id_hex(&bent, hex);
		ck_assert_int_eq(id_from_string(&theirs, str_c(hex), &out), ERR_ARGUMENT);
	}
}
END_TEST

START_TEST(every_worker_owns_its_share_and_the_answer_never_changes)
{
	struct id_key key = key_of("app/Class");
	unsigned n[4] = { 0 };

	for (int i = 0; i < 4000; i++) {
		struct object_id id;
		char name[16];

		snprintf(name, sizeof(name), "n%d", i);
		id_from_name(&key, str_c(name), &id);
		n[id_owner(&id, 4)]++;
		ck_assert_uint_eq(id_owner(&id, 4), id_owner(&id, 4));
		ck_assert_uint_eq(id_owner(&id, 1), 0);
	}
	for (int i = 0; i < 4; i++)
		ck_assert_uint_gt(n[i], 800);
}
END_TEST

/* 0.6 us measured; the bar leaves room for a busy machine and for sanitizers. */
START_TEST(a_name_costs_a_few_microseconds_at_most)
{
	struct id_key key = key_of("app/Class");
	struct object_id id;
	int64_t best = INT64_MAX;

	for (int round = 0; round < 5; round++) {
		int64_t start = clock_us(), took;

		for (int i = 0; i < 2000; i++)
			id_from_name(&key, STR("room-7"), &id);
		took = clock_us() - start;
		best = took < best ? took : best;
	}
	if (getenv("CK_VERBOSE"))
		printf("id_from_name: %.2f us\n", (double)best / 2000);
	ck_assert_int_lt(best, 2000 * 10);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("id");
	TCase *t = tcase_create("id");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_test(t, a_name_gives_the_id_the_original_gives);
	tcase_add_test(t, an_id_survives_being_written_and_read);
	tcase_add_test(t, two_unique_ids_differ);
	tcase_add_test(t, what_is_not_an_id_is_refused_with_the_reason);
	tcase_add_test(t, an_id_of_another_class_or_with_one_bit_changed_is_refused);
	tcase_add_test(t, every_worker_owns_its_share_and_the_answer_never_changes);
	tcase_add_test(t, a_name_costs_a_few_microseconds_at_most);
	suite_add_tcase(s, t);
	srunner_run_all(sr, getenv("CK_VERBOSE") ? CK_VERBOSE : CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

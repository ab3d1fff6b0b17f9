/* check_map.c -- the hash map, against a plain array that does the same. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/map.h"

struct item {
	char name[24];
	bool in;
};

#define MANY 20000

static struct item items[MANY];

static struct str
key(const struct item *it)
{
	return str_c(it->name);
}

static void
name_all(void)
{
	for (int i = 0; i < MANY; i++) {
		snprintf(items[i].name, sizeof(items[i].name), "item-%d", i);
		items[i].in = false;
	}
}

START_TEST(an_empty_map_answers_nothing)
{
	struct map m;
	size_t i = 0;

	map_init(&m);
	ck_assert_ptr_null(map_get(&m, STR("x")));
	ck_assert_ptr_null(map_del(&m, STR("x")));
	ck_assert_ptr_null(map_next(&m, &i));
	map_fini(&m);
}
END_TEST

START_TEST(a_put_replaces_and_says_what_was_there)
{
	struct map m;
	int a, b;

	map_init(&m);
	ck_assert_ptr_null(map_put(&m, STR("k"), &a));
	ck_assert_ptr_eq(map_put(&m, STR("k"), &b), &a);
	ck_assert_uint_eq(m.n, 1);
	ck_assert_ptr_eq(map_get(&m, STR("k")), &b);
	ck_assert_ptr_eq(map_del(&m, STR("k")), &b);
	ck_assert_ptr_null(map_get(&m, STR("k")));
	ck_assert_uint_eq(m.n, 0);
	map_fini(&m);
}
END_TEST

START_TEST(a_replaced_value_may_be_freed_with_its_key)
{
	char *one = strdup("key"), *two = strdup("key");
	struct map m;

	map_init(&m);
	map_put(&m, str_c(one), one);
	ck_assert_ptr_eq(map_put(&m, str_c(two), two), one);
	free(one);
	ck_assert_ptr_eq(map_get(&m, STR("key")), two);
	map_fini(&m);
	free(two);
}
END_TEST

START_TEST(keys_are_bytes_and_may_be_empty)
{
	struct map m;
	int a, b, c;

	map_init(&m);
	map_put(&m, str_n("a\0b", 3), &a);
	map_put(&m, str_n("a\0c", 3), &b);
	map_put(&m, str_n(NULL, 0), &c);
	ck_assert_ptr_eq(map_get(&m, str_n("a\0b", 3)), &a);
	ck_assert_ptr_eq(map_get(&m, str_n("a\0c", 3)), &b);
	ck_assert_ptr_null(map_get(&m, str_n("a", 1)));
	ck_assert_ptr_eq(map_get(&m, STR("")), &c);
	ck_assert_ptr_eq(map_del(&m, STR("")), &c);
	map_fini(&m);
}
END_TEST

START_TEST(a_random_walk_never_differs_from_a_plain_array)
{
	struct map m;
	size_t n = 0;

	name_all();
	map_init(&m);
	srandom(1);
	for (int step = 0; step < 400000; step++) {
		/* Waves: mostly puts, then mostly deletes. */
		bool put = random() % 10 < (step / 50000 % 2 ? 2 : 8);
		struct item *it = &items[random() % MANY];
		void *was = put ? map_put(&m, key(it), it) : map_del(&m, key(it));

		n += put && !it->in;
		n -= !put && it->in;
		if (was != (it->in ? it : NULL) || m.n != n)	/* an assert each would take seconds */
			ck_abort_msg("step %d: %s of %s", step, put ? "put" : "delete", it->name);
		it->in = put;
	}
	for (int i = 0; i < MANY; i++)
		if (map_get(&m, key(&items[i])) != (items[i].in ? &items[i] : NULL))
			ck_abort_msg("%s is %s", items[i].name, items[i].in ? "lost" : "still there");
	map_fini(&m);
}
END_TEST

START_TEST(a_loop_meets_every_value_once_and_may_delete_it)
{
	struct map m;
	struct item *it;
	size_t met = 0, i;

	name_all();
	map_init(&m);
	for (int j = 0; j < 5000; j++)
		map_put(&m, key(&items[j]), &items[j]);
	for (i = 0; (it = map_next(&m, &i));) {
		ck_assert(!it->in);
		it->in = true;
		met++;
		if (met % 3)
			ck_assert_ptr_eq(map_del(&m, key(it)), it);
	}
	ck_assert_uint_eq(met, 5000);
	ck_assert_uint_eq(m.n, 5000 / 3);
	for (i = 0; (it = map_next(&m, &i));)
		map_del(&m, key(it));
	ck_assert_uint_eq(m.n, 0);
	map_fini(&m);
}
END_TEST

START_TEST(objects_that_came_and_went_leave_no_table_behind)
{
	struct map m;

	name_all();
	map_init(&m);
	for (int i = 0; i < MANY; i++)
		map_put(&m, key(&items[i]), &items[i]);
	ck_assert_uint_ge(m.cap, MANY);
	for (int i = 0; i < MANY; i++)
		map_del(&m, key(&items[i]));
	ck_assert_uint_le(m.cap, 16);
	for (int i = 0; i < MANY; i++)
		map_put(&m, key(&items[i]), &items[i]);
	for (int i = 10; i < MANY; i++)
		map_del(&m, key(&items[i]));
	map_put(&m, key(&items[10]), &items[10]);	/* some stay: the next one to come finds a small table */
	ck_assert_uint_le(m.cap, 128);
	for (int i = 0; i <= 10; i++)
		ck_assert_ptr_eq(map_get(&m, key(&items[i])), &items[i]);
	map_fini(&m);
}
END_TEST

START_TEST(churn_does_not_grow_the_table)
{
	struct map m;

	name_all();
	map_init(&m);
	for (int i = 0; i < MANY; i++) {
		map_put(&m, key(&items[i]), &items[i]);
		if (i >= 100)
			ck_assert_ptr_eq(map_del(&m, key(&items[i - 100])), &items[i - 100]);
		ck_assert_uint_le(m.cap, 512);
	}
	map_fini(&m);
}
END_TEST

START_TEST(keys_that_come_and_go_leave_no_deleted_slots)
{
	struct map m;

	name_all();
	map_init(&m);
	for (int i = 0; i < 100; i++) {
		map_put(&m, key(&items[i]), &items[i]);
		map_del(&m, key(&items[i]));
		ck_assert_uint_eq(m.used, 0);
	}
	map_fini(&m);
}
END_TEST

START_TEST(hashes_spread_and_depend_on_every_byte)
{
	unsigned bucket[256] = { 0 };
	char k[33] = "the quick brown fox jumps over t";
	uint64_t h0 = hash_bytes(k, 32);

	name_all();
	for (int i = 0; i < MANY; i++)
		bucket[hash_bytes(items[i].name, strlen(items[i].name)) & 255]++;
	for (int i = 0; i < 256; i++) {		/* 78 expected; 20 or 160 is nine deviations off */
		ck_assert_uint_gt(bucket[i], 20);
		ck_assert_uint_lt(bucket[i], 160);
	}
	for (int i = 0; i < 32; i++) {
		k[i] ^= 1;
		ck_assert_uint_ne(hash_bytes(k, 32), h0);
		k[i] ^= 1;
		ck_assert_uint_ne(hash_bytes(k, (size_t)i), h0);
	}
	ck_assert_uint_eq(hash_bytes(k, 32), h0);
}
END_TEST

/* Another process, another seed: run ourselves twice and compare what they print. */
static uint64_t
hash_in_new_process(void)
{
	unsigned long long h = 0;
	char self[512] = { 0 }, *cmd;
	FILE *f;

	ck_assert_int_gt(readlink("/proc/self/exe", self, sizeof(self) - 1), 0);
	cmd = xasprintf("'%s' hash", self);
	f = popen(cmd, "r");
	free(cmd);
	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fscanf(f, "%llx", &h), 1);
	pclose(f);
	return h;
}

START_TEST(the_seed_differs_from_process_to_process)
{
	ck_assert_uint_ne(hash_in_new_process(), hash_in_new_process());
}
END_TEST

int
main(int argc, char **argv)
{
	Suite *s;
	TCase *tc;
	SRunner *sr;
	int failed;

	if (argc > 1 && strcmp(argv[1], "hash") == 0)
		return printf("%llx\n", (unsigned long long)hash_bytes("abc", 3)) < 0;
	s = suite_create("map");
	tc = tcase_create("map");
	sr = srunner_create(s);
	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, an_empty_map_answers_nothing);
	tcase_add_test(tc, a_put_replaces_and_says_what_was_there);
	tcase_add_test(tc, a_replaced_value_may_be_freed_with_its_key);
	tcase_add_test(tc, keys_are_bytes_and_may_be_empty);
	tcase_add_test(tc, a_random_walk_never_differs_from_a_plain_array);
	tcase_add_test(tc, a_loop_meets_every_value_once_and_may_delete_it);
	tcase_add_test(tc, objects_that_came_and_went_leave_no_table_behind);
	tcase_add_test(tc, churn_does_not_grow_the_table);
	tcase_add_test(tc, keys_that_come_and_go_leave_no_deleted_slots);
	tcase_add_test(tc, hashes_spread_and_depend_on_every_byte);
	tcase_add_test(tc, the_seed_differs_from_process_to_process);
	srunner_run_all(sr, getenv("CK_VERBOSE") ? CK_VERBOSE : CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

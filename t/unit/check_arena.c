/* check_arena.c -- memory that is freed all at once. */
#include <check.h>
#include <stdlib.h>

#include "base/arena.h"

START_TEST(allocations_are_aligned_and_apart)
{
	struct arena a;
	char *p[500];

	arena_init(&a);
	for (int i = 0; i < 500; i++) {
		size_t n = (size_t)(i * 37 % 3000);

		p[i] = arena_alloc(&a, n);
		ck_assert_uint_eq((uintptr_t)p[i] % 16, 0);
		memset(p[i], i & 0xff, n);
	}
	for (int i = 0; i < 500; i++) {
		int right = 0;

		while (right < i * 37 % 3000 && (unsigned char)p[i][right] == (i & 0xff))
			right++;
		ck_assert_int_eq(right, i * 37 % 3000);
	}
	arena_fini(&a);
}
END_TEST

START_TEST(two_empty_allocations_differ)
{
	struct arena a;
	void *p, *q;

	arena_init(&a);
	p = arena_alloc(&a, 0);
	q = arena_alloc(&a, 0);
	ck_assert_ptr_ne(p, q);
	arena_fini(&a);
}
END_TEST

START_TEST(a_large_allocation_leaves_the_current_block_in_use)
{
	struct arena a;
	char *p, *q;

	arena_init(&a);
	p = arena_alloc(&a, 16);
	memset(arena_alloc(&a, 1500), 1, 1500);
	memset(arena_alloc(&a, 1 << 20), 1, 1 << 20);
	q = arena_alloc(&a, 16);
	ck_assert_ptr_eq(q, p + 16);
	arena_fini(&a);
}
END_TEST

START_TEST(zalloc_is_zero_even_in_used_memory)
{
	char seed[256] __attribute__((aligned(16)));
	struct arena a;
	char *p;

	memset(seed, 0xff, sizeof(seed));
	arena_init(&a);
	arena_seed(&a, seed, sizeof(seed));
	p = arena_zalloc(&a, 100);
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(p[i], 0);
	arena_fini(&a);
}
END_TEST

START_TEST(the_seed_is_used_first_and_never_freed)
{
	char seed[128];
	struct arena a;
	char *p;

	arena_init(&a);
	arena_seed(&a, seed + 1, sizeof(seed) - 1);	/* not aligned: the arena must see to it */
	p = arena_alloc(&a, 32);
	ck_assert(p > seed && p + 32 <= seed + sizeof(seed));
	ck_assert_uint_eq((uintptr_t)p % 16, 0);
	ck_assert_ptr_null(a.blocks);
	p = arena_alloc(&a, 128);
	ck_assert(p + 128 <= seed || p >= seed + sizeof(seed));
	arena_fini(&a);
	ck_assert_ptr_null(a.p);
}
END_TEST

START_TEST(a_seed_too_small_to_hold_anything_does_no_harm)
{
	char seed[16];
	struct arena a;

	for (size_t n = 0; n <= sizeof(seed); n++) {
		arena_init(&a);
		arena_seed(&a, seed + sizeof(seed) - n, n);
		memset(arena_alloc(&a, 40), 7, 40);
		ck_assert_ptr_nonnull(a.blocks);
		arena_fini(&a);
	}
}
END_TEST

START_TEST(texts_are_copied_with_a_nul_behind)
{
	struct arena a;
	char from[] = "hello";
	char *dup, *text;
	struct str s;

	arena_init(&a);
	dup = arena_strdup(&a, from);
	s = arena_str(&a, str_n(from, 4));
	text = arena_printf(&a, "%s-%0*d", from, 300, 7);
	from[0] = 'X';
	ck_assert_str_eq(dup, "hello");
	ck_assert_uint_eq(s.n, 4);
	ck_assert_str_eq(s.p, "hell");
	ck_assert_uint_eq(strlen(text), 306);
	ck_assert(str_starts(str_c(text), STR("hello-0")));
	ck_assert_str_eq(arena_str(&a, str_n(NULL, 0)).p, "");
	arena_fini(&a);
}
END_TEST

START_TEST(an_arena_can_be_used_again_after_fini)
{
	struct arena a;

	arena_init(&a);
	arena_alloc(&a, 5000);
	arena_fini(&a);
	arena_fini(&a);
	ck_assert_str_eq(arena_strdup(&a, "again"), "again");
	arena_fini(&a);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("arena");
	TCase *tc = tcase_create("arena");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_add_test(tc, allocations_are_aligned_and_apart);
	tcase_add_test(tc, two_empty_allocations_differ);
	tcase_add_test(tc, a_large_allocation_leaves_the_current_block_in_use);
	tcase_add_test(tc, zalloc_is_zero_even_in_used_memory);
	tcase_add_test(tc, the_seed_is_used_first_and_never_freed);
	tcase_add_test(tc, a_seed_too_small_to_hold_anything_does_no_harm);
	tcase_add_test(tc, texts_are_copied_with_a_nul_behind);
	tcase_add_test(tc, an_arena_can_be_used_again_after_fini);
	srunner_run_all(sr, getenv("CK_VERBOSE") ? CK_VERBOSE : CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

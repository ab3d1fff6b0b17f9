/* check_slabs.c -- small pieces of memory: nobody's bytes overlap, and all of it goes back. */
#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/slabs.h"

enum { PIECES = 3000 };

static struct slabs s;

struct piece {
	unsigned char *p, mark;
	size_t n;
};

static void
fill(struct piece *x, size_t from, unsigned char mark)
{
	x->mark = mark;
	memset(x->p + from, mark, x->n - from);
}

static void
check_filled(const struct piece *x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (x->p[i] != x->mark)
			ck_abort_msg("byte %zu of a piece of %zu was overwritten", i, x->n);
}

static size_t
any_size(void)
{
	static const size_t most[] = { 16, 64, 300, 1100, 9000, 70000 };

	return 1 + (size_t)random() % most[random() % 6];
}

static void
resize(struct piece *x, size_t n, unsigned char mark)
{
	size_t kept = x->n < n ? x->n : n;

	ck_assert_ptr_nonnull(x->p = slabs_resize(&s, x->p, x->n, n));
	x->n = n;
	check_filled(x, kept);
	fill(x, 0, mark);
}

START_TEST(pieces_of_every_size_are_whole_and_aligned)
{
	slabs_init(&s);
	for (size_t n = 1; n < 3 * SLABS_SMALL; n += 1 + n / 512) {
		struct piece a = { .n = n }, b = { .n = n };

		ck_assert_ptr_nonnull(a.p = slabs_get(&s, n));
		ck_assert_ptr_nonnull(b.p = slabs_get(&s, n));
		ck_assert_uint_eq((uintptr_t)a.p % 16, 0);
		fill(&a, 0, 1);
		fill(&b, 0, 2);
		check_filled(&a, n);
		slabs_put(&s, a.p, n);
		check_filled(&b, n);
		slabs_put(&s, b.p, n);
	}
	slabs_fini(&s);
}
END_TEST

START_TEST(a_random_walk_overwrites_nobody)
{
	static struct piece x[PIECES];

	srandom(7);
	slabs_init(&s);
	for (int i = 0; i < 200000; i++) {
		struct piece *one = &x[random() % PIECES];

		if (!one->p) {
			one->n = any_size();
			ck_assert_ptr_nonnull(one->p = slabs_get(&s, one->n));
			fill(one, 0, (unsigned char)i);
		} else if (random() % 3 == 0) {
			resize(one, any_size(), (unsigned char)i);
		} else {
			check_filled(one, one->n);
			slabs_put(&s, one->p, one->n);
			one->p = NULL;
		}
		if (i % 10007 == 0)
			slabs_trim(&s);
	}
	for (int i = 0; i < PIECES; i++) {
		if (x[i].p)
			check_filled(&x[i], x[i].n);
		slabs_put(&s, x[i].p, x[i].n);
	}
	slabs_fini(&s);
}
END_TEST

START_TEST(nothing_is_resized_from_nothing_and_nothing_is_freed)
{
	unsigned char *p;

	slabs_init(&s);
	slabs_put(&s, NULL, 0);
	ck_assert_ptr_nonnull(p = slabs_resize(&s, NULL, 0, 100));
	memset(p, 1, 100);
	slabs_put(&s, p, 100);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)	/* they abort */
	ck_assert_ptr_null(slabs_get(&s, SIZE_MAX - 8));
#endif
	slabs_fini(&s);
}
END_TEST

/* Else a leak checker speaks up, at the end of a sanitized run. */
START_TEST(pieces_in_use_go_with_their_slabs)
{
	slabs_init(&s);
	for (size_t n = 1; n < 3 * SLABS_SMALL; n += 1 + n / 8)
		for (int i = 0; i < 3; i++) {
			void *p = slabs_get(&s, n);

			ck_assert_ptr_nonnull(p);
			memset(p, 1, n);
			if (i == 1)
				slabs_put(&s, p, n);
			else if (i == 2)
				ck_assert_ptr_nonnull(slabs_resize(&s, p, n, 2 * n));
		}
	slabs_fini(&s);
	ck_assert_ptr_nonnull(slabs_get(&s, 100));	/* as new */
	slabs_fini(&s);
}
END_TEST

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

static long
resident_kb(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	long all, resident;

	ck_assert(f && fscanf(f, "%ld %ld", &all, &resident) == 2);
	fclose(f);
	return resident * 4;
}

static void
burst(void *p[], size_t n, size_t each)
{
	for (size_t i = 0; i < n; i++) {
		ck_assert_ptr_nonnull(p[i] = slabs_get(&s, each));
		memset(p[i], 1, each);
	}
}

START_TEST(memory_of_a_burst_goes_back_to_the_kernel)
{
	enum { N = 100000, EACH = 200 };
	static void *p[N];
	long before, high;

	slabs_init(&s);
	memset(p, 1, sizeof(p));
	before = resident_kb();
	burst(p, N, EACH);
	high = resident_kb();
	ck_assert_int_gt(high - before, N / 1024 * EACH);
	for (size_t i = 0; i < N; i++)
		slabs_put(&s, p[i], EACH);
	ck_assert_int_lt(resident_kb() - before, 1500);
	slabs_trim(&s);
	ck_assert_int_lt(resident_kb() - before, 300);
	burst(p, N, EACH);		/* and what went can come again */
	slabs_fini(&s);			/* frees what is in use */
	ck_assert_int_lt(resident_kb() - before, 300);
}
END_TEST

#endif

int
main(void)
{
	Suite *s1 = suite_create("slabs");
	TCase *tc = tcase_create("slabs");
	SRunner *sr = srunner_create(s1);
	int failed;

	suite_add_tcase(s1, tc);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, pieces_in_use_go_with_their_slabs);
	tcase_add_test(tc, pieces_of_every_size_are_whole_and_aligned);
	tcase_add_test(tc, a_random_walk_overwrites_nobody);
	tcase_add_test(tc, nothing_is_resized_from_nothing_and_nothing_is_freed);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	tcase_add_test(tc, memory_of_a_burst_goes_back_to_the_kernel);
#endif
	srunner_run_all(sr, getenv("CK_VERBOSE") ? CK_VERBOSE : CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

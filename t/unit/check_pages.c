/* check_pages.c -- the set of pages, against a plain array that knows better. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/pages.h"

enum { N = 600 };

static struct page *
make(struct page_pool *pool, uint32_t pgno)
{
	struct page *p = page_get(pool);

	p->pgno = pgno;
	memset(p->data, (int)(pgno & 0xff), sizeof p->data);
	return p;
}

START_TEST(what_was_put_is_found_and_nothing_else)
{
	struct pages s = { 0 };
	struct page_pool pool;
	struct page *truth[N] = { 0 };
	unsigned seed = (unsigned)_i + 1, n = 0;

	page_pool_init(&pool);
	for (int step = 0; step < 20000; step++) {
		uint32_t k = (uint32_t)rand_r(&seed) % N;

		if (rand_r(&seed) % 400 == 0) {
			pages_cut(&s, k, &pool);
			for (uint32_t i = k; i < N; i++)
				n -= truth[i] != NULL, truth[i] = NULL;
		} else if (truth[k]) {
			ck_assert_ptr_eq(pages_take(&s, k), truth[k]);
			page_put(&pool, truth[k]);
			truth[k] = NULL;
			n--;
		} else {
			ck_assert_ptr_null(pages_take(&s, k));
			pages_add(&s, truth[k] = make(&pool, k));
			n++;
		}
		ck_assert_uint_eq(s.n, n);
		if (step % 64 == 0)
			for (uint32_t i = 0; i < N; i++)
				ck_assert_ptr_eq(pages_find(&s, i), truth[i]);
	}
	pages_fini(&s, &pool);
	page_pool_fini(&pool);
}
END_TEST

START_TEST(sorted_gives_all_by_number)
{
	struct pages s = { 0 };
	struct page_pool pool;
	struct page **v;

	page_pool_init(&pool);
	for (uint32_t i = 0; i < 100; i++)
		pages_add(&s, make(&pool, i * 37 % 100));
	v = pages_sorted(&s);
	for (uint32_t i = 0; i < 100; i++)
		ck_assert_uint_eq(v[i]->pgno, i);
	free(v);
	pages_fini(&s, &pool);
	page_pool_fini(&pool);
}
END_TEST

START_TEST(written_pages_are_each_at_their_place_whatever_lies_between)
{
	char path[] = "/tmp/drey-check-XXXXXX", got[PAGE_BYTES];
	struct pages s = { 0 };
	struct page_pool pool;
	struct page **v;
	int fd = mkstemp(path);

	page_pool_init(&pool);
	unlink(path);
	for (uint32_t i = 0; i < 100; i++)
		if (i % 50 != 7) {
			struct page *p = make(&pool, i);

			memset(p->data, (int)i + 1, PAGE_BYTES);
			pages_add(&s, p);
		}
	v = pages_sorted(&s);
	ck_assert_int_eq(pages_write(v, s.n, fd), 0);
	for (uint32_t i = 0; i < 100; i++) {
		ck_assert_int_eq(pread(fd, got, sizeof got, (off_t)i * PAGE_BYTES), PAGE_BYTES);
		for (int k = 0; k < PAGE_BYTES; k++)
			ck_assert_int_eq(got[k], i % 50 != 7 ? (char)(i + 1) : 0);
	}
	close(fd);
	ck_assert_int_eq(pages_write(v, s.n, fd), -1);
	free(v);
	pages_fini(&s, &pool);
	page_pool_fini(&pool);
}
END_TEST

START_TEST(an_emptied_set_gives_its_table_back)
{
	struct pages s = { 0 };
	struct page_pool pool;

	page_pool_init(&pool);
	for (uint32_t i = 0; i < 1000; i++)
		pages_add(&s, make(&pool, i));
	for (uint32_t i = 0; i < 1000; i++)
		page_put(&pool, pages_take(&s, i));
	ck_assert_ptr_null(s.slots);
	page_pool_fini(&pool);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("pages");
	TCase *t = tcase_create("pages");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_loop_test(t, what_was_put_is_found_and_nothing_else, 0, 5);
	tcase_add_test(t, sorted_gives_all_by_number);
	tcase_add_test(t, written_pages_are_each_at_their_place_whatever_lies_between);
	tcase_add_test(t, an_emptied_set_gives_its_table_back);
	suite_add_tcase(s, t);
	srunner_run_all(r, getenv("CK_VERBOSE") ? CK_VERBOSE : CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}

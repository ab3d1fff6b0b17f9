/* check_registry.c -- objects by id. */
#include <check.h>
#include <stdlib.h>

#include "object/registry.h"

static struct object *
object(struct registry *r, unsigned n)
{
	struct object *o = calloc(1, sizeof(*o));

	memcpy(o->id.b, &n, sizeof(n));
	registry_add(r, o);
	return o;
}

START_TEST(an_object_is_found_by_id_until_it_is_removed)
{
	struct registry r;
	struct object *a, *b;
	struct object_id id;

	registry_init(&r);
	a = object(&r, 1), b = object(&r, 2);
	id = a->id;
	ck_assert_ptr_eq(registry_get(&r, &id), a);
	ck_assert_ptr_eq(registry_get(&r, &b->id), b);
	registry_remove(&r, a);
	ck_assert_ptr_null(registry_get(&r, &id));
	registry_remove(&r, b);
	registry_fini(&r);
	free(a);
	free(b);
}
END_TEST

START_TEST(a_random_object_is_any_of_them_and_none_when_there_is_none)
{
	struct registry r;
	struct object *o[4];
	unsigned hits[4] = { 0 };

	registry_init(&r);
	ck_assert_ptr_null(registry_random(&r));
	for (unsigned i = 0; i < 4; i++)
		o[i] = object(&r, i);
	for (int i = 0; i < 4000; i++) {
		struct object *any = registry_random(&r);

		for (unsigned j = 0; j < 4; j++)
			hits[j] += any == o[j];
	}
	for (unsigned i = 0; i < 4; i++) {
		ck_assert_uint_gt(hits[i], 0);
		registry_remove(&r, o[i]);
		free(o[i]);
	}
	registry_fini(&r);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("registry");
	TCase *t = tcase_create("registry");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_test(t, an_object_is_found_by_id_until_it_is_removed);
	tcase_add_test(t, a_random_object_is_any_of_them_and_none_when_there_is_none);
	suite_add_tcase(s, t);
	srunner_run_all(sr, getenv("CK_VERBOSE") ? CK_VERBOSE : CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

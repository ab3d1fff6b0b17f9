/* check_kv.c -- keys and values: bytes, order, ranges, all or none, and what a rollback undoes. */
#include "scratch_db.h"

#include "store/kv.h"
#include "store/sql.h"

static void
put(struct db *db, const char *key, const char *value)
{
	ck_assert_msg(kv_put(db, str_c(key), str_c(value)) == OK, "%s", err_text());
}

/* The value as a string, or "-" when there is none. */
static const char *
get(struct db *db, const char *key)
{
	static char text[256];
	struct str value;
	int rc = kv_get(db, str_c(key), &value);

	ck_assert_msg(rc >= 0, "%s", err_text());
	snprintf(text, sizeof(text), "%.*s", rc ? (int)value.n : 1, rc ? value.p : "-");
	return text;
}

static int
gather(void *arg, struct str key, struct str value)
{
	struct buf *all = arg;

	ck_assert_ptr_nonnull(value.p ? value.p : "");
	buf_c(all, all->n ? " " : "");
	buf_str(all, key);
	return 0;
}

static const char *
list(struct db *db, struct kv_range r)
{
	static char text[512];
	struct buf all = { 0 };

	ck_assert_msg(kv_list(db, &r, gather, &all) == OK, "%s", err_text());
	snprintf(text, sizeof(text), "%s", all.p ? all.p : "");
	buf_fini(&all);
	return text;
}

#define ALL ((struct kv_range){ .limit = -1 })

START_TEST(an_object_that_stored_nothing_answers_without_a_database)
{
	struct scratch s;
	struct str value;
	struct db *db;

	scratch_begin(&s);
	db = scratch_db(&s, 1);
	ck_assert_int_eq(kv_get(db, STR("k"), &value), 0);
	ck_assert_ptr_null(value.p);
	ck_assert_int_eq(kv_delete(db, STR("k")), 0);
	ck_assert_str_eq(list(db, ALL), "");
	ck_assert(!db_exists(db));
	ck_assert(!db_dirty(db));
	ck_assert_int_eq(s.dirtied, 0);
	ck_assert_int_eq(db_free(&db), OK);
	scratch_end(&s);
}
END_TEST

START_TEST(what_was_put_is_got_replaced_and_deleted)
{
	struct scratch s;
	struct db *db;

	scratch_begin(&s);
	db = scratch_db(&s, 1);
	put(db, "a", "1");
	put(db, "b", "2");
	ck_assert_int_eq(s.dirtied, 1);
	put(db, "a", "one");
	ck_assert_str_eq(get(db, "a"), "one");
	ck_assert_str_eq(get(db, "b"), "2");
	ck_assert_str_eq(get(db, "c"), "-");
	ck_assert_int_eq(kv_delete(db, STR("a")), 1);
	ck_assert_int_eq(kv_delete(db, STR("a")), 0);
	ck_assert_str_eq(get(db, "a"), "-");
	scratch_commit(db);
	ck_assert_int_eq(kv_delete(db, STR("b")), 1);
	ck_assert_int_eq(s.dirtied, 2);
	scratch_commit(db);
	ck_assert_int_eq(db_free(&db), OK);
	scratch_end(&s);
}
END_TEST

START_TEST(keys_and_values_are_any_bytes_and_sort_by_them)
{
	static const struct str keys[] = {	/* in the order they must come out */
		STR(""), STR("\0"), STR("\0\0"), STR("\0a"), STR("A"), STR("a"), STR("a\0"), STR("a\0b"), STR("a\x01"), STR("ab"),
		STR("\x7f"), STR("\xc3\xa4"), STR("\xfe"), STR("\xff"), STR("\xff\xff"),
	};
	enum { N = sizeof(keys) / sizeof(keys[0]) };
	struct scratch s;
	struct str value;
	struct buf all = { 0 }, expected = { 0 };
	struct db *db;

	scratch_begin(&s);
	db = scratch_db(&s, 1);
	for (int i = 0; i < N; i++)
		ck_assert_int_eq(kv_put(db, keys[(i * 7 + 3) % N], keys[(i * 7 + 3) % N]), OK);
	for (int i = 0; i < N; i++) {
		ck_assert_int_eq(kv_get(db, keys[i], &value), 1);
		ck_assert(value.p != NULL && str_eq(value, keys[i]));
		buf_c(&expected, expected.n ? " " : "");
		buf_str(&expected, keys[i]);
	}
	ck_assert_int_eq(kv_list(db, &ALL, gather, &all), OK);
	ck_assert(str_eq(buf_slice(&all), buf_slice(&expected)));
	ck_assert_int_eq(kv_delete(db, STR("")), 1);
	ck_assert_int_eq(kv_delete(db, STR("a\0b")), 1);
	ck_assert_int_eq(kv_get(db, STR("a\0b"), &value), 0);
	ck_assert_int_eq(kv_get(db, STR("a\0"), &value), 1);
	buf_fini(&all);
	buf_fini(&expected);
	ck_assert_int_eq(db_free(&db), OK);
	scratch_end(&s);
}
END_TEST

START_TEST(a_list_keeps_its_bounds_in_both_directions)
{
	struct scratch s;
	struct db *db;

	scratch_begin(&s);
	db = scratch_db(&s, 1);
	for (const char *k = "dbfaec"; *k; k++)
		ck_assert_int_eq(kv_put(db, str_n(k, 1), STR("v")), OK);
	ck_assert_str_eq(list(db, ALL), "a b c d e f");
	ck_assert_str_eq(list(db, (struct kv_range){ .limit = -1, .reverse = true }), "f e d c b a");
	ck_assert_str_eq(list(db, (struct kv_range){ STR("b"), STR("e"), false, -1 }), "b c d");
	ck_assert_str_eq(list(db, (struct kv_range){ STR("b"), STR("e"), true, -1 }), "d c b");
	ck_assert_str_eq(list(db, (struct kv_range){ STR("b"), STR("e"), false, 2 }), "b c");
	ck_assert_str_eq(list(db, (struct kv_range){ STR("b"), STR("e"), true, 2 }), "d c");
	ck_assert_str_eq(list(db, (struct kv_range){ STR("bb"), { NULL, 0 }, false, -1 }), "c d e f");
	ck_assert_str_eq(list(db, (struct kv_range){ { NULL, 0 }, STR("c"), false, -1 }), "a b");
	ck_assert_str_eq(list(db, (struct kv_range){ STR("e"), STR("b"), false, -1 }), "");
	ck_assert_str_eq(list(db, (struct kv_range){ STR("b"), STR("b"), false, -1 }), "");
	ck_assert_str_eq(list(db, (struct kv_range){ { NULL, 0 }, STR(""), false, -1 }), "");
	ck_assert_str_eq(list(db, (struct kv_range){ .limit = 0 }), "");
	ck_assert_int_eq(db_free(&db), OK);
	scratch_end(&s);
}
END_TEST

static int
stop_at_c(void *arg, struct str key, struct str value)
{
	(void)value;
	++*(int *)arg;
	return key.p[0] == 'c' ? 77 : 0;
}

static int
list_again(void *arg, struct str key, struct str value)
{
	struct db *db = arg;

	(void)key;
	(void)value;
	ck_assert_str_eq(list(db, ALL), "a b c d");
	ck_assert_str_eq(get(db, "d"), "4");
	return 0;
}

START_TEST(a_list_stops_when_told_and_may_read_inside)
{
	struct scratch s;
	struct db *db;
	int calls = 0;

	scratch_begin(&s);
	db = scratch_db(&s, 1);
	put(db, "a", "1");
	put(db, "b", "2");
	put(db, "c", "3");
	put(db, "d", "4");
	ck_assert_int_eq(kv_list(db, &ALL, stop_at_c, &calls), 77);
	ck_assert_int_eq(calls, 3);
	ck_assert_int_eq(kv_list(db, &ALL, list_again, db), OK);
	scratch_commit(db);		/* nothing of the list is left open */
	ck_assert_int_eq(db_free(&db), OK);
	scratch_end(&s);
}
END_TEST

static const char *
narrowed(struct kv_range r, struct str prefix)
{
	static char text[64];
	struct buf scratch = { 0 };

	if (!kv_range_prefix(&r, prefix, &scratch))
		snprintf(text, sizeof(text), "nothing");
	else
		snprintf(text, sizeof(text), "%.*s..%.*s", (int)r.start.n, r.start.p, r.end.p ? (int)r.end.n : 1, r.end.p ? r.end.p : "*");
	buf_fini(&scratch);
	return text;
}

START_TEST(a_prefix_narrows_a_range)
{
	static const struct {
		const char *start, *end, *prefix, *answer;
	} cases[] = {
		{ NULL, NULL, "user:", "user:..user;" }, { NULL, NULL, "", "..*" }, { NULL, NULL, "\xff", "\xff..*" },
		{ NULL, NULL, "a\xff\xff", "a\xff\xff..b" }, { "user:5", NULL, "user:", "user:5..user;" },
		{ "a", NULL, "user:", "user:..user;" }, { "user;", NULL, "user:", "nothing" }, { "z", NULL, "user:", "nothing" },
		{ NULL, "user:7", "user:", "user:..user:7" }, { NULL, "user:", "user:", "nothing" }, { NULL, "a", "user:", "nothing" },
		{ NULL, "z", "user:", "user:..user;" }, { "user:7", "user:3", "user:", "nothing" }, { NULL, "", "", "nothing" },
		{ "b", "d", "", "b..d" }, { "\xff\xff", NULL, "\xff", "\xff\xff..*" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct kv_range r = { str_c(cases[i].start), str_c(cases[i].end), false, -1 };

		ck_assert_str_eq(narrowed(r, str_c(cases[i].prefix)), cases[i].answer);
	}
}
END_TEST

START_TEST(what_is_committed_is_there_after_the_object_slept_and_the_server_restarted)
{
	struct scratch s;
	struct db *db;

	scratch_begin(&s);
	db = scratch_db(&s, 1);
	put(db, "kept", "yes");
	scratch_commit(db);
	put(db, "open", "lost");
	ck_assert_int_eq(db_free(&db), OK);	/* rolls back what is open */
	db = scratch_db(&s, 1);
	ck_assert(db_exists(db));
	ck_assert_str_eq(get(db, "kept"), "yes");
	ck_assert_str_eq(get(db, "open"), "-");
	ck_assert_int_eq(db_free(&db), OK);
	scratch_close(&s);
	scratch_open(&s);
	db = scratch_db(&s, 1);
	ck_assert_str_eq(get(db, "kept"), "yes");
	put(db, "kept", "still");
	scratch_commit(db);
	ck_assert_int_eq(db_free(&db), OK);
	db = scratch_db(&s, 1);
	ck_assert_str_eq(get(db, "kept"), "still");
	ck_assert_int_eq(db_free(&db), OK);
	scratch_end(&s);
}
END_TEST

START_TEST(a_rollback_undoes_the_table_too_and_it_is_made_again)
{
	struct scratch s;
	struct db *db;

	scratch_begin(&s);
	db = scratch_db(&s, 1);
	put(db, "k", "1");
	db_rollback(db);
	ck_assert(!db_dirty(db));
	ck_assert_str_eq(get(db, "k"), "-");
	put(db, "k", "2");
	scratch_commit(db);
	put(db, "k", "3");
	db_rollback(db);
	ck_assert_str_eq(get(db, "k"), "2");
	ck_assert_int_eq(db_free(&db), OK);
	scratch_end(&s);
}
END_TEST

START_TEST(a_table_made_in_a_savepoint_goes_with_it)
{
	struct scratch s;
	struct db *db;

	scratch_begin(&s);
	db = scratch_db(&s, 1);
	ck_assert_int_eq(sql_savepoint(db), OK);
	ck_assert_int_eq(sql_savepoint(db), OK);
	put(db, "k", "1");
	ck_assert_int_eq(sql_release(db, true), OK);	/* now the outer one's */
	ck_assert_str_eq(get(db, "k"), "1");
	ck_assert_int_eq(sql_release(db, false), OK);
	ck_assert_str_eq(get(db, "k"), "-");
	ck_assert_str_eq(list(db, ALL), "");
	ck_assert_int_eq(kv_delete(db, STR("k")), 0);
	put(db, "k", "2");
	ck_assert_int_eq(sql_savepoint(db), OK);
	put(db, "k", "3");
	ck_assert_int_eq(sql_release(db, false), OK);
	ck_assert_str_eq(get(db, "k"), "2");
	scratch_commit(db);
	ck_assert_int_eq(db_free(&db), OK);
	scratch_end(&s);
}
END_TEST

START_TEST(a_table_outlives_savepoints_that_came_after_it)
{
	struct scratch s;
	struct db *db;

	scratch_begin(&s);
	db = scratch_db(&s, 1);
	ck_assert_int_eq(sql_savepoint(db), OK);
	ck_assert_int_eq(sql_savepoint(db), OK);
	put(db, "k", "1");
	ck_assert_int_eq(sql_release(db, true), OK);
	ck_assert_int_eq(sql_savepoint(db), OK);
	put(db, "k", "2");
	ck_assert_int_eq(sql_release(db, false), OK);	/* not the one it was made in */
	ck_assert_str_eq(get(db, "k"), "1");
	ck_assert_int_eq(sql_release(db, false), OK);
	ck_assert_str_eq(get(db, "k"), "-");
	put(db, "k", "3");
	scratch_commit(db);
	ck_assert_str_eq(get(db, "k"), "3");
	ck_assert_int_eq(db_free(&db), OK);
	scratch_end(&s);
}
END_TEST

START_TEST(a_batch_is_all_or_none_and_leaves_earlier_writes_alone)
{
	struct scratch s;
	struct db *db;
	size_t n = 40u << 20;		/* above the limit of one value */
	char *large = xcalloc(1, n);

	scratch_begin(&s);
	db = scratch_db(&s, 1);
	put(db, "before", "1");
	ck_assert_int_eq(kv_batch_begin(db), OK);
	put(db, "a", "1");
	put(db, "before", "2");
	ck_assert_int_eq(kv_put(db, STR("b"), str_n(large, n)), ERR_STORE);
	ck_assert_said("string or blob too big: SQLITE_TOOBIG");
	ck_assert(!db_broken(db));
	ck_assert_int_eq(kv_batch_end(db, false), OK);
	ck_assert_str_eq(list(db, ALL), "before");
	ck_assert_str_eq(get(db, "before"), "1");
	ck_assert_int_eq(kv_batch_begin(db), OK);
	put(db, "a", "1");
	put(db, "b", "2");
	ck_assert_int_eq(kv_batch_end(db, true), OK);
	scratch_commit(db);
	db_rollback(db);
	ck_assert_str_eq(list(db, ALL), "a b before");
	ck_assert_int_eq(db_free(&db), OK);
	scratch_end(&s);
	free(large);
}
END_TEST

START_TEST(a_large_value_comes_back_and_its_memory_is_not_kept)
{
	struct scratch s;
	struct db *db;
	struct str value;
	size_t n = 3u << 20;
	char *large = xcalloc(1, n);

	for (size_t i = 0; i < n; i++)
		large[i] = (char)(i * 31);
	scratch_begin(&s);
	db = scratch_db(&s, 1);
	ck_assert_int_eq(kv_put(db, STR("large"), str_n(large, n)), OK);
	put(db, "small", "1");
	scratch_commit(db);
	ck_assert_int_eq(kv_get(db, STR("large"), &value), 1);
	ck_assert(str_eq(value, str_n(large, n)));
	ck_assert_str_eq(get(db, "small"), "1");
	ck_assert_int_eq(db_free(&db), OK);
	scratch_end(&s);
	free(large);
}
END_TEST

START_TEST(delete_all_takes_the_keys_and_the_table)
{
	struct scratch s;
	struct db *db;

	scratch_begin(&s);
	db = scratch_db(&s, 1);
	put(db, "a", "1");
	scratch_commit(db);
	ck_assert_int_eq(db_delete_all(db), OK);
	ck_assert_str_eq(get(db, "a"), "-");
	put(db, "b", "2");
	scratch_commit(db);
	ck_assert_str_eq(list(db, ALL), "b");
	ck_assert_int_eq(db_free(&db), OK);
	scratch_end(&s);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("kv");
	TCase *tc = tcase_create("kv");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, an_object_that_stored_nothing_answers_without_a_database);
	tcase_add_test(tc, what_was_put_is_got_replaced_and_deleted);
	tcase_add_test(tc, keys_and_values_are_any_bytes_and_sort_by_them);
	tcase_add_test(tc, a_list_keeps_its_bounds_in_both_directions);
	tcase_add_test(tc, a_list_stops_when_told_and_may_read_inside);
	tcase_add_test(tc, a_prefix_narrows_a_range);
	tcase_add_test(tc, what_is_committed_is_there_after_the_object_slept_and_the_server_restarted);
	tcase_add_test(tc, a_rollback_undoes_the_table_too_and_it_is_made_again);
	tcase_add_test(tc, a_table_made_in_a_savepoint_goes_with_it);
	tcase_add_test(tc, a_table_outlives_savepoints_that_came_after_it);
	tcase_add_test(tc, a_batch_is_all_or_none_and_leaves_earlier_writes_alone);
	tcase_add_test(tc, a_large_value_comes_back_and_its_memory_is_not_kept);
	tcase_add_test(tc, delete_all_takes_the_keys_and_the_table);
	srunner_run_all(sr, getenv("CK_VERBOSE") ? CK_VERBOSE : CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* check_journal.c -- numbers, group commit, segments, failure. */
#include <check.h>
#include <dirent.h>
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "store/journal.h"
#include "store/record.h"

static char dir[256];
static struct failure failure;
static struct journal *journal;
static int rotations, told;

static void
on_durable(void *arg)
{
	(void)arg;
	__atomic_add_fetch(&told, 1, __ATOMIC_SEQ_CST);
}

static void
on_rotate(void *arg)
{
	(void)arg;
	__atomic_add_fetch(&rotations, 1, __ATOMIC_SEQ_CST);
}

static void
on_failure(void *arg)
{
	(void)arg;
	journal_wake(journal);
}

static void
begin(uint64_t segment_max)
{
	const char *tmp = getenv("TMPDIR");
	struct journal_options o = {
		.dir = dir, .segment_max = segment_max, .first_segment = 1, .last_commit = 40, .failure = &failure,
		.on_durable = on_durable, .on_rotate = on_rotate
	};

	snprintf(dir, sizeof dir, "%s/drey-check-XXXXXX", tmp ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	failure_init(&failure, on_failure, NULL);
	journal = journal_new(&o);
	ck_assert_ptr_nonnull(journal);
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st, (void)kind, (void)ftw;
	return remove(path);
}

static void
end(void)
{
	if (journal)
		journal_free(&journal);
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static int
files(void)
{
	DIR *d = opendir(dir);
	int n = 0;

	for (struct dirent *e; (e = readdir(d));)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

/* One record with n bytes of text in its page. */
static int
append(size_t n, uint64_t segment, uint64_t *commit)
{
	static const unsigned char id[RECORD_ID];
	unsigned char page[PAGE_BYTES] = { 0 };
	struct record rec = { .size = 1, .app = STR("a"), .class_name = STR("C"), .id = id };
	struct buf b = { 0 };
	uint64_t body;
	int rc;

	memset(page, 'x', n);
	record_begin(&b, &rec);
	record_page(&b, 0, NULL, page);
	record_end(&b, &body);
	rc = journal_append(journal, segment, &b, body, commit);
	buf_fini(&b);
	return rc;
}

static uint64_t
append_somewhere(size_t n)
{
	uint64_t commit = 0;
	int rc;

	while ((rc = append(n, journal_segment(journal), &commit)) == JOURNAL_ROTATED)
		;
	ck_assert_msg(rc == OK, "%s", err_text());
	return commit;
}

START_TEST(commits_get_consecutive_numbers)
{
	begin(1 << 20);
	ck_assert_int_eq(files(), 0);
	for (uint64_t i = 41; i < 60; i++)
		ck_assert_uint_eq(append_somewhere(10), i);
	ck_assert_int_eq(journal_wait(journal, 59), OK);
	ck_assert_uint_ge(journal_durable(journal), 59);
	end();
}
END_TEST

START_TEST(what_nobody_waits_for_is_written_soon)
{
	int64_t until = clock_ms() + 5000;

	begin(1 << 20);
	append_somewhere(10);
	while (journal_durable(journal) < 41 && clock_ms() < until)
		usleep(200);
	ck_assert_uint_eq(journal_durable(journal), 41);
	end();
}
END_TEST

static void *
writer(void *arg)
{
	(void)arg;
	for (int i = 0; i < 300; i++) {
		uint64_t commit = append_somewhere(20);

		if (journal_wait(journal, commit) != OK || journal_durable(journal) < commit)
			return "not durable after the wait";
	}
	return NULL;
}

START_TEST(threads_share_their_syncs)
{
	struct journal_stats s;
	pthread_t t[8];
	void *said;

	begin(1 << 20);
	for (int i = 0; i < 8; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, writer, NULL), 0);
	for (int i = 0; i < 8; i++) {
		pthread_join(t[i], &said);
		ck_assert_msg(!said, "%s", (char *)said);
	}
	journal_stats(journal, &s);
	ck_assert_uint_eq(s.commits, 2400);
	ck_assert_msg(s.syncs < s.commits, "%llu syncs of %llu commits", (unsigned long long)s.syncs, (unsigned long long)s.commits);
	end();
}
END_TEST

START_TEST(a_full_segment_asks_for_the_record_anew)
{
	uint64_t commit = 0, last;

	begin(8 << 10);
	ck_assert_int_eq(append(3000, 1, &commit), OK);
	ck_assert_int_eq(append(3000, 1, &commit), OK);
	ck_assert_int_eq(append(3000, 1, &commit), JOURNAL_ROTATED);
	ck_assert_uint_eq(journal_segment(journal), 2);
	ck_assert_int_eq(rotations, 1);
	ck_assert_msg(append(3000, 1, &commit) == JOURNAL_ROTATED, "a record encoded for an old segment must not get in");
	ck_assert_int_eq(append(3000, 2, &commit), OK);
	ck_assert_uint_eq(commit, 43);
	ck_assert_uint_eq(journal_closed(journal, &last), 1);
	ck_assert_uint_eq(last, 42);
	end();
}
END_TEST

START_TEST(a_record_larger_than_a_segment_gets_one_of_its_own)
{
	begin(1 << 10);
	append_somewhere(10);
	ck_assert_int_eq(journal_wait(journal, append_somewhere(4000)), OK);
	ck_assert_int_eq(journal_wait(journal, append_somewhere(10)), OK);
	ck_assert_uint_eq(journal_segment(journal), 3);
	end();
}
END_TEST

START_TEST(retired_segments_are_used_again)
{
	uint64_t last, closed;

	begin(8 << 10);
	for (int i = 0; i < 200; i++) {
		ck_assert_int_eq(journal_wait(journal, append_somewhere(3000)), OK);
		if ((closed = journal_closed(journal, &last)))
			ck_assert_int_eq(journal_retire(journal, closed), OK);
		ck_assert_int_le(files(), 3);
	}
	ck_assert_uint_gt(journal_segment(journal), 50);
	journal_free(&journal);
	ck_assert_msg(files() == 0, "a clean stop leaves no journal");
	end();
}
END_TEST

START_TEST(retiring_beside_writing_loses_no_spare)
{
	pthread_t t[2];
	uint64_t last, closed;
	void *said;

	begin(2 << 10);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, writer, NULL), 0);
	for (int i = 0; i < 3000 && !failure_is(&failure); i++)
		if ((closed = journal_closed(journal, &last)) && last <= journal_durable(journal))
			journal_retire(journal, closed);
	for (int i = 0; i < 2; i++) {
		pthread_join(t[i], &said);
		ck_assert_msg(!said, "%s", (char *)said);
	}
	ck_assert_msg(!failure_is(&failure), "%s", failure.text);
	end();
}
END_TEST

START_TEST(a_failed_open_is_final)
{
	uint64_t commit;

	begin(1 << 20);
	ck_assert_int_eq(rmdir(dir), 0);
	commit = append_somewhere(10);
	ck_assert_int_eq(journal_wait(journal, commit), ERR_STORE);
	ck_assert_ptr_nonnull(strstr(err_text(), "0000000000000001.log: No such file or directory"));
	ck_assert_uint_eq(journal_durable(journal), 40);
	ck_assert_int_eq(append(10, 1, &commit), ERR_STORE);
	ck_assert_ptr_nonnull(strstr(err_text(), "0000000000000001.log"));
	end();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("journal");
	TCase *t = tcase_create("journal");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_set_timeout(t, 120);
	tcase_add_test(t, commits_get_consecutive_numbers);
	tcase_add_test(t, what_nobody_waits_for_is_written_soon);
	tcase_add_test(t, threads_share_their_syncs);
	tcase_add_test(t, a_full_segment_asks_for_the_record_anew);
	tcase_add_test(t, a_record_larger_than_a_segment_gets_one_of_its_own);
	tcase_add_test(t, retired_segments_are_used_again);
	tcase_add_test(t, retiring_beside_writing_loses_no_spare);
	tcase_add_test(t, a_failed_open_is_final);
	suite_add_tcase(s, t);
	srunner_run_all(r, getenv("CK_VERBOSE") ? CK_VERBOSE : CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}

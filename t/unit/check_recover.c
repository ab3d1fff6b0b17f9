/* check_recover.c -- what a start makes of the journal it finds.
 *
 * The segments are written here by hand, so that each can be damaged in its
 * own way.
 */
#include <check.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "store/journal.h"
#include "store/paths.h"
#include "store/record.h"
#include "store/recover.h"
#include "store/store.h"

static char dir[256], journal_dir[300];
static const unsigned char id[RECORD_ID] = { 0xcd };

static void
begin(void)
{
	const char *tmp = getenv("TMPDIR");

	log_open("/dev/null", LOG_ERROR);
	snprintf(dir, sizeof dir, "%s/drey-check-XXXXXX", tmp ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(journal_dir, sizeof journal_dir, "%s/journal", dir);
	ck_assert_int_eq(mkdir(journal_dir, 0700), 0);
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
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- writing ---- */

static void
head(struct buf *b, uint64_t segment, uint64_t first)
{
	char h[SEGMENT_HEAD];

	segment_head(h, segment, first);
	buf_add(b, h, sizeof h);
}

/* A commit that sets all of one page to a letter; before: what it was, 0 for a whole page; page -1: none. */
static void
commit(struct buf *b, uint64_t segment, uint64_t number, uint32_t keep, uint32_t size, int page, char before, char after)
{
	struct record r = { .keep = keep, .size = size, .app = STR("app"), .class_name = STR("Thing"), .id = id };
	unsigned char old[PAGE_BYTES], new[PAGE_BYTES];
	struct buf rec = { 0 };
	uint64_t body;

	memset(old, before, sizeof old);
	memset(new, after, sizeof new);
	record_begin(&rec, &r);
	if (page >= 0)
		record_page(&rec, (uint32_t)page, before ? old : NULL, new);
	record_end(&rec, &body);
	record_stamp(rec.p, body, segment, number);
	buf_add(b, rec.p, rec.n);
	buf_fini(&rec);
}

static void
save(struct buf *b, uint64_t segment)
{
	char path[4096];
	int fd;

	journal_path(path, sizeof path, journal_dir, segment);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ck_assert_int_eq(write(fd, b->p, b->n), (ssize_t)b->n);
	close(fd);
	buf_fini(b);
}

/* ---- looking ---- */

static int
run(struct recovered *out)
{
	struct map klasses;
	int rc;

	map_init(&klasses);
	rc = recover(dir, journal_dir, &klasses, out);
	klass_free_all(&klasses);
	return rc;
}

static void
file_path(char path[400])
{
	int n = snprintf(path, 400, "%s/app/Thing/cd/cd", dir);

	for (int i = 1; i < 32; i++)
		n += snprintf(path + n, 400 - (size_t)n, "00");
	snprintf(path + n, 400 - (size_t)n, ".sqlite");
}

/* One letter per page of the file, '.' for zeros, "" when there is none. */
static const char *
file(void)
{
	static char letters[64];
	char path[400], page[PAGE_BYTES];
	int fd, n = 0;

	file_path(path);
	fd = open(path, O_RDONLY);
	while (fd >= 0 && read(fd, page, sizeof page) == sizeof page) {
		for (int i = 1; i < PAGE_BYTES; i++)
			ck_assert_int_eq(page[i], page[0]);
		letters[n++] = page[0] ? page[0] : '.';
	}
	letters[n] = '\0';
	if (fd >= 0)
		close(fd);
	return letters;
}

static int
segments(void)
{
	char command[400], answer[16] = "";
	FILE *f;

	snprintf(command, sizeof command, "ls %s | wc -l", journal_dir);
	f = popen(command, "r");
	ck_assert_ptr_nonnull(fgets(answer, sizeof answer, f));
	pclose(f);
	return atoi(answer);
}

/* ---- scenes ---- */

START_TEST(an_empty_journal_is_no_work)
{
	struct recovered r;

	begin();
	ck_assert_int_eq(run(&r), OK);
	ck_assert_uint_eq(r.records, 0);
	end();
}
END_TEST

START_TEST(records_become_the_file_and_the_segments_go)
{
	struct buf b = { 0 };
	struct recovered r;

	begin();
	head(&b, 7, 100);
	commit(&b, 7, 100, 0, 2, 0, 0, 'a');
	commit(&b, 7, 101, 2, 2, 1, 0, 'b');
	commit(&b, 7, 102, 2, 2, 0, 'a', 'c');
	save(&b, 7);
	head(&b, 8, 103);
	commit(&b, 8, 103, 2, 3, 2, 0, 'd');
	buf_add(&b, (char[5000]){ 0 }, 5000);	/* filled ahead */
	save(&b, 8);
	ck_assert_int_eq(run(&r), OK);
	ck_assert_uint_eq(r.records, 4);
	ck_assert_uint_eq(r.last_commit, 103);
	ck_assert_uint_eq(r.last_segment, 8);
	ck_assert_str_eq(file(), "cbd");
	ck_assert_int_eq(segments(), 0);
	ck_assert_int_eq(run(&r), OK);
	ck_assert_uint_eq(r.records, 0);
	ck_assert_str_eq(file(), "cbd");
	end();
}
END_TEST

START_TEST(replaying_onto_a_later_state_gives_the_later_state)
{
	struct buf b = { 0 };
	struct recovered r;

	begin();
	for (int again = 0; again < 2; again++) {
		head(&b, 1, 1);
		commit(&b, 1, 1, 0, 3, 0, 0, 'a');
		commit(&b, 1, 2, 3, 3, 2, 0, 'x');
		commit(&b, 1, 3, 1, 1, -1, 0, 0);	/* shrinks to one page */
		commit(&b, 1, 4, 1, 4, 3, 0, 'e');	/* grows past pages that were never written */
		save(&b, 1);
		ck_assert_int_eq(run(&r), OK);
		ck_assert_str_eq(file(), "a..e");
	}
	end();
}
END_TEST

START_TEST(what_stands_before_a_settled_record_is_not_replayed)
{
	struct buf b = { 0 };
	struct recovered r;

	begin();
	head(&b, 1, 1);
	commit(&b, 1, 1, 0, 2, 0, 0, 'a');
	commit(&b, 1, 2, 2, 2, 1, 0, 'b');
	save(&b, 1);
	ck_assert_int_eq(run(&r), OK);
	head(&b, 2, 3);
	commit(&b, 2, 3, 0, 3, 2, 0, 'x');
	commit(&b, 2, 4, RECORD_SETTLED, RECORD_SETTLED, -1, 0, 0);
	save(&b, 2);
	ck_assert_int_eq(run(&r), OK);
	ck_assert_uint_eq(r.last_commit, 4);
	ck_assert_str_eq(file(), "ab");
	head(&b, 3, 5);
	commit(&b, 3, 5, 0, 3, 2, 0, 'x');
	commit(&b, 3, 6, RECORD_SETTLED, RECORD_SETTLED, -1, 0, 0);
	commit(&b, 3, 7, 2, 2, 0, 0, 'c');
	save(&b, 3);
	ck_assert_int_eq(run(&r), OK);
	ck_assert_str_eq(file(), "cb");
	end();
}
END_TEST

START_TEST(what_was_cut_off_reads_as_zeros_when_it_grows_again)
{
	struct buf b = { 0 };
	struct recovered r;
	char path[400];
	int fd;

	begin();
	head(&b, 1, 1);
	commit(&b, 1, 1, 0, 1, 0, 0, 'a');
	save(&b, 1);
	ck_assert_int_eq(run(&r), OK);
	file_path(path);
	fd = open(path, O_WRONLY | O_APPEND);
	for (int i = 0; i < 3 * PAGE_BYTES; i++)
		ck_assert_int_eq(write(fd, "z", 1), 1);
	close(fd);
	head(&b, 2, 2);
	commit(&b, 2, 2, 0, 4, 3, 0, 'n');		/* deleteAll and a new life in one commit */
	save(&b, 2);
	ck_assert_int_eq(run(&r), OK);
	ck_assert_str_eq(file(), "...n");
	end();
}
END_TEST

START_TEST(a_deleted_database_has_no_file)
{
	struct buf b = { 0 };
	struct recovered r;

	begin();
	head(&b, 1, 1);
	commit(&b, 1, 1, 0, 1, 0, 0, 'a');
	save(&b, 1);
	ck_assert_int_eq(run(&r), OK);
	ck_assert_str_eq(file(), "a");
	head(&b, 2, 2);
	commit(&b, 2, 2, 0, 0, -1, 0, 0);
	save(&b, 2);
	ck_assert_int_eq(run(&r), OK);
	char path[400];
	file_path(path);
	ck_assert_int_ne(access(path, F_OK), 0);
	end();
}
END_TEST

/* Cut anywhere in its last record, the journal gives what came before. */
START_TEST(a_torn_tail_ends_the_journal)
{
	struct recovered r;
	size_t whole, n;

	for (int step = 0; step < 40; step++) {
		struct buf b = { 0 };

		begin();
		head(&b, 1, 1);
		commit(&b, 1, 1, 0, 1, 0, 0, 'a');
		whole = b.n;
		commit(&b, 1, 2, 1, 1, 0, 'a', 'b');
		n = b.n;
		b.n = whole + (n - whole) * (size_t)step / 40;
		if (step % 2)				/* the rest is there, but is something else */
			memset(b.p + b.n, 0x5a, n - b.n), b.n = n;
		save(&b, 1);
		ck_assert_int_eq(run(&r), OK);
		ck_assert_uint_eq(r.last_commit, 1);
		ck_assert_str_eq(file(), "a");
		end();
	}
}
END_TEST

/* Two segments; the first is damaged by hurt() while the second goes on. */
static void
damaged(void (*hurt)(struct buf *, size_t first_end), const char *said)
{
	struct buf b = { 0 };
	struct recovered r;
	size_t first;

	begin();
	head(&b, 1, 1);
	commit(&b, 1, 1, 0, 1, 0, 0, 'a');
	first = b.n;
	commit(&b, 1, 2, 1, 1, 0, 'a', 'b');
	hurt(&b, first);
	save(&b, 1);
	head(&b, 2, 3);
	commit(&b, 2, 3, 1, 1, 0, 0, 'c');
	save(&b, 2);
	ck_assert_int_eq(run(&r), ERR_CORRUPT);
	ck_assert_msg(strstr(err_text(), said), "said: %s", err_text());
	ck_assert_ptr_nonnull(strstr(err_text(), "0000000000000001.log"));
	ck_assert_str_eq(file(), "");
	ck_assert_int_eq(segments(), 2);
	end();
}

static void
flip_last(struct buf *b, size_t first_end)
{
	b->p[first_end + 40] ^= 1;
}

static void
flip_first(struct buf *b, size_t first_end)
{
	(void)first_end;
	b->p[SEGMENT_HEAD + 40] ^= 1;
}

static void
flip_head(struct buf *b, size_t first_end)
{
	(void)first_end;
	b->p[20] ^= 1;
}

static void
cut_short(struct buf *b, size_t first_end)
{
	b->n = first_end;
}

static void
cut_to_nothing(struct buf *b, size_t first_end)
{
	(void)first_end;
	b->n = 0;
}

START_TEST(damage_before_later_records_is_corruption_and_touches_nothing)
{
	static const struct { void (*hurt)(struct buf *, size_t); const char *said; } ways[] = {
		{ flip_last, "cannot be read at byte 4" },	/* 32 + a record of some 40x bytes */
		{ flip_first, "cannot be read at byte 32, where" },
		{ flip_head, "cannot be read at byte 0, where" },
		{ cut_short, "where commit 2 should be" },
		{ cut_to_nothing, "goes on at byte 32 with commit 3" },
	};

	damaged(ways[_i].hurt, ways[_i].said);
}
END_TEST

START_TEST(a_missing_segment_is_corruption)
{
	struct buf b = { 0 };
	struct recovered r;

	begin();
	head(&b, 1, 1);
	commit(&b, 1, 1, 0, 1, 0, 0, 'a');
	save(&b, 1);
	head(&b, 3, 3);
	commit(&b, 3, 3, 1, 1, 0, 0, 'c');
	save(&b, 3);
	ck_assert_int_eq(run(&r), ERR_CORRUPT);
	ck_assert_ptr_nonnull(strstr(err_text(), "where commit 2 should be"));
	ck_assert_int_eq(segments(), 2);
	end();
}
END_TEST

START_TEST(a_change_of_a_page_never_given_whole_is_corruption)
{
	struct buf b = { 0 };
	struct recovered r;

	begin();
	head(&b, 1, 1);
	commit(&b, 1, 1, 2, 2, 1, 'a', 'b');
	save(&b, 1);
	ck_assert_int_eq(run(&r), ERR_CORRUPT);
	ck_assert_ptr_nonnull(strstr(err_text(), "at byte 32: page 1 is changed before it was given whole"));
	end();
}
END_TEST

START_TEST(an_unused_last_segment_and_a_spare_are_swept_away)
{
	struct buf b = { 0 };
	struct recovered r;
	char spare[320];

	begin();
	head(&b, 1, 1);
	commit(&b, 1, 1, 0, 1, 0, 0, 'a');
	save(&b, 1);
	head(&b, 1, 1);				/* recycled: still the old head and records */
	commit(&b, 1, 1, 0, 1, 0, 0, 'z');
	save(&b, 5);
	snprintf(spare, sizeof spare, "%s/spare", journal_dir);
	close(open(spare, O_WRONLY | O_CREAT, 0600));
	ck_assert_int_eq(run(&r), OK);
	ck_assert_uint_eq(r.last_segment, 5);
	ck_assert_str_eq(file(), "a");
	ck_assert_int_eq(segments(), 0);
	end();
}
END_TEST

START_TEST(many_small_records_become_one_page)
{
	struct buf b = { 0 };
	struct recovered r;
	enum { N = 3000 };

	begin();
	head(&b, 1, 1);
	commit(&b, 1, 1, 0, 1, 0, 0, 'a');
	for (uint64_t i = 2; i <= N; i++)
		commit(&b, 1, i, 1, 1, 0, i % 2 ? 'b' : 'a', i % 2 ? 'a' : 'b');
	save(&b, 1);
	ck_assert_int_eq(run(&r), OK);
	ck_assert_uint_eq(r.records, N);
	ck_assert_str_eq(file(), N % 2 ? "a" : "b");
	end();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("recover");
	TCase *t = tcase_create("recover");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_set_timeout(t, 120);
	tcase_add_test(t, an_empty_journal_is_no_work);
	tcase_add_test(t, records_become_the_file_and_the_segments_go);
	tcase_add_test(t, replaying_onto_a_later_state_gives_the_later_state);
	tcase_add_test(t, what_stands_before_a_settled_record_is_not_replayed);
	tcase_add_test(t, what_was_cut_off_reads_as_zeros_when_it_grows_again);
	tcase_add_test(t, a_deleted_database_has_no_file);
	tcase_add_test(t, a_torn_tail_ends_the_journal);
	tcase_add_loop_test(t, damage_before_later_records_is_corruption_and_touches_nothing, 0, 5);
	tcase_add_test(t, a_missing_segment_is_corruption);
	tcase_add_test(t, a_change_of_a_page_never_given_whole_is_corruption);
	tcase_add_test(t, an_unused_last_segment_and_a_spare_are_swept_away);
	tcase_add_test(t, many_small_records_become_one_page);
	suite_add_tcase(s, t);
	srunner_run_all(r, getenv("CK_VERBOSE") ? CK_VERBOSE : CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}

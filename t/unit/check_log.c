/* check_log.c -- the error log, read back from a scratch file or a pseudo-terminal. */
#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <pty.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/str.h"

#define STAMP "^[0-9-]{10}T[0-9:]{8}\\.[0-9]{3}Z "

static char *dir, *path;

static void
setup(void)
{
	const char *tmp = getenv("TMPDIR");

	dir = xasprintf("%s/drey-log-XXXXXX", tmp ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	path = xasprintf("%s/error.log", dir);
}

static void
teardown(void)
{
	char *cmd = xasprintf("rm -rf '%s'", dir);

	ck_assert_int_eq(system(cmd), 0);
	free(cmd);
	free(dir);
	free(path);
}

/* The file's n-th line without its newline, or NULL.  The caller frees. */
static char *
line_of(const char *file, int n)
{
	FILE *f = fopen(file, "r");
	char *line = NULL;
	size_t cap = 0;
	ssize_t len = -1;

	if (!f)
		return NULL;
	for (; n > 0 && (len = getline(&line, &cap, f)) >= 0; n--)
		;
	fclose(f);
	if (n > 0 || len < 0) {
		free(line);
		return NULL;
	}
	line[strcspn(line, "\n")] = '\0';
	return line;
}

static void
check_line(const char *file, int n, const char *pattern)
{
	char *line = line_of(file, n);
	regex_t re;

	ck_assert_msg(line != NULL, "%s has no line %d", file, n);
	ck_assert_int_eq(regcomp(&re, pattern, REG_EXTENDED), 0);
	ck_assert_msg(regexec(&re, line, 0, NULL, 0) == 0, "line %d is: %s", n, line);
	regfree(&re);
	free(line);
}

START_TEST(a_line_has_a_stamp_a_level_and_a_text)
{
	ck_assert_int_eq(log_open(path, LOG_INFO), OK);
	log_info("listening on %s:%d", "127.0.0.1", 8787);
	log_error("it broke app=%s", "counter");
	check_line(path, 1, STAMP "info listening on 127\\.0\\.0\\.1:8787$");
	check_line(path, 2, STAMP "error it broke app=counter$");
	ck_assert_ptr_null(line_of(path, 3));
}
END_TEST

START_TEST(levels_below_the_chosen_one_are_silent)
{
	ck_assert_int_eq(log_open(path, LOG_WARN), OK);
	log_info("no");
	log_debug("no");
	log_warn("yes");
	check_line(path, 1, STAMP "warn yes$");
	ck_assert_ptr_null(line_of(path, 2));
}
END_TEST

START_TEST(nobody_forges_a_line)
{
	ck_assert_int_eq(log_open(path, LOG_INFO), OK);
	log_error("boom\n2026-01-01T00:00:00.000Z info all is well\r\033[2J");
	check_line(path, 1, "error boom\\\\n2026-01-01T00:00:00.000Z info all is well\\\\x0d\\\\x1b\\[2J$");
	ck_assert_ptr_null(line_of(path, 2));
}
END_TEST

START_TEST(a_long_text_is_one_line_and_cut_at_a_bound)
{
	size_t n = 200000;
	char *text = malloc(n + 1), *line;

	memset(text, 'y', n);
	text[n] = '\0';
	ck_assert_int_eq(log_open(path, LOG_INFO), OK);
	log_info("%s", text);
	text[5000] = '\0';
	log_info("%s", text);
	line = line_of(path, 1);
	ck_assert_uint_ge(strlen(line), 60000);
	ck_assert_uint_le(strlen(line), 70000);
	free(line);
	line = line_of(path, 2);
	ck_assert_uint_eq(strlen(line), 5000 + strlen("2026-11-23T10:00:00.123Z info "));
	free(line);
	free(text);
}
END_TEST

START_TEST(reopen_follows_a_rotation)
{
	char *old = xasprintf("%s.1", path);

	ck_assert_int_eq(log_open(path, LOG_INFO), OK);
	log_info("before");
	ck_assert_int_eq(rename(path, old), 0);
	log_info("between");
	ck_assert_int_eq(log_reopen(), OK);
	log_info("after");
	check_line(old, 1, "before$");
	check_line(old, 2, "between$");
	check_line(path, 1, "after$");
	free(old);
}
END_TEST

START_TEST(a_failed_reopen_keeps_the_old_file)
{
	char *old = xasprintf("%s.1", path);

	ck_assert_int_eq(log_open(path, LOG_INFO), OK);
	log_info("before");
	ck_assert_int_eq(rename(path, old), 0);
	ck_assert_int_eq(mkdir(path, 0755), 0);		/* cannot be opened for writing, not even by root */
	ck_assert_int_eq(log_reopen(), ERR_IO);
	log_info("after");
	check_line(old, 2, "after$");
	free(old);
}
END_TEST

START_TEST(a_path_that_cannot_be_opened_is_named)
{
	char *bad = xasprintf("%s/no/such/error.log", dir), *want;

	ck_assert_int_eq(log_open(bad, LOG_INFO), ERR_IO);
	want = xasprintf("error_log: open %s: No such file or directory", bad);
	ck_assert_str_eq(err_text(), want);
	free(want);
	free(bad);
}
END_TEST

static void *
on_thread(void *arg)
{
	char text[400];

	memset(text, 'a' + (int)(intptr_t)arg, sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (int i = 0; i < 500; i++)
		log_info("%s", text);
	return NULL;
}

START_TEST(lines_of_threads_never_mix)
{
	pthread_t t[4];
	FILE *f;
	char line[1000];
	int n = 0;

	ck_assert_int_eq(log_open(path, LOG_INFO), OK);
	for (intptr_t i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, on_thread, (void *)i), 0);
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(log_reopen(), OK);	/* while they write */
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	f = fopen(path, "r");
	for (; fgets(line, sizeof(line), f); n++) {
		char *text = line + strlen("2026-11-23T10:00:00.123Z info ");

		ck_assert_uint_eq(strlen(text), 400);
		ck_assert_uint_eq(strspn(text, (char[]){ text[0], 0 }), 399);
	}
	fclose(f);
	ck_assert_int_eq(n, 2000);
}
END_TEST

START_TEST(colours_are_for_terminals_only)
{
	char out[500] = { 0 };
	int master, slave, saved = dup(STDERR_FILENO);
	ssize_t n;

	ck_assert_int_eq(openpty(&master, &slave, NULL, NULL, NULL), 0);
	dup2(slave, STDERR_FILENO);
	ck_assert_int_eq(log_open("stderr", LOG_INFO), OK);
	log_warn("one\ntwo");
	dup2(saved, STDERR_FILENO);
	n = read(master, out, sizeof(out) - 1);
	ck_assert_int_gt(n, 0);
	ck_assert_ptr_nonnull(strstr(out, " \033[33mwarn\033[0m one\r\n    two\r\n"));
	ck_assert_int_eq(log_open(path, LOG_INFO), OK);
	log_warn("one");
	check_line(path, 1, STAMP "warn one$");
	close(master);
	close(slave);
	close(saved);
}
END_TEST

START_TEST(a_second_open_moves_the_log)
{
	char *other = xasprintf("%s.other", path);

	ck_assert_int_eq(log_open(path, LOG_INFO), OK);
	log_info("here");
	ck_assert_int_eq(log_open(other, LOG_INFO), OK);
	log_info("there");
	check_line(path, 1, "here$");
	ck_assert_ptr_null(line_of(path, 2));
	check_line(other, 1, "there$");
	free(other);
}
END_TEST

START_TEST(level_words_are_known)
{
	ck_assert_int_eq(log_level_of("error"), LOG_ERROR);
	ck_assert_int_eq(log_level_of("warn"), LOG_WARN);
	ck_assert_int_eq(log_level_of("info"), LOG_INFO);
	ck_assert_int_eq(log_level_of("debug"), LOG_DEBUG);
	ck_assert_int_eq(log_level_of("notice"), -1);
	ck_assert_int_eq(log_level_of(""), -1);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("log");
	TCase *tc = tcase_create("log");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_line_has_a_stamp_a_level_and_a_text);
	tcase_add_test(tc, levels_below_the_chosen_one_are_silent);
	tcase_add_test(tc, nobody_forges_a_line);
	tcase_add_test(tc, a_long_text_is_one_line_and_cut_at_a_bound);
	tcase_add_test(tc, reopen_follows_a_rotation);
	tcase_add_test(tc, a_failed_reopen_keeps_the_old_file);
	tcase_add_test(tc, a_path_that_cannot_be_opened_is_named);
	tcase_add_test(tc, lines_of_threads_never_mix);
	tcase_add_test(tc, colours_are_for_terminals_only);
	tcase_add_test(tc, a_second_open_moves_the_log);
	tcase_add_test(tc, level_words_are_known);
	srunner_run_all(sr, getenv("CK_VERBOSE") ? CK_VERBOSE : CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

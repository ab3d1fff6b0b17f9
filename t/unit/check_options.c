/* check_options.c -- the command line of the server. */
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/str.h"
#include "cmd/options.h"

static struct options o;
static char said[4000];		/* on stderr */

/* Parses up to three words, and keeps what was said on stderr. */
static int
parse(const char *a, const char *b, const char *c)
{
	char *argv[] = { "drey", (char *)a, (char *)b, (char *)c, NULL };
	int argc = 1, rc, saved = dup(STDERR_FILENO), pipe_fd[2];
	ssize_t n;

	while (argv[argc])
		argc++;
	ck_assert_int_eq(pipe(pipe_fd), 0);
	dup2(pipe_fd[1], STDERR_FILENO);
	rc = options_parse(argc, argv, &o);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(pipe_fd[1]);
	n = read(pipe_fd[0], said, sizeof(said) - 1);
	said[n > 0 ? n : 0] = '\0';
	close(pipe_fd[0]);
	return rc;
}

START_TEST(nothing_is_asked_by_default)
{
	ck_assert_int_eq(parse(NULL, NULL, NULL), OK);
	ck_assert_str_eq(o.conf, "drey.conf");
	ck_assert(!o.test && !o.print && !o.version && !o.help);
	ck_assert_str_eq(said, "");
}
END_TEST

START_TEST(options_stand_alone_or_together)
{
	ck_assert_int_eq(parse("-t", "-c", "x.conf"), OK);
	ck_assert_str_eq(o.conf, "x.conf");
	ck_assert(o.test && !o.print);
	ck_assert_int_eq(parse("-tcx.conf", NULL, NULL), OK);
	ck_assert_str_eq(o.conf, "x.conf");
	ck_assert(o.test);
	ck_assert_int_eq(parse("--conf=y.conf", NULL, NULL), OK);
	ck_assert_str_eq(o.conf, "y.conf");
	ck_assert(!o.test);
}
END_TEST

START_TEST(printing_tests_first)
{
	ck_assert_int_eq(parse("-T", NULL, NULL), OK);
	ck_assert(o.test && o.print);
}
END_TEST

START_TEST(help_and_version_are_asked_in_either_spelling)
{
	ck_assert_int_eq(parse("-h", NULL, NULL), OK);
	ck_assert(o.help && !o.version);
	ck_assert_int_eq(parse("--help", NULL, NULL), OK);
	ck_assert(o.help);
	ck_assert_int_eq(parse("-V", NULL, NULL), OK);
	ck_assert(o.version && !o.help);
	ck_assert_int_eq(parse("--version", NULL, NULL), OK);
	ck_assert(o.version);
}
END_TEST

START_TEST(usage_errors_say_what_to_write)
{
	ck_assert_int_eq(parse("-x", NULL, NULL), ERR_ARGUMENT);
	ck_assert_str_eq(said, "drey: unknown option -x; drey -h lists them\n");
	ck_assert_int_eq(parse("--frobnicate", NULL, NULL), ERR_ARGUMENT);
	ck_assert_str_eq(said, "drey: unknown option --frobnicate; drey -h lists them\n");
	ck_assert_int_eq(parse("-c", NULL, NULL), ERR_ARGUMENT);
	ck_assert_str_eq(said, "drey: -c needs a file; write  drey -c drey.conf\n");
	ck_assert_int_eq(parse("-t", "x.conf", NULL), ERR_ARGUMENT);
	ck_assert_str_eq(said, "drey: unexpected \"x.conf\"; a configuration is named with  drey -c x.conf\n");
}
END_TEST

START_TEST(help_is_one_screen_and_names_every_option)
{
	static const char *const want[] = { "-c FILE", "-t ", "-T ", "-V ", "-h " };
	char *text = NULL;
	size_t n = 0, lines = 0;
	FILE *f = open_memstream(&text, &n);

	options_print_help(f);
	fclose(f);
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		ck_assert_msg(strstr(text, want[i]) != NULL, "%s", want[i]);
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		ck_assert_uint_le(strlen(line), 100);
		lines++;
	}
	ck_assert_uint_le(lines, 24);
	free(text);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("options");
	TCase *tc = tcase_create("options");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_add_test(tc, nothing_is_asked_by_default);
	tcase_add_test(tc, options_stand_alone_or_together);
	tcase_add_test(tc, printing_tests_first);
	tcase_add_test(tc, help_and_version_are_asked_in_either_spelling);
	tcase_add_test(tc, usage_errors_say_what_to_write);
	tcase_add_test(tc, help_is_one_screen_and_names_every_option);
	srunner_run_all(sr, getenv("CK_VERBOSE") ? CK_VERBOSE : CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* check_include.c -- settings read from files: includes, and files that must exist. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "conf/settings.h"

static char *scratch;

static void
setup(void)
{
	const char *tmp = getenv("TMPDIR");

	scratch = xasprintf("%s/drey-settings-XXXXXX", tmp ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(scratch));
	ck_assert_int_eq(chdir(scratch), 0);
}

static void
teardown(void)
{
	char *cmd = xasprintf("rm -rf '%s'", scratch);

	ck_assert_int_eq(chdir("/"), 0);
	ck_assert_int_eq(system(cmd), 0);
	free(cmd);
	free(scratch);
}

static void
write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
}

static void
read_file(const char *path, struct buf *b)
{
	FILE *f = fopen(path, "r");
	int c;

	ck_assert_ptr_nonnull(f);
	buf_c(b, "");
	while ((c = getc(f)) != EOF)
		buf_byte(b, (unsigned char)c);
	fclose(f);
}

START_TEST(includes_are_relative_to_the_file_that_includes)
{
	struct settings *s;

	mkdir("etc", 0755);
	mkdir("etc/parts", 0755);
	mkdir("etc/parts/more", 0755);
	write_file("etc/main.conf", "data_dir one;\ninclude parts/*.conf;\ninclude none-*.conf;\nserver { include parts/listen.inc; }\n");
	write_file("etc/parts/a.conf", "open_files 11;\ninclude more/b.inc;\n");
	write_file("etc/parts/c.conf", "pid p;\n");
	write_file("etc/parts/more/b.inc", "overlay_max 1m;\n");
	write_file("etc/parts/listen.inc", "listen 8787;\n");
	s = settings_load("etc/main.conf");
	ck_assert_msg(s != NULL, "%s", err_text());
	ck_assert_uint_eq(s->open_files, 11);
	ck_assert_str_eq(s->pid, "p");
	ck_assert_uint_eq(s->overlay_max, 1 << 20);
	ck_assert_str_eq(s->servers->listens->at.file, "etc/parts/listen.inc");
	settings_free(&s);
}
END_TEST

START_TEST(one_file_may_be_included_twice_but_not_by_itself)
{
	struct settings *s;

	write_file("common.inc", "client_timeout 9s;\n");
	write_file("m.conf", "server { listen 1; include common.inc; } server { listen 2; include common.inc; }\n");
	s = settings_load("m.conf");
	ck_assert_msg(s != NULL, "%s", err_text());
	ck_assert_int_eq(s->servers->next->client_timeout_ms, 9000);
	settings_free(&s);
	write_file("self.conf", "include ./self.conf;\n");
	ck_assert_ptr_null(settings_load("self.conf"));
	ck_assert_str_eq(err_text(),
		"self.conf:1:9: include cycle: self.conf is being read already and leads back to itself; remove this line");
}
END_TEST

START_TEST(a_directive_set_again_in_an_include_names_both_files)
{
	write_file("again.inc", "\n  data_dir two;\n");
	write_file("m.conf", "data_dir one;\ninclude again.inc;\nserver { listen 1; }\n");
	ck_assert_ptr_null(settings_load("m.conf"));
	ck_assert_str_eq(err_text(), "again.inc:2:3: \"data_dir\" stands here twice, first at m.conf:1:1; keep one of the two");
}
END_TEST

START_TEST(an_include_that_is_no_plain_file_does_not_keep_drey_waiting)
{
	ck_assert_int_eq(mkfifo("pipe", 0600), 0);
	write_file("m.conf", "include pipe;\n");
	ck_assert_ptr_null(settings_load("m.conf"));
	ck_assert_str_eq(err_text(),
		"m.conf:1:9: cannot include pipe: Invalid argument; write a path relative to the folder of m.conf");
}
END_TEST

START_TEST(a_good_configuration_of_files_is_accepted)
{
	struct settings *s;

	mkdir("code", 0755);
	mkdir("public", 0755);
	write_file("code/m.lua", "");
	write_file("code/extra.lua", "");
	write_file("public/index.html", "");
	write_file("m.conf", "app a { root code; main m.lua; source extra.lua;\n"
			     "  durable_objects { binding C class_name=C; } migrations { v1 { new_sqlite_classes C; } } }\n"
			     "server { listen 1; location / { root public; } location = /x { alias public/index.html; }\n"
			     "  location /a { app a; } }\n"
			     "server { listen 1; server_name b.org; }\n");
	s = settings_load("m.conf");
	ck_assert_msg(s != NULL, "%s", err_text());
	settings_free(&s);
	write_file("static.conf", "server { listen 1; location / { root public; } }\n");	/* no app is fine */
	s = settings_load("static.conf");
	ck_assert_msg(s != NULL, "%s", err_text());
	settings_free(&s);
}
END_TEST

START_TEST(new_classes_and_equal_classes_are_warned_about)
{
	struct buf log = { 0 };
	struct settings *s;

	write_file("m.lua", "");
	write_file("m.conf", "app a { main m.lua; migrations {\n  v1 { new_classes Old Older; } } }\n"
			     "app b { main m.lua; migrations { v1 { new_sqlite_classes Old; } } }\n"
			     "server { listen 1; }\n");
	ck_assert_int_eq(log_open("log", LOG_WARN), OK);
	s = settings_load("m.conf");
	ck_assert_msg(s != NULL, "%s", err_text());
	ck_assert(!s->apps->classes->sqlite);
	settings_free(&s);
	read_file("log", &log);
	ck_assert_ptr_nonnull(strstr(log.p,
		" warn m.conf:2:8: new_classes gives objects without SQL; for a new class write  new_sqlite_classes Old Older;\n"));
	ck_assert_ptr_nonnull(strstr(log.p,
		" warn m.conf:2:20: the apps a and b both have a class Old; their objects and data are kept apart\n"));
	buf_fini(&log);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("include");
	TCase *tc = tcase_create("include");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, includes_are_relative_to_the_file_that_includes);
	tcase_add_test(tc, one_file_may_be_included_twice_but_not_by_itself);
	tcase_add_test(tc, a_directive_set_again_in_an_include_names_both_files);
	tcase_add_test(tc, an_include_that_is_no_plain_file_does_not_keep_drey_waiting);
	tcase_add_test(tc, a_good_configuration_of_files_is_accepted);
	tcase_add_test(tc, new_classes_and_equal_classes_are_warned_about);
	srunner_run_all(sr, getenv("CK_VERBOSE") ? CK_VERBOSE : CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

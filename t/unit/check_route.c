/* check_route.c -- host and path to a location. */
#include <check.h>
#include <stdlib.h>

#include "base/err.h"
#include "conf/parse.h"

static struct settings *s;

static void
load(const char *text)
{
	s = settings_parse("test.conf", str_c(text));
	ck_assert_msg(s != NULL, "%s", err_text());
}

static void
teardown(void)
{
	settings_free(&s);
}

/* Every location here is files in a folder named for the test to see. */
static const char *
root_of(int port, const char *host, const char *path)
{
	const struct location_conf *l = route_find(s, port, str_c(host), str_c(path));

	return l ? l->root : "none";
}

START_TEST(the_longest_prefix_wins_and_exact_before_all)
{
	load("server { listen 80; location / { root short; } location /a/b/ { root long; } location /a { root middle; }\n"
	     "location = /a/b/ { root exact; } location = /a/ { root slash; } }");
	ck_assert_str_eq(root_of(80, "x", "/"), "short");
	ck_assert_str_eq(root_of(80, "x", "/z"), "short");
	ck_assert_str_eq(root_of(80, "x", "/a"), "middle");
	ck_assert_str_eq(root_of(80, "x", "/abc"), "middle");
	ck_assert_str_eq(root_of(80, "x", "/a/"), "slash");
	ck_assert_str_eq(root_of(80, "x", "/a/b"), "middle");
	ck_assert_str_eq(root_of(80, "x", "/a/b/"), "exact");
	ck_assert_str_eq(root_of(80, "x", "/a/b/c"), "long");
	ck_assert_str_eq(root_of(80, "x", "/A"), "short");
}
END_TEST

START_TEST(where_nothing_fits_there_is_nothing)
{
	load("server { listen 80; location /a/ { root a; } location = /b { root b; } }");
	ck_assert_str_eq(root_of(80, "x", "/"), "none");
	ck_assert_str_eq(root_of(80, "x", "/a"), "none");
	ck_assert_str_eq(root_of(80, "x", "/b/"), "none");
	ck_assert_str_eq(root_of(80, "x", ""), "none");
	ck_assert_str_eq(root_of(81, "x", "/a/"), "none");
}
END_TEST

START_TEST(hosts_are_told_apart_without_case_port_or_final_dot)
{
	load("server { listen 80; server_name a.org A.net; location / { root a; } }\n"
	     "server { listen 80; server_name b.org; location / { root b; } }");
	ck_assert_str_eq(root_of(80, "a.org", "/"), "a");
	ck_assert_str_eq(root_of(80, "A.ORG:80", "/"), "a");
	ck_assert_str_eq(root_of(80, "a.net", "/"), "a");
	ck_assert_str_eq(root_of(80, "b.org.", "/"), "b");
	ck_assert_str_eq(root_of(80, "b.org.:80", "/"), "b");
	ck_assert_str_eq(root_of(80, "c.org", "/"), "none");
	ck_assert_str_eq(root_of(80, "", "/"), "none");
	ck_assert_str_eq(root_of(80, ":", "/"), "none");
	ck_assert_str_eq(root_of(80, "xa.org", "/"), "none");
}
END_TEST

START_TEST(a_server_without_names_takes_hosts_nobody_else_names)
{
	load("server { listen 80; location / { root any; } }\n"
	     "server { listen 80; server_name b.org; location / { root b; } }");
	ck_assert_str_eq(root_of(80, "b.org", "/"), "b");
	ck_assert_str_eq(root_of(80, "c.org", "/"), "any");
	ck_assert_str_eq(root_of(80, "", "/"), "any");
}
END_TEST

START_TEST(an_underscore_takes_any_host)
{
	load("server { listen 80; server_name a.org _; location / { root any; } }\n"
	     "server { listen 80; server_name b.org; location / { root b; } }");
	ck_assert_str_eq(root_of(80, "b.org", "/"), "b");
	ck_assert_str_eq(root_of(80, "c.org", "/"), "any");
}
END_TEST

START_TEST(wildcards_fit_below_their_name_and_longer_ones_first)
{
	load("server { listen 80; server_name *.a.org; location / { root wide; } }\n"
	     "server { listen 80; server_name *.b.a.org; location / { root narrow; } }\n"
	     "server { listen 80; server_name x.b.a.org; location / { root exact; } }");
	ck_assert_str_eq(root_of(80, "z.a.org", "/"), "wide");
	ck_assert_str_eq(root_of(80, "z.b.a.org", "/"), "narrow");
	ck_assert_str_eq(root_of(80, "X.b.a.org", "/"), "exact");
	ck_assert_str_eq(root_of(80, "a.org", "/"), "none");
	ck_assert_str_eq(root_of(80, ".a.org", "/"), "none");
	ck_assert_str_eq(root_of(80, "za.org", "/"), "none");
}
END_TEST

START_TEST(a_server_answers_only_on_its_own_ports)
{
	load("server { listen 80; listen 81; location / { root a; } }\n"
	     "server { listen 82; location / { root b; } }");
	ck_assert_str_eq(root_of(80, "x", "/"), "a");
	ck_assert_str_eq(root_of(81, "x", "/"), "a");
	ck_assert_str_eq(root_of(82, "x", "/"), "b");
	ck_assert_str_eq(root_of(83, "x", "/"), "none");
}
END_TEST

START_TEST(ipv6_hosts_keep_their_brackets)
{
	load("server { listen 80; server_name [::1]; location / { root six; } }");
	ck_assert_str_eq(root_of(80, "[::1]:80", "/"), "six");
	ck_assert_str_eq(root_of(80, "[::1]", "/"), "six");
	ck_assert_str_eq(root_of(80, "[::2]", "/"), "none");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("route");
	TCase *tc = tcase_create("route");
	SRunner *sr = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tc);
	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_add_test(tc, the_longest_prefix_wins_and_exact_before_all);
	tcase_add_test(tc, where_nothing_fits_there_is_nothing);
	tcase_add_test(tc, hosts_are_told_apart_without_case_port_or_final_dot);
	tcase_add_test(tc, a_server_without_names_takes_hosts_nobody_else_names);
	tcase_add_test(tc, an_underscore_takes_any_host);
	tcase_add_test(tc, wildcards_fit_below_their_name_and_longer_ones_first);
	tcase_add_test(tc, a_server_answers_only_on_its_own_ports);
	tcase_add_test(tc, ipv6_hosts_keep_their_brackets);
	srunner_run_all(sr, getenv("CK_VERBOSE") ? CK_VERBOSE : CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

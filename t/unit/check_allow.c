/* check_allow.c -- fetch_allow: who may go where. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "conf/allow.h"
#include "conf/parse.h"

static struct settings *s;

static void
teardown(void)
{
	settings_free(&s);
}

static const struct app_conf *
app(const char *lines)
{
	char text[1000];

	settings_free(&s);
	snprintf(text, sizeof(text), "app a { main a.lua; %s }\nserver { listen 80; location / { app a; } }", lines);
	s = settings_parse("test.conf", str_c(text));
	ck_assert_msg(s != NULL, "%s", err_text());
	return s->apps;
}

static bool
host(const char *name)
{
	return allow_host(s->apps, str_c(name));
}

static bool
to(const char *text)
{
	struct address a;

	ck_assert(address_parse(str_c(text), &a));
	return allow_address(s->apps, &a);
}

START_TEST(without_a_line_the_public_internet_and_nothing_else)
{
	app("");
	ck_assert(to("8.8.8.8") && to("2606:4700::1111"));
	ck_assert(!to("127.0.0.1") && !to("10.0.0.1") && !to("::1") && !to("169.254.169.254") && !to("0.0.0.0") && !to("::ffff:10.0.0.1"));
	ck_assert(!host("localhost") && !host("example.org"));
}
END_TEST

START_TEST(a_network_adds_to_the_public_internet)
{
	app("fetch_allow 10.0.0.0/8 ::1; fetch_allow 127.0.0.1;");
	ck_assert(to("10.9.9.9") && to("::ffff:10.9.9.9") && to("::1") && to("127.0.0.1") && to("8.8.8.8"));
	ck_assert(!to("127.0.0.2") && !to("192.168.0.1"));
}
END_TEST

START_TEST(none_leaves_only_what_is_named)
{
	app("fetch_allow none; fetch_allow 10.0.0.0/8 API.example.org *.cdn.example.org;");
	ck_assert(to("10.0.0.1") && !to("8.8.8.8"));
	ck_assert(host("api.example.org") && host("Api.Example.Org.") && !host("example.org") && !host("xapi.example.org"));
	ck_assert(host("a.cdn.example.org") && host("a.b.cdn.example.org") && !host("cdn.example.org") && !host("acdn.example.org"));
}
END_TEST

START_TEST(all_is_all)
{
	app("fetch_allow all;");
	ck_assert(to("127.0.0.1") && to("8.8.8.8") && to("fe80::1") && host("x"));
}
END_TEST

START_TEST(what_is_printed_reads_back)
{
	struct buf first = { 0 }, second = { 0 };

	app("fetch_allow none 10.0.0.0/8; fetch_allow *.x.org all; fetch_timeout 5s; fetch_body_max 1m; limits { fetches 7; }");
	settings_print(s, &first);
	ck_assert_ptr_nonnull(strstr(first.p, "fetch_allow            *.x.org;"));
	settings_free(&s);
	s = settings_parse("test.conf", buf_slice(&first));
	ck_assert_msg(s != NULL, "%s", err_text());
	settings_print(s, &second);
	ck_assert_str_eq(first.p, second.p);
	ck_assert(s->apps->fetch.none && s->apps->fetch.timeout_ms == 5000 && s->apps->fetch.body_max == 1 << 20);
	ck_assert_uint_eq(s->apps->limits.fetches, 7);
	buf_fini(&first);
	buf_fini(&second);
}
END_TEST

START_TEST(what_cannot_be_meant_is_refused)
{
	static const struct {
		const char *line, *text;
	} rows[] = {
		{ "fetch_allow 10.0.0.1/8;", "neither an address nor a network" },
		{ "fetch_allow 127.0.0.1:80;", "neither an address nor a network" },
		{ "fetch_allow 10.0;", "neither an address nor a network" },
		{ "fetch_allow http://x/;", "neither an address nor a network" },
		{ "fetch_allow *;", "is not a host, a network, all or none" },
		{ "fetch_allow a..b;", "is not a host, a network, all or none" },
		{ "fetch_allow \"\";", "neither an address nor a network" },
		{ "fetch_timeout 0;", "too small" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[300];

		snprintf(text, sizeof(text), "app a { main a.lua;\n%s }\nserver { listen 80; }", rows[i].line);
		ck_assert_msg(!settings_parse("test.conf", str_c(text)), "%s", rows[i].line);
		ck_assert_msg(strstr(err_text(), rows[i].text) && strstr(err_text(), "test.conf:2:"), "%s", err_text());
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("allow");
	TCase *tc = tcase_create("allow");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_add_test(tc, without_a_line_the_public_internet_and_nothing_else);
	tcase_add_test(tc, a_network_adds_to_the_public_internet);
	tcase_add_test(tc, none_leaves_only_what_is_named);
	tcase_add_test(tc, all_is_all);
	tcase_add_test(tc, what_is_printed_reads_back);
	tcase_add_test(tc, what_cannot_be_meant_is_refused);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

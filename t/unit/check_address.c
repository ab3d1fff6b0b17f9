/* check_address.c -- addresses and networks as text, and what each is for. */
#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "base/address.h"

static struct address
address(const char *text)
{
	struct address a;

	ck_assert_msg(address_parse(str_c(text), &a), "%s is an address", text);
	return a;
}

START_TEST(an_ipv4_address_is_the_same_however_it_is_written)
{
	static const char *const same[] = { "10.1.2.3", "::ffff:10.1.2.3", "::ffff:a01:203", "[::ffff:10.1.2.3]" };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0a010203) };
	char text[ADDRESS_TEXT];
	struct address a;

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		a = address(same[i]);
		ck_assert_str_eq(address_text(&a, text), "10.1.2.3");
	}
	ck_assert(address_of((struct sockaddr *)&in, &a));
	ck_assert_str_eq(address_text(&a, text), "10.1.2.3");
	in.sin_family = AF_UNIX;
	ck_assert(!address_of((struct sockaddr *)&in, &a));
}
END_TEST

START_TEST(what_is_no_address_is_refused)
{
	static const char *const bad[] = { "", "10.1", "010.0.0.1", "0x7f.1", "2130706433", "1.2.3.4.5", "256.1.1.1", "::g", "[::1",
		"localhost", "127.0.0.1 ", "fe80::1%eth0" };
	struct address a;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!address_parse(str_c(bad[i]), &a), "\"%s\"", bad[i]);
	ck_assert(!address_parse(str_n("127.0.0.1\0x", 11), &a));
}
END_TEST

START_TEST(a_network_holds_what_begins_like_it)
{
	static const struct {
		const char *net, *text, *in, *out;
	} rows[] = {
		{ "10.0.0.0/8", "10.0.0.0/8", "10.255.0.1", "11.0.0.0" },
		{ "192.168.4.0/22", "192.168.4.0/22", "192.168.7.255", "192.168.8.0" },
		{ "127.0.0.1", "127.0.0.1", "::ffff:127.0.0.1", "127.0.0.2" },
		{ "fd00::/8", "fd00::/8", "fdff::1", "fc00::1" },
		{ "[::1]", "::1", "::1", "::2" },
		{ "0.0.0.0/0", "0.0.0.0/0", "255.255.255.255", "::1" },
		{ "::/0", "::/0", "10.0.0.1", NULL },
	};
	char text[ADDRESS_TEXT + 4];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct network net;
		struct address a = address(rows[i].in);

		ck_assert_msg(network_parse(str_c(rows[i].net), &net), "%s", rows[i].net);
		network_text(&net, text);
		ck_assert_str_eq(text, rows[i].text);
		ck_assert_msg(network_has(&net, &a), "%s in %s", rows[i].in, rows[i].net);
		if (rows[i].out) {
			a = address(rows[i].out);
			ck_assert_msg(!network_has(&net, &a), "%s not in %s", rows[i].out, rows[i].net);
		}
	}
}
END_TEST

START_TEST(what_is_no_network_is_refused)
{
	static const char *const bad[] = { "", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.1/8", "fd00::/129", "10.0.0.0/8x", "10.0.0.0/-1",
		"10.0.0.0:80", "10.0.0.0/8:80", "fd00::1/8", "10.0.0.0/4294967304" };
	struct network net;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!network_parse(str_c(bad[i]), &net), "\"%s\"", bad[i]);
}
END_TEST

/* First and last of each range, and the neighbours beyond. */
static const struct {
	const char *text, *what;	/* NULL: public */
} purposes[] = {
	{ "0.0.0.0", "this-network" }, { "0.255.255.255", "this-network" }, { "1.0.0.0", NULL },
	{ "9.255.255.255", NULL }, { "10.0.0.0", "private" }, { "10.255.255.255", "private" }, { "11.0.0.0", NULL },
	{ "100.63.255.255", NULL }, { "100.64.0.0", "shared (carrier NAT)" }, { "100.127.255.255", "shared (carrier NAT)" },
	{ "100.128.0.0", NULL }, { "126.255.255.255", NULL }, { "127.0.0.1", "loopback" }, { "127.255.255.255", "loopback" },
	{ "128.0.0.0", NULL }, { "169.253.255.255", NULL }, { "169.254.169.254", "link-local" }, { "169.255.0.0", NULL },
	{ "172.15.255.255", NULL }, { "172.16.0.0", "private" }, { "172.31.255.255", "private" }, { "172.32.0.0", NULL },
	{ "192.0.0.192", "protocol-assignment" }, { "192.0.1.0", NULL }, { "192.0.2.1", "documentation" },
	{ "192.88.99.1", "6to4-relay" }, { "192.167.255.255", NULL }, { "192.168.0.1", "private" }, { "192.169.0.0", NULL },
	{ "198.17.255.255", NULL }, { "198.18.0.0", "benchmark" }, { "198.19.255.255", "benchmark" }, { "198.20.0.0", NULL },
	{ "198.51.100.7", "documentation" }, { "203.0.113.7", "documentation" }, { "203.0.114.0", NULL },
	{ "223.255.255.255", NULL }, { "224.0.0.1", "multicast" }, { "239.255.255.255", "multicast" },
	{ "240.0.0.1", "reserved" }, { "255.255.255.255", "reserved" }, { "8.8.8.8", NULL },
	{ "::", "unspecified" }, { "::1", "loopback" }, { "::2", "this-network" },
	{ "::ffff:127.0.0.1", "loopback" }, { "::ffff:8.8.8.8", NULL }, { "::10.0.0.1", "private" },
	{ "::ffff:0:10.0.0.1", "private" }, { "::ffff:0:8.8.8.8", NULL },
	{ "64:ff9b::a9fe:a9fe", "link-local" }, { "64:ff9b::808:808", NULL }, { "64:ff9b:1::1", "reserved" },
	{ "2002:7f00:1::1", "loopback" }, { "2002:808:808::1", NULL },
	{ "100::1", "discard-only" }, { "fc00::1", "private" }, { "fd00:ec2::254", "private" }, { "fe80::1", "link-local" },
	{ "fec0::1", "site-local" }, { "ff02::1", "multicast" }, { "2001:db8::1", "documentation" },
	{ "2001::1", "protocol-assignment" }, { "2001:1ff:ffff::1", "protocol-assignment" }, { "2001:200::1", NULL },
	{ "3fff::1", "documentation" }, { "3fff:1000::1", NULL }, { "2606:4700::1111", NULL }, { "4000::1", "reserved" },
	{ "1fff::1", "reserved" }, { "5f00::1", "reserved" },
};

START_TEST(every_address_is_told_apart_by_what_it_is_for)
{
	struct address a = address(purposes[_i].text);
	const char *what = address_special(&a);

	ck_assert_msg(what && purposes[_i].what ? !strcmp(what, purposes[_i].what) : what == purposes[_i].what, "%s is %s, not %s",
		purposes[_i].text, what ? what : "public", purposes[_i].what ? purposes[_i].what : "public");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("address");
	TCase *tc = tcase_create("address");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, an_ipv4_address_is_the_same_however_it_is_written);
	tcase_add_test(tc, what_is_no_address_is_refused);
	tcase_add_test(tc, a_network_holds_what_begins_like_it);
	tcase_add_test(tc, what_is_no_network_is_refused);
	tcase_add_loop_test(tc, every_address_is_told_apart_by_what_it_is_for, 0, sizeof(purposes) / sizeof(purposes[0]));
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

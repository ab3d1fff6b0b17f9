/* address.c -- 16 bytes, one table. */
#include "base/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

enum { V4_BITS = 96, V4_AT = 12 };

static const unsigned char mapped[V4_AT] = { [10] = 0xff, [11] = 0xff };

static bool
is_v4(const struct address *a)
{
	return memcmp(a->b, mapped, V4_AT) == 0;
}

static void
from_v4(struct address *a, const void *quad)
{
	memcpy(a->b, mapped, V4_AT);
	memcpy(a->b + V4_AT, quad, 4);
}

/* ---- text ---- */

bool
address_parse(struct str s, struct address *a)
{
	char text[ADDRESS_TEXT];
	struct in_addr v4;

	if (s.n >= 2 && s.p[0] == '[' && s.p[s.n - 1] == ']')
		s = str_n(s.p + 1, s.n - 2);
	if (s.n >= sizeof(text) || memchr(s.p, '\0', s.n))
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	if (inet_pton(AF_INET6, text, a->b) == 1)
		return true;
	if (inet_pton(AF_INET, text, &v4) != 1)
		return false;
	from_v4(a, &v4);
	return true;
}

bool
address_of(const struct sockaddr *sa, struct address *a)
{
	if (sa->sa_family == AF_INET)
		from_v4(a, &((const struct sockaddr_in *)sa)->sin_addr);
	else if (sa->sa_family == AF_INET6)
		memcpy(a->b, &((const struct sockaddr_in6 *)sa)->sin6_addr, sizeof(a->b));
	else
		return false;
	return true;
}

const char *
address_text(const struct address *a, char out[ADDRESS_TEXT])
{
	if (is_v4(a))
		inet_ntop(AF_INET, a->b + V4_AT, out, ADDRESS_TEXT);
	else
		inet_ntop(AF_INET6, a->b, out, ADDRESS_TEXT);
	return out;
}

/* ---- networks ---- */

static bool
bit(const struct address *a, unsigned i)
{
	return a->b[i / 8] >> (7 - i % 8) & 1;
}

bool
network_parse(struct str s, struct network *net)
{
	const char *slash = memchr(s.p, '/', s.n);
	struct str head = slash ? str_n(s.p, (size_t)(slash - s.p)) : s;
	unsigned room, bits = 0;

	if (!address_parse(head, &net->first))
		return false;
	room = is_v4(&net->first) && !memchr(head.p, ':', head.n) ? 32 : 128;
	net->bits = 128;
	if (!slash)
		return true;
	if (slash + 1 == s.p + s.n)
		return false;
	for (const char *p = slash + 1; p < s.p + s.n; p++) {
		if (*p < '0' || *p > '9' || (bits = bits * 10 + (unsigned)(*p - '0')) > room)
			return false;
	}
	net->bits = 128 - room + bits;
	for (unsigned i = net->bits; i < 128; i++)
		if (bit(&net->first, i))
			return false;
	return true;
}

void
network_text(const struct network *net, char out[ADDRESS_TEXT + 4])
{
	address_text(&net->first, out);
	if (net->bits < 128)
		sprintf(out + strlen(out), "/%u", is_v4(&net->first) && net->bits >= V4_BITS ? net->bits - V4_BITS : net->bits);
}

bool
network_has(const struct network *net, const struct address *a)
{
	unsigned whole = net->bits / 8, rest = net->bits % 8;

	if (memcmp(net->first.b, a->b, whole) != 0)
		return false;
	return rest == 0 || (net->first.b[whole] ^ a->b[whole]) >> (8 - rest) == 0;
}

/* ---- what it is for ---- */

/* The first that fits says it; an IPv6 address that none fits and that is not below 2000::/3 is not assigned to anybody. */
static const struct {
	unsigned char first[16];
	unsigned bits;
	const char *what;	/* NULL: public after all */
} v6_ranges[] = {
	{ { 0 }, 128, "unspecified" },
	{ { [15] = 1 }, 128, "loopback" },
	{ { 0x01, 0x00 }, 64, "discard-only" },
	{ { 0xfc }, 7, "private" },
	{ { 0xfe, 0x80 }, 10, "link-local" },
	{ { 0xfe, 0xc0 }, 10, "site-local" },
	{ { 0xff }, 8, "multicast" },
	{ { 0x20, 0x01, 0x0d, 0xb8 }, 32, "documentation" },
	{ { 0x20, 0x01, 0x00, 0x00 }, 23, "protocol-assignment" },	/* Teredo, ORCHID, benchmarks */
	{ { 0x3f, 0xff }, 20, "documentation" },
	{ { 0x20 }, 3, NULL },
	{ { 0 }, 0, "reserved" },
};

static const struct {
	unsigned char first[4];
	unsigned bits;
	const char *what;
} v4_ranges[] = {
	{ { 0 }, 8, "this-network" },
	{ { 10 }, 8, "private" },
	{ { 100, 64 }, 10, "shared (carrier NAT)" },
	{ { 127 }, 8, "loopback" },
	{ { 169, 254 }, 16, "link-local" },		/* and the metadata services of clouds */
	{ { 172, 16 }, 12, "private" },
	{ { 192, 0, 0 }, 24, "protocol-assignment" },
	{ { 192, 0, 2 }, 24, "documentation" },
	{ { 192, 88, 99 }, 24, "6to4-relay" },
	{ { 192, 168 }, 16, "private" },
	{ { 198, 18 }, 15, "benchmark" },
	{ { 198, 51, 100 }, 24, "documentation" },
	{ { 203, 0, 113 }, 24, "documentation" },
	{ { 224 }, 4, "multicast" },
	{ { 240 }, 4, "reserved" },			/* and the broadcast address */
};

/* Where in an IPv6 address an IPv4 one is carried. */
static const struct {
	unsigned char first[16];
	unsigned bits, at;
} carriers[] = {
	{ { [10] = 0xff, [11] = 0xff }, 96, 12 },		/* ::ffff:0:0/96, mapped */
	{ { [8] = 0xff, [9] = 0xff }, 96, 12 },			/* ::ffff:0:0:0/96, translated (RFC 2765) */
	{ { 0 }, 96, 12 },					/* ::/96, compatible */
	{ { 0x00, 0x64, 0xff, 0x9b }, 96, 12 },			/* 64:ff9b::/96, NAT64 */
	{ { 0x20, 0x02 }, 16, 2 },				/* 2002::/16, 6to4 */
};

static bool
within(const struct address *a, const unsigned char first[16], unsigned bits)
{
	struct network net = { .bits = bits };

	memcpy(net.first.b, first, sizeof(net.first.b));
	return network_has(&net, a);
}

static const char *
special_v4(const unsigned char quad[4])
{
	struct address a;

	from_v4(&a, quad);
	for (size_t i = 0; i < sizeof(v4_ranges) / sizeof(v4_ranges[0]); i++) {
		struct network net = { .bits = V4_BITS + v4_ranges[i].bits };

		from_v4(&net.first, v4_ranges[i].first);
		if (network_has(&net, &a))
			return v4_ranges[i].what;
	}
	return NULL;
}

const char *
address_special(const struct address *a)
{
	for (size_t i = 0; i < 2; i++)		/* :: and ::1 look like compatible ones */
		if (within(a, v6_ranges[i].first, v6_ranges[i].bits))
			return v6_ranges[i].what;
	for (size_t i = 0; i < sizeof(carriers) / sizeof(carriers[0]); i++)
		if (within(a, carriers[i].first, carriers[i].bits))
			return special_v4(a->b + carriers[i].at);
	for (size_t i = 0; i < sizeof(v6_ranges) / sizeof(v6_ranges[0]); i++)
		if (within(a, v6_ranges[i].first, v6_ranges[i].bits))
			return v6_ranges[i].what;
	return "reserved";
}

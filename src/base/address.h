/* address.h -- IP addresses and networks: read, compared, and told apart by what they are for.
 *
 * Every address is 16 bytes; an IPv4 one is kept as ::ffff:a.b.c.d, so that
 * the two ways to write it are one.  What an address is for comes from one
 * table: the special-purpose registries of IANA (RFC 6890 and its
 * successors).  IPv6 forms that carry an IPv4 address (mapped, compatible, NAT64,
 * 6to4) lead to that one, so they are what it is.
 */
#ifndef DREY_BASE_ADDRESS_H
#define DREY_BASE_ADDRESS_H

#include <stdbool.h>

#include "base/str.h"

struct sockaddr;

enum { ADDRESS_TEXT = 46 };	/* as INET6_ADDRSTRLEN */

struct address {
	unsigned char b[16];
};

struct network {
	struct address first;
	unsigned bits;		/* of the 16 bytes; 10.0.0.0/8 has 104 */
};

bool address_parse(struct str, struct address *);	/* "10.0.0.1", "::1", "[::1]"; decimal quads only */
bool address_of(const struct sockaddr *, struct address *);	/* false: neither AF_INET nor AF_INET6 */
const char *address_text(const struct address *, char out[ADDRESS_TEXT]);	/* lends out */
bool network_parse(struct str, struct network *);	/* "10.0.0.0/8", "fd00::/8", or one address; false also when bits follow the mask */
void network_text(const struct network *, char out[ADDRESS_TEXT + 4]);
bool network_has(const struct network *, const struct address *);
/* "loopback", "private", "link-local", ... if packets to it stay near or go nowhere; NULL: an address of the public internet. */
const char *address_special(const struct address *);

#endif

/* allow.h -- where an app's fetch may go: its fetch_allow lines.
 *
 * Asked twice: for the host of the URL, and for the address that it led to,
 * just before and just after connecting.  A host that is named may lead
 * anywhere; else the address decides, whatever the name: public ones are
 * allowed unless "none" is written, others only if they lie in a network that is named.
 */
#ifndef DREY_CONF_ALLOW_H
#define DREY_CONF_ALLOW_H

#include "base/address.h"
#include "conf/settings.h"

bool allow_host(const struct app_conf *, struct str host);	/* named; without port, case does not matter */
bool allow_address(const struct app_conf *, const struct address *);

#endif

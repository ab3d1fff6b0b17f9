/* client.h -- who asks: the peer, or the one for whom a trusted proxy says that it asks.
 *
 *	peer is no trusted_proxy	the client is the peer; every CF- header is removed
 *	peer is a trusted_proxy		the client is the last address in X-Forwarded-For that is no trusted_proxy
 *					itself; CF- headers (country, city, ...) are the proxy's word and stay
 *
 * Either way the app finds the client in CF-Connecting-IP, and in X-Forwarded-For
 * the way there; both are ours, whatever came in.
 *
 * Thread: the connection's.
 */
#ifndef DREY_NET_CLIENT_H
#define DREY_NET_CLIENT_H

#include "conf/settings.h"
#include "net/h2o.h"
#include "object/message.h"

enum { CLIENT_HEADERS = 2 };		/* that client_headers() may add */

/* The request's headers into m, which has room for them and CLIENT_HEADERS more; sets m->client.  Borrows the peer, and what else it
 * needs is in the request's pool. */
void client_headers(const struct server_conf *, struct str peer, h2o_req_t *, struct message *);

#endif

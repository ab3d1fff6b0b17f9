/* fetch.h -- the thread that carries apps' requests out of the house, with libcurl.
 *
 *	workers:  fetch_send --> inbox --wake-->  thread:  transfer_new --> turn.waiting
 *	                                                        |  fewer than limits fetches are out
 *	          worker_return() <-- transfer_end <-- done <-- curl multi
 *	                          <-- transfer_open <-- head <--+ |
 *	          pipes, each way  <---- bodies in pieces ------> +    told by pokes to the inbox
 *
 * One thread for all workers, one curl multi handle: connections are kept and
 * used again across apps (what an app may reach is asked for each request, also on
 * a connection that is open already; see fetch_transfer.c).  HTTP/1.1 only: many
 * requests on one HTTP/2 connection came out a hundred times slower.
 *
 * The thread, and libcurl, come with the first request.
 *
 * Owner: server.c.  fetch_free() after the workers' threads have ended, before
 * the workers are freed: every event still out goes home failed.
 */
#ifndef DREY_NET_FETCH_H
#define DREY_NET_FETCH_H

#include "conf/settings.h"
#include "object/outbound.h"

struct outbound *fetch_new(const struct settings *);	/* borrows the settings */
void fetch_free(struct outbound **);

#endif

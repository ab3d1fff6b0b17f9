/* http.h -- from libh2o's request to an event, and from its end to the access log.
 *
 *	conn.c: head checked --> libh2o: parsed, body complete --> on_req here
 *	   location of an app:   event, worker_front(); the answer comes back to answer.c
 *	   location of files:    site.c
 *	   none:                 404
 */
#ifndef DREY_NET_HTTP_H
#define DREY_NET_HTTP_H

#include "net/conn.h"

void http_init(struct thread *);	/* makes conf, ctx, hosts; on its thread, after its loop */
void http_fini(struct thread *);
const struct server_conf *http_server_of(const struct conn *, struct str host);	/* never NULL */

#endif

/* listen.h -- the sockets we listen on: one per listen line and thread.
 *
 * With several threads each has its own socket on the same port
 * (SO_REUSEPORT) and the kernel spreads connections over them.  Sockets are
 * bound before the threads start, so a port in use stops the start with the
 * configuration's line.
 */
#ifndef DREY_NET_LISTEN_H
#define DREY_NET_LISTEN_H

#include <stdbool.h>
#include <sys/socket.h>

#include "base/list.h"
#include "base/timers.h"
#include "conf/settings.h"
#include "net/h2o.h"

struct listener {
	struct list link;
	const struct server_conf *server;	/* the first one on this port */
	int port;
	int fd;			/* until listener_open() */
	h2o_socket_t *sock;
	/* A connection has come: fd is non-blocking and yours. */
	void (*accepted)(struct listener *, int fd, const struct sockaddr *peer);
	void *owner;
	struct timers *timers;
	struct timer pause;	/* out of descriptors: when to try again */
};

/* Binds one socket for each listen line of all servers onto the list.  shared: several threads bind the same; first: this is the
 * first of them.  ERR_IO, the text names the line of the configuration. */
int listen_bind(const struct settings *, bool shared, bool first, struct list *listeners);
void listen_open(struct listener *, h2o_loop_t *, struct timers *);	/* on the loop's thread: begins to accept */
void listen_close(struct listener **);		/* takes what is already in the queue, then stops; frees */

#endif

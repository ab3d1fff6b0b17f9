/* thread.h -- one worker thread: its event loop, its share of the runtime, its connections.
 *
 *	STARTING --> RUNNING --SIGTERM--> DRAINING --> STOPPED
 *	    |                    |           ^ |
 *	    +--failed--> STOPPED +--SIGINT---+ +-- shutdown_timeout, second signal: connections are cut
 *
 * A round: what became ready on descriptors, connections whose request
 * has ended, then worker_tick().  Everything of libh2o is made, used and
 * freed on the thread itself.
 *
 * Owner: server.c.  Other threads: thread_stop() and the fields said so.
 */
#ifndef DREY_NET_THREAD_H
#define DREY_NET_THREAD_H

#include <pthread.h>

#include "net/access_log.h"
#include "net/site.h"
#include "net/wire.h"
#include "net/loop.h"
#include "object/worker.h"

struct server;

enum thread_state { THREAD_STARTING, THREAD_RUNNING, THREAD_STOPPED };

struct thread {
	struct server *server;		/* read only but for its counters and its eventfd */
	unsigned index;
	pthread_t id;
	struct loop loop;
	struct worker *worker;
	struct engine *engine;
	h2o_globalconf_t conf;
	h2o_context_t ctx;
	h2o_hostconf_t *hosts[2];	/* the only one connections see, and NULL */
	struct site site;
	struct access_log access;
	struct wire wire;
	struct list listeners;
	struct list conns;		/* all of them */
	struct list ended;		/* whose request has ended since the last round */
	int64_t now_ms;			/* clock_ms() of this round */
	bool draining;
	int64_t cut_ms;			/* draining: connections that are left then are cut */
	atomic_int state;		/* enum thread_state; any thread may read */
	atomic_int_fast64_t stop_by;	/* 0: run; else clock_ms() by which all must be done; any thread may write, then wakes */
	atomic_bool quiet;		/* draining: nothing is left here; any thread may read */
	bool store_failed;
	bool running;			/* a thread was made: join it */
};

void thread_init(struct thread *, struct server *, unsigned index);	/* so far STOPPED, owning nothing */
int thread_start(struct thread *);			/* returns at once; the state tells */
void thread_stop(struct thread *, int64_t by_ms);	/* any thread */
void thread_join(struct thread *);

#endif

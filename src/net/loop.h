/* loop.h -- one thread's event loop, and how other threads make it come round.
 *
 * libh2o's loop for descriptors; time is kept elsewhere (base/timers.h).
 * loop_wake() is cheap to call often: between two rounds at most one byte
 * count is written to the eventfd.
 *
 * libh2o keeps freelists per thread, so a loop is opened, run and closed on
 * one thread; only init, wake and fini may happen on another.
 */
#ifndef DREY_NET_LOOP_H
#define DREY_NET_LOOP_H

#include <stdatomic.h>
#include <stdbool.h>

#include "net/h2o.h"

struct loop {
	h2o_evloop_t *ev;	/* NULL until loop_open() */
	h2o_socket_t *waker;
	int wake_fd;
	atomic_bool woken;	/* a wake-up is on its way */
	uint64_t rounds;
};

int loop_init(struct loop *);		/* makes the eventfd; ERR_IO */
void loop_fini(struct loop *);		/* after loop_close() */
void loop_open(struct loop *);		/* on the thread that runs it */
void loop_close(struct loop *);		/* same thread; all sockets must be closed before */
void loop_wake(void *loop);		/* any thread; made to fit worker_new() */
/* One round: waits up to wait_ms for a descriptor or a wake-up, and calls what became ready. */
void loop_run(struct loop *, int64_t wait_ms);
/* After sockets were closed outside of loop_run(): lets libh2o free them. */
void loop_settle(struct loop *);

#endif

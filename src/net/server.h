/* server.h -- all threads together: start, signals, stop.
 *
 * server_run() binds the listen lines, starts worker_threads threads, waits
 * for signals and returns when all is quiet again:
 *
 *	SIGTERM, SIGQUIT  finish what is in flight (shutdown_timeout), then stop
 *	SIGINT            stop now; a second signal of any kind does the same
 *	SIGHUP            reopen the logs
 *
 * The store is the caller's: open before, closed after.
 */
#ifndef DREY_NET_SERVER_H
#define DREY_NET_SERVER_H

#include "net/thread.h"

enum server_end { SERVER_STOPPED = 0, SERVER_NOT_STARTED = 1, SERVER_STORE_FAILED = 3 };

struct server_options {
	const struct settings *settings;
	struct store *store;
	/* One engine per worker, made and freed on the worker's thread.  NULL: err_text() says why. */
	struct engine *(*engine_new)(struct worker *);
	void (*engine_free)(struct engine **);
};

struct server {
	struct server_options options;
	struct runtime runtime;
	struct thread *threads;
	unsigned nthreads;
	struct access_log_file access;
	int event_fd;			/* threads write here when their state changes */
	char error[512];		/* why a thread could not start; written by the first that fails */
	atomic_bool has_error;
	atomic_bool store_failed;
};

void server_block_signals(void);	/* in main, before any thread is made: they are read from a descriptor later */
enum server_end server_run(const struct server_options *);	/* other than SERVER_STOPPED: err_text() says why */
void server_notify(struct server *);	/* any thread: look at the threads' states */
void server_set_error(struct server *, const char *);	/* any thread: why the start failed; the first one counts */

#endif

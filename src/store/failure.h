/* failure.h -- the one thing that goes wrong for good.
 *
 * After a failed write or fsync the kernel may have dropped the very pages we
 * asked it to keep, and a second fsync would answer OK about pages that are
 * gone.  So the first such failure is final: its text is kept, every later
 * call sees it, nothing is tried again.
 *
 * Lives in: struct store.  Thread: any.
 */
#ifndef DREY_STORE_FAILURE_H
#define DREY_STORE_FAILURE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct failure {
	atomic_bool set;
	pthread_mutex_t mutex;
	char text[512];
	void (*on_failure)(void *arg);	/* called once, in the thread that failed, with no lock of ours held */
	void *arg;
};

void failure_init(struct failure *, void (*on_failure)(void *arg), void *arg);
void failure_fini(struct failure *);
/* Keeps the first text; also err_set()s it for the caller.  Returns ERR_STORE. */
int failure_set(struct failure *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int failure_err(const struct failure *);	/* err_set()s the kept text again; returns ERR_STORE */
const char *failure_text(const struct failure *);	/* lends for good; NULL while all is well */

static inline bool
failure_is(const struct failure *f)
{
	return atomic_load_explicit(&f->set, memory_order_acquire);
}

#endif

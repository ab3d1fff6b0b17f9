/* server.c -- all threads together: start, signals, stop. */
#include "net/server.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "net/fetch.h"
#include "net/listen.h"

static const int our_signals[] = { SIGTERM, SIGQUIT, SIGINT, SIGHUP };

static void
signal_set(sigset_t *set)
{
	sigemptyset(set);
	for (size_t i = 0; i < sizeof our_signals / sizeof our_signals[0]; i++)
		sigaddset(set, our_signals[i]);
}

void
server_block_signals(void)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);	/* a client that went away is an error of write(), not of ours */
	signal_set(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

void
server_notify(struct server *s)
{
	uint64_t one = 1;

	while (write(s->event_fd, &one, sizeof one) < 0 && errno == EINTR)
		;
}

void
server_set_error(struct server *s, const char *text)
{
	if (!atomic_exchange(&s->has_error, true))
		snprintf(s->error, sizeof s->error, "%s", text);
}

/* ---- the process ---- */

/* Every connection is a descriptor; the soft limit is 1024 on most systems. */
static void
raise_descriptors(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
}

static int
write_pid(const char *path)
{
	if (path == NULL)
		return OK;
	FILE *f = fopen(path, "we");
	if (f == NULL)
		return err_set(ERR_IO, "pid %s: %s", path, strerror(errno));
	fprintf(f, "%d\n", (int)getpid());
	return fclose(f) == 0 ? OK : err_set(ERR_IO, "pid %s: %s", path, strerror(errno));
}

static void
reopen_logs(struct server *s)
{
	if (log_reopen() < 0 || access_log_reopen(&s->access) < 0)
		log_error("%s; the old log is kept", err_text());
	else
		log_info("logs reopened");
}

/* ---- threads ---- */

static unsigned
count(struct server *s, enum thread_state state)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->nthreads; i++)
		n += atomic_load(&s->threads[i].state) == (int)state;
	return n;
}

static void
stop_all(struct server *s, int64_t by_ms)
{
	for (unsigned i = 0; i < s->nthreads; i++)
		if (s->threads[i].running)
			thread_stop(&s->threads[i], by_ms);
}

static int
thread_prepare(struct server *s, unsigned i)
{
	struct thread *t = &s->threads[i];

	if (loop_init(&t->loop) < 0 || listen_bind(s->options.settings, s->nthreads > 1, i == 0, &t->listeners) < 0)
		return err_code();
	t->worker = worker_new(&s->runtime, i, loop_wake, &t->loop);
	return t->worker != NULL ? OK : err_code();
}

static void
thread_discard(struct thread *t)
{
	list_each_safe(n, &t->listeners) {
		struct listener *l = container_of(n, struct listener, link);
		listen_close(&l);
	}
	if (t->worker != NULL)
		worker_free(&t->worker);
	loop_fini(&t->loop);
}

/* ---- signals ---- */

static void
on_signal(struct server *s, int signo, bool again)
{
	int64_t now = clock_ms();

	if (signo == SIGHUP) {
		reopen_logs(s);
		return;
	}
	bool fast = signo == SIGINT || again;
	log_info("%s: %s", strsignal(signo), fast ? "stopping now" : "stopping when the requests in flight are done");
	stop_all(s, fast ? now : now + s->options.settings->shutdown_timeout_ms);
}

static void
announce(const struct server *s)
{
	struct buf where = { 0 };

	for (const struct server_conf *v = s->options.settings->servers; v != NULL; v = v->next)
		for (const struct listen_conf *l = v->listens; l != NULL; l = l->next)
			buf_printf(&where, strchr(l->host, ':') != NULL ? " http://[%s]:%d" : " http://%s:%d", l->host, l->port);
	log_info("drey is ready, pid %d, %u worker thread%s, at%s", (int)getpid(), s->nthreads, s->nthreads > 1 ? "s" : "",
		where.n > 0 ? where.p : " no address");
	buf_fini(&where);
}

/* Until all threads have ended. */
static void
watch(struct server *s, int signal_fd)
{
	struct pollfd p[2] = { { .fd = signal_fd, .events = POLLIN }, { .fd = s->event_fd, .events = POLLIN } };
	bool stopping = false, announced = false;

	while (count(s, THREAD_STOPPED) < s->nthreads) {
		struct signalfd_siginfo info;
		uint64_t n;

		if (poll(p, 2, -1) < 0 && errno != EINTR)
			break;
		while (read(s->event_fd, &n, sizeof n) > 0)
			;
		while (read(signal_fd, &info, sizeof info) == sizeof info) {
			on_signal(s, (int)info.ssi_signo, stopping);
			stopping |= info.ssi_signo != SIGHUP;
		}
		if (atomic_load(&s->store_failed) || atomic_load(&s->has_error))
			stop_all(s, clock_ms() + 1000);
		if (!announced && count(s, THREAD_RUNNING) == s->nthreads) {
			announced = true;
			announce(s);
		}
	}
}

/* ---- the whole ---- */

static int
start(struct server *s)
{
	const struct settings *set = s->options.settings;

	s->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (s->event_fd < 0)
		return err_set(ERR_IO, "eventfd: %s", strerror(errno));
	if (access_log_open(&s->access, set->access_log) < 0)
		return err_code();
	for (unsigned i = 0; i < s->nthreads; i++)
		if (thread_prepare(s, i) < 0)
			return err_code();
	if (write_pid(set->pid) < 0)
		return err_code();
	for (unsigned i = 0; i < s->nthreads; i++)
		if (thread_start(&s->threads[i]) < 0)
			return err_code();
	return OK;
}

static enum server_end
finish(struct server *s, bool started)
{
	const char *why = atomic_load(&s->store_failed) ? store_failure(s->options.store) : NULL;

	for (unsigned i = 0; i < s->nthreads; i++)
		if (s->threads[i].running)
			thread_join(&s->threads[i]);
	fetch_free(&s->runtime.outbound);
	for (unsigned i = 0; i < s->nthreads; i++)
		thread_discard(&s->threads[i]);
	if (started && s->options.settings->pid != NULL)
		unlink(s->options.settings->pid);
	access_log_close(&s->access);
	if (s->event_fd >= 0)
		close(s->event_fd);
	if (atomic_load(&s->store_failed)) {
		err_set(ERR_STORE, "the store failed, nothing is acknowledged any more: %s", why != NULL ? why : "no reason given");
		return SERVER_STORE_FAILED;
	}
	if (!started || atomic_load(&s->has_error)) {
		err_set(ERR_IO, "not started: %s", s->error);
		return SERVER_NOT_STARTED;
	}
	log_info("drey has stopped");
	return SERVER_STOPPED;
}

enum server_end
server_run(const struct server_options *options)
{
	struct server *s = xcalloc(1, sizeof *s);
	sigset_t set;

	s->options = *options;
	s->event_fd = s->access.fd = -1;
	s->nthreads = options->settings->worker_threads;
	s->threads = xcalloc(s->nthreads, sizeof *s->threads);
	raise_descriptors();
	mallopt(M_ARENA_MAX, (int)s->nthreads + 2);
	signal_set(&set);
	int signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	for (unsigned i = 0; i < s->nthreads; i++)
		thread_init(&s->threads[i], s, i);
	runtime_init(&s->runtime, options->settings, options->store);
	s->runtime.outbound = fetch_new(options->settings);
	bool started = start(s) == OK;
	if (!started) {
		server_set_error(s, err_text());
		stop_all(s, clock_ms());
	}
	watch(s, signal_fd);
	enum server_end end = finish(s, started);
	runtime_fini(&s->runtime);
	close(signal_fd);
	free(s->threads);
	free(s);
	return end;
}

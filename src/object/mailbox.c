/* mailbox.c -- a line of events, and a door that says no. */
#include "object/mailbox.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/err.h"
#include "conf/settings.h"

enum { WINDOW_MS = 10000 };

static uint64_t
weight(const struct event *ev)
{
	return ev->own ? 0 : ev->args.n + ev->request.body.n;
}

void
mailbox_init(struct mailbox *m, const struct app_conf *conf)
{
	*m = (struct mailbox){ .conf = conf };
	list_init(&m->events);
}

/* what: the words of the original; the rest: what it is here and now. */
static int __attribute__((format(printf, 4, 5)))
refuse(const struct mailbox *m, const char *directive, const char *what, const char *fmt, ...)
{
	struct place at = settings_limit_at(m->conf, directive);
	char now[120];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(now, sizeof(now), fmt, ap);
	va_end(ap);
	return err_set(ERR_OVERLOADED, "Durable Object is overloaded. %s (overload %s, %s:%d: %s)", what, directive,
	    at.file ? at.file : "configuration", at.line, now);
}

static bool
too_often(struct mailbox *m, int64_t now_ms)
{
	if (m->conf->overload.rate == 0)
		return false;
	if (m->came == 0 || now_ms - m->window_ms >= WINDOW_MS) {
		m->window_ms = now_ms;
		m->came = 0;
	}
	return m->came >= m->conf->overload.rate * (WINDOW_MS / 1000);
}

static int
check(struct mailbox *m, const struct event *ev, int64_t now_ms)
{
	const struct overload_conf *most = &m->conf->overload;
	const struct event *oldest = list_first(&m->events, struct event, link);

	if (m->n >= most->queue)
		return refuse(m, "queue", "Too many requests queued.", "%" PRIu64 " wait, at most %" PRIu64 " may", m->n, most->queue);
	if (m->bytes > 0 && m->bytes + weight(ev) > most->bytes)
		return refuse(m, "bytes", "Too much data queued.", "%" PRIu64 " bytes wait, %" PRIu64 " more would be above %" PRIu64,
		    m->bytes, weight(ev), most->bytes);
	if (oldest && most->age_ms && now_ms - oldest->queued_ms > most->age_ms)
		return refuse(m, "age", "Requests queued for too long.", "the oldest has waited %" PRId64 " ms, at most %" PRId64 " ms are allowed",
		    now_ms - oldest->queued_ms, most->age_ms);
	if (too_often(m, now_ms))
		return refuse(m, "rate", "Too many requests for the same object within a 10 second window.",
		    "%" PRIu64 " came, at most %" PRIu64 " a second may", m->came, most->rate);
	return OK;
}

int
mailbox_push(struct mailbox *m, struct event *ev, int64_t now_ms)
{
	int rc;

	if (!ev->own && (rc = check(m, ev, now_ms)) != OK)
		return rc;
	must(!list_linked(&ev->link));
	ev->queued_ms = now_ms;
	list_push(&m->events, &ev->link);
	m->n++;
	m->bytes += weight(ev);
	m->own += ev->own;
	m->came += !ev->own;
	return OK;
}

struct event *
mailbox_shift(struct mailbox *m)
{
	struct list *n = list_shift(&m->events);
	struct event *ev;

	if (!n)
		return NULL;
	ev = container_of(n, struct event, link);
	m->n--;
	m->own -= ev->own;
	m->bytes -= weight(ev);
	return ev;
}

/* event.c -- events are born, copied off their connection, failed and freed.
 *
 * An event and its first bytes are one allocation of EVENT_BYTES: with
 * malloc's own header it still fits the thread cache (1032 bytes), so a small
 * event costs no lock and no second malloc.
 */
#include "object/event.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "object/pipe.h"

enum { EVENT_BYTES = 1024 };

_Static_assert(sizeof(struct event) <= EVENT_BYTES - 256, "an event leaves room for its small strings");

struct event *
event_new(enum event_kind kind, const struct transport *transport, void *caller, struct worker *home)
{
	struct event *ev = xmalloc(EVENT_BYTES);

	memset(ev, 0, sizeof(*ev));
	ev->kind = kind;
	ev->transport = transport;
	ev->caller = caller;
	ev->home = home;
	list_init(&ev->link);
	list_init(&ev->word.link);
	atomic_init(&ev->abandoned, false);
	arena_init(&ev->arena);
	arena_seed(&ev->arena, ev + 1, EVENT_BYTES - sizeof(*ev));
	return ev;
}

void
event_free(struct event **evp)
{
	struct event *ev = *evp;

	*evp = NULL;
	if (!ev)
		return;
	must(!list_linked(&ev->link) && !list_linked(&ev->word.link));	/* somebody else still holds it */
	if (ev->request.stream)
		pipe_cancel(&ev->request.stream);
	if (ev->response.stream)
		pipe_cancel(&ev->response.stream);
	if (ev->target)
		reference_drop(&ev->target);
	references_clear(&ev->lent);
	references_clear(&ev->returned);
	arena_fini(&ev->arena);
	free(ev);
}

/* Keeps "none" apart from "empty", and spends nothing on it. */
static struct str
copy(struct arena *a, struct str s)
{
	return s.p ? arena_str(a, s) : s;
}

void
event_own(struct event *ev)
{
	if (ev->owned)
		return;
	ev->owned = true;
	ev->name = copy(&ev->arena, ev->name);
	ev->method = copy(&ev->arena, ev->method);
	ev->args = copy(&ev->arena, ev->args);
	message_copy(&ev->arena, &ev->request, &ev->request);
}

void
failure_copy(struct arena *a, struct failure *to, const struct failure *from)
{
	*to = *from;
	to->message = copy(a, from->message);
	to->name = copy(a, from->name);
	to->traceback = copy(a, from->traceback);
	to->props = copy(a, from->props);
}

void
event_fail(struct event *ev, const char *fmt, ...)
{
	va_list ap;
	char *text;
	int n;

	if (ev->failed)
		return;
	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	must(n >= 0);
	text = arena_alloc(&ev->arena, (size_t)n + 1);
	va_start(ap, fmt);
	vsnprintf(text, (size_t)n + 1, fmt, ap);
	va_end(ap);
	ev->failed = true;
	ev->failure = (struct failure){ .message = str_n(text, (size_t)n) };
}

void
event_fail_with(struct event *ev, const struct failure *why)
{
	if (!ev->failed)
		event_overrule(ev, why);
}

void
event_overrule(struct event *ev, const struct failure *why)
{
	ev->failed = true;
	failure_copy(&ev->arena, &ev->failure, why);
}

void
event_request_id(const struct event *ev, char out[17])
{
	snprintf(out, 17, "%016llx", (unsigned long long)ev->request_id);
}

/* failure.c -- keeps the first failure's text; see failure.h. */
#include "store/failure.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/err.h"

void
failure_init(struct failure *f, void (*on_failure)(void *arg), void *arg)
{
	atomic_init(&f->set, false);
	pthread_mutex_init(&f->mutex, NULL);
	f->text[0] = '\0';
	f->on_failure = on_failure;
	f->arg = arg;
}

void
failure_fini(struct failure *f)
{
	pthread_mutex_destroy(&f->mutex);
}

int
failure_set(struct failure *f, const char *fmt, ...)
{
	char text[sizeof f->text];
	va_list ap;
	bool first;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);

	pthread_mutex_lock(&f->mutex);
	first = !atomic_load(&f->set);
	if (first) {
		snprintf(f->text, sizeof f->text, "%s", text);
		atomic_store_explicit(&f->set, true, memory_order_release);
	}
	pthread_mutex_unlock(&f->mutex);

	if (first && f->on_failure)
		f->on_failure(f->arg);
	return failure_err(f);
}

int
failure_err(const struct failure *f)
{
	return err_set(ERR_STORE, "%s", failure_is(f) ? f->text : "the store has not failed");
}

const char *
failure_text(const struct failure *f)
{
	return failure_is(f) ? f->text : NULL;
}

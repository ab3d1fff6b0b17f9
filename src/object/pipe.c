/* pipe.c -- see pipe.h.
 *
 * One mutex per pipe, held for a few instructions.  A poke that is posted holds a
 * reference, so that an end may leave while one is under way.
 */
#include "object/pipe.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/err.h"
#include "object/parts.h"

struct end {
	struct poke poke;
	struct pipe *pipe;
	struct worker *worker;		/* NULL: on no worker's thread; tell is called at once */
	void (*tell)(void *arg);
	void *arg;
};

struct pipe {
	pthread_mutex_t lock;		/* pieces, ahead, tells, the two workers */
	struct list pieces;		/* that have left the gate */
	_Atomic size_t ahead;		/* bytes written and not yet freed by the reader */
	atomic_bool cancelled;
	atomic_uint refs;
	bool failed;			/* a piece was lost at the gate: nothing after it may be read */
	struct end writer, reader;
};

static void
unref(struct pipe *p)
{
	struct list *n;

	if (atomic_fetch_sub(&p->refs, 1) > 1)
		return;
	while ((n = list_shift(&p->pieces)))
		free(container_of(n, struct piece, link));
	pthread_mutex_destroy(&p->lock);
	free(p);
}

/* With the lock held: the other end may be about to leave. */
static void
poke(struct end *e)
{
	if (!e->tell)
		return;
	if (!e->worker) {
		e->tell(e->arg);
		return;
	}
	atomic_fetch_add(&e->pipe->refs, 1);
	if (!worker_poke(e->worker, &e->poke))
		atomic_fetch_sub(&e->pipe->refs, 1);	/* it is under way already; that one has its reference */
}

/* In a tick of w.  The reader may have moved to another worker since. */
static void
on_poke(struct poke *posted, struct worker *w)
{
	struct end *e = container_of(posted, struct end, poke);
	struct pipe *p = e->pipe;
	void (*tell)(void *arg) = NULL;
	void *arg = NULL;

	pthread_mutex_lock(&p->lock);
	if (w && e->worker == w) {
		tell = e->tell;
		arg = e->arg;
	} else if (w) {
		poke(e);
	}
	pthread_mutex_unlock(&p->lock);
	if (tell)
		tell(arg);
	unref(p);
}

struct pipe *
pipe_new(struct worker *writer)
{
	struct pipe *p = xcalloc(1, sizeof(*p));

	must(pthread_mutex_init(&p->lock, NULL) == 0);
	list_init(&p->pieces);
	atomic_init(&p->refs, 2);
	p->writer = (struct end){ .pipe = p, .worker = writer };
	p->reader = (struct end){ .pipe = p };
	poke_init(&p->writer.poke, on_poke);
	poke_init(&p->reader.poke, on_poke);
	return p;
}

/* ---- the writer's end ---- */

static struct piece *
piece_new(struct pipe *p, enum piece_kind kind, struct str bytes, struct str name)
{
	struct piece *x = xmalloc(sizeof(*x) + bytes.n + name.n);

	list_init(&x->word.link);
	list_init(&x->link);
	x->pipe = p;
	x->kind = kind;
	x->n = bytes.n;
	x->name_n = name.n;
	if (bytes.n)
		memcpy(x->bytes, bytes.p, bytes.n);
	if (name.n)
		memcpy(x->bytes + x->n, name.p, name.n);
	return x;
}

static struct piece *
piece_failed(struct pipe *p, const struct failure *why)
{
	return piece_new(p, PIECE_FAILED, why->message, why->name);
}

static void
arrive(struct pipe *p, struct piece *x)
{
	pthread_mutex_lock(&p->lock);
	if (p->failed || atomic_load(&p->cancelled)) {
		free(x);
	} else {
		p->failed = x->kind == PIECE_FAILED;
		list_push(&p->pieces, &x->link);
		poke(&p->reader);
	}
	pthread_mutex_unlock(&p->lock);
	unref(p);
}

/* The gate lets it go; broken: what it had seen is lost, and so is the rest. */
static void
on_say(struct word *word, const struct failure *broken)
{
	struct piece *x = container_of(word, struct piece, word);
	struct pipe *p = x->pipe;

	if (broken) {
		free(x);
		x = piece_failed(p, broken);
	}
	arrive(p, x);
}

static void
say(struct pipe *p, struct object *o, struct piece *x)
{
	atomic_fetch_add(&p->refs, 1);		/* the piece's, until it has arrived */
	x->word.say = on_say;
	if (o)
		settle_hold(o, &x->word);
	else
		arrive(p, x);
}

void
pipe_write(struct pipe *p, struct object *o, struct str bytes)
{
	if (bytes.n == 0 || pipe_cancelled(p))
		return;
	atomic_fetch_add(&p->ahead, bytes.n);
	say(p, o, piece_new(p, PIECE_BYTES, bytes, (struct str){ 0 }));
}

bool
pipe_full(const struct pipe *p)
{
	return atomic_load(&p->ahead) >= PIPE_WINDOW && !pipe_cancelled(p);
}

bool
pipe_cancelled(const struct pipe *p)
{
	return atomic_load(&p->cancelled);
}

/* What came before this call is seen here, what comes after it is told. */
void
pipe_on_room(struct pipe *p, void (*tell)(void *arg), void *arg)
{
	pthread_mutex_lock(&p->lock);
	p->writer.tell = tell;
	p->writer.arg = arg;
	if (tell && !pipe_full(p))
		poke(&p->writer);
	pthread_mutex_unlock(&p->lock);
}

void
pipe_close(struct pipe **pp, struct object *o, const struct failure *why)
{
	struct pipe *p = *pp;

	*pp = NULL;
	pipe_on_room(p, NULL, NULL);
	say(p, o, why ? piece_failed(p, why) : piece_new(p, PIECE_END, (struct str){ 0 }, (struct str){ 0 }));
	unref(p);
}

/* ---- the reader's end ---- */

void
pipe_attach(struct pipe *p, struct worker *reader, void (*tell)(void *arg), void *arg)
{
	pthread_mutex_lock(&p->lock);
	p->reader.worker = reader;
	p->reader.tell = tell;
	p->reader.arg = arg;
	if (!list_empty(&p->pieces))
		poke(&p->reader);
	pthread_mutex_unlock(&p->lock);
}

void
pipe_detach(struct pipe *p)
{
	pipe_attach(p, NULL, NULL, NULL);
}

struct piece *
pipe_read(struct pipe *p)
{
	struct list *n;

	pthread_mutex_lock(&p->lock);
	n = list_shift(&p->pieces);
	pthread_mutex_unlock(&p->lock);
	return n ? container_of(n, struct piece, link) : NULL;
}

void
piece_free(struct pipe *p, struct piece **xp)
{
	struct piece *x = *xp;
	size_t n = x->kind == PIECE_BYTES ? x->n : 0;

	*xp = NULL;
	free(x);
	if (atomic_fetch_sub(&p->ahead, n) < PIPE_WINDOW)
		return;
	pthread_mutex_lock(&p->lock);
	if (!pipe_full(p))
		poke(&p->writer);
	pthread_mutex_unlock(&p->lock);
}

/* With the lock held: nothing that was written, or will be, is read. */
static void
cut(struct pipe *p)
{
	struct list *n;

	atomic_store(&p->cancelled, true);
	while ((n = list_shift(&p->pieces)))
		free(container_of(n, struct piece, link));
	poke(&p->writer);
}

void
pipe_abort(struct pipe *p, const struct failure *why)
{
	pthread_mutex_lock(&p->lock);
	cut(p);
	list_push(&p->pieces, &piece_failed(p, why)->link);
	poke(&p->reader);
	pthread_mutex_unlock(&p->lock);
}

void
pipe_cancel(struct pipe **pp)
{
	struct pipe *p = *pp;

	*pp = NULL;
	pthread_mutex_lock(&p->lock);
	p->reader.worker = NULL;
	p->reader.tell = NULL;
	cut(p);
	pthread_mutex_unlock(&p->lock);
	unref(p);
}

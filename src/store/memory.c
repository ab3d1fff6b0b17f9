/* memory.c -- sqlite3_mem_methods over slabs; see memory.h.
 *
 * SQLite frees without saying how large the piece was, so each of its pieces has a
 * head of eight bytes, as in SQLite's own allocator.
 */
#include "store/memory.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/slabs.h"
#include "base/str.h"

enum { THREADS_MOST = 4096 };	/* that ever ask */

struct head {
	uint32_t size;		/* with the head */
	uint32_t owner;		/* index in memories */
};

struct memory {
	struct slabs slabs;
	uint32_t number;
	bool left;		/* its thread has ended */
};

static struct memory *memories[THREADS_MOST];	/* each slot is written once, by its thread */
static _Thread_local struct memory *mine;
static pthread_key_t key;	/* its destructor is told of a thread's end */
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* A handle may outlive the thread that opened it, and is then closed by whoever has joined that thread. */
static void
on_thread_end(void *arg)
{
	struct memory *m = arg;

	mine = NULL;
	m->left = true;
	slabs_trim(&m->slabs);
}

static void
make_key(void)
{
	must(pthread_key_create(&key, on_thread_end) == 0);
}

static struct memory *
memory_new(void)
{
	static _Atomic uint32_t number;
	struct memory *m = xcalloc(1, sizeof(*m));

	must(pthread_once(&once, make_key) == 0);
	slabs_init(&m->slabs);
	m->number = number++;
	must(m->number < THREADS_MOST);
	memories[m->number] = m;
	must(pthread_setspecific(key, m) == 0);
	return mine = m;
}

static struct memory *
memory_mine(void)
{
	return mine ? mine : memory_new();
}

static struct head *
head_of(void *p, struct memory **owner)
{
	struct head *h = (struct head *)p - 1;
	struct memory *m = memories[h->owner];

	must(m == mine || m->left);
	*owner = m;
	return h;
}

static void *
on_malloc(int n)
{
	uint32_t size = (uint32_t)n + sizeof(struct head);
	struct memory *m = memory_mine();
	struct head *h = slabs_get(&m->slabs, size);

	if (!h)
		return NULL;
	*h = (struct head){ size, m->number };
	return h + 1;
}

static void
on_free(void *p)
{
	struct memory *m;
	struct head *h = head_of(p, &m);

	slabs_put(&m->slabs, h, h->size);
}

static void *
on_realloc(void *p, int n)
{
	struct memory *m;
	struct head *h = head_of(p, &m);
	uint32_t size = (uint32_t)n + sizeof(*h);

	h = slabs_resize(&m->slabs, h, h->size, size);
	if (!h)
		return NULL;
	h->size = size;
	return h + 1;
}

static int
on_size(void *p)
{
	return p ? (int)(((struct head *)p - 1)->size - sizeof(struct head)) : 0;
}

static int
on_roundup(int n)
{
	return (n + 7) & ~7;
}

static int
on_init(void *arg)
{
	(void)arg;
	return SQLITE_OK;
}

static void
on_shutdown(void *arg)
{
	(void)arg;
}

void
memory_configure(void)
{
	static const sqlite3_mem_methods methods = {
		.xMalloc = on_malloc, .xFree = on_free, .xRealloc = on_realloc, .xSize = on_size, .xRoundup = on_roundup,
		.xInit = on_init, .xShutdown = on_shutdown
	};

	static bool done;

	if (done)		/* by a test, to put its own on top */
		return;
	done = true;
	must(sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) == SQLITE_OK);
}

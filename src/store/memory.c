/* memory.c -- sqlite3_mem_methods over slabs; see memory.h.
 *
 * SQLite frees without saying how large the piece was, so each of its pieces has a
 * head of eight bytes, as in SQLite's own allocator.
 */
#include "store/memory.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/slabs.h"
#include "base/str.h"

struct head {
	uint32_t size;		/* with the head */
	uint32_t owner;		/* the number of its thread's slabs */
};

struct memory {
	struct slabs slabs;
	uint32_t number;
};

static _Thread_local struct memory *mine;
static pthread_key_t key;	/* its destructor ends a thread's memory */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
memory_free(void *arg)
{
	struct memory *m = arg;

	slabs_fini(&m->slabs);
	free(m);
	mine = NULL;
}

static void
make_key(void)
{
	must(pthread_key_create(&key, memory_free) == 0);
}

static struct memory *
memory_new(void)
{
	static _Atomic uint32_t number;
	struct memory *m = xmalloc(sizeof(*m));

	must(pthread_once(&once, make_key) == 0);
	slabs_init(&m->slabs);
	m->number = ++number;
	must(pthread_setspecific(key, m) == 0);
	return mine = m;
}

static struct memory *
memory_mine(void)
{
	return mine ? mine : memory_new();
}

static struct head *
head_of(void *p)
{
	struct head *h = (struct head *)p - 1;

	must(mine && h->owner == mine->number);
	return h;
}

static void *
on_malloc(int n)
{
	uint32_t size = (uint32_t)n + sizeof(struct head);
	struct head *h = slabs_get(&memory_mine()->slabs, size);

	if (!h)
		return NULL;
	*h = (struct head){ size, mine->number };
	return h + 1;
}

static void
on_free(void *p)
{
	struct head *h = head_of(p);

	slabs_put(&mine->slabs, h, h->size);
}

static void *
on_realloc(void *p, int n)
{
	struct head *h = head_of(p);
	uint32_t size = (uint32_t)n + sizeof(*h);

	h = slabs_resize(&mine->slabs, h, h->size, size);
	if (!h)
		return NULL;
	h->size = size;
	return h + 1;
}

static int
on_size(void *p)
{
	return p ? (int)(head_of(p)->size - sizeof(struct head)) : 0;
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

	must(sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) == SQLITE_OK);
}

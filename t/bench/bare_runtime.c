/* bare_runtime.c -- the least that a call between objects asks for: what drey's RPC is measured against.
 *
 *	bare_runtime resume SECONDS	one thread: a coroutine is resumed and yields, in LuaJIT, by its C API
 *	bare_runtime hop SECONDS FLIGHTS	two threads: pieces go there and back over a queue each way; a queue is a
 *				list under a mutex, and an eventfd wakes who waits for it
 *
 * Prints resumes, or round trips, per second.
 */
#include <lauxlib.h>
#include <lualib.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/list.h"

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- resume ---- */

static double
resumes(double seconds)
{
	lua_State *L = luaL_newstate(), *co = lua_newthread(L);
	unsigned long n = 0;
	double start, end;

	luaL_openlibs(L);
	if (luaL_loadstring(co, "local yield, x = coroutine.yield, 0 while true do x = yield(x) end") != 0)
		exit(1);
	start = now();
	for (end = start; end < start + seconds; end = now())
		for (int i = 0; i < 1000; i++, n++) {
			lua_pushinteger(co, i);
			if (lua_resume(co, 1) != LUA_YIELD)
				exit(1);
			lua_settop(co, 0);
		}
	lua_close(L);
	return (double)n / (end - start);
}

/* ---- hop ---- */

struct queue {
	pthread_mutex_t lock;
	struct list pieces;
	int wake;
};

static struct queue there = { .lock = PTHREAD_MUTEX_INITIALIZER }, back = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void
push(struct queue *q, struct list *piece)
{
	uint64_t one = 1;
	bool first;

	pthread_mutex_lock(&q->lock);
	first = list_empty(&q->pieces);
	list_push(&q->pieces, piece);
	pthread_mutex_unlock(&q->lock);
	if (first && write(q->wake, &one, sizeof(one)) < 0)
		exit(1);
}

/* All that has come; waits for it. */
static void
take(struct queue *q, struct list *all)
{
	uint64_t n;

	if (read(q->wake, &n, sizeof(n)) < 0)
		exit(1);
	pthread_mutex_lock(&q->lock);
	list_splice(all, &q->pieces);
	pthread_mutex_unlock(&q->lock);
}

static unsigned long
pass(struct queue *from, struct queue *to)
{
	struct list all = LIST_INIT(all), *piece;
	unsigned long n = 0;

	for (take(from, &all); (piece = list_shift(&all)); n++)
		push(to, piece);
	return n;
}

static void *
on_other_side(void *arg)
{
	(void)arg;
	for (;;)
		pass(&there, &back);
	return NULL;
}

static double
hops(double seconds, unsigned flights)
{
	struct list *pieces = calloc(flights, sizeof(*pieces));
	unsigned long n = 0;
	pthread_t other;
	double start, end;

	list_init(&there.pieces);
	list_init(&back.pieces);
	there.wake = eventfd(0, 0);
	back.wake = eventfd(0, 0);
	if (!pieces || pthread_create(&other, NULL, on_other_side, NULL) != 0)
		exit(1);
	for (unsigned i = 0; i < flights; i++) {
		list_init(&pieces[i]);
		push(&there, &pieces[i]);
	}
	start = now();
	for (end = start; end < start + seconds; end = now())
		n += pass(&back, &there);
	return (double)n / (end - start);	/* the other one and its queue end with the process */
}

int
main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "resume") == 0) {
		printf("%.0f\n", resumes(atof(argv[2])));
	} else if (argc == 4 && strcmp(argv[1], "hop") == 0 && atoi(argv[3]) > 0) {
		printf("%.0f\n", hops(atof(argv[2]), (unsigned)atoi(argv[3])));
	} else {
		fprintf(stderr, "usage: bare_runtime resume SECONDS | hop SECONDS FLIGHTS\n");
		return 2;
	}
	return 0;
}

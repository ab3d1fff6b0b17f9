/* bind_room.c -- native.room(): raises when little is left of the thread's stack.
 *
 * Lua's own stack has its limit, but a coroutine has one of its own, and each
 * coroutine inside a coroutine takes some of the thread's; so does each callback of
 * string.gsub inside another, nine kilobytes.  Those two ask here first
 * (lua/drey/park.lua).  Whatever else calls back into Lua ends at
 * Lua's limit long before the half of the stack that is left then.
 */
#include <lauxlib.h>
#include <pthread.h>
#include <stdint.h>

#include "base/err.h"
#include "lua/host.h"

static __thread uintptr_t lowest;	/* of this thread: half of its stack */

static void
measure(void)
{
	pthread_attr_t attr;
	void *bottom;
	size_t n;

	must(pthread_getattr_np(pthread_self(), &attr) == 0);
	must(pthread_attr_getstack(&attr, &bottom, &n) == 0);
	pthread_attr_destroy(&attr);
	lowest = (uintptr_t)bottom + n / 2;
}

static int
l_room(lua_State *L)
{
	if (!lowest)
		measure();
	if ((uintptr_t)__builtin_frame_address(0) < lowest)
		return host_error(L, "stack overflow: coroutines inside coroutines, or callbacks of string.gsub inside one another, without end");
	return 0;
}

void
bind_room(lua_State *L)
{
	lua_pushcfunction(L, l_room);
	lua_setfield(L, -2, "room");
}

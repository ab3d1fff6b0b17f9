/* bind_time.c -- native.time: now() and sleep(ms). */
#include <lauxlib.h>

#include "base/clock.h"
#include "lua/host.h"
#include "lua/task.h"
#include "object/worker.h"

#define SLEEP_MAX 2147483647.0		/* 24.8 days, as timers elsewhere */

static int
l_now(lua_State *L)
{
	lua_pushnumber(L, (lua_Number)clock_wall_ms());
	return 1;
}

static int
slept(struct task *t, lua_State *to)
{
	(void)t;
	lua_pushboolean(to, 1);
	return 1;
}

static int
l_sleep(lua_State *L)
{
	lua_Number ms = luaL_checknumber(L, 1);
	struct task *t;

	if (!(ms >= 0 && ms <= SLEEP_MAX))
		return host_error(L, "sleep(ms): milliseconds from 0 to 2147483647, not %g", ms);
	t = task_waits(L, "sleep()");
	if (!t)
		return task_hang(L);
	timer_set(&t->vm->worker->timers, &t->sleep, clock_ms() + (int64_t)ms);
	return task_park(L, t, slept);
}

static const luaL_Reg functions[] = { { "now", l_now }, { "sleep", l_sleep }, { NULL, NULL } };

void
bind_time(lua_State *L)
{
	lua_newtable(L);
	luaL_register(L, NULL, functions);
	lua_setfield(L, -2, "time");
}

/* bind_stream.h -- the Lua side of pipes: stream(fn) writes one, ReadableStream reads one.
 *
 *	writer   a task of async()'s kind; its end of the pipe is task->pipe, closed when the task ends, however that is
 *	reader   a box in Lua; the end behind it is on vm->readers, so that it is given back also when the state is lost
 *
 * Lives in: the VM.  Thread: its worker only.
 */
#ifndef DREY_LUA_BIND_STREAM_H
#define DREY_LUA_BIND_STREAM_H

#include <lua.h>
#include <stdbool.h>

struct pipe;
struct task;
struct vm;

void stream_push(lua_State *, struct pipe **);		/* pushes a box with the reader's end; takes */
struct pipe *stream_take(lua_State *, int idx);		/* the reader's end out of a ReadableStream; NULL: no stream, or err_text() */
bool stream_is(lua_State *, int idx);
void stream_cut(struct task *);				/* the task ends: its end of the pipe, if it has one, is closed with an error */
void stream_unwait(struct task *);			/* it waits no more for room, or for a piece */
void stream_lose_readers(struct vm *);			/* the Lua state is gone */

#endif

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

struct arena;
struct message;
struct pipe;
struct task;
struct vm;

void stream_push(lua_State *, struct pipe **);		/* pushes a box with the reader's end; takes */
/* What idx is, a string, a ReadableStream or nil, becomes the body of the message: copies the string, takes the reader's end.
 * ERR_ARGUMENT: none of these (what: "Response"), or a stream that was used already. */
int stream_body(lua_State *, int idx, const char *what, struct arena *, struct message *);
void stream_cut(struct task *);				/* the task ends: its end of the pipe, if it has one, is closed with an error */
void stream_unwait(struct task *);			/* it waits no more for room, or for a piece */
void stream_leave(struct task *);			/* its caller is gone, or its object: what it waits for a piece of is given up */
void stream_lose_readers(struct vm *);			/* the Lua state is gone */

#endif

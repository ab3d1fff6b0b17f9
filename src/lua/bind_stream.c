/* bind_stream.c -- native.stream: what stands behind stream(fn) and response.body (lua/drey/stream.lua).
 *
 *	open(fn) -> box		a pipe; fn runs as a task of its own, which writes it
 *	write(bytes) -> bool	in that task only: false when nobody reads any more; waits for room
 *	cancelled() -> bool	in that task
 *	finish(ok, err)		the end; not ok: it breaks off with err, which is logged
 *	read(box) -> bytes	waits for the next piece; nil at the end; raises when the writer broke off
 *	cancel(box)		gives it up
 *	abort(box, why)		the same, but whoever reads it, now or later, gets this error
 */
#include "lua/bind_stream.h"

#include <lauxlib.h>
#include <stdlib.h>

#include "base/err.h"
#include "lua/bind_promise.h"
#include "lua/host.h"
#include "lua/task.h"
#include "lua/traceback.h"
#include "object/pipe.h"
#include "object/worker.h"

struct reader {
	struct list link;		/* vm->readers */
	struct vm *vm;
	struct pipe *pipe;		/* NULL: read to its end, given up, or sent on */
	struct task *task;		/* that waits for a piece */
	char *failed, *name;		/* why it broke off; name NULL: a plain error */
};

enum { READERS_MANY = 64 };		/* boxes before the garbage collector is asked for */

static const char box_name[] = "drey.stream";

/* ---- the writer ---- */

static int
l_open(lua_State *L)
{
	struct pipe *p;
	struct task *t;

	luaL_checktype(L, 1, LUA_TFUNCTION);
	t = async_start(L, 1, "stream");
	p = t->pipe = pipe_new(t->vm->worker);
	if (t->object)
		object_stream(t->object);
	stream_push(L, &p);
	return 1;
}

static void
close_pipe(struct task *t, const struct failure *why)
{
	pipe_close(&t->pipe, t->object, why);
	if (t->object)
		object_stream_end(t->object);
}

static struct pipe *
check_writer(lua_State *L)
{
	struct task *t = host_task(L);

	if (!t->pipe)
		host_error(L, "a stream is written by the function that stream(fn) runs, while it runs, and by nobody else");
	return t->pipe;
}

static int
written(struct task *t, lua_State *to)
{
	if (t->pipe && pipe_full(t->pipe))
		return -1;
	lua_pushboolean(to, 1);
	lua_pushboolean(to, t->pipe && !pipe_cancelled(t->pipe));
	return 2;
}

static void
on_room(void *arg)
{
	struct task *t = arg;

	if (t->parked && t->resume == written && !list_linked(&t->waiter.link))
		task_wake(t);
}

static int
l_write(lua_State *L)
{
	struct pipe *p = check_writer(L);
	struct task *t = host_task(L);
	struct str bytes;

	if (lua_type(L, 1) != LUA_TSTRING)
		return host_error(L, "stream:write(bytes) takes a string, not a %s", luaL_typename(L, 1));
	bytes.p = lua_tolstring(L, 1, &bytes.n);
	pipe_write(p, t->object, bytes);
	if (!pipe_full(p))
		return written(t, L);
	if (!task_waits(L, "stream:write()"))
		return task_hang(L);
	pipe_on_room(p, on_room, t);
	return task_park(L, t, written);
}

static int
l_cancelled(lua_State *L)
{
	lua_pushboolean(L, pipe_cancelled(check_writer(L)));
	return 1;
}

static int
l_finish(lua_State *L)		/* (ok, err) */
{
	struct task *t = host_task(L);
	struct failure why;
	struct arena a;

	if (!t->pipe)
		return 0;
	if (lua_toboolean(L, 1)) {
		close_pipe(t, NULL);
		return 0;
	}
	arena_init(&a);
	failure_from_lua(L, 2, L, &a, &why);
	if (!pipe_cancelled(t->pipe))
		host_log_failure(t, &why);
	close_pipe(t, &why);
	arena_fini(&a);
	return 0;
}

void
stream_cut(struct task *t)
{
	static const struct failure why = { .message = STR("the stream broke off: its writer was reset") };

	if (t->pipe)
		close_pipe(t, &why);
}

/* ---- the reader ---- */

/* A box is small, what it holds open is not: a connection, and its place among those an app may have.  So the garbage collector comes
 * round for them, too. */
static void
collect_boxes(lua_State *L, struct vm *vm)
{
	if (vm->nreaders < vm->readers_most)
		return;
	lua_gc(L, LUA_GCCOLLECT, 0);
	vm->readers_most = 2 * vm->nreaders > READERS_MANY ? 2 * vm->nreaders : READERS_MANY;
}

void
stream_push(lua_State *L, struct pipe **pp)
{
	struct vm *vm = vm_of(L);
	struct reader **box, *r;

	collect_boxes(L, vm);
	box = lua_newuserdata(L, sizeof(*box));
	r = xcalloc(1, sizeof(*r));
	r->vm = vm;
	r->pipe = *pp;
	*pp = NULL;
	list_push(&vm->readers, &r->link);
	vm->nreaders++;
	*box = r;
	luaL_getmetatable(L, box_name);
	lua_setmetatable(L, -2);
}

static struct reader *
to_reader(lua_State *L, int idx)
{
	struct reader **box = lua_touserdata(L, idx);
	bool is;

	if (!box || lua_type(L, idx) != LUA_TUSERDATA || !lua_getmetatable(L, idx))
		return NULL;
	luaL_getmetatable(L, box_name);
	is = lua_rawequal(L, -1, -2);
	lua_pop(L, 2);
	return is ? *box : NULL;
}

static struct reader *
check_reader(lua_State *L)
{
	struct reader *r = to_reader(L, 1);

	if (!r)
		host_error(L, "this is called on a stream, with a colon: response.body:read()");
	return r;
}

static void
on_piece(void *arg)
{
	struct reader *r = arg;

	if (r->task && !list_linked(&r->task->waiter.link))
		task_wake(r->task);
}

static void
leave(struct reader *r)
{
	if (!r->task)
		return;
	r->task->reads = NULL;
	r->task = NULL;
	if (r->pipe)
		pipe_detach(r->pipe);
}

/* Why it broke off: a string as its writer raised it, or an error with a name. */
static void
push_why(const struct reader *r, lua_State *to)
{
	struct failure why = { .message = str_c(r->failed) };

	if (!r->name) {
		lua_pushstring(to, r->failed);
		return;
	}
	why.name = str_c(r->name);
	failure_push(to, vm_of(to)->ref[REF_ERROR], &why, false);
	lua_pushnil(to);
	lua_setfield(to, -2, "remote");
}

static void
keep_why(struct reader *r, const struct piece *x)
{
	struct str name = { x->bytes + x->n, x->name_n };

	r->failed = strndup(x->bytes, x->n);
	r->name = name.n && !str_eq(name, STR("Error")) ? strndup(name.p, name.n) : NULL;
}

/* What came, or none yet: -1. */
static int
take_piece(struct reader *r, lua_State *to)
{
	struct piece *x = r->pipe ? pipe_read(r->pipe) : NULL;
	enum piece_kind kind;

	if (r->pipe && !x)
		return -1;
	kind = x ? x->kind : r->failed ? PIECE_FAILED : PIECE_END;
	if (x && kind == PIECE_FAILED)
		keep_why(r, x);
	lua_pushboolean(to, kind != PIECE_FAILED);
	if (kind == PIECE_END)
		lua_pushnil(to);
	else if (kind == PIECE_BYTES)
		lua_pushlstring(to, x->bytes, x->n);
	else
		push_why(r, to);
	if (x)
		piece_free(r->pipe, &x);
	if (r->pipe && kind != PIECE_BYTES)
		pipe_cancel(&r->pipe);
	return 2;
}

static int
came(struct task *t, lua_State *to)
{
	struct reader *r = t->reads;
	int n = take_piece(r, to);

	if (n >= 0)
		leave(r);
	return n;
}

static int
l_read(lua_State *L)
{
	struct reader *r = check_reader(L);
	struct task *t = host_task(L);
	int n = take_piece(r, L);

	if (n >= 0)
		return n;
	if (r->task)
		return host_error(L, "two tasks read one stream at once; let one read and hand the pieces on");
	t = task_waits(L, "stream:read()");
	if (!t)
		return task_hang(L);
	r->task = t;
	t->reads = r;
	pipe_attach(r->pipe, t->vm->worker, on_piece, r);
	return task_park(L, t, came);
}

static void
give_up(struct reader *r)
{
	leave(r);
	if (r->pipe)
		pipe_cancel(&r->pipe);
}

static int
l_cancel(lua_State *L)
{
	give_up(check_reader(L));
	return 0;
}

/* A task that waits for a piece is told in the next tick: code of the app runs now. */
static int
l_abort(lua_State *L)
{
	struct reader *r = check_reader(L);
	struct failure why = { .name = STR("AbortError") };

	why.message.p = luaL_checklstring(L, 2, &why.message.n);
	if (r->pipe)
		pipe_abort(r->pipe, &why);
	return 0;
}

static void
reader_free(struct reader *r)
{
	give_up(r);
	list_del(&r->link);
	r->vm->nreaders--;
	free(r->failed);
	free(r->name);
	free(r);
}

static int
l_gc(lua_State *L)
{
	struct reader **box = lua_touserdata(L, 1);

	if (*box)
		reader_free(*box);
	*box = NULL;
	return 0;
}

void
stream_unwait(struct task *t)
{
	if (t->reads)
		leave(t->reads);
	if (t->pipe)
		pipe_on_room(t->pipe, NULL, NULL);
}

void
stream_leave(struct task *t)
{
	if (t->reads)
		give_up(t->reads);
}

void
stream_lose_readers(struct vm *vm)
{
	while (!list_empty(&vm->readers))
		reader_free(list_first(&vm->readers, struct reader, link));
}

/* The field _box of the table at idx. */
static struct reader *
box_of(lua_State *L, int idx)
{
	struct reader *r;

	lua_pushvalue(L, idx);
	lua_pushliteral(L, "_box");
	lua_rawget(L, -2);
	r = to_reader(L, -1);
	lua_pop(L, 2);
	return r;
}

static int
take_end(struct reader *r, const char *what, struct message *m)
{
	if (!r->pipe || r->task)
		return err_set(ERR_ARGUMENT, "the stream in this %s was read, given up or sent already; a stream is sent once", what);
	m->stream = r->pipe;
	r->pipe = NULL;
	pipe_detach(m->stream);
	return OK;
}

static void
copy_string(lua_State *L, int idx, struct arena *a, struct message *m)
{
	struct str s;

	s.p = lua_tolstring(L, idx, &s.n);
	m->body = arena_str(a, s);
}

/* A stream over a string, which has it in _text until it was read. */
static bool
take_text(lua_State *L, int idx, struct arena *a, struct message *m)
{
	bool is;

	lua_pushliteral(L, "_text");
	lua_rawget(L, idx);
	is = lua_type(L, -1) == LUA_TSTRING;
	if (is)
		copy_string(L, lua_gettop(L), a, m);
	lua_pop(L, 1);
	return is;
}

int
stream_body(lua_State *L, int idx, const char *what, struct arena *a, struct message *m)
{
	struct reader *r;

	if (lua_isnil(L, idx))
		return OK;
	if (lua_type(L, idx) == LUA_TSTRING) {
		copy_string(L, idx, a, m);
		return OK;
	}
	if (!lua_istable(L, idx))
		return err_set(ERR_ARGUMENT, "the body of a %s must be a string, not a %s", what, luaL_typename(L, idx));
	if (take_text(L, idx, a, m))
		return OK;
	r = box_of(L, idx);
	if (!r)
		return err_set(ERR_ARGUMENT, "the body of a %s must be a string or a stream that nobody has read, not a table", what);
	return take_end(r, what, m);
}

static const luaL_Reg functions[] = {
	{ "open", l_open }, { "write", l_write }, { "cancelled", l_cancelled }, { "finish", l_finish },
	{ "read", l_read }, { "cancel", l_cancel }, { "abort", l_abort }, { NULL, NULL }
};

void
bind_stream(lua_State *L)
{
	luaL_newmetatable(L, box_name);
	lua_pushcfunction(L, l_gc);
	lua_setfield(L, -2, "__gc");
	lua_pushliteral(L, "stream");
	lua_setfield(L, -2, "__metatable");
	lua_pop(L, 1);
	lua_newtable(L);
	luaL_register(L, NULL, functions);
	lua_setfield(L, -2, "stream");
}

/* pipe.h -- bytes on their way, piece by piece: a body that is not whole yet.
 *
 *	task, or     pipe_write() --gate--> [piece][piece] --pipe_read()--> connection, task,
 *	fetch thread                                                       | or fetch thread
 *	 ^                                                                 |
 *	 +---- room: less than PIPE_WINDOW ahead <-------------------------+ freed
 *
 * A piece is a word: it leaves its object through the output gate, when all that
 * it could have seen is durable.  The end is the last piece.  A writer that is
 * PIPE_WINDOW bytes ahead of the reader should wait; it is told when there is room.
 *
 * The two ends may live on two workers.  What one does is told to the other
 * through its worker's pokes, so each end's callback runs in a tick of its own worker.
 * An end on a thread that is no worker's has none (NULL): its callback runs at once, on the
 * other end's thread and with the pipe locked.  It may only write down that there is
 * something to look at, and wake its thread; after the end has been given back it never runs.
 * Each end has a reference and gives it back once; a reader that leaves early cancels
 * the pipe, a writer that leaves without an end fails it.
 *
 * Thread: each function belongs to one end, and is called on that end's thread.
 */
#ifndef DREY_OBJECT_PIPE_H
#define DREY_OBJECT_PIPE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "object/gate.h"

enum { PIPE_WINDOW = 256 * 1024 };	/* bytes that a writer may be ahead */

struct failure;
struct object;
struct pipe;
struct worker;

enum piece_kind { PIECE_BYTES, PIECE_END, PIECE_FAILED };

struct piece {
	struct word word;
	struct list link;
	struct pipe *pipe;		/* while at the gate */
	enum piece_kind kind;
	size_t n;
	size_t name_n;			/* PIECE_FAILED: after the n bytes, the error's name: "TypeError"; 0: a plain error */
	char bytes[];			/* of PIECE_FAILED: why, in plain English */
};

/* The writer's reference and the reader's.  writer NULL: no worker. */
struct pipe *pipe_new(struct worker *writer);

/* The writer's end.  o: whose gate the piece goes through; NULL: a front module, nothing to wait for. */
void pipe_write(struct pipe *, struct object *o, struct str bytes);	/* copies */
bool pipe_full(const struct pipe *);
bool pipe_cancelled(const struct pipe *);	/* nobody reads any more */
void pipe_on_room(struct pipe *, void (*tell)(void *arg), void *arg);	/* there is room again, or it was cancelled; NULL: nobody asks */
/* The end; why: it broke off.  Gives the writer's end back. */
void pipe_close(struct pipe **, struct object *o, const struct failure *why);

/* The reader's end.  reader NULL: no worker. */
void pipe_attach(struct pipe *, struct worker *reader, void (*tell)(void *arg), void *arg);	/* told of each new piece, perhaps once for several */
void pipe_detach(struct pipe *);		/* until the next pipe_attach(), nobody is told */
struct piece *pipe_read(struct pipe *);		/* the next one, yours; NULL: none yet */
void piece_free(struct pipe *, struct piece **);	/* read and done with: makes room */
/* Like a cancel for the writer; the reader keeps its end, and all that it reads from now on is this failure.  On the reader's thread. */
void pipe_abort(struct pipe *, const struct failure *why);
void pipe_cancel(struct pipe **);		/* gives the reader's end back, at any time */

#endif

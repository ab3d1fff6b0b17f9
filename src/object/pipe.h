/* pipe.h -- bytes on their way, piece by piece: the body of a response that is not whole yet.
 *
 *	task  pipe_write() --gate--> [piece][piece] --pipe_read()--> connection, or another task
 *	 ^                                            |
 *	 +---- room: less than PIPE_WINDOW ahead <----+ freed
 *
 * A piece is a word: it leaves its object through the output gate, when all that
 * it could have seen is durable.  The end is the last piece.  A writer that is
 * PIPE_WINDOW bytes ahead of the reader should wait; it is told when there is room.
 *
 * The two ends may live on two workers.  What one does is told to the other
 * through its worker's pokes, so each end's callback runs in a tick of its own worker.
 * Each end has a reference and gives it back once; a reader that leaves early cancels
 * the pipe, a writer that leaves without an end fails it.
 *
 * Thread: each function belongs to one end, and is called on that end's worker.
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
	char bytes[];			/* of PIECE_FAILED: why, in plain English */
};

struct pipe *pipe_new(struct worker *writer);	/* the writer's reference and the reader's */

/* The writer's end.  o: whose gate the piece goes through; NULL: a front module, nothing to wait for. */
void pipe_write(struct pipe *, struct object *o, struct str bytes);	/* copies */
bool pipe_full(const struct pipe *);
bool pipe_cancelled(const struct pipe *);	/* nobody reads any more */
void pipe_on_room(struct pipe *, void (*tell)(void *arg), void *arg);	/* there is room again, or it was cancelled; NULL: nobody asks */
/* The end; why: it broke off.  Gives the writer's end back. */
void pipe_close(struct pipe **, struct object *o, const struct failure *why);

/* The reader's end. */
void pipe_attach(struct pipe *, struct worker *reader, void (*tell)(void *arg), void *arg);	/* told of each new piece, perhaps once for several */
void pipe_detach(struct pipe *);		/* until the next pipe_attach(), nobody is told */
struct piece *pipe_read(struct pipe *);		/* the next one, yours; NULL: none yet */
void piece_free(struct pipe *, struct piece **);	/* read and done with: makes room */
void pipe_cancel(struct pipe **);		/* gives the reader's end back, at any time */

#endif

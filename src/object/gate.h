/* gate.h -- the output gate: hold an object's words until its deeds are on disk.
 *
 * A word is anything that leaves the object: an answer, an error, an outgoing
 * call.  It takes a ticket: the number of the last commit it could have
 * seen, or TICKET_OPEN while that transaction is still open; gate_stamp()
 * gives those their number at the commit.  Words leave in order, each when
 * its number is durable.  If the journal fails, or the commit does, the gate
 * breaks: every word is told why, none gets out as a success.
 *
 * Lives in: struct object.  Thread: the owning worker only.
 */
#ifndef DREY_OBJECT_GATE_H
#define DREY_OBJECT_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

struct failure;

#define TICKET_OPEN UINT64_MAX

struct word {
	struct list link;
	uint64_t ticket;
	/* Called once: with NULL when it may leave, else with why it must not. The word is off the gate. */
	void (*say)(struct word *, const struct failure *broken);
};

struct gate {
	struct list words;	/* tickets never fall from head to tail */
};

void gate_init(struct gate *);
bool gate_empty(const struct gate *);
void gate_hold(struct gate *, struct word *, uint64_t ticket);	/* borrows the word until it is said; it overtakes nobody, whatever its ticket */
void gate_stamp(struct gate *, uint64_t commit);		/* open tickets become this number */
bool gate_open(struct gate *, uint64_t durable);		/* says what may leave; true when nothing waits any more */
void gate_break(struct gate *, const struct failure *);
/* Only the words that saw the transaction that could not be committed. */
void gate_break_open(struct gate *, const struct failure *);

#endif

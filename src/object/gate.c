/* gate.c -- words in line.
 *
 *	head                              tail
 *	 41   41   44   44   OPEN  OPEN
 *	 `-- durable: say     `-- until gate_stamp()
 *
 * Saying a word may bring new ones to the same gate, so the line is looked
 * at afresh after each, and a gate that breaks is emptied into a line of
 * its own first.
 */
#include "object/gate.h"

#include "base/err.h"

static struct word *
word_of(struct list *link)
{
	return container_of(link, struct word, link);
}

void
gate_init(struct gate *g)
{
	list_init(&g->words);
}

bool
gate_empty(const struct gate *g)
{
	return list_empty(&g->words);
}

/* A word never overtakes: it waits at least for what the one before it waits for. */
void
gate_hold(struct gate *g, struct word *w, uint64_t ticket)
{
	uint64_t before = gate_empty(g) ? 0 : word_of(g->words.prev)->ticket;

	must(!list_linked(&w->link) && w->say);
	w->ticket = ticket > before ? ticket : before;
	list_push(&g->words, &w->link);
}

void
gate_stamp(struct gate *g, uint64_t commit)
{
	must(commit != TICKET_OPEN);
	for (struct list *n = g->words.prev; n != &g->words && word_of(n)->ticket == TICKET_OPEN; n = n->prev)
		word_of(n)->ticket = commit;
}

bool
gate_open(struct gate *g, uint64_t durable)
{
	must(durable != TICKET_OPEN);
	while (!gate_empty(g) && word_of(g->words.next)->ticket <= durable) {
		struct word *w = word_of(list_shift(&g->words));

		w->say(w, NULL);
	}
	return gate_empty(g);
}

static void
say_all(struct list *words, const struct failure *broken)
{
	struct list *n;

	while ((n = list_shift(words)))
		word_of(n)->say(word_of(n), broken);
}

void
gate_break(struct gate *g, const struct failure *why)
{
	struct list words;

	list_init(&words);
	list_splice(&words, &g->words);
	say_all(&words, why);
}

void
gate_break_open(struct gate *g, const struct failure *why)
{
	struct list words;

	list_init(&words);
	while (!gate_empty(g) && word_of(g->words.prev)->ticket == TICKET_OPEN) {
		struct list *last = g->words.prev;

		list_del(last);
		list_insert(&words, last);	/* in front: they are told in order */
	}
	say_all(&words, why);
}

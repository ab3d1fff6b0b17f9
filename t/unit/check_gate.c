/* check_gate.c -- the output gate: order, stamps, breaking. */
#include <check.h>
#include <stdlib.h>

#include "object/gate.h"
#include "object/event.h"

/* What was said, in order: 'a' for a word that left, 'A' for one that was told why not. */
static char said[32];
static unsigned nsaid;

struct talk {
	struct word word;
	char letter;
	struct gate *again;		/* held here once more when said */
};

static void
on_say(struct word *w, const struct failure *broken)
{
	struct talk *t = container_of(w, struct talk, word);

	ck_assert(!list_linked(&w->link));
	said[nsaid++] = broken ? t->letter - 32 : t->letter;
	said[nsaid] = '\0';
	if (t->again) {
		struct gate *g = t->again;

		t->again = NULL;
		gate_hold(g, w, w->ticket + 1);
	}
}

static struct talk
talk(char letter)
{
	struct talk t = { .letter = letter };

	return t;
}

static void
hold(struct gate *g, struct talk *t, uint64_t ticket)
{
	list_init(&t->word.link);
	t->word.say = on_say;
	gate_hold(g, &t->word, ticket);
}

static const struct failure why = { .message = { "lost", 4 } };

START_TEST(words_leave_in_order_each_when_its_number_is_durable)
{
	struct talk a = talk('a'), b = talk('b'), c = talk('c');
	struct gate g;

	gate_init(&g);
	ck_assert(gate_empty(&g));
	hold(&g, &a, 3), hold(&g, &b, 3), hold(&g, &c, 5);
	ck_assert(!gate_open(&g, 2));
	ck_assert_str_eq(said, "");
	ck_assert(!gate_open(&g, 4));
	ck_assert_str_eq(said, "ab");
	ck_assert(gate_open(&g, 5));
	ck_assert_str_eq(said, "abc");
}
END_TEST

START_TEST(a_word_never_overtakes_the_one_before_it)
{
	struct talk a = talk('a'), b = talk('b');
	struct gate g;

	gate_init(&g);
	hold(&g, &a, 7), hold(&g, &b, 1);
	gate_open(&g, 6);
	ck_assert_str_eq(said, "");
	gate_open(&g, 7);
	ck_assert_str_eq(said, "ab");
}
END_TEST

START_TEST(an_open_ticket_gets_the_number_of_its_commit)
{
	struct talk a = talk('a'), b = talk('b'), c = talk('c');
	struct gate g;

	gate_init(&g);
	hold(&g, &a, 2), hold(&g, &b, TICKET_OPEN), hold(&g, &c, TICKET_OPEN);
	gate_open(&g, 1000);
	ck_assert_str_eq(said, "a");
	gate_stamp(&g, 9);
	gate_open(&g, 8);
	ck_assert_str_eq(said, "a");
	gate_open(&g, 9);
	ck_assert_str_eq(said, "abc");
}
END_TEST

START_TEST(breaking_tells_everybody_in_order_and_once)
{
	struct talk a = talk('a'), b = talk('b');
	struct gate g;

	gate_init(&g);
	hold(&g, &a, 2), hold(&g, &b, TICKET_OPEN);
	gate_break(&g, &why);
	ck_assert(gate_empty(&g));
	ck_assert(gate_open(&g, 1000));
	ck_assert_str_eq(said, "AB");
}
END_TEST

START_TEST(breaking_the_open_words_leaves_the_committed_ones_in_line)
{
	struct talk a = talk('a'), b = talk('b'), c = talk('c');
	struct gate g;

	gate_init(&g);
	hold(&g, &a, 2), hold(&g, &b, TICKET_OPEN), hold(&g, &c, TICKET_OPEN);
	gate_break_open(&g, &why);
	ck_assert_str_eq(said, "BC");
	ck_assert(gate_open(&g, 2));
	ck_assert_str_eq(said, "BCa");
}
END_TEST

START_TEST(a_word_may_hold_again_while_the_gate_opens_or_breaks)
{
	struct talk a = talk('a'), b = talk('b');
	struct gate g;

	gate_init(&g);
	a.again = &g;
	hold(&g, &a, 1), hold(&g, &b, 2);
	ck_assert(gate_open(&g, 2));
	ck_assert_str_eq(said, "aba");
	a.again = &g;
	hold(&g, &a, 3);
	gate_break(&g, &why);
	ck_assert_str_eq(said, "abaA");
	ck_assert(!gate_empty(&g));	/* what comes after the break is the holder's business */
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("gate");
	TCase *t = tcase_create("gate");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_test(t, words_leave_in_order_each_when_its_number_is_durable);
	tcase_add_test(t, a_word_never_overtakes_the_one_before_it);
	tcase_add_test(t, an_open_ticket_gets_the_number_of_its_commit);
	tcase_add_test(t, breaking_tells_everybody_in_order_and_once);
	tcase_add_test(t, breaking_the_open_words_leaves_the_committed_ones_in_line);
	tcase_add_test(t, a_word_may_hold_again_while_the_gate_opens_or_breaks);
	suite_add_tcase(s, t);
	srunner_run_all(sr, getenv("CK_VERBOSE") ? CK_VERBOSE : CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

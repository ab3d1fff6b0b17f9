/* check_lexer.c -- text into tokens, each with its place. */
#include <check.h>
#include <stdlib.h>

#include "base/err.h"
#include "conf/lexer.h"

static struct arena arena;

static void
setup(void)
{
	arena_init(&arena);
}

static void
teardown(void)
{
	arena_fini(&arena);
}

static struct lexer
on(const char *text)
{
	struct lexer lx;

	lexer_init(&lx, &arena, "f", str_c(text));
	return lx;
}

static struct token
next(struct lexer *lx)
{
	struct token t;

	ck_assert_msg(lexer_next(lx, &t) == OK, "%s", err_text());
	return t;
}

static void
expect(struct lexer *lx, enum token_kind kind, const char *text, int line, int column)
{
	struct token t = next(lx);

	ck_assert_int_eq(t.kind, kind);
	ck_assert_str_eq(t.text, text);
	ck_assert_int_eq(t.at.line, line);
	ck_assert_int_eq(t.at.column, column);
	ck_assert_str_eq(t.at.file, "f");
}

START_TEST(words_and_signs_have_their_places)
{
	struct lexer lx = on("listen 80;\n  server{a b}\n");

	expect(&lx, TOKEN_WORD, "listen", 1, 1);
	expect(&lx, TOKEN_WORD, "80", 1, 8);
	expect(&lx, TOKEN_SEMICOLON, "", 1, 10);
	expect(&lx, TOKEN_WORD, "server", 2, 3);
	expect(&lx, TOKEN_OPEN, "", 2, 9);
	expect(&lx, TOKEN_WORD, "a", 2, 10);
	expect(&lx, TOKEN_WORD, "b", 2, 12);
	expect(&lx, TOKEN_CLOSE, "", 2, 13);
	expect(&lx, TOKEN_END, "", 3, 1);
	expect(&lx, TOKEN_END, "", 3, 1);
}
END_TEST

START_TEST(the_end_of_a_word_is_just_behind_it)
{
	struct lexer lx = on("ab \"c d\";");
	struct token t = next(&lx);

	ck_assert_int_eq(t.end.column, 3);
	t = next(&lx);
	ck_assert(t.quoted);
	ck_assert_int_eq(t.at.column, 4);
	ck_assert_int_eq(t.end.column, 9);
}
END_TEST

START_TEST(comments_run_to_the_end_of_their_line)
{
	struct lexer lx = on("# one ; { \" '\na#b # two\n;# three");

	expect(&lx, TOKEN_WORD, "a#b", 2, 1);	/* inside a word it is a character like others */
	expect(&lx, TOKEN_SEMICOLON, "", 3, 1);
	expect(&lx, TOKEN_END, "", 3, 9);
}
END_TEST

START_TEST(quotes_hold_anything_and_know_some_escapes)
{
	struct lexer lx = on("\"a;{}# 'b'\" 'c \"d\"' \"e\\\"f\\\\g\\n\\t\\r\\d\" '' \"two\nlines\" x");

	expect(&lx, TOKEN_WORD, "a;{}# 'b'", 1, 1);
	expect(&lx, TOKEN_WORD, "c \"d\"", 1, 13);
	expect(&lx, TOKEN_WORD, "e\"f\\g\n\t\r\\d", 1, 21);
	expect(&lx, TOKEN_WORD, "", 1, 39);
	expect(&lx, TOKEN_WORD, "two\nlines", 1, 42);
	expect(&lx, TOKEN_WORD, "x", 2, 8);
}
END_TEST

START_TEST(a_backslash_makes_a_sign_part_of_a_word)
{
	struct lexer lx = on("a\\;b\\ c\\{ d\\");

	expect(&lx, TOKEN_WORD, "a;b c{", 1, 1);
	expect(&lx, TOKEN_WORD, "d\\", 1, 11);
}
END_TEST

START_TEST(columns_count_characters_and_carriage_returns_are_space)
{
	struct lexer lx = on("\xc3\xa9t\xc3\xa9 \xe2\x98\x83\xf0\x9f\x90\xbf x;\r\n\ty\r\n");

	expect(&lx, TOKEN_WORD, "\xc3\xa9t\xc3\xa9", 1, 1);
	expect(&lx, TOKEN_WORD, "\xe2\x98\x83\xf0\x9f\x90\xbf", 1, 5);
	expect(&lx, TOKEN_WORD, "x", 1, 8);
	expect(&lx, TOKEN_SEMICOLON, "", 1, 9);
	expect(&lx, TOKEN_WORD, "y", 2, 2);
	expect(&lx, TOKEN_END, "", 3, 1);
}
END_TEST

START_TEST(a_byte_order_mark_is_no_word)
{
	struct lexer lx = on("\xef\xbb\xbfpid x;");

	expect(&lx, TOKEN_WORD, "pid", 1, 1);
}
END_TEST

static void
refuse(const char *text, size_t n, const char *message)
{
	struct lexer lx;
	struct token t;
	int rc;

	lexer_init(&lx, &arena, "f", str_n(text, n));
	while ((rc = lexer_next(&lx, &t)) == OK && t.kind != TOKEN_END)
		;
	ck_assert_int_eq(rc, ERR_CONF);
	ck_assert_str_eq(err_text(), message);
}

START_TEST(a_quote_without_end_is_reported_where_it_opens)
{
	refuse("a\n  'it is;\nb;", 14, "f:2:3: the quote opened here is never closed; write  'it is'");
	refuse("\"", 1, "f:1:1: the quote opened here is never closed; write  \"\"");
	refuse("\"a\\\"", 4, "f:1:1: the quote opened here is never closed; write  \"a\\\"\"");
	refuse("\"a\\", 3, "f:1:1: the quote opened here is never closed; write  \"a\\\"");
}
END_TEST

START_TEST(what_is_stuck_to_a_quote_is_refused)
{
	refuse("a \"b\"c;", 7, "f:1:6: a quoted word goes on behind its closing quote; write a space, ; or { here");
}
END_TEST

START_TEST(a_nul_byte_is_refused_in_words_and_quotes)
{
	refuse("a\0b;", 4, "f:1:1: a NUL byte in a word; a configuration is plain text");
	refuse(" \"a\0b\";", 7, "f:1:2: a NUL byte in a word; a configuration is plain text");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("lexer");
	TCase *tc = tcase_create("lexer");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, words_and_signs_have_their_places);
	tcase_add_test(tc, the_end_of_a_word_is_just_behind_it);
	tcase_add_test(tc, comments_run_to_the_end_of_their_line);
	tcase_add_test(tc, quotes_hold_anything_and_know_some_escapes);
	tcase_add_test(tc, a_backslash_makes_a_sign_part_of_a_word);
	tcase_add_test(tc, columns_count_characters_and_carriage_returns_are_space);
	tcase_add_test(tc, a_byte_order_mark_is_no_word);
	tcase_add_test(tc, a_quote_without_end_is_reported_where_it_opens);
	tcase_add_test(tc, what_is_stuck_to_a_quote_is_refused);
	tcase_add_test(tc, a_nul_byte_is_refused_in_words_and_quotes);
	srunner_run_all(sr, getenv("CK_VERBOSE") ? CK_VERBOSE : CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

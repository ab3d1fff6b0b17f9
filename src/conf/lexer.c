/* lexer.c -- characters into tokens, each with its place. */
#include "conf/lexer.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/err.h"

int
place_error(struct place at, const char *fmt, ...)
{
	char text[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_set(ERR_CONF, "%s:%d:%d: %s", at.file, at.line, at.column, text);
}

void
lexer_init(struct lexer *lx, struct arena *arena, const char *file, struct str text)
{
	*lx = (struct lexer){ arena, text.p, text.p + text.n, { file, 1, 1 } };
	if (str_starts(text, STR("\xef\xbb\xbf")))
		lx->p += 3;		/* editors on Windows begin files with a byte order mark */
}

static int
peek(const struct lexer *lx)
{
	return lx->p < lx->end ? (unsigned char)*lx->p : -1;
}

static int
take(struct lexer *lx)
{
	int c = (unsigned char)*lx->p++;

	if (c == '\n') {
		lx->at.line++;
		lx->at.column = 1;
	} else if (peek(lx) < 0 || (peek(lx) & 0xc0) != 0x80) {
		lx->at.column++;	/* the bytes behind the first of a UTF-8 character are no columns */
	}
	return c;
}

static bool
is_space(int c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool
ends_word(int c)
{
	return c < 0 || is_space(c) || c == ';' || c == '{' || c == '}';
}

static void
skip_blank(struct lexer *lx)
{
	for (;;) {
		while (is_space(peek(lx)))
			take(lx);
		if (peek(lx) != '#')
			return;
		while (peek(lx) >= 0 && peek(lx) != '\n')
			take(lx);
	}
}

static int
finish(struct lexer *lx, struct token *t, struct buf *b)
{
	if (memchr(b->p ? b->p : "", '\0', b->n))
		return place_error(t->at, "a NUL byte in a word; a configuration is plain text");
	t->text = arena_str(lx->arena, buf_slice(b)).p;
	t->end = lx->at;
	return OK;
}

static int
bare_word(struct lexer *lx, struct token *t, struct buf *b)
{
	while (!ends_word(peek(lx))) {
		if (peek(lx) == '\\' && lx->p + 1 < lx->end)
			take(lx);
		buf_byte(b, (unsigned char)take(lx));
	}
	return finish(lx, t, b);
}

static void
add_escaped(struct lexer *lx, struct buf *b)
{
	int c = take(lx);

	switch (c) {
	case 'n':
		c = '\n';
		break;
	case 'r':
		c = '\r';
		break;
	case 't':
		c = '\t';
		break;
	case '"':
	case '\'':
	case '\\':
		break;
	default:		/* a regular expression, a Windows path: leave it alone */
		buf_byte(b, '\\');
	}
	buf_byte(b, (unsigned char)c);
}

/* The rest of the line where the quote was opened, as far as it could be what was meant. */
static int
unterminated(const struct token *t, int quote, const char *from, const char *end)
{
	size_t n = 0;

	while (from + n < end && n < 60 && !strchr("\n\r;", from[n]) && from[n])
		n++;
	return place_error(t->at, "the quote opened here is never closed; write  %c%.*s%c", quote, (int)n, from, quote);
}

static int
quoted_word(struct lexer *lx, struct token *t, struct buf *b)
{
	int quote = take(lx);
	const char *from = lx->p;

	t->quoted = true;
	while (peek(lx) != quote) {
		if (peek(lx) < 0)
			return unterminated(t, quote, from, lx->end);
		if (peek(lx) == '\\' && lx->p + 1 < lx->end) {
			take(lx);
			add_escaped(lx, b);
		} else {
			buf_byte(b, (unsigned char)take(lx));
		}
	}
	take(lx);
	if (!ends_word(peek(lx)))
		return place_error(lx->at, "a quoted word goes on behind its closing quote; write a space, ; or { here");
	return finish(lx, t, b);
}

static int
word(struct lexer *lx, struct token *t)
{
	struct buf b = { 0 };
	int rc;

	if (peek(lx) == '"' || peek(lx) == '\'')
		rc = quoted_word(lx, t, &b);
	else
		rc = bare_word(lx, t, &b);
	buf_fini(&b);
	return rc;
}

int
lexer_next(struct lexer *lx, struct token *t)
{
	skip_blank(lx);
	*t = (struct token){ .kind = TOKEN_WORD, .text = "", .at = lx->at, .end = lx->at };
	switch (peek(lx)) {
	case -1:
		t->kind = TOKEN_END;
		return OK;
	case ';':
		t->kind = TOKEN_SEMICOLON;
		break;
	case '{':
		t->kind = TOKEN_OPEN;
		break;
	case '}':
		t->kind = TOKEN_CLOSE;
		break;
	default:
		return word(lx, t);
	}
	take(lx);
	t->end = lx->at;
	return OK;
}

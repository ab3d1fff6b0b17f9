/* lexer.h -- a configuration file cut into words, ; { and }.
 *
 * nginx's rules: words end at white space, ; { or }; "#" at the start of a
 * word begins a comment; a word that starts with " or ' runs to the same
 * quote, over lines if need be.  A backslash takes the sting out of the
 * character behind it; in quotes \n \r \t are what they are in C.
 *
 * Lines and columns count from 1; a column is a character, not a byte.
 */
#ifndef DREY_CONF_LEXER_H
#define DREY_CONF_LEXER_H

#include "base/arena.h"
#include "conf/settings.h"

enum token_kind { TOKEN_WORD, TOKEN_SEMICOLON, TOKEN_OPEN, TOKEN_CLOSE, TOKEN_END };

struct token {
	enum token_kind kind;
	const char *text;	/* of a word: unquoted, NUL-terminated, in the arena */
	bool quoted;
	struct place at;	/* its first character */
	struct place end;	/* just behind its last */
};

struct lexer {
	struct arena *arena;	/* borrowed, as the text and the file's name are */
	const char *p, *end;
	struct place at;	/* of *p */
};

void lexer_init(struct lexer *, struct arena *, const char *file, struct str text);
int lexer_next(struct lexer *, struct token *);	/* ERR_CONF: a quote without end, a NUL byte */

/* ERR_CONF with "file:line:column: " before the text. */
int place_error(struct place, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif

/* hints.c -- the tables of known mistakes, and how a line is searched for one. */
#include "lua/hints.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* ---- words and signs in the text ---- */

enum how {
	SIGN,		/* anywhere in the line */
	WORD,		/* a whole word, with another one or a bracket behind it on its line: no two stand so in Lua */
	ALONE,		/* a whole word */
	FIRST,		/* the line begins with it */
	VALUE,		/* after = ( , or return: where a value begins */
};

/* The longer of two that begin alike comes first.  $: the word behind. */
static const struct mistake {
	enum how how;
	const char *find, *write;
	bool always;		/* also where it compiles */
} mistakes[] = {
	{ SIGN, "===", "equality is  ==", false },
	{ SIGN, "!==", "inequality is  ~=", false },
	{ SIGN, "!=", "inequality is  ~=", false },
	{ SIGN, "&&", "write  and", false },
	{ SIGN, "||", "write  or", false },
	{ SIGN, "??", "write  or  (which also replaces false)", false },
	{ SIGN, "?.", "write  a and a.b", false },
	{ SIGN, "?", "write  condition and a or b", false },
	{ SIGN, "=>", "write  function(x) return x end", false },
	{ SIGN, "//", "a comment begins with  --", false },
	{ SIGN, "/*", "a long comment is  --[[ ... ]]", false },
	{ SIGN, "++", "write  n = n + 1", false },
	{ SIGN, "+=", "write  n = n + x", false },
	{ SIGN, "-=", "write  n = n - x", false },
	{ SIGN, "*=", "write  n = n * x", false },
	{ SIGN, "/=", "write  n = n / x", false },
	{ SIGN, "`", "write  \"Hello \" .. name", false },
	{ SIGN, "\":", "a key in a table is written  [\"key\"] = value", false },
	{ SIGN, "':", "a key in a table is written  [\"key\"] = value", false },
	{ SIGN, "!", "write  not", false },
	{ WORD, "const", "write  local $", false },
	{ WORD, "let", "write  local $", false },
	{ WORD, "var", "write  local $", false },
	{ WORD, "await", "calls of stubs, fetch() and sleep() wait by themselves: leave await out; for a promise write  await(promise)", true },
	{ WORD, "new", "write  $.new(...)", true },
	{ WORD, "typeof", "write  type($)", true },
	{ WORD, "throw", "write  error(\"message\")", true },
	{ WORD, "class", "write  local $ = DurableObject:extend \"$\"", false },
	{ WORD, "async", "a function needs no mark: write  function", false },
	{ WORD, "export", "the last line of the file is  return { fetch = fetch, Counter = Counter }", false },
	{ WORD, "import", "write  local name = require \"file\"", false },
	{ WORD, "delete", "write  t.key = nil", false },
	{ ALONE, "try {", "write  local ok, err = pcall(fn)", false },
	{ ALONE, "for (", "write  for i = 1, n do ... end  or  for key, value in pairs(t) do ... end", false },
	{ SIGN, ") {", "a block has no braces: if ... then ... end, while ... do ... end, function(x) ... end", false },
	{ ALONE, "else {", "a block has no braces: if ... then ... else ... end", false },
	{ SIGN, ": ", "a field in a table is written  name = value", false },
	{ FIRST, "}", "braces are for tables; a block ends with  end", false },
	{ VALUE, "[", "a list is written  { 1, 2, 3 }", false },
};

enum { MISTAKES = sizeof(mistakes) / sizeof(mistakes[0]) };

static bool
is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* The length of the [[ ... ]] or [=[ ... ]=] at p, 0: there is none. */
static size_t
long_bracket(struct str s, size_t at)
{
	size_t level = 0, i = at + 1;

	if (s.p[at] != '[')
		return 0;
	while (i < s.n && s.p[i] == '=')
		i++, level++;
	if (i >= s.n || s.p[i] != '[')
		return 0;
	for (i++; i + level + 1 < s.n; i++) {
		if (s.p[i] != ']' || s.p[i + level + 1] != ']')
			continue;
		if (strspn(s.p + i + 1, "=") >= level)
			return i + level + 2 - at;
	}
	return s.n - at;
}

/* The length of what says nothing about the code at this place: the inside of a string, a comment. */
static size_t
skip(struct str s, size_t at, bool *string)
{
	char c = s.p[at];
	size_t i = at + 1, n;

	*string = c == '"' || c == '\'';
	if (c == '-' && at + 1 < s.n && s.p[at + 1] == '-') {
		n = at + 2 < s.n ? long_bracket(s, at + 2) : 0;
		if (n)
			return n + 2;
		while (i < s.n && s.p[i] != '\n')
			i++;
		return i - at;
	}
	if (!*string)
		return long_bracket(s, at);
	while (i < s.n && s.p[i] != c && s.p[i] != '\n')
		i += s.p[i] == '\\' && i + 1 < s.n ? 2 : 1;
	return i < s.n && s.p[i] == c ? i + 1 - at : i - at;
}

/* A copy, 0-ended, in which the insides of strings and all comments are spaces; lines stay where they are. */
static char *
bare(struct str s)
{
	char *copy = xmalloc(s.n + 1);
	size_t i = 0;

	memcpy(copy, s.p, s.n);
	copy[s.n] = '\0';
	while (i < s.n) {
		bool string;
		size_t n = skip((struct str){ copy, s.n }, i, &string), end = i + n;

		for (size_t j = string ? i + 1 : i; n && j < (string ? end - 1 : end); j++)
			if (copy[j] != '\n')
				copy[j] = ' ';
		i = n ? end : i + 1;
	}
	return copy;
}

/* Is there, on the same line, another word (not one that goes on with the statement), or a bracket that begins a value? */
static bool
has_word_behind(const char *p, const char *end)
{
	static const char *const goes_on[] = { "and", "or", "then", "do", "end", "in", "else", "elseif", "until", "local", "return", "if", "for", "while", "repeat", "break", NULL };
	const char *word;

	if (p >= end || (*p != ' ' && *p != '\t'))
		return false;
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	for (word = p; p < end && is_word(*p);)
		p++;
	for (const char *const *w = goes_on; *w; w++)
		if (strlen(*w) == (size_t)(p - word) && memcmp(*w, word, (size_t)(p - word)) == 0)
			return false;
	return p > word;
}

static bool
fits(const struct mistake *m, const char *line, const char *at, const char *end)
{
	size_t n = strlen(m->find);
	const char *before = at;

	if ((size_t)(end - at) < n || memcmp(at, m->find, n) != 0)
		return false;
	if (m->how == SIGN)
		return true;
	while (before > line && (before[-1] == ' ' || before[-1] == '\t'))
		before--;
	if (m->how == FIRST)
		return before == line;
	if (m->how == VALUE)
		return before > line && (strchr("=(,", before[-1]) || (before - line >= 6 && memcmp(before - 6, "return", 6) == 0));
	if ((at > line && (is_word(at[-1]) || strchr(".:", at[-1]))) || (at + n < end && is_word(at[n]) && is_word(at[n - 1])))
		return false;
	return m->how == ALONE || has_word_behind(at + n, end);
}

/* Which of them may be looked for: all in the line that did not compile, blocks with braces in those above it (to Lua they begin a
 * table, and the error comes later), and in a file that compiles what can only be a mistake. */
enum where { IN_LINE, ABOVE, COMPILED };

static bool
is_for(const struct mistake *m, enum where w)
{
	return w == IN_LINE || (w == COMPILED ? m->always : m->find[strlen(m->find) - 1] == '{');
}

/* The first mistake in a line. */
static const struct mistake *
search(const char *line, const char *end, enum where w, const char **where)
{
	for (const char *at = line; at < end; at++)
		for (int i = 0; i < MISTAKES; i++)
			if (is_for(&mistakes[i], w) && fits(&mistakes[i], line, at, end)) {
				*where = at;
				return &mistakes[i];
			}
	return NULL;
}

/* `"!=" is JavaScript; inequality is  ~=` */
static void
add_mistake(struct buf *out, const struct mistake *m, const char *where)
{
	const char *p = where + strlen(m->find);
	int n = 0;

	while (*p == ' ' || *p == '\t')
		p++;
	while (is_word(p[n]))
		n++;
	buf_printf(out, "\"%s\" is not Lua; ", m->find[0] == '"' || m->find[0] == '\'' ? ":" : m->find);
	for (const char *c = m->write; *c; c++) {
		if (*c == '$')
			buf_printf(out, "%.*s", n, p);
		else
			buf_byte(out, *c);
	}
}

static char *
after_line(char *p)
{
	p = strchrnul(p, '\n');
	return *p ? p + 1 : p;
}

/* The beginning of the line before the one that begins at p; NULL: it is the first. */
static char *
before_line(char *text, char *p)
{
	if (p == text)
		return NULL;
	for (p--; p > text && p[-1] != '\n';)
		p--;
	return p;
}

enum { LINES_BACK = 3 };

void
hints_syntax(struct str message, struct str text, struct buf *out)
{
	const char *colon = message.n ? memchr(message.p, ':', message.n) : NULL, *where;
	const struct mistake *m;
	int line = colon ? atoi(colon + 1) : 0;
	char *copy = bare(text), *p = copy;

	buf_str(out, message);
	for (; line > 1 && *p; line--)
		p = after_line(p);
	m = search(p, strchrnul(p, '\n'), IN_LINE, &where);
	for (int back = 0; !m && back < LINES_BACK && (p = before_line(copy, p)); back++)
		m = search(p, strchrnul(p, '\n'), ABOVE, &where);
	if (m) {
		buf_c(out, "; ");
		add_mistake(out, m, where);
	}
	free(copy);
}

bool
hints_check(const char *file, struct str text, struct buf *out)
{
	char *copy = bare(text);
	const struct mistake *m = NULL;
	const char *where;
	int line = 1;

	for (char *p = copy; !m && *p; p = after_line(p), line++) {
		m = search(p, strchrnul(p, '\n'), COMPILED, &where);
		if (m) {
			buf_printf(out, "%s:%d: ", file, line);
			add_mistake(out, m, where);
		}
	}
	free(copy);
	return m != NULL;
}

/* ---- names in a message ---- */

/* As the message ends; the place before it is cut off.  Names alike under global and method are two rows. */
static const struct cause {
	const char *says, *write;
} causes[] = {
	/* words that JavaScript has */
	{ "global 'this' (a nil value)", "an object's own is  self" },
	{ "global 'undefined' (a nil value)", "write  nil" },
	{ "global 'null' (a nil value)", "write  nil; inside JSON it is  JSON.null" },
	{ "global 'Math' (a nil value)", "write  math.floor(x), math.random()" },
	{ "global 'Object' (a nil value)", "keys and values of a table:  for key, value in pairs(t) do" },
	{ "global 'Array' (a nil value)", "a list is a table:  { 1, 2, 3 }" },
	{ "global 'Number' (a nil value)", "write  tonumber(x)" },
	{ "global 'String' (a nil value)", "write  tostring(x)" },
	{ "global 'Boolean' (a nil value)", "write  not not x" },
	{ "global 'parseInt' (a nil value)", "write  math.floor(tonumber(x))" },
	{ "global 'parseFloat' (a nil value)", "write  tonumber(x)" },
	{ "global 'isNaN' (a nil value)", "write  x ~= x" },
	{ "global 'Error' (a nil value)", "write  error(\"message\")  or  error { message = \"...\", code = 1 }" },
	{ "global 'Set' (a nil value)", "a set is a table:  seen[value] = true" },
	{ "global 'import' (a nil value)", "write  local name = require \"file\"" },
	{ "global 'Response' (a table value)", "write  Response.new(...)" },
	{ "global 'Request' (a table value)", "write  Request.new(...)" },
	{ "global 'Headers' (a table value)", "write  Headers.new(...)" },
	{ "global 'URL' (a table value)", "write  URL.new(...)" },
	{ "global 'Map' (a table value)", "write  Map.new(...)" },
	{ "global 'Date' (a table value)", "write  Date.new(...)" },
	/* methods of lists and strings */
	{ "'push' (a nil value)", "write  table.insert(list, value)" },
	{ "'pop' (a nil value)", "write  table.remove(list)" },
	{ "'shift' (a nil value)", "write  table.remove(list, 1)" },
	{ "'join' (a nil value)", "write  table.concat(list, \",\")" },
	{ "'split' (a nil value)", "write  for part in text:gmatch \"[^,]+\" do" },
	{ "'map' (a nil value)", "write a loop:  for i, value in ipairs(list) do" },
	{ "'filter' (a nil value)", "write a loop:  for i, value in ipairs(list) do" },
	{ "'forEach' (a nil value)", "write a loop:  for i, value in ipairs(list) do" },
	{ "'includes' (a nil value)", "write  text:find(part, 1, true)" },
	{ "'startsWith' (a nil value)", "write  text:sub(1, #part) == part" },
	{ "'replace' (a nil value)", "write  text:gsub(pattern, with)" },
	{ "'slice' (a nil value)", "write  text:sub(from, to), which counts from 1" },
	{ "'trim' (a nil value)", "write  text:match \"^%s*(.-)%s*$\"" },
	{ "'toUpperCase' (a nil value)", "write  text:upper()" },
	{ "'toLowerCase' (a nil value)", "write  text:lower()" },
	{ "'toString' (a nil value)", "write  tostring(x)" },
	{ "field 'length' (a nil value)", "the length of a list or text is  #list" },
	{ "'for' limit must be a number", "the length of a list is  #list; is that what should stand here?" },
	/* what belongs to drey */
	{ "field 'storage' (a nil value)", "an object's storage is  self.ctx.storage" },
	{ "field 'sql' (a nil value)", "an object's SQL is  self.ctx.storage.sql" },
	{ "'getByName' (a nil value)", "only a binding of durable_objects { } has it; what vars { } declares is a text" },
	{ "'idFromName' (a nil value)", "only a binding of durable_objects { } has it; what vars { } declares is a text" },
	{ "'set' (a nil value)", "in storage it is  storage:put(key, value)" },
	{ "'query' (a nil value)", "in SQL it is  sql:exec(query, ...)" },
	{ "'run' (a nil value)", "in SQL it is  sql:exec(query, ...)" },
	/* lists begin at 1, + adds numbers */
	{ ": attempt to index a nil value", "what stands before the dot or the bracket is nothing; lists begin at 1" },
	{ "field '?' (a nil value)", "there is no such entry; lists begin at 1" },
	{ "perform arithmetic on a string value", "texts are joined with  .." },
	{ "(a string value)", "texts are joined with  ..", },
	{ "compare number with nil", "one side is nil; the length of a list is  #list" },
	{ "compare nil with number", "one side is nil; the length of a list is  #list" },
};

static bool
ends_with(struct str s, const char *tail)
{
	size_t n = strlen(tail);

	return s.n >= n && memcmp(s.p + s.n - n, tail, n) == 0;
}

bool
hints_runtime(struct str message, struct buf *out)
{
	/* Only what Lua itself raised: after "file:line: ". */
	if (!memmem(message.p, message.n, ": attempt to ", 13) && !memmem(message.p, message.n, ": 'for' limit ", 14))
		return false;
	for (const struct cause *c = causes; c < causes + sizeof(causes) / sizeof(causes[0]); c++) {
		if (!ends_with(message, c->says))
			continue;
		if (*c->says == '(' && !memmem(message.p, message.n, "arithmetic", 10))
			continue;
		buf_printf(out, "; %s", c->write);
		return true;
	}
	return false;
}

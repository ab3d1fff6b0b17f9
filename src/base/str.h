/* str.h -- slices of bytes, and a buffer that grows.
 *
 * struct str borrows: it says where bytes are, never who owns them; it need
 * not end in a NUL and may hold any byte.  struct buf owns its bytes.
 * Growing aborts on out of memory (a server that cannot get a few bytes for
 * its own housekeeping has no sane next step); what a tenant may ask for is
 * checked against a limit before.
 */
#ifndef DREY_BASE_STR_H
#define DREY_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
	const char *p;
	size_t n;
};

#define STR(lit) ((struct str){ "" lit, sizeof(lit) - 1 })

static inline struct str
str_c(const char *s)
{
	return (struct str){ s, s ? strlen(s) : 0 };
}

static inline struct str
str_n(const void *p, size_t n)
{
	return (struct str){ (const char *)p, n };
}

static inline bool
str_eq(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool str_ieq(struct str, struct str);		/* ASCII case folded */
bool str_starts(struct str s, struct str prefix);
int str_cmp(struct str, struct str);		/* by bytes, shorter first */

struct buf {
	char *p;		/* always NUL-terminated once something was added; NULL when empty */
	size_t n, cap;
};

void buf_reserve(struct buf *, size_t more);	/* room for more bytes after n */
void buf_add(struct buf *, const void *, size_t);
void buf_str(struct buf *, struct str);
void buf_c(struct buf *, const char *);
void buf_byte(struct buf *, unsigned char);
void buf_printf(struct buf *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_clear(struct buf *);			/* keeps the memory */
void buf_fini(struct buf *);

static inline struct str
buf_slice(const struct buf *b)
{
	return (struct str){ b->p, b->n };
}

/* xmalloc and friends: never NULL, abort with a message instead. */
void *xmalloc(size_t) __attribute__((malloc));
void *xcalloc(size_t, size_t) __attribute__((malloc));
void *xrealloc(void *, size_t);
char *xstrdup(const char *) __attribute__((malloc));
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2), malloc));

#endif

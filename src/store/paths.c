/* paths.c -- names to directories; see paths.h. */
#include "store/paths.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "store/disk.h"

enum { NAME_LONGEST = 255 };		/* of one directory entry */

static const char hex[] = "0123456789abcdef";

/* Taken in the data directory by the store itself. */
static const char *const taken[] = { "journal", "lock" };

static bool
plain(const char *name, size_t i)
{
	unsigned char c = (unsigned char)name[i];

	return isalnum(c) || c == '_' || c == '-' || (c == '.' && i > 0);
}

static bool
is_taken(const char *name)
{
	for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
		if (strcmp(name, taken[i]) == 0)
			return true;
	return false;
}

static void
escape(struct buf *out, const char *name, bool top)
{
	bool first = top && is_taken(name);

	for (size_t i = 0; name[i]; i++, first = false) {
		if (!first && plain(name, i))
			buf_byte(out, (unsigned char)name[i]);
		else
			buf_printf(out, "%%%02x", (unsigned char)name[i]);
	}
}

/* dir/name, escaped; NULL: ERR_ARGUMENT */
static char *
subdir(const char *dir, const char *name, bool top, const char *what)
{
	struct buf b = { 0 };
	size_t before;

	buf_c(&b, dir);
	buf_byte(&b, '/');
	before = b.n;
	escape(&b, name, top);
	if (b.n == before || b.n - before > NAME_LONGEST || b.n > PATHS_MAX / 2) {
		err_set(ERR_ARGUMENT, "the %s name \"%.80s\" cannot name a directory of data_dir: use 1 to %d letters and digits", what, name, NAME_LONGEST);
		buf_fini(&b);
		return NULL;
	}
	return b.p;
}

static void
klass_free(struct klass *k)
{
	free(k->app_dir);
	free(k->dir);
	free((char *)k->key.p);
	free(k);
}

static struct klass *
klass_new(const char *data_dir, struct str app, struct str name)
{
	struct klass *k = xcalloc(1, sizeof *k);
	char *key = xmalloc(app.n + name.n + 2);

	memcpy(key, app.p, app.n + 1);
	memcpy(key + app.n + 1, name.p, name.n + 1);
	k->key = str_n(key, app.n + 1 + name.n);
	k->app = str_n(key, app.n);
	k->name = str_n(key + app.n + 1, name.n);
	k->app_dir = subdir(data_dir, k->app.p, true, "app");
	k->dir = k->app_dir ? subdir(k->app_dir, k->name.p, false, "class") : NULL;
	if (!k->dir) {
		klass_free(k);
		return NULL;
	}
	return k;
}

struct klass *
klass_get(struct map *m, const char *data_dir, const char *app, const char *class_name)
{
	struct str a = str_c(app), c = str_c(class_name);
	char key[2 * NAME_LONGEST + 2];
	struct klass *k;

	if (a.n > NAME_LONGEST || c.n > NAME_LONGEST) {
		err_set(ERR_ARGUMENT, "an app or class name of %zu bytes cannot name a directory of data_dir: use at most %d", a.n > c.n ? a.n : c.n, NAME_LONGEST);
		return NULL;
	}
	memcpy(key, a.p, a.n + 1);
	memcpy(key + a.n + 1, c.p, c.n);
	k = map_get(m, str_n(key, a.n + 1 + c.n));
	if (!k && (k = klass_new(data_dir, a, c)))
		map_put(m, k->key, k);
	return k;
}

void
klass_free_all(struct map *m)
{
	struct klass *k;

	for (size_t i = 0; (k = map_next(m, &i));)
		klass_free(k);
	map_fini(m);
}

void
paths_dir(char path[PATHS_MAX], const struct klass *k, unsigned char first)
{
	size_t n = strlen(k->dir);

	memcpy(path, k->dir, n);
	path[n] = '/';
	path[n + 1] = hex[first >> 4];
	path[n + 2] = hex[first & 15];
	path[n + 3] = '\0';
}

void
paths_file(char path[PATHS_MAX], const struct klass *k, const unsigned char id[PATHS_ID])
{
	char *p;

	paths_dir(path, k, id[0]);
	p = path + strlen(path);
	*p++ = '/';
	for (int i = 0; i < PATHS_ID; i++) {
		*p++ = hex[id[i] >> 4];
		*p++ = hex[id[i] & 15];
	}
	memcpy(p, ".sqlite", 8);
}

int
paths_make(const struct klass *k, unsigned char first)
{
	char path[PATHS_MAX];

	paths_dir(path, k, first);
	return disk_make_dir(k->app_dir) != 0 || disk_make_dir(k->dir) != 0 || disk_make_dir(path) != 0 ? -1 : 0;
}

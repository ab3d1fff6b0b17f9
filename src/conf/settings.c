/* settings.c -- from a path to settings that can be used. */
#include "conf/settings.h"

#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "conf/parse.h"

static struct settings *
parse_file(const char *path)
{
	struct settings *s = NULL;
	struct arena a;
	struct str text;

	arena_init(&a);
	if (include_read(&a, path, &text) < 0)
		err_set(ERR_CONF, "cannot read the configuration %s: %s; name another with  drey -c FILE", path, strerror(errno));
	else
		s = settings_parse(path, text);
	arena_fini(&a);
	return s;
}

struct settings *
settings_load(const char *path)
{
	struct settings *s = parse_file(path);

	if (s && (check_names(s) != OK || check_files(s) != OK))
		settings_free(&s);
	return s;
}

void
settings_free(struct settings **s)
{
	if (!*s)
		return;
	arena_fini(&(*s)->arena);
	free(*s);
	*s = NULL;
}

struct app_conf *
settings_app(const struct settings *s, const char *name)
{
	for (struct app_conf *app = s->apps; app; app = app->next)
		if (strcmp(app->name, name) == 0)
			return app;
	return NULL;
}

struct place
settings_limit_at(const struct app_conf *app, const char *name)
{
	const struct directive *d;

	for (const struct written_conf *w = app->written; w; w = w->next)
		if (strcmp(w->name, name) == 0)
			return w->at;
	d = app->profile ? directive_find(name, IN_ALL_LIMITS) : NULL;
	return d && d->original ? app->profile_at : app->at;
}

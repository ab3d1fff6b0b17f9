/* app.c -- apps and classes from the settings. */
#include "object/app.h"

#include <stdlib.h>

#include "base/err.h"

static unsigned
count_classes(const struct app_conf *conf)
{
	unsigned n = 0;

	for (const struct class_conf *c = conf->classes; c; c = c->next)
		n++;
	return n;
}

static void
class_init(struct class *c, const struct app *app, const struct class_conf *conf, unsigned index)
{
	char *unique_key = xasprintf("%s/%s", app->name, conf->name);

	*c = (struct class){ .name = conf->name, .app = app, .conf = conf, .index = index };
	id_key_init(&c->key, unique_key);
	free(unique_key);
}

static void
app_init(struct app *app, const struct app_conf *conf, unsigned index)
{
	const struct class_conf *c = conf->classes;

	*app = (struct app){ .conf = conf, .name = conf->name, .index = index };
	app->nclasses = count_classes(conf);
	app->classes = xcalloc(app->nclasses ? app->nclasses : 1, sizeof(*app->classes));
	for (unsigned i = 0; i < app->nclasses; i++, c = c->next)
		class_init(&app->classes[i], app, c, i);
}

struct app *
apps_new(const struct settings *settings)
{
	struct app *apps = xcalloc(settings->napps ? settings->napps : 1, sizeof(*apps));
	unsigned i = 0;

	for (const struct app_conf *c = settings->apps; c; c = c->next, i++) {
		must(i < settings->napps && c->index == i);
		app_init(&apps[i], c, i);
	}
	must(i == settings->napps);
	return apps;
}

void
apps_free(struct app **apps, unsigned n)
{
	for (unsigned i = 0; *apps && i < n; i++)
		free((*apps)[i].classes);
	free(*apps);
	*apps = NULL;
}

const struct class *
app_class(const struct app *app, const char *name)
{
	for (unsigned i = 0; i < app->nclasses; i++)
		if (strcmp(app->classes[i].name, name) == 0)
			return &app->classes[i];
	return NULL;
}

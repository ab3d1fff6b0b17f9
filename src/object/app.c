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
	char *unique_key = xasprintf("%s/%s", app->name, conf->name), *within;

	*c = (struct class){ .name = conf->name, .app = app, .conf = conf, .index = index };
	id_key_init(&c->key, unique_key);
	for (int j = 1; j < JURISDICTIONS; j++) {
		within = xasprintf("%s@%s", unique_key, jurisdiction_names[j]);		/* no class has an @ in its name */
		id_key_init(&c->within[j], within);
		free(within);
	}
	free(unique_key);
}

static void
app_init(struct app *app, const struct settings *settings, const struct app_conf *conf, unsigned index)
{
	const struct class_conf *c = conf->classes;

	*app = (struct app){ .conf = conf, .settings = settings, .name = conf->name, .index = index };
	app->nclasses = count_classes(conf);
	app->classes = xcalloc(app->nclasses ? app->nclasses : 1, sizeof(*app->classes));
	for (unsigned i = 0; i < app->nclasses; i++, c = c->next)
		class_init(&app->classes[i], app, c, i);
}

struct app *
apps_new(const struct settings *settings)
{
	struct app *apps = xcalloc(settings->napps ? settings->napps : 1, sizeof(*apps));
	unsigned i = 0, number = 0;

	for (const struct app_conf *c = settings->apps; c; c = c->next, i++) {
		must(i < settings->napps && c->index == i);
		app_init(&apps[i], settings, c, i);
		for (unsigned k = 0; k < apps[i].nclasses; k++)
			apps[i].classes[k].number = number++;
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

const struct app *
app_other(const struct app *app, const char *name)
{
	const struct app *all = app - app->index;

	for (unsigned i = 0; i < app->settings->napps; i++)
		if (strcmp(all[i].name, name) == 0)
			return &all[i];
	return NULL;
}

const struct class *
app_numbered_class(const struct app *app, unsigned number)
{
	const struct app *all = app - app->index;

	for (unsigned i = 0; i < app->settings->napps; i++) {
		if (number < all[i].nclasses)
			return &all[i].classes[number];
		number -= all[i].nclasses;
	}
	return NULL;
}

const struct id_key *
class_key(const struct class *class, enum jurisdiction j)
{
	return j == JURISDICTION_NONE ? &class->key : &class->within[j];
}

bool
class_owns(const struct class *class, const struct object_id *id, enum jurisdiction *j)
{
	for (*j = JURISDICTION_NONE; *j < JURISDICTIONS; ++*j)
		if (id_made_with(class_key(class, *j), id))
			return true;
	*j = JURISDICTION_NONE;
	return false;
}

const struct class *
app_bound_class(const struct app *app, const struct binding_conf *b)
{
	const struct app *of = b->script_name ? app_other(app, b->script_name) : app;

	return of ? app_class(of, b->class_name) : NULL;
}

/* app.h -- an app and its classes, as the runtime knows them.
 *
 * Made from the settings at start, the same for every thread, never changed.
 */
#ifndef DREY_OBJECT_APP_H
#define DREY_OBJECT_APP_H

#include "conf/settings.h"
#include "object/id.h"

struct class {
	const char *name;
	const struct app *app;
	const struct class_conf *conf;
	struct id_key key;
	unsigned index;		/* within the app */
};

struct app {
	const struct app_conf *conf;
	const char *name;
	struct class *classes;
	unsigned nclasses;
	unsigned index;		/* among the apps */
};

struct app *apps_new(const struct settings *);	/* settings->napps of them; borrows the settings */
void apps_free(struct app **, unsigned n);
const struct class *app_class(const struct app *, const char *name);	/* NULL: no migration made it */

#endif

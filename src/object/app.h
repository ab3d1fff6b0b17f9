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
	struct id_key within[JURISDICTIONS];	/* of the ids of each jurisdiction; that of NONE is not used */
	unsigned index;		/* within the app */
	unsigned number;	/* among the classes of all apps */
};

struct app {
	const struct app_conf *conf;
	const struct settings *settings;
	const char *name;
	struct class *classes;
	unsigned nclasses;
	unsigned index;		/* among the apps, which stand in one array */
};

struct app *apps_new(const struct settings *);	/* settings->napps of them; borrows the settings */
void apps_free(struct app **, unsigned n);
const struct class *app_class(const struct app *, const char *name);	/* NULL: no migration made it */
const struct class *app_bound_class(const struct app *, const struct binding_conf *);	/* of this app or another; NULL: as app_class() */
const struct app *app_other(const struct app *, const char *name);	/* an app beside this one, or itself; NULL: none has this name */
const struct class *app_numbered_class(const struct app *, unsigned number);	/* of any app beside this one; NULL: there is none */
const struct id_key *class_key(const struct class *, enum jurisdiction);
/* Which of the class's keys made it?  false: none, it is of another class. */
bool class_owns(const struct class *, const struct object_id *, enum jurisdiction *);

#endif

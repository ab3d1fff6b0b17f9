/* paths.h -- where an object's file lives: <data_dir>/<app>/<class>/<2 hex>/<64 hex>.sqlite
 *
 * Names come from configuration and code, so they are escaped: letters,
 * digits, '_', '-' and inner dots stay, any other byte is %XX, and an app
 * called "journal" or "lock" gets its first letter escaped.
 */
#ifndef DREY_STORE_PATHS_H
#define DREY_STORE_PATHS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/map.h"
#include "base/str.h"

enum { PATHS_MAX = 4096, PATHS_ID = 32 };

/* One class of one app: interned, so that a remembered file costs a pointer and an id. */
struct klass {
	struct str key;			/* app NUL class, for the map */
	struct str app, name;
	char *app_dir, *dir;		/* <data_dir>/<app>, <data_dir>/<app>/<class> */
};

/* NULL: ERR_ARGUMENT when a name is empty or too long for a directory.  lends until klass_free_all(). */
struct klass *klass_get(struct map *, const char *data_dir, const char *app, const char *class_name);
void klass_free_all(struct map *);

void paths_file(char path[PATHS_MAX], const struct klass *, const unsigned char id[PATHS_ID]);
void paths_dir(char path[PATHS_MAX], const struct klass *, unsigned char first);	/* the directory of files whose id begins so */
int paths_make(const struct klass *, unsigned char first);	/* the three directories; -1 with errno; not synced */

#endif

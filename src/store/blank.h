/* blank.h -- what SQLite sees of a database in which nothing is stored.
 *
 * Two pages: an empty schema but for our own table _cf_METADATA.  They are the
 * same for every new object, so no object compiles CREATE TABLE for them.  They are a
 * view only, until SQLite writes its first page: reading stores nothing.
 *
 * Thread: any, after blank_make().
 */
#ifndef DREY_STORE_BLANK_H
#define DREY_STORE_BLANK_H

#include <stdint.h>

enum { BLANK_PAGES = 2 };

void blank_make(void);		/* as often as you like; SQLite is initialized */
const unsigned char *blank_page(uint32_t pgno);	/* PAGE_BYTES, lent for good; pgno < BLANK_PAGES */

#endif

/* blank.c -- SQLite writes the pages itself, into memory; see blank.h. */
#include "store/blank.h"

#include <pthread.h>
#include <sqlite3.h>
#include <string.h>

#include "base/err.h"
#include "store/handle.h"
#include "store/pages.h"

static unsigned char image[BLANK_PAGES][PAGE_BYTES];

static void
make(void)
{
	sqlite3_int64 n = 0;
	unsigned char *bytes;
	sqlite3 *h;

	must(sqlite3_open(":memory:", &h) == SQLITE_OK);
	must(sqlite3_exec(h, "PRAGMA page_size=4096;" META_CREATE, NULL, NULL, NULL) == SQLITE_OK);
	bytes = sqlite3_serialize(h, "main", &n, 0);
	must(bytes && n == sizeof(image));
	memcpy(image, bytes, sizeof(image));
	sqlite3_free(bytes);
	must(sqlite3_close(h) == SQLITE_OK);
}

void
blank_make(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	must(pthread_once(&once, make) == 0);
}

const unsigned char *
blank_page(uint32_t pgno)
{
	must(pgno < BLANK_PAGES);
	return image[pgno];
}

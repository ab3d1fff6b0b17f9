/* quarantine.h -- a database file that is none any more is set aside, not written over and not begun anew.
 *
 *	SQLite says CORRUPT or NOTADB, or the file's length is that of no database
 *	  the object breaks; when its database is closed:
 *	  1. its pages go to the file, the file and its directories are synced
 *	  2. a record in the journal says so: nothing before it is replayed onto
 *	     whatever has the file's name later
 *	  3. <id>.sqlite becomes <id>.sqlite.corrupt, the directory is synced
 *	<id>.sqlite is missing and <id>.sqlite.corrupt is there
 *	  every call is an error that says what to do, until somebody has
 *	  put a file back or removed the other: no object silently starts empty
 *
 * A crash after 1 or 2 leaves the damaged file under its own name: it is found
 * again.  A file that is there and whole is never looked for twice: one lstat()
 * tells, as ever.
 *
 * Thread: the worker that owns the database.
 */
#ifndef DREY_STORE_QUARANTINE_H
#define DREY_STORE_QUARANTINE_H

#include <stdbool.h>
#include <sys/stat.h>

#include "store/capture.h"

/* path is missing.  OK, or ERR_STORE: it was set aside. */
int quarantine_missing(const char *path);
/* path is there, but empty, of no whole number of our pages, or no file.  OK; ERR_CORRUPT: no database; ERR_STORE: not ours to move. */
int quarantine_odd(const char *path, const struct stat *);
/* Does found, which SQLite said of path, come from rules that have changed since (a limit, a function) rather than from the file? */
bool quarantine_spares(const char *path, const char *found);
/* Sets the file aside and says so in the log.  Its pages must have been written.  ERR_STORE: failure_set(). */
int quarantine(struct capture *, const char *object, const char *found);
/* The database at path was emptied, so an older one that was set aside hinders it no more: that one gets another name. */
void quarantine_outlived(const char *path);

#endif

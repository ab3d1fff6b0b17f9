/* memory.h -- where SQLite's memory comes from: slabs of the thread that asks.
 *
 * A handle is some three hundred small pieces that live and go together.
 * From malloc, the heap of a worker grows for them by a page and a system call
 * at a time.
 *
 * A piece goes back on the thread it came from, as a handle belongs to one
 * worker, or on another one when that thread has ended.
 *
 * Thread: before any other.
 */
#ifndef DREY_STORE_MEMORY_H
#define DREY_STORE_MEMORY_H

void memory_configure(void);		/* before sqlite3_initialize(); once, more often is harmless */

#endif

/* fake_store.h -- a store in memory whose journal obeys the test.
 *
 * It stands in for libdrey_store.a (same functions as store.h and db.h, as far as
 * the runtime calls them): a commit is durable when the test says so, a
 * commit is refused when the test says so, and the store fails when
 * the test says so.  What is durable survives the sleep of its object.
 *
 * Each object stores one number and its name.  Savepoints nest, to a depth of 16.
 *
 * After a power cut only what was durable is left: fake_store_after_crash().
 */
#ifndef DREY_FAKE_STORE_H
#define DREY_FAKE_STORE_H

#include "store/db.h"
#include "store/sql.h"
#include "store/store.h"

struct store *fake_store_new(bool sync_at_once);	/* sync_at_once: a commit is durable when it returns */
struct store *fake_store_after_crash(const struct store *);	/* another one, with what was durable in this one */
void fake_store_free(struct store **);			/* all shards and databases must be gone */
void fake_store_sync(struct store *);			/* all commits so far are durable; wakes who waits */
void fake_store_sync_to(struct store *, uint64_t commit);
void fake_store_fail(struct store *, const char *why);	/* from now on nothing becomes durable */
void fake_store_refuse(struct store *, const char *why);	/* the next commit fails so */
uint64_t fake_store_commits(const struct store *);
uint64_t fake_store_wanted(const struct store *);	/* the newest number a shard waits for */
uint64_t fake_store_waits(const struct store *);	/* how often a worker stood still for the journal */
unsigned fake_store_open(const struct store *);		/* databases alive */

const unsigned char *fake_db_id(const struct db *);	/* 32 bytes */
int64_t fake_db_number(struct db *);
void fake_db_set(struct db *, int64_t);
void fake_db_spoil(struct db *, const char *why);	/* a critical error: db_broken(), the transaction is lost */

#endif

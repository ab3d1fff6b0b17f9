/* id.h -- who an object is: 32 bytes that only its own class can have made.
 *
 *	key   = SHA-256(unique key of the class, "app/Class", or "app/Class@eu" within a jurisdiction)
 *	0..15   16 random bytes, or the first half of HMAC-SHA256(key, name)
 *	16..31  the first half of HMAC-SHA256(key, bytes 0..15): the tag
 *
 * So a name always gives the same id, an id of another class is refused,
 * and a name cannot be read back from an id.
 */
#ifndef DREY_OBJECT_ID_H
#define DREY_OBJECT_ID_H

#include <stdbool.h>

#include "base/str.h"

struct object_id {
	unsigned char b[32];
};

struct id_key {
	unsigned char b[32];
};

enum { ID_HEX = 64 };

void id_key_init(struct id_key *, const char *unique_key);
void id_from_name(const struct id_key *, struct str name, struct object_id *);
void id_unique(const struct id_key *, struct object_id *);
int id_parse(struct str hex, struct object_id *);	/* ERR_ARGUMENT: not 64 hex digits.  Whose it is stays open */
bool id_made_with(const struct id_key *, const struct object_id *);
int id_from_string(const struct id_key *, struct str hex, struct object_id *);	/* both; ERR_ARGUMENT, the text says which of the two */
int id_refuse(void);					/* ERR_ARGUMENT: an id of another namespace */
void id_hex(const struct object_id *, char out[ID_HEX + 1]);
bool id_equal(const struct object_id *, const struct object_id *);
unsigned id_owner(const struct object_id *, unsigned workers);	/* which worker has this object; the one place that decides */

#endif

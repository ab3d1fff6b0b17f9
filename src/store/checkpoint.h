/* checkpoint.h -- lets go of old journal segments.
 *
 *	segment closed --> every shard: write your pages of old segments into files (shard_tick)
 *	               --> all done: sync those files and their directories
 *	               --> retire the segments
 *
 * Thread: its own; poke from any.
 */
#ifndef DREY_STORE_CHECKPOINT_H
#define DREY_STORE_CHECKPOINT_H

struct store;
struct checkpoint;

struct checkpoint *checkpoint_new(struct store *);	/* starts the thread */
void checkpoint_free(struct checkpoint **);		/* ends it, in the middle of a round if need be */
void checkpoint_poke(struct checkpoint *);		/* something changed: a segment closed, a shard done or gone, the failure */

#endif

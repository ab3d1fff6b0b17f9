/* vfs.h -- SQLite's file system: a database is a struct capture, all else a struct temp.
 *
 * One per shard, so that a temporary file knows whose it is.  A database is
 * opened while vfs_opening points at its capture; file names are never looked
 * at.  There are no locks: one server owns the data directory.
 *
 * Thread: the shard's worker.
 */
#ifndef DREY_STORE_VFS_H
#define DREY_STORE_VFS_H

struct capture;
struct shard;

void vfs_register(struct shard *);
void vfs_unregister(struct shard *);
const char *vfs_name(const struct shard *);	/* lends while the shard lives */
extern _Thread_local struct capture *vfs_opening;

#endif

/* vfs.h -- SQLite's file system, which is a struct capture.
 *
 * Registered once as "drey".  A database is opened while vfs_opening points
 * at its capture; the file name is never looked at.  There are no journals,
 * no temporary files and no locks: SQLite keeps those in memory, and one
 * server owns the data directory.
 */
#ifndef DREY_STORE_VFS_H
#define DREY_STORE_VFS_H

struct capture;

#define VFS_NAME "drey"

void vfs_register(void);
extern _Thread_local struct capture *vfs_opening;

#endif

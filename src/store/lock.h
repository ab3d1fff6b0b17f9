/* lock.h -- one server owns a data directory.
 *
 * An flock() on <dir>/lock, which holds the owner's pid for people to read.
 * The kernel lets go of it when the owner dies, however it dies.
 */
#ifndef DREY_STORE_LOCK_H
#define DREY_STORE_LOCK_H

int lock_take(const char *dir);		/* the descriptor that holds it; ERR_BUSY with the owner's pid, ERR_IO */
void lock_release(int fd);

#endif

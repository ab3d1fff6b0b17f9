/* timeouts.h -- setTimeout and setInterval: functions that run later, of one object or of one front module's event.
 *
 *	SET --due--> DUE --its event is delivered--> RUNNING --ended, an interval--> SET
 *	 |            |                                 +------once: gone
 *	 +------------+---- clearTimeout, the instance or the event ends: gone
 *
 * In an object a due callback is an event that the object sends to itself: it
 * waits at the input gate as any other.  One such event is out at a time, whatever
 * the number of callbacks that are due: they cannot fill the mailbox, and run in the order
 * they came due.  A timeout that is set keeps its object from going to sleep by
 * itself; for how long, says object/life.h.
 *
 * In a front module they belong to the event: to the task of its handler, its
 * waitUntil work and the callbacks themselves.  When the last of these tasks ends, they end.
 *
 * An interval whose callback still waits skips; it keeps to the multiples of its period.
 *
 * Owner: struct instance, or the tasks that share it.  Thread: the VM's.
 */
#ifndef DREY_LUA_TIMEOUTS_H
#define DREY_LUA_TIMEOUTS_H

#include <stdbool.h>

struct event;
struct object;
struct task;
struct timeout;
struct timeouts;
struct vm;

bool timeouts_deliver(struct vm *, struct object *, struct event *);	/* takes the event; false: it is not one of ours */
void timeouts_share(struct task *of, struct task *with);	/* work of the same front module's event */
void timeouts_leave(struct timeouts **);	/* a task ends; nulls yours; NULL is fine */
void timeouts_end(struct timeouts **);		/* an instance ends; nulls yours; NULL is fine */
void timeouts_ran(struct timeout **);		/* the callback's task has ended; nulls yours; NULL is fine */

#endif

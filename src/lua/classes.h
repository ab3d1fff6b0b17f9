/* classes.h -- which of the configured classes the app's files returned.
 *
 * names gathers what was found, "A, B", for the text of an error.
 *
 * Thread: the VM's.
 */
#ifndef DREY_LUA_CLASSES_H
#define DREY_LUA_CLASSES_H

#include "lua/vm.h"

void classes_take_main(struct vm *, struct buf *names);	/* what main returned is on top: its fetch and classes.  Pops it. */
void classes_take(struct vm *, struct buf *names);	/* what a source file returned is on top.  Pops it. */
/* Has every binding its class?  type: of what main returned; names NULL: there was no class in it. */
int classes_check(struct vm *, const char *type, const char *names);

#endif

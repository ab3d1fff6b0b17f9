/* hangup.h -- connections that do not end as they should: refused, or left by the client.
 *
 * A refusal is a whole answer that says why, then the end of the connection.
 *
 * A client that is gone while its request is pending is told to the task and
 * logged as 499.  RST says so plainly.  A FIN alone may also be a
 * half-close by a client that still reads; then an interim "100 Continue"
 * (which RFC 9110 15.2 has every HTTP/1.1 client skip) is sent: a closed peer
 * answers it with RST, and the request is abandoned; a half-closed one gets its
 * answer.  (One that reads the interim response and closes only then sends
 * nothing more; it is noticed when its answer is sent.)  HTTP/1.0 clients know
 * no interim responses; they are answered in any case.
 */
#ifndef DREY_NET_HANGUP_H
#define DREY_NET_HANGUP_H

#include "net/conn.h"

void hangup_refuse(struct conn *, const struct refusal *);	/* says no; closes once that was sent */
void hangup_gone(struct conn *);		/* the client has gone for sure: closes; the connection is freed */
void hangup_probe(struct conn *);		/* FIN has come, the request is pending: has it gone?  May free the connection */
void hangup_look(struct conn *);		/* some time after the probe.  May free the connection */

#endif

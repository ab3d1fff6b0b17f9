/* fetch_transfer.h -- one request on its way: its hops, and its answer as it comes.
 *
 *	transfer_new --> WAITING --transfer_begin--> RUNNING --transfer_hop_done--+--> done: transfer_free
 *	                                               ^                          |
 *	                                               +------- redirected -------+
 *
 * Redirects are followed here and not by libcurl: each hop asks fetch_allow
 * again, and what must not travel on (credentials to another origin, a body
 * that became a GET) is left behind as the Fetch standard says (4.4, HTTP-redirect fetch).
 *
 * The address is looked at where it counts: libcurl's socket callback sees what the name led to just
 * before connecting, its pre-request callback what an open connection is connected to.
 *
 * Thread: the fetch thread only.
 */
#ifndef DREY_NET_FETCH_TRANSFER_H
#define DREY_NET_FETCH_TRANSFER_H

#include "base/address.h"
#include "base/timers.h"
#include "net/curl.h"
#include "object/event.h"

struct turn;

struct transfer {
	struct list link;		/* its app's waiting ones, or all that run */
	struct timer limit;		/* when its time is up, waiting or running */
	struct event *event;
	const struct app_conf *conf;
	struct turn *turn;		/* fetch.c: its app's share, */
	bool runs;			/* and whether it is counted there */
	CURL *easy;			/* NULL: not in the multi handle */
	CURLU *url;			/* of this hop */
	struct curl_slist *headers;
	struct str method, body;	/* of this hop; body.p NULL: none */
	bool stranger;			/* no longer at the origin it was meant for: no credentials */
	bool named;			/* fetch_allow names this hop's host */
	bool decodes;			/* the app left Accept-Encoding to us */
	bool in_body;			/* the head of the answer is complete */
	bool moved;			/* ... and is a redirect that will be followed */
	bool too_large, refused, head_too_large;
	struct address address;		/* refused: this one */
	size_t head_bytes;
	struct str location;
	struct buf answer;
	char error[CURL_ERROR_SIZE];
};

struct transfer *transfer_new(struct event *);	/* takes */
struct event *transfer_free(struct transfer **);	/* gives it back, answered or failed; out of the multi handle before */
/* Makes this hop ready.  Borrows an easy handle, fresh or reset.  ERR_ARGUMENT, ERR_LIMIT: the event is failed. */
int transfer_begin(struct transfer *, CURL *easy);
/* libcurl is done with it.  true: it was redirected, begin again; false: the event is answered, or failed. */
bool transfer_hop_done(struct transfer *, CURLcode);
void transfer_fail(struct transfer *, const char *name, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif

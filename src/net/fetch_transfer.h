/* fetch_transfer.h -- one request on its way: its hops, and its answer as it comes.
 *
 *	transfer_new --> WAITING --transfer_begin--> RUNNING --transfer_hop_done--+--> done: transfer_free
 *	                                               ^ |                        |
 *	                                               | +-- transfer_open: the event goes home,
 *	                                               |     the body follows through a pipe
 *	                                               +------- redirected -------+
 *
 * An answer whose body is not complete when its head is known is opened: its
 * event is gone then, and what fails later fails the pipe.
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
#include "object/queue.h"

enum { FETCH_HEAD_MAX = 256 << 10 };	/* bytes of an answer's headers */

struct turn;

struct transfer {
	struct list link;		/* its app's waiting ones, or all that run */
	struct list head;		/* in *heads: the head of its answer is complete */
	struct list *heads;
	struct timer limit;		/* when its time is up, waiting or running */
	int64_t asked_ms, deadline_ms;		/* for all of it, as the app asked; INT64_MAX: none */
	int64_t last_ms;		/* something went, or came */
	struct event *event;		/* NULL: opened, or given back */
	char *shown;			/* opened: the URL, for errors */
	bool failed;
	const struct app_conf *conf;
	struct turn *turn;		/* fetch.c: its app's share, */
	bool runs;			/* and whether it is counted there */
	CURL *easy;			/* NULL: not in the multi handle */
	CURLU *url;			/* of this hop */
	struct curl_slist *headers;
	struct str method, body;	/* of this hop; body.p NULL: none, or in pieces */
	struct pipe *in, *out;		/* the request's body and the answer's, while they go in pieces: see fetch_body.h */
	struct piece *piece;		/* of in, half sent */
	size_t sent;			/* bytes of it, or of body */
	char *rest;			/* opened: what body points to */
	uint64_t passed;		/* bytes of the answer's body that came */
	bool streams;			/* the request's body was in pieces: it is sent once */
	bool stuck_in, stuck_out;	/* libcurl is held up */
	struct poke poke;		/* fetch.c: look at it again; stir() posts it */
	bool gone;			/* ended while that was under way */
	void (*stir)(void *transfer);	/* any thread */
	void *owner;
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

struct transfer *transfer_new(struct event *, void (*stir)(void *transfer), void *owner);	/* takes the event */
/* Gives the event back, answered or failed; NULL: it was opened.  Out of the multi handle before.  The memory stays until its poke has come. */
struct event *transfer_end(struct transfer *);
void transfer_free(struct transfer **);
/* Its head is complete and its body is not: the event, to go home with a stream.  NULL: failed. */
struct event *transfer_open(struct transfer *);
/* Makes this hop ready.  Borrows an easy handle, fresh or reset.  ERR_ARGUMENT, ERR_LIMIT: the event is failed. */
int transfer_begin(struct transfer *, CURL *easy);
/* libcurl is done with it.  true: it was redirected, begin again; false: the event is answered, or failed. */
bool transfer_hop_done(struct transfer *, CURLcode);
void transfer_fail(struct transfer *, const char *name, const char *fmt, ...) __attribute__((format(printf, 3, 4)));


/* fetch_errors.c */
void transfer_fail_code(struct transfer *, CURLcode);	/* why libcurl ended it */
void transfer_fail_refused(struct transfer *);		/* t->address may not be reached */
struct str transfer_shown(struct str url);		/* as it may be seen in an error */
void transfer_part(struct transfer *, CURLUPart, unsigned flags, char *out, size_t n);	/* of this hop's URL; "" if it has none */

#endif

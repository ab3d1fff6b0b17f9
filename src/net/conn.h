/* conn.h -- one client connection: what stands in front of libh2o's HTTP/1.
 *
 *	     first byte          head is in order          body complete
 *	IDLE ----------> HEAD ----------------> BODY ---------------------> BUSY
 *	  ^               |                       |                           | answered
 *	  |               +---- not in order -----+---> REFUSED --> LINGER    v
 *	  +------------------------ request ended ------------------------ SENDING
 *
 * We read the socket ourselves (bounded; libh2o's own reading has no limit
 * per call) and hand libh2o exactly one request at a time, after its head
 * went through head.c; bytes of the next request wait in surplus.  libh2o
 * puts its own read callback back after each response, so a connection
 * whose request has ended is listed in thread->ended and taken back before
 * the loop polls again (conn_take_back).
 *
 * While a handler is pending, or a response comes in pieces, we go on reading into surplus, so that a client
 * that goes away is noticed; what happens then stands in hangup.h.
 *
 * Freed by the socket's close.  Thread: its own only.
 */
#ifndef DREY_NET_CONN_H
#define DREY_NET_CONN_H

#include <sys/socket.h>

#include "net/chunk.h"
#include "net/head.h"
#include "net/thread.h"

enum conn_phase { CONN_IDLE, CONN_HEAD, CONN_BODY, CONN_BUSY, CONN_SENDING, CONN_REFUSED, CONN_LINGER };

struct conn {
	struct list link;		/* thread->conns */
	struct list ended_link;		/* thread->ended */
	struct thread *thread;
	h2o_socket_t *sock;
	h2o_socket_cb h2o_read;		/* libh2o's reader, behind ours */
	h2o_socket_cb h2o_written;	/* its callback while the "100 Continue" it sends is under way */
	const struct server_conf *server;	/* of the port at first, of the request's Host once the head is read */
	const struct server_conf *first;	/* the port's */
	int port;
	enum conn_phase phase;
	bool fin;			/* the client has closed its side */
	bool fresh;			/* no request yet */
	bool readable;			/* SENDING: bytes came before we knew that the answer had left */
	bool probed;			/* after its FIN */
	uint8_t probes;
	struct timer timer;
	int64_t deadline_ms;
	uint64_t acked;			/* SENDING: bytes the client had acknowledged when we last looked */
	struct head head;
	struct chunk chunk;
	size_t expected;		/* BODY with a length: bytes of the whole request */
	size_t walked;			/* BODY in chunks: input up to here is decoded */
	struct buf surplus;		/* bytes after the current request */
	char *refusal;			/* the refusal being sent; owned */
	/* the request in progress; http.c's */
	h2o_req_t *req;
	struct event *event;		/* ours again once answered, else out */
	struct stream *stream;		/* its response comes in pieces */
	bool answered;
	size_t head_bytes;		/* of the response, counted as sent by libh2o though no body */
	const char *app;
	uint64_t request_id;
	int64_t began_us;
	int status;			/* for the access log when no response was sent; 0 = the response's own */
	unsigned char peer_n;
	char peer[46];			/* "127.0.0.1" */
};

struct listener;
void conn_accept(struct thread *, struct listener *, int fd, const struct sockaddr *peer);
static inline struct conn *
conn_of(h2o_req_t *req)
{
	return req->conn->callbacks->get_socket(req->conn)->on_close.data;
}
void conn_close(struct conn *);		/* at once; frees it */
void conn_deadline(struct conn *, int64_t due_ms);	/* clock_ms() when its phase has taken too long */
void conn_read(struct conn *);		/* reads the socket again after h2o_socket_read_stop() */
void conn_watch(struct conn *);		/* the request is out: notice when the client goes */
void conn_sending(struct conn *);	/* its answer is under way */
void conn_streaming(struct conn *);	/* all that came so far is sent; the next piece may take long */
void conn_ended(struct conn *);		/* called when libh2o is done with a request, before it looks for the next */
void conn_take_back(struct thread *);	/* after each round */
void conn_drain(struct thread *);	/* closes what is idle; the rest close after their answer */
bool conn_any_sending(struct thread *);	/* is an answer still on its way out? */
void conn_cut(struct thread *);		/* closes all */

#endif

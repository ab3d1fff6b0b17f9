/* bare_h2o.c -- the smallest server libh2o allows: what drey's speed is measured against.
 *
 * One thread, libh2o's own event loop, every request answered with the bytes of
 * drey's hello: "Hello, world!", text/plain.  Usage: bare_h2o PORT
 */
#ifndef H2O_USE_LIBUV
#define H2O_USE_LIBUV 0
#endif

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>

#include <h2o.h>

static h2o_globalconf_t conf;
static h2o_context_t ctx;
static h2o_accept_ctx_t accept_ctx;

static int
on_req(h2o_handler_t *self, h2o_req_t *req)
{
	static h2o_generator_t generator;
	static const char body[] = "Hello, world!", type[] = "text/plain;charset=UTF-8";
	h2o_iovec_t out = { (char *)body, sizeof body - 1 };

	(void)self;
	req->res.status = 200;
	req->res.reason = "OK";
	req->res.content_length = out.len;
	h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_CONTENT_TYPE, NULL, type, sizeof type - 1);
	h2o_start_response(req, &generator);
	h2o_send(req, &out, 1, H2O_SEND_STATE_FINAL);
	return 0;
}

static void
on_accept(h2o_socket_t *listener, const char *err)
{
	h2o_socket_t *sock;

	if (err == NULL && (sock = h2o_evloop_socket_accept(listener)) != NULL)
		h2o_accept(&accept_ctx, sock);
}

static int
listen_on(int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (bind(fd, (struct sockaddr *)&a, sizeof a) != 0 || listen(fd, SOMAXCONN) != 0) {
		perror("bare_h2o: listen");
		exit(1);
	}
	return fd;
}

int
main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: bare_h2o PORT\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	h2o_config_init(&conf);
	conf.server_name = h2o_iovec_init(NULL, 0);
	h2o_hostconf_t *host = h2o_config_register_host(&conf, h2o_iovec_init(H2O_STRLIT("default")), 65535);
	h2o_pathconf_t *path = h2o_config_register_path(host, "/", 0);
	h2o_create_handler(path, sizeof(h2o_handler_t))->on_req = on_req;
	h2o_context_init(&ctx, h2o_evloop_create(), &conf);
	accept_ctx.ctx = &ctx;
	accept_ctx.hosts = conf.hosts;
	h2o_socket_t *listener = h2o_evloop_socket_create(ctx.loop, listen_on(atoi(argv[1])), 0);
	h2o_socket_dont_read(listener, 1);
	h2o_socket_read_start(listener, on_accept);
	while (h2o_evloop_run(ctx.loop, INT32_MAX) == 0 || errno == EINTR)
		;
	return 1;
}

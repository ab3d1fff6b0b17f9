/* route.c -- which location serves a request?
 *
 * First the server: those that listen on the port, and among them the one
 * that names the host, then the longest "*.name" above it, then one that
 * takes any host.  Then its first location that fits; they are sorted.
 *
 * Thread: any; reads only.
 */
#include "conf/settings.h"

static bool
listens_on(const struct server_conf *s, int port)
{
	for (struct listen_conf *l = s->listens; l; l = l->next)
		if (l->port == port)
			return true;
	return false;
}

/* example.org:8787, example.org. and [::1]:8787 without port and dot */
static struct str
bare_host(struct str host)
{
	const char *colon = host.n ? memrchr(host.p, ':', host.n) : NULL;

	if (colon && !memchr(colon, ']', host.n - (size_t)(colon - host.p)))
		host.n = (size_t)(colon - host.p);
	if (host.n && host.p[host.n - 1] == '.')
		host.n--;
	return host;
}

/* How well a name fits: 0 not at all, 1 takes any host, longer wildcards better, exact best. */
static size_t
fits(const char *name, struct str host)
{
	struct str n = str_c(name);

	if (str_eq(n, STR("_")))
		return 1;
	if (str_ieq(n, host))
		return SIZE_MAX;
	if (n.n > 1 && n.p[0] == '*' && host.n > n.n - 1 &&
	    str_ieq(str_n(n.p + 1, n.n - 1), str_n(host.p + host.n - (n.n - 1), n.n - 1)))
		return n.n;
	return 0;
}

static size_t
server_fits(const struct server_conf *s, struct str host)
{
	size_t best = s->names[0] ? 0 : 1;

	for (const char **name = s->names; *name; name++) {
		size_t f = fits(*name, host);

		if (f > best)
			best = f;
	}
	return best;
}

static const struct server_conf *
find_server(const struct settings *s, int port, struct str host)
{
	const struct server_conf *best = NULL;
	size_t best_fit = 0;

	for (struct server_conf *server = s->servers; server; server = server->next) {
		size_t fit = listens_on(server, port) ? server_fits(server, host) : 0;

		if (fit > best_fit) {
			best = server;
			best_fit = fit;
		}
	}
	return best;
}

const struct server_conf *
route_server(const struct settings *s, int port, struct str host)
{
	return find_server(s, port, bare_host(host));
}

const struct location_conf *
route_find(const struct settings *s, int port, struct str host, struct str path)
{
	const struct server_conf *server = route_server(s, port, host);

	if (!server)
		return NULL;
	for (struct location_conf *l = server->locations; l; l = l->next)
		if (l->exact ? str_eq(str_c(l->path), path) : str_starts(path, str_c(l->path)))
			return l;
	return NULL;
}

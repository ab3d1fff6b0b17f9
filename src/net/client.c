/* client.c -- headers that say who asks; see client.h. */
#include "net/client.h"

#include "base/address.h"

/* An address as proxies write it: alone, or with a port. */
static bool
read_address(struct str s, struct address *address)
{
	const char *colon;

	if (address_parse(s, address))
		return true;
	colon = memrchr(s.p, ':', s.n);
	return colon && address_parse(str_n(s.p, (size_t)(colon - s.p)), address);
}

static bool
trusted(const struct server_conf *server, struct str peer)
{
	struct address address;

	if (!server->trusted || !read_address(peer, &address))
		return false;
	for (const struct network_conf *n = server->trusted; n; n = n->next)
		if (network_has(&n->network, &address))
			return true;
	return false;
}

static struct str
trim(struct str s)
{
	while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = str_n(s.p + 1, s.n - 1);
	while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

/* From the right: each trusted proxy vouches for the one before it.  The first that nobody vouches for is the client. */
static struct str
walk_back(const struct server_conf *server, struct str way, struct str peer, h2o_mem_pool_t *pool)
{
	struct str client = peer;

	while (way.n > 0 && trusted(server, client)) {
		const char *comma = memrchr(way.p, ',', way.n);
		size_t at = comma ? (size_t)(comma - way.p) + 1 : 0;
		struct str last = trim(str_n(way.p + at, way.n - at));
		struct address address;
		char *text;

		if (!read_address(last, &address))
			break;			/* "unknown", or what is no address: the one who wrote it is the last we know */
		text = h2o_mem_alloc_pool(pool, ADDRESS_TEXT);
		client = str_c(address_text(&address, text));
		way.n = comma ? at - 1 : 0;
	}
	return client;
}

static void
add(struct message *m, struct str name, struct str value)
{
	m->headers[m->nheaders++] = (struct header){ name, value };
}

/* "a, b" of all the headers that came, and the peer: the way from the client to here. */
static struct str
whole_way(struct str way, struct str peer, h2o_mem_pool_t *pool)
{
	h2o_iovec_t v;

	if (way.n == 0)
		return peer;
	v = h2o_concat(pool, h2o_iovec_init(way.p, way.n), h2o_iovec_init(H2O_STRLIT(", ")), h2o_iovec_init(peer.p, peer.n));
	return str_n(v.base, v.len);
}

static bool
is_cf(const h2o_iovec_t *name)
{
	return name->len > 3 && (name->base[0] | 0x20) == 'c' && (name->base[1] | 0x20) == 'f' && name->base[2] == '-';
}

static bool
is_connecting_ip(const h2o_iovec_t *name)
{
	return str_ieq(str_n(name->base, name->len), STR("cf-connecting-ip"));
}

static bool
is_forwarded_for(const h2o_iovec_t *name)
{
	return name == &H2O_TOKEN_X_FORWARDED_FOR->buf;
}

static struct str
join(struct str way, const h2o_iovec_t *value, h2o_mem_pool_t *pool)
{
	struct str next = trim(str_n(value->base, value->len));

	return way.n == 0 || next.n == 0 ? (next.n ? next : way) : whole_way(way, next, pool);
}

void
client_headers(const struct server_conf *server, struct str peer, h2o_req_t *req, struct message *m)
{
	bool believed = trusted(server, peer);
	struct str way = { 0 };

	for (size_t i = 0; i < req->headers.size; i++) {
		const h2o_header_t *h = &req->headers.entries[i];

		if (is_forwarded_for(h->name))
			way = join(way, &h->value, &req->pool);
		else if (!is_cf(h->name) || (believed && !is_connecting_ip(h->name)))
			add(m, str_n(h->name->base, h->name->len), str_n(h->value.base, h->value.len));
	}
	m->client = peer;
	if (believed)
		m->client = walk_back(server, way, peer, &req->pool);
	add(m, STR("cf-connecting-ip"), m->client);
	add(m, STR("x-forwarded-for"), believed ? whole_way(way, peer, &req->pool) : peer);
}

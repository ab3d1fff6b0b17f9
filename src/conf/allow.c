/* allow.c -- fetch_allow: read, printed, asked. */
#include "conf/allow.h"

#include "base/err.h"
#include "conf/parse.h"
#include "conf/values.h"

/* ---- reading ---- */

static bool
good_host(const char *s)
{
	size_t n;

	if (strncmp(s, "*.", 2) == 0)
		s += 2;
	n = strlen(s);
	return n > 0 && n <= 253 && s[0] != '.' && s[n - 1] != '.' && !strstr(s, "..") &&
		strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") == n;
}

/* 10.0.0.1/8 and 10.0.0 look like networks, and are none. */
static bool
like_network(const char *s)
{
	return strchr(s, '/') || strchr(s, ':') || strspn(s, "0123456789.") == strlen(s);
}

static int
set_network(const struct directive *d, const struct token *t, struct allow_conf *a)
{
	a->kind = ALLOW_NETWORK;
	if (network_parse(str_c(t->text), &a->network))
		return OK;
	return place_error(t->at, "\"%.80s\" is neither an address nor a network (ADDRESS/BITS, with no bits set behind BITS; no port); write  %s",
		t->text, d->write);
}

static int
set_one(const struct directive *d, const struct token *t, struct allow_conf *a)
{
	if (strcmp(t->text, "all") == 0)
		a->kind = ALLOW_ALL;
	else if (strcmp(t->text, "none") == 0)
		a->kind = ALLOW_NONE;
	else if (like_network(t->text))
		return set_network(d, t, a);
	else if (!good_host(t->text))
		return place_error(t->at, "\"%.80s\" is not a host, a network, all or none; write  fetch_allow api.example.org;", t->text);
	return OK;
}

int
set_fetch_allow(struct parse *p, const struct directive *d, const struct statement *st)
{
	struct app_conf *app = p->frame->target;
	int rc = OK;

	for (unsigned i = 0; rc == OK && i < st->n; i++) {
		struct allow_conf *a = parse_new(p, sizeof(*a));

		*a = (struct allow_conf){ .kind = ALLOW_HOST, .text = st->args[i].text };
		rc = set_one(d, &st->args[i], a);
		app->fetch.none |= a->kind == ALLOW_NONE;
		conf_append(app->fetch.allow, a);
	}
	return rc;
}

void
print_fetch_allow(struct buf *out, int depth, const struct directive *d, const void *target)
{
	const struct app_conf *app = target;

	for (const struct allow_conf *a = app->fetch.allow; a; a = a->next) {
		buf_printf(out, "%*s%-22s ", depth * 4, "", d->name);
		value_print_word(out, a->text);
		buf_c(out, ";\n");
	}
}

/* ---- asking ---- */

/* "*.example.org" is any host below example.org, not itself. */
static bool
names(const char *pattern, struct str host)
{
	struct str p = str_c(pattern);

	if (strncmp(pattern, "*.", 2) != 0)
		return str_ieq(p, host);
	p = str_n(p.p + 1, p.n - 1);
	return host.n > p.n && str_ieq(p, str_n(host.p + host.n - p.n, p.n));
}

bool
allow_host(const struct app_conf *app, struct str host)
{
	if (host.n > 0 && host.p[host.n - 1] == '.')
		host.n--;
	for (const struct allow_conf *a = app->fetch.allow; a; a = a->next)
		if (a->kind == ALLOW_ALL || (a->kind == ALLOW_HOST && names(a->text, host)))
			return true;
	return false;
}

bool
allow_address(const struct app_conf *app, const struct address *address)
{
	for (const struct allow_conf *a = app->fetch.allow; a; a = a->next)
		if (a->kind == ALLOW_ALL || (a->kind == ALLOW_NETWORK && network_has(&a->network, address)))
			return true;
	return !app->fetch.none && !address_special(address);
}

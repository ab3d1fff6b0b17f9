/* site.c -- static files below a location's root or alias. */
#include "net/site.h"

#include <sys/stat.h>

#include "base/str.h"

static const char *index_files[] = { "index.html", NULL };

/* libh2o knows the usual types; these say their encoding as well. */
static const struct type {
	const char *extension, *type;
} types[] = {
	{ "css", "text/css;charset=UTF-8" },
	{ "csv", "text/csv;charset=UTF-8" },
	{ "htm", "text/html;charset=UTF-8" },
	{ "html", "text/html;charset=UTF-8" },
	{ "js", "text/javascript;charset=UTF-8" },
	{ "json", "application/json" },
	{ "lua", "text/plain;charset=UTF-8" },
	{ "md", "text/markdown;charset=UTF-8" },
	{ "mjs", "text/javascript;charset=UTF-8" },
	{ "svg", "image/svg+xml" },
	{ "txt", "text/plain;charset=UTF-8" },
	{ "wasm", "application/wasm" },
	{ "webmanifest", "application/manifest+json" },
	{ "webp", "image/webp" },
	{ "woff2", "font/woff2" },
};

static h2o_mimemap_t *
mime_types(void)
{
	h2o_mimemap_t *map = h2o_mimemap_create();

	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		h2o_mimemap_define_mimetype(map, types[i].extension, types[i].type, NULL);
	return map;
}

static bool
is_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static void
add_place(struct site *f, h2o_hostconf_t *host, const struct location_conf *l, h2o_mimemap_t *map)
{
	struct site_place *p = xcalloc(1, sizeof *p);

	/* root: the whole path below it.  alias: what follows the location's path. */
	p->location = l;
	p->path = h2o_config_register_path(host, l->alias != NULL ? l->path : "/", 0);
	if (l->alias != NULL && is_file(l->alias)) {
		const char *dot = strrchr(l->alias, '.');
		h2o_iovec_t extension = { (char *)(dot != NULL ? dot + 1 : ""), dot != NULL ? strlen(dot + 1) : 0 };
		p->handler = h2o_file_register_file(p->path, l->alias, h2o_mimemap_get_type_by_extension(map, extension), 0);
	} else {
		p->handler = (h2o_handler_t *)h2o_file_register(p->path, l->alias != NULL ? l->alias : l->root, index_files,
			map, 0);
	}
	p->next = f->places;
	f->places = p;
}

void
site_init(struct site *f, h2o_globalconf_t *conf, const struct settings *set, void (*add_logger)(h2o_pathconf_t *))
{
	h2o_hostconf_t *host = h2o_config_register_host(conf, h2o_iovec_init(H2O_STRLIT("files.invalid")), 65535);
	h2o_mimemap_t *map = mime_types();

	*f = (struct site){ 0 };
	for (const struct server_conf *s = set->servers; s != NULL; s = s->next)
		for (const struct location_conf *l = s->locations; l != NULL; l = l->next)
			if (l->app == NULL)
				add_place(f, host, l, map);
	h2o_mem_release_shared(map);
	/* Only now: registering a path moves those before it, and libh2o gives each its slot by handler, not by address. */
	size_t i = host->paths.size;
	for (struct site_place *p = f->places; p != NULL; p = p->next) {
		p->path = host->paths.entries + --i;
		add_logger(p->path);
	}
}

void
site_fini(struct site *f)
{
	while (f->places != NULL) {
		struct site_place *p = f->places;
		f->places = p->next;
		free(p);
	}
}

static bool
is_hidden(h2o_iovec_t path)
{
	if (memchr(path.base, 0, path.len) != NULL)
		return true;
	for (size_t i = 0; i + 1 < path.len; i++)
		if (path.base[i] == '/' && path.base[i + 1] == '.')
			return true;
	return false;
}

/* libh2o cuts the place's path off the front without looking: "/static" must not serve "/staticx". */
static bool
is_below(h2o_iovec_t path, h2o_iovec_t place)
{
	while (place.len > 0 && place.base[place.len - 1] == '/')
		place.len--;
	return path.len >= place.len && memcmp(path.base, place.base, place.len) == 0 &&
	       (path.len == place.len || path.base[place.len] == '/');
}

bool
site_serve(struct site *f, const struct location_conf *l, h2o_req_t *req)
{
	struct site_place *p = f->places;

	while (p != NULL && p->location != l)
		p = p->next;
	if (p == NULL || is_hidden(req->path_normalized) || !is_below(req->path_normalized, p->path->path))
		return false;
	f->used = true;
	req->pathconf = p->path;
	return p->handler->on_req(p->handler, req) == 0;
}

void
site_forget(struct site *f, h2o_context_t *ctx)
{
	if (!f->used)
		return;
	f->used = false;
	h2o_filecache_clear(ctx->filecache);
}

/* site.h -- static files below a location's root or alias.
 *
 * libh2o's own file handler does the work (ETag, If-None-Match,
 * If-Modified-Since, Range, index.html, types by extension); here it is told
 * which folder, and kept away from what must not be served: dotfiles and
 * paths with a NUL.  Paths arrive normalised: no "..", no "%2e".
 *
 * Owner: one thread.  Lives on a private host entry that requests cannot name.
 */
#ifndef DREY_NET_SITE_H
#define DREY_NET_SITE_H

#include "conf/settings.h"
#include "net/h2o.h"

struct site_place {
	const struct location_conf *location;
	h2o_pathconf_t *path;
	h2o_handler_t *handler;
	struct site_place *next;
};

struct site {
	struct site_place *places;
	bool used;		/* a file was served since site_forget() */
};

/* Before h2o_context_init().  logger is called on the handler of each place. */
void site_init(struct site *, h2o_globalconf_t *, const struct settings *, void (*add_logger)(h2o_pathconf_t *));
void site_fini(struct site *);
/* Answers, or returns false: no such file. */
bool site_serve(struct site *, const struct location_conf *, h2o_req_t *);
/* Closes the descriptors of files served in this round, so that a replaced file is seen in the next. */
void site_forget(struct site *, h2o_context_t *);

#endif

/* parse.h -- what the parser hands to setters.
 *
 * A setter checks its statement's arguments, writes into the frame's target,
 * and, if its directive opens a block, says with open_target what the
 * directives inside write into.
 *
 * Lives for one settings_load(); all memory is the settings' arena.
 */
#ifndef DREY_CONF_PARSE_H
#define DREY_CONF_PARSE_H

#include "conf/directives.h"
#include "conf/lexer.h"
#include "conf/settings.h"

#define ARGS_MAX 256

struct statement {		/* name args; */
	struct token name;
	struct token args[ARGS_MAX];
	unsigned n;
	bool block;		/* ended by { */
};

struct frame {			/* a block being read */
	struct frame *up;
	unsigned context;
	const char *name, *title;	/* "app", "app counter" */
	struct place at;
	void *target;
	struct place *seen;	/* by row: where it stood in this block; line 0 = not yet */
};

struct source_file {		/* files being read: the main one and its includes */
	struct source_file *up;
	const char *path;
	uint64_t dev, ino;
	unsigned depth;
};

struct pending_app {		/* location / { app NAME; }: the app may be declared further down */
	struct pending_app *next;
	struct location_conf *location;
	const char *name;
	struct place at;
};

struct migration_tag {		/* tags already used, newest first */
	struct migration_tag *next;
	const struct app_conf *app;
	const char *tag;
	struct place at;
};

struct parse {
	struct settings *settings;
	struct frame *frame;
	struct source_file *file;
	struct pending_app *pending;
	struct migration_tag *tags;
	void *open_target;
};

/* Reads a text without looking at other files, but those it includes. NULL and ERR_CONF. */
struct settings *settings_parse(const char *file, struct str text);	/* borrows both until it returns */

int parse_text(struct parse *, const char *file, struct str text);
int parse_defaults(struct parse *, unsigned context, void *target);
void *parse_new(struct parse *, size_t);	/* zeroed; lives as long as the settings */
int parse_twice(const struct token *, const char *what, struct place first);	/* ERR_CONF: WHAT "name" stands here twice */

/* Puts an item at the tail of a list of structs linked by "next". */
#define conf_append(head, item) \
	do { \
		__typeof__(&(head)) tail_ = &(head); \
		while (*tail_) \
			tail_ = &(*tail_)->next; \
		*tail_ = (item); \
	} while (0)

/* include.c */
int include_read(struct arena *, const char *path, struct str *text);	/* the whole file, or -1 and errno */
void include_identify(const char *path, struct source_file *);
int set_include(struct parse *, const struct directive *, const struct statement *);
/* setters.c */
int parse_word(const struct directive *, const struct token *, const char **);	/* any text but an empty one; lends */
int set_value(struct parse *, const struct directive *, const struct statement *);	/* by kind and offset */
int set_same(struct parse *, const struct directive *, const struct statement *);	/* a block that writes into its parent's struct */
int set_min_free(struct parse *, const struct directive *, const struct statement *);
int set_worker_threads(struct parse *, const struct directive *, const struct statement *);
int set_jurisdiction(struct parse *, const struct directive *, const struct statement *);
int set_error_log(struct parse *, const struct directive *, const struct statement *);
int set_access_log(struct parse *, const struct directive *, const struct statement *);
/* setters_app.c */
int set_app(struct parse *, const struct directive *, const struct statement *);
int set_app_root(struct parse *, const struct directive *, const struct statement *);
int set_main(struct parse *, const struct directive *, const struct statement *);
int set_source(struct parse *, const struct directive *, const struct statement *);
int set_compatibility_date(struct parse *, const struct directive *, const struct statement *);
int set_binding(struct parse *, const struct directive *, const struct statement *);
int set_migration(struct parse *, const struct directive *, const struct statement *);
int set_new_classes(struct parse *, const struct directive *, const struct statement *);
int set_on_error(struct parse *, const struct directive *, const struct statement *);
int set_var(struct parse *, const struct directive *, const struct statement *);
int set_profile(struct parse *, const struct directive *, const struct statement *);
int set_strict_globals(struct parse *, const struct directive *, const struct statement *);
int set_limit(struct parse *, const struct directive *, const struct statement *);	/* a value whose place is kept */
/* allow.c */
int set_fetch_allow(struct parse *, const struct directive *, const struct statement *);
void print_fetch_allow(struct buf *, int depth, const struct directive *, const void *);
/* setters_server.c */
int set_server(struct parse *, const struct directive *, const struct statement *);
int set_listen(struct parse *, const struct directive *, const struct statement *);
int set_server_name(struct parse *, const struct directive *, const struct statement *);
int set_trusted_proxy(struct parse *, const struct directive *, const struct statement *);
int set_location(struct parse *, const struct directive *, const struct statement *);
int set_location_app(struct parse *, const struct directive *, const struct statement *);
int set_location_files(struct parse *, const struct directive *, const struct statement *);
int parse_link_apps(struct parse *);		/* names of apps in locations to the apps; unknown ones are errors */

/* settings_print.c */
void print_profile(struct buf *, int depth, const struct directive *, const void *);
void print_limits(struct buf *, int depth, const struct directive *, const void *);	/* and overload, sql_limits */
void print_worker_threads(struct buf *, int depth, const struct directive *, const void *);
void print_jurisdictions(struct buf *, int depth, const struct directive *, const void *);
void print_error_log(struct buf *, int depth, const struct directive *, const void *);
void print_access_log(struct buf *, int depth, const struct directive *, const void *);
void print_apps(struct buf *, int depth, const struct directive *, const void *);
void print_sources(struct buf *, int depth, const struct directive *, const void *);
void print_bindings(struct buf *, int depth, const struct directive *, const void *);
void print_migrations(struct buf *, int depth, const struct directive *, const void *);
void print_on_error(struct buf *, int depth, const struct directive *, const void *);
void print_vars(struct buf *, int depth, const struct directive *, const void *);
void print_servers(struct buf *, int depth, const struct directive *, const void *);
void print_listens(struct buf *, int depth, const struct directive *, const void *);
void print_server_names(struct buf *, int depth, const struct directive *, const void *);
void print_trusted_proxies(struct buf *, int depth, const struct directive *, const void *);
void print_locations(struct buf *, int depth, const struct directive *, const void *);
void print_location_app(struct buf *, int depth, const struct directive *, const void *);
void print_nothing(struct buf *, int depth, const struct directive *, const void *);

/* check.c: what only the whole can show */
int check_names(const struct settings *);	/* bindings and migrations, servers that shadow one another */
int check_files(const struct settings *);	/* roots, main files, static folders exist */

#endif

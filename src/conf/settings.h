/* settings.h -- the configuration, read, checked and ready to use.
 *
 * A tree of plain structs, made from the file by settings_load() through the
 * one directive table (directives.h) and never changed afterwards.  Threads
 * read it freely.  Every default stands in the directive table.
 *
 * Relative paths are relative to the working directory drey was started in,
 * except include, which is relative to the file that includes.
 */
#ifndef DREY_CONF_SETTINGS_H
#define DREY_CONF_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/arena.h"
#include "base/log.h"

struct place {			/* where in which file something was written */
	const char *file;
	int line, column;
};

/* jurisdiction eu;  The order is part of no file and no id. */
enum jurisdiction { JURISDICTION_NONE, JURISDICTION_EU, JURISDICTION_FEDRAMP, JURISDICTION_US, JURISDICTIONS };
extern const char *const jurisdiction_names[JURISDICTIONS];	/* that of NONE is NULL */

struct binding_conf {		/* binding COUNTER class_name=Counter;  binding ROOMS class_name=Room script_name=chat; */
	const char *name, *class_name;
	const char *script_name;	/* the app whose class it is; NULL: this one */
	struct place at;
	struct binding_conf *next;
};

struct class_conf {		/* a class some migration created */
	const char *name, *tag;
	bool sqlite;		/* new_sqlite_classes; else new_classes */
	bool rollback;		/* on_error rollback: what a handler wrote before it raised is undone */
	struct place at;
	struct class_conf *next;
};

struct var_conf {		/* vars { GREETING "hi"; } */
	const char *name, *value;
	struct place at;
	struct var_conf *next;
};

struct source_conf {		/* source extra.lua; files loaded beside main */
	const char *path;	/* relative to root */
	struct place at;
	struct source_conf *next;
};

struct on_error_conf {		/* on_error rollback Ledger; */
	const char *class_name;
	struct place at;
	struct on_error_conf *next;
};

struct written_conf {		/* a limit that is written out, and where */
	const char *name;
	struct place at;
	struct written_conf *next;
};

struct limits_conf {
	uint64_t kv_key;		/* bytes of a key */
	uint64_t kv_value;		/* bytes of an encoded value */
	uint64_t kv_batch;		/* keys in one get/put/delete */
	uint64_t storage;		/* bytes of one object's database */
	uint64_t memory;		/* bytes of one VM */
	int64_t cpu_ms;			/* processor time of one event */
	uint64_t console;		/* bytes one event may write to the log */
	uint64_t rpc_message;		/* bytes of encoded arguments or result */
	uint64_t async;			/* calls of async() in flight in one VM */
	uint64_t references;		/* functions and RpcTargets that one VM has lent out */
	uint64_t fetches;		/* requests of one app that are out at the same time */
	int64_t idle_hibernate_ms;	/* idle this long: the object sleeps */
	int64_t idle_evict_ms;		/* no event for this long, and what it began is older than pending_io: the object sleeps all the same */
	uint64_t timers;		/* that one object may have set */
	int64_t pending_io_ms;		/* what an object began keeps it awake this long at most */
	int64_t block_timeout_ms;	/* blockConcurrencyWhile may take this long */
};

struct overload_conf {		/* for one object; above any of them an event is refused */
	uint64_t queue;			/* events that may wait */
	uint64_t bytes;			/* of their arguments and bodies */
	int64_t age_ms;			/* the oldest of them may have waited so long; 0: any */
	uint64_t rate;			/* events a second, within windows of 10 s; 0: any */
};

struct sql_limits_conf {	/* SQLite's own, set on every handle; 0 = SQLite's default */
	uint64_t length;		/* bytes of one string, blob or row */
	uint64_t statement;		/* bytes of one text of SQL */
	uint64_t columns;		/* of a table, index, view, result or clause */
	uint64_t params;		/* the highest ?N */
	uint64_t expr_depth;
	uint64_t compound_select;	/* terms of UNION, EXCEPT, INTERSECT */
	uint64_t function_arg;
	uint64_t like_pattern;		/* bytes of a LIKE or GLOB pattern */
	uint64_t trigger_depth;
	uint64_t vdbe_op;		/* instructions of one compiled statement */
};

enum allow_kind { ALLOW_HOST, ALLOW_NETWORK, ALLOW_ALL, ALLOW_NONE };

struct allow_conf {		/* fetch_allow api.internal 10.0.0.0/8; */
	enum allow_kind kind;
	const char *text;	/* as written; the host, or "*.host" */
	struct network network;
	struct allow_conf *next;
};

struct fetch_conf {		/* what leaves the house; see allow.h */
	struct allow_conf *allow;
	bool none;		/* not even public addresses, but for what is named */
	int64_t timeout_ms;	/* to the head of the answer, then between two pieces of its body */
	uint64_t body_max;	/* bytes of an answer's body */
	const char *ca;		/* a file of certificates to trust instead of the system's; NULL: those */
};

struct app_conf {		/* app counter { ... } */
	const char *name;
	const char *root;	/* folder of the app's Lua files */
	struct place root_at;	/* the app's own place where root is not written */
	const char *main;	/* relative to root */
	struct place main_at;
	struct source_conf *sources;
	const char *compatibility_date;	/* "2025-11-23", or NULL; checked for its form */
	struct place compatibility_at;
	struct binding_conf *bindings;
	struct class_conf *classes;
	struct var_conf *vars;
	struct on_error_conf *on_errors;
	const char *profile;	/* "cloudflare": limits that are not written are the original's numbers; NULL: ours */
	struct place profile_at;
	struct limits_conf limits;
	struct overload_conf overload;
	struct sql_limits_conf sql_limits;
	struct written_conf *written;	/* of all three */
	struct fetch_conf fetch;
	bool dev_errors;	/* answers carry tracebacks */
	bool strict_globals;	/* the app's code may not make globals; as dev_errors, unless written */
	bool strict_written;
	int64_t chaos_evict_ms;	/* put a random idle object to sleep this often; 0 = never (a test of lost memory) */
	struct place at;
	unsigned index;		/* 0.. in order of the file */
	struct app_conf *next;
};

struct location_conf {		/* location /counter/ { app counter; }   location = / { ... } */
	const char *path;
	bool exact;		/* "= /path" */
	struct app_conf *app;	/* one of app ... */
	const char *root;	/* ... or static files below root (path appended as in nginx's root) */
	const char *alias;	/* ... or static files with the prefix replaced (nginx's alias) */
	struct place content_at;	/* of that app, root or alias */
	struct place at;
	struct location_conf *next;
};

struct listen_conf {		/* listen 8787;  listen 127.0.0.1:8787;  listen [::1]:8787; */
	const char *host;	/* an IPv4 or IPv6 address, no brackets; "127.0.0.1" unless written: safe by default */
	int port;
	struct place at;
	struct listen_conf *next;
};

struct network_conf {		/* trusted_proxy 10.0.0.0/8; */
	const char *text;
	struct network network;
	struct network_conf *next;
};

struct server_conf {
	struct listen_conf *listens;
	const char **names;	/* server_name, lower case, NULL-ended; none = any host; "*.x.org" = any below, "_" = any */
	struct location_conf *locations;	/* longest prefix first, exact before all */
	struct network_conf *trusted;		/* peers whose word about the client is believed */
	uint64_t client_max_body_size;		/* bytes; 413 above */
	uint64_t client_header_size;		/* bytes of request line and headers; 431 above */
	int64_t client_timeout_ms;		/* head and body must arrive within */
	int64_t keepalive_timeout_ms;		/* idle between requests */
	struct place at;
	struct server_conf *next;
};

struct settings {
	struct arena arena;
	const char *file;
	unsigned worker_threads;	/* never 0: "auto" is the number of processors */
	const char *data_dir;
	bool within[JURISDICTIONS];	/* the server lies there, its data_dir too: objects of that jurisdiction may live here */
	const char *pid;		/* path, or NULL */
	const char *error_log;		/* path or "stderr" */
	enum log_level error_log_level;
	const char *access_log;		/* path, "stdout", or NULL for off */
	uint64_t journal_segment;	/* bytes of one journal segment */
	uint64_t open_files;		/* database files kept open at most, all workers together */
	uint64_t overlay_max;		/* bytes of changed pages one object may hold in memory before they go to its file */
	uint64_t min_free;		/* bytes; writes are refused while the disk has less; 0: never; else at least journal_segment */
	struct place min_free_at;	/* line 0: a default */
	int64_t full_timeout_ms;	/* the journal waits so long for room on a full disk */
	int64_t shutdown_timeout_ms;	/* in-flight requests get this long at a graceful stop */
	struct app_conf *apps;
	unsigned napps;
	struct server_conf *servers;
};

/* Reads and checks all.  NULL and ERR_CONF with "file:line:column: what; what to write instead". */
struct settings *settings_load(const char *path);	/* free with settings_free() */
void settings_free(struct settings **);
void settings_print(const struct settings *, struct buf *out);	/* drey -T: the whole configuration, defaults included, as a file that parses */
struct app_conf *settings_app(const struct settings *, const char *name);
/* Where a directive of limits, overload or sql_limits got its value: its own place, the profile's, or the app's when it is a default. */
struct place settings_limit_at(const struct app_conf *, const char *name);

/* route.c: which location serves this host and path?  host may carry a port; path is decoded, without
 * the query.  NULL: none (404).  Borrows nothing. */
const struct location_conf *route_find(const struct settings *, int port, struct str host, struct str path);

/* The server whose limits hold for a request that names this host.  NULL: none listens on the port. */
const struct server_conf *route_server(const struct settings *, int port, struct str host);

#endif

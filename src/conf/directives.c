/* directives.c -- the table.
 *
 * Bounds keep out what cannot be meant, not what is unwise; defaults are
 * generous where a hosted platform's number served only the platform.
 */
#include "conf/directives.h"

#include "conf/parse.h"
#include "conf/settings.h"
#include "conf/values.h"

#define KB (INT64_C(1) << 10)
#define MB (INT64_C(1) << 20)
#define GB (INT64_C(1) << 30)
#define TB (INT64_C(1) << 40)
#define SECOND INT64_C(1000)
#define HOUR (3600 * SECOND)
#define DAY (24 * HOUR)

/* Where the value lands. */
#define TO(type, field) .offset = offsetof(struct type, field)
#define BOUNDS(low, high) .least = (low), .most = (high)
#define ONE .min = 1, .max = 1
/* A limit: its default is ours, its original that of the hosted platform. */
#define LIMIT_IN(context, word, type, low, high, field, ours, theirs, text) \
	{ word, context, ONE, type, BOUNDS(low, high), TO(app_conf, field), .initial = ours, .original = theirs, .set = set_limit, \
	  .reloadable = true, .write = word " " ours ";", .help = text }
#define LIMIT(...) LIMIT_IN(IN_LIMITS, __VA_ARGS__)
#define SQL_LIMIT(...) LIMIT_IN(IN_SQL_LIMITS, __VA_ARGS__)
#define OVERLOAD(...) LIMIT_IN(IN_OVERLOAD, __VA_ARGS__)

const struct directive directives[] = {
	{ "include", IN_ANY, ONE, .set = set_include, .print = print_nothing, .repeat = true, .reloadable = true,
	  .write = "include conf.d/*.conf;",
	  .help = "Reads another file here; its path is relative to this file." },

	/* the server as a whole */
	{ "worker_threads", IN_MAIN, ONE, BOUNDS(1, 1024), .initial = "auto", .set = set_worker_threads,
	  .print = print_worker_threads, .write = "worker_threads auto;",
	  .help = "Threads that run objects and connections; auto is one per processor." },
	{ "data_dir", IN_MAIN, ONE, VALUE_TEXT, TO(settings, data_dir), .initial = "data", .write = "data_dir data;",
	  .help = "The folder of everything objects store; one server owns it." },
	{ "error_log", IN_MAIN, .min = 1, .max = 2, .initial = "stderr info", .set = set_error_log,
	  .print = print_error_log, .reloadable = true, .write = "error_log stderr info;",
	  .help = "A file or stderr, and the least level written: error, warn, info or debug." },
	{ "access_log", IN_MAIN, ONE, .initial = "off", .set = set_access_log, .print = print_access_log,
	  .reloadable = true, .write = "access_log logs/access.log;",
	  .help = "A file, stdout, or off: one line per answered request." },
	{ "jurisdiction", IN_MAIN, .min = 1, .max = ARGS_MAX, .set = set_jurisdiction, .print = print_jurisdictions, .repeat = true,
	  .write = "jurisdiction eu;", .help = "Where this server and its data_dir lie (eu, fedramp, us); objects of others are refused." },
	{ "pid", IN_MAIN, ONE, VALUE_TEXT, TO(settings, pid), .write = "pid drey.pid;",
	  .help = "A file that holds the server's process id while it runs." },
	{ "journal_segment", IN_MAIN, ONE, VALUE_SIZE, BOUNDS(64 * KB, 16 * GB), TO(settings, journal_segment),
	  .initial = "64m", .write = "journal_segment 64m;", .help = "The size of one file of the journal." },
	{ "open_files", IN_MAIN, ONE, VALUE_NUMBER, BOUNDS(4, 1000000), TO(settings, open_files), .initial = "1024",
	  .write = "open_files 1024;", .help = "Database files kept open at most; others are reopened on need." },
	{ "overlay_max", IN_MAIN, ONE, VALUE_SIZE, BOUNDS(64 * KB, 16 * GB), TO(settings, overlay_max),
	  .initial = "16m", .write = "overlay_max 16m;",
	  .help = "Changed pages one object may hold in memory: committed ones then go to its file, those of an open transaction beside the journal." },
	{ "min_free", IN_MAIN, ONE, VALUE_SIZE, BOUNDS(0, 256 * TB), TO(settings, min_free), .initial = "64m", .set = set_min_free,
	  .write = "min_free 64m;",
	  .help = "Writes are refused, and reads go on, while the disk of data_dir has less free; 0: never." },
	{ "full_timeout", IN_MAIN, ONE, VALUE_TIME, BOUNDS(0, HOUR), TO(settings, full_timeout_ms), .initial = "30s",
	  .write = "full_timeout 30s;", .help = "How long writes under way wait for room on a full disk before the server stops." },
	{ "shutdown_timeout", IN_MAIN, ONE, VALUE_TIME, BOUNDS(0, HOUR), TO(settings, shutdown_timeout_ms),
	  .initial = "30s", .reloadable = true, .write = "shutdown_timeout 30s;",
	  .help = "How long a graceful stop waits for requests in flight." },

	/* app NAME { } */
	{ "app", IN_MAIN, .opens = IN_APP, ONE, .set = set_app, .print = print_apps, .repeat = true, .reloadable = true,
	  .write = "app counter { root apps/counter; main counter.lua; }", .help = "Declares an app: Lua files that belong together." },
	{ "root", IN_APP, ONE, VALUE_TEXT, TO(app_conf, root), .initial = ".", .set = set_app_root, .reloadable = true,
	  .write = "root apps/counter;", .help = "The folder of the app's Lua files." },
	{ "main", IN_APP, ONE, VALUE_TEXT, TO(app_conf, main), .set = set_main, .reloadable = true,
	  .write = "main counter.lua;", .help = "The app's first file, in root; it returns the handler of requests." },
	{ "source", IN_APP, .min = 1, .max = ARGS_MAX, .set = set_source, .print = print_sources, .repeat = true,
	  .reloadable = true, .write = "source room.lua;", .help = "More files of the app, in root, that return classes." },
	{ "compatibility_date", IN_APP, ONE, VALUE_TEXT, TO(app_conf, compatibility_date),
	  .set = set_compatibility_date, .reloadable = true, .write = "compatibility_date 2025-11-23;",
	  .help = "The day whose behaviour the app was written for." },
	{ "dev_errors", IN_APP, ONE, VALUE_FLAG, TO(app_conf, dev_errors), .initial = "off", .reloadable = true,
	  .write = "dev_errors on;", .help = "Answers to failed requests carry the traceback." },
	{ "strict_globals", IN_APP, ONE, VALUE_FLAG, TO(app_conf, strict_globals), .set = set_strict_globals, .reloadable = true,
	  .write = "strict_globals on;",
	  .help = "Writing a variable that is not local is an error; on where dev_errors is on, unless written." },
	{ "chaos_evict", IN_APP, ONE, VALUE_TIME, BOUNDS(0, DAY), TO(app_conf, chaos_evict_ms), .initial = "0",
	  .reloadable = true, .write = "chaos_evict 30s;",
	  .help = "Puts a random idle object to sleep this often, to find state that lives in memory only." },
	{ "fetch_allow", IN_APP, .min = 1, .max = ARGS_MAX, .set = set_fetch_allow, .print = print_fetch_allow, .repeat = true,
	  .reloadable = true, .write = "fetch_allow api.internal 10.0.0.0/8;",
	  .help = "Hosts and networks that fetch may reach besides the public internet; all: any; none: only those named." },
	{ "fetch_timeout", IN_APP, ONE, VALUE_TIME, BOUNDS(1, DAY), TO(app_conf, fetch.timeout_ms), .initial = "60s",
	  .reloadable = true, .write = "fetch_timeout 60s;", .help = "How long a fetch waits for the head of its answer, and then for each piece of its body." },
	{ "fetch_body_max", IN_APP, ONE, VALUE_SIZE, BOUNDS(1, 2 * GB), TO(app_conf, fetch.body_max), .initial = "32m",
	  .reloadable = true, .write = "fetch_body_max 32m;", .help = "Bytes of a fetch's answer that text() and json() hold in memory." },
	{ "fetch_ca", IN_APP, ONE, VALUE_TEXT, TO(app_conf, fetch.ca), .reloadable = true,
	  .write = "fetch_ca /etc/ssl/our-ca.pem;", .help = "A file of certificates that fetch trusts instead of the system's." },
	{ "durable_objects", IN_APP, .opens = IN_OBJECTS, .set = set_same, .print = print_bindings, .reloadable = true,
	  .write = "durable_objects { binding COUNTER class_name=Counter; }", .help = "The classes the app can reach." },
	{ "binding", IN_OBJECTS, .min = 2, .max = 3, .set = set_binding, .repeat = true, .reloadable = true,
	  .write = "binding COUNTER class_name=Counter;",
	  .help = "env.COUNTER reaches the objects of class Counter; with script_name=APP: of another app's class." },
	{ "migrations", IN_APP, .opens = IN_MIGRATIONS, .set = set_same, .print = print_migrations, .reloadable = true,
	  .write = "migrations { v1 { new_sqlite_classes Counter; } }", .help = "The life of the app's classes, step by step." },
	{ NULL, IN_MIGRATIONS, .opens = IN_MIGRATION, .set = set_migration, .repeat = true, .reloadable = true,
	  .write = "v1 { new_sqlite_classes Counter; }", .help = "One step; its tag is never used again." },
	{ "new_sqlite_classes", IN_MIGRATION, .min = 1, .max = ARGS_MAX, .set = set_new_classes, .repeat = true,
	  .reloadable = true, .write = "new_sqlite_classes Counter;", .help = "Classes that begin with this step, with SQL." },
	{ "new_classes", IN_MIGRATION, .min = 1, .max = ARGS_MAX, .set = set_new_classes, .repeat = true,
	  .reloadable = true, .write = "new_sqlite_classes Counter;",
	  .help = "Classes that begin with this step, without SQL; better: new_sqlite_classes." },
	{ "on_error", IN_APP, .min = 2, .max = ARGS_MAX, .set = set_on_error, .print = print_on_error, .repeat = true,
	  .reloadable = true, .write = "on_error rollback Ledger;",
	  .help = "Classes whose handlers, when they raise, undo what they wrote since they last waited." },
	{ "vars", IN_APP, .opens = IN_VARS, .set = set_same, .print = print_vars, .reloadable = true,
	  .write = "vars { GREETING \"hi\"; }", .help = "Texts the app finds in env." },
	{ NULL, IN_VARS, ONE, .set = set_var, .repeat = true, .reloadable = true, .write = "GREETING \"hi\";",
	  .help = "One text: env.GREETING." },

	/* limits { } and sql_limits { } */
	{ "profile", IN_APP, ONE, .set = set_profile, .print = print_profile, .reloadable = true,
	  .write = "profile cloudflare;",
	  .help = "Limits that are not written out are those of the hosted original, wherever this line stands." },
	{ "limits", IN_APP, .opens = IN_LIMITS, .set = set_same, .print = print_limits, .reloadable = true,
	  .write = "limits { storage 10g; }", .help = "What one object, message or VM of the app may use." },
	LIMIT("kv_key", VALUE_SIZE, 1, MB, limits.kv_key, "2k", "2k", "Bytes of a key."),
	LIMIT("kv_value", VALUE_SIZE, 1, GB, limits.kv_value, "2m", "2m", "Bytes of a value as it is stored."),
	LIMIT("kv_batch", VALUE_NUMBER, 1, 1000000, limits.kv_batch, "128", "128", "Keys in one get, put or delete."),
	LIMIT("storage", VALUE_SIZE, 64 * KB, 256 * TB, limits.storage, "10g", "10g", "Bytes of one object's database."),
	LIMIT("memory", VALUE_SIZE, MB, TB, limits.memory, "256m", "128m", "Bytes of one Lua VM."),
	LIMIT("cpu", VALUE_TIME, 10, HOUR, limits.cpu_ms, "30s", "30s",
	  "Processor time of one event; above it the event fails and its object is reset."),
	LIMIT("console", VALUE_SIZE, KB, GB, limits.console, "1m", "256k", "Bytes one event may write to the log."),
	LIMIT("rpc_message", VALUE_SIZE, KB, GB, limits.rpc_message, "32m", "32m",
	  "Bytes of the arguments or the result of one call."),
	LIMIT("async", VALUE_NUMBER, 1, 500000, limits.async, "10000", NULL, "Calls of async() in flight in one Lua VM."),
	LIMIT("references", VALUE_NUMBER, 1, 10000000, limits.references, "100000", NULL,
	  "Functions and RpcTargets that one Lua VM may have lent out."),
	LIMIT("fetches", VALUE_NUMBER, 1, 100000, limits.fetches, "1000", NULL,
	  "Requests of the app's fetch() that are out at the same time; more wait for their turn."),
	LIMIT("timers", VALUE_NUMBER, 0, 10000000, limits.timers, "10000", NULL,
	  "Timers that one object, or one request in the front module, may have set."),
	LIMIT("pending_io", VALUE_TIME, 0, 365 * DAY, limits.pending_io_ms, "15m", "15m",
	  "A timer, waitUntil or async work keeps its object awake this long at most."),
	LIMIT("idle_hibernate", VALUE_TIME, 0, 365 * DAY, limits.idle_hibernate_ms, "10s", "10s",
	  "An object idle this long goes to sleep."),
	LIMIT("idle_evict", VALUE_TIME, 0, 365 * DAY, limits.idle_evict_ms, "100s", "100s",
	  "An object to which no event came for this long goes to sleep in spite of work that is older than pending_io."),
	LIMIT("block_timeout", VALUE_TIME, 1, DAY, limits.block_timeout_ms, "30s", "30s",
	  "How long blockConcurrencyWhile may take."),
	{ "overload", IN_APP, .opens = IN_OVERLOAD, .set = set_same, .print = print_limits, .reloadable = true,
	  .write = "overload { queue 1000; }", .help = "What may wait for one object; more is refused with an error that has .overloaded, or 503." },
	OVERLOAD("queue", VALUE_NUMBER, 1, 10000000, overload.queue, "1000", NULL, "Events that may wait for one object."),
	OVERLOAD("bytes", VALUE_SIZE, 1, TB, overload.bytes, "32m", NULL,
	  "Bytes of arguments and bodies that may wait for one object; one event alone may have more."),
	OVERLOAD("age", VALUE_TIME, 0, DAY, overload.age_ms, "10s", NULL,
	  "While an event has waited longer than this, no other is taken in; 0: however long."),
	OVERLOAD("rate", VALUE_NUMBER, 0, 100000000, overload.rate, "0", NULL,
	  "Events a second for one object, on average of 10 seconds; 0: any number."),
	/* SQLite cuts a number above the one it was built with without a word, so the most is what every build has.
	 * The least leave room for SQLite's own statements (FTS5, ALTER TABLE) and for ours. */
	{ "sql_limits", IN_APP, .opens = IN_SQL_LIMITS, .set = set_same, .print = print_limits, .reloadable = true,
	  .write = "sql_limits { params 32766; }", .help = "What one SQL statement of the app may be." },
	SQL_LIMIT("length", VALUE_SIZE, 4 * KB, 900 * MB, sql_limits.length, "32m", "4m",
	  "Bytes of one string, blob or row."),
	SQL_LIMIT("statement", VALUE_SIZE, KB, 900 * MB, sql_limits.statement, "1m", "100000", "Bytes of one text of SQL."),
	SQL_LIMIT("columns", VALUE_NUMBER, 8, 2000, sql_limits.columns, "2000", "100",
	  "Columns of a table, an index, a result, SET, GROUP BY or ORDER BY."),
	SQL_LIMIT("params", VALUE_NUMBER, 8, 32766, sql_limits.params, "32766", "100", "The highest number of a parameter."),
	SQL_LIMIT("expr_depth", VALUE_NUMBER, 10, 1000, sql_limits.expr_depth, "1000", "100", "Depth of an expression."),
	SQL_LIMIT("compound_select", VALUE_NUMBER, 2, 500, sql_limits.compound_select, "500", "5",
	  "SELECTs joined by UNION, EXCEPT or INTERSECT."),
	SQL_LIMIT("function_arg", VALUE_NUMBER, 10, 127, sql_limits.function_arg, "127", "127", "Arguments of a function."),
	SQL_LIMIT("like_pattern", VALUE_SIZE, 1, 50000, sql_limits.like_pattern, "50000", "50",
	  "Bytes of a pattern of LIKE or GLOB."),
	SQL_LIMIT("trigger_depth", VALUE_NUMBER, 1, 1000, sql_limits.trigger_depth, "1000", "10",
	  "How deep triggers may set off triggers."),
	SQL_LIMIT("vdbe_op", VALUE_NUMBER, 10000, 250000000, sql_limits.vdbe_op, "250000000", "25000",
	  "Instructions of one compiled statement."),

	/* server { } */
	{ "server", IN_MAIN, .opens = IN_SERVER, .set = set_server, .print = print_servers, .repeat = true,
	  .reloadable = true, .write = "server { listen 8787; location / { app counter; } }",
	  .help = "Addresses to listen on, and what is served there." },
	{ "listen", IN_SERVER, ONE, .set = set_listen, .print = print_listens, .repeat = true, .reloadable = true,
	  .write = "listen 8787;", .help = "[address:]port; the address is 127.0.0.1 unless written, * is any." },
	{ "server_name", IN_SERVER, .min = 1, .max = ARGS_MAX, .set = set_server_name, .print = print_server_names,
	  .repeat = true, .reloadable = true, .write = "server_name example.org www.example.org;",
	  .help = "Hosts served here; any host when there is none." },
	{ "trusted_proxy", IN_SERVER, .min = 1, .max = ARGS_MAX, .set = set_trusted_proxy, .print = print_trusted_proxies,
	  .repeat = true, .reloadable = true, .write = "trusted_proxy 10.0.0.0/8;",
	  .help = "Networks of proxies whose X-Forwarded-For and CF- headers are believed; from others they are replaced." },
	{ "client_max_body_size", IN_SERVER, ONE, VALUE_SIZE, BOUNDS(1, TB), TO(server_conf, client_max_body_size),
	  .initial = "32m", .reloadable = true, .write = "client_max_body_size 32m;",
	  .help = "Bytes of a request's body; 413 above." },
	{ "client_header_size", IN_SERVER, ONE, VALUE_SIZE, BOUNDS(KB, 256 * KB), TO(server_conf, client_header_size),
	  .initial = "64k", .reloadable = true, .write = "client_header_size 64k;",
	  .help = "Bytes of a request's line and headers; 431 above." },
	{ "client_timeout", IN_SERVER, ONE, VALUE_TIME, BOUNDS(10, DAY), TO(server_conf, client_timeout_ms),
	  .initial = "30s", .reloadable = true, .write = "client_timeout 30s;",
	  .help = "A request's head and body must arrive within this time." },
	{ "keepalive_timeout", IN_SERVER, ONE, VALUE_TIME, BOUNDS(0, DAY), TO(server_conf, keepalive_timeout_ms),
	  .initial = "75s", .reloadable = true, .write = "keepalive_timeout 75s;",
	  .help = "How long a connection may wait for its next request." },
	{ "location", IN_SERVER, .opens = IN_LOCATION, .min = 1, .max = 2, .set = set_location, .print = print_locations,
	  .repeat = true, .reloadable = true, .write = "location / { app counter; }",
	  .help = "[=] /path: what serves paths that begin with this one, or are exactly it." },
	{ "app", IN_LOCATION, ONE, .set = set_location_app, .print = print_location_app, .repeat = true,
	  .reloadable = true, .write = "app counter;", .help = "The app that answers." },
	{ "root", IN_LOCATION, ONE, VALUE_TEXT, TO(location_conf, root), .set = set_location_files, .repeat = true,
	  .reloadable = true, .write = "root public;", .help = "Files: this folder with the whole path behind it." },
	{ "alias", IN_LOCATION, ONE, VALUE_TEXT, TO(location_conf, alias), .set = set_location_files, .repeat = true,
	  .reloadable = true, .write = "alias public/;", .help = "Files: this folder in place of the location's path." },
};

const size_t directives_n = sizeof(directives) / sizeof(directives[0]);

/* ---- looking up ---- */

#define each_row(d) for (const struct directive *d = directives; d < directives + directives_n; d++)

const struct directive *
directive_find(const char *name, unsigned context)
{
	const struct directive *any = NULL;

	each_row (d) {
		if (!(d->contexts & context))
			continue;
		if (!d->name)
			any = d;
		else if (strcmp(d->name, name) == 0)
			return d;
	}
	return any;
}

unsigned
directive_contexts(const char *name)
{
	unsigned contexts = 0;

	each_row (d)
		if (d->name && strcmp(d->name, name) == 0)
			contexts |= d->contexts;
	return contexts;
}

const struct directive *
directive_nearest(const char *name, unsigned context)
{
	const struct directive *best = NULL;
	unsigned best_score = 0;

	each_row (d) {
		unsigned score;

		if (!d->name)
			continue;
		score = 2 * value_distance(name, d->name);
		if (score > 2 * (strlen(d->name) + 2) / 3)	/* one letter in three may be wrong */
			continue;
		score += !(d->contexts & context);
		if (!best || score < best_score) {
			best = d;
			best_score = score;
		}
	}
	return best;
}

const char *
directive_context_name(unsigned context)
{
	static const struct {
		unsigned context;
		const char *name;
	} names[] = {
		{ IN_MAIN, "at the top level" }, { IN_APP, "in app" }, { IN_OBJECTS, "in durable_objects" },
		{ IN_MIGRATIONS, "in migrations" }, { IN_MIGRATION, "in a step of migrations" }, { IN_VARS, "in vars" },
		{ IN_LIMITS, "in limits" }, { IN_SQL_LIMITS, "in sql_limits" }, { IN_OVERLOAD, "in overload" }, { IN_SERVER, "in server" },
		{ IN_LOCATION, "in location" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].context == context)
			return names[i].name;
	return "nowhere";
}

bool
directive_is_limit(const struct directive *d)
{
	return d->set == set_limit;
}

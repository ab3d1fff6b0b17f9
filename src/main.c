/* main.c -- the process: options, configuration, store, server, exit code.
 *
 *	0  stopped as asked, or -t found the configuration good
 *	1  the configuration is wrong, or the server could not start
 *	2  wrong use of the command line
 *	3  storage failed: nothing that was not on disk has been acknowledged
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "cmd/limits.h"
#include "cmd/options.h"
#include "conf/settings.h"
#include "lua/host_engine.h"
#include "net/server.h"
#include "store/store.h"

enum { EXIT_START = 1, EXIT_USAGE = OPTIONS_EXIT_USAGE, EXIT_STORE = 3 };

/* To the log, and for the one who typed the command also to the terminal. */
static int
fail(const struct settings *set, int code)
{
	if (set == NULL || strcmp(set->error_log, "stderr") != 0)
		fprintf(stderr, "drey: %s\n", err_text());
	if (set != NULL)
		log_error("%s", err_text());
	return code;
}

static int
test(const struct settings *set, bool print)
{
	struct buf out = { 0 };

	if (print) {
		settings_print(set, &out);
		fwrite(out.p, 1, out.n, stdout);
		buf_fini(&out);
	} else {
		printf("drey: configuration %s is good\n", set->file);
	}
	return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_START;
}

static int
serve(const struct settings *set)
{
	struct store_options store_options = {
		.dir = set->data_dir,
		.journal_segment = set->journal_segment,
		.open_files = set->open_files,
		.overlay_max = set->overlay_max,
		.shards = set->worker_threads,
		.min_free = set->min_free,
		.min_free_file = set->min_free_at.file,
		.min_free_line = set->min_free_at.line,
		.full_timeout_ms = set->full_timeout_ms,
	};
	struct store *store = store_open(&store_options);

	if (store == NULL)
		return fail(set, err_code() == ERR_BUSY ? EXIT_START : EXIT_STORE);
	int code = server_run(&(struct server_options){
		.settings = set, .store = store, .engine_new = host_new, .engine_free = host_free });
	if (code != SERVER_STOPPED)
		fail(set, code);
	if (store_close(&store) < 0 && code == SERVER_STOPPED)
		code = fail(set, EXIT_STORE);
	return code;
}

static int
with_settings(const struct settings *set, const struct options *o)
{
	if (o->test)
		return host_check(set) < 0 ? fail(NULL, EXIT_START) : test(set, o->print);
	if (log_open(set->error_log, set->error_log_level) < 0)
		return fail(NULL, EXIT_START);
	return host_prepare(set) < 0 ? fail(set, EXIT_START) : serve(set);
}

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);	/* argv[0]: the name; gives the exit code */
} commands[] = {
	{ "limits", limits_run },
};

int
main(int argc, char **argv)
{
	struct options o;

	store_configure_sqlite();
	for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	if (options_parse(argc, argv, &o) < 0)
		return EXIT_USAGE;
	if (o.help)
		options_print_help(stdout);
	if (o.version)
		options_print_version(stdout);
	if (o.help || o.version)
		return EXIT_SUCCESS;
	server_block_signals();
	struct settings *set = settings_load(o.conf);
	if (set == NULL)
		return fail(NULL, EXIT_START);
	int code = with_settings(set, &o);
	settings_free(&set);
	return code;
}

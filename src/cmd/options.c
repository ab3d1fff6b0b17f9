/* options.c -- getopt, and the texts of -h and -V. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "cmd/options.h"

#include <getopt.h>

#include "base/err.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif

static const struct option longs[] = {
	{ "conf", required_argument, NULL, 'c' },
	{ "test", no_argument, NULL, 't' },
	{ "print", no_argument, NULL, 'T' },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

void
options_print_help(FILE *out)
{
	fputs("Usage: drey [-c FILE] [-t | -T] [-V] [-h]\n"
	      "       drey limits [-c FILE] [--json]\n"
	      "\n"
	      "A Durable Objects application server: objects in Lua, each with its own SQLite database.\n"
	      "\n"
	      "  -c FILE   the configuration; without it " OPTIONS_CONF_DEFAULT "\n"
	      "  -t        test the configuration and leave: 0 if it is good, 1 if not\n"
	      "  -T        test it and print it whole, with all defaults written out\n"
	      "  -V        print the version\n"
	      "  -h        print this\n"
	      "\n"
	      "  limits    print every limit of every app: its value, its default, and the line it comes from\n"
	      "\n"
	      "Signals: TERM and QUIT stop when the requests in flight are answered.\n"
	      "\n"
	      "Examples:\n"
	      "  drey -c conf/drey.conf         serve\n"
	      "  drey -t -c conf/drey.conf      is this file good?\n",
		out);
}

void
options_print_version(FILE *out)
{
	fprintf(out, "drey %s\n", PACKAGE_VERSION);
}

static int
usage_error(int option, char **argv)
{
	if (option == ':' && optopt == 'c')
		fprintf(stderr, "drey: -c needs a file; write  drey -c drey.conf\n");
	else if (optopt)
		fprintf(stderr, "drey: unknown option -%c; drey -h lists them\n", optopt);
	else
		fprintf(stderr, "drey: unknown option %s; drey -h lists them\n", argv[optind - 1]);
	return err_set(ERR_ARGUMENT, "bad command line");
}

static int
check_rest(int argc, char **argv)
{
	if (optind >= argc)
		return OK;
	fprintf(stderr, "drey: unexpected \"%s\"; a configuration is named with  drey -c %s\n", argv[optind], argv[optind]);
	return err_set(ERR_ARGUMENT, "bad command line");
}

int
options_parse(int argc, char **argv, struct options *o)
{
	int c;

	*o = (struct options){ .conf = OPTIONS_CONF_DEFAULT };
	opterr = 0;
	optind = 0;		/* glibc: start anew, also for the second call of a test */
	while ((c = getopt_long(argc, argv, "+:c:tTVh", longs, NULL)) != -1)
		switch (c) {
		case 'c':
			o->conf = optarg;
			break;
		case 'T':
			o->print = true;
			o->test = true;
			break;
		case 't':
			o->test = true;
			break;
		case 'V':
			o->version = true;
			break;
		case 'h':
			o->help = true;
			break;
		default:
			return usage_error(c, argv);
		}
	return check_rest(argc, argv);
}

/* options.h -- the command line of the server itself.
 *
 * drey [-c FILE] [-t | -T] [-V] [-h].  Usage errors are told on stderr; the
 * process should then exit with OPTIONS_EXIT_USAGE.
 */
#ifndef DREY_CMD_OPTIONS_H
#define DREY_CMD_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#define OPTIONS_EXIT_USAGE 2
#ifdef DREY_CONF_DEFAULT
#define OPTIONS_CONF_DEFAULT DREY_CONF_DEFAULT
#else
#define OPTIONS_CONF_DEFAULT "drey.conf"
#endif

struct options {
	const char *conf;	/* -c FILE; else the default, never NULL */
	bool test;		/* -t or -T: check the configuration and leave */
	bool print;		/* -T: and print it */
	bool version, help;	/* -V, -h: the caller prints with the verbs below and leaves with 0 */
};

int options_parse(int argc, char **argv, struct options *);	/* borrows argv; ERR_ARGUMENT after it told why */
void options_print_help(FILE *);
void options_print_version(FILE *);

#endif

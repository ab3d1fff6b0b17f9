/* limits.h -- drey limits: every limit of every app, its value, its default, and the line that sets it.
 *
 * drey limits [-c FILE] [--json].  Reads the configuration alone: no app is
 * loaded, and a server that runs is not asked.
 */
#ifndef DREY_CMD_LIMITS_H
#define DREY_CMD_LIMITS_H

int limits_run(int argc, char **argv);	/* argv[0] is "limits"; the exit code, after it told on stderr why */

#endif

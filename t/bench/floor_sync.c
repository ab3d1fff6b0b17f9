/* floor_sync.c -- how long one 4 KiB append plus fdatasync takes here, now.
 *
 * Usage: floor_sync FILE COUNT.  Prints the median in microseconds.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int
main(int argc, char **argv)
{
	char page[4096];
	int fd, n = argc > 2 ? atoi(argv[2]) : 500;
	double *us;

	if (argc < 2 || n < 1) {
		fprintf(stderr, "usage: floor_sync FILE [COUNT]\n");
		return 2;
	}
	fd = open(argv[1], O_CREAT | O_TRUNC | O_WRONLY | O_APPEND, 0600);
	us = calloc((size_t)n, sizeof(*us));
	if (fd < 0 || us == NULL) {
		perror(argv[1]);
		return 1;
	}
	memset(page, 'x', sizeof(page));
	for (int i = 0; i < n; i++) {
		double start = now_us();

		if (write(fd, page, sizeof(page)) != sizeof(page) || fdatasync(fd) != 0) {
			perror(argv[1]);
			return 1;
		}
		us[i] = now_us() - start;
	}
	qsort(us, (size_t)n, sizeof(*us), by_value);
	printf("%.1f\n", us[n / 2]);
	close(fd);
	unlink(argv[1]);
	free(us);
	return 0;
}

/* bare_fetch.c -- the least that libcurl's multi interface asks for: what drey's fetch() is measured against.
 *
 * One thread, so many requests in flight, each handle used again for the next
 * one, bodies thrown away.  Usage: bare_fetch URL PARALLEL SECONDS
 * Prints the number of requests per second.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <curl/curl.h>

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static size_t
drop(char *p, size_t size, size_t n, void *arg)
{
	(void)p, (void)arg;
	return size * n;
}

static void
begin(CURLM *multi, CURL *c, const char *url)
{
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_PROXY, "");
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, drop);
	curl_multi_add_handle(multi, c);
}

/* Those that are done begin again; returns how many. */
static unsigned long
again(CURLM *multi, const char *url)
{
	unsigned long done = 0;
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(multi, &left))) {
		CURL *c = m->easy_handle;

		if (m->data.result != CURLE_OK) {
			fprintf(stderr, "bare_fetch: %s: %s\n", url, curl_easy_strerror(m->data.result));
			exit(1);
		}
		curl_multi_remove_handle(multi, c);
		curl_easy_reset(c);
		begin(multi, c, url);
		done++;
	}
	return done;
}

int
main(int argc, char **argv)
{
	unsigned long done = 0;
	double start, end;
	int running;
	CURLM *multi;

	if (argc != 4) {
		fprintf(stderr, "usage: bare_fetch URL PARALLEL SECONDS\n");
		return 2;
	}
	curl_global_init(CURL_GLOBAL_DEFAULT);
	multi = curl_multi_init();
	for (int i = 0; i < atoi(argv[2]); i++)
		begin(multi, curl_easy_init(), argv[1]);
	start = now();
	end = start + atof(argv[3]);
	while (now() < end) {
		curl_multi_perform(multi, &running);
		done += again(multi, argv[1]);
		curl_multi_poll(multi, NULL, 0, 1000, NULL);
	}
	printf("%.0f\n", (double)done / (now() - start));
	return 0;
}

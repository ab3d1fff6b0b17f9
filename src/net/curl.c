/* curl.c -- dlopen, dlsym, and nothing is ever closed: threads of its resolver may still run in it. */
#include "net/curl.h"

#include <dlfcn.h>

#include "base/err.h"
#include "base/str.h"

#define LIBRARY "libcurl.so.4"

struct curl_calls curl;

#define CURL_NAME(name) { "curl_" #name, offsetof(struct curl_calls, name) },
static const struct {
	const char *name;
	size_t offset;
} names[] = { CURL_FUNCTIONS(CURL_NAME) };

static int
find_all(void *library)
{
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		void *f = dlsym(library, names[i].name);
		if (f == NULL)
			return err_set(ERR_IO, "%s has no %s; it must be 7.87 or newer", LIBRARY, names[i].name);
		memcpy((char *)&curl + names[i].offset, &f, sizeof f);
	}
	return OK;
}

int
curl_load(void)
{
	static bool loaded;

	if (loaded)
		return OK;
	void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	if (library == NULL)
		return err_set(ERR_IO, "%s (on Debian: apt-get install libcurl4)", dlerror());
	if (find_all(library) < 0)
		return err_code();
	if (curl.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return err_set(ERR_IO, "libcurl cannot be initialized");
	loaded = true;
	return OK;
}

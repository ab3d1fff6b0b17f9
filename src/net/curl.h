/* curl.h -- libcurl, loaded when the first app asks for it.
 *
 * It brings thirty libraries (LDAP, Kerberos, SSH, ...): linked in, they would
 * cost every start 5 ms and every server 4 MB, also where nobody ever calls
 * fetch().  So it is opened with dlopen(), once per process, and its functions
 * are called through this table: curl.easy_init() for curl_easy_init().
 */
#ifndef DREY_NET_CURL_H
#define DREY_NET_CURL_H

#define CURL_DISABLE_TYPECHECK	/* its checks are macros around the linked functions */
#include <curl/curl.h>

#undef curl_easy_setopt
#undef curl_easy_getinfo
#undef curl_multi_setopt

#define CURL_FUNCTIONS(do_) \
	do_(global_init) \
	do_(easy_init) do_(easy_cleanup) do_(easy_reset) do_(easy_pause) do_(easy_setopt) do_(easy_getinfo) do_(easy_strerror) \
	do_(multi_init) do_(multi_cleanup) do_(multi_setopt) do_(multi_add_handle) do_(multi_remove_handle) \
	do_(multi_perform) do_(multi_poll) do_(multi_wakeup) do_(multi_info_read) do_(multi_strerror) \
	do_(slist_append) do_(slist_free_all) \
	do_(url) do_(url_cleanup) do_(url_get) do_(url_set) do_(url_strerror) do_(free)

#define CURL_FUNCTION(name) __typeof__(curl_##name) *name;
struct curl_calls {
	CURL_FUNCTIONS(CURL_FUNCTION)
};
#undef CURL_FUNCTION

extern struct curl_calls curl;	/* all NULL before curl_load() */

int curl_load(void);		/* ERR_IO: it is not installed, or too old.  One thread at a time */

#endif

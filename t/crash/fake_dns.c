/* fake_dns.c -- LD_PRELOAD: getaddrinfo() knows the names of DREY_HOSTS, and no other but addresses.
 *
 *	DREY_HOSTS="inside.test=127.0.0.1 mixed.test=10.255.255.1,127.0.0.1 slow.test=~5000"
 *
 * A name may have several addresses; ~5000 makes it hang so many milliseconds and then fail.
 */
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int resolver(const char *, const char *, const struct addrinfo *, struct addrinfo **);

/* What stands behind "name=", up to the next blank; false: it is not there. */
static int
find(const char *name, char *out, size_t room)
{
	const char *p = getenv("DREY_HOSTS");
	size_t n = strlen(name);

	for (; p && *p; p += strcspn(p, " "), p += strspn(p, " ")) {
		if (strncmp(p, name, n) == 0 && p[n] == '=') {
			snprintf(out, room, "%.*s", (int)strcspn(p + n + 1, " "), p + n + 1);
			return 1;
		}
	}
	return 0;
}

int
getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **all)
{
	resolver *real = (resolver *)dlsym(RTLD_NEXT, "getaddrinfo");
	struct addrinfo numeric = hints ? *hints : (struct addrinfo){ 0 }, **end = all;
	char list[500], *save = NULL;

	numeric.ai_flags |= AI_NUMERICHOST;
	if (!name || !find(name, list, sizeof(list)))
		return real(name, service, &numeric, all);
	if (list[0] == '~') {
		usleep((useconds_t)atol(list + 1) * 1000);
		return EAI_NONAME;
	}
	*all = NULL;
	for (char *a = strtok_r(list, ",", &save); a; a = strtok_r(NULL, ",", &save)) {
		if (real(a, service, &numeric, end) != 0)
			continue;		/* not of the family that is asked for */
		while (*end)
			end = &(*end)->ai_next;
	}
	return *all ? 0 : EAI_NONAME;
}

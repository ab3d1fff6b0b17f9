/* fuzz_conf.c -- any bytes as a configuration: refused with a place, or printed and read back alike.
 *
 * clang -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -Isrc t/fuzz/fuzz_conf.c src/base/[a-z]*.c src/conf/[a-z]*.c
 * then run it with a copy of t/fuzz/corpus/conf.
 *
 * Includes are left out: a fuzzer must not read the machine.
 */
#include <stdlib.h>

#include "base/err.h"
#include "base/log.h"
#include "conf/settings.h"
#include "conf/parse.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return log_open("/dev/null", LOG_ERROR);
}

/* What was accepted prints to a text that is accepted and prints the same. */
static void
print_twice(const struct settings *s)
{
	struct buf one = { 0 }, two = { 0 };
	struct settings *again;

	settings_print(s, &one);
	again = settings_parse("printed", buf_slice(&one));
	must(again);
	settings_print(again, &two);
	must(str_eq(buf_slice(&one), buf_slice(&two)));
	settings_free(&again);
	buf_fini(&one);
	buf_fini(&two);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char host[] = "www.example.org:8787";
	struct settings *s;

	if (memmem(data, size, "include", 7))
		return 0;
	s = settings_parse("fuzz.conf", str_n(data, size));
	if (!s) {
		must(err_code() == ERR_CONF);
		must(strncmp(err_text(), "fuzz.conf:", 10) == 0);
		return 0;
	}
	print_twice(s);
	if (check_names(s) == OK)
		route_find(s, 8787, str_n(host, sizeof(host) - 1), str_n(data, size));
	settings_free(&s);
	return 0;
}

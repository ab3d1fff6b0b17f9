/* check_head.c -- request heads and chunked bodies: what is let in, what is refused and with which words. */
#include "net/head.h"

#include <check.h>
#include <stdlib.h>

#include "net/chunk.h"

enum { MAX = 8192 };

static struct head h;
static struct refusal no;

static int
read_all(const char *text)
{
	head_init(&h);
	memset(&no, 0, sizeof no);
	return head_read(&h, text, strlen(text), MAX, &no);
}

/* The same, a byte at a time, as a slow client sends it. */
static int
read_slowly(const char *text)
{
	int r = HEAD_MORE;

	head_init(&h);
	memset(&no, 0, sizeof no);
	for (size_t n = 1; n <= strlen(text) && r == HEAD_MORE; n++) {
		char *copy = strndup(text, n);	/* ends where the bytes end, so that reading on is seen by the sanitizer */
		r = head_read(&h, copy, n, MAX, &no);
		free(copy);
	}
	return r;
}

static const struct good {
	const char *text;
	int minor;
	enum head_body body;
	uint64_t length;
	const char *host, *target;
} good[] = {
	{ "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 1, HEAD_BODY_NONE, 0, "a", "/" },
	{ "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 1, HEAD_BODY_NONE, 0, "a", "/" },
	{ "GET / HTTP/1.0\r\n\r\n", 0, HEAD_BODY_NONE, 0, "", "/" },
	{ "POST /x?y=1 HTTP/1.1\r\nhost:[::1]:80\r\nContent-Length:  12 \t\r\n\r\n", 1, HEAD_BODY_LENGTH, 12, "[::1]:80", "/x?y=1" },
	{ "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n", 1, HEAD_BODY_CHUNKED, 0, "a", "/" },
	{ "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nExpect: 100-Continue\r\n\r\n", 1, HEAD_BODY_LENGTH, 0, "a", "/" },
	{ "GET http://b/c HTTP/1.1\r\nHost: b\r\nX: \xc3\xa9\r\nEmpty:\r\n\r\n", 1, HEAD_BODY_NONE, 0, "b", "http://b/c" },
	{ "M-SEARCH /%20 HTTP/1.1\r\nHOST: a.b:1\r\n\r\n", 1, HEAD_BODY_NONE, 0, "a.b:1", "/%20" },
};

START_TEST(a_good_head_is_let_in_whole_or_byte_by_byte)
{
	const struct good *g = &good[_i];

	for (int slowly = 0; slowly < 2; slowly++) {
		ck_assert_msg((slowly ? read_slowly(g->text) : read_all(g->text)) == HEAD_DONE, "%s", no.text);
		ck_assert_uint_eq(h.size, strlen(g->text));
		ck_assert_int_eq(h.minor, g->minor);
		ck_assert_int_eq(h.body, g->body);
		ck_assert_uint_eq(h.length, g->length);
		ck_assert(str_eq(head_slice(g->text, h.host), str_c(g->host)));
		ck_assert(str_eq(head_slice(g->text, h.target), str_c(g->target)));
	}
}
END_TEST

#define TOP "POST / HTTP/1.1\r\nHost: a\r\n"

static const struct bad {
	const char *text;
	int status;
	const char *words;
} bad[] = {
	{ TOP "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "Transfer-Encoding together with Content-Length: send one of them" },
	{ TOP "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", 400, "Transfer-Encoding together with Content-Length: send one of them" },
	{ TOP "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", 400, "two Content-Length headers: send exactly one" },
	{ TOP "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "two Transfer-Encoding headers: send exactly one" },
	{ TOP "Host: b\r\n\r\n", 400, "two Host headers: send exactly one" },
	{ "GET / HTTP/1.1\r\n\r\n", 400, "the Host header is missing" },
	{ "GET / HTTP/1.1\r\nHost: \r\n\r\n", 400, "the Host header is empty: name the server that is meant" },
	{ "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, "byte 0x2f is not allowed in the Host header" },
	{ "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400, "byte 0x2c is not allowed in the Host header" },
	{ "GET / HTTP/1.1\nHost: a\r\n\r\n", 400, "a line ends with LF alone: lines end with CR LF" },
	{ TOP "X: y\n\r\n", 400, "a line ends with LF alone: lines end with CR LF" },
	{ TOP "X: y\r\n\n", 400, "a line ends with LF alone: lines end with CR LF" },
	{ TOP "X: y\r\n  folded\r\n\r\n", 400, "a folded header line: write each header on one line" },
	{ "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400, "a space before the first header" },
	{ TOP "Content-Length : 1\r\n\r\n", 400, "a space in or after a header's name: the colon follows at once" },
	{ TOP "nonsense\r\n\r\n", 400, "a header line has no colon" },
	{ TOP ": y\r\n\r\n", 400, "a header line without a name" },
	{ TOP "X(: y\r\n\r\n", 400, "byte 0x28 is not allowed in a header's name" },
	{ TOP "X: a\x01z\r\n\r\n", 400, "byte 0x01 is not allowed in a header's value" },
	{ TOP "X: a\rz\r\n\r\n", 400, "byte 0x0d is not allowed in a header's value" },
	{ TOP "X: \x7f\r\n\r\n", 400, "byte 0x7f is not allowed in a header's value" },
	{ TOP "Content-Length: +1\r\n\r\n", 400, "Content-Length must be digits only" },
	{ TOP "Content-Length: 1, 1\r\n\r\n", 400, "Content-Length must be digits only" },
	{ TOP "Content-Length: 0x10\r\n\r\n", 400, "Content-Length must be digits only" },
	{ TOP "Content-Length:\r\n\r\n", 400, "Content-Length is empty: write the number of bytes" },
	{ TOP "Content-Length: 99999999999999999999\r\n\r\n", 413, "Content-Length has more digits than any body can have" },
	{ TOP "Transfer-Encoding: gzip, chunked\r\n\r\n", 501, "this Transfer-Encoding is not supported: send \"chunked\" or a Content-Length" },
	{ TOP "Transfer-Encoding: xchunked\r\n\r\n", 501, "this Transfer-Encoding is not supported: send \"chunked\" or a Content-Length" },
	{ "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "Transfer-Encoding in an HTTP/1.0 request" },
	{ TOP "Expect: tea\r\n\r\n", 417, "the only expectation known is \"100-continue\", in HTTP/1.1" },
	{ "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, "this server speaks HTTP/1.1 and HTTP/1.0" },
	{ "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "this server speaks HTTP/1.1 and HTTP/1.0" },
	{ "GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505, "this server speaks HTTP/1.1 and HTTP/1.0" },
	{ "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400, "the request line must read: METHOD /path HTTP/1.1" },
	{ "GET /\r\n\r\n", 400, "the request line must read: METHOD /path HTTP/1.1" },
	{ "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "the request line must read: METHOD /path HTTP/1.1" },
	{ " GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "the request line must read: METHOD /path HTTP/1.1" },
	{ "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "empty lines instead of a request" },
	{ "GET /\t HTTP/1.1\r\nHost: a\r\n\r\n", 400, "byte 0x09 is not allowed in the request line" },
	{ "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 400, "the request target must be a path that begins with /" },
	{ "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "the request target must be a path that begins with /" },
	{ "\x16\x03\x01\x02\r\n", 400, "the request line must read: METHOD /path HTTP/1.1" },
};

START_TEST(a_doubtful_head_is_refused_with_the_reason)
{
	const struct bad *b = &bad[_i];

	for (int slowly = 0; slowly < 2; slowly++) {
		ck_assert_int_eq(slowly ? read_slowly(b->text) : read_all(b->text), HEAD_REFUSED);
		ck_assert_str_eq(no.text, b->words);
		ck_assert_int_eq(no.status, b->status);
	}
}
END_TEST

START_TEST(a_nul_is_refused_wherever_it_stands)
{
	static const char model[] = TOP "X: y\r\n\r\n";

	for (size_t i = 0; i < sizeof model - 1; i++) {
		char copy[sizeof model];
		memcpy(copy, model, sizeof model);
		copy[i] = 0;
		head_init(&h);
		ck_assert_msg(head_read(&h, copy, sizeof model - 1, MAX, &no) != HEAD_DONE, "NUL at %zu", i);
	}
}
END_TEST

START_TEST(a_head_above_the_limit_is_refused_as_soon_as_it_is_there)
{
	char text[300];

	memset(text, 'a', sizeof text);
	memcpy(text, "GET /", 5);
	head_init(&h);
	ck_assert_int_eq(head_read(&h, text, 199, 200, &no), HEAD_MORE);
	ck_assert_int_eq(head_read(&h, text, 200, 200, &no), HEAD_REFUSED);
	ck_assert_int_eq(no.status, 431);
	ck_assert_str_eq(no.text, "the head of the request is larger than 200 bytes (client_header_size)");
}
END_TEST

START_TEST(a_body_behind_the_head_does_not_count_against_its_limit)
{
	static char text[10000] = TOP "Content-Length: 9000\r\n\r\n";

	head_init(&h);
	ck_assert_int_eq(head_read(&h, text, sizeof text, 200, &no), HEAD_DONE);
	ck_assert_uint_eq(h.size, strlen(text));
}
END_TEST

START_TEST(a_hundred_headers_are_enough)
{
	struct buf b = { 0 };

	buf_c(&b, TOP);
	for (int i = 0; i < 99; i++)
		buf_c(&b, "x: y\r\n");
	size_t n = b.n;
	buf_c(&b, "\r\n");
	ck_assert_int_eq(read_all(b.p), HEAD_DONE);
	b.n = n;
	buf_c(&b, "x: y\r\n\r\n");
	ck_assert_int_eq(read_all(b.p), HEAD_REFUSED);
	ck_assert_int_eq(no.status, 431);
	ck_assert_str_eq(no.text, "more than 100 header lines");
	buf_fini(&b);
}
END_TEST

/* ---- chunks ---- */

static int
walk(const char *text, size_t step, size_t *end)
{
	struct chunk k;
	size_t used, n = strlen(text);
	int r = CHUNK_MORE;

	chunk_init(&k);
	memset(&no, 0, sizeof no);
	*end = 0;
	for (size_t i = 0; i < n && r == CHUNK_MORE; i += step) {
		r = chunk_walk(&k, text + i, n - i < step ? n - i : step, 1000, &used, &no);
		*end = i + used;
	}
	return r;
}

static const struct chunks {
	const char *text;
	int result, status;
	const char *rest, *words;
} chunks[] = {
	{ "0\r\n\r\n", CHUNK_DONE, 0, "", "" },
	{ "5\r\nhello\r\n0\r\n\r\nGET", CHUNK_DONE, 0, "GET", "" },
	{ "A;x=\"y\"\r\n0123456789\r\n0000\r\nTrailer: x\r\n\r\n", CHUNK_DONE, 0, "", "" },
	{ "3e8\r\n", CHUNK_MORE, 0, "", "" },
	{ "3e9\r\n", CHUNK_REFUSED, 413, NULL, "the body is larger than 1000 bytes (client_max_body_size)" },
	{ "fffffffffffffff\r\n", CHUNK_REFUSED, 413, NULL, "the body is larger than 1000 bytes (client_max_body_size)" },
	{ "ffffffffffffffff\r\n", CHUNK_REFUSED, 400, NULL, "malformed chunked body: a chunk size has more than 15 digits" },
	{ "5\nhello\r\n0\r\n\r\n", CHUNK_REFUSED, 400, NULL, "malformed chunked body: a chunk begins with its size in hexadecimal digits" },
	{ "\r\n", CHUNK_REFUSED, 400, NULL, "malformed chunked body: a chunk begins with its size in hexadecimal digits" },
	{ "-1\r\n", CHUNK_REFUSED, 400, NULL, "malformed chunked body: a chunk begins with its size in hexadecimal digits" },
	{ "0x5\r\nhello", CHUNK_REFUSED, 400, NULL, "malformed chunked body: a chunk begins with its size in hexadecimal digits" },
	{ "5 \r\nhello", CHUNK_REFUSED, 400, NULL, "malformed chunked body: a chunk begins with its size in hexadecimal digits" },
	{ "5\r\nhello!\r\n", CHUNK_REFUSED, 400, NULL, "malformed chunked body: a chunk is longer than its size" },
	{ "5\r\nhello\rx", CHUNK_REFUSED, 400, NULL, "malformed chunked body: CR without LF" },
	{ "5\rx", CHUNK_REFUSED, 400, NULL, "malformed chunked body: CR without LF" },
	{ "0\r\nx\n\r\n", CHUNK_REFUSED, 400, NULL, "malformed chunked body: a control byte in an extension or trailer" },
	{ "1;\x01\r\n", CHUNK_REFUSED, 400, NULL, "malformed chunked body: a control byte in an extension or trailer" },
};

START_TEST(chunks_end_where_they_say_or_are_refused)
{
	const struct chunks *c = &chunks[_i];

	for (size_t step = 1; step <= 64; step += 63) {
		size_t end;
		ck_assert_int_eq(walk(c->text, step, &end), c->result);
		ck_assert_int_eq(no.status, c->status);
		ck_assert_str_eq(no.text, c->words);
		if (c->rest != NULL && step > 1)
			ck_assert_str_eq(c->text + end, c->rest);
	}
}
END_TEST

START_TEST(endless_trailers_are_refused)
{
	struct buf b = { 0 };
	size_t end;

	buf_c(&b, "0\r\n");
	for (int i = 0; i < 2000; i++)
		buf_c(&b, "a: b\r\n");
	ck_assert_int_eq(walk(b.p, 4096, &end), CHUNK_REFUSED);
	ck_assert_int_eq(no.status, 431);
	buf_fini(&b);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("head");
	TCase *tc = tcase_create("head");
	SRunner *sr = srunner_create(s);
	int failed;

	suite_add_tcase(s, tc);
	tcase_add_loop_test(tc, a_good_head_is_let_in_whole_or_byte_by_byte, 0, sizeof good / sizeof good[0]);
	tcase_add_loop_test(tc, a_doubtful_head_is_refused_with_the_reason, 0, sizeof bad / sizeof bad[0]);
	tcase_add_test(tc, a_nul_is_refused_wherever_it_stands);
	tcase_add_test(tc, a_head_above_the_limit_is_refused_as_soon_as_it_is_there);
	tcase_add_test(tc, a_body_behind_the_head_does_not_count_against_its_limit);
	tcase_add_test(tc, a_hundred_headers_are_enough);
	tcase_add_loop_test(tc, chunks_end_where_they_say_or_are_refused, 0, sizeof chunks / sizeof chunks[0]);
	tcase_add_test(tc, endless_trailers_are_refused);
	srunner_run_all(sr, getenv("CK_VERBOSE") ? CK_VERBOSE : CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* fuzz_journal.c -- any bytes as a journal segment: records, or a refusal, never more.
 *
 * The first byte chooses: even, the bytes are a segment file as they are; odd,
 * they are the bodies of records, which get good lengths and checksums, so
 * that what lies behind the checksum is reached too.  Both go through recover() on
 * a directory in memory.
 *
 *	clang -g -O1 -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -Isrc t/fuzz/fuzz_journal.c \
 *		src/store/[a-z]*.c src/base/[a-z]*.c -lsqlite3 -lpthread -lm -o fuzz_journal
 *	./fuzz_journal -max_total_time=60 t/fuzz/corpus/journal
 */
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "store/journal.h"
#include "store/paths.h"
#include "store/record.h"
#include "store/recover.h"

static char dir[256], journal_dir[300];

static int
remove_below(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st, (void)kind;
	return ftw->level > 0 ? remove(path) : 0;
}

static void
begin(void)
{
	const char *tmp = getenv("TMPDIR");

	if (!dir[0]) {
		log_open("/dev/null", LOG_ERROR);
		if (!tmp)
			tmp = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
		snprintf(dir, sizeof dir, "%s/drey-fuzz-XXXXXX", tmp);
		must(mkdtemp(dir));
		snprintf(journal_dir, sizeof journal_dir, "%s/journal", dir);
	}
	must(mkdir(journal_dir, 0700) == 0);
}

static void
save(const struct buf *b)
{
	char path[4096];
	int fd;

	journal_path(path, sizeof path, journal_dir, 1);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	must(fd >= 0 && write(fd, b->p, b->n) == (ssize_t)b->n);
	close(fd);
}

/* One record: keep, size, app, class and id made up, the bytes as its pieces. */
static void
wrap(struct buf *out, struct str bytes, uint64_t commit)
{
	static const unsigned char id[RECORD_ID];
	unsigned char keep = bytes.n > 0 ? (unsigned char)bytes.p[0] : 0, size = bytes.n > 1 ? (unsigned char)bytes.p[1] : 0;
	struct record r = { .keep = keep % 8, .size = size % 8, .app = STR("a"), .class_name = STR("C"), .id = id };
	struct buf b = { 0 };
	uint64_t body;

	record_begin(&b, &r);
	if (bytes.n > 2)
		buf_add(&b, bytes.p + 2, bytes.n - 2);
	record_end(&b, &body);
	record_stamp(b.p, body, 1, commit);
	buf_add(out, b.p, b.n);
	buf_fini(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct recovered r;
	struct buf b = { 0 };
	struct map klasses;
	char head[SEGMENT_HEAD];

	if (n == 0)
		return 0;
	begin();
	if (data[0] % 2 == 0) {
		buf_add(&b, data + 1, n - 1);
	} else {
		size_t at = 1;
		uint64_t commit = 1;

		segment_head(head, 1, 1);
		buf_add(&b, head, sizeof head);
		while (at < n) {
			size_t len = data[at] + 1u;

			at++;
			len = len < n - at ? len : n - at;
			wrap(&b, str_n(data + at, len), commit++);
			at += len;
		}
	}
	if (b.n)
		save(&b);
	map_init(&klasses);
	if (recover(dir, journal_dir, &klasses, &r) == OK) {
		/* What was accepted is done with: nothing is left to do. */
		must(recover(dir, journal_dir, &klasses, &r) == OK && r.records == 0);
	} else {
		must(err_code() == ERR_CORRUPT);
	}
	klass_free_all(&klasses);
	buf_fini(&b);
	nftw(dir, remove_below, 16, FTW_DEPTH | FTW_PHYS);
	return 0;
}

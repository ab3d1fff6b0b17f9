/* fuzz_journal.c -- any bytes as a journal segment: records, or a refusal, never more.
 *
 * The first byte chooses: even, the bytes are a segment file as they are; odd,
 * they are the bodies of records, which get good lengths and checksums, so
 * that what lies behind the checksum is reached too.  Some of these have their
 * pages in a side file of four pages: as the bytes say, or in runs with good
 * sums, so that they are read and applied.  All go through recover() on a
 * directory in memory.
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
#include "store/spill.h"

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

enum { SIDE = 1, SIDE_PAGES = 4 };

static void
side_page(unsigned char page[PAGE_BYTES], uint32_t pgno)
{
	memset(page, pgno < SIDE_PAGES ? (int)pgno + 1 : 0, PAGE_BYTES);
}

static void
make_side(void)
{
	unsigned char page[PAGE_BYTES];
	char path[SPILL_PATH];
	int fd;

	spill_path(path, journal_dir, SIDE);
	if ((fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600)) < 0)
		return;
	for (uint32_t i = 0; i < SIDE_PAGES; i++) {
		side_page(page, i);
		must(write(fd, page, sizeof page) == sizeof page);
	}
	close(fd);
}

/* A byte per run: where it begins, how long it is; sums as they should be. */
static void
add_runs(struct buf *b, struct str bytes)
{
	for (size_t i = 0; i < bytes.n; i++) {
		uint32_t first = (unsigned char)bytes.p[i] % 8, n = (unsigned char)bytes.p[i] / 8 % 8;
		unsigned char page[PAGE_BYTES];
		uint64_t sums[8];

		for (uint32_t k = 0; k < n; k++) {
			side_page(page, first + k);
			sums[k] = spill_sum(page, SIDE, first + k);
		}
		spill_put_run(b, first, n, sums);
	}
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

	if (keep & 0x40)
		r.side = keep & 0x20 ? SIDE + 1 : SIDE;		/* the other one is not there */
	if (r.side)
		make_side();
	record_begin(&b, &r);
	if (bytes.n > 2 && r.side && keep & 0x80)
		add_runs(&b, str_n(bytes.p + 2, bytes.n - 2));
	else if (bytes.n > 2)
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

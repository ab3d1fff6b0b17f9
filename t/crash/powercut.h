/* powercut.h -- a disk that forgets what was not synced; linked into one program.
 *
 * The functions below stand in for libc's: each does the real call (but the
 * syncs, which cost time and prove nothing here) and writes down what it
 * changed below one root.  From that list the state after a power cut before
 * the Nth call can be built:
 *
 *	CUT_STRICT	nothing that was not synced survives: no file data, no new,
 *			renamed or removed name of a directory
 *	CUT_TORN	each unsynced change survives or not, as a seeded die says; of a
 *			write all, nothing, a prefix or any of its 512-byte sectors; of a
 *			directory any subset of its changes
 *	CUT_KILLED	all survives: the process died, the machine did not
 *
 * A file's sync makes its data and length durable, not its name; a directory's
 * sync makes its names durable.  Before each call note() is asked for a number
 * to keep with it: what had been acknowledged by then.
 */
#ifndef DREY_CRASH_POWERCUT_H
#define DREY_CRASH_POWERCUT_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

enum cut { CUT_STRICT, CUT_TORN, CUT_KILLED };

enum what { DID_MKDIR, DID_CREATE, DID_WRITE, DID_TRUNCATE, DID_RENAME, DID_UNLINK, DID_SYNC, DID_SYNC_ALL };

enum { SECTOR = 512, NODES = 4096, FDS = 4096 };

struct did {
	enum what what;
	int node, dir;			/* file or directory; the directory its name is in */
	char *path, *to;		/* relative to the root */
	uint64_t at, n;
	char *data;
	uint64_t noted;			/* note() just before */
};

struct name {
	char *path;
	int node;
	bool dir;
};

struct names {
	struct name *v;
	size_t n, cap;
};

struct bytes {
	char *p;
	uint64_t n;
};

struct powercut {
	char root[256];
	bool on;
	uint64_t (*note)(void);
	struct did *log;
	size_t n, cap;
	struct names live, base;	/* now; when recording began */
	struct bytes base_data[NODES];
	int nodes;
	int fd_node[FDS];		/* node + 1; 0: none of ours */
};

static struct powercut pc;
static size_t pc_read_again;		/* side files opened to be read: recoveries that needed one */

static bool
ends_in(const char *path, const char *end)
{
	size_t n = strlen(path), m = strlen(end);

	return n >= m && strcmp(path + n - m, end) == 0;
}

static pthread_mutex_t pc_mutex = PTHREAD_MUTEX_INITIALIZER;

/* ---- names ---- */

static struct name *
names_find(struct names *s, const char *path)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->v[i].path, path) == 0)
			return &s->v[i];
	return NULL;
}

static void
names_drop(struct names *s, const char *path)
{
	struct name *e = names_find(s, path);

	if (!e)
		return;
	free(e->path);
	*e = s->v[--s->n];
}

static void
names_set(struct names *s, const char *path, int node, bool dir)
{
	names_drop(s, path);
	if (s->n == s->cap)
		s->v = realloc(s->v, (s->cap = s->cap ? s->cap * 2 : 64) * sizeof *s->v);
	s->v[s->n++] = (struct name){ strdup(path), node, dir };
}

static void
names_clear(struct names *s)
{
	while (s->n)
		free(s->v[--s->n].path);
	free(s->v);
	*s = (struct names){ 0 };
}

static void
names_copy(struct names *to, const struct names *from)
{
	names_clear(to);
	for (size_t i = 0; i < from->n; i++)
		names_set(to, from->v[i].path, from->v[i].node, from->v[i].dir);
}

static const char *
below_root(const char *path)
{
	size_t n = strlen(pc.root);

	if (!pc.on || strncmp(path, pc.root, n) != 0 || (path[n] != '/' && path[n] != '\0'))
		return NULL;
	return path[n] ? path + n + 1 : path + n;
}

/* ---- what was done ---- */

static int
dir_of(const char *path)
{
	char up[512];
	struct name *e;
	char *slash;

	snprintf(up, sizeof up, "%s", path);
	slash = strrchr(up, '/');
	*(slash ? slash : up) = '\0';
	e = names_find(&pc.live, up);
	return e ? e->node : -1;
}

static struct did *
did(enum what what, int node)
{
	if (pc.n == pc.cap)
		pc.log = realloc(pc.log, (pc.cap = pc.cap ? pc.cap * 2 : 1024) * sizeof *pc.log);
	pc.log[pc.n] = (struct did){ .what = what, .node = node, .noted = pc.note() };
	return &pc.log[pc.n++];
}

static int
node_of(int fd)
{
	return fd >= 0 && fd < FDS ? pc.fd_node[fd] - 1 : -1;
}

int
open(const char *path, int flags, ...)
{
	const char *rel;
	struct name *e;
	struct stat st;
	bool was;
	int fd;

	pthread_mutex_lock(&pc_mutex);
	rel = below_root(path);
	was = rel && syscall(SYS_newfstatat, AT_FDCWD, path, &st, 0) == 0;
	if (rel && !was && (flags & O_CREAT)) {
		struct did *d = did(DID_CREATE, pc.nodes);

		d->path = strdup(rel);
		d->dir = dir_of(rel);
	}
	fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, 0600);
	if (rel && !was && (flags & O_CREAT)) {
		if (fd >= 0)
			names_set(&pc.live, rel, pc.nodes++, false);
		else
			free(pc.log[--pc.n].path);
	}
	if (fd >= 0 && fd < FDS) {
		/* What is written to a file that has no name is gone with the process: its making and unnaming are cuts enough. */
		e = rel && !ends_in(rel, ".temp") ? names_find(&pc.live, rel) : NULL;
		pc.fd_node[fd] = e ? e->node + 1 : 0;
		pc_read_again += !(flags & O_CREAT) && ends_in(path, ".side");
	}
	pthread_mutex_unlock(&pc_mutex);
	return fd;
}

int
close(int fd)
{
	pthread_mutex_lock(&pc_mutex);
	if (fd >= 0 && fd < FDS)
		pc.fd_node[fd] = 0;
	pthread_mutex_unlock(&pc_mutex);
	return (int)syscall(SYS_close, fd);
}

ssize_t
pwrite(int fd, const void *data, size_t n, off_t at)
{
	struct did *d;
	ssize_t done;

	pthread_mutex_lock(&pc_mutex);
	if (pc.on && node_of(fd) >= 0) {
		d = did(DID_WRITE, node_of(fd));
		d->at = (uint64_t)at;
		d->n = n;
		d->data = malloc(n + 1);
		memcpy(d->data, data, n);
	}
	done = syscall(SYS_pwrite64, fd, data, n, at);
	pthread_mutex_unlock(&pc_mutex);
	return done;
}

ssize_t
pwritev(int fd, const struct iovec *v, int n, off_t at)
{
	ssize_t all = 0;

	/* One page after the other: more places to cut. */
	for (int i = 0; i < n; i++)
		all += pwrite(fd, v[i].iov_base, v[i].iov_len, at + all);
	return all;
}

int
ftruncate(int fd, off_t size)
{
	int rc;

	pthread_mutex_lock(&pc_mutex);
	if (pc.on && node_of(fd) >= 0)
		did(DID_TRUNCATE, node_of(fd))->n = (uint64_t)size;
	rc = (int)syscall(SYS_ftruncate, fd, size);
	pthread_mutex_unlock(&pc_mutex);
	return rc;
}

int
mkdir(const char *path, mode_t mode)
{
	const char *rel;
	int rc;

	pthread_mutex_lock(&pc_mutex);
	rel = below_root(path);
	if (rel && !names_find(&pc.live, rel)) {
		struct did *d = did(DID_MKDIR, pc.nodes);

		d->path = strdup(rel);
		d->dir = dir_of(rel);
		names_set(&pc.live, rel, pc.nodes++, true);
	}
	rc = (int)syscall(SYS_mkdir, path, mode);
	pthread_mutex_unlock(&pc_mutex);
	return rc;
}

int
rename(const char *from, const char *to)
{
	const char *a, *b;
	int rc;

	pthread_mutex_lock(&pc_mutex);
	a = below_root(from);
	b = below_root(to);
	if (a && b && names_find(&pc.live, a)) {
		int node = names_find(&pc.live, a)->node;
		struct did *d = did(DID_RENAME, node);

		d->path = strdup(a);
		d->to = strdup(b);
		d->dir = dir_of(a);
		names_drop(&pc.live, a);
		names_set(&pc.live, b, node, false);
	}
	rc = (int)syscall(SYS_rename, from, to);
	pthread_mutex_unlock(&pc_mutex);
	return rc;
}

int
unlink(const char *path)
{
	const char *rel;
	int rc;

	pthread_mutex_lock(&pc_mutex);
	rel = below_root(path);
	if (rel && names_find(&pc.live, rel)) {
		struct did *d = did(DID_UNLINK, names_find(&pc.live, rel)->node);

		d->path = strdup(rel);
		d->dir = dir_of(rel);
		names_drop(&pc.live, rel);
	}
	rc = (int)syscall(SYS_unlink, path);
	pthread_mutex_unlock(&pc_mutex);
	return rc;
}

static int
synced(int fd, enum what what)
{
	pthread_mutex_lock(&pc_mutex);
	if (pc.on && node_of(fd) >= 0)
		did(what, node_of(fd));
	pthread_mutex_unlock(&pc_mutex);
	return 0;
}

int
fsync(int fd)
{
	return synced(fd, DID_SYNC);
}

int
fdatasync(int fd)
{
	return synced(fd, DID_SYNC);
}

int
syncfs(int fd)
{
	return synced(fd, DID_SYNC_ALL);
}

/* Of a kind whose syncfs() is believed. */
int
fstatfs(int fd, struct statfs *st)
{
	(void)fd;
	*st = (struct statfs){ .f_type = 0xEF53 };
	return 0;
}

/* ---- recording ---- */

static void
bytes_resize(struct bytes *b, uint64_t n)
{
	b->p = realloc(b->p, n + 1);
	if (n > b->n)
		memset(b->p + b->n, 0, n - b->n);
	b->n = n;
}

static void
bytes_write(struct bytes *b, uint64_t at, const char *data, uint64_t n)
{
	if (at + n > b->n)
		bytes_resize(b, at + n);
	memcpy(b->p + at, data, n);
}

static void
load(const char *rel)
{
	char path[1024];
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof path, "%s%s%s", pc.root, *rel ? "/" : "", rel);
	d = opendir(path);
	while (d && (e = readdir(d))) {
		char sub[512];
		struct stat st;
		int node;

		if (e->d_name[0] == '.')
			continue;
		snprintf(sub, sizeof sub, "%s%s%s", rel, *rel ? "/" : "", e->d_name);
		snprintf(path, sizeof path, "%s/%s", pc.root, sub);
		if (stat(path, &st) != 0)
			abort();
		node = pc.nodes++;
		names_set(&pc.base, sub, node, S_ISDIR(st.st_mode));
		if (S_ISDIR(st.st_mode)) {
			load(sub);
			continue;
		}
		bytes_resize(&pc.base_data[node], (uint64_t)st.st_size);
		int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY, 0);
		if (pread(fd, pc.base_data[node].p, (size_t)st.st_size, 0) != st.st_size)
			abort();
		syscall(SYS_close, fd);
	}
	if (d)
		closedir(d);
}

/* From here on changes below root are written down; what is there already counts as synced. */
static void
powercut_begin(const char *root, uint64_t (*note)(void))
{
	snprintf(pc.root, sizeof pc.root, "%s", root);
	pc.note = note;
	pc.nodes = 0;
	names_set(&pc.base, "", pc.nodes++, true);
	load("");
	names_copy(&pc.live, &pc.base);
	memset(pc.fd_node, 0, sizeof pc.fd_node);
	pc.on = true;
}

static size_t
powercut_count(void)
{
	return pc.n;
}

static size_t
powercut_count_of(enum what what)
{
	size_t n = 0;

	for (size_t i = 0; i < pc.n; i++)
		n += pc.log[i].what == what;
	return n;
}

static size_t
powercut_count_named(enum what what, const char *end)
{
	size_t n = 0;

	for (size_t i = 0; i < pc.n; i++)
		n += pc.log[i].what == what && ends_in(pc.log[i].path, end);
	return n;
}

/* What note() said before call n. */
static uint64_t
powercut_noted(size_t n, uint64_t at_the_end)
{
	return n < pc.n ? pc.log[n].noted : at_the_end;
}

/* Puts a finished recording aside for another. */
static struct powercut *
powercut_push(void)
{
	struct powercut *aside = malloc(sizeof *aside);

	memcpy(aside, &pc, sizeof pc);
	memset(&pc, 0, sizeof pc);
	return aside;
}

static void
powercut_pop(struct powercut *aside)
{
	free(pc.log);
	memcpy(&pc, aside, sizeof pc);
	free(aside);
}

/* The list stays for powercut_make() until powercut_forget(). */
static void
powercut_end(void)
{
	pc.on = false;
}

static void
powercut_forget(void)
{
	for (size_t i = 0; i < pc.n; i++) {
		free(pc.log[i].path);
		free(pc.log[i].to);
		free(pc.log[i].data);
	}
	for (int i = 0; i < NODES; i++) {
		free(pc.base_data[i].p);
		pc.base_data[i] = (struct bytes){ 0 };
	}
	pc.n = 0;
	names_clear(&pc.live);
	names_clear(&pc.base);
}

/* ---- what survives ---- */

struct disk {
	struct names names;		/* on the platter */
	struct bytes data[NODES];	/* on the platter */
	bool done[1 << 16];		/* this change has reached it */
	uint64_t die;
};

static uint64_t
roll(struct disk *k)
{
	k->die ^= k->die << 13;
	k->die ^= k->die >> 7;
	k->die ^= k->die << 17;
	return k->die * 0x9e3779b97f4a7c15 >> 32;
}

static void
land(struct disk *k, const struct did *d)
{
	switch (d->what) {
	case DID_MKDIR:
	case DID_CREATE:
		names_set(&k->names, d->path, d->node, d->what == DID_MKDIR);
		break;
	case DID_RENAME:
		names_drop(&k->names, d->path);
		names_set(&k->names, d->to, d->node, false);
		break;
	case DID_UNLINK:
		names_drop(&k->names, d->path);
		break;
	case DID_WRITE:
		bytes_write(&k->data[d->node], d->at, d->data, d->n);
		break;
	case DID_TRUNCATE:
		bytes_resize(&k->data[d->node], d->n);
		break;
	default:
		break;
	}
}

/* All changes before i that a sync of this node makes durable. */
static void
sync_node(struct disk *k, size_t i, int node, bool all)
{
	for (size_t j = 0; j < i; j++) {
		struct did *d = &pc.log[j];
		bool data = d->what == DID_WRITE || d->what == DID_TRUNCATE;

		if (k->done[j] || d->what >= DID_SYNC)
			continue;
		if (!all && (data ? d->node != node : d->dir != node))
			continue;
		land(k, d);
		k->done[j] = true;
	}
}

static void
land_torn_write(struct disk *k, const struct did *d)
{
	uint64_t end = d->at + d->n, cut = d->at + (d->n ? roll(k) % (d->n + 1) : 0) / SECTOR * SECTOR;
	unsigned way = roll(k) % 4;

	if (way == 0)
		return;
	for (uint64_t at = d->at; at < end;) {
		uint64_t next = (at / SECTOR + 1) * SECTOR;

		if (next > end)
			next = end;
		if (way == 1 || (way == 2 && next <= cut) || (way == 3 && roll(k) % 2))
			bytes_write(&k->data[d->node], at, d->data + (at - d->at), next - at);
		at = next;
	}
}

static void
land_by_chance(struct disk *k, size_t n)
{
	for (size_t j = 0; j < n; j++) {
		if (k->done[j])
			continue;
		if (pc.log[j].what == DID_WRITE)
			land_torn_write(k, &pc.log[j]);
		else if (roll(k) % 2)
			land(k, &pc.log[j]);
	}
}

static void
put_on_real_disk(struct disk *k, const char *dir)
{
	char path[1024];

	/* Short names first: directories before what is in them.  What lost its directory is lost. */
	for (size_t len = 0; len < 256; len++)
		for (size_t i = 0; i < k->names.n; i++) {
			struct name *e = &k->names.v[i];
			int fd;

			if (strlen(e->path) != len || len == 0)
				continue;
			snprintf(path, sizeof path, "%s/%s", dir, e->path);
			if (e->dir) {
				syscall(SYS_mkdir, path, 0700);
				continue;
			}
			fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CREAT, 0600);
			if (fd < 0)
				continue;
			if (syscall(SYS_pwrite64, fd, k->data[e->node].p, k->data[e->node].n, 0) != (ssize_t)k->data[e->node].n)
				abort();
			syscall(SYS_close, fd);
		}
}

/* Fills the empty directory dir with what a cut before change number n leaves. */
static void
powercut_make(const char *dir, size_t n, enum cut cut, uint64_t seed)
{
	struct disk *k = calloc(1, sizeof *k);

	if (pc.n > sizeof k->done || pc.nodes > NODES)
		abort();
	k->die = seed * 0x2545F4914F6CDD1D + 88172645463325252;
	names_copy(&k->names, &pc.base);
	for (int i = 0; i < pc.nodes; i++)
		if (pc.base_data[i].n)
			bytes_write(&k->data[i], 0, pc.base_data[i].p, pc.base_data[i].n);
	for (size_t i = 0; i < n; i++)
		if (pc.log[i].what == DID_SYNC || pc.log[i].what == DID_SYNC_ALL)
			sync_node(k, i, pc.log[i].node, pc.log[i].what == DID_SYNC_ALL);
	if (cut == CUT_KILLED)
		sync_node(k, n, 0, true);
	if (cut == CUT_TORN)
		land_by_chance(k, n);
	put_on_real_disk(k, dir);
	names_clear(&k->names);
	for (int i = 0; i < NODES; i++)
		free(k->data[i].p);
	free(k);
}

#endif

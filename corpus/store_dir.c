/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A store in a directory:
 *
 *	schedrec-corpus              "schedrec-corpus 1": this is one
 *	lock                         shared by who puts in, exclusive for who takes out or sweeps
 *	incoming/X.part              bytes that arrive; locked (flock) while somebody writes it
 *	incoming/SHA-X               the same while it gets its place and its row; SHA-X is empty where it has none, or goes
 *	sha256/ab/abcdef...          objects
 *	index/0.db ... f.db          their rows (index.h)
 *
 * An object is there for others when it has its row, which comes last. What a crash leaves has a name in incoming/ that
 * nobody has locked; whoever opens the store for writing next looks there only.
 */
#include "corpus/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "corpus/index.h"
#include "corpus/sample.h"

#define MARK "schedrec-corpus"
#define MARK_TEXT "schedrec-corpus 1\n"
#define BLOCK (1u << 20)

struct dir_store {
	struct crp_store store;
	struct crp_index *index;
	int root, incoming, lock;
};

struct crp_intake {
	struct dir_store *d;
	struct sr_sha256 *sha;
	char *path;
	char name[112]; /* in incoming/ */
	char sha256[SR_SHA256_TEXT];
	uint64_t bytes;
	int fd;
	bool sealed;
};

static int no_memory(struct sr_error *err)
{
	return sr_fail(err, SR_ENVIRONMENT, "out of memory");
}

static int fail(const struct dir_store *d, const char *what, struct sr_error *err)
{
	return sr_fail_errno(err, SR_ENVIRONMENT, "%s/%s", d->store.url, what);
}

static void object_path(const char *sha256, char path[80])
{
	snprintf(path, 80, "sha256/%.2s/%.64s", sha256, sha256);
}

static int sync_dir(const struct dir_store *d, const char *name, struct sr_error *err)
{
	int fd = openat(d->root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC), ret = 0;

	/* Not every file system can sync a directory. */
	if (fd < 0 || (fsync(fd) && errno != EINVAL && errno != ENOTSUP && errno != ENOSYS))
		ret = fail(d, name, err);
	if (fd >= 0)
		close(fd);
	return ret;
}

static int flock_retry(int fd, int how)
{
	int ret;

	do
		ret = flock(fd, how);
	while (ret && errno == EINTR);
	return ret;
}

static int lock_store(struct dir_store *d, int how, struct sr_error *err)
{
	return flock_retry(d->lock, how) ? fail(d, "lock", err) : 0;
}

static void unlock_store(struct dir_store *d)
{
	flock(d->lock, LOCK_UN);
}

/* Intake */

/* A new file in incoming/ that a sweep leaves alone as long as it is open. */
static int open_incoming(struct dir_store *d, char *name, size_t size, const char *before, const char *after,
			 struct sr_error *err)
{
	struct stat st;
	int fd;

	for (;;) {
		if (crp_random_name(name, size, before, after, err))
			return -1;
		fd = openat(d->incoming, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd < 0 && errno == EEXIST)
			continue;
		if (fd < 0)
			return fail(d, "incoming", err);
		if (flock_retry(fd, LOCK_EX) || fstat(fd, &st)) {
			fail(d, "incoming", err);
			unlinkat(d->incoming, name, 0);
			close(fd);
			return -1;
		}
		if (st.st_nlink)
			return fd;
		close(fd); /* a sweep was in between */
	}
}

struct crp_intake *crp_intake_begin(struct crp_store *dir, struct sr_error *err)
{
	struct crp_intake *in = calloc(1, sizeof(*in));

	if (!in) {
		no_memory(err);
		return NULL;
	}
	in->d = (struct dir_store *)dir;
	in->fd = -1;
	in->sha = sr_sha256_new();
	if (!in->sha)
		no_memory(err);
	else
		in->fd = open_incoming(in->d, in->name, sizeof(in->name), "", ".part", err);
	if (in->fd >= 0 && asprintf(&in->path, "%s/incoming/%s", dir->url, in->name) < 0) {
		in->path = NULL;
		no_memory(err);
	}
	if (in->path)
		return in;
	crp_intake_abort(in);
	return NULL;
}

const char *crp_intake_path(const struct crp_intake *in)
{
	return in->path;
}

static void intake_free(struct crp_intake *in)
{
	if (in->fd >= 0)
		close(in->fd);
	sr_sha256_free(in->sha);
	free(in->path);
	free(in);
}

void crp_intake_abort(struct crp_intake *in)
{
	if (!in)
		return;
	if (in->fd >= 0)
		unlinkat(in->d->incoming, in->name, 0);
	intake_free(in);
}

int crp_intake_write(struct crp_intake *in, const void *data, size_t len, struct sr_error *err)
{
	if (in->bytes + len > CRP_MAX_OBJECT)
		return sr_fail(err, SR_USAGE, "an object may have at most %llu bytes",
			       (unsigned long long)CRP_MAX_OBJECT);
	if (crp_write_all(in->fd, data, len))
		return fail(in->d, "incoming", err);
	sr_sha256_add(in->sha, data, len);
	in->bytes += len;
	return 0;
}

int crp_intake_seal(struct crp_intake *in, char sha256[SR_SHA256_TEXT], uint64_t *bytes, struct sr_error *err)
{
	if (!in->sealed)
		sr_sha256_end(in->sha, in->sha256);
	in->sealed = true;
	memcpy(sha256, in->sha256, SR_SHA256_TEXT);
	*bytes = in->bytes;
	return 0;
}

/* The hash of what is at a path in the store. 1: it is sha256, 0: it is not, -1. */
static int is_object(struct dir_store *d, const char *path, const char *sha256, struct sr_error *err)
{
	struct sr_sha256 *sha = sr_sha256_new();
	char *buf = malloc(BLOCK), have[SR_SHA256_TEXT];
	int fd = openat(d->root, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t got = -1;

	if (!sha || !buf)
		no_memory(err);
	else if (fd < 0)
		fail(d, path, err);
	while (sha && buf && fd >= 0 && (got = read(fd, buf, BLOCK)) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			fail(d, path, err);
			break;
		}
		sr_sha256_add(sha, buf, (size_t)got);
	}
	if (!got)
		sr_sha256_end(sha, have);
	if (fd >= 0)
		close(fd);
	free(buf);
	sr_sha256_free(sha);
	return got ? -1 : !strcmp(have, sha256);
}

/* Gives the sealed bytes their name; 0 also when something is there. The name in incoming/ stays. */
static int place(struct crp_intake *in, struct sr_error *err)
{
	struct dir_store *d = in->d;
	char path[80], dir[16], intent[sizeof(in->name) + 1];
	int ret, fd;

	object_path(in->sha256, path);
	snprintf(dir, sizeof(dir), "sha256/%.2s", in->sha256);
	if (!mkdirat(d->root, dir, 0777))
		ret = sync_dir(d, "sha256", err);
	else
		ret = errno == EEXIST ? 0 : fail(d, dir, err);
	if (ret)
		return -1;
	if (linkat(d->incoming, in->name, d->root, path, 0)) {
		if (errno == EEXIST) {
			ret = is_object(d, path, in->sha256, err);
			if (ret < 0)
				return -1;
			/* What is there is damaged: the good bytes take its place. */
			if (!ret && renameat(d->incoming, in->name, d->root, path))
				return fail(d, path, err);
		} else if (errno == EPERM || errno == ENOTSUP || errno == ENOSYS || errno == EMLINK) {
			/* No links here: another file says that something is under way. */
			snprintf(intent, sizeof(intent), "%s+", in->name);
			fd = openat(d->incoming, intent, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
			if (fd < 0)
				return fail(d, "incoming", err);
			close(fd);
			if (sync_dir(d, "incoming", err))
				return -1;
			if (renameat2(d->incoming, in->name, d->root, path, RENAME_NOREPLACE) && errno != EEXIST) {
				fail(d, path, err);
				unlinkat(d->incoming, intent, 0);
				return -1;
			}
			unlinkat(d->incoming, in->name, 0);
			memcpy(in->name, intent, strlen(intent) + 1);
		} else {
			return fail(d, path, err);
		}
	}
	return sync_dir(d, dir, err);
}

static int row_of_intake(const struct crp_intake *in, const struct crp_row *row, struct crp_row *out,
			 struct sr_error *err)
{
	if (strcmp(row->sha256, in->sha256) != 0)
		return sr_fail(err, SR_DAMAGED, "the bytes that came have the SHA-256 %s, not %s", in->sha256,
			       row->sha256);
	if (row->bytes != in->bytes)
		return sr_fail(err, SR_DAMAGED, "%llu bytes came, the row says %llu", (unsigned long long)in->bytes,
			       (unsigned long long)row->bytes);
	*out = *row;
	out->added_s = (uint64_t)time(NULL);
	return crp_row_check(out, err);
}

int crp_intake_commit(struct crp_intake *in, const struct crp_row *row, struct sr_error *err)
{
	struct dir_store *d = in->d;
	char intent[112];
	struct crp_row whole;
	uint64_t bytes;
	int ret;

	if (crp_intake_seal(in, intent, &bytes, err) || row_of_intake(in, row, &whole, err))
		goto abort;
	if (fchmod(in->fd, 0444) || fsync(in->fd)) {
		fail(d, "incoming", err);
		goto abort;
	}
	snprintf(intent, sizeof(intent), "%.64s-%.16s", in->sha256, in->name);
	if (renameat(d->incoming, in->name, d->incoming, intent)) {
		fail(d, "incoming", err);
		goto abort;
	}
	memcpy(in->name, intent, sizeof(in->name));
	if (sync_dir(d, "incoming", err) || lock_store(d, LOCK_SH, err))
		goto abort;
	ret = place(in, err);
	if (!ret)
		ret = crp_index_add(d->index, &whole, err);
	/* A row that failed leaves the name in incoming/: another process may count on the object by now, and a sweep
	 * looks whether it has a row. */
	if (ret >= 0)
		unlinkat(d->incoming, in->name, 0);
	unlock_store(d);
	intake_free(in);
	return ret;
abort:
	crp_intake_abort(in);
	return -1;
}

/* Sweeping */

static void drop_object(struct dir_store *d, const char *sha256)
{
	char path[80];

	object_path(sha256, path);
	unlinkat(d->root, path, 0);
}

/* Under the exclusive lock: one name that nobody is writing. */
static int sweep_one(struct dir_store *d, const char *name, struct sr_error *err)
{
	char sha256[SR_SHA256_TEXT] = "";
	struct crp_row row;
	int found;

	if (strlen(name) > 64) {
		memcpy(sha256, name, 64);
		sha256[64] = '\0';
	}
	if (crp_is_sha256(sha256)) {
		found = crp_index_find(d->index, sha256, &row, err);
		if (found < 0)
			return -1;
		if (!found)
			drop_object(d, sha256);
	}
	if (unlinkat(d->incoming, name, 0) && errno != ENOENT)
		return fail(d, "incoming", err);
	return 0;
}

static int sweep(struct dir_store *d, struct sr_error *err)
{
	int fd = openat(d->root, "incoming", O_RDONLY | O_DIRECTORY | O_CLOEXEC), one, ret = 0;
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;

	if (!dir) {
		fail(d, "incoming", err);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	/* Somebody is at work: later. */
	if (flock_retry(d->lock, LOCK_EX | LOCK_NB)) {
		closedir(dir);
		return 0;
	}
	while (!ret && (e = readdir(dir))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		one = openat(d->incoming, e->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (one < 0)
			continue;
		if (!flock_retry(one, LOCK_EX | LOCK_NB))
			ret = sweep_one(d, e->d_name, err);
		close(one);
	}
	unlock_store(d);
	closedir(dir);
	return ret;
}

/* The store's functions */

static int dir_put(struct crp_store *s, int fd, const struct crp_row *row, const struct crp_watch *watch,
		   struct sr_error *err)
{
	struct dir_store *d = (struct dir_store *)s;
	char path[80], *buf;
	struct crp_intake *in;
	struct crp_row have;
	struct stat st;
	ssize_t got;
	int ret = crp_index_find(d->index, row->sha256, &have, err);

	if (ret < 0)
		return -1;
	object_path(row->sha256, path);
	if (ret && !fstatat(d->root, path, &st, AT_SYMLINK_NOFOLLOW) && (uint64_t)st.st_size == have.bytes)
		return 0;
	in = crp_intake_begin(s, err);
	buf = malloc(BLOCK);
	ret = !in ? -1 : !buf ? no_memory(err) : 0;
	while (!ret && (got = pread(fd, buf, BLOCK, (off_t)in->bytes)) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			ret = sr_fail_errno(err, SR_ENVIRONMENT, "cannot read what is to be stored");
		else
			ret = crp_intake_write(in, buf, (size_t)got, err);
		if (!ret && watch && watch->step && watch->step(watch->arg, in->bytes, row->bytes))
			ret = sr_fail(err, SR_INTERRUPTED, "interrupted");
	}
	free(buf);
	if (!ret)
		return crp_intake_commit(in, row, err);
	crp_intake_abort(in);
	return -1;
}

static int copy_object(int from, int to, const char *name, uint64_t total, const struct crp_watch *watch,
		       struct sr_sha256 *sha, struct sr_error *err)
{
	char *buf = malloc(BLOCK);
	uint64_t done = 0;
	ssize_t got;
	int ret = buf ? 0 : no_memory(err);

	while (!ret && (got = read(from, buf, BLOCK)) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			ret = sr_fail_errno(err, SR_ENVIRONMENT, "cannot read object %s", name);
			break;
		}
		sr_sha256_add(sha, buf, (size_t)got);
		if (crp_write_all(to, buf, (size_t)got))
			ret = sr_fail_errno(err, SR_ENVIRONMENT, "cannot write object %s", name);
		done += (uint64_t)got;
		if (!ret && watch && watch->step && watch->step(watch->arg, done, total))
			ret = sr_fail(err, SR_INTERRUPTED, "interrupted");
	}
	free(buf);
	return ret;
}

static int dir_get(struct crp_store *s, const char *sha256, int fd, const struct crp_watch *watch, struct sr_error *err)
{
	struct dir_store *d = (struct dir_store *)s;
	char path[80], have[SR_SHA256_TEXT];
	struct sr_sha256 *sha;
	struct crp_row row;
	struct stat st;
	int from, ret = crp_index_find(d->index, sha256, &row, err);

	if (ret < 0)
		return -1;
	if (!ret)
		return sr_fail(err, SR_ENVIRONMENT, "%s: has no object %s", s->url, sha256);
	object_path(sha256, path);
	from = openat(d->root, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (from < 0 && errno == ENOENT)
		return sr_fail(err, SR_DAMAGED, "%s: object %s has a row, but is not there", s->url, sha256);
	if (from < 0 || fstat(from, &st)) {
		fail(d, path, err);
		if (from >= 0)
			close(from);
		return -1;
	}
	sha = sr_sha256_new();
	ret = sha ? copy_object(from, fd, sha256, (uint64_t)st.st_size, watch, sha, err) : no_memory(err);
	close(from);
	if (!ret) {
		sr_sha256_end(sha, have);
		if (strcmp(have, sha256) != 0)
			ret = sr_fail(err, SR_DAMAGED, "%s: object %s is damaged: its bytes have the SHA-256 %s",
				      s->url, sha256, have);
	}
	sr_sha256_free(sha);
	return ret;
}

static int dir_find(struct crp_store *s, const char *sha256, struct crp_row *row, struct sr_error *err)
{
	return crp_index_find(((struct dir_store *)s)->index, sha256, row, err);
}

static int dir_list(struct crp_store *s, const struct crp_query *q, crp_row_fn fn, void *arg, struct sr_error *err)
{
	return crp_index_pages(((struct dir_store *)s)->index, q, fn, arg, err);
}

static int dir_remove(struct crp_store *s, const char *sha256, const char *token, struct sr_error *err)
{
	struct dir_store *d = (struct dir_store *)s;
	char before[80], name[112], path[80];
	struct crp_row row;
	int fd, ret;

	ret = crp_index_find(d->index, sha256, &row, err);
	if (ret < 0)
		return -1;
	if (!ret)
		return sr_fail(err, SR_ENVIRONMENT, "%s: has no object %s", s->url, sha256);
	if (!crp_token_matches(token, row.token_sha256))
		return sr_fail(err, SR_USAGE, "that is not the deletion token of object %s", sha256);
	snprintf(before, sizeof(before), "%s-", sha256);
	fd = open_incoming(d, name, sizeof(name), before, "", err);
	if (fd < 0)
		return -1;
	object_path(sha256, path);
	ret = sync_dir(d, "incoming", err);
	if (!ret)
		ret = lock_store(d, LOCK_EX, err);
	if (!ret) {
		ret = crp_index_remove(d->index, sha256, err);
		if (ret >= 0)
			ret = unlinkat(d->root, path, 0) && errno != ENOENT ? fail(d, path, err) : 0;
		if (!ret) {
			path[strlen("sha256/ab")] = '\0';
			ret = sync_dir(d, path, err);
		}
		unlock_store(d);
	}
	if (!ret)
		unlinkat(d->incoming, name, 0);
	close(fd);
	return ret;
}

/* One of the 256 directories of objects: each has a row. */
static int check_dir(struct dir_store *d, unsigned k, crp_finding_fn fn, void *arg, struct sr_error *err)
{
	char name[16], text[384];
	struct crp_row row;
	struct dirent *e;
	int fd, ret = 0;
	DIR *dir;

	snprintf(name, sizeof(name), "sha256/%02x", k);
	fd = openat(d->root, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return 0;
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return fail(d, name, err);
	while (!ret && (e = readdir(dir))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (!crp_is_sha256(e->d_name) || strncmp(e->d_name, name + 7, 2) != 0) {
			snprintf(text, sizeof(text), "%s/%s is no object", name, e->d_name);
			ret = fn(arg, "", text, err);
			continue;
		}
		ret = crp_index_find(d->index, e->d_name, &row, err);
		if (!ret)
			ret = fn(arg, e->d_name, "has no row: a crash has left it", err);
		else if (ret > 0)
			ret = 0;
	}
	closedir(dir);
	return ret;
}

static int dir_check(struct crp_store *s, crp_finding_fn fn, void *arg, struct sr_error *err)
{
	struct dir_store *d = (struct dir_store *)s;
	int ret = crp_index_check(d->index, fn, arg, err);

	for (unsigned k = 0; k < 256 && !ret; k++)
		ret = check_dir(d, k, fn, arg, err);
	return ret;
}

static int dir_sample(struct crp_store *s, const struct crp_query *q, unsigned n, crp_pick_fn fn, void *arg,
		      struct sr_error *err)
{
	return crp_sample_index(((struct dir_store *)s)->index, q, n, fn, arg, err);
}

static void dir_close(struct crp_store *s)
{
	struct dir_store *d = (struct dir_store *)s;

	crp_index_close(d->index);
	if (d->root >= 0)
		close(d->root);
	if (d->incoming >= 0)
		close(d->incoming);
	if (d->lock >= 0)
		close(d->lock);
	free(s->url);
	free(d);
}

static const struct crp_store_ops dir_ops = {
	.put = dir_put,
	.get = dir_get,
	.find = dir_find,
	.list = dir_list,
	.remove = dir_remove,
	.check = dir_check,
	.sample = dir_sample,
	.close = dir_close,
};

/* Opening and making one */

bool crp_dir_is_corpus(const char *path)
{
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;
	bool is = dir >= 0 && fstatat(dir, MARK, &st, AT_SYMLINK_NOFOLLOW) == 0;

	if (dir >= 0)
		close(dir);
	return is;
}

/* 1: the directory is a corpus, 0: it is empty, -1. */
static int look_at(struct dir_store *d, struct sr_error *err)
{
	char text[64] = "";
	int fd = openat(d->root, MARK, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct dirent *e;
	ssize_t got;
	int others = 0;
	DIR *dir;

	if (fd >= 0) {
		got = read(fd, text, sizeof(text) - 1);
		close(fd);
		if (got == (ssize_t)strlen(MARK_TEXT) && !strcmp(text, MARK_TEXT))
			return 1;
		return sr_fail(err, SR_DAMAGED, "%s: its file " MARK " is damaged, or of a newer schedrec",
			       d->store.url);
	}
	if (errno != ENOENT)
		return fail(d, MARK, err);
	dir = opendir(d->store.url);
	if (!dir)
		return sr_fail_errno(err, SR_ENVIRONMENT, "%s", d->store.url);
	while ((e = readdir(dir)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 && strcmp(e->d_name, "sha256") != 0 &&
		    strcmp(e->d_name, "incoming") != 0 && strcmp(e->d_name, "index") != 0 &&
		    strcmp(e->d_name, "lock") != 0)
			others = 1;
	closedir(dir);
	return others ? sr_fail(err, SR_ENVIRONMENT, "%s: a directory with other things in it, and no corpus",
				d->store.url) :
			0;
}

/* The mark comes last: what a crash leaves before is made again. */
static int make(struct dir_store *d, struct sr_error *err)
{
	static const char *const dirs[] = { "sha256", "incoming", "index" };
	char name[64];
	int fd;

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		if (mkdirat(d->root, dirs[i], 0777) && errno != EEXIST)
			return fail(d, dirs[i], err);
	fd = openat(d->root, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (fd < 0)
		return fail(d, "lock", err);
	close(fd);
	if (crp_random_name(name, sizeof(name), "incoming/", "", err))
		return -1;
	fd = openat(d->root, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0 || crp_write_all(fd, MARK_TEXT, strlen(MARK_TEXT)) || fsync(fd) ||
	    renameat(d->root, name, d->root, MARK)) {
		fail(d, MARK, err);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	close(fd);
	return sync_dir(d, ".", err);
}

static int open_parts(struct dir_store *d, enum crp_access access, struct sr_error *err)
{
	char *index;
	int is;

	if (access == CRP_CREATE && mkdir(d->store.url, 0777) && errno != EEXIST)
		return sr_fail_errno(err, SR_ENVIRONMENT, "cannot make %s", d->store.url);
	d->root = open(d->store.url, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->root < 0)
		return sr_fail_errno(err, SR_ENVIRONMENT, "%s", d->store.url);
	is = look_at(d, err);
	if (is < 0)
		return -1;
	if (!is && access != CRP_CREATE)
		return sr_fail(err, SR_ENVIRONMENT, "%s: no corpus; make one with schedrec corpus init", d->store.url);
	if (!is && make(d, err))
		return -1;
	if (asprintf(&index, "%s/index", d->store.url) < 0)
		return no_memory(err);
	d->index = crp_index_open(index, access, err);
	free(index);
	if (d->index)
		crp_index_watch(d->index, &d->store.watch);
	if (!d->index || access == CRP_READ)
		return d->index ? 0 : -1;
	d->incoming = openat(d->root, "incoming", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d->lock = openat(d->root, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
	if (d->incoming < 0 || d->lock < 0)
		return fail(d, d->incoming < 0 ? "incoming" : "lock", err);
	return sweep(d, err);
}

struct crp_store *crp_dir_open(const char *path, enum crp_access access, struct sr_error *err)
{
	struct dir_store *d = calloc(1, sizeof(*d));

	if (!d) {
		no_memory(err);
		return NULL;
	}
	*d = (struct dir_store){ .store.ops = &dir_ops, .root = -1, .incoming = -1, .lock = -1 };
	d->store.url = strdup(path);
	if (!d->store.url)
		no_memory(err);
	else if (!open_parts(d, access, err))
		return &d->store;
	dir_close(&d->store);
	return NULL;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The part file: created and locked beside its target, written so that it always ends behind a whole section, and
 * renamed when it is complete.
 */
#include "formats/srz_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LEAST_WINDOW (64ull << 10)
#define MOST_WINDOW (64ull << 20)

static bool no_room(int error)
{
	return error == ENOSPC || error == EDQUOT || error == EFBIG;
}

/* The target must be creatable or a regular file: a rename would replace a device or a link itself. */
static int check_target(struct srz_part *p, struct sr_error *err)
{
	struct stat st;

	if (!*p->base)
		return sr_fail(err, SR_ENVIRONMENT, "%s is a directory, not a file to write", p->path);
	if (fstatat(p->dir_fd, p->base, &st, AT_SYMLINK_NOFOLLOW)) {
		if (errno == ENOENT)
			return 0;
		return sr_fail_errno(err, SR_ENVIRONMENT, "cannot write %s", p->path);
	}
	if (S_ISDIR(st.st_mode))
		return sr_fail(err, SR_ENVIRONMENT, "%s is a directory, not a file to write", p->path);
	if (S_ISLNK(st.st_mode))
		return sr_fail(err, SR_ENVIRONMENT, "%s is a symbolic link: name the file itself", p->path);
	if (!S_ISREG(st.st_mode))
		return sr_fail(err, SR_ENVIRONMENT, "%s is not a regular file: a recording needs one", p->path);
	return 0;
}

/* Is the part file still the one behind fd? */
static bool still_there(const struct srz_part *p, int fd, bool *regular)
{
	struct stat mine, there;

	if (fstat(fd, &mine) || fstatat(p->dir_fd, p->part_base, &there, AT_SYMLINK_NOFOLLOW))
		return false;
	*regular = S_ISREG(mine.st_mode);
	return mine.st_dev == there.st_dev && mine.st_ino == there.st_ino;
}

/*
 * Creates and locks the part file. One that is there is removed when nobody holds its lock (its recorder was
 * killed), and only by who holds it: so two recorders cannot take each other's file away.
 */
static int open_part(struct srz_part *p, struct sr_error *err)
{
	int tries;

	for (tries = 0; tries < 100; tries++) {
		bool regular = false;
		int fd = openat(p->dir_fd, p->part_base, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);

		bool fresh = fd >= 0;
		int ret = 0;

		if (!fresh && errno != EEXIST)
			return sr_fail_errno(err, SR_ENVIRONMENT, "cannot create %s", p->part);
		if (!fresh)
			fd = openat(p->dir_fd, p->part_base, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		if (fd < 0 && errno == ENOENT)
			continue;
		if (fd < 0)
			return sr_fail_errno(err, SR_ENVIRONMENT, "%s is in the way", p->part);
		if (flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK)
			ret = fresh ? 0 :
				      sr_fail(err, SR_ENVIRONMENT, "%s is being written by another process", p->path);
		else if (!still_there(p, fd, &regular))
			ret = 0;
		else if (fresh) {
			p->fd = fd;
			return 0;
		} else if (!regular)
			ret = sr_fail(err, SR_ENVIRONMENT, "%s is in the way: not a regular file", p->part);
		else if (unlinkat(p->dir_fd, p->part_base, 0) && errno != ENOENT)
			ret = sr_fail_errno(err, SR_ENVIRONMENT, "cannot replace %s", p->part);
		close(fd);
		if (ret)
			return -1;
	}
	return sr_fail(err, SR_ENVIRONMENT, "%s is being written by another process", p->path);
}

static int open_dir(struct srz_part *p, struct sr_error *err)
{
	char *dir = strdup(p->path), *slash;

	if (!dir)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	slash = strrchr(dir, '/');
	if (slash)
		slash[slash == dir] = 0;
	p->dir_fd = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (p->dir_fd < 0 && errno == EACCES) /* may be entered and written, not listed */
		p->dir_fd = open(slash ? dir : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (p->dir_fd < 0)
		sr_fail_errno(err, SR_ENVIRONMENT, "cannot write %s: directory %s", p->path, slash ? dir : ".");
	free(dir);
	return p->dir_fd < 0 ? -1 : 0;
}

/* The next window, where the last one ends, so that the file system puts it next to it: small for a small file, a
 * quarter of the file while it grows. */
static uint64_t window_end(const struct srz_part *p, uint64_t need)
{
	uint64_t begin = p->reserved > p->offset ? p->reserved : p->offset, len = begin / 4;

	if (len < LEAST_WINDOW)
		len = LEAST_WINDOW;
	if (len > MOST_WINDOW)
		len = MOST_WINDOW;
	if (begin + len < need)
		len = need - begin;
	return (begin + len + LEAST_WINDOW - 1) & ~(LEAST_WINDOW - 1);
}

static bool reserve_up_to(struct srz_part *p, uint64_t end)
{
	uint64_t begin = p->reserved > p->offset ? p->reserved : p->offset;

	while (fallocate(p->fd, FALLOC_FL_KEEP_SIZE, (off_t)begin, (off_t)(end - begin)))
		if (errno != EINTR)
			return false;
	p->reserved = end;
	return true;
}

/* The file ends behind its last whole section, and what is reserved behind goes back. */
static int cut(struct srz_part *p)
{
	p->reserved = 0;
	return ftruncate(p->fd, (off_t)p->offset);
}

/* Undoes a write that failed; the room that was kept for the index is kept again. */
static int undo(struct srz_part *p)
{
	uint64_t kept = p->reserved;
	int rc = cut(p);

	if (kept > p->offset)
		reserve_up_to(p, kept);
	return rc;
}

int srz_part_write(struct srz_part *p, struct iovec *iov, int n, struct sr_error *err)
{
	uint64_t at = p->offset;

	while (n) {
		ssize_t done = pwritev(p->fd, iov, n, (off_t)at);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0) {
			if (!done)
				errno = ENOSPC;
			p->failed = true;
			p->error = errno;
			sr_fail_errno(err, SR_ENVIRONMENT, "cannot write %s", p->part);
			/* should this fail too, the reader stops at the partial section all the same */
			if (undo(p))
				sr_fail_prefix(err, "cannot shorten it");
			return -1;
		}
		at += (uint64_t)done;
		for (; n && (size_t)done >= iov->iov_len; iov++, n--)
			done -= (ssize_t)iov->iov_len;
		if (n) {
			iov->iov_base = (char *)iov->iov_base + done;
			iov->iov_len -= (size_t)done;
		}
	}
	p->offset = at;
	return 0;
}

int srz_part_reserve(struct srz_part *p, size_t len, struct sr_error *err)
{
	uint64_t need = p->offset + len;

	if (p->unreserved || need <= p->reserved || reserve_up_to(p, window_end(p, need)))
		return 0;
	/* a disk that has no room for the window may have it for what is needed */
	if (no_room(errno) && reserve_up_to(p, need))
		return 0;
	p->unreserved = !no_room(errno); /* a file system without reservation: it writes all the same */
	if (p->unreserved)
		return 0;
	p->failed = true;
	p->error = errno;
	return sr_fail_errno(err, SR_ENVIRONMENT, "cannot write %s", p->part);
}

static const char *last_component(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

int srz_part_open(struct srz_part *p, const char *path, struct sr_error *err)
{
	*p = (struct srz_part){ .fd = -1, .dir_fd = -1, .path = strdup(path) };
	if (!p->path || asprintf(&p->part, "%s.part", path) < 0) {
		p->part = NULL;
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	}
	p->base = last_component(p->path);
	p->part_base = last_component(p->part);
	if (open_dir(p, err) || check_target(p, err) || open_part(p, err))
		return -1;
	/* From the first byte on, or its block would lie elsewhere. A full disk is told when there is something to write. */
	reserve_up_to(p, LEAST_WINDOW);
	return 0;
}

int srz_part_finish(struct srz_part *p, struct sr_error *err)
{
	if (cut(p) || fsync(p->fd))
		return sr_fail_errno(err, SR_ENVIRONMENT, "cannot write %s", p->part);
	if (check_target(p, err))
		return -1;
	if (renameat(p->dir_fd, p->part_base, p->dir_fd, p->base))
		return sr_fail_errno(err, SR_ENVIRONMENT, "cannot rename %s to %s", p->part, p->path);
	/* EBADF: a directory that could not be opened for reading; EINVAL: a file system without it */
	if (fsync(p->dir_fd) && errno != EBADF && errno != EINVAL)
		return sr_fail_errno(err, SR_ENVIRONMENT, "cannot write the directory of %s", p->path);
	return 0;
}

void srz_part_remove(struct srz_part *p)
{
	unlinkat(p->dir_fd, p->part_base, 0);
}

void srz_part_release(struct srz_part *p)
{
	if (p->fd >= 0)
		close(p->fd);
	if (p->dir_fd >= 0)
		close(p->dir_fd);
	free(p->path);
	free(p->part);
	*p = (struct srz_part){ .fd = -1, .dir_fd = -1 };
}

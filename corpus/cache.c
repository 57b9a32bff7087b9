/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "corpus/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A directory and those above it. */
static int make_dirs(const char *dir, struct sr_error *err)
{
	char *copy = strdup(dir);
	int ret = 0;

	if (!copy)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	for (char *p = copy + 1; *p && !ret; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(copy, 0700) && errno != EEXIST)
			ret = sr_fail_errno(err, SR_ENVIRONMENT, "cannot make %s", copy);
		*p = '/';
	}
	if (!ret && mkdir(copy, 0700) && errno != EEXIST)
		ret = sr_fail_errno(err, SR_ENVIRONMENT, "cannot make %s", copy);
	free(copy);
	return ret;
}

static int fetch(struct crp_store *s, const char *dir, const char *sha256, const struct crp_watch *watch,
		 const char *path, struct sr_error *err)
{
	char *part;
	int fd, ret;

	if (asprintf(&part, "%s/incoming-XXXXXX", dir) < 0)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	fd = mkostemp(part, O_CLOEXEC);
	if (fd < 0) {
		ret = sr_fail_errno(err, SR_ENVIRONMENT, "%s", part);
		free(part);
		return ret;
	}
	ret = crp_get(s, sha256, fd, watch, err);
	if (!ret && fsync(fd))
		ret = sr_fail_errno(err, SR_ENVIRONMENT, "%s", part);
	close(fd);
	if (!ret && rename(part, path))
		ret = sr_fail_errno(err, SR_ENVIRONMENT, "%s", path);
	if (ret)
		unlink(part);
	free(part);
	return ret;
}

int crp_cache_get(struct crp_store *s, const char *dir, const char *sha256, const struct crp_watch *watch, char **path,
		  struct sr_error *err)
{
	char have[SR_SHA256_TEXT];

	*path = NULL;
	if (!crp_is_sha256(sha256))
		return sr_fail(err, SR_USAGE, "'%.80s' is no object's name, which has 64 hexadecimal digits", sha256);
	if (make_dirs(dir, err))
		return -1;
	if (asprintf(path, "%s/%s.srz", dir, sha256) < 0) {
		*path = NULL;
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	}
	if (!access(*path, R_OK) && !sr_sha256_file(*path, have, err) && !strcmp(have, sha256))
		return 0;
	if (!fetch(s, dir, sha256, watch, *path, err))
		return 1;
	free(*path);
	*path = NULL;
	return -1;
}

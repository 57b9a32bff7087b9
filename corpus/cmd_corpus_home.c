/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The user's own files: the contributor's salt, consent, deletion tokens, where the cache is. */
#include "corpus/cmd_corpus.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

static char *user_path(const char *variable, const char *below_home, const char *name, struct sr_error *err)
{
	const char *dir = getenv(variable), *home = getenv("HOME");
	char *path = NULL;
	int n = -1;

	if (dir && *dir == '/')
		n = asprintf(&path, "%s/schedrec/%s", dir, name);
	else if (home && *home)
		n = asprintf(&path, "%s/%s/schedrec/%s", home, below_home, name);
	else
		sr_fail(err, SR_ENVIRONMENT, "neither %s nor HOME is set: there is no place for the user's files",
			variable);
	if (n < 0 && ((dir && *dir == '/') || (home && *home)))
		sr_fail(err, SR_ENVIRONMENT, "out of memory");
	return n < 0 ? NULL : path;
}

char *corpus_config_path(const char *name, struct sr_error *err)
{
	return user_path("XDG_CONFIG_HOME", ".config", name, err);
}

char *corpus_cache_path(const char *name, struct sr_error *err)
{
	return user_path("XDG_CACHE_HOME", ".cache", name, err);
}

int corpus_make_dir(const char *path, struct sr_error *err)
{
	char *copy = strdup(path);
	int ret = 0;

	if (!copy)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	for (char *p = copy + 1;; p++) {
		char c = *p;

		if (c && c != '/')
			continue;
		*p = '\0';
		if (mkdir(copy, 0700) && errno != EEXIST) {
			ret = sr_fail_errno(err, SR_ENVIRONMENT, "cannot make %s", copy);
			break;
		}
		*p = c;
		if (!c)
			break;
	}
	free(copy);
	return ret;
}

/* Reads a small file: its length, -1 with *err; 0 also when it is not there. */
static ssize_t read_small(const char *path, char *buf, size_t size, struct sr_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return sr_fail_errno(err, SR_ENVIRONMENT, "%s", path);
	got = read(fd, buf, size - 1);
	if (got < 0)
		sr_fail_errno(err, SR_ENVIRONMENT, "%s", path);
	else
		buf[got] = '\0';
	close(fd);
	return got;
}

/* A new file for the user only, whole or not at all; replaces one of that name unless keep. */
static int write_small(const char *path, const char *text, bool keep, struct sr_error *err)
{
	char *part = NULL, *slash, *dir = strdup(path);
	size_t len = strlen(text);
	int fd = -1, ret = -1;

	if (!dir || asprintf(&part, "%s.XXXXXX", path) < 0) {
		part = NULL;
		sr_fail(err, SR_ENVIRONMENT, "out of memory");
		goto out;
	}
	slash = strrchr(dir, '/');
	*slash = '\0';
	if (corpus_make_dir(dir, err))
		goto out;
	fd = mkostemp(part, O_CLOEXEC); /* 0600 */
	if (fd < 0 || write(fd, text, len) != (ssize_t)len || fsync(fd)) {
		sr_fail_errno(err, SR_ENVIRONMENT, "cannot write %s", path);
		goto out;
	}
	ret = keep ? link(part, path) && errno != EEXIST : rename(part, path);
	if (ret)
		ret = sr_fail_errno(err, SR_ENVIRONMENT, "cannot write %s", path);
out:
	if (fd >= 0) {
		close(fd);
		unlink(part);
	}
	free(part);
	free(dir);
	return ret;
}

#define SALT_HEAD "schedrec salt 1 "

int corpus_salt(unsigned char salt[CRP_SALT], struct sr_error *err)
{
	char text[128] = "", *path = corpus_config_path("salt", err), *at;
	unsigned char made[CRP_SALT];
	ssize_t got;
	int ret = -1;

	if (!path)
		return -1;
	got = read_small(path, text, sizeof(text), err);
	if (!got) {
		if (getrandom(made, sizeof(made), 0) != sizeof(made)) {
			sr_fail_errno(err, SR_ENVIRONMENT, "no random numbers");
			goto out;
		}
		at = text + sprintf(text, SALT_HEAD);
		for (int i = 0; i < CRP_SALT; i++)
			at += sprintf(at, "%02x", made[i]);
		memcpy(at, "\n", 2);
		/* Another process may have made one at the same time: that is then the salt. */
		if (write_small(path, text, true, err))
			goto out;
		got = read_small(path, text, sizeof(text), err);
	}
	if (got < 0)
		goto out;
	if (got != (ssize_t)(strlen(SALT_HEAD) + 2 * CRP_SALT + 1) ||
	    strncmp(text, SALT_HEAD, strlen(SALT_HEAD)) != 0 ||
	    strspn(text + strlen(SALT_HEAD), "0123456789abcdef") != 2 * CRP_SALT) {
		sr_fail(err, SR_DAMAGED,
			"%s: no salt; move it away for a new one, with which all pseudonyms become others", path);
		goto out;
	}
	for (int i = 0; i < CRP_SALT; i++) {
		unsigned v;

		sscanf(text + strlen(SALT_HEAD) + 2 * i, "%2x", &v);
		salt[i] = (unsigned char)v;
	}
	ret = 0;
out:
	free(path);
	return ret;
}

int corpus_consent_get(char *licence, size_t size, struct sr_error *err)
{
	char text[256] = "", name[64], *path = corpus_config_path("consent", err);
	unsigned version;
	ssize_t got;
	int ret = 0;

	if (!path)
		return -1;
	got = read_small(path, text, sizeof(text), err);
	free(path);
	if (got < 0)
		return -1;
	/* Another text asks anew. */
	if (sscanf(text, "consent %u licence %63s", &version, name) == 2 && version == CORPUS_CONSENT &&
	    strlen(name) < size) {
		snprintf(licence, size, "%s", name);
		ret = 1;
	}
	return ret;
}

int corpus_consent_set(const char *licence, struct sr_error *err)
{
	char text[128], *path = corpus_config_path("consent", err);
	int ret;

	if (!path)
		return -1;
	snprintf(text, sizeof(text), "consent %d licence %s\n", CORPUS_CONSENT, licence);
	ret = write_small(path, text, false, err);
	free(path);
	return ret;
}

int corpus_token_keep(const char *url, const char *sha256, const char *token, struct sr_error *err)
{
	char *path = corpus_config_path("tokens", err), *line = NULL, *dir;
	int fd, len, ret = -1;

	if (!path)
		return -1;
	dir = strdup(path);
	len = asprintf(&line, "%s %s %s\n", sha256, token, url);
	if (!dir || len < 0) {
		sr_fail(err, SR_ENVIRONMENT, "out of memory");
		line = len < 0 ? NULL : line;
	} else {
		*strrchr(dir, '/') = '\0';
		ret = corpus_make_dir(dir, err);
	}
	if (!ret) {
		fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
		if (fd < 0 || write(fd, line, (size_t)len) != len)
			ret = sr_fail_errno(err, SR_ENVIRONMENT, "cannot write %s", path);
		if (fd >= 0)
			close(fd);
	}
	free(path);
	free(dir);
	free(line);
	return ret;
}

static bool same_url(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b);

	while (n && a[n - 1] == '/')
		n--;
	while (m && b[m - 1] == '/')
		m--;
	return n == m && !memcmp(a, b, n);
}

/* Of which object, in which corpus? A row that tells its token's hash tells it best: a directory has many names. The last
 * one kept counts: an object that was removed and pushed again has a new token. */
int corpus_token_get(const char *url, const struct crp_row *row, char token[CRP_TOKEN_TEXT], struct sr_error *err)
{
	char *path = corpus_config_path("tokens", err), *line = NULL;
	size_t cap = 0;
	int found = 0;
	FILE *f;

	if (!path)
		return -1;
	f = fopen(path, "re");
	if (!f && errno != ENOENT)
		found = sr_fail_errno(err, SR_ENVIRONMENT, "%s", path);
	while (f && getline(&line, &cap, f) > 0) {
		char name[SR_SHA256_TEXT], word[CRP_TOKEN_TEXT];
		int at = 0;

		line[strcspn(line, "\n")] = '\0';
		if (sscanf(line, "%64s %43s %n", name, word, &at) != 2 || !at || strcmp(name, row->sha256) != 0)
			continue;
		if (*row->token_sha256 ? !crp_token_matches(word, row->token_sha256) : !same_url(line + at, url))
			continue;
		memcpy(token, word, sizeof(word));
		found = 1;
	}
	if (f)
		fclose(f);
	free(line);
	free(path);
	return found;
}

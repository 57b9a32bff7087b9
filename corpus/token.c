/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "corpus/token.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "corpus/row.h"
#include "formats/outfile.h"

#define FILE_NAME "tokens"
#define LOCK_NAME "tokens.lock"
#define HEAD "schedrec-tokens 1\n"
#define MAX_FILE (16u << 20)
#define MAX_TOKENS 65536
#define PREFIX "srt_"
#define SECRET 43 /* characters */

static const char base64url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char hex[] = "0123456789abcdef";

bool crp_upload_token_is_one(const char *text)
{
	if (strncmp(text, PREFIX, 4) != 0 || strnlen(text, CRP_UPLOAD_TOKEN) != CRP_UPLOAD_TOKEN - 1)
		return false;
	return strspn(text + 4, hex) >= 16 && text[20] == '_' && strspn(text + 21, base64url) == SECRET;
}

static bool is_id(const char *s)
{
	return strspn(s, hex) == CRP_UPLOAD_ID - 1 && !s[CRP_UPLOAD_ID - 1];
}

static bool is_name(const char *s)
{
	size_t n = strlen(s);

	if (!n || n >= sizeof(((struct crp_upload_token *)0)->name) || s[0] == ' ' || s[n - 1] == ' ')
		return false;
	for (; *s; s++)
		if (*s < ' ' || *s > '~')
			return false;
	return true;
}

/* Reading: "ID SHA256 CONTRIBUTOR BYTES OBJECTS MADE REVOKED NAME\n" */

static char *word(char **line)
{
	char *start = *line, *end = strchr(start, ' ');

	if (!end)
		return NULL;
	*end = '\0';
	*line = end + 1;
	return start;
}

static bool number(char **line, uint64_t *v)
{
	char *text = word(line), *end;

	if (!text || *text < '0' || *text > '9')
		return false;
	errno = 0;
	*v = strtoull(text, &end, 10);
	return !*end && !errno;
}

static bool copy(char *out, size_t size, const char *text)
{
	if (!text || strlen(text) >= size)
		return false;
	memcpy(out, text, strlen(text) + 1);
	return true;
}

static bool parse_line(struct crp_upload_token *t, char *line)
{
	if (!copy(t->id, sizeof(t->id), word(&line)) || !copy(t->sha256, sizeof(t->sha256), word(&line)) ||
	    !copy(t->contributor, sizeof(t->contributor), word(&line)))
		return false;
	if (!number(&line, &t->max_bytes) || !number(&line, &t->max_objects) || !number(&line, &t->made_s) ||
	    !number(&line, &t->revoked_s) || !is_name(line) || !copy(t->name, sizeof(t->name), line))
		return false;
	return is_id(t->id) && crp_is_sha256(t->sha256) && *t->contributor &&
	       strspn(t->contributor, hex) == strlen(t->contributor);
}

static int parse(struct crp_tokens *t, char *text, const char *path, struct sr_error *err)
{
	unsigned number_of_line = 1;

	if (strncmp(text, HEAD, strlen(HEAD)) != 0)
		return sr_fail(err, SR_DAMAGED, "%s: not a file of tokens of this version", path);
	for (char *p = text + strlen(HEAD); *p;) {
		struct crp_upload_token *v;
		char *end = strchr(p, '\n');

		number_of_line++;
		if (t->n == MAX_TOKENS)
			return sr_fail(err, SR_DAMAGED, "%s: more than %d tokens", path, MAX_TOKENS);
		v = realloc(t->v, (t->n + 1) * sizeof(*v));
		if (!v)
			return sr_fail(err, SR_ENVIRONMENT, "out of memory");
		t->v = v;
		memset(&v[t->n], 0, sizeof(*v));
		if (end)
			*end = '\0';
		if (!end || !parse_line(&v[t->n], p))
			return sr_fail(err, SR_DAMAGED, "%s: line %u is no token; put back a copy of the file", path,
				       number_of_line);
		t->n++;
		p = end + 1;
	}
	return 0;
}

/* The whole file, with a NUL; NULL. */
static char *read_whole(int fd, size_t size)
{
	char *text = calloc(1, size + 1);
	size_t n = 0;

	while (text && n < size) {
		ssize_t got = read(fd, text + n, size - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			free(text);
			return NULL;
		}
		n += (size_t)got;
	}
	if (text)
		text[n] = '\0';
	return text && strlen(text) == n ? text : (free(text), NULL);
}

static void remember(struct crp_tokens *t, const struct stat *st)
{
	t->ino = (uint64_t)st->st_ino;
	t->size = (uint64_t)st->st_size;
	t->mtime_s = (uint64_t)st->st_mtim.tv_sec;
	t->mtime_ns = (uint64_t)st->st_mtim.tv_nsec;
}

static int read_tokens(struct crp_tokens *t, int fd, const char *path, struct sr_error *err)
{
	struct stat st;
	char *text;
	int ret;

	if (fstat(fd, &st))
		return sr_fail_errno(err, SR_ENVIRONMENT, "%s", path);
	if (!S_ISREG(st.st_mode) || st.st_mode & (S_IWGRP | S_IWOTH))
		return sr_fail(err, SR_ENVIRONMENT, "%s: others may write it: chmod 600 it and look at its tokens",
			       path);
	if (st.st_size > MAX_FILE)
		return sr_fail(err, SR_DAMAGED, "%s: too large", path);
	text = read_whole(fd, (size_t)st.st_size);
	if (!text)
		return sr_fail(err, SR_DAMAGED, "%s: cannot be read, or is not text", path);
	remember(t, &st);
	ret = parse(t, text, path, err);
	free(text);
	return ret;
}

int crp_tokens_load(struct crp_tokens *t, const char *dir, struct sr_error *err)
{
	char path[PATH_MAX];
	int fd, ret;

	memset(t, 0, sizeof(*t));
	snprintf(path, sizeof(path), "%s/" FILE_NAME, dir);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return errno == ENOENT ? 0 : sr_fail_errno(err, SR_ENVIRONMENT, "%s", path);
	ret = read_tokens(t, fd, path, err);
	close(fd);
	if (ret)
		crp_tokens_release(t);
	return ret;
}

int crp_tokens_reload(struct crp_tokens *t, const char *dir, struct sr_error *err)
{
	struct crp_tokens fresh;
	char path[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "%s/" FILE_NAME, dir);
	if (stat(path, &st)) {
		if (errno != ENOENT)
			return sr_fail_errno(err, SR_ENVIRONMENT, "%s", path);
		if (!t->n && !t->ino)
			return 0;
	} else if (t->ino == (uint64_t)st.st_ino && t->size == (uint64_t)st.st_size &&
		   t->mtime_s == (uint64_t)st.st_mtim.tv_sec && t->mtime_ns == (uint64_t)st.st_mtim.tv_nsec) {
		return 0;
	}
	if (crp_tokens_load(&fresh, dir, err))
		return -1;
	crp_tokens_release(t);
	*t = fresh;
	return 1;
}

void crp_tokens_release(struct crp_tokens *t)
{
	free(t->v);
	memset(t, 0, sizeof(*t));
}

static int hash_text(const char *text, char sha256[SR_SHA256_TEXT])
{
	struct sr_sha256 *d = sr_sha256_new();

	if (!d)
		return -1;
	sr_sha256_add(d, text, strlen(text));
	sr_sha256_end(d, sha256);
	sr_sha256_free(d);
	return 0;
}

const struct crp_upload_token *crp_tokens_match(const struct crp_tokens *t, const char *text)
{
	const struct crp_upload_token *found = NULL;
	char sum[SR_SHA256_TEXT];

	if (!crp_upload_token_is_one(text) || hash_text(text, sum))
		return NULL;
	/* The id is no secret; the sums are compared as a whole. */
	for (size_t i = 0; i < t->n; i++) {
		unsigned char diff = 0;

		if (memcmp(t->v[i].id, text + 4, CRP_UPLOAD_ID - 1) != 0)
			continue;
		for (size_t k = 0; k < SR_SHA256_TEXT - 1; k++)
			diff |= (unsigned char)(t->v[i].sha256[k] ^ sum[k]);
		if (!diff && !t->v[i].revoked_s)
			found = &t->v[i];
	}
	return found;
}

/* Writing */

static int random_hex(char *out, size_t digits)
{
	unsigned char raw[16];

	if (getrandom(raw, digits / 2, 0) != (ssize_t)(digits / 2))
		return -1;
	for (size_t i = 0; i < digits / 2; i++)
		snprintf(out + 2 * i, 3, "%02x", raw[i]);
	return 0;
}

static int make_text(const char *id, char text[CRP_UPLOAD_TOKEN])
{
	unsigned char raw[SECRET];
	size_t n;

	if (getrandom(raw, sizeof(raw), 0) != (ssize_t)sizeof(raw))
		return -1;
	n = (size_t)snprintf(text, CRP_UPLOAD_TOKEN, PREFIX "%s_", id);
	for (size_t i = 0; i < SECRET; i++)
		text[n + i] = base64url[raw[i] & 63]; /* 64 characters: each as likely */
	text[n + SECRET] = '\0';
	return 0;
}

/* What root writes belongs to whom the corpus belongs: the server may run as another user. */
static int give_to_owner(const char *dir, int fd)
{
	struct stat st;

	if (geteuid())
		return 0;
	return stat(dir, &st) || fchown(fd, st.st_uid, st.st_gid) ? -1 : 0;
}

static int lock(const char *dir, struct sr_error *err)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/" LOCK_NAME, dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || give_to_owner(dir, fd)) {
		sr_fail_errno(err, SR_ENVIRONMENT, "%s", path);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	while (flock(fd, LOCK_EX)) {
		if (errno == EINTR)
			continue;
		sr_fail_errno(err, SR_ENVIRONMENT, "cannot lock %s", path);
		close(fd);
		return -1;
	}
	return fd;
}

static int write_lines(const struct crp_tokens *t, int fd)
{
	FILE *f = fdopen(fd, "w");
	int bad = 0;

	if (!f) {
		close(fd);
		return -1;
	}
	fputs(HEAD, f);
	for (size_t i = 0; i < t->n; i++) {
		const struct crp_upload_token *k = &t->v[i];

		fprintf(f, "%s %s %s %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %s\n", k->id, k->sha256,
			k->contributor, k->max_bytes, k->max_objects, k->made_s, k->revoked_s, k->name);
	}
	bad = fflush(f) || ferror(f) || fsync(fileno(f));
	return fclose(f) || bad ? -1 : 0;
}

static int save(const struct crp_tokens *t, const char *dir, struct sr_error *err)
{
	char path[PATH_MAX], part[PATH_MAX + 8];
	int fd;

	snprintf(path, sizeof(path), "%s/" FILE_NAME, dir);
	snprintf(part, sizeof(part), "%s.part", path);
	if (unlink(part) && errno != ENOENT)
		return sr_fail_errno(err, SR_ENVIRONMENT, "cannot remove %s", part);
	fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return sr_fail_errno(err, SR_ENVIRONMENT, "cannot create %s", part);
	if (give_to_owner(dir, fd))
		close(fd);
	else if (!write_lines(t, fd) && !rename(part, path) && !sr_sync_dir(dir))
		return 0;
	sr_fail_errno(err, SR_ENVIRONMENT, "cannot write %s", path);
	unlink(part);
	return -1;
}

static int append(struct crp_tokens *t, const struct crp_upload_token *token, struct sr_error *err)
{
	struct crp_upload_token *v = realloc(t->v, (t->n + 1) * sizeof(*v));

	if (!v)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	t->v = v;
	v[t->n++] = *token;
	return 0;
}

int crp_token_add(const char *dir, struct crp_upload_token *token, char text[CRP_UPLOAD_TOKEN], struct sr_error *err)
{
	struct crp_tokens t;
	int fd, ret = -1;

	if (!is_name(token->name))
		return sr_fail(err, SR_USAGE, "a token's name is 1 to %zu characters of printable ASCII",
			       sizeof(token->name) - 1);
	if (strspn(token->contributor, hex) != strlen(token->contributor))
		return sr_fail(err, SR_USAGE, "a contributor is hexadecimal digits, as `corpus token list` shows them");
	fd = lock(dir, err);
	if (fd < 0)
		return -1;
	if (crp_tokens_load(&t, dir, err))
		goto out;
	if (t.n == MAX_TOKENS) {
		sr_fail(err, SR_ENVIRONMENT, "%s has %d tokens already", dir, MAX_TOKENS);
		goto out_release;
	}
	if (random_hex(token->id, 16) || make_text(token->id, text) || hash_text(text, token->sha256) ||
	    (!*token->contributor && random_hex(token->contributor, 32))) {
		sr_fail(err, SR_ENVIRONMENT, "no random bytes, or no memory");
		goto out_release;
	}
	token->made_s = (uint64_t)time(NULL);
	token->revoked_s = 0;
	ret = append(&t, token, err) || save(&t, dir, err) ? -1 : 0;
out_release:
	crp_tokens_release(&t);
out:
	close(fd);
	return ret;
}

int crp_token_revoke(const char *dir, const char *id, struct sr_error *err)
{
	struct crp_tokens t;
	int fd, ret = -1;
	size_t i = 0;

	if (!is_id(id))
		return sr_fail(err, SR_USAGE,
			       "'%.40s' is no id of a token: 16 hexadecimal digits, see corpus token list", id);
	fd = lock(dir, err);
	if (fd < 0)
		return -1;
	if (crp_tokens_load(&t, dir, err))
		goto out;
	while (i < t.n && strcmp(t.v[i].id, id) != 0)
		i++;
	if (i == t.n)
		sr_fail(err, SR_USAGE, "no token %s in %s", id, dir);
	else if (t.v[i].revoked_s)
		ret = 0;
	else {
		t.v[i].revoked_s = (uint64_t)time(NULL);
		ret = save(&t, dir, err);
	}
	crp_tokens_release(&t);
out:
	close(fd);
	return ret;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "corpus/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "formats/srz.h"

static const struct {
	const char *scheme;
	struct crp_store *(*open)(const char *url, enum crp_access access, struct sr_error *err);
} kinds[] = {
	{ "s3://", crp_s3_open },
	{ NULL, crp_dir_open },
	{ "http://", crp_http_open },
	{ "https://", crp_http_open },
};

struct crp_store *crp_open(const char *url, enum crp_access access, struct sr_error *err)
{
	const char *rest = strstr(url, "://");

	if (!*url) {
		sr_fail(err, SR_USAGE, "the corpus has no URL");
		return NULL;
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].scheme ? !strncmp(url, kinds[i].scheme, strlen(kinds[i].scheme)) : !rest)
			return kinds[i].open(url, access, err);
	sr_fail(err, SR_USAGE, "%s: no kind of corpus that this schedrec knows: give a directory, http(s):// or s3://",
		url);
	return NULL;
}

void crp_close(struct crp_store *s)
{
	if (s)
		s->ops->close(s);
}

static int check_name(const char *sha256, struct sr_error *err)
{
	return crp_is_sha256(sha256) ?
		       0 :
		       sr_fail(err, SR_USAGE, "'%.80s' is no object's name, which has 64 hexadecimal digits", sha256);
}

int crp_put(struct crp_store *s, int fd, const struct crp_row *row, const struct crp_watch *watch, struct sr_error *err)
{
	return crp_row_check(row, err) ? -1 : s->ops->put(s, fd, row, watch, err);
}

int crp_get(struct crp_store *s, const char *sha256, int fd, const struct crp_watch *watch, struct sr_error *err)
{
	return check_name(sha256, err) ? -1 : s->ops->get(s, sha256, fd, watch, err);
}

int crp_find(struct crp_store *s, const char *sha256, struct crp_row *row, struct sr_error *err)
{
	return check_name(sha256, err) ? -1 : s->ops->find(s, sha256, row, err);
}

int crp_list(struct crp_store *s, const struct crp_query *q, crp_row_fn fn, void *arg, struct sr_error *err)
{
	static const struct crp_query all;

	return s->ops->list(s, q ? q : &all, fn, arg, err);
}

int crp_remove(struct crp_store *s, const char *sha256, const char *token, struct sr_error *err)
{
	return check_name(sha256, err) ? -1 : s->ops->remove(s, sha256, token, err);
}

/* Tokens */

static int hash_token(const char *token, char sha256[SR_SHA256_TEXT])
{
	struct sr_sha256 *d = sr_sha256_new();

	if (!d)
		return -1;
	sr_sha256_add(d, token, strlen(token));
	sr_sha256_end(d, sha256);
	sr_sha256_free(d);
	return 0;
}

int crp_random_name(char *name, size_t size, const char *before, const char *after, struct sr_error *err)
{
	uint64_t n;

	if (getrandom(&n, sizeof(n), 0) != sizeof(n))
		return sr_fail_errno(err, SR_ENVIRONMENT, "no random numbers");
	snprintf(name, size, "%s%016llx%s", before, (unsigned long long)n, after);
	return 0;
}

int crp_write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t put = write(fd, p, len);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -1;
		p += put;
		len -= (size_t)put;
	}
	return 0;
}

int crp_token_new(char token[CRP_TOKEN_TEXT], char sha256[SR_SHA256_TEXT], struct sr_error *err)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	unsigned char b[33] = { 0 };

	if (getrandom(b, 32, 0) != 32)
		return sr_fail_errno(err, SR_ENVIRONMENT, "no random numbers");
	for (int i = 0; i < CRP_TOKEN_TEXT - 1; i++) {
		unsigned bit = 6 * (unsigned)i, two = (unsigned)b[bit / 8] << 8 | b[bit / 8 + 1];

		token[i] = digits[two >> (10 - bit % 8) & 63];
	}
	token[CRP_TOKEN_TEXT - 1] = '\0';
	return hash_token(token, sha256) ? sr_fail(err, SR_ENVIRONMENT, "out of memory") : 0;
}

bool crp_token_matches(const char *token, const char *sha256)
{
	char have[SR_SHA256_TEXT];
	unsigned differ = 0;

	if (!crp_is_sha256(sha256) || hash_token(token, have))
		return false;
	for (int i = 0; i < 64; i++)
		differ |= (unsigned)(have[i] ^ sha256[i]);
	return !differ;
}

/* Verifying */

int crp_check_reader(struct srz_reader *r, const struct crp_row *row, struct sr_error *err)
{
	const struct srz_info *info = srz_get_info(r);
	struct sr_event ev;
	int ret;

	while ((ret = srz_next(r, &ev, err)) == 1)
		;
	if (!ret && !info->complete)
		ret = sr_fail(err, SR_DAMAGED, "the trace is incomplete");
	if (!ret && row && (row->events != info->events || row->bytes != info->bytes || row->lost != info->lost))
		ret = sr_fail(err, SR_DAMAGED,
			      "the trace has %llu events (%llu lost) in %llu bytes, its row says %llu (%llu) in %llu",
			      (unsigned long long)info->events, (unsigned long long)info->lost,
			      (unsigned long long)info->bytes, (unsigned long long)row->events,
			      (unsigned long long)row->lost, (unsigned long long)row->bytes);
	return ret;
}

int crp_check_trace(const char *path, const struct crp_row *row, struct sr_error *err)
{
	struct srz_reader *r = srz_open(path, err);
	int ret = r ? crp_check_reader(r, row, err) : -1;

	srz_reader_free(r);
	return ret;
}

#define BATCH 64 /* rows at a time: a store is not kept busy with a listing while objects are read */

struct batch {
	struct crp_row row[BATCH];
	size_t n;
};

static int collect(void *arg, const struct crp_row *row, struct sr_error *err)
{
	struct batch *b = arg;

	b->row[b->n++] = *row;
	return b->n == BATCH;
}

static int verify_one(struct crp_store *s, const struct crp_row *row, const char *scratch_dir,
		      const struct crp_watch *watch, crp_finding_fn fn, void *arg, struct sr_error *err)
{
	struct sr_error ignored;
	char *path;
	int fd, ret;

	if (asprintf(&path, "%s/verify-XXXXXX", scratch_dir) < 0)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0) {
		ret = sr_fail_errno(err, SR_ENVIRONMENT, "%s", path);
		free(path);
		return ret;
	}
	ret = crp_get(s, row->sha256, fd, watch, err);
	if (ret && err->status == SR_ENVIRONMENT && !crp_find(s, row->sha256, &(struct crp_row){ 0 }, &ignored))
		ret = 1; /* somebody has removed it meanwhile */
	if (!ret)
		ret = crp_check_trace(path, row, err);
	close(fd);
	unlink(path);
	free(path);
	if (ret > 0)
		return 0;
	/* What the object is or is not is a finding; a network or disk that fails is the end. */
	if (ret && err->status == SR_DAMAGED)
		return fn(arg, row->sha256, err->text, err);
	return ret;
}

int crp_verify(struct crp_store *s, const struct crp_query *q, const char *scratch_dir, const struct crp_watch *watch,
	       crp_finding_fn fn, void *arg, uint64_t *objects, struct sr_error *err)
{
	struct crp_query at = q ? *q : (struct crp_query){ 0 };
	struct batch *b = malloc(sizeof(*b));
	int ret = 0;

	*objects = 0;
	if (!b)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	if (s->ops->check)
		ret = s->ops->check(s, fn, arg, err);
	do {
		b->n = 0;
		ret = ret ? ret : crp_list(s, &at, collect, b, err);
		for (size_t i = 0; i < b->n && !ret; i++, (*objects)++)
			ret = verify_one(s, &b->row[i], scratch_dir, watch, fn, arg, err);
		if (b->n)
			memcpy(at.after, b->row[b->n - 1].sha256, sizeof(at.after));
	} while (!ret && b->n == BATCH && (!q || !q->limit));
	free(b);
	return ret < 0 ? -1 : 0;
}

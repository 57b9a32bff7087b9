/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Objects and their rows: what the programs ask for. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "corpus/serve_internal.h"

#define ROWS_DEFAULT 200
#define RECOUNT_NS (10ull * 1000000000)
#define LIST_NS (5ull * 1000000000) /* that a query may look for rows */

/* Which objects there are */

static unsigned slot(const char *sha256)
{
	char head[4] = { sha256[0], sha256[1], sha256[2], '\0' };

	return (unsigned)strtoul(head, NULL, 16) % CRP_KNOWN;
}

/* Has the object a row? 1, 0, -1. Those seen lately are known without asking the index. */
static int is_there(struct crp_server *s, const char *sha256, struct sr_error *err)
{
	char *known = s->known[slot(sha256)];
	struct crp_row row;
	int ret = 1;

	pthread_mutex_lock(&s->find_lock);
	if (strcmp(known, sha256) != 0) {
		ret = crp_find(s->finder, sha256, &row, err);
		if (ret == 1)
			memcpy(known, sha256, SR_SHA256_TEXT);
	}
	pthread_mutex_unlock(&s->find_lock);
	return ret;
}

static void forget(struct crp_server *s, const char *sha256)
{
	pthread_mutex_lock(&s->find_lock);
	if (!strcmp(s->known[slot(sha256)], sha256))
		*s->known[slot(sha256)] = '\0';
	pthread_mutex_unlock(&s->find_lock);
}

static int find_row(struct crp_server *s, const char *sha256, struct crp_row *row, struct sr_error *err)
{
	int ret;

	pthread_mutex_lock(&s->find_lock);
	ret = crp_find(s->finder, sha256, row, err);
	pthread_mutex_unlock(&s->find_lock);
	return ret;
}

static void internal_error(struct crp_request *r, const struct sr_error *err, struct crp_answer *a)
{
	snprintf(r->why, sizeof(r->why), "%.*s", (int)sizeof(r->why) - 1, err->text);
	crp_answer_text(a, 500, "the server's store has failed; its log says more\n");
}

static void not_there(struct crp_answer *a)
{
	crp_answer_text(a, 404, "there is no such object here\n");
}

/* Reading */

/* The file of an object that has a row; -1: answered. The path is made of checked digits only. */
static int open_object(struct crp_request *r, uint64_t *size, struct crp_answer *a)
{
	struct crp_server *s = r->s;
	struct sr_error err;
	struct stat st;
	char path[96];
	int fd, there = is_there(s, r->sha256, &err);

	if (there < 0) {
		internal_error(r, &err, a);
		return -1;
	}
	if (!there) {
		not_there(a);
		return -1;
	}
	snprintf(path, sizeof(path), "sha256/%.2s/%.64s", r->sha256, r->sha256);
	fd = openat(s->root, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode)) {
		*size = (uint64_t)st.st_size;
		return fd;
	}
	if (fd < 0 && errno == ENOENT) {
		/* Removed by another process. */
		forget(s, r->sha256);
		not_there(a);
	} else {
		sr_fail_errno(&err, SR_ENVIRONMENT, "%s", path);
		internal_error(r, &err, a);
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

void crp_object_get(struct crp_request *r, const struct crp_head *h, struct crp_answer *a)
{
	uint64_t size, first = 0, length;
	int fd = open_object(r, &size, a), range = 0;

	if (fd < 0)
		return;
	a->keep = true;
	memcpy(a->etag, r->sha256, SR_SHA256_TEXT);
	if (crp_etag_differs(h->if_match, r->sha256)) {
		close(fd);
		crp_answer_text(a, 412, "If-Match names another object\n");
		return;
	}
	if (crp_etag_matches(h->if_none_match, r->sha256)) {
		close(fd);
		a->status = 304;
		a->length = size;
		return;
	}
	length = size;
	/* Of other methods a range is to be ignored. */
	if (r->method == CRP_GET && (!h->if_range || crp_etag_is(h->if_range, r->sha256)))
		range = crp_range_parse(h->range, size, &first, &length);
	a->total = size;
	if (range < 0) {
		close(fd);
		crp_answer_text(a, 416, "the object ends before\n");
		return;
	}
	a->status = range ? 206 : 200;
	a->type = "application/vnd.schedrec.srz";
	a->fd = fd;
	a->offset = first;
	a->length = length;
}

void crp_row_answer(struct crp_request *r, struct crp_answer *a)
{
	struct crp_row row;
	struct sr_error err;
	int ret = find_row(r->s, r->sha256, &row, &err);

	if (ret < 0) {
		internal_error(r, &err, a);
		return;
	}
	if (!ret) {
		not_there(a);
		return;
	}
	*row.token_sha256 = '\0';
	a->body = malloc(CRP_ROW_TEXT);
	if (!a->body) {
		crp_answer_text(a, 503, "out of memory\n");
		return;
	}
	a->size = crp_row_text(&row, a->body);
	a->status = 200;
	a->type = "text/plain; charset=utf-8";
}

struct listing {
	char *text;
	size_t n;
	uint64_t left; /* rows that may still come */
	bool more;
};

static int add_row(void *arg, const struct crp_row *row, struct sr_error *err)
{
	struct listing *l = arg;
	struct crp_row copy = *row;

	if (!l->left || l->n + CRP_ROW_TEXT + 1 > CRP_BODY_MAX) {
		l->more = true;
		return 1;
	}
	l->left--;
	*copy.token_sha256 = '\0';
	l->n += crp_row_text(&copy, l->text + l->n);
	l->text[l->n++] = '\n';
	return 0;
}

static bool parse_listing(const struct crp_head *h, struct crp_query *q, struct crp_answer *a)
{
	struct sr_error err;
	char text[2048];

	if (h->q && crp_percent_decode(h->q, text, sizeof(text))) {
		crp_answer_text(a, 400, "q is not percent-encoded text, or too long\n");
		return false;
	}
	if (crp_query_parse(q, h->q ? text : NULL, &err)) {
		crp_answer_text(a, 400, "%s\n", err.text);
		return false;
	}
	if (h->after && !crp_is_sha256(h->after)) {
		crp_answer_text(a, 400, "after is 64 hexadecimal digits\n");
		return false;
	}
	if (h->after)
		memcpy(q->after, h->after, SR_SHA256_TEXT);
	q->limit = h->limit ? crp_limit_parse(h->limit, CRP_ROWS_MAX) : ROWS_DEFAULT;
	if (!q->limit)
		crp_answer_text(a, 400, "limit is a number from 1 to %d\n", CRP_ROWS_MAX);
	return q->limit != 0;
}

static int is_over(void *arg, uint64_t done, uint64_t total)
{
	return crp_now_ns() > *(const uint64_t *)arg;
}

void crp_rows_get(struct crp_request *r, const struct crp_head *h, struct crp_answer *a)
{
	struct crp_server *s = r->s;
	struct listing l = { 0 };
	struct crp_query q;
	struct sr_error err;
	uint64_t until;
	int ret;

	if (!parse_listing(h, &q, a))
		return;
	l.left = q.limit++; /* one more tells whether there is more */
	l.text = malloc(CRP_BODY_MAX);
	if (!l.text) {
		crp_answer_text(a, 503, "out of memory\n");
		return;
	}
	pthread_mutex_lock(&s->list_lock);
	until = crp_now_ns() + LIST_NS;
	s->lister->watch = (struct crp_watch){ is_over, &until };
	ret = crp_list(s->lister, &q, add_row, &l, &err);
	s->lister->watch = (struct crp_watch){ NULL, NULL };
	pthread_mutex_unlock(&s->list_lock);
	if (ret) {
		free(l.text);
		/* Not 503: it would be asked again, and take as long. */
		if (err.status == SR_INTERRUPTED)
			crp_answer_text(a, 400, "this query takes too long here: ask for less\n");
		else
			internal_error(r, &err, a);
		return;
	}
	a->status = 200;
	a->type = "text/plain; charset=utf-8";
	a->more = l.more;
	a->body = realloc(l.text, l.n ? l.n : 1);
	if (!a->body)
		a->body = l.text;
	a->size = l.n;
}

/* Quotas */

/* Under token_lock. */
static struct crp_usage *usage_of(struct crp_server *s, const char *contributor)
{
	struct crp_usage *v;

	for (size_t i = 0; i < s->nusage; i++)
		if (!strcmp(s->usage[i].contributor, contributor))
			return &s->usage[i];
	v = realloc(s->usage, (s->nusage + 1) * sizeof(*v));
	if (!v)
		return NULL;
	s->usage = v;
	v = &v[s->nusage++];
	memset(v, 0, sizeof(*v));
	snprintf(v->contributor, sizeof(v->contributor), "%s", contributor);
	return v;
}

struct sum {
	uint64_t bytes, objects;
};

static int add_up(void *arg, const struct crp_row *row, struct sr_error *err)
{
	struct sum *sum = arg;

	sum->bytes += row->bytes;
	sum->objects++;
	return 0;
}

/* What a contributor has in the store, by the index. Under write_lock, and never behind what others look for. */
static int count_usage(struct crp_server *s, const char *contributor, struct sum *sum, struct sr_error *err)
{
	struct crp_query q = { .n = 1 };

	memset(sum, 0, sizeof(*sum));
	snprintf(q.v[0].key, sizeof(q.v[0].key), "contributor");
	snprintf(q.v[0].text, sizeof(q.v[0].text), "%s", contributor);
	q.v[0].is_text = true;
	return crp_list(s->counter, &q, add_up, sum, err);
}

/* 1 reserved, 0 the quota is full or not known, -1 too many uploads at once. *stale: it is time to count again. */
static int try_reserve(struct crp_server *s, const struct crp_upload_token *t, uint64_t length, bool *stale)
{
	struct crp_usage *u;
	int ret = -1;

	pthread_mutex_lock(&s->token_lock);
	u = usage_of(s, t->contributor);
	*stale = u && (!u->counted_ns || crp_now_ns() - u->counted_ns > RECOUNT_NS);
	if (u && u->reserved_objects < s->o.token_uploads) {
		uint64_t bytes = u->bytes + u->reserved_bytes;

		ret = u->counted_ns && bytes <= t->max_bytes && length <= t->max_bytes - bytes &&
		      u->objects + u->reserved_objects < t->max_objects;
		if (ret) {
			u->reserved_bytes += length;
			u->reserved_objects++;
		}
	}
	pthread_mutex_unlock(&s->token_lock);
	return ret;
}

static void unreserve(struct crp_request *r, bool stored)
{
	struct crp_usage *u;

	if (!r->reserved)
		return;
	r->reserved = false;
	pthread_mutex_lock(&r->s->token_lock);
	u = usage_of(r->s, r->row.contributor);
	if (u) {
		u->reserved_bytes -= r->length;
		u->reserved_objects--;
		if (stored) {
			u->bytes += r->length;
			u->objects++;
		}
	}
	pthread_mutex_unlock(&r->s->token_lock);
	atomic_fetch_sub(&r->s->uploads, 1);
}

/* The index is asked the first time, and before a no, but not for every no. No object gets its row meanwhile: what is
 * under way is either counted or reserved. */
static int learn_usage(struct crp_server *s, const char *contributor, struct sr_error *err)
{
	struct crp_usage *u;
	struct sum sum;
	int ret;

	pthread_mutex_lock(&s->write_lock);
	ret = count_usage(s, contributor, &sum, err);
	pthread_mutex_lock(&s->token_lock);
	u = ret ? NULL : usage_of(s, contributor);
	if (u) {
		u->bytes = sum.bytes;
		u->objects = sum.objects;
		u->counted_ns = crp_now_ns();
	}
	pthread_mutex_unlock(&s->token_lock);
	pthread_mutex_unlock(&s->write_lock);
	return ret;
}

/* Room in the contributor's quota; false: answered. */
static bool reserve(struct crp_request *r, const struct crp_upload_token *t, struct crp_answer *a)
{
	struct crp_server *s = r->s;
	struct sr_error err;
	bool stale;
	int ret = try_reserve(s, t, r->length, &stale);

	if (stale && !ret) {
		if (learn_usage(s, t->contributor, &err)) {
			internal_error(r, &err, a);
			return false;
		}
		ret = try_reserve(s, t, r->length, &stale);
	}
	if (ret > 0) {
		r->reserved = true;
		atomic_fetch_add(&s->uploads, 1);
		return true;
	}
	if (ret < 0) {
		crp_answer_text(a, 429, "too many uploads of this contributor at the same time\n");
		a->retry_s = 5;
	} else {
		crp_answer_text(a, 507, "the quota of this token is used up\n");
	}
	return false;
}

/* Uploads */

static bool licence_is_taken(const char *list, const char *licence)
{
	size_t len = strlen(licence);

	for (const char *p = list; *p; p += strcspn(p, ",")) {
		p += *p == ',';
		if (len && strcspn(p, ",") == len && !strncmp(p, licence, len))
			return true;
	}
	return false;
}

static bool program_is_known(const char *program)
{
	size_t i = 0;

	while (crp_programs[i] && strcmp(crp_programs[i], program) != 0)
		i++;
	return crp_programs[i] || !*program;
}

static bool row_is_wrong(struct crp_request *r, const struct crp_head *h, struct crp_answer *a)
{
	struct sr_error err;

	if (!h->row)
		crp_answer_text(a, 400, "an upload has its row in Schedrec-Row\n");
	else if (crp_row_unwrap(&r->row, h->row, &err))
		crp_answer_text(a, 400, "%s\n", err.text);
	else if (strcmp(r->row.sha256, r->sha256) != 0 || r->row.bytes != r->length)
		crp_answer_text(a, 422, "the row is of another object\n");
	else if (!licence_is_taken(r->s->o.licences, r->row.licence))
		crp_answer_text(a, 422, "the licence is not one that this corpus takes: %s\n", r->s->o.licences);
	else if (!program_is_known(r->row.program))
		crp_answer_text(a, 422, "that class of programs is not known here\n");
	else if (!r->row.consent)
		crp_answer_text(a, 422, "the contributor's consent is missing\n");
	else if (!*r->row.token_sha256)
		crp_answer_text(a, 422, "the hash of the deletion token is missing\n");
	else
		return false;
	return true;
}

/* How long the body is; 0: answered. */
static bool length_is_wrong(struct crp_request *r, const struct crp_head *h, struct crp_answer *a)
{
	if (h->transfer_encoding || !h->content_length)
		crp_answer_text(a, 411, "an upload says how long it is (Content-Length)\n");
	else if (crp_length_parse(h->content_length, &r->length))
		crp_answer_text(a, 400, "Content-Length is no number\n");
	else if (h->content_encoding && strcmp(h->content_encoding, "identity") != 0)
		crp_answer_text(a, 415, "an upload is sent as it is, without a Content-Encoding\n");
	else
		return false;
	a->close = true;
	return true;
}

/* Bytes that others than root may still write, at most INT64_MAX. */
static uint64_t free_bytes(int root)
{
	struct statvfs v;

	return fstatvfs(root, &v) ? 0 : (uint64_t)v.f_bavail * v.f_frsize;
}

/* The room is taken before the first byte comes, where the file system can. */
static int take_room(struct crp_request *r)
{
	int fd = open(crp_intake_path(r->intake), O_WRONLY | O_CLOEXEC | O_NOFOLLOW), ret = 0;

	if (fd < 0)
		return errno;
	if (fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)r->length) && (errno == ENOSPC || errno == EDQUOT))
		ret = errno;
	close(fd);
	return ret;
}

static bool no_room(struct crp_request *r, struct crp_answer *a)
{
	struct crp_server *s = r->s;
	uint64_t room = free_bytes(s->root);
	struct sr_error err;

	if (room < s->o.spare_bytes || room - s->o.spare_bytes < r->length) {
		crp_answer_text(a, 507, "the server's disk is full\n");
		return true;
	}
	r->intake = crp_intake_begin(s->writer, &err);
	if (!r->intake) {
		bool full = errno == ENOSPC || errno == EDQUOT;

		internal_error(r, &err, a);
		if (full) {
			free(a->body);
			crp_answer_text(a, 507, "the server's disk is full\n");
		}
		return true;
	}
	if (take_room(r)) {
		crp_answer_text(a, 507, "the server's disk is full\n");
		return true;
	}
	return false;
}

static void present(struct crp_request *r, const struct crp_head *h, struct crp_answer *a)
{
	bool unwanted = crp_etag_matches(h->if_none_match, r->sha256) || crp_etag_differs(h->if_match, r->sha256);

	atomic_fetch_add(&r->s->count[CRP_C_PRESENT], 1);
	memcpy(a->etag, r->sha256, SR_SHA256_TEXT);
	crp_answer_text(a, unwanted ? 412 : 200, "the object is here already\n");
}

/* Is the object here with all of its bytes? The index is asked, and the file looked at: another process may have removed
 * it, and one that is damaged may come again. 1, 0, -1. */
static int is_whole(struct crp_server *s, const char *sha256, struct sr_error *err)
{
	struct crp_row row;
	struct stat st;
	char path[96];
	int ret = find_row(s, sha256, &row, err);

	if (ret <= 0)
		return ret;
	snprintf(path, sizeof(path), "sha256/%.2s/%.64s", sha256, sha256);
	return !fstatat(s->root, path, &st, AT_SYMLINK_NOFOLLOW) && S_ISREG(st.st_mode) &&
	       (uint64_t)st.st_size == row.bytes;
}

int crp_upload_begin(struct crp_request *r, const struct crp_head *h, struct crp_answer *a)
{
	struct crp_upload_token token;
	struct sr_error err;
	int there;

	if (length_is_wrong(r, h, a) || !crp_authorize(r, h, &token, a))
		return 1;
	there = is_whole(r->s, r->sha256, &err);
	if (there < 0)
		internal_error(r, &err, a);
	else if (there)
		present(r, h, a);
	else if (h->if_match)
		crp_answer_text(a, 412, "there is no such object here to match\n");
	else if (r->length > r->s->o.max_object_bytes)
		crp_answer_text(a, 413, "an object may have at most %llu bytes here\n",
				(unsigned long long)r->s->o.max_object_bytes);
	else if (!row_is_wrong(r, h, a)) {
		/* Whose it is says the token, not the row. */
		memcpy(r->row.contributor, token.contributor, sizeof(r->row.contributor));
		if (reserve(r, &token, a) && !no_room(r, a))
			return 0;
	}
	return 1;
}

static void fail_upload(struct crp_request *r, unsigned status, const char *why)
{
	if (r->failed)
		return;
	r->failed = status;
	snprintf(r->why, sizeof(r->why), "%.*s", (int)sizeof(r->why) - 1, why);
}

void crp_request_data(struct crp_request *r, const void *data, size_t len)
{
	struct sr_error err;

	r->got += len;
	if (r->failed || !r->intake)
		return;
	if (r->got > r->length) {
		fail_upload(r, 400, "more bytes came than Content-Length says");
	} else if (crp_intake_write(r->intake, data, len, &err)) {
		if (errno == ENOSPC || errno == EDQUOT)
			fail_upload(r, 507, "the server's disk is full");
		else
			fail_upload(r, 500, err.text);
	}
}

/* All that can be known of the bytes before they are let in. */
static void examine(struct crp_request *r)
{
	char sha256[SR_SHA256_TEXT];
	struct sr_error err;
	uint64_t bytes;
	int fd;

	if (crp_intake_seal(r->intake, sha256, &bytes, &err)) {
		fail_upload(r, 500, err.text);
		return;
	}
	if (bytes != r->length || strcmp(sha256, r->sha256) != 0) {
		fail_upload(r, 422, "the bytes that came are not those of this name");
		return;
	}
	fd = open(crp_intake_path(r->intake), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fsync(fd)) {
		fail_upload(r, errno == ENOSPC || errno == EDQUOT ? 507 : 500,
			    "the quarantine cannot be read or synced");
	} else if (crp_checker_run(r->s->checker, fd, &r->row, &err)) {
		fail_upload(r, err.status == SR_DAMAGED ? 422 : 503, err.text);
	}
	if (fd >= 0)
		close(fd);
}

static int commit(struct crp_request *r)
{
	struct crp_server *s = r->s;
	struct sr_error err;
	int ret, why;

	pthread_mutex_lock(&s->write_lock);
	ret = crp_intake_commit(r->intake, &r->row, &err);
	why = errno;
	if (ret >= 0)
		unreserve(r, ret == 1);
	pthread_mutex_unlock(&s->write_lock);
	r->intake = NULL;
	if (ret < 0)
		fail_upload(r, why == ENOSPC || why == EDQUOT ? 507 : 500, err.text);
	return ret;
}

void crp_upload_end(struct crp_request *r, struct crp_answer *a)
{
	int stored = -1;

	if (!r->failed)
		examine(r);
	if (!r->failed)
		stored = commit(r);
	if (r->failed) {
		atomic_fetch_add(&r->s->count[CRP_C_REFUSED], 1);
		crp_answer_text(a, r->failed, "%s\n", r->failed == 500 ? "the server's store has failed" : r->why);
		if (r->failed == 503)
			a->retry_s = 10;
		return;
	}
	memcpy(a->etag, r->sha256, SR_SHA256_TEXT);
	if (stored) {
		atomic_fetch_add(&r->s->count[CRP_C_UPLOADS], 1);
		atomic_fetch_add(&r->s->generation, 1);
		crp_answer_text(a, 201, "stored\n");
	} else {
		atomic_fetch_add(&r->s->count[CRP_C_PRESENT], 1);
		crp_answer_text(a, 200, "the object is here already\n");
	}
}

void crp_upload_release(struct crp_request *r)
{
	crp_intake_abort(r->intake);
	r->intake = NULL;
	unreserve(r, false);
}

/* Removing */

static void forget_usage(struct crp_server *s, const char *contributor)
{
	struct crp_usage *u;

	pthread_mutex_lock(&s->token_lock);
	u = usage_of(s, contributor);
	if (u)
		u->counted_ns = 0;
	pthread_mutex_unlock(&s->token_lock);
}

void crp_object_remove(struct crp_request *r, const struct crp_head *h, struct crp_answer *a)
{
	struct crp_server *s = r->s;
	struct crp_row row;
	struct sr_error err;
	int ret;

	if (!h->deletion_token) {
		crp_answer_text(a, 401, "an object is removed with its deletion token (Schedrec-Deletion-Token)\n");
		a->auth = "Schedrec-Deletion-Token";
		return;
	}
	ret = find_row(s, r->sha256, &row, &err);
	if (ret <= 0) {
		if (ret < 0)
			internal_error(r, &err, a);
		else
			not_there(a);
		return;
	}
	if (strlen(h->deletion_token) != CRP_TOKEN_TEXT - 1 ||
	    !crp_token_matches(h->deletion_token, row.token_sha256)) {
		if (!crp_wrong_token(r, a))
			crp_answer_text(a, 403, "that is not the deletion token of this object\n");
		return;
	}
	if (crp_etag_differs(h->if_match, r->sha256) || crp_etag_matches(h->if_none_match, r->sha256)) {
		crp_answer_text(a, 412, "the object that is here is not to be removed under this condition\n");
		return;
	}
	pthread_mutex_lock(&s->write_lock);
	ret = crp_remove(s->writer, r->sha256, h->deletion_token, &err);
	pthread_mutex_unlock(&s->write_lock);
	forget(s, r->sha256);
	if (ret) {
		internal_error(r, &err, a);
		return;
	}
	forget_usage(s, row.contributor);
	atomic_fetch_add(&s->count[CRP_C_REMOVED], 1);
	atomic_fetch_add(&s->generation, 1);
	a->status = 204;
}

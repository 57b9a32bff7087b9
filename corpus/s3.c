/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "corpus/s3.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <curl/curl.h>

#define ANSWER (8u << 20) /* a listing of 1,000 keys has less */
#define TRIES 5
#define EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define LARGEST_PUT (5ull << 30) /* of one request, as S3 has it */

struct s3 {
	CURL *curl;
	char *base; /* "http://host/bucket" */
	char *sigv4, *user, *session;
	const struct crp_watch *watch;
	char problem[CURL_ERROR_SIZE];
};

/* One request. */
struct request {
	const char *method, *key, *query;
	const char *sha256; /* of what is sent */
	bool once;
	/* sent: */
	const char *data;
	int fd;
	uint64_t bytes, sent;
	const struct crp_watch *watch;
	/* got: */
	char *body;
	size_t len, cap, max;
	s3_take_fn take; /* instead of body, of an answer that is 200 or 206 */
	void *take_arg;
	uint64_t taken;
	bool resumed; /* this try asks for what is behind those taken */
	struct s3 *s;
	struct sr_error *err;
	bool failed; /* *err is set by who took or sent */
	long status;
};

static int no_memory(struct sr_error *err)
{
	return sr_fail(err, SR_ENVIRONMENT, "out of memory");
}

static size_t on_send(char *buf, size_t size, size_t n, void *arg)
{
	struct request *r = arg;
	uint64_t left = r->bytes - r->sent;
	size_t want = size * n < left ? size * n : (size_t)left;
	ssize_t got = (ssize_t)want;

	if (r->data)
		memcpy(buf, r->data + r->sent, want);
	else
		do
			got = pread(r->fd, buf, want, (off_t)r->sent);
		while (got < 0 && errno == EINTR);
	if (got < 0 || (want && !got)) {
		sr_fail_errno(r->err, SR_ENVIRONMENT, "cannot read what is to be sent");
		r->failed = true;
		return CURL_READFUNC_ABORT;
	}
	r->sent += (uint64_t)got;
	return (size_t)got;
}

static int on_seek(void *arg, curl_off_t offset, int origin)
{
	struct request *r = arg;

	if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > r->bytes)
		return CURL_SEEKFUNC_CANTSEEK;
	r->sent = (uint64_t)offset;
	return CURL_SEEKFUNC_OK;
}

static size_t on_answer(char *buf, size_t size, size_t n, void *arg)
{
	struct request *r = arg;
	size_t len = size * n;

	curl_easy_getinfo(r->s->curl, CURLINFO_RESPONSE_CODE, &r->status);
	if (r->take && r->status / 100 == 2) {
		/* It was asked for the rest, and this is all. */
		if (r->resumed && r->status != 206) {
			sr_fail(r->err, SR_ENVIRONMENT, "the server cannot go on with an object that broke off");
			r->failed = true;
			return 0;
		}
		r->failed = r->take(r->take_arg, buf, len, r->err) != 0;
		return r->failed ? 0 : len;
	}
	if (r->len + len > r->max) {
		sr_fail(r->err, SR_DAMAGED, "the server's answer is larger than it can be");
		r->failed = true;
		return 0;
	}
	if (r->len + len + 1 > r->cap) {
		size_t cap = 2 * (r->len + len) + 1024;
		char *p = realloc(r->body, cap);

		if (!p) {
			no_memory(r->err);
			r->failed = true;
			return 0;
		}
		r->body = p;
		r->cap = cap;
	}
	memcpy(r->body + r->len, buf, len);
	r->len += len;
	r->body[r->len] = '\0';
	return len;
}

static int on_progress(void *arg, curl_off_t dltotal, curl_off_t dlnow, curl_off_t ultotal, curl_off_t ulnow)
{
	struct request *r = arg;

	const struct crp_watch *all = r->s->watch;

	if (!(r->watch && r->watch->step && r->watch->step(r->watch->arg, r->sent, r->bytes)) &&
	    !(all && all->step && all->step(all->arg, 0, 0)))
		return 0;
	sr_fail(r->err, SR_INTERRUPTED, "interrupted");
	r->failed = true;
	return 1;
}

static bool add(struct curl_slist **list, const char *name, const char *value)
{
	struct curl_slist *more;
	char *line;

	if (asprintf(&line, "%s: %s", name, value) < 0)
		return false;
	more = curl_slist_append(*list, line);
	free(line);
	if (more)
		*list = more;
	return more != NULL;
}

/* The text between two tags of an answer, in buf; "" when there is none. Control characters are left out. */
static const char *element(const char *body, const char *tag, char *buf, size_t size)
{
	char open[32];
	const char *p;
	size_t n = 0;

	snprintf(open, sizeof(open), "<%s>", tag);
	p = body ? strstr(body, open) : NULL;
	for (p = p ? p + strlen(open) : ""; *p && *p != '<' && n + 1 < size; p++)
		if ((unsigned char)*p >= ' ' && *p != 0x7f)
			buf[n++] = *p;
	buf[n] = '\0';
	return buf;
}

/* Sets up and performs one try. The options of a handle stay from one request to the next: all are set. */
static CURLcode attempt(struct request *r, struct sr_error *err)
{
	struct s3 *s = r->s;
	struct curl_slist *headers = NULL;
	CURL *c = s->curl;
	CURLcode rc = CURLE_OUT_OF_MEMORY;
	bool sends = !strcmp(r->method, "PUT");
	char *url = NULL;

	if (asprintf(&url, "%s/%s%s%s", s->base, r->key, r->query ? "?" : "", r->query ? r->query : "") < 0)
		url = NULL;
	if (!url || !add(&headers, "x-amz-content-sha256", r->sha256) ||
	    (s->session && !add(&headers, "x-amz-security-token", s->session)) ||
	    (r->once && !add(&headers, "If-None-Match", "*")))
		goto out;
	curl_easy_reset(c);
	s->problem[0] = '\0';
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, s->problem);
	curl_easy_setopt(c, CURLOPT_USERAGENT, "schedrec");
	curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(c, CURLOPT_AWS_SIGV4, s->sigv4);
	curl_easy_setopt(c, CURLOPT_USERPWD, s->user);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, 20L);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 100L);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, 60L);
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_answer);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, r);
	curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(c, CURLOPT_XFERINFODATA, r);
	curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
	if (sends) {
		curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(c, CURLOPT_READFUNCTION, on_send);
		curl_easy_setopt(c, CURLOPT_READDATA, r);
		curl_easy_setopt(c, CURLOPT_SEEKFUNCTION, on_seek);
		curl_easy_setopt(c, CURLOPT_SEEKDATA, r);
		curl_easy_setopt(c, CURLOPT_INFILESIZE_LARGE, (curl_off_t)r->bytes);
	} else if (strcmp(r->method, "GET") != 0) {
		curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, r->method);
	}
	r->resumed = r->taken > 0;
	if (r->resumed)
		curl_easy_setopt(c, CURLOPT_RESUME_FROM_LARGE, (curl_off_t)r->taken);
	r->sent = 0;
	r->len = 0;
	r->status = 0;
	rc = curl_easy_perform(c);
	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &r->status);
out:
	curl_slist_free_all(headers);
	free(url);
	return rc;
}

/* Whether another try may help. */
static bool passes(CURLcode rc, long status)
{
	switch (rc) {
	case CURLE_OK:
		return status == 500 || status == 502 || status == 503 || status == 504 || status == 409;
	case CURLE_PARTIAL_FILE:
	case CURLE_GOT_NOTHING:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_OPERATION_TIMEDOUT:
		return true;
	default:
		return false;
	}
}

/* What an answer that says no means to whoever sees it. */
static int refused(const struct request *r, struct sr_error *err)
{
	char code[64], message[256], why[384] = "";
	const char *advice = "";

	element(r->body, "Code", code, sizeof(code));
	element(r->body, "Message", message, sizeof(message));
	if (!strcmp(code, "SignatureDoesNotMatch"))
		advice = ": the secret key (AWS_SECRET_ACCESS_KEY) is wrong, or the region";
	else if (!strcmp(code, "InvalidAccessKeyId"))
		advice = ": there is no such key (AWS_ACCESS_KEY_ID)";
	else if (!strcmp(code, "NoSuchBucket"))
		advice = ": make the bucket first";
	else if (!strcmp(code, "AccessDenied"))
		advice = ": this key may not do that";
	else if (!strcmp(code, "RequestTimeTooSkewed"))
		advice = ": this machine's clock is wrong";
	if (*code)
		snprintf(why, sizeof(why), " (%s%s%s)", code, *message ? ": " : "", message);
	if (!strcmp(code, "XAmzContentSHA256Mismatch") || !strcmp(code, "BadDigest"))
		return sr_fail(err, SR_DAMAGED, "%s/%s: the server got other bytes than were to be sent%s", r->s->base,
			       r->key, why);
	return sr_fail(err, SR_ENVIRONMENT, "%s/%s: the server says %ld%s%s", r->s->base, r->key, r->status, why,
		       advice);
}

static void nap(unsigned try)
{
	struct timespec t = { .tv_nsec = 100000000l << try };

	if (t.tv_nsec >= 1000000000) {
		t.tv_sec = t.tv_nsec / 1000000000;
		t.tv_nsec %= 1000000000;
	}
	nanosleep(&t, NULL);
}

/* 1: done (status 2xx), 0: the key is not there (404), or is there already (412, of once), -1. */
static int perform(struct request *r, struct sr_error *err)
{
	char code[64];
	CURLcode rc = CURLE_OK;

	r->err = err;
	for (unsigned try = 0; try < TRIES; try++) {
		if (try)
			nap(try);
		rc = attempt(r, err);
		if (r->failed)
			return -1;
		if (!passes(rc, r->status))
			break;
	}
	if (rc == CURLE_OUT_OF_MEMORY)
		return no_memory(err);
	if (rc != CURLE_OK)
		return sr_fail(err, SR_ENVIRONMENT, "%s: %s", r->s->base,
			       *r->s->problem ? r->s->problem : curl_easy_strerror(rc));
	if (r->status / 100 == 2)
		return 1;
	if (r->once && r->status == 412)
		return 0;
	element(r->body, "Code", code, sizeof(code));
	if (r->status == 404 && strcmp(code, "NoSuchBucket") != 0)
		return 0;
	return refused(r, err);
}

static void request_init(struct request *r, struct s3 *s, const char *method, const char *key)
{
	*r = (struct request){ .s = s, .method = method, .key = key, .sha256 = EMPTY_SHA256, .fd = -1, .max = ANSWER };
}

int s3_get(struct s3 *s, const char *key, size_t max, char **data, size_t *len, struct sr_error *err)
{
	struct request r;
	int ret;

	request_init(&r, s, "GET", key);
	r.max = max > 65536 ? max : 65536; /* what says no has room too */
	ret = perform(&r, err);
	*data = NULL;
	*len = 0;
	if (ret == 1 && r.len > max)
		ret = sr_fail(err, SR_DAMAGED, "%s/%s: larger than it can be", s->base, key);
	if (ret == 1 && !r.body)
		r.body = calloc(1, 1);
	if (ret == 1 && !r.body)
		ret = no_memory(err);
	if (ret == 1) {
		*data = r.body;
		*len = r.len;
		return 1;
	}
	free(r.body);
	return ret;
}

struct counted {
	s3_take_fn take;
	void *arg;
	struct request *r;
};

static int take_counted(void *arg, const void *data, size_t len, struct sr_error *err)
{
	struct counted *c = arg;

	if (c->take(c->arg, data, len, err))
		return -1;
	c->r->taken += len;
	return 0;
}

int s3_get_stream(struct s3 *s, const char *key, s3_take_fn take, void *arg, struct sr_error *err)
{
	struct request r;
	struct counted c = { take, arg, &r };
	int ret;

	request_init(&r, s, "GET", key);
	r.take = take_counted;
	r.take_arg = &c;
	ret = perform(&r, err);
	free(r.body);
	return ret;
}

static int put(struct request *r, struct sr_error *err)
{
	int ret = perform(r, err);

	if (!ret && r->status == 404)
		ret = refused(r, err);
	free(r->body);
	return ret;
}

int s3_put(struct s3 *s, const char *key, const void *data, size_t len, bool once, struct sr_error *err)
{
	struct sr_sha256 *d = sr_sha256_new();
	char sha256[SR_SHA256_TEXT];
	struct request r;

	if (!d)
		return no_memory(err);
	sr_sha256_add(d, data, len);
	sr_sha256_end(d, sha256);
	sr_sha256_free(d);
	request_init(&r, s, "PUT", key);
	r.data = data;
	r.bytes = len;
	r.sha256 = sha256;
	r.once = once;
	return put(&r, err);
}

int s3_put_file(struct s3 *s, const char *key, int fd, uint64_t bytes, const char *sha256, bool once,
		const struct crp_watch *watch, struct sr_error *err)
{
	struct request r;

	if (bytes > LARGEST_PUT)
		return sr_fail(err, SR_USAGE, "an object in S3 may have at most %llu bytes here",
			       (unsigned long long)LARGEST_PUT);
	request_init(&r, s, "PUT", key);
	r.fd = fd;
	r.bytes = bytes;
	r.sha256 = sha256;
	r.once = once;
	r.watch = watch;
	return put(&r, err);
}

int s3_delete(struct s3 *s, const char *key, struct sr_error *err)
{
	struct request r;
	int ret;

	request_init(&r, s, "DELETE", key);
	ret = perform(&r, err);
	free(r.body);
	return ret < 0 ? -1 : 0;
}

/* Listing */

static bool is_key(const char *p, size_t len)
{
	return len && len < 1024 &&
	       strspn(p, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/") >= len;
}

/* Only the slash of what a key may have is to be escaped in a query. */
static void escape(const char *from, char *to, size_t size)
{
	size_t n = 0;

	for (; *from && n + 4 < size; from++)
		n += (size_t)snprintf(to + n, size - n, *from == '/' ? "%%2F" : "%c", *from);
	to[n] = '\0';
}

/* The keys of one answer; last becomes the last of them. 0, 1 enough, -1. */
static int each_key(const struct s3 *s, const char *body, char *last, bool *more, s3_key_fn fn, void *arg,
		    struct sr_error *err)
{
	char text[32];
	int ret = 0;

	if (!body || !strstr(body, "<ListBucketResult"))
		return sr_fail(err, SR_DAMAGED, "%s: the server's answer is no listing", s->base);
	*more = !strcmp(element(body, "IsTruncated", text, sizeof(text)), "true");
	for (const char *p = strstr(body, "<Contents>"), *next; p && !ret; p = next) {
		const char *key = strstr(p, "<Key>"), *end = key ? strchr(key + 5, '<') : NULL;
		uint64_t bytes;

		next = strstr(p + 1, "<Contents>");
		if (!end || (next && end > next))
			return sr_fail(err, SR_DAMAGED, "%s: the server's listing is damaged", s->base);
		key += 5;
		/* What somebody else keeps there under other names is not ours. */
		if (!is_key(key, (size_t)(end - key)))
			continue;
		if (strncmp(last, key, (size_t)(end - key)) == 0 && strlen(last) == (size_t)(end - key))
			continue;
		bytes = strtoull(element(p, "Size", text, sizeof(text)), NULL, 10);
		memcpy(last, key, (size_t)(end - key));
		last[end - key] = '\0';
		ret = fn(arg, last, bytes, err);
	}
	return ret;
}

int s3_list(struct s3 *s, const char *prefix, const char *after, s3_key_fn fn, void *arg, struct sr_error *err)
{
	char escaped[1600], from[1600], query[3400], last[1024], before[1024];
	struct request r;
	bool more = true;
	int ret = 0;

	if (strlen(prefix) >= 512 || (after && strlen(after) >= sizeof(last)))
		return sr_fail(err, SR_USAGE, "the prefix is too long");
	snprintf(last, sizeof(last), "%s", after ? after : "");
	escape(prefix, escaped, sizeof(escaped));
	while (!ret && more) {
		escape(last, from, sizeof(from));
		snprintf(query, sizeof(query), "list-type=2&max-keys=1000&prefix=%s%s%s", escaped,
			 *last ? "&start-after=" : "", from);
		request_init(&r, s, "GET", "");
		r.query = query;
		ret = perform(&r, err);
		if (!ret)
			ret = refused(&r, err);
		memcpy(before, last, sizeof(before));
		ret = ret < 0 ? -1 : each_key(s, r.body, last, &more, fn, arg, err);
		free(r.body);
		/* Nothing new although there is more: it would go on for ever. */
		if (!ret && more && !strcmp(before, last))
			ret = sr_fail(err, SR_DAMAGED, "%s: the server's listing does not go on", s->base);
	}
	return ret < 0 ? -1 : 0;
}

/* Opening */

struct s3 *s3_open(const struct s3_config *config, const struct crp_watch *watch, struct sr_error *err)
{
	struct s3 *s = calloc(1, sizeof(*s));
	const char *endpoint = config->endpoint;
	size_t len = endpoint ? strlen(endpoint) : 0;
	bool ok;

	if (!s || curl_global_init(CURL_GLOBAL_DEFAULT)) {
		free(s);
		no_memory(err);
		return NULL;
	}
	while (len && endpoint[len - 1] == '/')
		len--;
	s->watch = watch;
	s->curl = curl_easy_init();
	ok = s->curl && asprintf(&s->sigv4, "aws:amz:%s:s3", config->region) > 0;
	if (ok && len)
		ok = asprintf(&s->base, "%.*s/%s", (int)len, endpoint, config->bucket) > 0;
	else if (ok)
		ok = asprintf(&s->base, "https://s3.%s.amazonaws.com/%s", config->region, config->bucket) > 0;
	ok = ok && asprintf(&s->user, "%s:%s", config->key, config->secret) > 0;
	if (ok && config->session && *config->session) {
		s->session = strdup(config->session);
		ok = s->session != NULL;
	}
	if (ok)
		return s;
	no_memory(err);
	s3_close(s);
	return NULL;
}

void s3_close(struct s3 *s)
{
	if (!s)
		return;
	curl_easy_cleanup(s->curl);
	free(s->base);
	free(s->sigv4);
	free(s->user);
	free(s->session);
	free(s);
	curl_global_cleanup();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A store on a server (PROTOCOL.md). Every answer is hostile until checked: sizes are bounded, rows parsed, objects hashed
 * as they come. Redirections are not followed, certificates always verified.
 *
 * Environment: SCHEDREC_TOKEN, or a file that SCHEDREC_TOKEN_FILE names, is the upload token; CURL_CA_BUNDLE, or
 * SSL_CERT_FILE, the certificates to trust instead of the system's.
 *
 * What fails on the way is tried again, a download from where it stopped: every request can be repeated, for an object's
 * name says what it is.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <curl/curl.h>

#include "corpus/serve_request.h"
#include "corpus/store.h"

#define TRIES 6         /* without any progress */
#define CONNECT_TRIES 3 /* nobody answers at all */
#define FIRST_PAUSE_MS 400
#define LONGEST_PAUSE_MS 60000
#define TEXT_MAX (1u << 20)           /* of an answer that is no object */
#define EXPECT_BYTES 65536            /* smaller uploads are sent without asking first */
#define STALL_NS (60ull * 1000000000) /* nothing moves */
#define LOOK_NS (900ull * 1000000000) /* the server has all of an upload, and looks at it */
#define TOKEN_MAX 256

struct http_store {
	struct crp_store store;
	CURL *curl;
	char *token;      /* NULL: none */
	char *ca;         /* NULL: the system's */
	bool tls, direct; /* direct: in the clear, to this machine only */
};

/* One request, and what comes back. */
struct call {
	struct http_store *h;
	const struct crp_watch *watch;
	struct sr_error *err;
	long status;
	char *text; /* the body of an answer that is no object */
	size_t n;
	bool more, stopped, stalled;
	uint64_t moved, moved_ns; /* bytes both ways, and when the last of them did */
	char why[CURL_ERROR_SIZE];
	/* a download */
	struct sr_sha256 *sha;
	int out; /* -1: not one */
	uint64_t done, skip, total, range_from;
	bool ranged, begun, failed;
	/* an upload */
	int in;
	uint64_t at, size;
};

static int no_memory(struct sr_error *err)
{
	return sr_fail(err, SR_ENVIRONMENT, "out of memory");
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* What curl calls */

static size_t take_text(struct call *c, const char *data, size_t len)
{
	char *p;

	if (c->n + len > TEXT_MAX)
		return 0;
	p = realloc(c->text, c->n + len + 1);
	if (!p)
		return 0;
	c->text = p;
	memcpy(p + c->n, data, len);
	c->n += len;
	p[c->n] = '\0';
	return len;
}

static size_t on_body(char *data, size_t one, size_t len, void *arg)
{
	struct call *c = arg;
	size_t part = len;

	curl_easy_getinfo(c->h->curl, CURLINFO_RESPONSE_CODE, &c->status);
	if (c->out < 0 || (c->status != 200 && c->status != 206))
		return take_text(c, data, len);
	if (!c->begun) {
		c->begun = true;
		/* A part that begins elsewhere than asked for is no use; a server that does not know ranges sends
		 * everything: what is there already is skipped. */
		if (c->status == 206 && (!c->ranged || c->range_from != c->done))
			return 0;
		c->skip = c->status == 200 ? c->done : 0;
	}
	if (c->skip) {
		part = c->skip < len ? (size_t)c->skip : len;
		c->skip -= part;
		data += part;
		part = len - part;
	}
	if (c->done + part > CRP_MAX_OBJECT)
		return 0;
	if (crp_write_all(c->out, data, part)) {
		sr_fail_errno(c->err, SR_ENVIRONMENT, "cannot write what was received");
		c->failed = true;
		return 0;
	}
	sr_sha256_add(c->sha, data, part);
	c->done += part;
	return len;
}

static size_t on_upload(char *data, size_t one, size_t len, void *arg)
{
	struct call *c = arg;
	ssize_t got;

	if (c->size - c->at < len)
		len = (size_t)(c->size - c->at);
	do
		got = pread(c->in, data, len, (off_t)c->at);
	while (got < 0 && errno == EINTR);
	if (got < 0 || (!got && len)) {
		sr_fail(c->err, SR_ENVIRONMENT, "cannot read what is to be sent, or it has become shorter");
		c->failed = true;
		return CURL_READFUNC_ABORT;
	}
	c->at += (size_t)got;
	return (size_t)got;
}

static int on_seek(void *arg, curl_off_t offset, int origin)
{
	struct call *c = arg;

	if (origin != SEEK_SET || offset < 0)
		return CURL_SEEKFUNC_CANTSEEK;
	c->at = (uint64_t)offset;
	return CURL_SEEKFUNC_OK;
}

static bool header_is(const char *line, size_t len, const char *name, char *value, size_t size)
{
	size_t n = strlen(name);

	if (len <= n || strncasecmp(line, name, n) != 0 || line[n] != ':')
		return false;
	line += n + 1;
	len -= n + 1;
	while (len && (*line == ' ' || *line == '\t')) {
		line++;
		len--;
	}
	while (len && (line[len - 1] == '\r' || line[len - 1] == '\n' || line[len - 1] == ' '))
		len--;
	if (len >= size)
		len = size - 1;
	memcpy(value, line, len);
	value[len] = '\0';
	return true;
}

static size_t on_header(char *line, size_t one, size_t len, void *arg)
{
	struct call *c = arg;
	char value[128];

	/* Another head begins: a 100 came before, or a proxy's. */
	if (len > 5 && !strncmp(line, "HTTP/", 5)) {
		c->more = c->ranged = false;
		c->total = 0;
	} else if (header_is(line, len, "Schedrec-More", value, sizeof(value))) {
		c->more = !strcmp(value, "1");
	} else if (header_is(line, len, "Content-Range", value, sizeof(value))) {
		unsigned long long from, to, total;

		c->ranged = sscanf(value, "bytes %llu-%llu/%llu", &from, &to, &total) == 3;
		if (c->ranged) {
			c->range_from = from;
			c->total = total;
		}
	} else if (header_is(line, len, "Content-Length", value, sizeof(value)) && !c->total) {
		crp_length_parse(value, &c->total);
	}
	return len;
}

static int on_progress(void *arg, curl_off_t dltotal, curl_off_t dlnow, curl_off_t ultotal, curl_off_t ulnow)
{
	struct call *c = arg;
	uint64_t done = c->out >= 0 ? c->done : (uint64_t)ulnow, total = c->out >= 0 ? c->total : c->size;
	uint64_t now = now_ns();

	if ((uint64_t)(dlnow + ulnow) != c->moved) {
		c->moved = (uint64_t)(dlnow + ulnow);
		c->moved_ns = now;
	}
	c->stalled = now - c->moved_ns > (c->in >= 0 && c->at == c->size ? LOOK_NS : STALL_NS);
	if (c->watch && c->watch->step && c->watch->step(c->watch->arg, done, total))
		c->stopped = true;
	return c->stopped || c->stalled;
}

/* Calls */

static void set_up(struct call *c, const char *method, const char *url, struct curl_slist *headers)
{
	CURL *e = c->h->curl;

	curl_easy_reset(e);
	curl_easy_setopt(e, CURLOPT_URL, url);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, c->h->tls ? "https" : "http");
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0l);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1l);
	curl_easy_setopt(e, CURLOPT_USERAGENT, "schedrec");
	curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 1l);
	curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 2l);
	curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (c->h->ca)
		curl_easy_setopt(e, CURLOPT_CAINFO, c->h->ca);
	/* A proxy of the environment's would get the token in the clear. */
	if (c->h->direct)
		curl_easy_setopt(e, CURLOPT_PROXY, "");
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT, 20l);
	curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1l);
	curl_easy_setopt(e, CURLOPT_EXPECT_100_TIMEOUT_MS, 5000l);
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, c->why);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, c);
	curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(e, CURLOPT_HEADERDATA, c);
	curl_easy_setopt(e, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(e, CURLOPT_XFERINFODATA, c);
	curl_easy_setopt(e, CURLOPT_NOPROGRESS, 0l);
	curl_easy_setopt(e, CURLOPT_BUFFERSIZE, 262144l);
	if (!strcmp(method, "PUT")) {
		curl_easy_setopt(e, CURLOPT_UPLOAD, 1l);
		curl_easy_setopt(e, CURLOPT_UPLOAD_BUFFERSIZE, 262144l);
		curl_easy_setopt(e, CURLOPT_INFILESIZE_LARGE, (curl_off_t)c->size);
		curl_easy_setopt(e, CURLOPT_READFUNCTION, on_upload);
		curl_easy_setopt(e, CURLOPT_READDATA, c);
		curl_easy_setopt(e, CURLOPT_SEEKFUNCTION, on_seek);
		curl_easy_setopt(e, CURLOPT_SEEKDATA, c);
	} else if (strcmp(method, "GET") != 0) {
		curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, method);
	}
}

static bool may_try_again(CURLcode code, long status)
{
	switch (code) {
	case CURLE_OK:
		return status == 408 || status == 429 || status == 500 || (status >= 502 && status <= 504);
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
	case CURLE_PARTIAL_FILE:
	case CURLE_OPERATION_TIMEDOUT:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_GOT_NOTHING:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_FAIL_REWIND:
	case CURLE_HTTP2:
		return true;
	default:
		return false;
	}
}

/* Longer each time, and not in step with others who wait; what the server asks for counts. */
static void pause_before(struct call *c, unsigned attempt, curl_off_t asked_s)
{
	const struct timespec step = { 0, 100000000 };
	uint64_t ms = (uint64_t)FIRST_PAUSE_MS << attempt;
	uint32_t random = 0;

	if (getrandom(&random, sizeof(random), 0) == sizeof(random))
		ms = ms / 2 + random % (ms / 2 + 1);
	if (asked_s > 0 && (uint64_t)asked_s * 1000 > ms)
		ms = (uint64_t)asked_s * 1000;
	if (ms > LONGEST_PAUSE_MS)
		ms = LONGEST_PAUSE_MS;
	for (uint64_t gone = 0; gone < ms && !c->stopped; gone += 100) {
		nanosleep(&step, NULL);
		if (c->watch && c->watch->step && c->watch->step(c->watch->arg, c->done, c->total))
			c->stopped = true;
	}
}

/* The server's line about it, harmless to a terminal. */
static void first_line(const struct call *c, char *line, size_t size)
{
	size_t n = 0;

	for (; c->text && n + 1 < size && c->text[n] && c->text[n] != '\n'; n++)
		line[n] = c->text[n] < ' ' || c->text[n] > '~' ? '?' : c->text[n];
	line[n] = '\0';
}

static int fail_status(struct call *c)
{
	static const struct {
		long status;
		enum sr_status is;
		const char *text;
	} known[] = {
		{ 400, SR_DAMAGED, "the server does not take this request" },
		{ 401, SR_USAGE, "not authorized: SCHEDREC_TOKEN is to hold a valid token" },
		{ 403, SR_USAGE, "that is not the right token" },
		{ 404, SR_ENVIRONMENT, "it is not there" },
		{ 413, SR_ENVIRONMENT, "too large for this server" },
		{ 422, SR_DAMAGED, "the server has looked at it and does not take it" },
		{ 429, SR_ENVIRONMENT, "the server has too many requests" },
		{ 507, SR_ENVIRONMENT, "the server has no room for it" },
	};
	enum sr_status is = SR_ENVIRONMENT;
	const char *text = "the server answers with an error";
	char line[256];

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (known[i].status == c->status) {
			is = known[i].is;
			text = known[i].text;
		}
	}
	first_line(c, line, sizeof(line));
	return sr_fail(c->err, is, "%s: %s (%ld%s%s)", c->h->store.url, text, c->status, *line ? ": " : "", line);
}

static int fail_curl(struct call *c, CURLcode code)
{
	char line[CURL_ERROR_SIZE];
	size_t n = 0;

	if (c->failed)
		return -1;
	if (c->stopped)
		return sr_fail(c->err, SR_INTERRUPTED, "interrupted");
	if (c->stalled)
		return sr_fail(c->err, SR_ENVIRONMENT, "%s: nothing comes any more", c->h->store.url);
	if (code == CURLE_PEER_FAILED_VERIFICATION)
		return sr_fail(
			c->err, SR_ENVIRONMENT,
			"%s: its certificate is not one to trust (%.200s); CURL_CA_BUNDLE may name the CA's file",
			c->h->store.url, *c->why ? c->why : curl_easy_strerror(code));
	if (code == CURLE_WRITE_ERROR)
		return sr_fail(c->err, SR_DAMAGED, "%s: its answer is too long, or not the part that was asked for",
			       c->h->store.url);
	for (const char *p = *c->why ? c->why : curl_easy_strerror(code); *p && n + 1 < sizeof(line); p++)
		line[n++] = *p < ' ' || *p > '~' ? '?' : *p;
	line[n] = '\0';
	return sr_fail(c->err, SR_ENVIRONMENT, "%s: %s", c->h->store.url, line);
}

/* The headers that all requests have, and these. */
static struct curl_slist *headers_of(const struct http_store *h, const char *const *more)
{
	struct curl_slist *list = NULL, *longer;
	char text[TOKEN_MAX + 32];

	if (h->token) {
		snprintf(text, sizeof(text), "Authorization: Bearer %s", h->token);
		list = curl_slist_append(NULL, text);
		explicit_bzero(text, sizeof(text));
		if (!list)
			return NULL;
	}
	for (; *more; more++) {
		longer = curl_slist_append(list, *more);
		if (!longer) {
			curl_slist_free_all(list);
			return NULL;
		}
		list = longer;
	}
	return list;
}

/* One attempt. */
static CURLcode perform(struct call *c, const char *method, const char *url, const char *const *more)
{
	char range[64], if_range[96];
	const char *list[12] = { NULL };
	struct curl_slist *headers;
	CURLcode code;
	size_t n = 0;

	for (; n < 8 && more[n]; n++)
		list[n] = more[n];
	if (c->out >= 0 && c->done) {
		snprintf(range, sizeof(range), "Range: bytes=%" PRIu64 "-", c->done);
		snprintf(if_range, sizeof(if_range), "If-Range: \"%.64s\"", url + strlen(url) - 64);
		list[n++] = range;
		list[n++] = if_range;
	}
	list[n++] = "Accept-Encoding: identity";
	headers = headers_of(c->h, list);
	if (!headers)
		return CURLE_OUT_OF_MEMORY;
	free(c->text);
	c->text = NULL;
	c->n = 0;
	c->at = c->total = 0;
	c->status = 0;
	c->ranged = c->more = c->begun = c->stalled = false;
	c->moved = 0;
	c->moved_ns = now_ns();
	*c->why = '\0';
	set_up(c, method, url, headers);
	code = curl_easy_perform(c->h->curl);
	curl_easy_getinfo(c->h->curl, CURLINFO_RESPONSE_CODE, &c->status);
	curl_slist_free_all(headers);
	return code;
}

/* As often as it makes sense: 0 with c->status, -1. *repeated: an earlier attempt may have done its work. */
static int call(struct call *c, const char *method, const char *path, const char *const *more, bool *repeated)
{
	unsigned tries = 0;
	CURLcode code;
	char *url;

	if (repeated)
		*repeated = false;
	if (asprintf(&url, "%s%s", c->h->store.url, path) < 0)
		return no_memory(c->err);
	for (;;) {
		uint64_t before = c->done;
		curl_off_t asked = 0;

		code = perform(c, method, url, more);
		if (c->stopped || c->failed || !(c->stalled || may_try_again(code, c->status)))
			break;
		tries = c->done > before ? 0 : tries + 1;
		if (tries >=
		    (code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST ? CONNECT_TRIES : TRIES))
			break;
		if (repeated)
			*repeated |= code != CURLE_OK || c->status >= 500;
		if (code == CURLE_OK)
			curl_easy_getinfo(c->h->curl, CURLINFO_RETRY_AFTER, &asked);
		pause_before(c, tries, asked);
		if (c->stopped)
			break;
	}
	free(url);
	if (code == CURLE_OUT_OF_MEMORY)
		return no_memory(c->err);
	return code != CURLE_OK || c->stopped ? fail_curl(c, code) : 0;
}

static struct call new_call(struct crp_store *s, const struct crp_watch *watch, struct sr_error *err)
{
	return (struct call){
		.h = (struct http_store *)s, .watch = watch ? watch : &s->watch, .err = err, .out = -1, .in = -1
	};
}

static const char *const no_headers[] = { NULL };

/* The store's functions */

static int http_put(struct crp_store *s, int fd, const struct crp_row *row, const struct crp_watch *watch,
		    struct sr_error *err)
{
	struct call c = new_call(s, watch, err);
	const char *more[] = { "If-None-Match: *", "Content-Type: application/vnd.schedrec.srz", NULL, NULL, NULL };
	char path[96], *header = malloc(CRP_ROW_HEADER + 32);
	int ret;

	if (!header)
		return no_memory(err);
	memcpy(header, "Schedrec-Row: ", 14);
	crp_row_wrap(row, header + 14);
	more[2] = header;
	more[3] = row->bytes > EXPECT_BYTES ? "Expect: 100-continue" : "Expect:";
	snprintf(path, sizeof(path), "/v1/objects/%s", row->sha256);
	c.in = fd;
	c.size = row->bytes;
	ret = call(&c, "PUT", path, more, NULL);
	if (!ret)
		ret = c.status == 201 ? 1 : c.status == 200 || c.status == 412 ? 0 : fail_status(&c);
	free(c.text);
	free(header);
	return ret;
}

static int http_get(struct crp_store *s, const char *sha256, int fd, const struct crp_watch *watch,
		    struct sr_error *err)
{
	struct call c = new_call(s, watch, err);
	char path[96], have[SR_SHA256_TEXT];
	int ret;

	c.sha = sr_sha256_new();
	if (!c.sha)
		return no_memory(err);
	c.out = fd;
	snprintf(path, sizeof(path), "/v1/objects/%s", sha256);
	ret = call(&c, "GET", path, no_headers, NULL);
	if (!ret && c.status == 404)
		ret = sr_fail(err, SR_ENVIRONMENT, "%s: has no object %s", s->url, sha256);
	/* 416: what was there of it before is longer than what is there now. */
	else if (!ret && c.status == 416)
		ret = sr_fail(err, SR_DAMAGED, "%s: object %s has changed while it was read", s->url, sha256);
	else if (!ret && c.status != 200 && c.status != 206)
		ret = fail_status(&c);
	if (!ret) {
		sr_sha256_end(c.sha, have);
		if (strcmp(have, sha256) != 0)
			ret = sr_fail(err, SR_DAMAGED, "%s: object %s is damaged: its bytes have the SHA-256 %s",
				      s->url, sha256, have);
	}
	sr_sha256_free(c.sha);
	free(c.text);
	return ret;
}

static int http_find(struct crp_store *s, const char *sha256, struct crp_row *row, struct sr_error *err)
{
	struct call c = new_call(s, NULL, err);
	char path[96];
	int ret;

	snprintf(path, sizeof(path), "/v1/rows/%s", sha256);
	ret = call(&c, "GET", path, no_headers, NULL);
	if (!ret && c.status != 404)
		ret = c.status != 200 ? fail_status(&c) : crp_row_parse(row, c.text ? c.text : "", c.n, err) ? -1 : 1;
	if (ret == 1 && strcmp(row->sha256, sha256) != 0)
		ret = sr_fail(err, SR_DAMAGED, "%s: it answers with the row of another object", s->url);
	free(c.text);
	return ret;
}

/* The terms of a query as text again. */
static int query_text(const struct crp_query *q, char *text, size_t size)
{
	size_t n = 0;

	*text = '\0';
	for (size_t i = 0; i < q->n && n < size; i++) {
		const struct crp_term *t = &q->v[i];
		const char *unit = strcmp(t->key, "duration") ? "" : "ns";
		bool whole = *unit || !strcmp(t->key, "bytes");

		n += (size_t)snprintf(text + n, size - n, "%s%s=", i ? "," : "", t->key);
		if (n >= size)
			break;
		if (t->is_text) {
			n += (size_t)snprintf(text + n, size - n, "%s", t->text);
			continue;
		}
		if (!isinf(t->lo))
			n += (size_t)snprintf(text + n, size - n, whole ? "%.0f%s" : "%.17g%s", t->lo, unit);
		if (n < size)
			n += (size_t)snprintf(text + n, size - n, "..");
		if (n < size && !isinf(t->hi))
			n += (size_t)snprintf(text + n, size - n, whole ? "%.0f%s" : "%.17g%s", t->hi, unit);
	}
	return n < size ? 0 : -1;
}

/* The rows of a page: each goes on after the one before. 1: enough, 0, -1. */
static int take_page(struct call *c, const struct crp_query *q, char after[SR_SHA256_TEXT], uint64_t *left,
		     crp_row_fn fn, void *arg)
{
	struct sr_error *err = c->err;
	struct crp_row row;
	int ret = 0;

	/* Behind a NUL there would be more, for ever. */
	if (c->text && strlen(c->text) != c->n)
		return sr_fail(err, SR_DAMAGED, "%s: its list is not text", c->h->store.url);
	for (char *p = c->text; p && *p && !ret;) {
		char *end = strstr(p, "\n\n");

		if (!end || crp_row_parse(&row, p, (size_t)(end + 1 - p), err))
			return sr_fail(err, SR_DAMAGED, "%s: its list has something in it that is no row",
				       c->h->store.url);
		if (strcmp(row.sha256, after) <= 0)
			return sr_fail(err, SR_DAMAGED, "%s: its list is out of order", c->h->store.url);
		memcpy(after, row.sha256, SR_SHA256_TEXT);
		p = end + 2;
		if (!crp_query_matches(q, &row))
			continue;
		ret = fn(arg, &row, err);
		if (!ret && !--*left)
			ret = 1;
	}
	return ret;
}

static int http_list(struct crp_store *s, const struct crp_query *q, crp_row_fn fn, void *arg, struct sr_error *err)
{
	char text[2048], escaped[6200], path[6400], after[SR_SHA256_TEXT];
	uint64_t left = q->limit ? q->limit : UINT64_MAX;
	struct call c;
	bool any;
	int ret;

	if (query_text(q, text, sizeof(text)) || crp_percent_encode(text, escaped, sizeof(escaped)) >= sizeof(escaped))
		return sr_fail(err, SR_USAGE, "the query is too long");
	memcpy(after, q->after, sizeof(after));
	do {
		c = new_call(s, NULL, err);
		snprintf(path, sizeof(path), "/v1/rows?limit=%" PRIu64 "%s%s%s%s", left < 1000 ? left : 1000,
			 *after ? "&after=" : "", after, *escaped ? "&q=" : "", escaped);
		ret = call(&c, "GET", path, no_headers, NULL);
		if (!ret && c.status != 200)
			ret = fail_status(&c);
		any = c.n > 0;
		if (!ret)
			ret = take_page(&c, q, after, &left, fn, arg);
		free(c.text);
	} while (!ret && c.more && any);
	return ret < 0 ? -1 : 0;
}

static int http_remove(struct crp_store *s, const char *sha256, const char *token, struct sr_error *err)
{
	struct call c = new_call(s, NULL, err);
	const char *more[] = { NULL, NULL };
	char path[96], header[128];
	bool repeated;
	int ret;

	if (strlen(token) != CRP_TOKEN_TEXT - 1 || strpbrk(token, " \t\r\n"))
		return sr_fail(err, SR_USAGE, "a deletion token has %d characters", CRP_TOKEN_TEXT - 1);
	snprintf(header, sizeof(header), "Schedrec-Deletion-Token: %s", token);
	more[0] = header;
	snprintf(path, sizeof(path), "/v1/objects/%s", sha256);
	ret = call(&c, "DELETE", path, more, &repeated);
	if (!ret && c.status == 403)
		ret = sr_fail(err, SR_USAGE, "that is not the deletion token of object %s", sha256);
	else if (!ret && c.status == 404 && !repeated)
		ret = sr_fail(err, SR_ENVIRONMENT, "%s: has no object %s", s->url, sha256);
	else if (!ret && c.status != 204 && c.status != 404)
		ret = fail_status(&c);
	free(c.text);
	explicit_bzero(header, sizeof(header));
	return ret;
}

static void http_close(struct crp_store *s)
{
	struct http_store *h = (struct http_store *)s;

	if (h->curl)
		curl_easy_cleanup(h->curl);
	if (h->token)
		explicit_bzero(h->token, strlen(h->token));
	free(h->token);
	free(h->ca);
	free(s->url);
	free(h);
	curl_global_cleanup();
}

static const struct crp_store_ops http_ops = {
	.put = http_put,
	.get = http_get,
	.find = http_find,
	.list = http_list,
	.remove = http_remove,
	.close = http_close,
};

/* Opening */

static int read_token_file(const char *path, char text[TOKEN_MAX], struct sr_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, text, TOKEN_MAX - 1);

	if (got < 0)
		sr_fail_errno(err, SR_ENVIRONMENT, "SCHEDREC_TOKEN_FILE: %s", path);
	if (fd >= 0)
		close(fd);
	text[got > 0 ? got : 0] = '\0';
	text[strcspn(text, "\r\n")] = '\0';
	return got < 0 ? -1 : 0;
}

static int find_token(struct http_store *h, struct sr_error *err)
{
	const char *env = getenv("SCHEDREC_TOKEN"), *path = getenv("SCHEDREC_TOKEN_FILE");
	char text[TOKEN_MAX] = "";
	int ret = 0;

	if (env && *env) {
		if (strlen(env) >= sizeof(text))
			return sr_fail(err, SR_USAGE, "SCHEDREC_TOKEN is no token: it is too long");
		memcpy(text, env, strlen(env) + 1);
	} else if (path && *path && read_token_file(path, text, err)) {
		return -1;
	}
	for (const char *p = text; *p; p++)
		if (*p <= ' ' || *p > '~')
			ret = sr_fail(err, SR_USAGE, "the token in the environment is none: it has blanks, or worse");
	if (!ret && *text) {
		h->token = strdup(text);
		ret = h->token ? 0 : no_memory(err);
	}
	explicit_bzero(text, sizeof(text));
	return ret;
}

static int find_ca(struct http_store *h, struct sr_error *err)
{
	const char *ca = getenv("CURL_CA_BUNDLE");

	if (!ca || !*ca)
		ca = getenv("SSL_CERT_FILE");
	if (!ca || !*ca)
		return 0;
	if (access(ca, R_OK))
		return sr_fail_errno(err, SR_ENVIRONMENT, "the file of trusted certificates, %s", ca);
	h->ca = strdup(ca);
	return h->ca ? 0 : no_memory(err);
}

static bool is_local(const char *host)
{
	struct in_addr a;

	if (inet_pton(AF_INET, host, &a) == 1)
		return ntohl(a.s_addr) >> 24 == 127;
	return !strcmp(host, "localhost") || !strcmp(host, "[::1]");
}

/* The URL without a slash at its end; a token does not cross the network in the clear. */
static int check_url(struct http_store *h, const char *url, struct sr_error *err)
{
	CURLU *u = curl_url();
	char *host = NULL, *part = NULL;
	size_t len = strlen(url);
	int ret = 0;

	h->tls = !strncasecmp(url, "https://", 8);
	if (!u)
		return no_memory(err);
	if (curl_url_set(u, CURLUPART_URL, url, 0) || curl_url_get(u, CURLUPART_HOST, &host, 0))
		ret = sr_fail(err, SR_USAGE, "%.200s: not a URL", url);
	else if (!curl_url_get(u, CURLUPART_USER, &part, 0) || !curl_url_get(u, CURLUPART_PASSWORD, &part, 0))
		ret = sr_fail(err, SR_USAGE, "a URL has no user and password here: SCHEDREC_TOKEN holds the token");
	else if (!curl_url_get(u, CURLUPART_QUERY, &part, 0) || !curl_url_get(u, CURLUPART_FRAGMENT, &part, 0))
		ret = sr_fail(err, SR_USAGE, "%.200s: a corpus has a URL without ? and #", url);
	else if (h->token && !h->tls && !is_local(host))
		ret = sr_fail(
			err, SR_USAGE,
			"%.200s: the token would cross the network in the clear: use https://, or unset SCHEDREC_TOKEN",
			url);
	h->direct = host && !h->tls && is_local(host);
	curl_free(host);
	curl_free(part);
	curl_url_cleanup(u);
	while (len && url[len - 1] == '/')
		len--;
	if (!ret) {
		h->store.url = strndup(url, len);
		ret = h->store.url ? 0 : no_memory(err);
	}
	return ret;
}

struct crp_store *crp_http_open(const char *url, enum crp_access access, struct sr_error *err)
{
	struct http_store *h;

	if (access == CRP_CREATE) {
		sr_fail(err, SR_USAGE, "%.200s: a corpus that is served is made on its server, in a directory", url);
		return NULL;
	}
	if (curl_global_init(CURL_GLOBAL_DEFAULT)) {
		sr_fail(err, SR_ENVIRONMENT, "libcurl does not start");
		return NULL;
	}
	h = calloc(1, sizeof(*h));
	if (!h) {
		curl_global_cleanup();
		no_memory(err);
		return NULL;
	}
	h->store.ops = &http_ops;
	h->curl = curl_easy_init();
	if (!h->curl)
		no_memory(err);
	else if (!find_token(h, err) && !find_ca(h, err) && !check_url(h, url, err))
		return &h->store;
	http_close(&h->store);
	return NULL;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "corpus/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "corpus/serve_internal.h"

#define FAILURE_WINDOW_NS (60ull * 1000000000)
#define FAILURES_MAX 20 /* wrong tokens of an address in that time */
#define DRAIN_POLL_NS 20000000l

uint64_t crp_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Answers */

void crp_answer_text(struct crp_answer *a, unsigned status, const char *fmt, ...)
{
	va_list ap;
	int n;

	a->status = status;
	a->type = "text/plain; charset=utf-8";
	va_start(ap, fmt);
	n = vasprintf(&a->body, fmt, ap);
	va_end(ap);
	a->size = n > 0 ? (size_t)n : 0;
	if (n < 0)
		a->body = NULL;
}

/* Log: JSON lines. What a client sent is in them only where it was made anew from checked parts. */

static void begin_line(char *line, size_t size, const char *event, const char *remote)
{
	struct timespec now;
	struct tm tm;
	char when[32];

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(line, size, "{\"time\":\"%s.%03ldZ\",\"event\":\"%s\",\"remote\":\"%s\"", when, now.tv_nsec / 1000000,
		 event, remote);
}

static void add_text(char *line, size_t size, const char *key, const char *text)
{
	size_t n = strlen(line);

	if (!*text || n + strlen(key) + 8 >= size)
		return;
	n += (size_t)snprintf(line + n, size - n, ",\"%s\":\"", key);
	for (; *text && n + 4 < size; text++)
		line[n++] = *text < ' ' || *text > '~' || *text == '"' || *text == '\\' ? '?' : *text;
	line[n++] = '"';
	line[n] = '\0';
}

static void end_line(struct crp_server *s, char *line, size_t size)
{
	size_t n = strlen(line);

	if (n + 2 > size)
		return;
	memcpy(line + n, "}", 2);
	pthread_mutex_lock(&s->log_lock);
	if (s->o.log)
		s->o.log(s->o.log_arg, line);
	pthread_mutex_unlock(&s->log_lock);
}

void crp_log_event(struct crp_server *s, const char *event, const char *remote, const char *why)
{
	char line[768];

	begin_line(line, sizeof(line), event, remote);
	add_text(line, sizeof(line), "why", why);
	end_line(s, line, sizeof(line));
}

static void log_request(struct crp_request *r, uint64_t sent, bool whole)
{
	static const char *const names[CRP_TARGETS] = { "other",    "/",         "/entries",     "/entries/",
							"/v1/rows", "/v1/rows/", "/v1/objects/", "/healthz",
							"/metrics", "/style.css" };
	char line[1024], target[96];
	size_t n;

	begin_line(line, sizeof(line), "request", r->remote);
	snprintf(target, sizeof(target), "%s%s", names[r->target], r->sha256);
	add_text(line, sizeof(line), "method", crp_method_name(r->method));
	add_text(line, sizeof(line), "target", target);
	add_text(line, sizeof(line), "token", r->token);
	n = strlen(line);
	snprintf(line + n, sizeof(line) - n,
		 ",\"status\":%u,\"in\":%" PRIu64 ",\"out\":%" PRIu64 ",\"ms\":%" PRIu64 ",\"whole\":%s", r->status,
		 r->got, sent, (crp_now_ns() - r->start_ns) / 1000000, whole ? "true" : "false");
	add_text(line, sizeof(line), "why", r->why);
	end_line(r->s, line, sizeof(line));
}

/* Who may do what */

static struct crp_failure *failure_of(struct crp_server *s, const unsigned char *address)
{
	uint64_t h = 1469598103934665603ull;
	struct crp_failure *f;

	for (int i = 0; i < CRP_ADDRESS; i++)
		h = (h ^ address[i]) * 1099511628211ull;
	f = &s->failures[(h ^ h >> 32) % CRP_FAILURES];
	/* Two addresses of one place: the later one counts anew. */
	if (memcmp(f->address, address, CRP_ADDRESS) != 0 || crp_now_ns() - f->since_ns > FAILURE_WINDOW_NS) {
		memset(f, 0, sizeof(*f));
		memcpy(f->address, address, CRP_ADDRESS);
		f->since_ns = crp_now_ns();
	}
	return f;
}

bool crp_wrong_token(struct crp_request *r, struct crp_answer *a)
{
	struct crp_server *s = r->s;
	bool many;

	pthread_mutex_lock(&s->token_lock);
	many = failure_of(s, r->address)->n++ >= FAILURES_MAX;
	pthread_mutex_unlock(&s->token_lock);
	atomic_fetch_add(&s->count[CRP_C_BAD_TOKENS], 1);
	if (many) {
		crp_answer_text(a, 429, "too many wrong tokens from this address: wait a minute\n");
		a->retry_s = FAILURE_WINDOW_NS / 1000000000;
	}
	return many;
}

bool crp_authorize(struct crp_request *r, const struct crp_head *h, struct crp_upload_token *token,
		   struct crp_answer *a)
{
	const char *text = crp_bearer_parse(h->authorization);
	const struct crp_upload_token *found;
	struct crp_server *s = r->s;
	struct sr_error err;
	bool bad = false;

	if (text) {
		pthread_mutex_lock(&s->token_lock);
		/* A file that cannot be read: what it said before may have been revoked since. */
		if (crp_tokens_reload(&s->tokens, s->o.dir, &err) < 0) {
			crp_tokens_release(&s->tokens);
			bad = true;
		}
		found = crp_tokens_match(&s->tokens, text);
		if (found)
			*token = *found;
		pthread_mutex_unlock(&s->token_lock);
		if (bad) {
			crp_log_event(s, "tokens", r->remote, err.text);
			crp_answer_text(a, 503, "the server cannot read its tokens\n");
			return false;
		}
		if (found) {
			memcpy(r->token, token->id, sizeof(r->token));
			return true;
		}
	}
	if (h->authorization && crp_wrong_token(r, a))
		return false;
	crp_answer_text(a, 401, h->authorization ? "this token is not valid, or was revoked\n" : "a token is needed\n");
	a->auth = "Bearer realm=\"schedrec corpus\"";
	return false;
}

/* Dispatch */

/* What is wrong with the framing of a request, whatever it asks for. */
static bool framing_is_wrong(const struct crp_head *h, struct crp_answer *a)
{
	if (h->transfer_encoding && h->content_lengths)
		crp_answer_text(a, 400, "a request has Content-Length or Transfer-Encoding, not both\n");
	else if (h->content_lengths > 1 || h->doubled)
		crp_answer_text(a, 400, "a header is there more than once\n");
	else
		return false;
	a->close = true;
	return true;
}

static bool has_body(const struct crp_head *h)
{
	uint64_t length;

	return h->transfer_encoding ||
	       (h->content_length && (crp_length_parse(h->content_length, &length) || length > 0));
}

static bool query_is_wrong(enum crp_target target, const struct crp_head *h)
{
	bool rows = target == CRP_T_ROWS, after = rows || target == CRP_T_ENTRIES;

	return h->others || (h->q && !rows) || (h->limit && !rows) || (h->after && !after);
}

static void health(struct crp_request *r, struct crp_answer *a)
{
	if (atomic_load(&r->s->ending))
		crp_answer_text(a, 503, "ending\n");
	else if (!crp_checker_alive(r->s->checker))
		crp_answer_text(a, 503, "the helper that decodes uploads has ended\n");
	else
		crp_answer_text(a, 200, "ok\n");
}

static void get(struct crp_request *r, const struct crp_head *h, struct crp_answer *a)
{
	switch (r->target) {
	case CRP_T_HOME:
		crp_page_home(r, a);
		break;
	case CRP_T_ENTRIES:
		crp_page_entries(r, h, a);
		break;
	case CRP_T_ENTRY:
		crp_page_entry(r, a);
		break;
	case CRP_T_STYLE:
		crp_page_style(r, a);
		break;
	case CRP_T_ROWS:
		crp_rows_get(r, h, a);
		break;
	case CRP_T_ROW:
		crp_row_answer(r, a);
		break;
	case CRP_T_OBJECT:
		crp_object_get(r, h, a);
		break;
	case CRP_T_METRICS:
		crp_metrics(r, a);
		break;
	default:
		health(r, a);
	}
}

int crp_request_begin(struct crp_request *r, const struct crp_head *h, struct crp_answer *a)
{
	struct crp_upload_token token;

	atomic_fetch_add(&r->s->count[CRP_C_REQUESTS], 1);
	r->method = crp_method_parse(h->method);
	r->target = crp_target_parse(h->path, r->sha256);
	if (framing_is_wrong(h, a))
		return 1;
	if (r->target == CRP_T_NONE) {
		crp_answer_text(a, 404, "there is no such resource here\n");
	} else if (!crp_target_takes(r->target, r->method)) {
		crp_answer_text(a, 405, "this resource takes other methods\n");
		a->allow = crp_target_allows(r->target);
	} else if (query_is_wrong(r->target, h)) {
		crp_answer_text(a, 400, "this query has parts that this resource does not know, or some twice\n");
	} else if (r->method == CRP_PUT) {
		if (atomic_load(&r->s->ending)) {
			crp_answer_text(a, 503, "the server is ending\n");
			a->retry_s = 10;
			return 1;
		}
		return crp_upload_begin(r, h, a);
	} else if (has_body(h)) {
		crp_answer_text(a, 413, "this method has no body\n");
		a->close = true;
	} else if (r->method == CRP_DELETE) {
		crp_object_remove(r, h, a);
	} else if (!r->s->o.reads_need_token || r->target == CRP_T_HEALTH || crp_authorize(r, h, &token, a)) {
		get(r, h, a);
	}
	return 1;
}

void crp_request_end(struct crp_request *r, struct crp_answer *a)
{
	crp_upload_end(r, a);
}

void crp_request_release(struct crp_request *r, uint64_t sent, bool whole)
{
	struct crp_server *s = r->s;

	crp_upload_release(r);
	atomic_fetch_add(&s->count[CRP_C_IN], r->got);
	atomic_fetch_add(&s->count[CRP_C_OUT], sent);
	if (r->status >= 100 && r->status < 600)
		atomic_fetch_add(&s->status[r->status / 100], 1);
	/* A probe every second is no news. */
	if (r->target != CRP_T_HEALTH || r->status != 200)
		log_request(r, sent, whole);
}

/* Start and end */

static void init_locks(struct crp_server *s)
{
	pthread_mutex_init(&s->write_lock, NULL);
	pthread_mutex_init(&s->find_lock, NULL);
	pthread_mutex_init(&s->list_lock, NULL);
	pthread_mutex_init(&s->token_lock, NULL);
	pthread_mutex_init(&s->log_lock, NULL);
}

static void release(struct crp_server *s)
{
	crp_checker_free(s->checker);
	crp_close(s->lister);
	crp_close(s->finder);
	crp_close(s->counter);
	crp_close(s->writer);
	if (s->root >= 0)
		close(s->root);
	crp_tokens_release(&s->tokens);
	pthread_mutex_destroy(&s->write_lock);
	pthread_mutex_destroy(&s->find_lock);
	pthread_mutex_destroy(&s->list_lock);
	pthread_mutex_destroy(&s->token_lock);
	pthread_mutex_destroy(&s->log_lock);
	free(s->usage);
	free(s->survey);
	free(s);
}

static int open_stores(struct crp_server *s, struct sr_error *err)
{
	s->writer = crp_dir_open(s->o.dir, CRP_WRITE, err);
	if (s->writer)
		s->counter = crp_dir_open(s->o.dir, CRP_READ, err);
	if (s->counter)
		s->finder = crp_dir_open(s->o.dir, CRP_READ, err);
	if (s->finder)
		s->lister = crp_dir_open(s->o.dir, CRP_READ, err);
	if (!s->lister)
		return -1;
	s->root = open(s->o.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->root < 0)
		return sr_fail_errno(err, SR_ENVIRONMENT, "%s", s->o.dir);
	s->survey = calloc(1, sizeof(*s->survey));
	if (!s->survey)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	return crp_tokens_load(&s->tokens, s->o.dir, err);
}

struct crp_server *crp_serve_start(const struct crp_serve_options *o, struct sr_error *err)
{
	struct crp_server *s = calloc(1, sizeof(*s));
	sigset_t all, before;

	if (!s) {
		sr_fail(err, SR_ENVIRONMENT, "out of memory");
		return NULL;
	}
	s->o = *o;
	s->root = -1;
	s->start_ns = crp_now_ns();
	init_locks(s);
	/* The helper first: it is a copy of a process that has nothing open yet. */
	s->checker = crp_checker_start(&o->check, err);
	if (!s->checker || open_stores(s, err)) {
		release(s);
		return NULL;
	}
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	s->http = crp_http_start(s, err);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!s->http) {
		release(s);
		return NULL;
	}
	crp_log_event(s, "start", "", crp_http_url(s->http));
	return s;
}

const char *crp_serve_url(const struct crp_server *s)
{
	return crp_http_url(s->http);
}

int crp_serve_alive(struct crp_server *s)
{
	return crp_checker_alive(s->checker);
}

unsigned crp_serve_stop(struct crp_server *s, uint64_t grace_ns)
{
	const struct timespec pause = { 0, DRAIN_POLL_NS };
	uint64_t until = crp_now_ns() + grace_ns;
	unsigned cut;

	atomic_store(&s->ending, true);
	crp_http_quiesce(s->http);
	while (crp_http_busy(s->http) && crp_now_ns() < until)
		nanosleep(&pause, NULL);
	crp_checker_end(s->checker);
	cut = crp_http_stop(s->http);
	crp_log_event(s, "end", "", "");
	release(s);
	return cut;
}

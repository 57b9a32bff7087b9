/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parts of the server:
 *
 *	serve_http.c      libmicrohttpd, connections and their deadlines; knows no corpus
 *	serve.c           start and end; which request goes where; who may do what
 *	serve_object.c    objects and rows: upload, download, removal
 *	serve_page.c      what people see
 *	serve_survey.c    the corpus in numbers, for the page and the metrics
 *	serve_check.c     decoding of uploads
 *
 * A request is begun by crp_request_begin with all of its head, which answers it or wants its body; that comes by
 * crp_request_data, and crp_request_end answers. crp_request_release is called in any case. One thread a request.
 */
#ifndef SCHEDREC_CORPUS_SERVE_INTERNAL_H
#define SCHEDREC_CORPUS_SERVE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "corpus/serve.h"
#include "corpus/serve_request.h"
#include "corpus/store.h"
#include "corpus/token.h"

#define CRP_ADDRESS 16    /* bytes: IPv4 mapped into IPv6, IPv6 cut after 64 bits */
#define CRP_ROWS_MAX 1000 /* of one answer */
#define CRP_BODY_MAX (256u << 10)

/* What a client sent. Texts are libmicrohttpd's, valid during crp_request_begin; NULL: not there. */
struct crp_head {
	const char *method, *path;
	const char *authorization, *content_length, *content_encoding, *transfer_encoding, *deletion_token;
	const char *if_match, *if_none_match, *if_range, *range, *row;
	const char *q, *after, *limit;    /* of the query part, as they were sent */
	unsigned content_lengths, others; /* how many there are; other parts of the query, or some twice */
	bool doubled;                     /* one of the headers above is there twice */
};

struct crp_answer {
	unsigned status;
	const char *type; /* of the body */
	char *body;       /* allocated; NULL: none, or fd */
	size_t size;
	int fd; /* -1; else the body is length bytes of it from offset on; of a 304: what it would be */
	uint64_t offset, length;
	uint64_t total;            /* of the object, for Content-Range; 0: none */
	char etag[SR_SHA256_TEXT]; /* "": none */
	const char *allow, *auth;  /* Allow, WWW-Authenticate */
	unsigned retry_s;          /* Retry-After; 0: none */
	bool more, page, close,
		keep; /* Schedrec-More; may use the style; ends the connection; may be kept, and asked for */
};

struct crp_request {
	struct crp_server *s;
	enum crp_method method;
	enum crp_target target;
	char sha256[SR_SHA256_TEXT];
	unsigned char address[CRP_ADDRESS];
	char remote[48]; /* the address for people */
	char token[CRP_UPLOAD_ID];
	/* of an upload */
	struct crp_intake *intake;
	struct crp_row row;
	uint64_t length, got;
	bool reserved;
	unsigned failed; /* status; the rest of the body is thrown away */
	char why[256];
	/* for the log */
	uint64_t start_ns;
	unsigned status;
};

/* All of a contributor. */
struct crp_usage {
	char contributor[33];
	uint64_t bytes, objects;
	uint64_t reserved_bytes, reserved_objects;
	uint64_t counted_ns; /* when bytes and objects were counted; 0: they are not known */
};

enum {
	CRP_C_REQUESTS,
	CRP_C_UPLOADS,
	CRP_C_PRESENT,
	CRP_C_REFUSED,
	CRP_C_REMOVED,
	CRP_C_IN,
	CRP_C_OUT,
	CRP_C_SLOW,
	CRP_C_TURNED_AWAY,
	CRP_C_BAD_TOKENS,
	CRP_C_HTTP_ERRORS,
	CRP_COUNTERS
};

#define CRP_FAILURES 1024
struct crp_failure {
	unsigned char address[CRP_ADDRESS];
	uint64_t since_ns;
	unsigned n;
};

#define CRP_KNOWN 4096

struct crp_survey;
struct crp_http;

struct crp_server {
	struct crp_serve_options o;
	struct crp_store *writer, *counter; /* write_lock */
	struct crp_store *finder, *lister;  /* find_lock, list_lock */
	pthread_mutex_t write_lock, find_lock, list_lock, token_lock, log_lock;
	int root;
	struct crp_tokens tokens; /* token_lock, as the two below */
	struct crp_usage *usage;
	size_t nusage;
	struct crp_failure failures[CRP_FAILURES];
	char known[CRP_KNOWN][SR_SHA256_TEXT]; /* find_lock: objects that have rows, by the first digits of their names */
	struct crp_checker *checker;
	struct crp_survey *survey; /* list_lock */
	struct crp_http *http;
	atomic_bool ending;
	atomic_uint uploads;      /* under way */
	atomic_ullong generation; /* of the corpus */
	atomic_ullong count[CRP_COUNTERS];
	atomic_ullong status[6]; /* answers by hundreds */
	uint64_t start_ns;
};

uint64_t crp_now_ns(void);

/* serve.c */
/* 1: answered, 0: the body is wanted. */
int crp_request_begin(struct crp_request *r, const struct crp_head *h, struct crp_answer *a);
void crp_request_data(struct crp_request *r, const void *data, size_t len);
void crp_request_end(struct crp_request *r, struct crp_answer *a);
/* sent: bytes of the body; whole: the exchange came to its end. */
void crp_request_release(struct crp_request *r, uint64_t sent, bool whole);
/* An answer of one line of text. */
void crp_answer_text(struct crp_answer *a, unsigned status, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Logs an event that belongs to no request. */
void crp_log_event(struct crp_server *s, const char *event, const char *remote, const char *why);
/* The token, or an answer that says no. */
bool crp_authorize(struct crp_request *r, const struct crp_head *h, struct crp_upload_token *token,
		   struct crp_answer *a);
/* Counts one; true: it was one too many of this address, and is answered. A right token is let in all the same, or whoever
 * shares an address could shut others out. */
bool crp_wrong_token(struct crp_request *r, struct crp_answer *a);

/* serve_object.c */
int crp_upload_begin(struct crp_request *r, const struct crp_head *h, struct crp_answer *a);
void crp_upload_end(struct crp_request *r, struct crp_answer *a);
void crp_upload_release(struct crp_request *r);
void crp_object_get(struct crp_request *r, const struct crp_head *h, struct crp_answer *a);
void crp_object_remove(struct crp_request *r, const struct crp_head *h, struct crp_answer *a);
void crp_rows_get(struct crp_request *r, const struct crp_head *h, struct crp_answer *a);
void crp_row_answer(struct crp_request *r, struct crp_answer *a);

/* serve_page.c */
void crp_page_home(struct crp_request *r, struct crp_answer *a);
void crp_page_entries(struct crp_request *r, const struct crp_head *h, struct crp_answer *a);
void crp_page_entry(struct crp_request *r, struct crp_answer *a);
void crp_page_style(struct crp_request *r, struct crp_answer *a);
void crp_metrics(struct crp_request *r, struct crp_answer *a);

/* serve_survey.c */
#define CRP_GROUPS 256  /* different machines, kernels, ... that are told apart */
#define CRP_POINTS 1000 /* of a plot */
struct crp_group {
	char text[128];
	uint64_t traces, bytes;
};
struct crp_groups {
	struct crp_group v[CRP_GROUPS]; /* by number of traces, most first */
	size_t n;
	uint64_t others; /* traces of those that did not fit */
};
struct crp_dot {
	double duration_s, events, cpus;
	unsigned program; /* index in crp_programs */
};
struct crp_survey {
	uint64_t traces, bytes, events, duration_ns, contributors, newest_s;
	struct crp_groups programs, machines, models, kernels, people, licences, cpus;
	struct crp_dot point[CRP_POINTS];
	size_t npoints;
	uint64_t made_ns, took_ns, generation;
};
/* Brings s->survey up to date, at most every few seconds; under list_lock. */
int crp_survey_update(struct crp_server *s, struct sr_error *err);

/* serve_http.c */
struct crp_http *crp_http_start(struct crp_server *s, struct sr_error *err);
const char *crp_http_url(const struct crp_http *h);
unsigned crp_http_connections(struct crp_http *h);
unsigned crp_http_busy(struct crp_http *h); /* of them, those with a request under way */
void crp_http_quiesce(struct crp_http *h);  /* no more connections */
/* Cuts all connections, waits for their threads, frees h. How many had a request under way. */
unsigned crp_http_stop(struct crp_http *h);

#endif

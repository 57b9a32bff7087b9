/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The upload server of a corpus in a directory: HTTP or HTTPS, as PROTOCOL.md says. crp_serve_start makes its threads and
 * returns; they handle no signals. The options' texts stay the caller's and stay valid until the end.
 *
 * What it holds in memory is bounded by the number of connections (about 200 kB each with TLS), not by what they send.
 */
#ifndef SCHEDREC_CORPUS_SERVE_H
#define SCHEDREC_CORPUS_SERVE_H

#include <stdbool.h>
#include <stdint.h>

#include "corpus/serve_check.h"
#include "formats/error.h"

struct crp_serve_options {
	const char *dir;              /* of the store */
	const char *listen;           /* HOST:PORT, [V6]:PORT; port 0: a free one */
	const char *cert_pem;         /* the text of the certificate chain and of its key; NULL: plain HTTP */
	const char *key_pem;          /* */
	const char *licences;         /* SPDX names that are taken, commas between them */
	bool plain_anywhere;          /* plain HTTP also where others than this machine listen */
	bool reads_need_token;        /* and pages, lists and metrics too */
	uint64_t max_object_bytes;    /* of an upload */
	uint64_t spare_bytes;         /* that stay free in the file system */
	uint64_t min_rate;            /* bytes/s, on average, of uploads and downloads */
	uint64_t header_ns;           /* from the connection, or the answer before, to the end of a request's head */
	uint64_t transfer_ns;         /* of one request, whatever its rate */
	unsigned connections;         /* in all */
	unsigned address_connections; /* of an IPv4 address or an IPv6 /64 */
	unsigned token_uploads;       /* of a contributor, at the same time */
	struct crp_check_limits check;
	/* One JSON object without a newline; by several threads, one at a time. */
	void (*log)(void *arg, const char *line);
	void *log_arg;
};

struct crp_server;

/* Before there are other threads. */
struct crp_server *crp_serve_start(const struct crp_serve_options *o, struct sr_error *err);
const char *crp_serve_url(const struct crp_server *s); /* "https://127.0.0.1:8443" */
/* 0: it cannot go on (its helper has ended), and is to be stopped. */
int crp_serve_alive(struct crp_server *s);
/* Takes no more connections and uploads; gives what is under way so long; then ends all and frees s. How many requests
 * were cut. */
unsigned crp_serve_stop(struct crp_server *s, uint64_t grace_ns);

#endif

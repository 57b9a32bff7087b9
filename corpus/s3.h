/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests to S3: signed (AWS signature version 4), with the hash of what is sent, repeated when they fail for a while.
 * An owner of libcurl. Keys are letters, digits, and "-._~/". One thread at a time for each connection.
 */
#ifndef SCHEDREC_CORPUS_S3_H
#define SCHEDREC_CORPUS_S3_H

#include <stddef.h>
#include <stdint.h>

#include "corpus/store.h"

struct s3;

/* endpoint: NULL: AWS's own of the region. session may be NULL. */
struct s3_config {
	const char *endpoint, *region, *key, *secret, *session, *bucket;
};
/* watch: asked during every request; stays valid. */
struct s3 *s3_open(const struct s3_config *config, const struct crp_watch *watch, struct sr_error *err);
void s3_close(struct s3 *s); /* NULL is allowed */

/* An answer that says no is SR_ENVIRONMENT, and the text tells what it says. */
/* 1, 0 there is no such key, -1. data: allocated, with a NUL behind its len bytes; more than max is SR_DAMAGED. */
int s3_get(struct s3 *s, const char *key, size_t max, char **data, size_t *len, struct sr_error *err);
/* The bytes go to take, which returns -1 with *err to end it. 1, 0, -1. A connection that breaks is taken up again where
 * it ended. */
typedef int (*s3_take_fn)(void *arg, const void *data, size_t len, struct sr_error *err);
int s3_get_stream(struct s3 *s, const char *key, s3_take_fn take, void *arg, struct sr_error *err);
/* 1: stored; 0: once is set and the key is there; -1. */
int s3_put(struct s3 *s, const char *key, const void *data, size_t len, bool once, struct sr_error *err);
/* The bytes of a file whose SHA-256 is sha256: the server compares, and other bytes are SR_DAMAGED. */
int s3_put_file(struct s3 *s, const char *key, int fd, uint64_t bytes, const char *sha256, bool once,
		const struct crp_watch *watch, struct sr_error *err);
int s3_delete(struct s3 *s, const char *key, struct sr_error *err); /* 0 also when it is not there */
/* Keys that begin with prefix and are greater than after (NULL: all), in ascending order; returns as crp_row_fn. */
typedef int (*s3_key_fn)(void *arg, const char *key, uint64_t bytes, struct sr_error *err);
int s3_list(struct s3 *s, const char *prefix, const char *after, s3_key_fn fn, void *arg, struct sr_error *err);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Upload tokens of a directory store: DIR/tokens, one line a token, with the SHA-256 of the token's text and never the
 * text itself. Whoever has the text may upload as that contributor, within the token's quota, until it is revoked.
 *
 * The file is replaced as a whole (written beside, synced, renamed) under a lock, so that commands and a running server
 * can use it at the same time. It is read anew when it has changed. A file that others may write is refused.
 * Errors: SR_USAGE a wrong name or a token that is not there, SR_DAMAGED a line that is none, SR_ENVIRONMENT the rest.
 */
#ifndef SCHEDREC_CORPUS_TOKEN_H
#define SCHEDREC_CORPUS_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "formats/digest.h"
#include "formats/error.h"

/* "srt_" ID "_" SECRET: 16 hexadecimal digits, 43 characters of the base64url alphabet. */
#define CRP_UPLOAD_ID 17
#define CRP_UPLOAD_TOKEN 65

struct crp_upload_token {
	char id[CRP_UPLOAD_ID];
	char sha256[SR_SHA256_TEXT]; /* of the token's text */
	char contributor[33];        /* of all that is uploaded with it */
	char name[64];               /* whose it is, for people: printable ASCII */
	uint64_t max_bytes, max_objects;
	uint64_t made_s, revoked_s; /* s since 1970; revoked_s 0: it is valid */
};

struct crp_tokens {
	struct crp_upload_token *v;
	size_t n;
	/* which version of the file this is */
	uint64_t ino, size, mtime_s, mtime_ns;
};

bool crp_upload_token_is_one(const char *text);

/* Reads DIR/tokens; none is an empty list. */
int crp_tokens_load(struct crp_tokens *t, const char *dir, struct sr_error *err);
/* The same if it is another file than that of last time: 1 read, 0 unchanged, -1 (what was read before stays). */
int crp_tokens_reload(struct crp_tokens *t, const char *dir, struct sr_error *err);
void crp_tokens_release(struct crp_tokens *t);
/* The valid token with this text, NULL: there is none. In a time that does not tell how much of it is right. */
const struct crp_upload_token *crp_tokens_match(const struct crp_tokens *t, const char *text);

/* Adds one: name, quota and contributor ("": a new one) are the caller's, the rest is filled in. text is what its owner
 * gets, and nobody again. */
int crp_token_add(const char *dir, struct crp_upload_token *token, char text[CRP_UPLOAD_TOKEN], struct sr_error *err);
int crp_token_revoke(const char *dir, const char *id, struct sr_error *err);

#endif

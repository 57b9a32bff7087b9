/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a client's request may look like: URLs, queries, conditions, ranges, credentials. PROTOCOL.md is the normative
 * description. Every byte is hostile: what these functions let through was made anew from checked parts, never copied.
 * No state, no ownership; any thread.
 */
#ifndef SCHEDREC_CORPUS_SERVE_REQUEST_H
#define SCHEDREC_CORPUS_SERVE_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "corpus/row.h"
#include "corpus/token.h"

enum crp_method { CRP_GET, CRP_HEAD, CRP_PUT, CRP_DELETE, CRP_OTHER_METHOD };
enum crp_target {
	CRP_T_NONE,    /* no such resource */
	CRP_T_HOME,    /* / */
	CRP_T_ENTRIES, /* /entries */
	CRP_T_ENTRY,   /* /entries/<64 hex> */
	CRP_T_ROWS,    /* /v1/rows */
	CRP_T_ROW,     /* /v1/rows/<64 hex> */
	CRP_T_OBJECT,  /* /v1/objects/<64 hex> */
	CRP_T_HEALTH,  /* /healthz */
	CRP_T_METRICS, /* /metrics */
	CRP_T_STYLE,   /* /style.css */
	CRP_TARGETS,
};

enum crp_method crp_method_parse(const char *text);
const char *crp_method_name(enum crp_method m);
/* The path alone, not decoded: a "%" is in no resource's name. sha256 is "" where the target has none. */
enum crp_target crp_target_parse(const char *path, char sha256[SR_SHA256_TEXT]);
/* Which methods a target knows, as Allow says it. */
const char *crp_target_allows(enum crp_target t);
bool crp_target_takes(enum crp_target t, enum crp_method m);

/* "%41" to "A": 0, -1 for what is no such text, is too long, or has control characters. */
int crp_percent_decode(const char *text, char *out, size_t size);
/* Everything but letters, digits and "-._~" is escaped. Returns the length it would have; size 0: only that. */
size_t crp_percent_encode(const char *text, char *out, size_t size);
/* A limit of rows: 1 to max, digits only; 0: it is wrong. */
uint64_t crp_limit_parse(const char *text, uint64_t max);

/* Decimal digits only, below 2^63; -1 otherwise. */
int crp_length_parse(const char *text, uint64_t *v);

/* Does If-None-Match name this object? The tag is the quoted sha256; "*" names everything. */
bool crp_etag_matches(const char *header, const char *sha256);
bool crp_etag_differs(const char *header, const char *sha256); /* is there an If-Match, and does it not? */
bool crp_etag_is(const char *header, const char *sha256);      /* exactly this strong tag: for If-Range */

/* A Range header over size bytes: 1 that one range, 0 send everything (no range, several, another unit, or not
 * understood: a server may ignore it), -1 not satisfiable. */
int crp_range_parse(const char *header, uint64_t size, uint64_t *first, uint64_t *length);

/* "Bearer TOKEN": the token, NULL: it is none. It points into the header. */
const char *crp_bearer_parse(const char *header);

/* A row in a header: base64url without padding. 0, -1. */
int crp_row_unwrap(struct crp_row *row, const char *header, struct sr_error *err);
#define CRP_ROW_HEADER ((CRP_ROW_TEXT * 4 + 2) / 3 + 1)
void crp_row_wrap(const struct crp_row *row, char header[CRP_ROW_HEADER]);

#endif

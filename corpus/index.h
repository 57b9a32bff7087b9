/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The index: manifest rows in sixteen SQLite files, a row's by the first digit of its sha256, so that writers seldom
 * wait for each other and a file stays small. Texts that many rows share (machines, kernels) are kept once a file, and
 * a query's globs look at those only.
 *
 * The files are in rollback mode: a reader needs no right to write, and a network file system will do. Whatever they
 * hold is checked when it is read: a file that was tampered with is SR_DAMAGED. One thread at a time.
 */
#ifndef SCHEDREC_CORPUS_INDEX_H
#define SCHEDREC_CORPUS_INDEX_H

#include "corpus/row.h"
#include "corpus/store.h"

struct crp_index;

/* dir exists. CRP_CREATE and CRP_WRITE make the files that are missing; for CRP_READ a missing file has no rows. */
struct crp_index *crp_index_open(const char *dir, enum crp_access access, struct sr_error *err);
void crp_index_close(struct crp_index *ix); /* NULL is allowed; what crp_index_begin began is undone */
/* Asked (0 of 0) while rows are looked for: not 0 ends list, pages and points with SR_INTERRUPTED. It stays the caller's and
 * valid; NULL, or one without step, is allowed. */
void crp_index_watch(struct crp_index *ix, const struct crp_watch *watch);

/* Durable when it returns, unless between crp_index_begin and crp_index_commit, which make many changes one step a
 * file. crp_index_add: 1 added, 0 there is a row of that object already (it stays), -1. crp_index_remove: 1, 0, -1. */
int crp_index_add(struct crp_index *ix, const struct crp_row *row, struct sr_error *err);
int crp_index_remove(struct crp_index *ix, const char *sha256, struct sr_error *err);
void crp_index_begin(struct crp_index *ix);
int crp_index_commit(struct crp_index *ix, struct sr_error *err);

int crp_index_find(struct crp_index *ix, const char *sha256, struct crp_row *row, struct sr_error *err); /* 1, 0, -1 */
/* In ascending order of sha256. fn may use the index, but must not change it. */
int crp_index_list(struct crp_index *ix, const struct crp_query *q, crp_row_fn fn, void *arg, struct sr_error *err);
/* The same, page by page: fn may take its time, which keeps no writer waiting, and may change the index. */
int crp_index_pages(struct crp_index *ix, const struct crp_query *q, crp_row_fn fn, void *arg, struct sr_error *err);
int crp_index_count(struct crp_index *ix, const struct crp_query *q, uint64_t *n, struct sr_error *err);

/* What sampling looks at, of the rows that match, in ascending order. Valid during the call. */
struct crp_point {
	char sha256[SR_SHA256_TEXT];
	uint32_t contributor; /* numbered from 0 by first appearance */
	uint32_t cpus;
	uint64_t duration_ns;
	size_t n;
	uint16_t feature[CRP_FEATURES]; /* numbers of crp_index_feature */
	float value[CRP_FEATURES];
};
typedef int (*crp_point_fn)(void *arg, const struct crp_point *p, struct sr_error *err);
int crp_index_points(struct crp_index *ix, const struct crp_query *q, crp_point_fn fn, void *arg, struct sr_error *err);
const char *crp_index_feature(const struct crp_index *ix, unsigned i); /* its name; NULL: there is none */

/* Small texts kept beside the rows, for whoever keeps the index up to date from elsewhere. get: 1, 0, -1. */
int crp_index_note_get(struct crp_index *ix, const char *key, char *value, size_t size, struct sr_error *err);
int crp_index_note_set(struct crp_index *ix, const char *key, const char *value, struct sr_error *err);

/* SQLite's own check of each file. */
int crp_index_check(struct crp_index *ix, crp_finding_fn fn, void *arg, struct sr_error *err);

#endif

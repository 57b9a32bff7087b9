/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stores of traces: one interface for a directory, an HTTP(S) server and S3.
 *
 * An object is named by the SHA-256 of its bytes, is written once and never changed; its manifest row (row.h) comes
 * with it. Where objects have paths they lie at sha256/<first 2 digits>/<64 digits>.
 *
 * Errors: SR_USAGE a URL or a token that is wrong; SR_ENVIRONMENT what is not there, not reachable, not allowed, full;
 * SR_DAMAGED an object whose bytes are not what its name says, a row or answer that is none.
 *
 * One thread at a time for each store; several processes may use one store at the same time.
 */
#ifndef SCHEDREC_CORPUS_STORE_H
#define SCHEDREC_CORPUS_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "corpus/row.h"

/* How far a transfer is, told every now and then; not 0 ends it, with SR_INTERRUPTED. total 0: not known. A NULL
 * watch, or one without step, is allowed. */
struct crp_watch {
	int (*step)(void *arg, uint64_t done, uint64_t total);
	void *arg;
};

enum crp_access {
	CRP_READ,
	CRP_WRITE,  /* put, remove; sweeps what a crash has left */
	CRP_CREATE, /* makes the store where there is none, then as CRP_WRITE; for `corpus init` */
};

/* Each row in ascending order of its sha256: 0 go on, 1 enough, -1 with *err. The row is the store's. */
typedef int (*crp_row_fn)(void *arg, const struct crp_row *row, struct sr_error *err);
/* One of a sample. */
struct crp_pick {
	struct crp_row row;
	double weight; /* how many traces it stands for, contributors tempered (sample.h); all picks' together: all traces */
	uint64_t traces; /* how many it stands for as they are */
	double spread;   /* their mean distance from it, in quartile ranges of a feature; 0: they are all alike */
};
/* Returns as crp_row_fn. The pick is the store's. */
typedef int (*crp_pick_fn)(void *arg, const struct crp_pick *pick, struct sr_error *err);
/* Something that verify found: of an object ("" of the store). */
typedef int (*crp_finding_fn)(void *arg, const char *sha256, const char *what, struct sr_error *err);

struct crp_store;

/* What a kind of store does. Each implementation has a struct that begins with struct crp_store. */
struct crp_store_ops {
	/*
	 * Stores the bytes of fd from its beginning (a regular file, opened for reading) under row->sha256. 1: stored;
	 * 0: it was there already, with its row, and nothing was changed; -1. The store proves that the bytes have that
	 * hash, or has the server prove it: other bytes are SR_DAMAGED and leave nothing. Either the object and its row
	 * are both durable in the end or neither is seen by anybody; repeating it after any failure is safe.
	 */
	int (*put)(struct crp_store *s, int fd, const struct crp_row *row, const struct crp_watch *watch,
		   struct sr_error *err);
	/* Writes the object's bytes to fd, from where it stands. Bytes with another hash: SR_DAMAGED (they may have been
	 * written by then); no such object: SR_ENVIRONMENT. */
	int (*get)(struct crp_store *s, const char *sha256, int fd, const struct crp_watch *watch,
		   struct sr_error *err);
	/* The row of one object: 1, 0 there is none, -1. */
	int (*find)(struct crp_store *s, const char *sha256, struct crp_row *row, struct sr_error *err);
	/* The rows that match; the end of q->limit and a fn that returns 1 are a success. */
	int (*list)(struct crp_store *s, const struct crp_query *q, crp_row_fn fn, void *arg, struct sr_error *err);
	/* Removes an object and its row. A wrong token is SR_USAGE, no such object SR_ENVIRONMENT. */
	int (*remove)(struct crp_store *s, const char *sha256, const char *token, struct sr_error *err);
	/* What is wrong in the store beside the objects that have rows (an object without a row, a row without an
	 * object, a damaged index); 0 also when it found something. NULL: nothing to look at. */
	int (*check)(struct crp_store *s, crp_finding_fn fn, void *arg, struct sr_error *err);
	/* The store itself chooses a sample (sample.h), in ascending order of sha256. NULL: the caller does, from list. */
	int (*sample)(struct crp_store *s, const struct crp_query *q, unsigned n, crp_pick_fn fn, void *arg,
		      struct sr_error *err);
	void (*close)(struct crp_store *s);
};

struct crp_store {
	const struct crp_store_ops *ops;
	char *url; /* as it is to be shown: without a password */
	struct crp_watch
		watch; /* the caller's, set after opening: asked (0 of 0) during long work that has none of its own */
};

/* url: a directory, http(s)://HOST[:PORT][/PATH], s3://BUCKET[/PREFIX]. A directory that is no corpus is SR_ENVIRONMENT
 * unless access is CRP_CREATE; one that has other things in it is never made one. */
struct crp_store *crp_open(const char *url, enum crp_access access, struct sr_error *err);
void crp_close(struct crp_store *s); /* NULL is allowed */
/* Has the directory a corpus's mark, whole or not? What it says is for crp_open. */
bool crp_dir_is_corpus(const char *path);

/* The kinds. Called by crp_open with the whole URL. */
struct crp_store *crp_dir_open(const char *path, enum crp_access access, struct sr_error *err);
struct crp_store *crp_s3_open(const char *url, enum crp_access access, struct sr_error *err);
struct crp_store *crp_http_open(const char *url, enum crp_access access, struct sr_error *err);

/* Through the store's own functions, with their arguments checked first. */
int crp_put(struct crp_store *s, int fd, const struct crp_row *row, const struct crp_watch *watch,
	    struct sr_error *err);
int crp_get(struct crp_store *s, const char *sha256, int fd, const struct crp_watch *watch, struct sr_error *err);
int crp_find(struct crp_store *s, const char *sha256, struct crp_row *row, struct sr_error *err);
int crp_list(struct crp_store *s, const struct crp_query *q, crp_row_fn fn, void *arg, struct sr_error *err);
int crp_remove(struct crp_store *s, const char *sha256, const char *token, struct sr_error *err);

/*
 * Re-hashes and decodes every object that matches (NULL: all) and looks at what else the store has; each finding is
 * told. *objects: those looked at. 0 also when something was found; -1: it could not go on.
 */
int crp_verify(struct crp_store *s, const struct crp_query *q, const char *scratch_dir, const struct crp_watch *watch,
	       crp_finding_fn fn, void *arg, uint64_t *objects, struct sr_error *err);
/* Decodes all of a trace within the format's limits, and compares what the row says of it (row NULL: nothing). */
int crp_check_trace(const char *path, const struct crp_row *row, struct sr_error *err);
/* The same of a trace that is open, for who may open nothing any more. */
struct srz_reader;
int crp_check_reader(struct srz_reader *r, const struct crp_row *row, struct sr_error *err);

/* A file's name that nobody foresees and no other process has: 16 hexadecimal digits between before and after. */
int crp_random_name(char *name, size_t size, const char *before, const char *after, struct sr_error *err);

/* 0, or -1 with errno: then a part may have been written. */
int crp_write_all(int fd, const void *data, size_t len);

/* A deletion token, 43 characters of the base64url alphabet, and its hash, which is what the store keeps. */
#define CRP_TOKEN_TEXT 44
int crp_token_new(char token[CRP_TOKEN_TEXT], char sha256[SR_SHA256_TEXT], struct sr_error *err);
/* Does the token have this hash? In constant time; false for "". */
bool crp_token_matches(const char *token, const char *sha256);

/*
 * Intake into a directory store for who gets the bytes piece by piece (the server): begin, write..., seal, look at the
 * file at crp_intake_path (quarantine: nobody else sees it), commit or abort. The bytes lie in the store's own file
 * system and are hashed as they come; commit makes them durable, gives them their name without replacing anything,
 * then writes the row. What a crash leaves is removed by the next crp_open for writing.
 */
struct crp_intake;
struct crp_intake *crp_intake_begin(struct crp_store *dir, struct sr_error *err);
int crp_intake_write(struct crp_intake *in, const void *data, size_t len, struct sr_error *err);
/* No more bytes: their hash and number. */
int crp_intake_seal(struct crp_intake *in, char sha256[SR_SHA256_TEXT], uint64_t *bytes, struct sr_error *err);
const char *crp_intake_path(const struct crp_intake *in);
/* 1 stored, 0 it was there already, -1. row->sha256 and row->bytes must be those of the bytes. Frees in in any case. */
int crp_intake_commit(struct crp_intake *in, const struct crp_row *row, struct sr_error *err);
void crp_intake_abort(struct crp_intake *in); /* frees; NULL is allowed */

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the commands of a corpus share. */
#ifndef SCHEDREC_CORPUS_CMD_CORPUS_H
#define SCHEDREC_CORPUS_CMD_CORPUS_H

#include "corpus/scrub.h"
#include "corpus/store.h"
#include "schedrec.h"

#define CORPUS_CONSENT 1 /* version of the text that is agreed to */
#define CORPUS_URL_HELP                                                                                               \
	"URL is a directory, http(s)://HOST[:PORT][/PATH], or s3://BUCKET[/PREFIX] with the usual "                   \
	"AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION and AWS_ENDPOINT_URL. Pushing to a " \
	"server takes a token of its owner's in SCHEDREC_TOKEN, or in a file that SCHEDREC_TOKEN_FILE names; "        \
	"CURL_CA_BUNDLE names the certificates to trust instead of the system's."
#define CORPUS_QUERY_HELP                                                                                            \
	"QUERY is one or more KEY=GLOB or KEY=LO..HI, all of which must hold: the texts sha256 (its beginning), "    \
	"machine, "                                                                                                  \
	"cpu_model, arch, kernel, program, licence, contributor, scope and engine, the numbers cpus, nodes, bytes, " \
	"duration, events, lost and tasks, and every feature that show lists. A glob without * may match anywhere, " \
	"and "                                                                                                       \
	"either end of a range may be missing: kernel=6.* cpus=4..16 duration=1s.. switch_rate=1000..5000"

/* What a trace says of itself, for its manifest row: everything but licence, consent, contributor, token and program.
 * The same for who pushes it and for who takes it in. */
int corpus_describe(const char *path, struct crp_row *row, struct sr_error *err);
struct srz_reader;
int corpus_describe_reader(struct srz_reader *r, struct crp_row *row, struct sr_error *err); /* without the name */

/* Files of the user: PATH in $XDG_CONFIG_HOME/schedrec, or in $XDG_CACHE_HOME/schedrec; allocated. */
char *corpus_config_path(const char *name, struct sr_error *err);
char *corpus_cache_path(const char *name, struct sr_error *err);
int corpus_make_dir(const char *path, struct sr_error *err); /* and those above it, for the user only */
/* The contributor's secret salt, made when it is asked for first. */
int corpus_salt(unsigned char salt[CRP_SALT], struct sr_error *err);
/* The licence that was agreed to once: 1, 0 nothing was, -1. */
int corpus_consent_get(char *licence, size_t size, struct sr_error *err);
int corpus_consent_set(const char *licence, struct sr_error *err);
/* Deletion tokens of what was pushed. get: of this object there: 1, 0, -1. One of another corpus is not told: it would
 * open nothing but there. */
int corpus_token_keep(const char *url, const char *sha256, const char *token, struct sr_error *err);
int corpus_token_get(const char *url, const struct crp_row *row, char token[CRP_TOKEN_TEXT], struct sr_error *err);

/* A query of operands, each one or more terms. */
int corpus_query(struct crp_query *q, int n, char **terms, struct sr_error *err);
/* What matches, in ascending order of the names: a sample of so many (sample.h), or with 0 each one, of weight 1. */
int corpus_choose(struct crp_store *s, const struct crp_query *q, uint64_t sample, crp_pick_fn fn, void *arg,
		  struct sr_error *err);
/* The object's file in the user's cache, the caller's to free; fetched if need be, and its hash compared with its name.
 * 1: fetched, 0: it was there, -1. quiet NULL: no progress. */
int corpus_fetch(struct crp_store *s, const char *sha256, bool *quiet, char **path, struct sr_error *err);
/* The object of a name that may be cut short while it is unique. */
int corpus_name(struct crp_store *s, const char *name, struct crp_row *row, struct sr_error *err);
/* Members of a row in an object that is open. */
void corpus_row_json(struct cmd_json *j, const struct crp_row *row);
void corpus_row_line(FILE *f, const struct crp_row *row); /* NULL: the heading */
struct crp_watch corpus_watch(bool *quiet);               /* progress on the terminal (NULL: none); a signal ends it */

#endif

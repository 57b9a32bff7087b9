/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the parts of `nightly` share: cmd_nightly.c (options, the course of all), cmd_nightly_corpus.c (which traces
 * there are), cmd_nightly_run.c (the rounds, each in a process of its own), cmd_nightly_text.c and cmd_nightly_data.c
 * (what is written of them).
 */
#ifndef SCHEDREC_ANALYZE_CMD_NIGHTLY_H
#define SCHEDREC_ANALYZE_CMD_NIGHTLY_H

#include "analyze/nightly.h"
#include "formats/digest.h"
#include "schedrec.h"

#define NIGHTLY_VERDICTS 8
#define NIGHTLY_DOUBTS 12 /* doubts that are told at a place; all are in nightly.json */

struct nightly_options {
	const char *corpus, *db, *policy, *baseline, *engine, *machine, *shard, *out, *label, *noisy;
	const char *kcidb_origin, *kcidb_build;
	struct sr_strings extra, metrics, merge, query;
	uint64_t sample, repeat, jobs, limit, quiet_wait, min_segment;
	double margin, max_busy;
	bool strict, json, quiet, resume;
};

/* ---- the corpus: the one place that knows where traces are ---- */

struct nightly_source {
	char sha256[SR_SHA256_TEXT];
	char *name;      /* for people */
	char *path;      /* in a directory of files; NULL: an object of the store */
	double weight;   /* of a sample; 0: all are there */
	uint64_t traces; /* of a sample: how many it stands for */
};
struct crp_store;
struct nightly_corpus {
	struct crp_store *store;  /* NULL: a directory of files */
	struct nightly_source *v; /* each content once, by name */
	size_t n, cap;
};
/* A store of objects (corpus/store.h), what --query and --sample leave of it; else a directory: every .srz file in it
 * and below. */
int nightly_corpus_list(const struct nightly_options *o, struct nightly_corpus *out, struct sr_error *err);
/* The picks of a night that is gone on with, in place of those that the corpus would give now. */
int nightly_corpus_keep(struct nightly_corpus *c, const struct ana_night_traces *picks, struct sr_error *err);
/* A local file with the trace, to be freed; an object's lies in the user's cache, its hash just compared. */
int nightly_corpus_pull(const struct nightly_corpus *c, const struct nightly_source *s, bool quiet, char **path,
			struct sr_error *err);
/* As it may be shown: without a password. */
const char *nightly_corpus_url(const struct nightly_corpus *c, const struct nightly_options *o);
void nightly_corpus_release(struct nightly_corpus *c);

/* Which of n shards (from 1 on) a trace belongs to: by its content, so wherever and whenever it is asked. */
unsigned nightly_shard_of(const char *sha256, unsigned shards);

/* ---- the rounds ---- */

struct nightly_job {
	const struct nightly_options *o;
	struct ana_db *db;
	struct ana_night night;
	struct nightly_corpus corpus;
	struct ana_host host; /* as the first round found it */
	unsigned shard, shards;
	bool live;
	int lock; /* of live measurements; -1: none */
	char temp_dir[48];
	bool *failed; /* by trace: not tried again */
	size_t done, total;
};
/* All rounds that are not done yet; 0 also when it was interrupted (cmd_signal). */
int nightly_run(struct nightly_job *j, struct sr_error *err);
/* Under sudo the database, the files and the corpus are the user's who called it; only what runs the rounds is root. */
void nightly_be_user(void);
void nightly_be_root(void);
/* "host boot pid start": of this process; is there one? */
void nightly_owner(char *buf, size_t len);
bool nightly_alive(const char *owner);
void nightly_now(char buf[32], double seconds_ago);

/* ---- what is told ---- */

struct nightly_report {
	const struct nightly_options *o;
	struct ana_db *db;
	const struct ana_night *night;
	struct ana_night_traces traces;
	struct ana_night_verdicts v;
	unsigned shard, shards;
	char machine_key[9]; /* of this host */
	char *machine;       /* uname -m */
	char *kernel_build;  /* uname -v */
	size_t verdicts[NIGHTLY_VERDICTS];
	size_t overall_regressed;        /* metrics of a policy over all traces */
	size_t changes, changes_counted; /* over the nights: new ones; those that count as regressions */
	size_t rounds, rounds_done, rounds_noisy, ntraces, failed, noisy;
	size_t picks;                         /* traces of a sample, */
	uint64_t stand_for, stand_for_failed; /* and how many of the corpus they, and those that failed, stand for */
	int status;
};
void nightly_count(struct nightly_report *r);
bool nightly_is_mine(const struct nightly_report *r, const char *sha256); /* of the shard */
/* "5.1%"; buf >= 32. */
const char *nightly_per_cent(char *buf, size_t len, double v);
/* ", +3 rounds": about so many more would give a verdict; "": there is one, or no more rounds will. buf >= 48. */
const char *nightly_needs(char *buf, size_t len, const struct ana_cell *c);
const char *nightly_cell_policy(const struct nightly_report *r, size_t arm);
const char *nightly_trace_name(const struct nightly_report *r, const char *sha256);

typedef int (*nightly_write_fn)(const struct nightly_report *r, FILE *f, struct sr_error *err);
void nightly_text(const struct nightly_report *r, FILE *f); /* for people, 100 columns */
int nightly_markdown(const struct nightly_report *r, FILE *f, struct sr_error *err);
int nightly_html(const struct nightly_report *r, FILE *f, struct sr_error *err);
int nightly_json(const struct nightly_report *r, FILE *f, struct sr_error *err);
int nightly_junit(const struct nightly_report *r, FILE *f, struct sr_error *err);
int nightly_kcidb(const struct nightly_report *r, FILE *f, struct sr_error *err);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Nights: a corpus under several policies in so many rounds, kept in the database so that what is done is done, and
 * what their results say beside a baseline and beside the nights before.
 *
 * A night has a label of its own, which its runs have too. The unit of work is a round of a trace: one run of each
 * policy (an arm), stored by another process under a label of its own (a tag) and then taken over in one transaction
 * (ana_night_link). Whatever is killed when: a round is either there, whole, or not; what was never taken over is
 * swept away. So the state of a night is what is in the database, and nothing else.
 *
 * Everything returned is the caller's; release functions allow zeroed structs. Errors as in analyze.h.
 */
#ifndef SCHEDREC_ANALYZE_NIGHTLY_H
#define SCHEDREC_ANALYZE_NIGHTLY_H

#include "analyze/analyze.h"

struct ana_night {
	int64_t id;
	char *label, *spec, *engine, *kernel, *started_at;
	char *finished_at; /* NULL: not yet, or there are shards to come */
	size_t rounds;
	char **arms; /* policies as they were given */
	size_t narms;
	unsigned shard, shards; /* what of it this process works at; 0: ana_night_load */
};
void ana_night_release(struct ana_night *n);

struct ana_night_plan {
	const char *label;      /* NULL: automatic */
	const char *auto_label; /* ".2", ".3", ... is added where it is taken; no comma in it */
	const char *spec;       /* whatever makes two nights different things, as text */
	const char *engine, *kernel;
	const char *const *arms;
	size_t narms, rounds;
	unsigned shard, shards; /* 1 of 1: all */
	const char *now,
		*not_before; /* ISO 8601 UTC; an unfinished night that began before not_before is not gone on with */
	const char *owner;   /* tells this process from all others */
	bool only_resume;    /* begin none: then *out is zeroed where there is none to go on with */
	bool (*alive)(const char *owner); /* does the process that had a shard still run? */
};
/*
 * Goes on with the night of that label; without a label with the last unfinished one of the same spec. Begins a new one
 * where there is none. A label that has another spec, or runs that are no night's: SR_USAGE. A shard that another
 * process works at: SR_ENVIRONMENT. *resumed: there was one.
 */
int ana_night_begin(struct ana_db *db, const struct ana_night_plan *plan, struct ana_night *out, bool *resumed,
		    struct sr_error *err);
/* The night of a label, NULL: the last one. */
int ana_night_load(struct ana_db *db, const char *label, struct ana_night *out, struct sr_error *err);

struct ana_night_trace;
/* All or none; of each the name, sha256, and with a weight above 0 weight and traces. */
int ana_night_add_traces(struct ana_db *db, const struct ana_night *n, const struct ana_night_trace *v, size_t count,
			 struct sr_error *err);
/* done: n->rounds of them. */
int ana_night_done(struct ana_db *db, const struct ana_night *n, const char *sha256, bool *done, struct sr_error *err);

/* What a process has stored under a tag: whole rounds of a trace, in the order of their slots. */
struct ana_night_rounds {
	const char *sha256, *tag;
	size_t first, n;
	const char *turns; /* seed of ana_turns; NULL: the arms in their order */
	const char *started_at, *ended_at;
	const char *host;  /* conditions, JSON; NULL: of a simulation */
	const char *noise; /* what else ran on the machine, as text; NULL: it was quiet enough */
};
/* Not all runs are there, or others: SR_ENVIRONMENT, and nothing is taken over. */
int ana_night_link(struct ana_db *db, const struct ana_night *n, const struct ana_night_rounds *r,
		   struct sr_error *err);
/* A tag of this night, not used before. */
int ana_night_tag(const struct ana_night *n, char **tag, struct sr_error *err);
/* Removes what was stored under a tag and not taken over; tag NULL: under any of the night's but those of other shards
 * that are not through. */
int ana_night_sweep(struct ana_db *db, const struct ana_night *n, const char *tag, struct sr_error *err);
int ana_night_fail(struct ana_db *db, const struct ana_night *n, const char *sha256, const char *why,
		   struct sr_error *err);
/* A shard is through; the night is finished when every trace is done or has failed. */
int ana_night_finish(struct ana_db *db, struct ana_night *n, unsigned shard, unsigned shards, const char *now,
		     struct sr_error *err);
/* Another database's nights come with ana_db_merge. */

/* The governor, turbo and SMT as the night's first round on that machine found them, into *h; known: there is one. */
int ana_night_first_host(struct ana_db *db, const struct ana_night *n, const char *machine_key, struct ana_host *h,
			 bool *known, struct sr_error *err);

struct ana_night_trace {
	char sha256[65];
	char *name, *failure; /* failure NULL: none */
	size_t done, noisy;   /* rounds */
	char *noise;          /* of the noisiest, or last, noisy round */
	char *host;           /* conditions of the last round */
	double seconds;       /* from the first round's start to the last one's end */
	char *started_at;
	double weight;   /* of a sample: what it weighs over the traces; 0: the night has no sample */
	uint64_t traces; /* of a sample: how many of the corpus it stands for */
};
struct ana_night_traces { /* by name */
	struct ana_night_trace *v;
	size_t n;
};
int ana_night_traces(struct ana_db *db, const struct ana_night *n, struct ana_night_traces *out, struct sr_error *err);
void ana_night_traces_release(struct ana_night_traces *t);

/* Each run of the night with all of its metrics, by trace, round and arm. */
struct ana_night_run {
	int64_t id;
	char sha256[65];
	size_t round, arm;
	const char *policy, *options, *started_at; /* valid during the call */
	const struct ana_result *metrics;
};
typedef int (*ana_night_run_fn)(void *arg, const struct ana_night_run *run, struct sr_error *err);
int ana_night_each_run(struct ana_db *db, const struct ana_night *n, ana_night_run_fn fn, void *arg,
		       struct sr_error *err);

/*
 * The verdicts. A baseline is a selector as of ana_compare (without run and trace), or "last", or "last," and a
 * selector: the last earlier night of the same conditions (NIGHTLY.md) with all its rounds of the trace under the same
 * policy. A selector without label, kernel and "last" means this night; one without policy the candidate's own policy.
 * All cells are judged together.
 *
 * Live rounds of two nights are not interleaved: ana_compare calls that no evidence. What changes over the nights is
 * for the change points to tell.
 */
struct ana_night_cell {
	struct ana_cell c;
	char sha256[65];
	size_t arm;
	char *base_text;     /* "policy=kernel", "policy=bld,label=2026-11-29_6.12.5" */
	double *base, *cand; /* samples */
	size_t nbase, ncand;
	double noise; /* between tonight's rounds, as ana_noise: the greater of both arms'; NAN: not known */
	double floor; /* measured A/A, or what it was in earlier nights; NAN: not known */
	bool floor_measured;
	bool noisy;    /* noise above the floor */
	double weight; /* its trace's */
};
/* Change points over the nights, of each (trace, metric, policy): change.h. */
struct ana_night_change {
	char sha256[65];
	size_t arm;
	char *trace, *night, *found; /* the first night of the new level; the night that told it first */
	char metric[56], unit[8];
	double p, before, after, magnitude;
	size_t nights;
	bool is_new, worse, counts; /* told first by this night; counts: new, worse, and beyond the margin */
};
/* One metric of a policy over all traces, beside the baseline (struct ana_overall); weighted where they are a sample. */
struct ana_night_overall {
	size_t arm;
	struct ana_overall o;
};
/* What makes the comparison of a policy of a trace doubtful; `compare` warns of the same. */
struct ana_night_doubt {
	char sha256[65];
	size_t arm;
	char *trace, *text;
	const char *kind; /* "lost events", "disturbance", "foreign", "fidelity", "conditions", "left out", "order" */
};
struct ana_night_judge_options {
	const char *baseline;
	double margin;
	const char *const *metrics;
	size_t nmetrics;
	size_t min_segment;
};
struct ana_night_verdicts {
	struct ana_night_cell *cells; /* by trace, arm, metric */
	size_t ncells;
	size_t without_base; /* (trace, arm) without a run of the baseline */
	size_t compared;     /* with one */
	struct ana_night_change *changes;
	size_t nchanges;
	struct ana_night_doubt *doubts; /* by trace, arm */
	size_t ndoubts;
	struct ana_night_overall *overall; /* by arm; where two traces or more have the metric */
	size_t noverall;
};
int ana_night_judge(struct ana_db *db, const struct ana_night *n, const struct ana_night_judge_options *o,
		    struct ana_night_verdicts *out, struct sr_error *err);
void ana_night_verdicts_release(struct ana_night_verdicts *v);
/* SR_USAGE: what a baseline cannot be. */
int ana_night_check_baseline(const char *baseline, struct sr_error *err);

/* What keeps the CPUs busy: two looks at /proc, and what was between them. */
struct ana_busy_task {
	int32_t pid;
	char comm[SR_COMM_LEN];
	uint64_t ticks;
};
struct ana_busy_look {
	uint64_t total, busy; /* of all CPUs, ticks; total 0: not known */
	struct ana_busy_task *tasks;
	size_t ntasks;
};
/* root: "" for this machine. Never fails: what cannot be read is not known. */
void ana_busy_look(const char *root, struct ana_busy_look *l);
void ana_busy_release(struct ana_busy_look *l);
/* The share of the machine (0..1) that was busy, own_s seconds of CPU time not counted; negative: not known. text: the
 * busiest processes but own, "make 31%, cc1 12% of a CPU". */
double ana_busy_between(const struct ana_busy_look *a, const struct ana_busy_look *b, double own_s, int32_t own,
			char *text, size_t len);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Analysis: metrics from one event stream, fidelity from two, the database, statistics.
 *
 * Metric names are those of the architecture: ns unless the name says otherwise; a metric that cannot be known is
 * absent, never 0. One streaming pass; memory grows with tasks and cpus, not with events.
 */
#ifndef SCHEDREC_ANALYZE_ANALYZE_H
#define SCHEDREC_ANALYZE_ANALYZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "formats/error.h"
#include "formats/event.h"
#include "formats/srz.h"

/* Log-linear histogram: 32 linear buckets to each power of two, so a quantile is within 1/64 (1.6%) of the truth. */
#define ANA_HIST_SUB 32
#define ANA_HIST_BUCKETS (60 * ANA_HIST_SUB)
struct ana_hist {
	uint64_t n, sum, min, max;
	uint64_t bucket[ANA_HIST_BUCKETS];
};
void ana_hist_add(struct ana_hist *h, uint64_t value);
double ana_hist_quantile(const struct ana_hist *h, double q);
void ana_hist_bounds(unsigned bucket, uint64_t *lo, uint64_t *hi);

struct ana_metric {
	char name[56];
	char unit[8]; /* "ns", "count", "ratio", "J" */
	double value;
};

struct ana_task_row { /* one a task that ran */
	int32_t tid, tgid;
	uint32_t index;      /* in the stream's sr_task_table */
	uint32_t source;     /* in a replay: index in the source recording's table, else UINT32_MAX */
	char comm[SR_COMM_LEN];
	uint64_t cpu_ns, wait_ns, sleep_ns, wakeups, voluntary, involuntary, migrations, max_latency_ns;
};

struct ana_result {
	struct ana_metric *metrics;
	size_t nmetrics, metrics_cap;
	struct ana_hist *wakeup_latency, *run_delay, *slice, *preempt_wait; /* owned; NULL when not known */
	struct ana_task_row *tasks;
	size_t ntasks;
	uint64_t lost, repaired, censored; /* censored: waits cut by the end or a loss, left out */
	uint64_t first_ns, last_ns;
};

/* Which tasks count. */
enum ana_scope {
	ANA_ALL,    /* every task but the idle task and the recorder */
	ANA_TREE,   /* the recorded command's tree (or, without one, all user tasks) */
	ANA_BOUND,  /* a replay: the tasks that replay one of the source recording (SR_EV_BIND) */
};

int ana_file(const char *path, enum ana_scope scope, struct ana_result *out, struct sr_error *err);
void ana_result_release(struct ana_result *r);
bool ana_get(const struct ana_result *r, const char *name, double *value);
int ana_set(struct ana_result *r, const char *name, const char *unit, double value, struct sr_error *err);

/* fidelity.* of a replay (or a second recording) against a recording, added to out->metrics. In a replay the tasks
 * are joined by SR_EV_BIND; recordings (against = 2nd recording) by comm and order. replayed: source indices that
 * were replayed, NULL: the recording's tree. */
int ana_fidelity(const char *recording, const char *replay, struct ana_result *out, struct sr_error *err);

/* The database. */
struct ana_db;
struct ana_run {
	int64_t id; /* out */
	const char *trace_sha256, *trace_name, *label, *engine, *policy, *policy_options, *machine, *kernel, *sched_ext;
	const char *work, *timing, *host; /* host: conditions as JSON text (governor, turbo, smt, load) */
	int repeat, order_slot;
	const char *started_at; /* ISO 8601 UTC */
	uint64_t lost_events;
};
struct ana_db *ana_db_open(const char *path, bool create, struct sr_error *err);
void ana_db_close(struct ana_db *db);
int ana_db_store(struct ana_db *db, struct ana_run *run, const struct ana_result *r, struct sr_error *err);

/* Medians and spreads over the runs of one arm. n >= 1. */
double ana_median(const double *v, size_t n);
void ana_quartiles(const double *v, size_t n, double *q1, double *q3);

/*
 * Paired comparison: base[i] and cand[i] are one round. Hodges-Lehmann shift of the relative differences with the
 * exact signed-rank interval (libRmath psignrank, qsignrank). Verdicts as in the architecture.
 */
enum ana_verdict { ANA_SAME, ANA_IMPROVED, ANA_REGRESSED, ANA_UNKNOWN, ANA_IDENTICAL };
struct ana_shift {
	double shift, lo, hi, p; /* relative: 0.05 = 5% more */
	size_t rounds, needs_more;
	enum ana_verdict verdict;
};
void ana_compare_paired(const double *base, const double *cand, size_t n, double margin, int lower_is_better,
			struct ana_shift *out);

#endif

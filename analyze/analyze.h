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

#include "formats/cost.h"
#include "formats/error.h"
#include "formats/event.h"
#include "formats/srz.h"

/*
 * Log-linear histogram: 32 linear buckets to each power of two, so a quantile is within 1/64 (1.6%) of the truth;
 * values below 64, the least and the greatest are exact. A zeroed struct is an empty one.
 */
#define ANA_HIST_SUB 32
#define ANA_HIST_BUCKETS (60 * ANA_HIST_SUB)
struct ana_hist {
	uint64_t n, sum, min, max; /* sum saturates */
	uint64_t bucket[ANA_HIST_BUCKETS];
};
void ana_hist_add(struct ana_hist *h, uint64_t value);
/* The least value that a part q (0..1) of the values does not exceed; NAN when there are none. */
double ana_hist_quantile(const struct ana_hist *h, double q);
void ana_hist_bounds(unsigned bucket, uint64_t *lo, uint64_t *hi); /* both belong to it */

struct ana_metric {
	char name[56];
	char unit[8]; /* "ns", "count", "ratio", "tasks", "J" */
	double value;
};

/*
 * The metrics, and what they count. Scope: the tasks that count (enum ana_scope). Wherever an interval is cut by the
 * recording's start or end, by lost events or by a repaired switch, it is left out of the histograms and counted in
 * ana_result.censored.
 *
 *   makespan_ns            from the first moment a task of the scope ran to the last
 *   cpu_time_ns            time on a cpu; intervals cut by the start or the end count with their visible part
 *   wakeup_latency_ns.*    from sched_waking to the switch-in. A wake that was stamped before the sleeper's own
 *                          switch-out counts from the switch-out. First wakes of new tasks are not in it.
 *   run_delay_ns.*         each wait on a run queue: from sched_wakeup (from sched_waking where that is missing), from
 *                          sched_wakeup_new, or from a switch-out while runnable, to the switch-in
 *   preempt_wait_ns.*      those of run_delay_ns that began with a switch-out while runnable
 *   sleep_ns.*             each sleep, from the switch-out to the sched_waking that ends it
 *   slice_ns.*             each stretch on a cpu, switch to switch
 *   wakeups                sleeps ended by a wake
 *   switches_voluntary     switch-outs in a sleeping state, the last one of a task that exits not counted
 *   switches_involuntary   switch-outs while runnable (R and R+)
 *   migrations.total       changes between the cpus on which a task successively ran; .smt .llc .package .node: those
 *                          to a sibling, within the last-level cache, within the package (across caches), and beyond
 *                          (another package or node); absent where the file has no machine description
 *   migrations_by_cause.*  those, by cause: a policy's decision that named the new cpu; else wake, where sched_wakeup
 *                          already named another cpu; else kernel. fork (a first run on another cpu than the parent's
 *                          at the fork) is not part of the total.
 *   idle_while_overloaded_ns  time in which a cpu was idle with nothing queued while another cpu had a task running
 *                          and one queued (or two queued) that may run there
 *   busiest_cpu_share      the busiest cpu's part of all cpus' busy time
 *   imbalance_score        time-weighted mean of (most runnable tasks on one cpu - mean over cpus)
 *   policy_decision_ns.*, balancer_cpu_ns   cost of decisions; of those made by the balancer (tick, newidle, active)
 *   recording_disturbance_share   what recording took of the machine's CPU time (cost.h)
 *   recording_lost_share          events that the recording lost, as far as the kernel counted them, of all there were
 *
 * The three of whole cpus need a system-wide recording. A replay that only recorded itself (meta source "self") sees
 * neither preemption nor cpus: there run_delay_ns, preempt_wait_ns, slice_ns, switches_involuntary and migrations.*
 * are absent, and cpu_time_ns is what its threads' clocks said.
 */

struct ana_task_row { /* one a task that ran; waits and sleeps are completed ones */
	int32_t tid, tgid;
	uint32_t index;  /* in the stream's sr_task_table */
	uint32_t source; /* in a replay: index in the source recording's table, else UINT32_MAX */
	char comm[SR_COMM_LEN];
	uint64_t cpu_ns, wait_ns, sleep_ns, wakeups, voluntary, involuntary, migrations;
	uint64_t latency_ns, latencies, max_latency_ns,
		max_latency_at; /* wakeup latencies: sum, number, longest and its end */
};

struct ana_cpu_row { /* one a cpu that the stream names; of the scope's tasks, but for all_ns */
	unsigned cpu;
	uint64_t busy_ns, switches, migrations_in, migrations_out;
	uint64_t all_ns; /* busy with any task, 0 where only a scope was recorded */
};

struct ana_result {
	struct ana_metric *metrics;
	size_t nmetrics, metrics_cap;
	struct ana_hist *wakeup_latency, *run_delay, *slice, *preempt_wait, *sleep; /* owned; NULL when not known */
	uint64_t *runnable_ns; /* time with n runnable tasks of the scope, n < nrunnable; of fidelity's results only */
	size_t nrunnable;
	struct ana_task_row *tasks;
	size_t ntasks;
	struct ana_cpu_row *cpus;
	size_t ncpus;
	uint64_t lost, repaired, censored; /* lost: events, one for each place where their number is not known */
	uint64_t first_ns, last_ns;        /* of the kernel's events; in a replay that recorded itself, of its own */
	bool whole_system, self;
	struct sr_cost cost; /* of the recording that the events come from */
};

/* Which tasks count. */
enum ana_scope {
	ANA_ALL,        /* every task but the idle task and the recorder */
	ANA_TREE,       /* the recorded command's tree (or, without one, all user tasks) */
	ANA_BOUND,      /* a replay: the tasks that replay one of the source recording (SR_EV_BIND), from then on */
	ANA_REPLAYABLE, /* those that a replay of the file runs: of a recording of the whole system all user tasks,
			 * else as ANA_TREE */
	ANA_AUTO,       /* ANA_BOUND for a replay or simulation (meta engine), else ANA_TREE */
};

/* One stretch of a scope's task on a cpu, told when it ends. */
struct ana_slice {
	uint64_t start_ns, end_ns;
	uint64_t slept_ns, delay_ns; /* before it: asleep; waiting on a run queue; UINT64_MAX: not known */
	unsigned cpu;
	uint32_t index; /* in the stream's sr_task_table */
	int32_t tid;
	const char *comm; /* valid during the call */
	uint8_t left;     /* enum sr_state */
	bool cut;         /* its start or end is not known exactly */
};
typedef int (*ana_slice_fn)(void *arg, const struct ana_slice *s, struct sr_error *err); /* -1 (with *err) ends it */

/* A part of a recording, in ns since its first event; to_ns 0: to its end. Zeroed: all of it. */
struct ana_window {
	uint64_t from_ns, to_ns;
};

int ana_file(const char *path, enum ana_scope scope, struct ana_result *out, struct sr_error *err);
/* A part of a file (NULL: all), and of the scope's tasks those whose name when they are first seen matches (NULL: all).
 * What runs when the part begins counts from there on; a wait that had begun is cut. The metrics of whole cpus are
 * absent for a part. */
int ana_file_part(const char *path, enum ana_scope scope, const char *task_glob, const struct ana_window *window,
		  struct ana_result *out, struct sr_error *err);
/* The same, with each slice handed out in order of their ends. None in a replay that recorded itself. */
int ana_file_slices(const char *path, enum ana_scope scope, ana_slice_fn slice, void *arg, struct ana_result *out,
		    struct sr_error *err);
void ana_result_release(struct ana_result *r); /* a zeroed one is allowed */
bool ana_get(const struct ana_result *r, const char *name, double *value);
int ana_set(struct ana_result *r, const char *name, const char *unit, double value, struct sr_error *err);

/* Adds fidelity.* of a replay (or of a second recording) against its recording to out->metrics: fidelity.h tells what
 * each of them is, and what is compared. */
int ana_fidelity(const char *recording, const char *replay, struct ana_result *out, struct sr_error *err);

/*
 * The database. A file that is no database, or not schedrec's, or a newer schedrec's: SR_DAMAGED; one that cannot be
 * opened or written: SR_ENVIRONMENT. Several processes may use one at a time; each run is one transaction.
 */
struct ana_db;
struct ana_run {
	int64_t id; /* out */
	/* Strings may be NULL: stored as NULL. A recording's own row (engine "recorded") replaces the one that this
	 * trace and label have already. */
	const char *trace_sha256, *trace_name, *label, *engine, *policy, *policy_options, *machine, *kernel, *sched_ext;
	const char *work, *timing, *host; /* host: conditions as JSON text (governor, turbo, smt, load) */
	const char *schedrec_version;
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
 * exact signed-rank interval (libRmath psignrank, qsignrank).
 *
 * regressed, improved   significant (p_adjusted <= ANA_ALPHA) and the shift beyond the margin
 * same                  the whole interval within the margin
 * identical             every pair equal to the last bit
 * unknown               none of these; needs_more rounds would likely tell (an estimate). Below ANA_MIN_ROUNDS nothing
 *                       can be significant, and there is no 95% interval.
 */
#define ANA_ALPHA 0.05
#define ANA_MIN_ROUNDS 6
enum ana_verdict { ANA_SAME, ANA_IMPROVED, ANA_REGRESSED, ANA_UNKNOWN, ANA_IDENTICAL };
struct ana_shift {
	double shift, lo, hi; /* relative: 0.05 = 5% more; NAN: not known; INFINITY: of a base that is 0 */
	double p, p_adjusted; /* adjusted: Benjamini-Hochberg over all cells, by ana_judge_all */
	double margin;
	bool lower_is_better;
	size_t rounds, needs_more;
	enum ana_verdict verdict;
};
int ana_compare_paired(const double *base, const double *cand, size_t n, double margin, bool lower_is_better,
		       struct ana_shift *out, struct sr_error *err);
/* Judges all cells of one comparison together. */
int ana_judge_all(struct ana_shift *const *cells, size_t n, struct sr_error *err);
const char *ana_verdict_name(enum ana_verdict v);

/*
 * Two arms out of a database. A selector is KEY=VALUE[,KEY=VALUE...] with keys run, trace (name, or the beginning of
 * its sha256), label, engine, policy, options, machine, kernel, work, timing. Each must select runs that differ
 * only in trace and round. Rows of recordings take part only where a selector asks for engine=recorded, for a
 * run, or matches nothing else.
 */
struct ana_compare_options {
	double margin; /* practical margin, relative; at least the noise between the base's rounds is used */
	const char *const *metrics; /* globs; nmetrics 0: the default set. fidelity.* is never compared. */
	size_t nmetrics;
};
struct ana_cell {    /* one a (trace, metric) that both arms have */
	char *trace; /* its name */
	char metric[56], unit[8];
	double base, cand; /* medians over the rounds */
	struct ana_shift s;
};
struct ana_doubt {
	int64_t run;
	double lost_share, disturbance; /* negative: not known */
};
struct ana_poor { /* replays under the kernel's own placement that were not close to their recording (fidelity.h) */
	const char *arm; /* "base", "candidate" */
	char *trace;
	char measure[56]; /* "fidelity.makespan_error" */
	double value;     /* median of the runs */
	size_t runs;
};
struct ana_comparison {
	struct ana_cell *cells; /* by trace, then metric */
	size_t ncells;
	size_t base_runs, cand_runs, unpaired; /* unpaired: runs without a round of the other arm */
	struct ana_doubt *doubts;              /* runs whose recording is to be used with care (cost.h) */
	size_t ndoubts;
	struct ana_poor *poor;
	size_t npoor;
};
/* A selector that is wrong, matches nothing (the text says what there is) or too much: SR_USAGE. */
int ana_compare(struct ana_db *db, const char *base, const char *cand, const struct ana_compare_options *o,
		struct ana_comparison *out, struct sr_error *err);
void ana_comparison_release(struct ana_comparison *c);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fidelity: how close a replay came to its recording, and how close a second run of the application comes.
 *
 * What is compared: of a replay the tasks that it bound (SR_EV_BIND, from then on), and of its recording the same
 * tasks. Of two recordings (the application's own spread) the tasks that a replay of each would run
 * (ANA_REPLAYABLE), joined by name: the n-th task of a name with the n-th. A replay of a part is compared with the
 * same part: its meta values replay.from_ns and replay.to_ns, ns since the recording's first event (to_ns 0 or absent:
 * the end). Where replay.task names a glob, only tasks of matching names count in further recordings too.
 *
 * The metrics. A recorded value R and a replayed value V make
 *   an error      (V - R) / R, signed: 0.1 is 10% more than recorded; 0 where both are 0; absent where only R is 0
 *   an error of tasks   the sum of |V - R| over the recorded tasks, in parts of the sum of R: the mean of the tasks'
 *                       absolute errors, weighted by what was recorded; what one task has too much does not make up
 *                       for what another lacks
 *   a distance    Kolmogorov-Smirnov: the largest difference between the two distribution functions, 0..1. It
 *                 judges the shape of all values, where an error judges a mean or a quantile.
 *
 *   fidelity.cpu_time_error               of cpu_time_ns
 *   fidelity.makespan_error               of makespan_ns
 *   fidelity.voluntary_switch_error       of switches_voluntary. Where the engine blocked a task to keep the recorded
 *                                         order, that is a switch of the replay too: see order_blocks_share.
 *   fidelity.involuntary_switch_error     of switches_involuntary
 *   fidelity.wakeup_error                 of wakeups
 *   fidelity.wakeup_latency_{p50,p95,p99}_error   of those quantiles of wakeup_latency_ns
 *   fidelity.run_delay_error              of run_delay_ns.mean
 *   fidelity.slice_error                  of slice_ns.mean
 *   fidelity.sleep_error                  of sleep_ns.mean
 *   fidelity.concurrency_error            of the time-weighted mean number of runnable tasks (runnable_tasks.mean),
 *                                         from the first moment that one was runnable to the last
 *   fidelity.{cpu_time,voluntary_switch,involuntary_switch}_error_tasks   errors of tasks
 *   fidelity.{wakeup_latency,run_delay,slice,sleep}_distance              distances
 *   fidelity.concurrency_distance         Wasserstein distance between the time-weighted distributions of the number
 *                                         of runnable tasks, in parts of the recorded mean number; may exceed 1
 *   fidelity.wake_edges_recall            of the wakes by a task in its own context, or in a soft interrupt during
 *   fidelity.wake_edges_precision         it that was its doing (formats/softirq.h), where waker and wakee are both
 *                                         compared: the sum over pairs of min(recorded, replayed), over all recorded,
 *                                         and over all replayed ones; 1 is best
 *   fidelity.order_waits, order_waits_ns, order_waits_blocked, order_waits_expired
 *                                         waits that the engine added to keep the recorded order, by its own count: how
 *                                         many, how long, how many of them slept, how many gave up
 *   fidelity.order_blocks_share           order_waits_blocked in parts of the replay's voluntary switches: with the
 *                                         kernel's events alone these cannot be told from the others
 *
 * What a file cannot tell is absent: a replay that recorded itself sees neither preemptions nor times on a cpu.
 */
#ifndef SCHEDREC_ANALYZE_FIDELITY_H
#define SCHEDREC_ANALYZE_FIDELITY_H

#include "analyze/analyze.h"

/* A recording that others are compared with: read once for each different set of tasks and window. */
struct ana_recording;
struct ana_recording *ana_recording_open(const char *path, struct sr_error *err);
void ana_recording_free(struct ana_recording *s); /* NULL is allowed */

struct ana_task_pair {
	struct ana_task_row recorded, replayed;
	bool is_recorded, is_replayed; /* ran there; else its row is empty */
};

struct ana_edge_pair {
	uint32_t from, to; /* indices of ana_fidelity.tasks */
	uint64_t recorded, replayed;
};

struct ana_fidelity {
	const struct ana_result *recorded; /* the source's */
	struct ana_result replayed;        /* with fidelity.* among its metrics */
	struct ana_task_pair *tasks;       /* first the recorded ones, in the order of recorded->tasks */
	size_t ntasks;
	struct ana_edge_pair *edges; /* who woke whom, how often */
	size_t nedges;
	struct ana_window window;
	char *task_glob; /* replay.task, or NULL */
	bool by_source;  /* joined by what the replay bound, else by name */
};

/* like: the replay whose window and task filter count for this file too (a further recording); NULL: its own meta. */
int ana_fidelity_of(struct ana_recording *source, const char *replay, const struct ana_fidelity *like,
		    struct ana_fidelity *out, struct sr_error *err);
/* Adds its fidelity.* to another result of the same replay. */
int ana_fidelity_add(const struct ana_fidelity *f, struct ana_result *to, struct sr_error *err);
void ana_fidelity_release(struct ana_fidelity *f); /* a zeroed one is allowed */

/*
 * Several replays of one recording, and the application's own spread.
 *
 * Own spread of a measure: how far further recordings of the application are from the source, by the same measure.
 * Verdict: "own spread" where the replays' median is no farther off than the farthest of them; else "target" where it
 * is within the target; else "outside"; none where there is neither.
 */
enum ana_close { ANA_CLOSE_NONE, ANA_CLOSE_SPREAD, ANA_CLOSE_TARGET, ANA_CLOSE_OUTSIDE };
enum ana_measure_kind { ANA_MEASURE_ERROR, ANA_MEASURE_DISTANCE, ANA_MEASURE_AGREEMENT /* 1 is best */ };

struct ana_fidelity_row {
	const char *name;    /* for people */
	const char *measure; /* without "fidelity." */
	const char *metric;  /* that it is an error of; NULL: of none */
	const char *unit;    /* of the metric */
	enum ana_measure_kind kind;
	double recorded, replayed; /* of the metric; replayed: the median. NAN: not known, here and below */
	double value, lo, hi;      /* of the measure: median and range of the replays */
	double spread_lo, spread_hi;
	size_t replays, recordings; /* that have the measure */
	double target;
	enum ana_close verdict;
};

/* A part of a distribution, of values lo <= v < hi; shares are of all values, or of the time. */
struct ana_bin {
	double lo, hi, recorded, replayed;
};

enum ana_dist { ANA_DIST_LATENCY, ANA_DIST_DELAY, ANA_DIST_SLICE, ANA_DIST_SLEEP, ANA_DIST_RUNNABLE, ANA_DISTS };
struct ana_dist_pair {
	const char *name, *unit; /* "wakeup latency", "ns" or "tasks" */
	struct ana_bin *bins;    /* from the first that is not empty to the last; none where a side is not known */
	size_t nbins;
	uint64_t recorded, replayed; /* values; the latter of all replays */
};

enum ana_worst { ANA_WORST_CPU, ANA_WORST_VOLUNTARY, ANA_WORST_INVOLUNTARY, ANA_WORST_LATENCY, ANA_WORSTS };
struct ana_worst_task {
	char comm[SR_COMM_LEN];
	int32_t tid;               /* as recorded */
	double recorded, replayed; /* ns, switches, or ns of mean wakeup latency; replayed: mean of the replays */
};

struct ana_wrong_edge { /* wakes of tasks of one name by tasks of one name, a replay */
	char from[SR_COMM_LEN], to[SR_COMM_LEN];
	double recorded, replayed, missing, extra; /* pair by pair of tasks */
};

#define ANA_WORST_SHOWN 5
#define ANA_EDGES_SHOWN 8

struct ana_fidelity_report {
	struct ana_fidelity_row *rows;
	size_t nrows;
	struct ana_dist_pair dist[ANA_DISTS];
	struct ana_worst_task worst[ANA_WORSTS][ANA_WORST_SHOWN];
	size_t nworst[ANA_WORSTS];
	struct ana_wrong_edge missing[ANA_EDGES_SHOWN], extra[ANA_EDGES_SHOWN];
	size_t nmissing, nextra;
	size_t unmatched; /* tasks of the first replay that have no counterpart */
	/* Means over the replays; NAN: not told. */
	double order_waits, order_wait_ns, order_blocked, order_expired, order_share;
};

/* nreplays >= 1, all of one source. */
int ana_fidelity_report(const struct ana_fidelity *replays, size_t nreplays, const struct ana_fidelity *further,
			size_t nfurther, struct ana_fidelity_report *out, struct sr_error *err);
void ana_fidelity_report_release(struct ana_fidelity_report *r);
const char *ana_close_name(enum ana_close c); /* "own spread", ...; "-" for none */

/* Beyond these a comparison should not rest on a replay under the kernel's own placement (v: the measure's value).
 * Under work by instructions CPU time and makespan may differ for good reason. */
bool ana_fidelity_is_poor(const char *measure, double v, bool work_is_time); /* false for other measures */

#endif

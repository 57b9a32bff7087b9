/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Analysis: metrics from one event stream, fidelity from two, the database, statistics.
 *
 * Metric names are those of the architecture: ns unless the name says otherwise; a metric that cannot be known is
 * absent, never 0. One streaming pass; memory grows with tasks and cpus, not with events (a small file's stay in memory
 * while it is read: srz_read_ahead).
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
#include "formats/task.h"

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
 *   periodic_tasks, frames, frames_late, frames_late_share, frames_late_by_wait, frames_late_run_max, missed_periods
 *                          of the scope's user tasks whose own wake-ups have a period (struct ana_frames)
 *   interactive_tasks, longest_stall_ns   of the scope's user tasks that mostly sleep (ana_task_row.interactive)
 *   recording_disturbance_share   what recording took of the machine's CPU time (cost.h)
 *   recording_lost_share          events that the recording lost, as far as the kernel counted them, of all there were
 *
 * METRICS.md has each of them with the interval's ends and what is censored.
 *
 * The three of whole cpus need a system-wide recording, and are of the time in which a cpu's state is known. A replay
 * that only recorded itself (meta source "self") sees neither preemption nor cpus: there run_delay_ns, preempt_wait_ns,
 * slice_ns, switches_involuntary and migrations.* are absent, and cpu_time_ns is what its threads' clocks said.
 */

/*
 * The frames of a task whose wake-ups have a period: one from each wake-up of its grid to the next. period_ns 0: no
 * period was recognised, or it is a kernel thread. A frame is late when the task was still at work a period after the
 * frame's wake-up, or when that wake-up itself came more than half a period late.
 */
#define ANA_PERIOD_WINDOW 16 /* successive intervals between wake-ups that are judged together */
#define ANA_PERIOD_AGREE 12  /* so many of them lie near the middle one: the task is periodic */
#define ANA_PERIOD_NEAR 8    /* near: within an eighth of it */
#define ANA_PERIOD_LEAST_NS 1000000
#define ANA_PERIOD_MOST_NS 1000000000
#define ANA_PERIOD_PAUSE 4 /* a wake-up so many periods late is the end of a pause */
struct ana_frames {
	uint64_t period_ns;
	uint64_t n, late;
	uint64_t late_by_wait;          /* of late: the work would have been done in time without its waits for a cpu */
	uint64_t missed;                /* periods that came while the task was at work, or without the wake-up due */
	uint64_t run, run_max;          /* late frames in a row: at present, most */
	uint64_t cut;                   /* not counted: events lost, or the recording's end */
	uint64_t worst_ns, worst_at_ns; /* longest from a frame's wake-up to the end of its work; that wake-up */
};

/* Interactive: woken at least so often, and on a cpu for at most half of the time that it did not wait. */
#define ANA_INTERACTIVE_WAKEUPS 10

struct ana_task_row { /* one a task that ran; waits and sleeps are completed ones */
	int32_t tid, tgid;
	uint32_t index;  /* in the stream's sr_task_table */
	uint32_t source; /* in a replay: index in the source recording's table, else UINT32_MAX */
	uint32_t parent; /* index as above; 0: none or not known */
	int32_t parent_tid;
	char comm[SR_COMM_LEN];
	int16_t prio; /* the kernel's, as last seen */
	bool interactive;
	uint64_t cpu_ns, wait_ns, sleep_ns, wakeups, voluntary, involuntary, migrations;
	uint64_t latency_ns, latencies, max_latency_ns,
		max_latency_at;                      /* wakeup latencies: sum, number, longest and its end */
	uint64_t waits, max_wait_ns, max_wait_at;    /* run delays: number, longest and its end */
	uint64_t slices, min_slice_ns, max_slice_ns; /* complete stretches on a cpu */
	uint64_t slice_sum_ns;                       /* of those */
	double slice_squares;                        /* the sum of their squares */
	/* A stall: what one activation (a wake-up to the next sleep) waited for a cpu. */
	uint64_t stall_ns, stall_at; /* longest, and when its activation began */
	uint64_t stall_open_ns;      /* one that the end of the recording cut: at least so long */
	struct ana_frames frames;
};

struct ana_cpu_row { /* one a cpu that the stream names; of the scope's tasks, but for all_ns */
	unsigned cpu;
	uint64_t busy_ns, switches, migrations_in, migrations_out;
	uint64_t all_ns; /* known to be busy with any task, 0 where only a scope was recorded */
};

/* How a task came to another cpu, as far as the event's context tells. */
enum ana_move {
	ANA_MOVE_WAKE,    /* its wake-up placed it there */
	ANA_MOVE_NEWIDLE, /* the cpu pulled it as it went idle: in task context, on the cpu itself */
	ANA_MOVE_IDLE,    /* balancing in a soft interrupt, to a cpu that was idle */
	ANA_MOVE_BUSY,    /* the same to a busy one */
	ANA_MOVE_STOPPER, /* by the stopper thread: exec, a changed affinity, or active balancing */
	ANA_MOVE_OTHER,
	ANA_MOVES
};
#define ANA_LEVELS 4 /* smt, llc, package, node: enum sr_level - 1 */

/* What /proc/schedstat counts, from events: of a cpu, whatever task it was and whatever the scope. */
struct ana_cpu_stats {
	unsigned cpu;
	uint64_t switches, to_idle, preempted; /* preempted: prev was still runnable */
	uint64_t slices, run_ns, delay_ns;     /* pcount, cpu_time and run_delay: of tasks that this cpu took */
	uint64_t wakeups, local, fresh;        /* made here; placed here too; first wake-ups of new tasks */
	struct {
		uint64_t wakeups;          /* made here, placed on a cpu that is so far away */
		uint64_t moves[ANA_MOVES]; /* tasks that came here from a cpu that is so far away */
	} level[ANA_LEVELS];
};
const char *ana_move_name(unsigned move);
const char *ana_level_name(unsigned level);

struct ana_result {
	struct ana_metric *metrics;
	size_t nmetrics, metrics_cap;
	size_t nsorted; /* of the metrics, the first ones: in the order of their names */
	struct ana_hist *wakeup_latency, *run_delay, *slice, *preempt_wait, *sleep; /* owned; NULL when not known */
	uint64_t *runnable_ns; /* time with n runnable tasks of the scope, n < nrunnable; of fidelity's results only */
	size_t nrunnable;
	struct ana_task_row *tasks;
	size_t ntasks;
	struct ana_cpu_row *cpus;
	size_t ncpus;
	struct ana_cpu_stats *cpu_stats; /* NULL in a replay that recorded itself */
	size_t ncpu_stats;
	bool levels_known;                 /* the file has a machine description */
	bool placements_known;             /* the stream has sched_wakeup: it tells where a wake-up put its task */
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

/* What happened, told when it ended: one stretch of a scope's task on a cpu, and where asked for more (ana_request). */
enum ana_slice_kind {
	ANA_SLICE_RUN = 1,
	ANA_SLICE_IDLE = 2,   /* the cpu's idle task was on it */
	ANA_SLICE_WAKEUP = 4, /* a wake-up of a scope's task: start_ns == end_ns, cpu: where it was made */
	ANA_SLICE_MIGRATE = 8 /* a scope's task is put on another cpu: from_cpu to cpu */
};
struct ana_slice {
	uint64_t start_ns, end_ns;
	uint64_t slept_ns, delay_ns; /* before it: asleep; waiting on a run queue; UINT64_MAX: not known */
	uint64_t latency_ns;         /* from the sched_waking to start_ns; UINT64_MAX: no wake-up, or not known */
	unsigned cpu;
	int from_cpu;   /* where it last ran; of MIGRATE: where it was; -1: not known */
	uint32_t index; /* in the stream's sr_task_table */
	int32_t tid;
	const char *comm;       /* valid during the call */
	int32_t other_tid;      /* who woke it; 0: an interrupt, or not known */
	const char *other_comm; /* NULL without other_tid */
	int16_t prio;           /* the kernel's */
	uint8_t kind;           /* enum ana_slice_kind */
	uint8_t left;           /* enum sr_state */
	bool cut;               /* its start or end is not known exactly */
};
typedef int (*ana_slice_fn)(void *arg, const struct ana_slice *s, struct sr_error *err); /* -1 (with *err) ends it */

/* Parts of a result that may be left out. */
enum ana_omit {
	ANA_OMIT_METRICS = 1, /* ana_result.metrics and the histograms */
	ANA_OMIT_LOAD = 2,    /* ana_cpu_row.all_ns, and of the metrics those of whole cpus */
	ANA_OMIT_FELT = 4,    /* ana_task_row.frames */
	ANA_OMIT_REST = 8,    /* cpus and cpu_stats, and in rows sleeps, slices, stalls and migrations */
	ANA_OMIT_ALL = 15,
};

/* A part of a recording, in ns since its first event; to_ns 0: to its end. Zeroed: all of it. */
struct ana_window {
	uint64_t from_ns, to_ns;
};

int ana_file(const char *path, enum ana_scope scope, struct ana_result *out, struct sr_error *err);
/* A part of a file (NULL: all), and of the scope's tasks those whose name when they are first seen matches (NULL: all).
 * What runs when the part begins counts from there on; a wait that had begun is cut. */
int ana_file_part(const char *path, enum ana_scope scope, const char *task_glob, const struct ana_window *window,
		  struct ana_result *out, struct sr_error *err);
/* The same of tasks chosen one by one: members[n] is nonzero for the index of each in the file's sr_task_table. */
int ana_file_members(const char *path, const uint8_t *members, size_t n, const struct ana_window *window,
		     struct ana_result *out, struct sr_error *err);
/* Of a whole file, with each slice handed out in order of their ends. None in a replay that recorded itself. */
int ana_file_slices(const char *path, enum ana_scope scope, ana_slice_fn slice, void *arg, struct ana_result *out,
		    struct sr_error *err);
/*
 * What of a file is shown. A filter takes away from what is counted and handed out; it never changes what is known of
 * the rest: every task is followed all the same, so that waits, wakers, causes and the metrics of whole cpus are those
 * of the unfiltered file.
 */
struct ana_request {
	enum ana_scope scope;
	unsigned omit;                 /* of enum ana_omit: what nobody is going to look at takes no time; 0: nothing */
	const char *task_glob;         /* tasks that ever had a name that matches, or this tid; NULL: all */
	int32_t pid;                   /* tasks of this process; 0: all */
	const struct sr_cpumask *cpus; /* what happened on these: a wait where it ended; NULL: all */
	struct ana_window window;
	ana_slice_fn slice; /* NULL: nobody wants them */
	void *slice_arg;
	unsigned slice_kinds; /* of enum ana_slice_kind; 0: ANA_SLICE_RUN */
};
int ana_file_request(const char *path, const struct ana_request *q, struct ana_result *out, struct sr_error *err);
/* Of a file that is open: reads it from its start. */
int ana_reader_request(struct srz_reader *r, const struct ana_request *q, struct ana_result *out, struct sr_error *err);
void ana_result_release(struct ana_result *r); /* a zeroed one is allowed */
bool ana_get(const struct ana_result *r, const char *name, double *value);
int ana_set(struct ana_result *r, const char *name, const char *unit, double value, struct sr_error *err);

/* Adds fidelity.* of a replay (or of a second recording) against its recording to out->metrics: fidelity.h tells what
 * each of them is, and what is compared. */
int ana_fidelity(const char *recording, const char *replay, struct ana_result *out, struct sr_error *err);

/*
 * The database. A file that is no database, or not schedrec's, or a newer schedrec's: SR_DAMAGED; one that cannot be
 * opened or written: SR_ENVIRONMENT. Several processes may use one at a time; each run is one transaction. One of an
 * earlier version is brought up to date when it is opened, with all that is in it.
 */
struct ana_db;

/* The conditions of a live run on its machine. "", -1 and NAN: not known. */
struct ana_host {
	char machine_key[33]; /* tells machines apart: a digest of the machine's own id, which it does not reveal */
	char boot_id[40], kernel_version[128], cmdline_sha256[65];
	char cpu_model[80], microcode[24];
	char governor[64];     /* several: "performance,powersave" */
	char turbo[4], smt[4]; /* "on", "off" */
	char sched_ext[64];    /* of the BPF scheduler that is loaded, its ops' name; "": none */
	int aslr;              /* randomize_va_space */
	double load1, temperature_c;
};
/* root: "" for this machine; another folder holds proc, sys and etc for tests. */
void ana_host_read(const char *root, struct ana_host *h);
const char *ana_file_sched_ext(const struct srz_reader *r); /* the same of a recording; NULL: none, or not known */

#define ANA_UID_TEXT 65
#define ANA_ARM_AA "aa " /* what the arms of an A/A measurement begin with */
struct ana_run {
	int64_t id;             /* out */
	char uid[ANA_UID_TEXT]; /* out: tells runs apart over all databases */
	/* Strings may be NULL: stored as NULL. A recording's own row (engine "recorded") replaces the one that this
	 * trace and label have already. */
	const char *trace_sha256, *trace_name, *label, *engine, *policy, *policy_options, *machine, *kernel, *sched_ext;
	const char *work, *timing, *host; /* host: conditions as JSON text (governor, turbo, smt, load) */
	const char *schedrec_version;
	const char *series; /* what the runs have in common that were interleaved with each other: ana_new_id */
	const char *arm;    /* what the arm's other columns do not tell, such as the options of --arm */
	int looks; /* how often the series' results may decide whether it goes on; 0 and 1: its length was fixed */
	int repeat, order_slot;
	const char *started_at; /* ISO 8601 UTC */
	uint64_t lost_events;
	const struct ana_host *conditions; /* NULL: not of a live run */
};
void ana_new_id(char text[33]); /* 32 hexadecimal digits, never the same */

/*
 * The order in which n arms run in a round: turn[i] runs as the i-th. Each order is equally likely, and no round knows of
 * another: then the signs of the rounds' differences are coins of ours, and the signed-rank test is exact whatever the
 * machine does meanwhile (Fisher, The Design of Experiments, 1935). A B, B A, A B, ... is not proof against what comes
 * back every four runs. The same for the same seed and round. -1: out of memory.
 */
int ana_turns(const char *seed, size_t round, size_t n, size_t *turn, struct sr_error *err);
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
 * regressed, improved   significant (p_adjusted <= ANA_ALPHA), the interval without 0, and the shift beyond the margin
 * changed               the same, of a metric of which neither more nor less is better
 * same                  the whole interval within the margin
 * identical             every pair equal to the last bit
 * unknown               none of these; needs_more rounds would likely tell (an estimate). Below ANA_MIN_ROUNDS nothing
 *                       can be significant, and there is no 95% interval. Also what is no paired evidence.
 */
#define ANA_ALPHA 0.05
#define ANA_FOREIGN 0.05
#define ANA_MIN_ROUNDS 6
#define ANA_MIN_TRACES 6 /* fewer have no interval over traces */
enum ana_verdict { ANA_SAME, ANA_IMPROVED, ANA_REGRESSED, ANA_UNKNOWN, ANA_IDENTICAL, ANA_CHANGED };
#define ANA_VERDICTS (ANA_CHANGED + 1)
enum ana_better { ANA_MORE_IS_BETTER, ANA_LESS_IS_BETTER, ANA_NEITHER };
struct ana_shift {
	double shift, lo, hi; /* relative: 0.05 = 5% more; NAN: not known; INFINITY: of a base that is 0 */
	double p, p_adjusted; /* adjusted: for the looks, and Benjamini-Hochberg over all cells, by ana_judge_all */
	double margin;
	enum ana_better better;
	size_t rounds, needs_more; /* needs_more 0 of an unknown one: however many there are, they would not tell */
	bool equal;                /* no round differs, or by more than matters: nothing can be found here */
	unsigned looks;            /* how often the results could have ended the series; 1: its length was fixed */
	enum ana_verdict verdict;
};
int ana_compare_paired(const double *base, const double *cand, size_t n, double margin, enum ana_better better,
		       struct ana_shift *out, struct sr_error *err);
/* Judges all cells of one comparison together; those that are equal are not counted. */
int ana_judge_all(struct ana_shift *const *cells, size_t all, struct sr_error *err);
const char *ana_verdict_name(enum ana_verdict v);
enum ana_better ana_better(const char *metric);

/*
 * Are the rounds paired evidence? Two live runs are when they were made one after the other on one machine, and which
 * of them was first changed from round to round: then a machine that slowly changes does so for both. All of one arm
 * before all of the other is no evidence, whatever a test says of it. Each boot of a machine is a condition of its own:
 * where the arms were never run in the same one (two kernels), the boots are the rounds, and these are to alternate.
 * Simulations depend on no machine.
 */
enum ana_evidence {
	ANA_PAIRED,
	ANA_ORDER_UNKNOWN, /* neither order_slot nor started_at tell it: judged as if it were paired, and told */
	ANA_BLOCKED,
	ANA_OTHER_MACHINE,
	ANA_FEW_BOOTS,
};
const char *ana_evidence_name(enum ana_evidence e);

/*
 * Two arms out of a database. A selector is KEY=VALUE[,KEY=VALUE...] with keys run, trace (name, or the beginning of
 * its sha256), label, engine, policy, options, arm, machine, kernel, sched_ext, work, timing. Each must select runs
 * that differ only in trace and round. Rows of recordings take part only where a selector asks for engine=recorded, for a
 * run, or matches nothing else; those of `replay --aa` where it asks for an arm or a run.
 */
struct ana_compare_options {
	double margin; /* practical margin, relative; at least the noise between the base's rounds is used, and the
			* noise floor that `replay --aa` stored for the trace, metric, machine and arm */
	const char *const *metrics; /* globs; nmetrics 0: the usual ones. fidelity.* is never compared. */
	size_t nmetrics;
	unsigned looks;   /* of ana_compare_results */
	bool may_be_none; /* ana_compare: no metric in common is no error, but no cells */
};
enum ana_margin { ANA_MARGIN_ASKED, ANA_MARGIN_ROUNDS, ANA_MARGIN_FLOOR }; /* where a margin comes from */
struct ana_cell {    /* one a (trace, metric) that both arms have */
	char *trace; /* its name */
	char metric[56], unit[8];
	double base, cand; /* medians over the rounds */
	double step;       /* in the unit: rounds that differ by no more are equal */
	struct ana_shift s;
	enum ana_margin margin_from;
	enum ana_evidence evidence;
	bool by_boot; /* s.rounds are boots */
};
/* One metric over all traces: the mean of their shifts, and its interval by a bootstrap over traces. */
struct ana_overall {
	char metric[56];
	double shift, lo, hi, margin;
	double effective; /* traces of equal weight that tell as much; traces where none has a weight */
	size_t traces, rounds, needs_more; /* needs_more: traces that would likely tell (an estimate) */
	enum ana_verdict verdict;
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
	size_t ncells, cells_cap;
	struct ana_overall *overall; /* where there are two traces or more */
	size_t noverall;
	size_t base_runs, cand_runs, unpaired;       /* unpaired: runs without a round of the other arm */
	size_t mixed;                                /* pairs left out: others were better evidence */
	bool conditions_differ;                      /* governor, turbo, SMT, ASLR, command line or microcode, */
	char conditions[256];                        /* and which */
	char base_sched_ext[64], cand_sched_ext[64]; /* the BPF scheduler that was loaded; "": none, or not known */
	size_t foreign_runs; /* in which others had more than ANA_FOREIGN of the CPUs (foreign_cpu_share) */
	double foreign_most;
	struct ana_doubt *doubts; /* runs whose recording is to be used with care (cost.h) */
	size_t ndoubts;
	struct ana_poor *poor;
	size_t npoor;
};
/* What would tell the cells of which it is not known. */
struct ana_needs {
	size_t unknown, machines, blocked; /* cells: all such; of two machines, of blocked order */
	size_t more;                       /* the most rounds that one of them needs */
	bool boots;                        /* rounds are boots */
};
struct ana_needs ana_needs_of(const struct ana_comparison *c);
/* A selector that is wrong, matches nothing (the text says what there is) or too much: SR_USAGE. */
int ana_compare(struct ana_db *db, const char *base, const char *cand, const struct ana_compare_options *o,
		struct ana_comparison *out, struct sr_error *err);
/* Rounds of one trace that are known to be paired: base[i] with cand[i]. No metric in common: no cells. */
int ana_compare_results(const char *trace, const struct ana_result *const *base, const struct ana_result *const *cand,
			size_t n, const struct ana_compare_options *o, struct ana_comparison *out,
			struct sr_error *err);
void ana_comparison_release(struct ana_comparison *c);

/*
 * The noise floor of one arm on one machine: what it differs by from itself when both are measured as two arms would
 * be. The floor of a metric is the end of that interval which is farther from 0: up to there a difference cannot be told
 * from none. Stored from an A/A comparison's cells (those with an interval), in one transaction, for what arm says:
 * trace, engine, machine, policy, options, arm ("aa 1 cpus=0" is cpus=0), work, timing, kernel and sched_ext.
 */
int ana_db_store_noise(struct ana_db *db, const struct ana_run *arm, const struct ana_comparison *aa,
		       struct sr_error *err);

/*
 * Databases into one, in one transaction. Runs are the same by their uid: what is there is not added again. Nights come
 * with their rounds and change points (nightly.h); of a round that both have the other's runs stay out, and so does what
 * a night has under way. The source is left as it is. A night that is another thing than that of its label here, or
 * shares it with runs that are no night's: SR_USAGE, and nothing is added.
 */
struct ana_db_merged {
	size_t runs, runs_there, noise, nights, rounds, changes;
	size_t rounds_left_out; /* of nights: here are others, made by other runs */
};
bool ana_db_is(const char *path); /* an SQLite database, by its content */
int ana_db_merge(struct ana_db *to, const char *from, struct ana_db_merged *out, struct sr_error *err);

#endif

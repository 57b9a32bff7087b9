/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * analyze's own: the streaming pass and its parts. Nothing here is for other folders.
 */
#ifndef SCHEDREC_ANALYZE_INTERNAL_H
#define SCHEDREC_ANALYZE_INTERNAL_H

#include "analyze/analyze.h"
#include "formats/machine.h"
#include "formats/task.h"
#include "formats/timeline.h"

int ana_no_memory(struct sr_error *err);
/* array: the address of an array's pointer. Makes room for n elements; new ones are zero. */
int ana_reserve(void *array, size_t *cap, size_t n, size_t size, struct sr_error *err);
int ana_set_hist(struct ana_result *r, const char *name, const struct ana_hist *h, struct sr_error *err);

/*
 * Pairs of tasks with a count each (edges.c): who woke whom, how often. Keys are the caller's; a zeroed struct is
 * empty.
 */
struct ana_pair {
	uint32_t from, to;
	uint64_t count; /* 0: a free slot */
};
struct ana_pairs {
	struct ana_pair *v; /* open addressing; slots of v are in no useful order */
	size_t cap, n;      /* cap: 0 or a power of two */
};
int ana_pairs_add(struct ana_pairs *p, uint32_t from, uint32_t to, uint64_t count, struct sr_error *err);
uint64_t ana_pairs_count(const struct ana_pairs *p, uint32_t from, uint32_t to);
void ana_pairs_release(struct ana_pairs *p);

/*
 * The cpus' queues (load.c), for the metrics of the whole machine. Time is told with every change and never goes
 * back. Masks are those of the start state, by index. What a cpu does is not known before ana_load_found or ana_load_run
 * has told it, unless the start state does.
 */
#define ANA_MASK_ALL -1
#define ANA_MASK_UNKNOWN -2 /* a kernel thread that may well be bound: it never counts as movable */
struct ana_load;
struct ana_load *ana_load_new(const struct sr_task_starts *starts, const struct sr_machine *machine, unsigned cpus,
			      uint64_t start_ns, struct sr_error *err);
void ana_load_free(struct ana_load *l);
void ana_load_run(struct ana_load *l, unsigned cpu, bool busy, uint64_t now);
/* The same, of a cpu that has been doing so for longer; it counts where it is not known to have done something else. */
void ana_load_found(struct ana_load *l, unsigned cpu, bool busy, uint64_t since, uint64_t now);
/* An event of this cpu: it has lost none until now. */
void ana_load_seen(struct ana_load *l, unsigned cpu, uint64_t now);
/* It has, since its event at seen_ns: what it does is not known, and what was counted since then is not true. */
void ana_load_lost(struct ana_load *l, unsigned cpu, uint64_t seen_ns, uint64_t now);
void ana_load_queue(struct ana_load *l, unsigned cpu, int mask, uint64_t now); /* a task waits on this cpu */
unsigned ana_load_queued(const struct ana_load *l, unsigned cpu);
void ana_load_unqueue(struct ana_load *l, unsigned cpu, int mask, uint64_t now); /* it does so no longer */
int ana_load_finish(struct ana_load *l, uint64_t now, struct ana_result *out, struct sr_error *err);
void ana_load_restart(struct ana_load *l, uint64_t now); /* nothing before now counts */
uint64_t ana_load_busy_ns(const struct ana_load *l, unsigned cpu);

/* The pass: one event stream -> one ana_result. */
enum ana_source { ANA_SOURCE_KERNEL, ANA_SOURCE_SELF };

struct ana_pass_config {
	enum ana_scope scope; /* not ANA_AUTO */
	const char *
		task_glob; /* of the scope's tasks (but ANA_BOUND's), those whose name at first sight matches; NULL: all */
	uint64_t from_ns, to_ns; /* count only from here on, and up to here (event times); 0: all */
	enum ana_source source;
	bool whole_system;                   /* every task of the machine is in the stream */
	unsigned cpus;                       /* the machine's, where there is no machine description */
	struct sr_idle_delays idle;          /* of the recording, where it has repaired switches from idle */
	const struct sr_repair_log *log;     /* of this very stream, whole: it need not be repaired; NULL: it must */
	const struct sr_task_starts *starts; /* NULL: none. The three are borrowed until ana_pass_free. */
	const struct sr_machine *machine;    /* NULL: not known */
	const uint8_t *members; /* in place of scope: nonzero for each task index that counts; NULL: by scope */
	size_t nmembers;
	const uint8_t *shown; /* of those that count: nonzero for each task index that is wanted; NULL: all */
	size_t nshown;
	const struct sr_cpumask *shown_cpus; /* NULL: all */
	sr_name_fn name;                     /* NULL: names are not looked up */
	void *name_arg;
	ana_slice_fn slice; /* NULL: nobody wants them */
	void *slice_arg;
	unsigned slice_kinds; /* 0: ANA_SLICE_RUN */
	bool pairs;           /* count who woke whom, and the runnable tasks over time */
	unsigned omit;        /* of enum ana_omit */
};

struct ana_pass;
struct ana_pass *ana_pass_new(const struct ana_pass_config *cfg, struct sr_error *err);
int ana_pass_feed(struct ana_pass *p, const struct sr_event *ev, struct sr_error *err);
/* The next n, of which count gets to know, up to where the pass is over. */
int ana_pass_feed_run(struct ana_pass *p, const struct sr_event *ev, size_t n, struct sr_cost_count *count,
		      struct sr_error *err);
int ana_pass_finish(struct ana_pass *p, struct ana_result *out, struct sr_error *err);
void ana_pass_free(struct ana_pass *p);
bool ana_pass_is_over(const struct ana_pass *p); /* no event to come can count */

/* After ana_pass_finish, with cfg.pairs. Keys of pairs: index of the task row (ana_result.tasks is in their order)
 * for tasks that count. */
const struct ana_pairs *ana_pass_pairs(const struct ana_pass *p);

/* Feeds a file to a pass: cfg gets what the file itself says. window: NULL for the whole file. *pass (where wanted) is
 * the caller's. */
int ana_read(struct srz_reader *r, struct ana_pass_config *cfg, const struct ana_window *window, struct ana_result *out,
	     struct ana_pass **pass, struct sr_error *err);

/* shown: the caller's, nonzero for each task index of the request's tasks (select.c). Reads the file to its end. */
int ana_select_tasks(struct srz_reader *r, const struct ana_request *q, bool whole_system, bool own, uint8_t **shown,
		     size_t *n, struct sr_error *err);

bool ana_is_replay(const struct srz_reader *r);                               /* or a simulation */
bool ana_meta_number(const struct srz_reader *r, const char *key, double *v); /* false: not there, or no number */

/*
 * Of d[0..n): the Hodges-Lehmann shift, its exact interval of at least 1 - alpha (NAN where n is too small for one)
 * and the two-sided signed-rank p (stats.c).
 *
 * Ties get their mean rank, and p is exact for them, over all signs of these ranks; of more than 500 differences it comes
 * from the normal approximation without ties. Zeros are left out of the test (their sign is not known) and stay in the shift and the
 * interval; whoever judges asks both, so that zeros make no verdict easier.
 */
int ana_signed_rank(const double *d, size_t n, double alpha, double *shift, double *lo, double *hi, double *p,
		    struct sr_error *err);
/* What an A/A comparison of as many rounds would typically show as shift: the median relative difference of
 * successive rounds of one arm, over the square root of their number. 0 with fewer than 4. */
double ana_noise(const double *v, size_t n);

/* As ana_compare_paired, for a series that could have ended after each of so many looks at its results: the interval
 * holds, and p is adjusted, for all of them (Bonferroni). */
int ana_compare_looks(const double *base, const double *cand, size_t n, double margin, enum ana_better better,
		      unsigned looks, struct ana_shift *out, struct sr_error *err);
/* The same, where a round in which the two differ by no more than step (in the metric's unit) shows no difference. */
int ana_compare_steps(const double *base, const double *cand, size_t n, double margin, double step,
		      enum ana_better better, unsigned looks, struct ana_shift *out, struct sr_error *err);

/* Numbers of our own, the same on every computer: splitmix64 (Steele, Lea, Flood 2014). */
uint64_t ana_random(uint64_t *state);

/* How many traces of equal weight tell as much (Kish): the squared sum of the weights over the sum of their squares. */
double ana_effective(const double *w, size_t n);
/* Interval of the mean of v[0..n), weighted with w (NULL: all alike; else all above 0), by resampling v; NAN with fewer
 * than ANA_MIN_TRACES in effect. The same on every computer. */
#define ANA_RESAMPLES 4000
#define ANA_SEED 20260101
int ana_bootstrap(const double *v, const double *w, size_t n, double alpha, uint64_t seed, double *lo, double *hi,
		  struct sr_error *err);
/* Out of the traces' shifts what holds over all of them. family: how many metrics are judged so together; the verdict's
 * interval is wide enough for all (Bonferroni), the one in *out for this one. */
int ana_over_traces(const double *shifts, const double *w, size_t n, double margin, enum ana_better better,
		    unsigned family, struct ana_overall *out, struct sr_error *err);

#endif

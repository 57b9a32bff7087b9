/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pass: follows every task through
 *
 *      fork            wakeup_new           switch-in
 *   ---------->  NEW  ------------>        ------------>
 *                                   WAITING              RUNNING ---> DEAD
 *                SLEEPING -------->        <------------
 *                    ^     waking           preempted       |
 *                    +--------------------------------------+   switch-out in a sleeping state
 *
 * A task is UNKNOWN until the first event that tells where it is. What counts is a subject: a task, or in a replay
 * what one thread does for one task of the source recording, from one SR_EV_BIND to the next.
 */
#ifndef SCHEDREC_ANALYZE_PASS_INTERNAL_H
#define SCHEDREC_ANALYZE_PASS_INTERNAL_H

#include "analyze/internal.h"
#include "formats/timeline.h"

#define NOT_KNOWN UINT64_MAX
#define NO_SOURCE UINT32_MAX

enum state { UNKNOWN, NEW, SLEEPING, WAITING, RUNNING, DEAD };
enum wait { WAIT_WAKE, WAIT_NEW, WAIT_PREEMPT, WAIT_GUESSED /* a repaired switch: preempted, or asleep */ };

enum { HIST_LATENCY, HIST_DELAY, HIST_SLICE, HIST_PREEMPT, HIST_SLEEP, HIST_DECISION, HISTS };

struct subject {
	struct ana_task_row row; /* the accumulators, and who it is */
	uint8_t state, wait;
	bool in_scope, ran;
	bool cut;     /* the beginning of the present interval is not known exactly */
	bool decided; /* since it last ran, a policy named decided_to */
	uint8_t decided_cause;
	int cpu;    /* where it runs or last ran; -1: nowhere yet */
	int home;   /* where it was when it was forked; -1: not known */
	int placed; /* cpu named by sched_wakeup; -1: not told */
	int queue;  /* cpu on whose queue it is for ana_load; -1: none */
	int decided_to;
	int mask;
	uint64_t since_ns;             /* of the present state */
	uint64_t waking_ns, queued_ns; /* WAITING after a wake; NOT_KNOWN: not seen */
	uint64_t slept_ns, delay_ns;   /* before the present stretch; NOT_KNOWN */
	uint64_t losses;               /* p->losses when the present wait began */
	uint64_t early_ns;             /* a wake that came while it was still running; NOT_KNOWN: none */
	uint32_t early_waker;
	bool early_soft; /* it came in a soft interrupt */
	bool early_hard; /* or in a hard one */
	int early_cpu;
	bool estimated;      /* the present stretch began with a switch that was put in */
	int from_cpu;        /* where it ran before the present stretch; -1: not known */
	int16_t prio;        /* in the present stretch; 0: not told */
	uint64_t latency_ns; /* wake-up latency before the present stretch; NOT_KNOWN */
	uint32_t waker;      /* task index of who woke it last; 0: an interrupt, or not known */
	int waker_cpu;       /* where that was; -1: not known */
	/* The present activation: from the wake-up to the next sleep. */
	bool active;                    /* it is known from its beginning */
	uint64_t active_ns, stalled_ns; /* since when; waits of it so far */
	struct ana_watch *watch;        /* its wake-ups (pass_period.c); NULL: none yet */
};

struct pass_cpu {
	uint32_t current; /* subject, 0: idle or not known */
	bool known;
	bool lost;        /* it has lost events, and had none since */
	uint64_t last_ns; /* its latest event */
	struct ana_cpu_row row;
	struct ana_cpu_stats stats;
	bool idle_cut;       /* idle_since is not when it went idle */
	uint64_t idle_since; /* NOT_KNOWN: it is not idle, or nobody knows since when */
};

struct ana_pass {
	struct ana_pass_config cfg;
	unsigned kinds; /* of slices that are handed out */
	bool brief;     /* ANA_OMIT_ALL, of whole timelines on all cpus: nothing else is worked out */
	struct sr_repair *repair;
	uint64_t nth, next_nth; /* with cfg.log: the next event; the next that the log has */
	size_t log_at;
	uint64_t repaired; /* switches put in so far */
	struct sr_task_table table;
	struct subject *subjects; /* [0]: the idle task, never counted */
	size_t nsubjects, subjects_cap;
	uint32_t *subject_of; /* by task index; 0: none yet */
	size_t subject_of_cap;
	struct pass_cpu *cpus;
	size_t ncpus, cpus_cap;
	struct ana_load *load;
	bool has_root, begun, ran, saw_waking, saw_wakeup, saw_decision, level_unknown;
	uint64_t first_ns, last_ns, first_run, last_run;
	uint64_t losses, lost, censored;
	bool part_open, part_over;    /* the first event behind cfg.from_ns came; the first behind cfg.to_ns */
	uint64_t repaired_before;     /* before the part */
	struct ana_hist *hist[HISTS]; /* NULL with ANA_OMIT_METRICS */
	uint64_t balancer_ns;
	uint64_t migrations, by_level[SR_LEVEL_NODE + 1], by_cause[SR_CAUSES];
	struct ana_pairs pairs, soft_pairs; /* soft: in soft interrupts during the waker */
	uint64_t *runnable_ns;
	size_t runnable_cap, runnable_n; /* entries in use */
	uint64_t nrunnable, runnable_since;
	bool runnable_begun;
};

static inline bool self(const struct ana_pass *p)
{
	return p->cfg.source == ANA_SOURCE_SELF;
}

/* Does the stream tell of whole cpus? */
static inline bool whole_system(const struct ana_pass *p)
{
	return p->cfg.whole_system && !self(p);
}

static inline bool is_part(const struct ana_pass *p)
{
	return p->cfg.from_ns || p->cfg.to_ns;
}

static inline uint64_t after(uint64_t now, uint64_t since)
{
	return now > since ? now - since : 0;
}

static inline bool ana_pass_shows_cpu(const struct ana_pass *p, int cpu)
{
	return !p->cfg.shown_cpus || (cpu >= 0 && sr_cpumask_isset(p->cfg.shown_cpus, (unsigned)cpu));
}

/* Does it count what s does on this cpu? */
static inline bool ana_pass_counts(const struct ana_pass *p, const struct subject *s, int cpu)
{
	return s->in_scope && ana_pass_shows_cpu(p, cpu);
}

static inline void ana_pass_note(struct ana_pass *p, unsigned hist, uint64_t ns)
{
	if (p->hist[hist])
		ana_hist_add(p->hist[hist], ns);
}

static inline void censor(struct ana_pass *p, const struct subject *s, int cpu)
{
	p->censored += ana_pass_counts(p, s, cpu);
}

/* Parts of the pass that finishing needs too. */
void ana_pass_open_part(struct ana_pass *p, uint64_t now);
int ana_pass_count_runnable(struct ana_pass *p, int by, uint64_t now, struct sr_error *err);
struct pass_cpu *ana_pass_new_cpu(struct ana_pass *p, unsigned cpu, struct sr_error *err);

/* p->cpus may move. */
static inline struct pass_cpu *ana_pass_cpu(struct ana_pass *p, unsigned cpu, struct sr_error *err)
{
	return cpu < p->ncpus ? &p->cpus[cpu] : ana_pass_new_cpu(p, cpu, err);
}

/* pass_count.c */
void ana_pass_account_run(struct ana_pass *p, struct subject *s, uint64_t now);
void ana_pass_stall(struct subject *s, uint64_t ns);
void ana_pass_count_slice(struct ana_pass *p, struct subject *s, uint64_t now);
void ana_pass_count_cause(struct ana_pass *p, unsigned cause);
void ana_pass_count_migration(struct ana_pass *p, struct subject *s, unsigned from, unsigned to);

/* pass_slices.c */
int ana_pass_give_run(struct ana_pass *p, const struct subject *s, uint64_t end, uint8_t left, bool cut,
		      struct sr_error *err);
int ana_pass_give_idle(struct ana_pass *p, unsigned cpu, uint64_t end, bool cut, struct sr_error *err);
int ana_pass_give_wakeup(struct ana_pass *p, const struct subject *s, uint64_t now, struct sr_error *err);
int ana_pass_give_migration(struct ana_pass *p, const struct subject *s, const struct sr_event *ev,
			    struct sr_error *err);

/* Of a part's tasks the past is followed, not told. */
static inline bool ana_pass_wants(const struct ana_pass *p, unsigned kind)
{
	return p->kinds & kind && (!p->cfg.from_ns || p->part_open);
}

static inline int ana_pass_hand_out(struct ana_pass *p, const struct subject *s, uint64_t end, uint8_t left, bool cut,
				    struct sr_error *err)
{
	if (!ana_pass_wants(p, ANA_SLICE_RUN) || !ana_pass_counts(p, s, s->cpu))
		return 0;
	return ana_pass_give_run(p, s, end, left, cut, err);
}

/* The cpu's idle task leaves it, or the recording ends. */
static inline int ana_pass_hand_out_idle(struct ana_pass *p, unsigned cpu, uint64_t end, bool cut, struct sr_error *err)
{
	if (!ana_pass_wants(p, ANA_SLICE_IDLE) || !ana_pass_shows_cpu(p, (int)cpu))
		return 0;
	return ana_pass_give_idle(p, cpu, end, cut, err);
}

/* s->waker has woken s. */
static inline int ana_pass_hand_out_wakeup(struct ana_pass *p, const struct subject *s, uint64_t now,
					   struct sr_error *err)
{
	if (s->waker_cpu < 0 || !ana_pass_wants(p, ANA_SLICE_WAKEUP) || !ana_pass_counts(p, s, s->waker_cpu))
		return 0;
	return ana_pass_give_wakeup(p, s, now, err);
}

static inline int ana_pass_hand_out_migration(struct ana_pass *p, const struct subject *s, const struct sr_event *ev,
					      struct sr_error *err)
{
	if (!ana_pass_wants(p, ANA_SLICE_MIGRATE) || !ana_pass_counts(p, s, ev->u.migrate.to))
		return 0;
	return ana_pass_give_migration(p, s, ev, err);
}

/* pass_period.c. s->watch is made with a task's second wake-up and gone with ana_period_end. */
int ana_period_wake(struct ana_pass *p, struct subject *s, uint64_t now, bool interrupt, struct sr_error *err);
void ana_period_waited(struct subject *s, uint64_t ns);
void ana_period_sleep(struct subject *s, uint64_t now);
void ana_period_cut(struct subject *s);
void ana_period_restart(struct subject *s);
void ana_period_end(struct subject *s);

/* pass_stats.c */
void ana_stats_switch(struct ana_pass *p, const struct sr_event *ev);
int ana_stats_wakeup(struct ana_pass *p, const struct subject *s, struct sr_error *err);
int ana_stats_migrate(struct ana_pass *p, const struct subject *s, const struct sr_event *ev, struct sr_error *err);
int ana_stats_rows(struct ana_pass *p, struct ana_result *out, struct sr_error *err);

#endif

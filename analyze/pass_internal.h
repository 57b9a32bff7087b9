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
};

struct pass_cpu {
	uint32_t current; /* subject, 0: idle or not known */
	bool known;
	uint64_t last_ns; /* its latest event */
	struct ana_cpu_row row;
};

struct ana_pass {
	struct ana_pass_config cfg;
	struct sr_repair *repair;
	struct sr_task_table table;
	struct subject *subjects; /* [0]: the idle task, never counted */
	size_t nsubjects, subjects_cap;
	uint32_t *subject_of; /* by task index; 0: none yet */
	size_t subject_of_cap;
	struct pass_cpu *cpus;
	size_t ncpus, cpus_cap;
	struct ana_load *load;
	bool has_root, begun, ran, saw_waking, saw_decision, level_unknown;
	uint64_t first_ns, last_ns, first_run, last_run;
	uint64_t losses, lost, censored;
	bool part_open, part_over; /* the first event behind cfg.from_ns came; the first behind cfg.to_ns */
	uint64_t repaired_before;  /* before the part */
	struct ana_hist *latency, *delay, *slice, *preempt, *sleep, *decision;
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

static inline bool is_part(const struct ana_pass *p)
{
	return p->cfg.from_ns || p->cfg.to_ns;
}

static inline uint64_t after(uint64_t now, uint64_t since)
{
	return now > since ? now - since : 0;
}

static inline void censor(struct ana_pass *p, const struct subject *s)
{
	p->censored += s->in_scope;
}

/* Parts of the pass that finishing needs too. */
void ana_pass_open_part(struct ana_pass *p, uint64_t now);
void ana_pass_account_run(struct ana_pass *p, struct subject *s, uint64_t now);
int ana_pass_count_runnable(struct ana_pass *p, int by, uint64_t now, struct sr_error *err);
int ana_pass_hand_out(struct ana_pass *p, const struct subject *s, uint64_t end, uint8_t left, bool cut,
		      struct sr_error *err);

#endif

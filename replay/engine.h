/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The live engine: runs a workload model as real threads of this process.
 *
 *   rpl_prepare   checks limits, calibrates, creates the threads of the tasks that were alive at the recording's
 *                 start; they stand at the gate
 *   rpl_execute   opens the gate and returns when the last program has ended (or was stopped)
 *   rpl_collect   hands out the counts and the engine's own events (binds, decisions; with self_record also what the
 *                 threads saw: wake, first instruction after it, block)
 *   rpl_free
 *
 * A recorder may be attached between prepare and execute: from then on no thread of the replay does anything before
 * the gate opens. Needs no privilege; what may not be set (negative nice, real-time classes) is counted.
 * With processes, those of the recording's start are forked at prepare, from a process of the engine's own (the root of
 * their tree), and recorded forks fork. None outlives the run, whoever dies: they have process groups of their own, which
 * are killed when this process ends, and a run of which one dies ends with SR_ENVIRONMENT.
 *
 * One run at a time in a process; the model must outlive the run and is not changed.
 */
#ifndef SCHEDREC_REPLAY_ENGINE_H
#define SCHEDREC_REPLAY_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "formats/error.h"
#include "formats/event.h"
#include "formats/machine.h"
#include "formats/model.h"
#include "formats/wakecost.h"
#include "replay/groups.h"
#include "replay/policy.h"

enum rpl_work { RPL_WORK_TIME, RPL_WORK_INSTRUCTIONS };
enum rpl_timing {
	RPL_TIMING_AUTO,   /* periodic timers keep their deadlines, every other sleep its length */
	RPL_TIMING_CLOSED, /* every sleep keeps its length */
	RPL_TIMING_OPEN,   /* what comes from outside comes at its recorded time; periodic timers as in auto */
};

struct rpl_config {
	enum rpl_work work;
	enum rpl_timing timing;
	double work_scale; /* bursts are multiplied by it; 0: as recorded, like 1 */
	double time_scale; /* sleeps and deadlines are multiplied by it; 1 as recorded, 0: no sleep takes time */
	uint64_t seed;
	const struct rpl_policy *policy;
	const char *policy_options;        /* NULL: none */
	struct sr_wake_cost recorded_wake; /* on the recording's machine; 0: take this one's */
	struct sr_wake_bound wake_bound;   /* of the model; zeroed: none */
	const struct sr_machine *machine;
	const struct sr_cpumask *cpus; /* CPUs to use; NULL: all that this process may */
	bool keep_affinity;            /* the recorded masks apply: same machine, same CPUs */
	int nice_offset;               /* added to all nice values */
	int normal_class;              /* of SCHED_OTHER tasks: SCHED_OTHER, SCHED_BATCH or SCHED_IDLE */
	bool allow_rt;                 /* FIFO, RR and DEADLINE tasks run as such */
	uint64_t rt_limit_ns;          /* with allow_rt: longest time on a CPU without a pause */
	bool self_record;
	bool processes; /* recorded processes become processes; else all tasks are threads of this one */
	const struct rpl_groups *groups; /* control groups for those of the model's attrs; NULL: none is entered */
	bool sessions;                   /* with processes: they call setsid where their originals did */
	unsigned order;                  /* RPL_ORDER_*: how recorded orders are kept */
	const volatile int *stop;        /* not 0: end early; NULL: never */
	void (*progress)(void *arg, double share); /* about 5 times a second, from the calling thread; NULL: none */
	void *progress_arg;
};

/* rpl_config.order */
enum {
	RPL_ORDER_OFF = 0,
	RPL_ORDER_WAIT = 1,   /* a wake waits, bounded, until its target has reached the wait it ended */
	RPL_ORDER_CAUSAL = 2, /* the same, only where that was a dependency; event loops go on with what has come */
};

/* Costs measured at prepare, ns. What of it is the replay's own and no work of the program is taken out of the bursts. */
struct rpl_costs {
	double loops_per_ns;        /* of the work loop, at the median of short tries */
	struct sr_wake_cost wake;   /* of this machine */
	struct sr_wake_cost then;   /* of the recording's, as far as its bursts can hold it */
	uint64_t create_ns, end_ns; /* of threads: CPU time in who makes one, and in who ends */
	uint64_t fork_ns, exit_ns;  /* of processes: the same */
	uint64_t queue_ns;          /* from before a futex call to where the sleeper has left its CPU, about */
	double exec_ns;             /* of having the kernel balance an exec; 0: it does not */
};

struct rpl_counts {
	uint64_t tasks, wakes, waits_slept, waits_passed; /* waits_passed: the wake was there already */
	uint64_t wakes_sync;   /* of sleepers, hidden waits too: the kernel was told that the waker is about to sleep */
	uint64_t sync_refused; /* tasks that could not be woken so: too many files are open */
	uint64_t hidden_slept, hidden_passed; /* the same of waits that the recording does not have */
	uint64_t sleeps, sleeps_late;         /* sleeps_late: their time had passed (open timing) */
	uint64_t out_of_turn;                 /* pieces of event loops */
	uint64_t jobs_moved;                  /* of pools, done by another worker than recorded */
	uint64_t order_waits, order_yields, order_spins, order_blocks, order_expired, order_wait_ns;
	uint64_t vforks_held,
		vforks_open; /* forks whose parent was given its CPU back to sleep, and that could not be so */
	uint64_t wakes_held,
		wakes_late; /* part of an exec or an exit: whose waker kept its CPU, and done when that is over */
	uint64_t wake_local_ns,
		wake_remote_ns; /* what the replay's own wakes cost, mean of those measured; work in instructions */
	uint64_t forced;        /* waits ended by the watchdog: a defect when not 0 */
	uint64_t processes, orphans; /* made; of the start without a replayed parent: children of the root */
	/* setsid calls; what could not be; made more than once for one of the recording; their autogroups' nice. */
	uint64_t sessions_made, sessions_refused, sessions_split, session_nice_refused;
	uint64_t groups_entered, groups_refused; /* control groups: moves of a task into one, and those that failed */
	uint64_t nice_refused, affinity_dropped;
	/* Tasks that ran as normal ones: real-time, deadline, other classes (BATCH, IDLE, ...). */
	uint64_t rt_refused, deadline_refused, policy_refused;
	uint64_t rt_set;                         /* times that a thread entered a real-time class */
	uint64_t rt_demoted;                     /* threads that the watchdog made normal */
	uint64_t exec_balanced, exec_unbalanced; /* execs at which the kernel chose a CPU, and could not */
	uint64_t decisions;
	uint64_t events_dropped; /* engine events that found no room */
	uint64_t balancer_cpu_ns;
	uint64_t owed_ns, paid_ns; /* CPU time the programs owed, and what their threads used */
	uint64_t wakes_nearer,
		wakes_farther; /* sleeps that a wake from the own CPU ended and not from another, and so on */
	int64_t wake_cost_ns;  /* what the programs owed more for that, or (negative) less */
};

/* Does the scheduler tell sessions apart that this process would make? NULL: yes; else why not. */
const char *rpl_no_sessions(void);

struct rpl_run;

struct rpl_run *rpl_prepare(const struct sr_model *m, const struct rpl_config *cfg, struct sr_error *err);
int rpl_execute(struct rpl_run *run, struct sr_error *err);
const struct rpl_counts *rpl_get_counts(const struct rpl_run *run);
/* What the policy has counted, into v[RPL_POLICY_COUNTS]; returns how many. After rpl_execute. */
unsigned rpl_policy_report(const struct rpl_run *run, struct rpl_policy_count *v);
/* Sorted by (time, cpu), owned by the run. */
int rpl_collect(struct rpl_run *run, const struct sr_event **events, size_t *n, struct sr_error *err);
void rpl_cpus(const struct rpl_run *run, struct sr_cpumask *cpus); /* that it uses */
void rpl_span(const struct rpl_run *run, uint64_t *start_ns, uint64_t *end_ns);
void rpl_free(struct rpl_run *run); /* NULL is allowed; ends threads that have not ended */

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The workload model: what each recorded task did, as a program that any engine can run.
 *
 * A program is a list of operations: run, wake X, wait to be woken, sleep for a time, fork, exec, exit.
 * Each wait of a task is numbered from 0, and a wake releases one particular wait, not whichever its
 * target happens to be in. A switch in a runnable state (preemption, yield) is no operation: the burst goes on.
 *
 *   recorded:  A  ---run 3 ms---[wake B]--run 1 ms--(sleeps, woken by B)--run ...
 *   model:     A  RUN 3 ms, WAKE B wait 0, RUN 1 ms, WAIT 0, RUN ...
 *
 * Who woke a sleeper decides what its sleep becomes:
 *   task      a replayed task, in its own context                          WAIT
 *   softirq   soft interrupt on a replayed task's cpu, where both tasks wake each other this way about
 *             equally often (a socket over loopback: the sender's own softirq delivers it)     WAIT
 *   timed     everything else: timers, devices, kernel threads, tasks outside the replay       SLEEP
 *             (enum sr_sleep; model_timers.c tells deadlines from lengths)
 * Each is counted. A wake that the kernel stamped before its sleeper had left the cpu is kept for that sleep.
 *
 * The order of the recording that a trace proves: a recorded wake found its target asleep, so the target's block
 * comes before the wake. Each WAKE carries how the recording came to that order (enum sr_order); where the
 * target had blocked before the waker itself was last woken, the waker's own wait takes it over
 * (sr_wait.watch_task) and it costs nothing at run time.
 *
 * That order is a dependency (SR_WAKE_ANSWERS) where the waker must have learnt of something that the target did before
 * it slept, though no wake shows it, because the waker was awake: the two wake each other (each at least a tenth as
 * often as the other way), the waker ends a third of the target's waits or more, the target is no event loop, and
 * between its last two waits it did not wake the waker. Else the wake would also have been sent to a target that was not
 * yet asleep, and would have saved it the sleep.
 *
 * A task waits for any (sr_program.any) when it has 16 waits or more and no other task ends nine tenths of them.
 *
 * Messages that left no event are put in (model_dialogue.c) between a client and its server, where each wakes the other 8
 * times or more, the server ends a third of the client's waits or more (two thirds of those of a loop), and a third of those or more follow a wake of the
 * server by the client: between two waits of the client for the server without a wake of it there was one, and between two
 * such wakes without a wait, more than twice the usual time from wake to wait apart, an answer that came in time.
 * Engines heed them with the causal order only.
 *
 * Two processes share a bounded buffer (model_buffer.c; a pipe) when they sleep for each other 32 times or more, which is a
 * sixth of one's sleeps, and a third of that at most follow a wake of the other: who asks and waits is in a dialogue. Its
 * size is the work that an end does from a sleep of the other to its own next one, where both turn about 4 times or more and
 * the upper quartile of these is not far above the lower one. Such waits are for their waker alone, never for any, and
 * nobody's wake answers them. Messages are put in that keep each end within a buffer of the other. Engines heed them with the
 * causal order only. So do messages for each step that goes through it (model_steps.c), where the work between an end's sleeps
 * tells what a step is.
 *
 * A wake is one by which the waker says that it is about to sleep (sr_wait.sync) when it comes from another process, but for
 * that which ends a vfork: from a pipe, a socket or an exit.
 *
 * A wait is one for a lock (SR_WAIT_LOCK) where a thread of the same process had just woken its task, the task did nothing
 * but run for 20 us at most and slept again, and the waker did nothing but run for 100 us at most before it woke it again:
 * the first wake came before the waker let go of what the task needed then. Where 8 or more wakes of a pair, and a quarter
 * of those that woke the task on the waker's own CPU, go on like this, the others get a hidden wait of that kind: there the
 * task came when the lock was free, as it always does from another CPU. Questions that are put in are followed by such too.
 *
 * It is an event loop (sr_program.loop) when it also answers at least half of them by waking the task that had woken it
 * before it sleeps again, and has two such partners at least.
 *
 * A pool (model_pool.c) is an event loop, the dispatcher, with two or more workers: threads of its process, of whose waits
 * (but those for locks) nobody ends more, nor it less than a third, and which it gave 8 jobs or more. A job is what
 * a worker does from one of these waits to the next; two thirds of a worker's jobs wake the dispatcher. The workers' median
 * jobs are within a factor of two in CPU time, and their numbers of jobs differ by a tenth of the largest or more: where all
 * have equally many, the jobs may be dealt out by turns. There are 256 at most, and none of them gives jobs itself. A job
 * that does nothing but run and wake can be done by any worker, any other stays its worker's own: the n-th that the
 * dispatcher gives out is the n-th that it gave out in the recording, and goes to who asked for it. Engines heed pools with
 * the causal order only.
 *
 * Sessions are those that the scheduler tells apart: each has an autogroup, which counts for tasks of the root control
 * group. That in which the recorder started the command is no other one here either, but the replay's own (0).
 *
 * sr_model_check plays the model untimed; what could not be matched becomes timed and is counted, so that a
 * model that was built always runs to its end.
 */
#ifndef SCHEDREC_FORMATS_MODEL_H
#define SCHEDREC_FORMATS_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "formats/attr.h"
#include "formats/error.h"
#include "formats/srz.h"
#include "formats/task.h"
#include "formats/wakecost.h"

enum sr_op_kind {
	SR_OP_NOP = 0,
	SR_OP_RUN,     /* value: ns of CPU time, on recorded cpu `cpu` */
	SR_OP_WAKE,    /* arg: task, value: its wait's number; flags: enum sr_order; cpu: for sr_wake_call_ns */
	SR_OP_WAIT,    /* arg: number of the wait; value: recorded ns from block to wake; cpu: where it ran next;
	              * flags: SR_WAIT_REMOTE */
	SR_OP_SLEEP,   /* the same, ended by the clock; flags: enum sr_sleep */
	SR_OP_FORK,    /* arg: task (its program starts); flags: SR_FORK_* */
	SR_OP_EXEC,    /* a NAME follows where it is over */
	SR_OP_NAME,    /* arg: index into names: the new comm; SR_NAME_KEPT: an exec is over that changed none */
	SR_OP_NICE,    /* arg: nice + 20 */
	SR_OP_CLASS,   /* flags: policy of sched(7); arg: rt_prio of FIFO and RR, of normal ones nice + 20 */
	SR_OP_MASK,    /* arg: index into attrs.masks: the CPUs it may use from here on */
	SR_OP_SESSION, /* arg: the session that its process is in from here on (setsid) */
	SR_OP_GROUP, /* arg: index into attrs.groups: the control group it is in from here on; SR_ATTR_NONE: the root */
	SR_OP_END,   /* the program is over; flags bit 0: the task exited, else the recording ended first */
};

#define SR_WAKE_UNIT_NS 16
#define SR_NAME_KEPT UINT32_MAX

/* sr_op.flags of a FORK */
enum {
	SR_FORK_VM = 1,     /* it shares the parent's memory (CLONE_VM) */
	SR_FORK_THREAD = 2, /* it is a thread of the parent's process (CLONE_THREAD) */
	SR_FORK_VFORK = 4,  /* the parent sleeps until the child has exec'd or ended (CLONE_VFORK) */
};

/* A woken task that runs later than this waited for its CPU: nobody interrupted that for it. */
#define SR_WAKE_AT_ONCE_NS 150000u

/* A woken task that runs sooner than this on its waker's CPU was given it. */
#define SR_WAKE_GIVEN_NS 300000u

/* sr_op.flags of a WAIT */
enum {
	SR_WAIT_REMOTE = 1, /* the task was woken from another CPU and ran on one that had been idle, or at once */
	SR_WAIT_HIDDEN = 2, /* the recording does not have it: the message had come before the task would have slept */
	SR_WAIT_LOCK = 4,   /* for what its waker held: a task that waits for any waits here for this one only */
	SR_WAIT_GIVEN = 8,  /* the task ran on its waker's CPU at once */
};

/* What ended a sleep in the recording. */
enum sr_sleep {
	SR_SLEEP_INTERRUPT = 0, /* an interrupt: a device, or a timer that no rule recognises */
	SR_SLEEP_RELATIVE = 1,  /* a timer set for a length: several sleeps of the task have this one */
	SR_SLEEP_PERIODIC = 2,  /* a timer set for deadlines: sr_wait.timer and deadline_ns */
	SR_SLEEP_OUTSIDE = 3,   /* a task that is not replayed */
	SR_SLEEP_DISK = 4,      /* in state D, by an interrupt or a task that is not replayed */
	SR_SLEEP_UNKNOWN = 5,   /* its wake is not in the recording, or could never come */
	SR_SLEEPS
};

#define SR_TIMERS 4 /* periodic timers that a task can have at a time */

/* How the recording shows that a wake's target was asleep. */
enum sr_order {
	SR_ORDER_NONE = 0,       /* the wake came first, or it is not known */
	SR_ORDER_FOLDED = 1,     /* before the waker's last wake-up: kept by the waker's own wait */
	SR_ORDER_QUEUED = 2,     /* while the waker, already woken, waited for a cpu */
	SR_ORDER_PREEMPTED = 3,  /* while the waker was preempted */
	SR_ORDER_CONCURRENT = 4, /* while the waker was running: the target was on another cpu */
	SR_ORDER_MASK = 7,
	/* Flags beside it: */
	SR_WAKE_ANSWERS = 8, /* what the target did before it slept, the waker must have learnt of */
	SR_WAKE_HIDDEN = 16, /* the recording does not have it; its wait is SR_WAIT_HIDDEN */
	SR_WAKE_VFORK = 32,  /* it ends the parent's wait of a vfork: it is part of the waker's exec, or of its exit */
	SR_WAKE_GIVES = 64,  /* such a one, after which the parent was given the CPU (SR_WAIT_GIVEN) */
};

struct sr_op {
	uint8_t kind, flags;
	uint16_t cpu;
	uint32_t arg;
	uint64_t value;
};

/* What the call of a WAKE took the waker when recorded, from sched_waking to sched_wakeup, ns; 0: nothing, or not known (then
 * its cpu is 0, else it is one more than the units). */
static inline uint64_t sr_wake_call_ns(const struct sr_op *wake)
{
	return wake->cpu ? (wake->cpu - 1u) * SR_WAKE_UNIT_NS : 0;
}

/* Does the task rest there, until it is woken or for a time? */
static inline bool sr_op_rests(const struct sr_op *op)
{
	return op->kind == SR_OP_WAIT || op->kind == SR_OP_SLEEP;
}

/* A piece of a program: what it does between two rests. */
static inline bool sr_op_ends_piece(const struct sr_op *op)
{
	return sr_op_rests(op) || op->kind == SR_OP_END;
}

/* Of a message that the recording does not have? */
static inline bool sr_op_hidden(const struct sr_op *op)
{
	return (op->kind == SR_OP_WAIT && op->flags & SR_WAIT_HIDDEN) ||
	       (op->kind == SR_OP_WAKE && op->flags & SR_WAKE_HIDDEN);
}

/* Did the task rest there when it was recorded? */
static inline bool sr_op_rested(const struct sr_op *op)
{
	return sr_op_rests(op) && !sr_op_hidden(op);
}

/* The same of a task that waits for any: what it sleeps for within is part of it. */
static inline bool sr_op_ends_unit(const struct sr_op *op)
{
	return sr_op_ends_piece(op) && !(op->kind == SR_OP_WAIT && op->flags & SR_WAIT_LOCK);
}

struct sr_program;
/* The wait in which the parent of this FORK sleeps until its child has exec'd or ended (vfork); NULL: it is none, or not in
 * the recording. */
const struct sr_op *sr_vfork_wait(const struct sr_program *p, const struct sr_op *fork);

/* sr_wait.job */
enum {
	SR_JOB_OWN = 1,   /* only the worker that it was recorded of can do it */
	SR_JOB_FIRST = 2, /* the first of the pool; the second is one more, and so on */
};

/* One wait or sleep of one task. Times are ns since sr_model.start_ns. */
struct sr_wait {
	uint32_t needs;      /* what must come before it ends: its wake (a sleep: none), and a folded order each */
	uint32_t folded;     /* of needs: the folded orders */
	uint32_t watch_task; /* whose wait counts this one's arrival (a folded order); UINT32_MAX: none */
	uint32_t watch_wait;
	uint32_t waker; /* whose WAKE ends it; UINT32_MAX: nobody's */
	bool answers;   /* its WAKE has SR_WAKE_ANSWERS */
	bool remote;    /* its op has SR_WAIT_REMOTE */
	uint8_t timer;  /* of a periodic sleep: below SR_TIMERS */
	uint32_t job; /* that begins behind it, by its place in the pool's order: SR_JOB_FIRST.., SR_JOB_OWN, 0: none */
	bool sync;    /* its wake says that the waker is about to sleep */
	bool buffer;  /* its waker is the other end of a bounded buffer */
	bool anchor;  /* the first one of its timer: it is as long as recorded, and the others' deadlines go with it */
	uint64_t block_ns, wake_ns, deadline_ns;
};

struct sr_program {
	uint32_t source;        /* index in the recording's sr_task_table */
	int32_t tid, tgid;      /* as recorded */
	int32_t ppid;           /* alive at the start: parent of its process; 0: not known */
	uint32_t parent;        /* model task that forks it; UINT32_MAX: alive at the start */
	char comm[SR_COMM_LEN]; /* at its start */
	uint8_t policy, rt_prio;
	int8_t nice;                                          /* at its start */
	uint64_t dl_runtime_ns, dl_deadline_ns, dl_period_ns; /* of DEADLINE; 0: not known */
	uint64_t slice_ns;                                    /* asked for by a normal task; 0: the kernel's own */
	uint32_t group;                   /* index into attrs.groups, SR_ATTR_NONE: none, or not known */
	uint32_t session;                 /* at its start, from 1; 0: the recorder's own, or not known */
	int first_cpu;                    /* where it ran first, -1: never */
	const struct sr_cpumask *allowed; /* NULL: everywhere, or not known */
	struct sr_op *ops;
	size_t nops, ops_cap;
	struct sr_wait *waits;
	size_t nwaits, waits_cap;
	uint64_t cpu_ns; /* sum of its RUNs */
	uint32_t far_ns; /* CPU time of it that a wake to another CPU takes more than one on its own; 0: not known */
	bool any;        /* different tasks wake it: it goes on with what has come, whoever's turn it was */
	bool loop;       /* an event loop, which answers those who wake it */
	uint32_t dispatcher; /* it is a worker of that one's pool: its task + 1, 0: of none */
};

struct sr_model_counts {
	uint64_t tasks, tasks_outside;
	uint64_t waits_task, waits_softirq;
	uint64_t waits_disk; /* of the waits: in state D */
	uint64_t sleeps_timer /* woken from an interrupt */, sleeps_outside /* by a task not replayed */;
	uint64_t wakes_early;     /* stamped before the sleeper's switch */
	uint64_t wakes_unmatched; /* dropped: their sleeper never slept */
	uint64_t wakes_missing;   /* sleeps that ended without a wake in the recording: timed */
	uint64_t sleeps_proved;   /* sleeps of which only the wake is in the recording */
	uint64_t check_timed;     /* waits that sr_model_check made timed */
	uint64_t order[5];        /* wakes by enum sr_order */
	uint64_t order_answers;   /* of them with SR_WAKE_ANSWERS */
	uint64_t waits_lock;      /* with SR_WAIT_LOCK */
	uint64_t hidden;          /* messages put in; hidden_dropped: of them, could never come */
	uint64_t hidden_dropped;
	uint64_t buffers;          /* bounded buffers between two processes */
	uint64_t loops, any;       /* tasks that are event loops; that wait for any */
	uint64_t pools, pool_jobs; /* pools of workers; their jobs that any worker can do */
	uint64_t voluntary, preempted, repaired, lost;
	uint64_t sleeps[SR_SLEEPS]; /* by enum sr_sleep, as the programs have them */
	uint64_t timers_periodic;   /* periodic timers, anew after each pause */
	uint64_t masks_unmapped;    /* tasks of which sr_model_map_cpus left no CPU */
	uint64_t sleeps_open;       /* still asleep at the end */
	uint64_t sessions;          /* that the scheduler told apart, the recorder's own too */
};

struct sr_model {
	struct sr_program *tasks;
	size_t ntasks, tasks_cap;
	char **names;
	size_t nnames, names_cap;
	uint64_t start_ns, end_ns; /* the window of the recording */
	uint64_t run_ns;           /* all RUNs */
	unsigned cpus;             /* the recording's */
	size_t max_alive;          /* most tasks alive at one time */
	struct sr_attrs attrs;     /* owns masks too, and the groups that programs name */
	int8_t *session_nice;      /* nice value of the autogroup of session i + 1 */
	size_t nsessions;
	bool own_session;              /* some task is in none of them */
	struct sr_task_starts starts;  /* owns the masks that programs point to */
	struct sr_task_starts *joined; /* those of models joined to this one */
	size_t njoined, joined_cap;
	size_t parts;         /* models joined to this one */
	int32_t highest_tgid; /* with those; 0: not known yet */
	uint32_t nsources;    /* tasks of the recordings' tables */
	struct sr_model_counts counts;
};

struct sr_model_options {
	uint64_t from_ns, to_ns; /* relative to the first event; to_ns 0: to the end */
	const char *tasks;       /* for sr_task_selected; NULL: all of the scope */
	uint64_t tracepoint_ns;  /* cost of one recorded event, taken out of the bursts */
};

/* Builds and checks. SR_DAMAGED: the file is; SR_ANSWER_NO: there is nothing to replay in it. */
struct sr_model *sr_model_build(struct srz_reader *r, const struct sr_model_options *o, struct sr_error *err);

/* A burst with one wake is at least as long as the wake took: what the shortest tenth of such bursts lasted at most, ns, by
 * SR_WAIT_REMOTE of the wait that it ended; 0: there are fewer than 50. What a recorder measured in a bad moment may be
 * more than that. -1: out of memory. */
struct sr_wake_bound {
	uint64_t local_ns, remote_ns;
	uint64_t local_call_ns, remote_call_ns; /* means of sr_wake_call_ns; 0: fewer than 50 are known */
};
int sr_model_wake_bound(const struct sr_model *m, struct sr_wake_bound *bound, struct sr_error *err);
void sr_wake_bound_apply(const struct sr_wake_bound *bound, struct sr_wake_cost *cost); /* lowers it to that */

/* Recorded CPU -> CPU, -1: none. */
struct sr_cpu_map {
	int16_t to[SR_MAX_CPUS];
};

/* "R=L[,R=L...]"; R and L may be ranges of one length, or L one CPU for a range. SR_USAGE. */
int sr_cpu_map_parse(struct sr_cpu_map *map, const char *text, struct sr_error *err);
/* The model's affinity masks and the places of its bursts become those of the map. A mask of all recorded CPUs stays one
 * of all; one of which no CPU is left is dropped, and counted. */
void sr_model_map_cpus(struct sr_model *m, const struct sr_cpu_map *map);

/* Which of attrs.groups the programs are in; used[ngroups]: the root group, or one that is not known. */
void sr_model_used_groups(const struct sr_model *m, bool *used);

/*
 * Puts the tasks of `from` beside those of `into`, to begin offset_ns later; `from` is gone then, also its memory (not when
 * it fails). source: what is added to its programs' source.
 */
#define SR_MODEL_PARTS 5000 /* models in one, at most */
int sr_model_join(struct sr_model *into, struct sr_model *from, uint64_t offset_ns, uint32_t source,
		  struct sr_error *err);
/* n of it beside each other, all but the first beginning at random within spread_ns. When it fails m can only be freed. */
int sr_model_copies(struct sr_model *m, size_t n, uint64_t spread_ns, uint64_t seed, struct sr_error *err);
/* The load so many times, each when all tasks of the one before have ended. When it fails m can only be freed. */
int sr_model_loop(struct sr_model *m, size_t times, struct sr_error *err);
void sr_model_free(struct sr_model *m); /* NULL is allowed */

#endif

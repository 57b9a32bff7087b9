/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SCHEDREC_REPLAY_ENGINE_INTERNAL_H
#define SCHEDREC_REPLAY_ENGINE_INTERNAL_H

#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <time.h>

#include "formats/tidmap.h"
#include "replay/arena.h"
#include "replay/engine.h"
#include "replay/pelt.h"
#include "replay/pool.h"

/*
 * The word of one wait, a futex:
 *
 *   31        30        29        28     27 .......... 0
 *   ARRIVED   SLEEPER   WATCHED   DONE   what must still come
 *
 * ARRIVED: the task has reached the wait. SLEEPER: it sleeps, or is about to. WATCHED: somebody sleeps until ARRIVED.
 */
#define W_ARRIVED 0x80000000u
#define W_SLEEPER 0x40000000u
#define W_WATCHED 0x20000000u
#define W_DONE 0x10000000u /* of an event loop: what follows it has been done out of turn */
#define W_COUNT 0x0fffffffu

#define LOOK_NS 200000000u /* between two looks at a run that is prepared or under way */

enum { BIT_OWNER = 1, BIT_WATCHER = 2 }; /* futex bitsets of the two kinds of sleepers on a word */

enum log_kind { LOG_WAKING = 1, LOG_IN, LOG_OUT, LOG_EXIT, LOG_FORK, LOG_BIND, LOG_DECISION };

struct log_entry {
	uint64_t time_ns;
	uint32_t arg; /* task; DECISION: task */
	uint32_t cost_ns;
	uint32_t task; /* whose log */
	int16_t from, to;
	uint16_t cpu;
	uint8_t kind, cause; /* OUT: cause is the sr_state */
};

struct log {
	struct log_entry *v;
	size_t n, cap;
};

/* What a FORK or END (op `to`) has taken out of the bursts before it: ns of that at `op`, all of those behind that. */
struct rpl_cut {
	size_t op, to;
	uint64_t ns, all_ns; /* all_ns: together */
};

/* Where a thread begins, on its stack: what a fork in it makes begins there too, as another task. */
struct rpl_home {
	jmp_buf begin;
	struct rthread *volatile task;
};

struct rthread {
	struct rpl_run *run;
	const struct sr_program *p; /* its own */
	_Atomic uint32_t *words;    /* one for each wait of it */
	struct rthread *role;       /* whose program it does: its own, but for another's job of a pool */
	pthread_t thread;
	bool joinable; /* written by its creator */
	uint32_t index;
	const struct sr_op *_Atomic op; /* that it has come to */
	atomic_int tid;
	atomic_int pinned; /* cpu its mask allows, -1: not pinned */
	/* Under the policy lock: */
	int cpu;     /* where the policy put it; -1: nowhere yet */
	bool queued; /* counted in that cpu's nr_running */
	uint32_t weight;
	int16_t prio;
	uint32_t next, prev; /* run queue in order of arrival, UINT32_MAX: end */
	int recorded_cpu;    /* of its next burst, -1: not known */
	uint64_t last_ran_ns, last_queued_ns;
	struct rpl_pelt pelt; /* usage.c; served: the clock of its cpu at pelt.at_ns */
	uint64_t served;
	uint32_t group; /* its process: index of that one's first task */
	uint32_t mate;  /* the next task of the start in its process, UINT32_MAX: none */
	struct rpl_home *home;
	/* Its own: */
	int8_t nice;
	uint8_t policy, rt_prio;          /* class that it has, as sched(7) numbers it */
	const struct sr_cpumask *allowed; /* recorded CPUs as of now; NULL: not known */
	uint64_t slice_ns;                /* asked for with a normal class; 0: the kernel's own */
	uint32_t control;                 /* recorded control group that it is in, SR_ATTR_NONE: schedrec's own */
	bool masked;                      /* it, or whom it is from, was given CPUs of its own */
	bool own_mask;                    /* it begins with other recorded CPUs than its parent had */
	uint8_t refused;                  /* kinds of classes that it was not given */
	atomic_bool held;                 /* nothing takes its CPU before it sleeps: rpl_hold */
	atomic_bool in_vfork;       /* it is to be held as the parent of a vfork, by its child, until it has slept */
	struct rthread *vforked_by; /* NULL: it was not forked by such a parent */
	atomic_bool rt;             /* it is in a real-time class, DEADLINE too */
	uint64_t guard_cpu_ns, guard_busy_ns; /* the watchdog's: its CPU clock at the last look, time without a pause */
	uint64_t guard_process_ns;            /* and its process' CPU clock */
	bool stopped;
	int64_t owed_ns;                /* cumulative CPU time the program owes (work time) */
	double timer_offset[SR_TIMERS]; /* of each periodic timer: its deadlines' times here - as recorded */
	struct rpl_cut *cuts;           /* in the program's order */
	size_t ncuts;
	double owed_loops; /* loops still owed, may be negative (work instructions) */
	/* What its sleeps cost (work.c): CPU time outside the loop, from one sleep's end to the next one's. */
	uint64_t gap_ns, gap_from_ns; /* so far; CPU clock at the end of the last loops, 0: not looked at */
	uint64_t gap_wakes_ns;        /* of gap_ns, what its wakes of others took */
	uint64_t woke_ns;             /* the last such one; 0: none, or it is counted */
	struct rthread *woke;         /* whom, */
	uint32_t woke_sleep;          /* out of which of its sleeps */
	uint8_t gap_settles, gaps;    /* waits that ended in it; all gaps so far */
	bool gap_slept, gap_remote, gap_measured;
	uint64_t base_cpu_ns;               /* its CPU clock when the program began */
	uint64_t sync_cpu_ns, sync_mono_ns; /* a reading of its CPU clock and when it was made */
	bool synced;                        /* still good: it has not slept since */
	_Atomic int on_cpu;           /* where it last said that it ran; -1: blocked, or woken and not yet running */
	_Atomic int slept_on;         /* where it last went to sleep */
	_Atomic uint32_t *_Atomic at; /* the word it sleeps on; NULL: it does not */
	_Atomic uint64_t woken_ns;    /* when somebody woke it, and from which CPU */
	_Atomic int woken_from;
	_Atomic uint32_t sleeps_over; /* waits that it slept in and has been through, */
	_Atomic uint32_t far_wakes;   /* of it, that have brought their target to another CPU, and are not paid for */
	_Atomic uint32_t woken_by;
	atomic_bool over_remote; /* and whether the last wake of them was remote */
	int pipe[2];             /* sync.c: it sleeps in there; -1: there is none */
	bool bell_sync;          /* in place of its bell, too */
	_Atomic uint32_t bell;   /* a futex, of a loop or worker; its lower bits count the rings */
	struct rloop *loop;      /* NULL: it goes through its program in order */
	bool worker, dispatcher; /* of a pool */
	struct log log;
	struct rpl_counts counts;
} __attribute__((aligned(64)));

struct rcpu {
	unsigned nr_running;
	uint64_t load_weight;
	uint32_t head, tail;
	_Atomic uint32_t current; /* thread last seen running there, UINT32_MAX: none */
	uint64_t last_tick_ns;
	uint64_t served, served_at_ns, weights; /* usage.c: of all in the queue, whatever their class */
};

/* One process of the replay, at the index of its first task. The links are those of the tree at the start. */
struct rproc {
	atomic_int pid;        /* 0: not made yet */
	_Atomic uint32_t live; /* its tasks that have not ended */
	uint32_t leader;       /* task of its main thread; UINT32_MAX: not replayed */
	uint32_t first;        /* of its tasks at the start, UINT32_MAX: none */
	uint32_t parent, child, sibling;
	_Atomic uint32_t session; /* recorded one that it is in, 0: schedrec's own */
	atomic_int leash;         /* its descriptor of the group's end of the leash */
};

struct pending_move {
	uint32_t task;
	int from, to;
	enum sr_cause cause;
};

#define MAX_MOVES 64

struct rpl_run {
	struct rpl_arena arena; /* all that tasks write, this struct too */
	const struct sr_model *m;
	struct rpl_config cfg;
	struct rpl_costs costs;
	struct rpl_counts counts;
	struct rthread *threads;
	uint32_t *groups;        /* live threads of each process as the policy sees them, by group */
	struct log_entry *spare; /* of workers, who may do more than their own programs have room for */
	size_t spare_cap;
	_Atomic size_t spare_n;
	char *stacks; /* stack_bytes for each task; NULL: the C library's are used */
	size_t stack_bytes;
	cpu_set_t cpus, old_mask;
	unsigned ncpus;   /* in cpus */
	struct rcpu *cpu; /* by the kernel's number, like the machine's */
	struct rpl_pools pools;
	/* policy */
	struct rpl_engine engine;
	struct sr_machine machine; /* cfg.machine, with the CPUs that are not used offline */
	struct rthread *caller;    /* whose call into the policy is under way; NULL: the balancer's */
	void *policy_state;
	bool policy_ready;
	_Atomic uint32_t lock;
	struct pending_move moves[MAX_MOVES];
	unsigned nmoves;
	pthread_t balancer;
	bool balancer_runs;
	struct log balancer_log;
	/* course of the run */
	_Atomic uint32_t gate;  /* 0 closed, 1 open */
	_Atomic uint32_t ready; /* threads at the gate */
	_Atomic uint32_t alive; /* programs not ended; a futex */
	_Atomic uint32_t over;  /* the run has ended: the balancer leaves */
	_Atomic uint64_t progress_ns;
	_Atomic uint32_t timed; /* threads in a timed sleep */
	/* work.c: what wakes, and the sleeps that they end, cost whom: of local ones, and of remote ones. */
	_Atomic uint64_t wake_ns[2], wakes_measured[2], sleep_ns[2], sleeps_measured[2];
	_Atomic uint32_t failed; /* a thread or process could not be created: errno */
	_Atomic uint32_t stopping;
	uint64_t start_ns, end_ns;
	/* processes; NULL: all are threads of this one */
	struct rproc *procs;
	const struct sr_model *original; /* of which m is a copy in shared memory */
	uint32_t *trees;                 /* the root's first child in each session of the recording */
	uint64_t child_ns;               /* CPU time of a child when it was about to exit */
	bool has_pipes;                  /* sync.c has been at all threads */
	int leash, leash_end;            /* a pipe, whose end kills the processes (session.c); -1: there is none */
	char leash_path[32];             /* by which its reading end is opened anew */
	int root;                        /* pid; 0: there is none */
	atomic_uchar *session_made;      /* of each session of the recording: it is here */
	_Atomic uint32_t sessions_made, sessions_refused, sessions_split, session_nice_refused;
	uint32_t broken; /* the process that died before its time + 1, UINT32_MAX: the root */
	int exec_fd;     /* what the kernel will not execute (identity.c); -1: none */
	/* The watchdog over real-time threads. */
	pthread_t guard;
	bool guard_runs, rttime_set;
	struct rlimit old_rttime;
	_Atomic uint32_t guard_over;
	atomic_bool rt_ended;        /* it has made all threads normal */
	_Atomic uint64_t rt_demoted; /* so many */
	_Atomic uint64_t looked_ns;  /* when the replay's own thread last ran; 0: not yet */
	struct sr_event *events;
	size_t nevents;
};

static inline uint64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + ts.tv_nsec;
}

/* The thread has come there. Who wakes it looks, perhaps while it wakes by itself. */
static inline void rpl_at(struct rthread *t, const struct sr_op *op)
{
	atomic_store_explicit(&t->op, op, memory_order_relaxed);
}

static inline uint64_t mono_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

/* futex.c; timeouts are absolute CLOCK_MONOTONIC ns, 0: none */
int rpl_futex_wait(const struct rpl_run *run, _Atomic uint32_t *word, uint32_t value, uint32_t bits, uint64_t until_ns);
void rpl_futex_wake(const struct rpl_run *run, _Atomic uint32_t *word, int n, uint32_t bits);
void rpl_futex_wake_after(bool processes, _Atomic uint32_t *word); /* the owner, when the run may be gone */

/* work.c */
void rpl_calibrate(struct rpl_run *run);
double rpl_median(double *v, size_t n); /* of n > 0; sorts them */
void rpl_burn(struct rthread *t, uint64_t ns);
void rpl_slept(struct rthread *t); /* the thread slept: its clock must be read anew */
/* A wait is over (NULL: one that the recording has not): its wake-up cost what it cost, and not what the recording's did. slept: else the wake came first. */
void rpl_settle_wake(struct rthread *t, const struct sr_op *wait, bool slept);
/* ns, of the run's own wakes as far as they were measured; 0: fewer than least (1 or more) of that kind were. */
uint64_t rpl_wake_mean(const struct rpl_run *run, bool remote, uint64_t least);
void rpl_settle_own_sleep(struct rthread *t); /* the same of one that the recording did not have */
void rpl_settle_wake_of(struct rthread *t, const struct sr_op *wake); /* t is about to do this WAKE */
uint64_t rpl_before_wake(struct rthread *by, struct rthread *t); /* by wakes t: what rpl_after_wake wants to have */
void rpl_after_wake(struct rthread *by, uint64_t from);

/* timer.c: when a SLEEP ends, CLOCK_MONOTONIC ns; 0: at once. Sets the clock of a periodic timer at its first one. */
uint64_t rpl_sleep_until(struct rthread *t, const struct sr_op *op);

/* fork.c: threads and processes, how they begin and end */
int rpl_share_model(struct rpl_run *run); /* run->m becomes a copy in shared memory */
int rpl_tree_set_up(struct rpl_run *run, const struct sr_tidmap *process_of);
int rpl_tree_start(struct rpl_run *run, struct sr_error *err);
bool rpl_tree_broken(struct rpl_run *run);                              /* has a process died? Then all are killed. */
int rpl_tree_stop(struct rpl_run *run, bool now, struct sr_error *err); /* err NULL: whatever happened was said */
void rpl_hold_parent(struct rthread *t); /* t begins: the parent that made it by vfork gets its CPU back */
void rpl_fork(struct rthread *t, const struct sr_op *op); /* a new process does not come back: see rpl_home */
/* The last thing a task of a replay with processes does; returns when its thread is to end as any other. */
void rpl_leave_process(struct rthread *t);

/* session.c */
int rpl_leash_start(struct rpl_run *run); /* cfg.sessions becomes false where none can be held. -1: errno */
int rpl_leash_hold(struct rpl_run *run);  /* this process leads the group of the replay's own session. -1: errno */
void rpl_leash_cut(struct rpl_run *run);  /* in this process: the kernel kills all groups */
/* This process leaves its session for one of its own, which stands for that one of the recording. -1: errno */
int rpl_make_session(struct rpl_run *run, struct rproc *pr, uint32_t session);
void rpl_change_session(struct rthread *t, uint32_t session); /* the same, if it is not in it and this may be done */

/* thread.c */
void *rpl_thread_main(void *arg);
struct log_entry *rpl_log_slot(struct rthread *t); /* NULL: none is left, which is counted */
void rpl_log(struct rthread *t, enum log_kind kind, uint64_t time_ns, uint32_t arg, unsigned cause);
void rpl_release_all(struct rpl_run *run);

/* stack.c */
void rpl_stacks_start(struct rpl_run *run);
/* 0 or an errno. */
int rpl_create_on(struct rpl_run *run, size_t stack, bool detached, pthread_t *id, void *(*main)(void *), void *arg);
/* 0 or an errno; it runs rpl_thread_main. Detached where run->stacks is NULL. */
int rpl_create_thread(struct rpl_run *run, struct rthread *t);
void rpl_stacks_stop(struct rpl_run *run); /* waits until they have ended */

/* lifetime.c */
void rpl_measure_threads(struct rpl_run *run);
void rpl_measure_processes(struct rpl_run *run); /* in a process that is as large as those that will fork */
int rpl_cuts_start(struct rpl_run *run);         /* -1: no memory */
void rpl_find_cuts(struct rpl_run *run);         /* when all costs are known */
uint64_t rpl_burst_ns(const struct rthread *t, const struct sr_op *op); /* what a RUN owes */
void rpl_forked(struct rthread *t, const struct sr_op *op);             /* it has made the child of this FORK */
void rpl_started(struct rthread *t);                                    /* it is about to begin its program */
void rpl_not_work(struct rthread *t, uint64_t ns); /* CPU time that was the replay's own; with work in instructions */

/* identity.c */
bool rpl_is_rt(int policy);                  /* FIFO, RR or DEADLINE */
void rpl_set_up_identity(struct rthread *t); /* what a forked thread does not inherit, or a first one must be given */
void rpl_inherit_mask(const struct rthread *parent, struct rthread *child); /* before the fork, by the parent */
/* From here to its next sleep nothing takes this thread's CPU: false, it may not be so. Whoever wakes it lets it go. By any
 * thread, while it does not sleep. */
bool rpl_hold(struct rthread *t);
void rpl_let_go(struct rthread *t); /* by any thread */
void rpl_change_nice(struct rthread *t, int nice);
void rpl_change_class(struct rthread *t, const struct sr_op *op);
void rpl_change_group(struct rthread *t, uint32_t group);
void rpl_change_mask(struct rthread *t, const struct sr_cpumask *mask);
void rpl_end_real_time(struct rthread *t); /* makes it normal; by any thread */
void rpl_exec_start(struct rpl_run *run);
void rpl_exec_stop(struct rpl_run *run);
void rpl_exec(struct rthread *t);

/* rt_guard.c */
void rpl_guard_start(struct rpl_run *run); /* allow_rt becomes false where there is no watchdog or nothing to watch */
void rpl_guard_stop(struct rpl_run *run);

/* The steps of thread.c that loop.c needs too. */
void rpl_arrive(struct rthread *t, const struct sr_op *op);                 /* tells whoever waits for that */
void rpl_count_wait(struct rthread *t, const struct sr_op *op, bool slept); /* a WAIT is over */
void rpl_wait(struct rthread *t, const struct sr_op *op);                   /* a WAIT or SLEEP */
void rpl_simple_op(struct rthread *t, const struct sr_op *op);
void rpl_release_wait(struct rthread *by, uint32_t task, uint64_t wait);
void rpl_do_wake(struct rthread *t, const struct sr_op *op); /* a WAKE, whose order is kept */
/* sync: it sleeps in its pipe instead. */
void rpl_wake_up(struct rthread *by, struct rthread *t, _Atomic uint32_t *word, bool sync); /* that it sleeps on */
void rpl_wake_all(struct rthread *t, _Atomic uint32_t *word); /* who sleeps there, wherever */
/* Until the word is not v any more, or until a time, 0: none. False: it had changed before, and no sleep came of it. */
bool rpl_sleep_on(struct rthread *t, _Atomic uint32_t *word, uint32_t v, uint32_t bits, uint64_t until, bool sync);

/* sync.c */
void rpl_sync_start(struct rpl_run *run);
void rpl_sync_stop(struct rpl_run *run);
void rpl_sync_wake(struct rthread *t);
bool rpl_sync_wait(struct rthread *t, _Atomic uint32_t *word, uint32_t v, uint64_t until_ns); /* as rpl_sleep_on */

/* bell.c: in rthread.bell, like in a wait's word: a ring wakes a sleeper; and the watchdog's */
#define BELL_ASLEEP W_SLEEPER
#define BELL_FORCED W_ARRIVED
void rpl_ring(struct rthread *by,
	      struct rthread *t);       /* something that t may wait for has come; it need not be asleep */
void rpl_look_again(struct rthread *t); /* it does not sleep before it has looked; if it sleeps already it goes on */
/* Sleeps until the bell has rung since it was read, or until a time; 0: none. False: it had rung, and no sleep came of it. */
bool rpl_rest(struct rthread *t, uint32_t seen, uint64_t until);

/* worker.c: threads of a pool (pool.h) */
int rpl_workers_start(struct rpl_run *run);
/* t has come to a wait for a job, in whatever program, or to its end (rpl_pool_stays): the wait that what it does next begins
 * with; NULL: the run is being stopped, or its end it is. */
const struct sr_op *rpl_next_job(struct rthread *t);
/* Who has come to a wait of t's program; t where nobody has. */
static inline struct rthread *rpl_who_waits(struct rthread *t, uint32_t wait)
{
	return t->worker ? &t->run->threads[rpl_pool_who(&t->run->pools, t->index, wait)] : t;
}

/* loop.c: tasks that wait for any, with RPL_ORDER_CAUSAL */
int rpl_loops_start(struct rpl_run *run);
void rpl_loop_main(struct rthread *t);
void rpl_loop_released(struct rthread *by, struct rthread *t, uint32_t wait); /* the same, where that is a wake */

/* place.c: the policy's view, its lock, and what it decides. All return at once for a policy that does not pin. */
int rpl_policy_start(struct rpl_run *run, struct sr_error *err);
void rpl_policy_stop(struct rpl_run *run);
void rpl_place_fork(struct rthread *parent, struct rthread *child, bool thread);
void rpl_place_exec(struct rthread *t);
/* The last count of a sleeper's word goes down between rpl_lock_wake, which returns the time, and rpl_place_wake or
 * rpl_unlock_wake, which release the lock: whoever sees the count at 0 and takes the lock finds the task queued. */
uint64_t rpl_lock_wake(struct rpl_run *run, struct rthread *t);
void rpl_unlock_wake(struct rpl_run *run);
void rpl_place_wake(struct rthread *waker, struct rthread *t, bool sync, uint64_t from_ns);
void rpl_place_self(struct rthread *t); /* t woke by the clock */
void rpl_went_to_sleep(struct rthread *t);
void rpl_stayed_awake(struct rthread *t); /* it was about to sleep, but its wake came first */
void rpl_ended(struct rthread *t);
void rpl_set_nice(struct rthread *t, int nice); /* it has been given this nice value */
void rpl_set_prio(struct rthread *t, int prio); /* the same for its class */
void *rpl_balancer_main(void *arg);

/* usage.c: the utilisation of tasks, for policies that want it. */
void rpl_usage_start(struct rpl_run *run); /* start_ns is settled, and nothing has begun */
void rpl_usage_new(struct rpl_run *run, struct rthread *t,
		   uint64_t now_ns); /* forked: half of its cpu, as in the kernel */
void rpl_usage_queued(struct rpl_run *run, struct rthread *t, uint64_t now_ns); /* on t->cpu, before it counts there */
void rpl_usage_unqueued(struct rpl_run *run, struct rthread *t, uint64_t now_ns);
unsigned rpl_usage_util(const struct rpl_run *run, const struct rthread *t, uint64_t now_ns); /* 0..1024 */

#endif

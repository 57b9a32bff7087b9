/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SCHEDREC_REPLAY_SIM_INTERNAL_H
#define SCHEDREC_REPLAY_SIM_INTERNAL_H

#include "formats/event_digest.h"
#include "replay/arena.h"
#include "replay/pool.h"
#include "replay/program.h"
#include "replay/sim.h"

#define NOBODY UINT32_MAX
#define NEVER UINT64_MAX

/* The word of one wait, as the live engine's (engine_internal.h). */
#define W_ARRIVED 0x80000000u
#define W_REMOTE 0x40000000u /* the recorded wake came from another CPU */
#define W_WATCHED 0x20000000u
#define W_DONE 0x10000000u
#define W_COUNT 0x0fffffffu

/* A wait that only keeps the recorded order, as thread.c has it. */
#define ORDER_SPIN_NS 30000u
#define ORDER_LIMIT_NS 20000000u

/* Work is counted in ns of a CPU with capacity 1024, times 1024; speed in parts of 2^20 of such a CPU. */
#define WORK_SHIFT 10
#define FULL_SPEED (1u << 20)
#define MAX_WORK_NS (1ull << 52) /* one burst: 52 days */

enum sim_class { SIM_DEADLINE, SIM_RT, SIM_FAIR, SIM_CLASSES }; /* the first that has somebody runs */

enum sim_state {
	SIM_NEW,
	SIM_QUEUED,  /* runnable, on a tree */
	SIM_RUNNING, /* its CPU's current */
	SIM_BLOCKED,
	SIM_ENDED,
};

/* What a blocked task waits for. */
enum sim_block {
	SIM_ON_WAIT,  /* its wait's word */
	SIM_ON_TIME,  /* its timer, then its wait's word */
	SIM_ON_ORDER, /* its target's arrival, or the timer */
	SIM_ON_BELL,  /* an event loop, or a worker: the bell, or the timer */
};

/* Utilisation as PELT has it, in windows of 2^20 ns, with a half-life of 32 of them. */
struct sim_util {
	uint64_t window_ns; /* begin of the window under way */
	uint32_t in_ns;     /* of it, busy at capacity 1024 */
	uint32_t value;     /* 0..1024 << 10, of the windows before */
};

struct sim_loop;

/*
 * In the order of what is touched together, as the tasks of a large machine do not fit into its caches: a line for being
 * woken, two for the queue, one for running and for what a policy asks, and what is seldom needed.
 */
/* Kernel: weight, averaged over the time that it was runnable, what was 32 ms ago counting half (PELT). */
struct sim_load {
	uint32_t avg;
	uint64_t at_ns;
};

struct sim_task {
	const struct sr_op *ops; /* of the program that it does */
	uint32_t *words;         /* of its own waits */
	uint32_t index, pc;
	int cpu;    /* where it is, or was last; -1: nowhere yet */
	int ran_on; /* where it last ran; -1: nowhere yet */
	int32_t tid;
	uint8_t state, block, class, policy;
	bool spins;        /* running: it waits for its target's arrival */
	bool yields;       /* it gives the CPU away */
	bool holds;        /* nothing takes the CPU from it before its next rest */
	bool order_kept;   /* of the WAKE at pc: done with waiting */
	bool delayed;      /* it fell asleep with a negative lag: see sim_fair.c */
	bool relative;     /* its deadline is relative to its vruntime */
	bool slept, left;  /* of the wait at pc */
	bool woken_remote; /* from another CPU, and its own was idle */
	int16_t prio;
	int8_t nice;
	uint8_t rt_prio;
	uint32_t weight;
	/* queue */
	uint32_t left_child, right_child, tree_prio, delay_seq;
	int64_t key;
	int64_t tie;
	int64_t vruntime, deadline, min_vruntime, vlag, protect; /* protect: deadline at which it was picked */
	uint64_t slice;                                          /* ns that it asked for; 0: the base slice */
	/* running */
	int64_t owed;    /* work still to do */
	uint64_t paid;   /* of its next switch, ns that its waker has worked */
	int64_t ahead;   /* of the work to come, what the recording's own wakes and switches were */
	uint64_t cpu_ns; /* spent */
	uint64_t last_ran_ns, last_queued_ns;
	struct sim_util util;
	const struct sr_cpumask *allowed; /* that it may use now; NULL: all */
	int home;                         /* NUMA node of its memory; -1: none yet */
	int recorded_cpu;
	/* kernel's placement */
	int recent_cpu;
	uint32_t last_wakee, flips;
	uint64_t flip_ns;
	struct sim_load load;
	int load_cpu; /* whose load that is a part of; -1: none's yet */
	/* seldom */
	uint32_t group;             /* its process: index of that one's first task */
	const struct sr_program *p; /* its own */
	struct sim_task *role;      /* whose program it does: its own, but for another's job of a pool */
	struct sim_loop *loop;
	bool worker, dispatcher; /* of a pool */
	uint64_t spin_until, order_since, rr_left;
	uint32_t *wait_op; /* where each stands in the program; RPL_OUT_OF_TURN */
	int64_t timer_offset[SR_TIMERS];
} __attribute__((aligned(64)));

struct sim_rq {
	uint32_t root[SIM_CLASSES];
	unsigned nr, nr_class[SIM_CLASSES]; /* running and queued */
	uint64_t load;                      /* of the fair ones */
	int64_t avg;                        /* sum of (vruntime - min) * weight, of the queued */
	uint64_t avg_load;                  /* weight of the queued */
	int64_t min_vruntime;
	uint32_t empty_seq; /* times that it ran out of fair tasks */
};

struct sim_cpu {
	struct sim_rq rq;
	uint32_t curr;    /* task; NOBODY: idle */
	uint32_t leaving; /* who has left it, until it has chosen anew; NOBODY */
	uint32_t index;
	uint32_t speed;
	uint32_t core_at, core_n; /* its core's CPUs: sim.core_cpus[core_at..] */
	uint64_t since;           /* up to when the current task's time is accounted */
	uint64_t resched_ns;      /* it must choose anew then; NEVER */
	uint64_t last_tick_ns, idle_since, held_since;
	uint64_t avg_idle;    /* kernel's estimate of how long it idles */
	uint64_t balance_ns;  /* kernel: when its domains are looked at next */
	uint32_t stale_ticks; /* of the policy, in a row, with nobody runnable anywhere, */
	uint32_t stale_since; /* and since which sim.wake_ups */
	bool online, held, ticking, policy_ticking;
	struct sim_util util;
	struct sim_load load; /* that of the tasks that were there last, asleep ones too */
};

struct sim_node {
	uint64_t time, tie_id; /* the tie's number above the id */
};

struct sim_heap {
	struct sim_node *at;
	uint32_t *pos; /* where each id is + 1, 0: not in it */
	size_t n;      /* with the hole */
	bool hole;     /* at[0] was popped, and nothing has come in its place */
	uint64_t prng;
};

/*
 * The kernel's scheduling domains. The CPUs stand in one order in which what belongs together stands together, so that a
 * domain is a range of it, and its groups are the ranges of the level below (the lowest level's: single CPUs).
 */
#define SIM_LEVELS 5
struct sim_sum { /* what the CPUs of a domain have together */
	uint64_t load, capacity;
	uint32_t cpus, idle, running;
};

struct sim_level {
	uint32_t *start;     /* where domain i begins in sim_kernel.order; one more at the end */
	uint32_t *domain;    /* of each place in the order */
	struct sim_sum *sum; /* of each domain */
	uint32_t n;
	uint16_t pct; /* imbalance_pct */
	bool numa, shares_cache, smt;
};

struct sim_domain_state { /* of one CPU at one level */
	uint64_t last_ns;
	uint32_t failed;
};

struct sim_kernel {
	uint16_t *order; /* CPUs */
	uint32_t *place; /* of each CPU in it */
	struct sim_level level[SIM_LEVELS];
	unsigned nlevels;
	int llc;                        /* the highest level that shares a cache; -1: none */
	struct sim_domain_state *state; /* [cpu * SIM_LEVELS + level] */
	bool asym;                      /* CPUs differ in capacity */
	bool smt;
};

struct sim {
	struct rpl_arena arena;
	const struct sr_model *m;
	struct sim_config cfg;
	struct sim_params par;
	struct sr_machine machine;
	struct rpl_counts counts;
	struct sim_stats stats;
	uint64_t now;
	struct sim_task *tasks;
	struct sim_cpu *cpu;
	unsigned ncpus; /* of the machine; nonline of them are used */
	unsigned nonline;
	uint16_t *core_cpus;
	struct sim_heap heap; /* ids: CPUs' steps, their ticks, their policy ticks, tasks' timers */
	uint32_t alive;
	uint64_t nrunnable;   /* running and queued, everywhere */
	uint32_t wake_ups;    /* times that somebody was when nobody had been */
	unsigned npaused;     /* CPUs whose policy ticks pause */
	unsigned noverloaded; /* CPUs with somebody queued */
	uint64_t base_slice;
	int64_t next_tie;
	uint32_t *groups;       /* live tasks of each process */
	uint32_t *name_id;      /* of the model's names in the sink; UINT32_MAX: not asked yet */
	uint64_t preempted_ppm; /* of all bursts, what recorded preemptions cost */
	uint64_t wake_then[2];  /* what a recorded wake cost its waker: local, remote */
	int64_t ahead_most;     /* of sim_task.ahead */
	uint64_t idle_prng;     /* of idle exits */
	uint32_t *llc_idle;     /* idle CPUs of each last-level cache */
	bool kernel;            /* placement and balancing are the kernel's */
	struct sim_kernel *k;
	struct rpl_pools pools;
	struct rpl_engine engine;
	void *policy_state;
	bool policy_ready;
	uint64_t move_cost; /* of the policy's moves since last asked */
	int deciding;       /* CPU whose policy call is under way; -1 */
	/* events */
	uint64_t emit_ns;
	uint32_t emit_rank;
	struct sr_event *buf[SRZ_STREAMS];
	size_t nbuf[SRZ_STREAMS];
	struct sr_event_digest digest;
	struct sr_error *err;
	bool failed;
};

/* splitmix64 (Steele, Lea, Flood 2014), of which the upper half is used. */
static inline uint32_t sim_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return (uint32_t)((z ^ z >> 31) >> 32);
}

static inline uint64_t sim_after(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static inline bool sim_may_use(const struct sim *s, unsigned cpu, const struct sr_cpumask *allowed)
{
	return cpu < s->ncpus && s->cpu[cpu].online && (!allowed || allowed->w[cpu / 64] >> (cpu % 64) & 1);
}

static inline bool sim_cpu_idle(const struct sim *s, unsigned cpu)
{
	return !s->cpu[cpu].rq.nr; /* who runs is counted there */
}

static inline bool sim_is_rt(int policy)
{
	return policy == SR_SCHED_FIFO || policy == SR_SCHED_RR || policy == SR_SCHED_DEADLINE;
}

/* sim_heap.c */
int sim_heap_init(struct sim *s, size_t ids, uint64_t seed);
void sim_heap_set(struct sim_heap *h, uint32_t id, uint64_t time); /* puts it in, or moves it; NEVER: takes it out */
uint32_t sim_heap_pop(struct sim_heap *h, uint64_t *time);         /* of a heap that is not empty */
/* After a pop: who would be popped next; any id where there is nobody. */
uint32_t sim_heap_second(const struct sim_heap *h);
static inline bool sim_heap_empty(const struct sim_heap *h)
{
	return h->n == h->hole;
}

/* sim_tree.c: tasks of one class of one CPU by key */
uint32_t sim_tree_insert(struct sim *s, uint32_t root, uint32_t t);
uint32_t sim_tree_remove(struct sim *s, uint32_t root, uint32_t t);
uint32_t sim_tree_first(const struct sim *s, uint32_t root);
unsigned sim_tree_list(const struct sim *s, uint32_t root, int *tasks, unsigned n, unsigned max);

/* sim_fair.c */
uint32_t sim_nice_weight(const struct sim_task *t);
int64_t sim_fair_delta(uint64_t ns, uint32_t weight); /* of virtual time */
uint64_t sim_fair_slice(const struct sim *s, const struct sim_task *t);
void sim_fair_run(struct sim *s, struct sim_cpu *c, struct sim_task *t, uint64_t ns); /* it ran for so long */
void sim_fair_place(struct sim *s, struct sim_cpu *c, struct sim_task *t, bool initial);
void sim_fair_put(struct sim *s, struct sim_cpu *c, struct sim_task *t);  /* onto the tree */
void sim_fair_take(struct sim *s, struct sim_cpu *c, struct sim_task *t); /* off it */
void sim_fair_set_current(struct sim *s, struct sim_cpu *c, struct sim_task *t);
void sim_fair_leave(struct sim *s, struct sim_cpu *c, struct sim_task *t, bool sleeps); /* off the tree, not current */
void sim_fair_wake(struct sim *s, struct sim_task *t); /* about to be placed after a sleep */
void sim_fair_reweight(struct sim *s, struct sim_task *t, uint32_t weight);
void sim_fair_yield(struct sim *s, struct sim_cpu *c, struct sim_task *t);
uint32_t sim_fair_pick(struct sim *s, struct sim_cpu *c); /* NOBODY: none */
bool sim_fair_preempts(struct sim *s, struct sim_cpu *c, const struct sim_task *wakee);
uint64_t sim_fair_slice_left(const struct sim *s, const struct sim_task *t);

/* sim_util.c */
void sim_util_run(struct sim_util *u, uint64_t now, uint64_t ns, unsigned capacity); /* the ns up to now were busy */
void sim_util_rest(struct sim_util *u, uint64_t now);
unsigned sim_util_of(const struct sim_util *u, uint64_t now); /* 0..1024 */

/* sim_cpu.c */
void sim_account(struct sim *s, struct sim_cpu *c);
void sim_arm(struct sim *s, struct sim_cpu *c);
void sim_resched(struct sim *s, struct sim_cpu *c, uint64_t delay_ns);
void sim_schedule(struct sim *s, struct sim_cpu *c, unsigned prev_state);
void sim_cpu_step(struct sim *s, struct sim_cpu *c);
void sim_tick(struct sim *s, struct sim_cpu *c);
/* Puts a task on a CPU's queue, and makes the CPU look at it; from: whose doing it is, -1: the CPU's own interrupt. */
enum sim_enqueue { SIM_WOKEN, SIM_FORKED, SIM_MOVED };
void sim_enqueue(struct sim *s, struct sim_task *t, unsigned cpu, enum sim_enqueue why, int from);
/* Takes a task off: it sleeps, ends, or goes elsewhere. Leaves its CPU without a current where it was that. */
void sim_dequeue(struct sim *s, struct sim_task *t, bool sleeps);
/* Of what comes every period_ns, as much as the CPU can do besides: see sim_cpu.c. */
uint64_t sim_tick_cost(const struct sim_cpu *c, uint64_t cost_ns, uint64_t period_ns);
void sim_charge(struct sim *s, unsigned cpu, uint64_t ns);            /* work for whoever runs there */
int sim_move(struct sim *s, struct sim_task *t, unsigned to, int by); /* a queued task */
int sim_push(struct sim *s, struct sim_task *t, unsigned to);         /* a running one */
void sim_release_holds(struct sim *s);

/* sim_task.c: programs */
void sim_begin(struct sim *s, struct sim_task *t);                     /* one of the start; then, when all have: */
bool sim_begins_asleep(const struct sim *s, const struct sim_task *t); /* its program begins with a rest */
void sim_begin_asleep(struct sim *s, struct sim_task *t);
void sim_go_on(struct sim *s, struct sim_task *t); /* it runs and owes nothing: what comes next */
void sim_timer(struct sim *s, struct sim_task *t); /* its timer has fired */
void sim_force(struct sim *s);                     /* everybody is blocked for good */
void sim_arrive(struct sim *s, struct sim_task *t, const struct sr_op *op);
void sim_release_wait(struct sim *s, struct sim_task *by, uint32_t task, uint64_t wait);
/* One that takes no time, or a RUN, which is then owed. False: it has to stop there (it blocked, or lost its CPU). */
bool sim_rest(struct sim *s, struct sim_task *t, const struct sr_op *op); /* true: it is over */
void sim_simple_op(struct sim *s, struct sim_task *t, const struct sr_op *op);
void sim_block(struct sim *s, struct sim_task *t, enum sim_block on, uint64_t until);
void sim_wake_op(struct sim *s, struct sim_task *t, const struct sr_op *op);
void sim_settle_wake(struct sim *s, struct sim_task *t, const struct sr_op *op, bool slept);
void sim_end(struct sim *s, struct sim_task *t);
static inline bool sim_runs_on(const struct sim *s, const struct sim_task *t)
{
	const struct sim_cpu *c = &s->cpu[t->cpu];

	return t->state == SIM_RUNNING && (t->holds || c->resched_ns > s->now);
}

/* sim_timer.c */
uint64_t sim_sleep_until(struct sim *s, struct sim_task *t, const struct sr_op *op); /* 0: at once */

/* sim_loop.c */
int sim_loops_start(struct sim *s);
void sim_loop_go_on(struct sim *s, struct sim_task *t);
void sim_ring(struct sim *s, struct sim_task *by, struct sim_task *t); /* whom that may wake; it need not be asleep */
void sim_loop_released(struct sim *s, struct sim_task *by, struct sim_task *t, uint32_t wait);
void sim_loop_force(struct sim_task *t);

/* sim_worker.c: tasks of a pool (pool.h), as worker.c has them */
int sim_workers_start(struct sim *s);
bool sim_next_job(struct sim *s, struct sim_task *t); /* t is at its wait then; false: there is none yet */
static inline struct sim_task *sim_who_waits(struct sim *s, struct sim_task *t, uint32_t wait)
{
	return t->worker ? &s->tasks[rpl_pool_who(&s->pools, t->index, wait)] : t;
}

/* sim_identity.c */
void sim_set_class(struct sim *s, struct sim_task *t, int policy, int rt_prio);
void sim_set_nice(struct sim *s, struct sim_task *t, int nice);
void sim_change_mask(struct sim *s, struct sim_task *t, const struct sr_cpumask *mask);
void sim_first_identity(struct sim *s, struct sim_task *t, bool forked);

/* sim_place.c: the policy, and what it is asked */
int sim_policy_start(struct sim *s, struct sr_error *err);
void sim_policy_stop(struct sim *s);
void sim_place_fork(struct sim *s, struct sim_task *parent, struct sim_task *child, bool thread);
void sim_place_first(struct sim *s, struct sim_task *t);
void sim_place_exec(struct sim *s, struct sim_task *t);
/* by NULL: a timer's. stay: it goes where it was, nobody is asked. */
void sim_wake(struct sim *s, struct sim_task *t, struct sim_task *by, bool stay);
void sim_policy_tick(struct sim *s, struct sim_cpu *c);
void sim_policy_wake_up(struct sim *s); /* somebody is runnable again: its ticks go on */
void sim_newidle(struct sim *s, struct sim_cpu *c);
void sim_policy_queued(struct sim *s, const struct sim_task *t, unsigned cpu, bool on);

/* sim_kernel.c, sim_kernel_balance.c: today's placement and balancing */
int sim_kernel_start(struct sim *s);
/* What the CPU has, has changed by so much: idle CPUs, runnable tasks, load. */
static inline void sim_kernel_count(struct sim *s, const struct sim_cpu *c, uint32_t idle, uint32_t running,
				    uint64_t load)
{
	const struct sim_kernel *k = s->k;
	uint32_t place;
	unsigned i;

	if (!s->kernel)
		return;
	place = k->place[c->index];
	for (i = 0; i < k->nlevels; i++) {
		struct sim_sum *sum = &k->level[i].sum[k->level[i].domain[place]];

		sum->idle += idle; /* may be less: it wraps back */
		sum->running += running;
		sum->load += load;
	}
}
/* Before the CPU's fair load changes: of t, that comes to the queue (1) or leaves it (-1); NULL: of another reason. */
void sim_kernel_load(struct sim *s, struct sim_cpu *c, struct sim_task *t, int by);
int sim_kernel_wake(struct sim *s, struct sim_task *t, int this_cpu, struct sim_task *by, bool sync);
int sim_kernel_fork(struct sim *s, struct sim_task *t, int this_cpu); /* and exec */
void sim_kernel_tick(struct sim *s, struct sim_cpu *c);
uint64_t sim_kernel_newidle(struct sim *s, struct sim_cpu *c); /* what it cost, ns */
void sim_kernel_rt_pull(struct sim *s, struct sim_cpu *c);

/* sim_emit.c */
int sim_emit_start(struct sim *s);
void sim_emit_flush(struct sim *s);
void sim_emit_switch(struct sim *s, unsigned cpu, const struct sim_task *prev, const struct sim_task *next,
		     unsigned state);
void sim_emit_wake(struct sim *s, unsigned kind, unsigned cpu, int32_t ctx, unsigned flags, const struct sim_task *t,
		   unsigned target);
void sim_emit_migrate(struct sim *s, unsigned cpu, const struct sim_task *t, unsigned from, unsigned to);
void sim_emit_fork(struct sim *s, const struct sim_task *parent, const struct sim_task *child, unsigned flags);
void sim_emit_exec(struct sim *s, const struct sim_task *t);
void sim_emit_exit(struct sim *s, const struct sim_task *t, bool last);
void sim_emit_name(struct sim *s, const struct sim_task *t, uint32_t name);
void sim_emit_bind(struct sim *s, unsigned cpu, int32_t ctx, const struct sim_task *t);
void sim_emit_decision(struct sim *s, unsigned cpu, const struct sim_task *t, int from, int to, enum sr_cause cause,
		       uint64_t cost_ns);
int32_t sim_ctx(const struct sim *s, unsigned cpu); /* tid of who runs there */

#endif

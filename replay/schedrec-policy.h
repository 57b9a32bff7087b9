/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A placement policy of your own, as a shared object:
 *
 *	cc -O2 -shared -fPIC -o mine.so mine.c
 *	schedrec replay build.srz --policy kernel,./mine.so:key=value
 *
 * It defines the symbol schedrec_policy, one table of functions. The same object runs in the live engine and in the
 * simulator and cannot tell which. schedrec's POLICIES.md walks through an example; it lies beside this text as
 * share/doc/schedrec/examples/policy-leastloaded.c.
 *
 * Rules
 *   Calls come one at a time, under one lock of the engine: a policy needs none. They come from several threads, and with
 *   --processes from several processes: what a policy writes after init lies in memory of engine->alloc (static variables
 *   of the object would be a different one in each process).
 *   A policy must not block, allocate, print, create threads or call longjmp outside init: it runs in the path of every
 *   wake-up, and its time is measured and reported.
 *   The engine's functions may be called only inside a call that the engine made, with the engine that it was given.
 *   What init and fini are given may be read; the actions fail in them.
 *   A CPU is a number 0..ncpus-1 with cpu[].online; a task is a number 0..ntasks-1. Wrong numbers are answered with 0,
 *   -1 or a refusal; a CPU returned by place that does not exist, or that the task may not use, is corrected. Both are
 *   counted and told after the run.
 *   Units: ns of the engine's clock; loads and capacities as the comments say.
 *
 * Versions: what is added later is added at the ends of the structs. engine->size tells how much of the engine is there;
 * a policy that was built with an older header runs, one that was built with a newer one is refused.
 */
#ifndef SCHEDREC_POLICY_H
#define SCHEDREC_POLICY_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SCHEDREC_POLICY_ABI 1
#define SCHEDREC_MAX_CPUS 4096

/* Why a policy is asked, or acts. */
enum schedrec_cause {
	SCHEDREC_FORK = 1,
	SCHEDREC_EXEC = 2,
	SCHEDREC_WAKE = 3,
	SCHEDREC_NEWIDLE = 4,
	SCHEDREC_TICK = 5,
	SCHEDREC_ACTIVE = 6 /* a running task is moved */
};

/* schedrec_engine.caps */
enum {
	SCHEDREC_CAN_QUEUE = 1, /* the queue's order is the real one; else it is that of arrival */
	SCHEDREC_CAN_PUSH = 2,
	SCHEDREC_CAN_IDLE = 4
};

/* schedrec_policy.flags */
enum {
	SCHEDREC_WANTS_UTIL = 1 /* schedrec_task.util is to be kept; it costs a little at each wake-up */
};

/* Equal numbers mean the same core (SMT siblings), cache, package, NUMA node. */
struct schedrec_cpu {
	uint16_t core, llc, cluster, package, node;
	uint16_t capacity; /* 1..1024, 1024: the fastest */
	uint16_t online;   /* 0: there is no such CPU, or the replay may not use it */
	uint16_t reserved;
};

struct schedrec_task {
	int32_t prio;            /* the kernel's: -1 deadline, 0..99 real-time, 100..139 fair (120: nice 0) */
	int32_t sched_policy;    /* sched(7)'s number */
	uint32_t threads;        /* live threads of its process */
	uint32_t util;           /* 0..1024, as PELT has it; 0 without SCHEDREC_WANTS_UTIL, and where not known */
	int32_t cpu;             /* where it is, or was last; -1: it never ran */
	int32_t recorded_cpu;    /* where the recording ran its next burst; -1: not known */
	uint64_t last_ran_ns;    /* when it last left a CPU */
	uint64_t last_queued_ns; /* when it last became runnable */
	uint64_t slice_left_ns;  /* of the running task's time slice, 0: not known */
	int32_t running;         /* on a CPU now */
	int32_t reserved;
	const uint64_t *allowed; /* as in schedrec_place */
};

struct schedrec_place {
	int32_t why;      /* SCHEDREC_FORK, EXEC or WAKE */
	int32_t task;     /* the one to be placed */
	int32_t waker;    /* who wakes or forks it, -1: nobody (a timer) */
	int32_t this_cpu; /* where the waker runs; for a timer where the task ran last */
	int32_t prev_cpu; /* where the task ran last; FORK: the parent's */
	int32_t sync;     /* the waker says that it is about to sleep: a pipe, a socket, an exit */
	int32_t thread;   /* FORK: it shares its parent's memory */
	int32_t reserved;
	const uint64_t *allowed; /* bit c%64 of word c/64: CPU c; NULL: everywhere */
};

struct schedrec_engine {
	uint32_t size; /* of this struct, as schedrec has it */
	uint32_t abi;
	uint32_t caps;
	uint32_t ncpus, ntasks; /* ntasks 0: not known */
	uint32_t reserved;
	uint64_t seed;
	uint64_t tick_ns;               /* schedrec_policy.tick_ns; init may set another, 100 us to 10 s */
	const struct schedrec_cpu *cpu; /* [ncpus] */
	void *impl;                     /* the engine's own */

	/* Zeroed memory, aligned to 64 bytes, that lasts until the run is over; NULL: there is none. In init only. */
	void *(*alloc)(struct schedrec_engine *e, size_t n, size_t size);
	/* Makes init fail with this text (one line, the policy's name is put before it), status 2. Returns -1. */
	int (*refuse)(struct schedrec_engine *e, const char *text);

	uint64_t (*now_ns)(const struct schedrec_engine *e);
	uint64_t (*last_tick_ns)(const struct schedrec_engine *e, uint32_t cpu);  /* 0: it has not ticked */
	uint32_t (*nr_running)(const struct schedrec_engine *e, uint32_t cpu);    /* running and queued */
	uint64_t (*load_weight)(const struct schedrec_engine *e, uint32_t cpu);   /* of the fair ones; nice 0: 1024 */
	int32_t (*rt_lowest_prio)(const struct schedrec_engine *e, uint32_t cpu); /* 0..99; 100: no real-time task */
	int32_t (*is_idle)(const struct schedrec_engine *e, uint32_t cpu);
	int32_t (*current)(const struct schedrec_engine *e, uint32_t cpu); /* the running task, -1: none or not known */
	/* Fills tasks[] with at most max queued (not running) tasks, the first to run first; returns how many. */
	uint32_t (*queue)(const struct schedrec_engine *e, uint32_t cpu, int32_t *tasks, uint32_t max);
	void (*task)(const struct schedrec_engine *e, int32_t task, struct schedrec_task *view);
	uint32_t (*distance)(const struct schedrec_engine *e, uint32_t cpu_a, uint32_t cpu_b); /* NUMA; 10: local */

	/* Moves; done when they return 0: queries that follow see the new counts. -1: refused. */
	int (*migrate)(struct schedrec_engine *e, int32_t task, uint32_t to, int32_t cause); /* a queued task */
	int (*push)(struct schedrec_engine *e, int32_t task, uint32_t to, int32_t cause);    /* a running task */
	int (*idle)(struct schedrec_engine *e, uint32_t cpu, int32_t on); /* hold a CPU idle although tasks wait */
};

/* An option, for `schedrec policies ./mine.so`: "depth", "N|all", "4", what it does. */
struct schedrec_option {
	const char *key, *values, *deflt, *help;
};

struct schedrec_policy {
	uint32_t abi;     /* SCHEDREC_POLICY_ABI */
	uint32_t size;    /* sizeof(struct schedrec_policy) */
	const char *name; /* 1 to 31 of a-z 0-9 - _, and none of schedrec's own; it stands in tables and databases */
	/* For `schedrec policies ./mine.so`; each may be NULL: one line; what it does, in paragraphs with an empty line
	 * between them; where it comes from; what a decision costs; its options, ended by a NULL key. */
	const char *summary, *text, *sources, *cost;
	const struct schedrec_option *options;
	uint64_t flags;
	uint64_t tick_ns; /* 100 us to 10 s; 0: 1 ms */

	/* All but place may be NULL. *state is the policy's own. init returns 0 or -1 (engine->refuse); options is what
	 * follows the colon in --policy, NULL: nothing. */
	int (*init)(struct schedrec_engine *e, const char *options, void **state);
	void (*fini)(struct schedrec_engine *e, void *state);
	/* The CPU; -1: where it was. The lock is held: what is counted does not change meanwhile. */
	int32_t (*place)(struct schedrec_engine *e, void *state, const struct schedrec_place *p);
	/* A task became runnable on cpu, or stopped being so: it slept, ended, was moved, or changed its class or nice
	 * value (then both follow each other). Counts have it already, or no longer. */
	void (*enqueue)(struct schedrec_engine *e, void *state, uint32_t cpu, int32_t task);
	void (*dequeue)(struct schedrec_engine *e, void *state, uint32_t cpu, int32_t task);
	void (*tick)(struct schedrec_engine *e, void *state, uint32_t cpu);    /* every tick_ns for each CPU */
	void (*newidle)(struct schedrec_engine *e, void *state, uint32_t cpu); /* it has nothing left to run */
};

/* What the object defines. */
#if defined(__GNUC__)
extern const struct schedrec_policy schedrec_policy __attribute__((visibility("default")));
#else
extern const struct schedrec_policy schedrec_policy;
#endif

/* May a task with these CPUs use this one, and is it there? */
static inline int schedrec_may_use(const struct schedrec_engine *e, uint32_t cpu, const uint64_t *allowed)
{
	return cpu < e->ncpus && e->cpu[cpu].online && (!allowed || (allowed[cpu / 64] >> (cpu % 64) & 1));
}

#ifdef __cplusplus
}
#endif

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The policy interface: where tasks go. A policy is one versioned table of functions; the same object code runs
 * in the live engine and in the simulator and cannot tell which.
 *
 * Concurrency: an engine makes every call into a policy under one lock of its own, so a policy needs none and
 * may keep plain state, but only in memory of rpl_engine.alloc: calls may come from several processes, which share
 * nothing else that is written. A policy must not block, print or allocate outside init. Every query and action below
 * is valid only inside a call made by the engine. cpu numbers are 0..ncpus-1 of the engine's machine, not holes:
 * the engine never names a cpu whose machine->v[].online is 0, and a policy never chooses one.
 *
 * Any function of a policy may be NULL: the engine then does not call it (place NULL or -1: where it was). init
 * comes before the run, maybe long before; a policy starts its clocks at the first tick. last_tick_ns is 0 for a
 * cpu that has not ticked. migrate and push are done when they return 0: queries that follow in the same call
 * see the new counts. A queued task that changes its class or nice value is dequeued as what it was and enqueued as
 * what it is.
 *
 * Units: times ns of the engine's clock; loads as the comments say; a task is an index 0..ntasks-1.
 */
#ifndef SCHEDREC_REPLAY_POLICY_H
#define SCHEDREC_REPLAY_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "formats/error.h"
#include "formats/event.h"
#include "formats/machine.h"

#define RPL_POLICY_VERSION 1

/* rpl_engine.caps: what this engine can do. */
enum {
	RPL_CAN_QUEUE = 1, /* the queue's order is the real one (the live engine's is the order of arrival) */
	RPL_CAN_PUSH = 2,  /* a running task can be moved */
	RPL_CAN_IDLE = 4,  /* a cpu can be held idle although tasks wait (SMT-nice) */
};

struct rpl_task_view {
	int16_t prio;                     /* kernel prio as in event.h: 0..99 RT, 100..139 fair */
	uint8_t sched_policy;             /* sched(7) number */
	uint16_t threads;                 /* live threads of its process */
	uint16_t util;                    /* 0..1024, utilisation as PELT has it, 0 where not known */
	int32_t cpu;                      /* where it is, or was last; -1: never ran */
	int32_t recorded_cpu;             /* where the recording ran its next burst; -1: not known */
	uint64_t last_ran_ns;             /* when it last left a cpu */
	uint64_t last_queued_ns;          /* when it last became runnable */
	uint32_t slice_left_ns;           /* of the running task's time slice, 0 where not known */
	bool running;                     /* on a cpu now, as far as the engine knows */
	const struct sr_cpumask *allowed; /* NULL: everywhere */
};

/* What an engine offers. All functions take the engine itself first. */
struct rpl_engine {
	unsigned version, caps;
	const struct sr_machine *machine;
	unsigned ncpus;
	unsigned ntasks;
	const struct rpl_policy *policy; /* the one that is called: one code may serve several */
	uint64_t seed;
	uint64_t tick_ns; /* rpl_policy.tick_ns when init is called; init may set another */
	void *impl;
	uint64_t (*now_ns)(const struct rpl_engine *e);
	uint64_t (*last_tick_ns)(const struct rpl_engine *e, unsigned cpu);
	unsigned (*nr_running)(const struct rpl_engine *e, unsigned cpu); /* running and queued */
	/* Sum of nice weights of the fair tasks, running and queued; nice 0 = 1024. */
	uint64_t (*load_weight)(const struct rpl_engine *e, unsigned cpu);
	/* The numerically lowest RT prio, running or queued; 100: none. */
	int (*rt_lowest_prio)(const struct rpl_engine *e, unsigned cpu);
	bool (*is_idle)(const struct rpl_engine *e, unsigned cpu); /* its current task is the idle task */
	int (*current)(const struct rpl_engine *e, unsigned cpu);  /* task index, -1: idle or not known */
	/* Fills tasks[] with the queued (not running) tasks in queue order, first to run first; returns their number,
	 * at most max. */
	unsigned (*queue)(const struct rpl_engine *e, unsigned cpu, int *tasks, unsigned max);
	void (*task)(const struct rpl_engine *e, int task, struct rpl_task_view *view);
	/* Zeroed memory that lasts until the run is freed, after fini; NULL: there is none. In init only. */
	void *(*alloc)(struct rpl_engine *e, size_t n, size_t size);
	/* Actions. 0, or -1: refused (not allowed there, gone, running). The cause is stored with the decision. */
	int (*migrate)(struct rpl_engine *e, int task, unsigned to, enum sr_cause cause); /* a queued task */
	int (*push)(struct rpl_engine *e, int task, unsigned to, enum sr_cause cause);    /* a running task */
	int (*idle)(struct rpl_engine *e, unsigned cpu, bool on);
};

struct rpl_place {
	enum sr_cause why;                /* FORK, EXEC, WAKE */
	int task;                         /* being placed */
	int waker;                        /* the waking or forking task, -1: none (timer, interrupt) */
	int this_cpu;                     /* where the waker runs (for a timer: where the task last ran) */
	int prev_cpu;                     /* where the task last ran; FORK: the parent's */
	bool sync;                        /* the waker says that it is about to sleep: a pipe, a socket, an exit */
	bool thread;                      /* FORK: shares its memory (CLONE_VM) */
	const struct sr_cpumask *allowed; /* NULL: everywhere */
};

/* An option of a policy, for `schedrec policies`. */
struct rpl_policy_option {
	const char *key, *values; /* "a|b", or what a value is: "T" */
	const char *deflt;        /* NULL: none */
	const char *help;         /* one sentence, no capital, no full stop */
};

/* Something that a run of the policy counted and a person should know. The strings last as long as the policy. */
struct rpl_policy_count {
	const char *name; /* "recorded_cpu_lacking" */
	const char *text; /* what goes on after the number: "placements were ..." */
	uint64_t n;
	bool warn; /* tell it on stderr when it is not 0: results are to be read with it in mind */
};
#define RPL_POLICY_COUNTS 8

struct rpl_policy {
	unsigned version; /* RPL_POLICY_VERSION */
	const char *name;
	/* For `schedrec policies`: one line, paragraphs with an empty line between them, where it comes from, what a
	 * decision costs. */
	const char *summary, *text, *sources, *cost;
	const struct rpl_policy_option *options; /* ended by a NULL key; NULL: it takes none */
	bool pins;  /* false: the engine leaves placement to the kernel and never calls place */
	bool ticks; /* wants tick() on each cpu, every tick_ns */
	bool util;  /* wants rpl_task_view.util, which an engine may otherwise leave 0 */
	uint64_t tick_ns;
	int (*init)(struct rpl_engine *e, const char *options, void **state, struct sr_error *err);
	void (*fini)(struct rpl_engine *e, void *state);
	int (*place)(struct rpl_engine *e, void *state, const struct rpl_place *p); /* the cpu, -1: where it was */
	void (*enqueue)(struct rpl_engine *e, void *state, unsigned cpu,
			int task); /* counts include the task already */
	void (*dequeue)(struct rpl_engine *e, void *state, unsigned cpu, int task); /* counts exclude it already */
	void (*tick)(struct rpl_engine *e, void *state, unsigned cpu);
	void (*newidle)(struct rpl_engine *e, void *state, unsigned cpu); /* cpu has nothing left to run */
	/* Fills v[] (RPL_POLICY_COUNTS) when the run is over, before fini; returns how many. */
	unsigned (*report)(const struct rpl_engine *e, const void *state, struct rpl_policy_count *v);
};

/* Built-in policies, ended by NULL: kernel, recorded, domain, bld, ... */
extern const struct rpl_policy *const rpl_policies[];
/* "name" or "name:key=value,..." -> policy and its options (into spec, NULL: none); NULL with SR_USAGE and the list of
 * names. */
const struct rpl_policy *rpl_policy_find(const char *spec, const char **options, struct sr_error *err);
/* The same; "path/file.so" or "path/file.so:key=value,..." loads a user's own policy (policy_so.c), which runs with all
 * that this process may do: privileges are dropped before. To be closed. */
const struct rpl_policy *rpl_policy_open(const char *spec, const char **options, struct sr_error *err);
size_t rpl_policy_file_len(const char *spec);      /* of the path at its beginning; 0: it names no file */
void rpl_policy_close(const struct rpl_policy *p); /* NULL and built-in ones are allowed */
/* Cuts the next policy off a list "domain:hot=267,tick=4ms,bld" in place (a key=value without a policy's name goes
 * on with the options of the one before); NULL at the end. *list starts as the list. */
char *rpl_policy_next(char **list);

extern const struct rpl_policy rpl_policy_kernel, rpl_policy_recorded, rpl_policy_domain, rpl_policy_bld,
	rpl_policy_bld_2012, rpl_policy_bld_fixed, rpl_policy_eas, rpl_policy_roundrobin, rpl_policy_random;

#endif

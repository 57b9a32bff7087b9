/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a decision costs, without an engine's part: ns a call of place() over an engine that answers from arrays. Each
 * placed task is enqueued, an old one dequeued (not timed), so that loads move; medians of 15 rounds.
 *
 *	policy_bench [CPUS...]    default 2 8 64 512 4096
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "replay/arena.h"
#include "replay/policy.h"

#define ROUNDS 15
#define TASKS 1024

struct engine {
	struct rpl_engine e;
	struct rpl_arena memory;
	unsigned nr[SR_MAX_CPUS];
	int at[TASKS]; /* cpu of each task, -1: none */
};

static uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static const struct engine *of(const struct rpl_engine *e)
{
	return e->impl;
}

static uint64_t q_time(const struct rpl_engine *e)
{
	return 1000000000;
}

static uint64_t q_last_tick(const struct rpl_engine *e, unsigned cpu)
{
	return 1000000000;
}

static unsigned q_nr_running(const struct rpl_engine *e, unsigned cpu)
{
	return of(e)->nr[cpu];
}

static uint64_t q_load_weight(const struct rpl_engine *e, unsigned cpu)
{
	return of(e)->nr[cpu] * 1024u;
}

static int q_rt_lowest(const struct rpl_engine *e, unsigned cpu)
{
	return 100;
}

static bool q_is_idle(const struct rpl_engine *e, unsigned cpu)
{
	return !of(e)->nr[cpu];
}

static int q_current(const struct rpl_engine *e, unsigned cpu)
{
	return -1;
}

static unsigned q_queue(const struct rpl_engine *e, unsigned cpu, int *tasks, unsigned max)
{
	return 0;
}

static void q_task(const struct rpl_engine *e, int task, struct rpl_task_view *v)
{
	*v = (struct rpl_task_view){
		.prio = 120, .threads = 1, .cpu = of(e)->at[task], .recorded_cpu = -1, .last_ran_ns = 500000000
	};
}

static void *allocate(struct rpl_engine *e, size_t n, size_t size)
{
	return rpl_alloc(&((struct engine *)e->impl)->memory, n, size);
}

static void put(struct engine *x, const struct rpl_policy *p, void *state, int task, int cpu)
{
	x->at[task] = cpu;
	x->nr[cpu]++;
	if (p->enqueue)
		p->enqueue(&x->e, state, (unsigned)cpu, task);
}

static void take(struct engine *x, const struct rpl_policy *p, void *state, int task)
{
	unsigned cpu = (unsigned)x->at[task];

	x->nr[cpu]--;
	if (p->dequeue)
		p->dequeue(&x->e, state, cpu, task);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double measure(const struct sr_machine *m, const char *spec, enum sr_cause why, bool thread, bool tick)
{
	struct engine *x = calloc(1, sizeof(*x));
	struct sr_error err;
	const char *options;
	const struct rpl_policy *p = rpl_policy_find(spec, &options, &err);
	unsigned calls = m->ncpus > 256 ? 2000 : 20000, busy = m->ncpus < TASKS / 2 ? m->ncpus : TASKS / 2;
	double ns[ROUNDS];
	uint32_t seed = 1;
	void *state = NULL;

	x->e = (struct rpl_engine){ .version = RPL_POLICY_VERSION,
				    .machine = m,
				    .ncpus = m->ncpus,
				    .seed = 1,
				    .impl = x,
				    .now_ns = q_time,
				    .last_tick_ns = q_last_tick,
				    .nr_running = q_nr_running,
				    .load_weight = q_load_weight,
				    .rt_lowest_prio = q_rt_lowest,
				    .is_idle = q_is_idle,
				    .current = q_current,
				    .queue = q_queue,
				    .task = q_task,
				    .alloc = allocate };
	if (!p || p->init(&x->e, options, &state, &err)) {
		fprintf(stderr, "policy_bench: %s\n", err.text);
		exit(70);
	}
	for (unsigned i = 0; i < busy; i++) /* as many tasks as CPUs, unevenly */
		put(x, p, state, (int)i, (int)((seed = seed * 1664525 + 1013904223) >> 8) % (int)m->ncpus);
	for (int r = 0; r < ROUNDS; r++) {
		uint64_t sum = 0, floor = UINT64_MAX;

		for (int i = 0; i < 100; i++) {
			uint64_t t = clock_ns();

			t = clock_ns() - t;
			floor = t < floor ? t : floor;
		}
		for (unsigned i = 0; i < calls; i++) {
			int task = (int)((seed = seed * 1664525 + 1013904223) >> 10) % (int)busy, cpu = x->at[task];
			struct rpl_place place = { .why = why,
						   .task = task,
						   .waker = 0,
						   .thread = thread,
						   .this_cpu = (int)(seed >> 9) % (int)m->ncpus,
						   .prev_cpu = cpu };
			uint64_t from;

			take(x, p, state, task);
			from = clock_ns();
			if (tick)
				p->tick(&x->e, state, (unsigned)cpu);
			else
				cpu = p->place(&x->e, state, &place);
			sum += clock_ns() - from - floor;
			put(x, p, state, task, cpu < 0 ? 0 : cpu);
		}
		ns[r] = (double)sum / calls;
	}
	if (p->fini)
		p->fini(&x->e, state);
	rpl_arena_release(&x->memory);
	free(x);
	qsort(ns, ROUNDS, sizeof(ns[0]), by_value);
	return ns[ROUNDS / 2];
}

int main(int argc, char **argv)
{
	static const char *const deflt[] = { "2", "8", "64", "512", "4096" };
	int n = argc > 1 ? argc - 1 : 5;

	printf("%6s %12s %12s %12s %10s %10s %10s %14s\n", "CPUs", "domain wake", "domain clone", "domain tick",
	       "bld fork", "bld wake", "bld-2012", "bld-fixed wake");
	for (int i = 0; i < n; i++) {
		unsigned cpus = (unsigned)strtoul(argc > 1 ? argv[i + 1] : deflt[i], NULL, 10);
		struct sr_error err;
		struct sr_machine *m;
		char spec[64];

		/* Cores of two threads: two levels, three from 64 CPUs on. */
		snprintf(spec, sizeof(spec), cpus >= 64 ? "pack:%u [numa] core:16 pu:2" : "pack:1 core:%u pu:2",
			 cpus >= 64 ? cpus / 32 : cpus / 2);
		m = sr_machine_load(spec, &err);
		if (!m) {
			fprintf(stderr, "policy_bench: %s\n", err.text);
			return 2;
		}
		printf("%6u %12.0f %12.0f %12.0f %10.0f %10.0f %10.0f %14.0f\n", m->ncpus,
		       measure(m, "domain", SR_CAUSE_WAKE, false, false),
		       measure(m, "domain", SR_CAUSE_FORK, true, false),
		       measure(m, "domain", SR_CAUSE_WAKE, false, true), measure(m, "bld", SR_CAUSE_FORK, false, false),
		       measure(m, "bld", SR_CAUSE_WAKE, false, false),
		       measure(m, "bld-2012", SR_CAUSE_WAKE, false, false),
		       measure(m, "bld-fixed", SR_CAUSE_WAKE, false, false));
		sr_machine_free(m);
	}
	return 0;
}

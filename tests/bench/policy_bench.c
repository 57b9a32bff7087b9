/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a decision costs, without an engine's part: ns a call over an engine that answers from arrays. As many tasks as
 * CPUs (up to 512), unevenly; between two timed groups of 64 calls some are taken off their queues and placed anew (not
 * timed), so that loads move. All columns take turns, so that a slow moment of the host falls on all of them; medians of
 * 15 rounds.
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
#define TASKS 512
#define GROUP 64 /* calls between two looks at the clock */

struct engine {
	struct rpl_engine e;
	struct rpl_arena memory;
	uint64_t now_ns;
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
	return of(e)->now_ns;
}

static uint64_t q_last_tick(const struct rpl_engine *e, unsigned cpu)
{
	return of(e)->now_ns;
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
	*v = (struct rpl_task_view){ .prio = 120,
				     .threads = 1,
				     .util = 100,
				     .cpu = of(e)->at[task],
				     .recorded_cpu = -1,
				     .last_ran_ns = 500000000 };
}

static void *allocate(struct rpl_engine *e, size_t n, size_t size)
{
	return rpl_alloc(&((struct engine *)e->impl)->memory, n, size);
}

/* A column. */
enum what { FORK, CLONE, WAKE, TICK, QUEUES };
enum mask { ANY, UPPER, ODD };
struct subject {
	const char *title, *policy;
	enum what what;
	enum mask mask; /* which CPUs the task may use: the upper half, every other one */
	bool biglittle; /* half of the CPUs are slower */
	struct engine *x;
	const struct rpl_policy *p;
	void *state;
	struct sr_machine *m;
	struct sr_cpumask allowed;
	unsigned busy, ticks;
	uint32_t seed;
	double ns[ROUNDS];
};

static struct subject subjects[] = {
	{ .title = "bld fork", .policy = "bld", .what = FORK },
	{ .title = "wake", .policy = "bld", .what = WAKE },
	{ .title = "queues", .policy = "bld", .what = QUEUES },
	{ .title = "bld-2012", .policy = "bld-2012", .what = WAKE },
	{ .title = "fixed fork", .policy = "bld-fixed", .what = FORK },
	{ .title = "wake", .policy = "bld-fixed", .what = WAKE },
	{ .title = "upper", .policy = "bld-fixed", .what = WAKE, .mask = UPPER },
	{ .title = "odd", .policy = "bld-fixed", .what = WAKE, .mask = ODD },
	{ .title = "queues", .policy = "bld-fixed", .what = QUEUES },
	{ .title = "odd queues", .policy = "bld-fixed", .what = QUEUES, .mask = ODD },
	{ .title = "domain wake", .policy = "domain", .what = WAKE },
	{ .title = "2.6.12", .policy = "domain:preset=2.6.12", .what = WAKE },
	{ .title = "full", .policy = "domain:levels=full", .what = WAKE },
	{ .title = "clone", .policy = "domain", .what = CLONE },
	{ .title = "tick", .policy = "domain", .what = TICK },
	{ .title = "full tick", .policy = "domain:levels=full", .what = TICK },
	{ .title = "queues", .policy = "domain", .what = QUEUES },
	{ .title = "eas wake", .policy = "eas", .what = WAKE, .biglittle = true },
	{ .title = "fork", .policy = "eas", .what = FORK, .biglittle = true },
	{ .title = "random", .policy = "random", .what = WAKE },
	{ .title = "roundrobin", .policy = "roundrobin", .what = WAKE },
};
#define SUBJECTS (sizeof(subjects) / sizeof(subjects[0]))
#define FIRST_TABLE 10

static uint32_t draw(struct subject *s)
{
	return (s->seed = s->seed * 1664525 + 1013904223) >> 8;
}

static void put(struct subject *s, int task, int cpu)
{
	s->x->at[task] = cpu;
	s->x->nr[cpu]++;
	if (s->p->enqueue)
		s->p->enqueue(&s->x->e, s->state, (unsigned)cpu, task);
}

static void take(struct subject *s, int task)
{
	unsigned cpu = (unsigned)s->x->at[task];

	s->x->nr[cpu]--;
	if (s->p->dequeue)
		s->p->dequeue(&s->x->e, s->state, cpu, task);
}

static int place(struct subject *s, int task)
{
	struct rpl_place p = { .why = s->what == WAKE ? SR_CAUSE_WAKE : SR_CAUSE_FORK,
			       .task = task,
			       .thread = s->what == CLONE,
			       .this_cpu = (int)(draw(s) % s->m->ncpus),
			       .prev_cpu = s->x->at[task],
			       .allowed = s->mask == ANY ? NULL : &s->allowed };

	return s->p->place(&s->x->e, s->state, &p);
}

static void set_up(struct subject *s, const char *machine)
{
	struct sr_error err;
	const char *options;

	s->seed = 1;
	s->ticks = 0;
	s->x = calloc(1, sizeof(*s->x));
	s->x->now_ns = 1000000000;
	s->m = sr_machine_load(machine, &err);
	s->p = s->m ? rpl_policy_find(s->policy, &options, &err) : NULL;
	if (!s->p) {
		fprintf(stderr, "policy_bench: %s\n", err.text);
		exit(2);
	}
	memset(&s->allowed, 0, sizeof(s->allowed));
	for (unsigned i = 0; i < s->m->ncpus; i++) {
		if (s->biglittle && i < s->m->ncpus / 2)
			s->m->v[i].capacity = 446;
		if (s->mask == UPPER ? i >= s->m->ncpus / 2 : i % 2)
			sr_cpumask_set(&s->allowed, i);
	}
	s->x->e = (struct rpl_engine){ .version = RPL_POLICY_VERSION,
				       .machine = s->m,
				       .ncpus = s->m->ncpus,
				       .ntasks = TASKS,
				       .policy = s->p,
				       .seed = 1,
				       .impl = s->x,
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
	if (s->p->init(&s->x->e, options, &s->state, &err)) {
		fprintf(stderr, "policy_bench: %s\n", err.text);
		exit(70);
	}
	s->busy = s->m->ncpus < TASKS ? s->m->ncpus : TASKS;
	for (unsigned i = 0; i < s->busy; i++)
		put(s, (int)i, (int)(draw(s) % s->m->ncpus));
	if (s->p->tick)
		s->p->tick(&s->x->e, s->state, 0);
}

static void tear_down(struct subject *s)
{
	if (s->p->fini)
		s->p->fini(&s->x->e, s->state);
	rpl_arena_release(&s->x->memory);
	sr_machine_free(s->m);
	free(s->x);
}

/* ns a call of GROUP calls; a pair of both hooks for QUEUES. */
static uint64_t group(struct subject *s)
{
	int task[GROUP], cpu[GROUP] = { 0 };
	uint64_t from, ns;

	for (unsigned i = 0; i < GROUP; i++)
		task[i] = (int)(draw(s) % s->busy);
	from = clock_ns();
	for (unsigned i = 0; i < GROUP; i++) {
		if (s->what == TICK) {
			/* They go around all CPUs, a millisecond a round, so that levels fall due. */
			s->x->now_ns += s->ticks % s->m->ncpus ? 0 : 1000000;
			s->p->tick(&s->x->e, s->state, s->ticks++ % s->m->ncpus);
		} else if (s->what == QUEUES) {
			take(s, task[i]);
			put(s, task[i], s->x->at[task[i]]);
		} else {
			cpu[i] = place(s, task[i]);
		}
	}
	ns = clock_ns() - from;
	/* Also of tasks that bound ones take turns with: a policy may keep something for each mask. */
	if (s->what == QUEUES)
		place(s, task[0]);
	else if (s->what != TICK)
		s->x->now_ns += 100000;
	/* A few go where they were placed, the others anywhere: forks alone would even all loads out. */
	for (unsigned i = 0; i < 8; i++) {
		bool placed = s->what < TICK && i % 2 && cpu[i] >= 0;

		take(s, task[i]);
		put(s, task[i], placed ? cpu[i] : (int)(draw(s) % s->m->ncpus));
	}
	return ns;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void print_heads(size_t from, size_t to)
{
	printf("%6s", "CPUs");
	for (size_t i = from; i < to; i++)
		printf(" %10s", subjects[i].title);
	putchar('\n');
}

static void measure(unsigned cpus, double *out)
{
	unsigned groups = cpus > 256 ? 30 : 200;
	char machine[64];

	/* Cores of two threads: two levels, three from 64 CPUs on. */
	snprintf(machine, sizeof(machine), cpus >= 64 ? "pack:%u [numa] core:16 pu:2" : "pack:1 core:%u pu:2",
		 cpus >= 64 ? cpus / 32 : cpus / 2);
	for (size_t i = 0; i < SUBJECTS; i++)
		set_up(&subjects[i], machine);
	for (int r = -1; r < ROUNDS; r++) /* the first one warms up */
		for (size_t i = 0; i < SUBJECTS; i++) {
			uint64_t sum = 0;

			unsigned n = subjects[i].what == TICK ? 600 : groups;

			for (unsigned k = 0; k < n; k++)
				sum += group(&subjects[i]);
			if (r >= 0)
				subjects[i].ns[r] = (double)sum / n / GROUP;
		}
	for (size_t i = 0; i < SUBJECTS; i++) {
		qsort(subjects[i].ns, ROUNDS, sizeof(subjects[i].ns[0]), by_value);
		out[i] = subjects[i].ns[ROUNDS / 2];
		tear_down(&subjects[i]);
	}
}

int main(int argc, char **argv)
{
	static const char *const deflt[] = { "2", "8", "64", "512", "4096" };
	int n = argc > 1 ? argc - 1 : 5;
	double(*ns)[SUBJECTS] = calloc((size_t)n, sizeof(*ns));

	for (int i = 0; i < n; i++)
		measure((unsigned)strtoul(argc > 1 ? argv[i + 1] : deflt[i], NULL, 10), ns[i]);
	for (size_t from = 0; from < SUBJECTS; from = from ? SUBJECTS : FIRST_TABLE) {
		size_t to = from ? SUBJECTS : FIRST_TABLE;

		print_heads(from, to);
		for (int i = 0; i < n; i++) {
			printf("%6s", argc > 1 ? argv[i + 1] : deflt[i]);
			for (size_t k = from; k < to; k++)
				printf(" %10.0f", ns[i][k]);
			putchar('\n');
		}
		putchar('\n');
	}
	printf("ns a call, median of %d rounds. queues: enqueue and dequeue together; upper, odd: tasks that may use "
	       "the\n"
	       "upper half of the CPUs, every other CPU.\n",
	       ROUNDS);
	free(ns);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An engine for the tests of policies: queues that are what the test makes them, a clock that the test turns. The
 * first task of a queue runs, the others wait behind it in order of arrival.
 */
#ifndef SCHEDREC_TESTS_FAKE_ENGINE_H
#define SCHEDREC_TESTS_FAKE_ENGINE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replay/arena.h"
#include "replay/policy.h"

#define FAKE_TASKS 256

struct fake {
	struct rpl_engine e;
	struct sr_machine *m;
	struct rpl_arena memory;
	const struct rpl_policy *p;
	void *state;
	bool ready; /* init succeeded */
	uint64_t now_ns, *last_tick_ns;
	struct fake_cpu {
		int v[FAKE_TASKS];
		unsigned n;
		bool held; /* idle although tasks wait */
	} * cpu;
	struct rpl_task_view task[FAKE_TASKS];
	unsigned weight[FAKE_TASKS];
	int ntasks;
	unsigned moved[SR_CAUSES]; /* actions that were carried out, by cause */
};

static inline struct fake *fake_of(const struct rpl_engine *e)
{
	return e->impl;
}

static inline uint64_t fake_now(const struct rpl_engine *e)
{
	return fake_of(e)->now_ns;
}

static inline uint64_t fake_last_tick(const struct rpl_engine *e, unsigned cpu)
{
	return fake_of(e)->last_tick_ns[cpu];
}

static inline unsigned fake_nr_running(const struct rpl_engine *e, unsigned cpu)
{
	return fake_of(e)->cpu[cpu].n;
}

static inline uint64_t fake_load_weight(const struct rpl_engine *e, unsigned cpu)
{
	const struct fake *f = fake_of(e);
	uint64_t sum = 0;

	for (unsigned i = 0; i < f->cpu[cpu].n; i++)
		if (f->task[f->cpu[cpu].v[i]].prio >= 100)
			sum += f->weight[f->cpu[cpu].v[i]];
	return sum;
}

static inline int fake_rt_lowest(const struct rpl_engine *e, unsigned cpu)
{
	const struct fake *f = fake_of(e);
	int lowest = 100;

	for (unsigned i = 0; i < f->cpu[cpu].n; i++)
		if (f->task[f->cpu[cpu].v[i]].prio >= 0 && f->task[f->cpu[cpu].v[i]].prio < lowest)
			lowest = f->task[f->cpu[cpu].v[i]].prio;
	return lowest;
}

static inline bool fake_is_idle(const struct rpl_engine *e, unsigned cpu)
{
	return !fake_of(e)->cpu[cpu].n || fake_of(e)->cpu[cpu].held;
}

static inline int fake_current(const struct rpl_engine *e, unsigned cpu)
{
	return fake_is_idle(e, cpu) ? -1 : fake_of(e)->cpu[cpu].v[0];
}

static inline unsigned fake_queue(const struct rpl_engine *e, unsigned cpu, int *tasks, unsigned max)
{
	const struct fake_cpu *c = &fake_of(e)->cpu[cpu];
	unsigned n = 0;

	for (unsigned i = c->held ? 0 : 1; i < c->n && n < max; i++)
		tasks[n++] = c->v[i];
	return n;
}

static inline void fake_view(const struct rpl_engine *e, int task, struct rpl_task_view *v)
{
	const struct fake *f = fake_of(e);

	*v = f->task[task];
	v->running = v->cpu >= 0 && fake_current(e, (unsigned)v->cpu) == task;
}

static inline void fake_unlink(struct fake *f, int task)
{
	struct fake_cpu *c = &f->cpu[f->task[task].cpu];
	unsigned i = 0;

	while (i < c->n && c->v[i] != task)
		i++;
	if (i == c->n)
		abort();
	memmove(&c->v[i], &c->v[i + 1], (c->n - i - 1) * sizeof(c->v[0]));
	c->n--;
}

/* Puts a task on a queue, as a wake or a fork does. */
static inline void fake_start(struct fake *f, int task, unsigned cpu)
{
	f->cpu[cpu].v[f->cpu[cpu].n++] = task;
	f->task[task].cpu = (int)cpu;
	f->task[task].last_queued_ns = f->now_ns;
	if (f->p->enqueue)
		f->p->enqueue(&f->e, f->state, cpu, task);
}

/* Takes it off, as a block or an exit does. */
static inline void fake_stop(struct fake *f, int task)
{
	fake_unlink(f, task);
	f->task[task].last_ran_ns = f->now_ns;
	if (f->p->dequeue)
		f->p->dequeue(&f->e, f->state, (unsigned)f->task[task].cpu, task);
}

static inline int fake_act(struct rpl_engine *e, int task, unsigned to, enum sr_cause cause)
{
	struct fake *f = fake_of(e);
	struct rpl_task_view was;

	fake_view(e, task, &was);
	fake_stop(f, task);
	fake_start(f, task, to);
	/* It has become runnable no later by that, nor has it run. */
	f->task[task].last_queued_ns = was.last_queued_ns;
	if (!was.running)
		f->task[task].last_ran_ns = was.last_ran_ns;
	f->moved[cause]++;
	return 0;
}

static inline int fake_migrate(struct rpl_engine *e, int task, unsigned to, enum sr_cause cause)
{
	struct rpl_task_view v;

	fake_view(e, task, &v);
	return v.running ? -1 : fake_act(e, task, to, cause);
}

static inline int fake_push(struct rpl_engine *e, int task, unsigned to, enum sr_cause cause)
{
	struct rpl_task_view v;

	fake_view(e, task, &v);
	return v.running ? fake_act(e, task, to, cause) : -1;
}

static inline int fake_idle(struct rpl_engine *e, unsigned cpu, bool on)
{
	if (!(e->caps & RPL_CAN_IDLE))
		return -1;
	fake_of(e)->cpu[cpu].held = on;
	return 0;
}

static inline void *fake_alloc(struct rpl_engine *e, size_t n, size_t size)
{
	return rpl_alloc(&fake_of(e)->memory, n, size);
}

/* The engine of this policy on f->m, which is the engine's from here on; what it can do beside queue and push. 0, -1. */
static inline int fake_start_policy(struct fake *f, const struct rpl_policy *p, const char *options, unsigned caps,
				    struct sr_error *err)
{
	f->p = p;
	f->now_ns = 1000000000;
	f->cpu = calloc(f->m->ncpus, sizeof(*f->cpu));
	f->last_tick_ns = calloc(f->m->ncpus, sizeof(*f->last_tick_ns));
	f->e = (struct rpl_engine){ .version = RPL_POLICY_VERSION,
				    .caps = RPL_CAN_QUEUE | RPL_CAN_PUSH | caps,
				    .machine = f->m,
				    .ncpus = f->m->ncpus,
				    .ntasks = FAKE_TASKS,
				    .policy = f->p,
				    .seed = 1,
				    .tick_ns = f->p->tick_ns,
				    .impl = f,
				    .now_ns = fake_now,
				    .last_tick_ns = fake_last_tick,
				    .nr_running = fake_nr_running,
				    .load_weight = fake_load_weight,
				    .rt_lowest_prio = fake_rt_lowest,
				    .is_idle = fake_is_idle,
				    .current = fake_current,
				    .queue = fake_queue,
				    .task = fake_view,
				    .alloc = fake_alloc,
				    .migrate = fake_migrate,
				    .push = fake_push,
				    .idle = fake_idle };
	f->ready = !f->p->init || !f->p->init(&f->e, options, &f->state, err);
	return f->ready ? 0 : -1;
}

/* machine and policy as on the command line. 0, -1. */
static inline int fake_open_with(struct fake *f, const char *machine, const char *policy, unsigned caps,
				 struct sr_error *err)
{
	const char *options = NULL;
	const struct rpl_policy *p;

	memset(f, 0, sizeof(*f));
	f->m = sr_machine_load(machine, err);
	p = f->m ? rpl_policy_find(policy, &options, err) : NULL;
	return p ? fake_start_policy(f, p, options, caps, err) : -1;
}

static inline int fake_open(struct fake *f, const char *machine, const char *policy, struct sr_error *err)
{
	return fake_open_with(f, machine, policy, 0, err);
}

static inline void fake_close(struct fake *f)
{
	if (f->ready && f->p->fini)
		f->p->fini(&f->e, f->state);
	rpl_arena_release(&f->memory);
	sr_machine_free(f->m);
	free(f->cpu);
	free(f->last_tick_ns);
}

/* A new task of this kernel prio, on no queue; 120 is nice 0. */
static inline int fake_task(struct fake *f, int prio)
{
	f->task[f->ntasks] =
		(struct rpl_task_view){ .prio = (int16_t)prio, .threads = 1, .cpu = -1, .recorded_cpu = -1 };
	f->weight[f->ntasks] = 1024;
	return f->ntasks++;
}

/* A new running or queued task of nice 0 on this cpu. */
static inline int fake_hog(struct fake *f, unsigned cpu)
{
	int t = fake_task(f, 120);

	fake_start(f, t, cpu);
	return t;
}

static inline int fake_place(struct fake *f, enum sr_cause why, int task, int this_cpu, int prev_cpu)
{
	struct rpl_place p = { .why = why,
			       .task = task,
			       .waker = -1,
			       .this_cpu = this_cpu,
			       .prev_cpu = prev_cpu,
			       .allowed = f->task[task].allowed };

	return f->p->place(&f->e, f->state, &p);
}

/* A fork on this cpu, placed by the policy and run there: the cpu. */
static inline int fake_fork(struct fake *f, int this_cpu, bool thread)
{
	int t = fake_task(f, 120), cpu;
	struct rpl_place p = { .why = SR_CAUSE_FORK,
			       .task = t,
			       .waker = -1,
			       .this_cpu = this_cpu,
			       .prev_cpu = this_cpu,
			       .thread = thread };

	cpu = f->p->place(&f->e, f->state, &p);
	fake_start(f, t, (unsigned)cpu);
	return cpu;
}

/* One tick on each cpu, then the clock goes on by one. */
static inline void fake_tick(struct fake *f)
{
	for (unsigned i = 0; i < f->m->ncpus; i++) {
		if (!f->m->v[i].online)
			continue;
		if (f->p->tick)
			f->p->tick(&f->e, f->state, i);
		f->last_tick_ns[i] = f->now_ns;
	}
	f->now_ns += f->e.tick_ns;
}

#endif

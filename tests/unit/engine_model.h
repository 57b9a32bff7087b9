/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For the tests and measurements of the live engine: models written by hand, and a policy that checks the engine's calls. */
#ifndef SCHEDREC_TESTS_ENGINE_MODEL_H
#define SCHEDREC_TESTS_ENGINE_MODEL_H

#include <stdlib.h>
#include <string.h>

#include "replay/engine.h"

#define MS 1000000ull
#define NONE UINT32_MAX
#define EXEC_NS 80000ull /* add_vforks */

static inline struct sr_program *add_task(struct sr_model *m, uint32_t parent)
{
	struct sr_program *p;

	m->tasks = realloc(m->tasks, (m->ntasks + 1) * sizeof(*m->tasks));
	p = &m->tasks[m->ntasks++];
	memset(p, 0, sizeof(*p));
	p->parent = parent;
	p->tid = 100 + (int)m->ntasks;
	p->first_cpu = -1;
	strcpy(p->comm, "engine-test");
	m->max_alive++;
	return p;
}

/* Any op but those of add_wait. */
static inline struct sr_op *add_op(struct sr_model *m, uint32_t task, enum sr_op_kind kind, uint32_t arg,
				   uint64_t value)
{
	struct sr_program *p = &m->tasks[task];

	p->ops = realloc(p->ops, (p->nops + 1) * sizeof(*p->ops));
	p->ops[p->nops] = (struct sr_op){ .kind = kind, .arg = arg, .value = value };
	if (kind == SR_OP_RUN) {
		p->cpu_ns += value;
		m->run_ns += value;
	}
	return &p->ops[p->nops++];
}

/* A WAIT or SLEEP, which a wake of this task ends (NONE: the clock, or it is not told); the number of its wait. */
static inline uint32_t add_wait(struct sr_model *m, uint32_t task, enum sr_op_kind kind, uint32_t waker, uint64_t ns)
{
	struct sr_program *p = &m->tasks[task];

	add_op(m, task, kind, (uint32_t)p->nwaits, ns);
	p->waits = realloc(p->waits, (p->nwaits + 1) * sizeof(*p->waits));
	p->waits[p->nwaits] = (struct sr_wait){ .needs = kind == SR_OP_WAIT, .watch_task = NONE, .waker = waker };
	if (kind == SR_OP_SLEEP)
		p->waits[p->nwaits].wake_ns = ns;
	return (uint32_t)p->nwaits++;
}

/* Ops of a kind that the recording has. */
static inline uint64_t count_recorded(const struct sr_model *m, enum sr_op_kind kind)
{
	uint64_t n = 0;

	for (size_t i = 0; i < m->ntasks; i++)
		for (size_t k = 0; k < m->tasks[i].nops; k++)
			n += m->tasks[i].ops[k].kind == kind && !sr_op_hidden(&m->tasks[i].ops[k]);
	return n;
}

static inline void free_model(struct sr_model *m)
{
	for (size_t i = 0; i < m->ntasks; i++) {
		free(m->tasks[i].ops);
		free(m->tasks[i].waits);
	}
	free(m->tasks);
}

/*
 * On one CPU, for the free order: task 0 works, makes a child by vfork and sleeps until that one has worked for 1 ms and is
 * within its exec, n times; task 1 computes beside it. With 6 ms of work its slice is used up: where it loses the CPU before
 * it sleeps, its child may be through by the time that it has it again.
 */
static inline void add_vforks(struct sr_model *m, uint32_t n, uint64_t work_ns)
{
	add_task(m, NONE);
	add_task(m, NONE);
	add_op(m, 1, SR_OP_RUN, 0, n * 8 * MS);
	add_op(m, 1, SR_OP_END, 0, 0)->flags = 1;
	for (uint32_t i = 2; i < n + 2; i++) {
		uint32_t wait;

		add_op(m, 0, SR_OP_RUN, 0, work_ns);
		add_op(m, 0, SR_OP_FORK, i, 0)->flags = SR_FORK_VM | SR_FORK_VFORK;
		add_op(m, 0, SR_OP_RUN, 0, 3000);
		wait = add_wait(m, 0, SR_OP_WAIT, i, 0);
		add_task(m, 0);
		add_op(m, i, SR_OP_RUN, 0, MS);
		add_op(m, i, SR_OP_WAKE, 0, wait)->flags = SR_WAKE_VFORK;
		add_op(m, i, SR_OP_RUN, 0, EXEC_NS);
		add_op(m, i, SR_OP_EXEC, 0, 0);
		add_op(m, i, SR_OP_RUN, 0, MS / 2);
		add_op(m, i, SR_OP_END, 0, 0)->flags = 1;
	}
	add_op(m, 0, SR_OP_END, 0, 0)->flags = 1;
}

/* Queues of its own, by the calls that the engine makes. */
static struct {
	bool queued[256];
	unsigned wrong, left;
} seen;

static inline void see_enqueue(struct rpl_engine *e, void *policy, unsigned cpu, int task)
{
	seen.wrong += seen.queued[task];
	seen.queued[task] = true;
}

static inline void see_dequeue(struct rpl_engine *e, void *policy, unsigned cpu, int task)
{
	seen.wrong += !seen.queued[task];
	seen.queued[task] = false;
}

/* The two of a pair apart, where there are two CPUs. */
static inline int place_apart(struct rpl_engine *e, void *policy, const struct rpl_place *p)
{
	int cpu = p->task % (int)e->ncpus;

	return e->machine->v[cpu].online ? cpu : -1;
}

static inline void see_end(struct rpl_engine *e, void *policy)
{
	for (size_t i = 0; i < sizeof(seen.queued) / sizeof(*seen.queued); i++)
		seen.left += seen.queued[i];
	for (unsigned i = 0; i < e->ncpus; i++)
		seen.left += e->nr_running(e, i);
}

static const struct rpl_policy observer = {
	.version = RPL_POLICY_VERSION,
	.name = "observer",
	.pins = true,
	.fini = see_end,
	.place = place_apart,
	.enqueue = see_enqueue,
	.dequeue = see_dequeue,
};

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "replay/sim_internal.h"

static bool is_idle(void *arg, uint32_t task)
{
	const struct sim *s = arg;
	const struct sim_task *t = &s->tasks[task];

	return t->state == SIM_BLOCKED && t->block == SIM_ON_BELL;
}

static void ring(void *arg, uint32_t by, uint32_t task)
{
	struct sim *s = arg;

	sim_ring(s, &s->tasks[by], &s->tasks[task]);
}

/* Nothing comes between a task's last look and its sleep. */
static void look_again(void *arg, uint32_t task)
{
}

int sim_workers_start(struct sim *s)
{
	const struct rpl_pool_engine engine = { s, is_idle, ring, look_again };
	size_t i;

	if (rpl_pools_make(&s->pools, s->m, s->cfg.order == RPL_ORDER_CAUSAL, &engine, &s->arena) < 0)
		return -1;
	for (i = 0; i < s->m->ntasks; i++) {
		s->tasks[i].worker = s->pools.workers[i];
		s->tasks[i].dispatcher = s->pools.gives[i];
	}
	return 0;
}

bool sim_next_job(struct sim *s, struct sim_task *t)
{
	uint32_t own = rpl_pool_own(&s->pools, t->index);
	struct rpl_job job;

	if (!rpl_pool_takes(&s->pools, t->index, own != NOBODY && !(t->words[t->p->ops[own].arg] & W_COUNT), &job))
		return false;
	t->role = &s->tasks[job.task];
	s->counts.jobs_moved += t->role != t;
	t->ops = t->role->p->ops;
	t->pc = job.op;
	return true;
}

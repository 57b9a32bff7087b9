/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Threads that are workers of a pool: which job is whose is in pool.c. */
#include "replay/engine_internal.h"
#include "replay/program.h"

static struct rthread *thread(void *arg, uint32_t task)
{
	struct rpl_run *run = arg;

	return &run->threads[task];
}

static bool is_idle(void *arg, uint32_t task)
{
	return atomic_load(&thread(arg, task)->bell) & BELL_ASLEEP;
}

static void ring(void *arg, uint32_t by, uint32_t task)
{
	rpl_ring(thread(arg, by), thread(arg, task));
}

static void look_again(void *arg, uint32_t task)
{
	rpl_look_again(thread(arg, task));
}

int rpl_workers_start(struct rpl_run *run)
{
	const struct rpl_pool_engine engine = { run, is_idle, ring, look_again };
	size_t i;

	if (rpl_pools_make(&run->pools, run->m, run->cfg.order == RPL_ORDER_CAUSAL, &engine, &run->arena) < 0)
		return -1;
	for (i = 0; i < run->m->ntasks; i++) {
		run->threads[i].worker = run->pools.workers[i];
		run->threads[i].dispatcher = run->pools.gives[i];
	}
	return 0;
}

/* The next of its own jobs; NULL: it is not its turn yet. */
static const struct sr_op *own_job(const struct rthread *t)
{
	uint32_t at = rpl_pool_own(&t->run->pools, t->index);
	const struct sr_op *op = at < t->p->nops ? &t->p->ops[at] : NULL;

	return op && !(atomic_load(&t->words[op->arg]) & W_COUNT) ? op : NULL;
}

const struct sr_op *rpl_next_job(struct rthread *t)
{
	struct rpl_run *run = t->run;
	bool stays = rpl_pool_own(&run->pools, t->index) == UINT32_MAX, slept = false, found = false;
	struct rpl_job job;

	while (!found && !atomic_load_explicit(&run->stopping, memory_order_relaxed)) {
		uint32_t seen = atomic_fetch_and(&t->bell, ~BELL_FORCED) & ~BELL_FORCED;

		found = rpl_pool_takes(&run->pools, t->index, own_job(t), &job);
		if (!found && stays && !rpl_pool_stays(&run->pools, t->index))
			break;
		if (!found)
			slept |= rpl_rest(t, seen, 0);
	}
	rpl_let_go(t);
	if (!found)
		return NULL;
	t->role = &run->threads[job.task];
	t->counts.jobs_moved += t->role != t;
	rpl_at(t, &t->role->p->ops[job.op]);
	rpl_count_wait(t, &t->role->p->ops[job.op], slept);
	return &t->role->p->ops[job.op];
}

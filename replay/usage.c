/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What each task uses, as the engine can know it: it ran while it was in a run queue, for the part of the time that its
 * weight is of the queue's. A thread's own clock would tell exactly, but is a system call at each sleep.
 *
 * Each cpu has a clock of what was served to one unit of weight; between two looks at it a task has run so much as the
 * clock went on times its weight. All under the policy's lock, and only for policies that want it.
 */
#include "replay/engine_internal.h"

#define SERVED_BITS RPL_PELT_BITS /* binary digits of rcpu.served behind the point */

/* a << SERVED_BITS over b, and what is lost of hours does not matter. */
static uint64_t scaled(uint64_t a, uint64_t b)
{
	return a >> (63 - SERVED_BITS) ? a / b << SERVED_BITS : (a << SERVED_BITS) / b;
}

static uint64_t served_at(const struct rcpu *c, uint64_t now_ns)
{
	if (!c->weights || now_ns <= c->served_at_ns)
		return c->served;
	return c->served + scaled(now_ns - c->served_at_ns, c->weights);
}

/* Before the weights of a cpu change. */
static void serve(struct rcpu *c, uint64_t now_ns)
{
	c->served = served_at(c, now_ns);
	if (now_ns > c->served_at_ns)
		c->served_at_ns = now_ns;
}

/* Of a task in a queue. */
static uint32_t value_at(const struct rpl_run *run, const struct rthread *t, uint64_t now_ns)
{
	uint64_t took = now_ns - t->pelt.at_ns, full = 1u << SERVED_BITS, part;

	if (now_ns <= t->pelt.at_ns)
		return t->pelt.value;
	/* The clock's way times the weight is the time that it ran, at most took: no overflow below hours. */
	part = (served_at(&run->cpu[t->cpu], now_ns) - t->served) * t->weight / took;
	return rpl_pelt_after(t->pelt.value, (uint32_t)(run->machine.v[t->cpu].capacity * (part < full ? part : full)),
			      took);
}

void rpl_usage_start(struct rpl_run *run)
{
	size_t i;

	for (i = 0; i < run->machine.ncpus; i++) {
		run->cpu[i].served = 0;
		run->cpu[i].served_at_ns = run->start_ns;
	}
	for (i = 0; i < run->m->ntasks; i++) {
		run->threads[i].served = 0;
		run->threads[i].pelt.at_ns = run->start_ns;
	}
}

void rpl_usage_new(struct rpl_run *run, struct rthread *t, uint64_t now_ns)
{
	t->pelt = (struct rpl_pelt){ .value = run->machine.v[t->cpu].capacity / 2u << RPL_PELT_BITS, .at_ns = now_ns };
}

void rpl_usage_queued(struct rpl_run *run, struct rthread *t, uint64_t now_ns)
{
	struct rcpu *c = &run->cpu[t->cpu];

	rpl_pelt_update(&t->pelt, now_ns, 0);
	serve(c, now_ns);
	c->weights += t->weight;
	t->served = c->served;
}

void rpl_usage_unqueued(struct rpl_run *run, struct rthread *t, uint64_t now_ns)
{
	struct rcpu *c = &run->cpu[t->cpu];

	serve(c, now_ns);
	t->pelt.value = value_at(run, t, now_ns);
	if (now_ns > t->pelt.at_ns)
		t->pelt.at_ns = now_ns;
	c->weights -= t->weight;
}

unsigned rpl_usage_util(const struct rpl_run *run, const struct rthread *t, uint64_t now_ns)
{
	if (t->queued)
		return rpl_pelt_util(value_at(run, t, now_ns));
	if (now_ns <= t->pelt.at_ns)
		return rpl_pelt_util(t->pelt.value);
	return rpl_pelt_util(rpl_pelt_after(t->pelt.value, 0, now_ns - t->pelt.at_ns));
}

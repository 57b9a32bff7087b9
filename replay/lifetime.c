/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What threads cost to create and to end. The recorded burst before a fork or an exit holds the kernel's work for it,
 * which the replay's own thread does too: as much as that costs is taken out of the burst, where the burst has it.
 */
#include <sched.h>
#include <stdlib.h>

#include "replay/engine_internal.h"

#define ROUNDS 9
#define END_NS 200000u /* longer than a thread takes to end: it shall not find somebody who waits for that */

struct life {
	uint64_t began_ns, ended_ns; /* its CPU clock when its function began, and just before that returned */
};

static void *live(void *arg)
{
	struct life *l = arg;

	l->began_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	l->ended_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	return NULL;
}

static double cost_of(double *v)
{
	double ns = rpl_median(v, ROUNDS);

	return ns > 0 ? ns : 0;
}

void rpl_measure_lifetimes(struct rpl_run *run)
{
	double create[ROUNDS], start[ROUNDS], end[ROUNDS];
	size_t i;

	for (i = 0; i < ROUNDS && run->stacks; i++) {
		uint64_t all = clock_ns(CLOCK_PROCESS_CPUTIME_ID), own = clock_ns(CLOCK_THREAD_CPUTIME_ID);
		struct timespec nap = { .tv_nsec = END_NS };
		struct life l = { 0 };
		pthread_t id;

		if (rpl_create_on(run, 0, &id, live, &l))
			return;
		create[i] = (double)(clock_ns(CLOCK_THREAD_CPUTIME_ID) - own);
		nanosleep(&nap, NULL);
		pthread_join(id, NULL);
		own = clock_ns(CLOCK_THREAD_CPUTIME_ID) - own;
		all = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - all;
		start[i] = (double)l.began_ns;
		end[i] = (double)all - (double)own - (double)l.ended_ns;
	}
	if (i < ROUNDS)
		return;
	run->costs.create_ns = cost_of(create);
	run->costs.start_ns = cost_of(start);
	run->costs.end_ns = cost_of(end);
}

/* The last bursts of who exits, back to where it slept, are shorter by what the replay's exit costs. */
void rpl_set_up_exit(struct rthread *t)
{
	const struct sr_program *p = t->p;
	uint64_t left = (uint64_t)t->run->costs.end_ns;
	size_t i = p->nops;

	t->exit_op = UINT32_MAX;
	while (i && p->ops[i - 1].kind != SR_OP_END)
		i--;
	if (!i || !(p->ops[i - 1].flags & 1) || p->nops >= UINT32_MAX)
		return;
	for (i--; left && i-- > 0 && !sr_op_rests(&p->ops[i]);) {
		if (p->ops[i].kind != SR_OP_RUN)
			continue;
		t->exit_op = (uint32_t)i;
		t->exit_ns = p->ops[i].value < left ? p->ops[i].value : left;
		left -= t->exit_ns;
	}
}

uint64_t rpl_burst_ns(struct rthread *t, const struct sr_op *op)
{
	size_t i = (size_t)(op - t->p->ops);
	uint64_t ns = op->value;

	if (i > t->exit_op)
		return 0;
	if (i == t->exit_op)
		ns -= t->exit_ns;
	if (op[1].kind == SR_OP_FORK) { /* a program ends with an END: there is a next one */
		uint64_t cut = (uint64_t)t->run->costs.create_ns;

		t->fork_ns = cut < ns ? cut : ns;
		ns -= t->fork_ns;
	}
	return ns;
}

void rpl_created(struct rthread *t)
{
	if (t->run->cfg.work == RPL_WORK_TIME)
		t->owed_ns += (int64_t)t->fork_ns;
	t->fork_ns = 0;
}

void rpl_started(struct rthread *t)
{
	if (t->run->cfg.work == RPL_WORK_INSTRUCTIONS)
		t->owed_loops -= t->run->costs.start_ns * t->run->costs.loops_per_ns;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What it costs to make threads and processes, and to end them. The recorded bursts before a fork or an exit hold the
 * kernel's work for it, which the replay's own fork or exit does too: as much as that costs is taken out of them, back
 * to where the task slept or forked.
 *
 *   program   WAIT  RUN 30  WAKE  RUN 10  FORK  RUN 50 ...      where a fork costs 25
 *   owed             15            0      (25)   50
 *
 * What a fork has taken out is owed again when it has been made: it has been paid by then, and a task whose forks cost more
 * than its bursts before them have goes on paying. With work in instructions it is CPU time that is no work.
 */
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "replay/engine_internal.h"

#define ROUNDS 9
#define END_NS 200000u /* longer than a thread takes to end: it shall not find somebody who waits for that */

static uint64_t cost_of(double *v)
{
	double ns = rpl_median(v, ROUNDS);

	return ns > 0 ? (uint64_t)ns : 0;
}

/* ---- what threads cost ---- */

/* Its CPU clock just before its function returns. */
static void *live(void *arg)
{
	uint64_t *ended_ns = arg;

	*ended_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	return NULL;
}

void rpl_measure_threads(struct rpl_run *run)
{
	double create[ROUNDS], end[ROUNDS];
	size_t i;

	for (i = 0; i < ROUNDS; i++) {
		uint64_t all = clock_ns(CLOCK_PROCESS_CPUTIME_ID), own = clock_ns(CLOCK_THREAD_CPUTIME_ID),
			 ended_ns = 0;
		struct timespec nap = { .tv_nsec = END_NS };
		pthread_t id;

		if (rpl_create_on(run, 0, false, &id, live, &ended_ns))
			return;
		create[i] = (double)(clock_ns(CLOCK_THREAD_CPUTIME_ID) - own);
		nanosleep(&nap, NULL);
		pthread_join(id, NULL);
		own = clock_ns(CLOCK_THREAD_CPUTIME_ID) - own;
		all = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - all;
		end[i] = (double)all - (double)own - (double)ended_ns;
	}
	run->costs.create_ns = cost_of(create);
	run->costs.end_ns = cost_of(end);
}

/* ---- what processes cost ---- */

static double total_ns(const struct rusage *u)
{
	return (double)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) * 1e9 +
	       (double)(u->ru_utime.tv_usec + u->ru_stime.tv_usec) * 1e3;
}

void rpl_measure_processes(struct rpl_run *run)
{
	double made[ROUNDS], ended[ROUNDS];
	size_t i;

	for (i = 0; i < ROUNDS; i++) {
		uint64_t from = clock_ns(CLOCK_THREAD_CPUTIME_ID);
		struct rusage used;
		int pid = fork();

		if (!pid) {
			run->child_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
			_exit(0);
		}
		made[i] = (double)(clock_ns(CLOCK_THREAD_CPUTIME_ID) - from);
		if (pid < 0 || wait4(pid, NULL, 0, &used) != pid)
			break;
		ended[i] = total_ns(&used) - (double)run->child_ns;
	}
	if (i < ROUNDS)
		return;
	run->costs.fork_ns = cost_of(made);
	run->costs.exit_ns = cost_of(ended);
}

/* ---- what is taken out ---- */

static bool has_cut(const struct sr_op *op)
{
	return op->kind == SR_OP_FORK || (op->kind == SR_OP_END && op->flags & 1);
}

int rpl_cuts_start(struct rpl_run *run)
{
	size_t i, k, n = 0;
	struct rpl_cut *cut;

	for (i = 0; i < run->m->ntasks; i++)
		for (k = 0; k < run->m->tasks[i].nops; k++)
			n += has_cut(&run->m->tasks[i].ops[k]);
	cut = rpl_alloc(&run->arena, n + 1, sizeof(*cut));
	if (!cut)
		return -1;
	for (i = 0; i < run->m->ntasks; i++) {
		run->threads[i].cuts = cut;
		for (k = 0; k < run->m->tasks[i].nops; k++)
			cut += has_cut(&run->m->tasks[i].ops[k]);
	}
	return 0;
}

/* A process ends with its first task: the end of another is that of a thread. */
static uint64_t cost_of_op(const struct rthread *t, const struct sr_op *op)
{
	const struct rpl_costs *costs = &t->run->costs;
	bool process = t->run->cfg.processes;

	if (op->kind == SR_OP_FORK)
		return process && !(op->flags & SR_FORK_THREAD) ? costs->fork_ns : costs->create_ns;
	return process && t->group == t->index ? costs->exit_ns : costs->end_ns;
}

/* The bursts before op `to` become shorter by up to ns. */
static struct rpl_cut cut_before(const struct sr_op *ops, size_t to, uint64_t ns)
{
	struct rpl_cut c = { .to = to, .op = to };
	size_t i = to;

	while (c.all_ns < ns && i-- > 0 && !sr_op_rested(&ops[i]) && ops[i].kind != SR_OP_FORK) {
		uint64_t left = ns - c.all_ns;

		if (ops[i].kind != SR_OP_RUN)
			continue;
		c.op = i;
		c.ns = ops[i].value < left ? ops[i].value : left;
		c.all_ns += c.ns;
	}
	return c;
}

void rpl_find_cuts(struct rpl_run *run)
{
	size_t i, k;

	for (i = 0; i < run->m->ntasks; i++) {
		const struct sr_program *p = &run->m->tasks[i];
		struct rthread *t = &run->threads[i];

		t->ncuts = 0;
		for (k = 0; k < p->nops; k++) {
			struct rpl_cut c;

			if (!has_cut(&p->ops[k]))
				continue;
			c = cut_before(p->ops, k, cost_of_op(t, &p->ops[k]));
			if (c.all_ns)
				t->cuts[t->ncuts++] = c;
		}
	}
}

/* The first that ends at op i or behind it; NULL: none. */
static const struct rpl_cut *cut_at(const struct rthread *t, size_t i)
{
	size_t lo = 0, hi = t->ncuts;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (t->cuts[mid].to < i)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < t->ncuts ? &t->cuts[lo] : NULL;
}

uint64_t rpl_burst_ns(const struct rthread *t, const struct sr_op *op)
{
	size_t i = (size_t)(op - t->p->ops);
	const struct rpl_cut *c = cut_at(t, i);

	if (!c || i < c->op)
		return op->value;
	return i == c->op ? op->value - c->ns : 0;
}

void rpl_forked(struct rthread *t, const struct sr_op *op)
{
	size_t i = (size_t)(op - t->p->ops);
	const struct rpl_cut *c = cut_at(t, i);

	if (c && c->to == i)
		t->owed_ns += (int64_t)c->all_ns;
}

void rpl_not_work(struct rthread *t, uint64_t ns)
{
	if (t->run->cfg.work == RPL_WORK_INSTRUCTIONS)
		t->owed_loops -= (double)ns * t->run->costs.loops_per_ns;
}

void rpl_started(struct rthread *t)
{
	t->owed_loops = 0; /* all of its time until now is taken at once */
	rpl_not_work(t, clock_ns(CLOCK_THREAD_CPUTIME_ID) - t->base_cpu_ns);
}

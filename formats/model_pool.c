/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pools of workers. An event loop that hands jobs to threads of its own process gives the next one to whoever is free:
 *
 *   worker A     --job 1 (long)------------------------[done]--job 5 ...
 *   worker B     --job 2--[done]--job 3--[done]--job 4--------------[done]
 *
 * Which worker did which job is chance then; on other CPUs, or beside other tasks, it would have been another one. A program
 * that keeps to what was recorded has one worker go through a long list while the others, done with theirs, look on. So
 * jobs are numbered in the order in which they were handed out (sr_wait.job), and engines give the n-th to the n-th that
 * asks. The rules stand in model.h.
 */
#include <stdlib.h>

#include "formats/model_internal.h"

#define LEAST_JOBS 8
#define MASTER 3                     /* who ends fewer of a task's waits, as a part of all, does not give it its jobs */
#define DONE_OF(n) (((n)*2 + 2) / 3) /* so many of a worker's jobs tell the dispatcher that they are done */
#define ALIKE 2                      /* the median jobs of two workers are no further apart than this factor */
#define MOST_WORKERS 256             /* whoever gives a job looks at all of them */
#define UNEQUAL 10 /* by one in so many at least the workers' numbers of jobs differ, as a part of the largest */

struct worker {
	uint32_t task, dispatcher;
	size_t jobs;
	uint64_t median_ns;
};

struct pools {
	struct sr_model *m;
	struct worker *v;
	size_t n;
	uint32_t *wakers;  /* room for one task's waits */
	uint64_t *lengths; /* the same */
	bool *dispatches;  /* by task */
};

static int by_dispatcher(const void *a, const void *b)
{
	const struct worker *x = a, *y = b;

	if (x->dispatcher != y->dispatcher)
		return x->dispatcher < y->dispatcher ? -1 : 1;
	return x->task < y->task ? -1 : x->task > y->task;
}

static bool is_for_job(const struct sr_program *p, const struct sr_op *op, uint32_t dispatcher)
{
	return op->kind == SR_OP_WAIT && !(op->flags & SR_WAIT_LOCK) && p->waits[op->arg].waker == dispatcher;
}

/* Who ends most of a task's waits but those for locks; UINT32_MAX: nobody ends a third of them. */
static uint32_t master_of(const struct sr_program *p, uint32_t *wakers)
{
	size_t k, n = 0, times;
	uint32_t master;

	for (k = 0; k < p->nops; k++) {
		const struct sr_op *op = &p->ops[k];

		if (op->kind == SR_OP_WAIT && !(op->flags & SR_WAIT_LOCK) && p->waits[op->arg].waker != UINT32_MAX &&
		    !sr_op_bounds(p, op))
			wakers[n++] = p->waits[op->arg].waker;
	}
	master = sr_most_frequent(wakers, n, &times);
	return times * MASTER >= n ? master : UINT32_MAX;
}

/* Is it a worker of who ends most of its waits? Fills w. */
static bool is_worker(const struct pools *s, uint32_t task, struct worker *w)
{
	const struct sr_program *p = &s->m->tasks[task];
	size_t k, n = 0, done = 0;
	bool told = false;
	uint64_t ns = 0;
	uint32_t d;

	if (p->tgid <= 0 || p->nwaits < LEAST_JOBS)
		return false;
	d = master_of(p, s->wakers);
	if (d == UINT32_MAX || d == task || !s->m->tasks[d].loop || s->m->tasks[d].tgid != p->tgid)
		return false;
	*w = (struct worker){ .task = task, .dispatcher = d };
	for (k = 0; k < p->nops; k++) {
		const struct sr_op *op = &p->ops[k];

		if (op->kind == SR_OP_RUN) {
			ns += op->value;
		} else if (op->kind == SR_OP_WAKE && op->arg == d) {
			told = true;
		} else if (is_for_job(p, op, d) || op->kind == SR_OP_END) {
			if (w->jobs) {
				s->lengths[n++] = ns;
				done += told;
			}
			w->jobs += op->kind != SR_OP_END;
			told = false;
			ns = 0;
		}
	}
	if (w->jobs < LEAST_JOBS || done < DONE_OF(w->jobs))
		return false;
	qsort(s->lengths, n, sizeof(*s->lengths), sr_by_size);
	w->median_ns = s->lengths[n / 2];
	return true;
}

/* Are n workers of one dispatcher a pool? */
static bool is_pool(const struct worker *w, size_t n)
{
	uint64_t least_ns = w->median_ns, most_ns = least_ns;
	size_t i, least = w->jobs, most = least;

	for (i = 1; i < n; i++) {
		least = w[i].jobs < least ? w[i].jobs : least;
		most = w[i].jobs > most ? w[i].jobs : most;
		least_ns = w[i].median_ns < least_ns ? w[i].median_ns : least_ns;
		most_ns = w[i].median_ns > most_ns ? w[i].median_ns : most_ns;
	}
	return n > 1 && n <= MOST_WORKERS && most_ns / ALIKE <= least_ns && (most - least) * UNEQUAL >= most;
}

/* The wait of one of its workers that an op of a dispatcher's ends; NULL: it ends none. */
static struct sr_wait *given_by(const struct sr_model *m, uint32_t dispatcher, const struct sr_op *op)
{
	const struct sr_program *p = op->kind == SR_OP_WAKE ? &m->tasks[op->arg] : NULL;

	return p && p->dispatcher == dispatcher + 1 && op->value < p->nwaits &&
			       p->waits[op->value].waker == dispatcher ?
		       &p->waits[op->value] :
		       NULL;
}

/* Only what the dispatcher's own program has handed out is a job. */
static void mark_jobs(struct sr_model *m, uint32_t dispatcher)
{
	const struct sr_program *d = &m->tasks[dispatcher];
	size_t k;

	for (k = 0; k < d->nops; k++) {
		struct sr_wait *w = given_by(m, dispatcher, &d->ops[k]);

		if (w)
			w->job = SR_JOB_OWN;
	}
}

/* From each of a worker's jobs to the next: what nobody else may do stays its own. So does what waits for others, perhaps
 * for what a worker would do next if it were not doing this very job. */
static void judge_jobs(struct sr_program *p, uint32_t dispatcher)
{
	struct sr_wait *job = NULL;
	size_t k;

	for (k = 0; k < p->nops; k++) {
		const struct sr_op *op = &p->ops[k];

		if (op->kind == SR_OP_WAIT && p->waits[op->arg].job) {
			if (!is_for_job(p, op, dispatcher)) {
				p->waits[op->arg].job = 0;
				continue;
			}
			job = &p->waits[op->arg];
			job->job = SR_JOB_FIRST;
		} else if (job && op->kind != SR_OP_RUN && op->kind != SR_OP_WAKE && op->kind != SR_OP_NOP) {
			job->job = SR_JOB_OWN;
		}
	}
}

/* In the order in which they are handed out. Nobody waits for a worker to sleep at a certain job. */
static void number_jobs(struct sr_model *m, uint32_t dispatcher)
{
	struct sr_program *d = &m->tasks[dispatcher];
	uint32_t n = SR_JOB_FIRST;
	size_t k;

	for (k = 0; k < d->nops; k++) {
		struct sr_op *op = &d->ops[k];
		struct sr_wait *w = given_by(m, dispatcher, op);

		if (!w || !w->job)
			continue;
		m->counts.order_answers -= op->flags & SR_WAKE_ANSWERS ? 1 : 0;
		op->flags &= ~SR_WAKE_ANSWERS;
		w->answers = false;
		if (w->job == SR_JOB_OWN)
			continue;
		w->job = n++;
		m->counts.pool_jobs++;
	}
}

static void make_pool(struct sr_model *m, const struct worker *w, size_t n)
{
	uint32_t dispatcher = w->dispatcher;
	size_t i;

	for (i = 0; i < n; i++)
		m->tasks[w[i].task].dispatcher = dispatcher + 1;
	mark_jobs(m, dispatcher);
	for (i = 0; i < n; i++)
		judge_jobs(&m->tasks[w[i].task], dispatcher);
	number_jobs(m, dispatcher);
	m->counts.pools++;
}

/* The end of the group of workers with one dispatcher that begins at i. */
static size_t group_end(const struct pools *s, size_t i)
{
	size_t k = i;

	while (k < s->n && s->v[k].dispatcher == s->v[i].dispatcher)
		k++;
	return k;
}

/* Who gives jobs is no worker: it must go through its own program. */
static void drop_dispatchers(struct pools *s)
{
	size_t i, k, n = 0;

	for (i = 0; i < s->n; i = k) {
		k = group_end(s, i);
		s->dispatches[s->v[i].dispatcher] = is_pool(&s->v[i], k - i);
	}
	for (i = 0; i < s->n; i++)
		if (!s->dispatches[s->v[i].task])
			s->v[n++] = s->v[i];
	s->n = n;
}

int sr_model_find_pools(struct sr_model *m)
{
	struct pools s = { .m = m };
	size_t i, k, longest = 0;
	int ret = -1;

	if (!m->counts.loops)
		return 0;
	for (i = 0; i < m->ntasks; i++)
		longest = m->tasks[i].nwaits > longest ? m->tasks[i].nwaits : longest;
	s.v = calloc(m->ntasks + 1, sizeof(*s.v));
	s.wakers = calloc(longest + 1, sizeof(*s.wakers));
	s.lengths = calloc(longest + 1, sizeof(*s.lengths));
	s.dispatches = calloc(m->ntasks + 1, sizeof(*s.dispatches));
	if (s.v && s.wakers && s.lengths && s.dispatches) {
		for (i = 0; i < m->ntasks && i < UINT32_MAX; i++)
			s.n += is_worker(&s, (uint32_t)i, &s.v[s.n]);
		qsort(s.v, s.n, sizeof(*s.v), by_dispatcher);
		drop_dispatchers(&s);
		for (i = 0; i < s.n; i = k) {
			k = group_end(&s, i);
			if (is_pool(&s.v[i], k - i))
				make_pool(m, &s.v[i], k - i);
		}
		ret = 0;
	}
	free(s.v);
	free(s.wakers);
	free(s.lengths);
	free(s.dispatches);
	return ret;
}

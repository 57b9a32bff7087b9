/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What it costs a task that it wakes another on another CPU, beside waking it on its own: the interrupt there, and that what
 * both work on is in the other CPU's cache. No event tells. But who wakes the same task again and again may do as much work
 * each time, and the recording may have both kinds:
 *
 *   far    --[wake B]---------120 us---------[wake B]--
 *   near   --[wake B]-----100 us-----[wake B]--             20 us for each wake of such a stretch
 *
 * Where the stretches are not much the same the two kinds differ by what was done in them, and tell nothing.
 */
#include <math.h>
#include <stdlib.h>

#include "formats/model_internal.h"

#define LEAST 32   /* stretches of either kind */
#define EVEN 1.6   /* the upper quartile is at most so many times the lower one */
#define NOTCH 1.57 /* medians differ by chance by so many interquartile ranges / sqrt(n), each (McGill et al. 1978) */
#define MOST_NS 100000.0 /* for one wake: more is something else */
#define LOOK 1000        /* ops of a stretch */

enum kind { NEAR, FAR, OTHER };

struct stretch {
	double ns;
	uint32_t target;
	uint32_t wakes; /* the one that it begins with, and all within; */
	uint8_t kind;   /* all are of this */
};

/* What a task has done by an op. */
struct course {
	size_t task; /* whose; one more than its number */
	size_t at;   /* the op */
	double ns;
	uint32_t wakes[3], forks; /* wakes by kind */
};

struct far {
	const struct sr_model *m;
	uint16_t **cpu; /* by task and wait: where it ran next */
	struct stretch *v;
	struct course *last; /* by task: when it was woken last by the one that is looked at */
};

static int by_target_kind_size(const void *a, const void *b)
{
	const struct stretch *x = a, *y = b;

	if (x->target != y->target)
		return x->target < y->target ? -1 : 1;
	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return (x->ns > y->ns) - (x->ns < y->ns);
}

static bool is_recorded_wake(const struct sr_model *m, const struct sr_op *op)
{
	return op->kind == SR_OP_WAKE && !(op->flags & SR_WAKE_HIDDEN) && op->value < m->tasks[op->arg].nwaits;
}

static enum kind kind_of(const struct far *f, const struct sr_op *wake, int cpu)
{
	if (f->m->tasks[wake->arg].waits[wake->value].remote)
		return FAR;
	return f->cpu[wake->arg][wake->value] == cpu ? NEAR : OTHER;
}

/* From a wake to the next one of the same task; false: that comes late, or not all wakes within are of one kind. */
static bool stretch_between(const struct course *from, const struct course *to, uint32_t target, struct stretch *s)
{
	uint32_t near = to->wakes[NEAR] - from->wakes[NEAR], far = to->wakes[FAR] - from->wakes[FAR];

	*s = (struct stretch){
		.ns = to->ns - from->ns, .target = target, .wakes = near + far, .kind = far ? FAR : NEAR
	};
	return from->task == to->task && to->at - from->at < LOOK && !(near && far) &&
	       to->wakes[OTHER] == from->wakes[OTHER] && to->forks == from->forks;
}

static size_t stretches_of(struct far *f, size_t task)
{
	const struct sr_program *p = &f->m->tasks[task];
	struct course now = { .task = task + 1 };
	size_t n = 0;
	int cpu = -1;

	for (; now.at < p->nops; now.at++) {
		const struct sr_op *op = &p->ops[now.at];

		if (op->kind == SR_OP_RUN) {
			now.ns += (double)op->value;
			cpu = op->cpu;
		}
		now.forks += op->kind == SR_OP_FORK;
		if (!is_recorded_wake(f->m, op))
			continue;
		if (stretch_between(&f->last[op->arg], &now, op->arg, &f->v[n]))
			n++;
		f->last[op->arg] = now;
		now.wakes[kind_of(f, op, cpu)]++;
	}
	return n;
}

struct group {
	double median, spread; /* interquartile range */
	bool even;
};

static struct group group_of(const struct stretch *v, size_t n)
{
	double low = v[n / 4].ns, high = v[n - 1 - n / 4].ns;

	return (struct group){ v[n / 2].ns, high - low, high <= low * EVEN };
}

/* Of the wakes of one target; 0: they tell nothing. */
static double cost_of(const struct stretch *v, size_t near, size_t far)
{
	struct group a, b;
	double wakes = 0, differ;

	if (near < LEAST || far < LEAST)
		return 0;
	a = group_of(v, near);
	b = group_of(v + near, far);
	for (size_t i = near; i < near + far; i++)
		wakes += v[i].wakes;
	differ = b.median - a.median;
	if (!a.even || !b.even || differ < NOTCH * (a.spread / sqrt((double)near) + b.spread / sqrt((double)far)))
		return 0;
	differ = fmin(differ, a.median) / (wakes / (double)far);
	return differ < MOST_NS ? differ : 0;
}

/* The mean over its targets, each as often as the lesser kind is seen. */
static uint32_t far_cost(struct stretch *v, size_t n)
{
	double sum = 0, all = 0;
	size_t from, far, to;

	qsort(v, n, sizeof(*v), by_target_kind_size);
	for (from = 0; from < n; from = to) {
		double cost, weight;

		for (far = from; far < n && v[far].target == v[from].target && v[far].kind == NEAR; far++)
			;
		for (to = far; to < n && v[to].target == v[from].target; to++)
			;
		cost = cost_of(v + from, far - from, to - far);
		weight = fmin((double)(far - from), (double)(to - far));
		sum += cost > 0 ? cost * weight : 0;
		all += cost > 0 ? weight : 0;
	}
	return all > 0 ? (uint32_t)(sum / all) : 0;
}

static int find_cpus(struct far *f)
{
	for (size_t i = 0; i < f->m->ntasks; i++) {
		const struct sr_program *p = &f->m->tasks[i];

		f->cpu[i] = calloc(p->nwaits + 1, sizeof(**f->cpu));
		if (!f->cpu[i])
			return -1;
		for (size_t k = 0; k < p->nops; k++)
			if (sr_op_rests(&p->ops[k]))
				f->cpu[i][p->ops[k].arg] = p->ops[k].cpu;
	}
	return 0;
}

int sr_model_find_far(struct sr_model *m)
{
	struct far f = { .m = m, .cpu = calloc(m->ntasks, sizeof(*f.cpu)) };
	size_t most = 0, i;
	int ret = -1;

	for (i = 0; i < m->ntasks; i++)
		most = m->tasks[i].nops > most ? m->tasks[i].nops : most;
	f.v = malloc((most + 1) * sizeof(*f.v));
	f.last = calloc(m->ntasks, sizeof(*f.last));
	if (f.cpu && f.v && f.last && find_cpus(&f) == 0) {
		for (i = 0; i < m->ntasks; i++)
			m->tasks[i].far_ns = far_cost(f.v, stretches_of(&f, i));
		ret = 0;
	}
	for (i = 0; f.cpu && i < m->ntasks; i++)
		free(f.cpu[i]);
	free(f.cpu);
	free(f.v);
	free(f.last);
	return ret;
}

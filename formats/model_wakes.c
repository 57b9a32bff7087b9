/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a wake can have cost at most in a recording. */
#include <stdlib.h>

#include "formats/model.h"

#define LEAST_BURSTS 50u
#define MOST_BURSTS (1u << 18)

struct lengths {
	uint64_t *v;
	size_t n, cap;
};

static int u64_cmp(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static int add(struct lengths *l, uint64_t ns)
{
	if (l->n == MOST_BURSTS)
		return 0;
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 1024;
		uint64_t *bigger = reallocarray(l->v, cap, sizeof(*bigger));

		if (!bigger)
			return -1;
		l->v = bigger;
		l->cap = cap;
	}
	l->v[l->n++] = ns;
	return 0;
}

/* The shortest tenth is below; 0: there are too few. */
static uint64_t tenth(struct lengths *l)
{
	if (l->n < LEAST_BURSTS)
		return 0;
	qsort(l->v, l->n, sizeof(*l->v), u64_cmp);
	return l->v[l->n / 10];
}

/* remote: of each task's waits, where first[task] is, whether it ended remotely. */
static int look_at(const struct sr_model *m, const size_t *first, const bool *remote, struct lengths out[2])
{
	for (size_t i = 0; i < m->ntasks; i++) {
		const struct sr_program *p = &m->tasks[i];
		unsigned wakes = 0;
		uint64_t ns = 0;
		bool far = false;

		for (size_t k = 0; k < p->nops; k++) {
			const struct sr_op *op = &p->ops[k];

			if (op->kind == SR_OP_RUN) {
				ns += op->value;
			} else if (op->kind == SR_OP_WAKE && !(op->flags & SR_WAKE_HIDDEN)) {
				wakes++;
				far = op->value < m->tasks[op->arg].nwaits && remote[first[op->arg] + op->value];
			} else if (sr_op_rests(op)) {
				if (wakes == 1 && add(&out[far], ns) < 0)
					return -1;
				wakes = 0;
				ns = 0;
			}
		}
	}
	return 0;
}

int sr_model_wake_bound(const struct sr_model *m, struct sr_wake_bound *bound, struct sr_error *err)
{
	size_t *first = calloc(m->ntasks + 1, sizeof(*first));
	struct lengths len[2] = { 0 };
	bool *remote = NULL;
	int ret = -1;

	*bound = (struct sr_wake_bound){ 0 };
	for (size_t i = 0; first && i < m->ntasks; i++)
		first[i + 1] = first[i] + m->tasks[i].nwaits;
	if (first)
		remote = calloc(first[m->ntasks] + 1, sizeof(*remote));
	for (size_t i = 0; remote && i < m->ntasks; i++)
		for (size_t k = 0; k < m->tasks[i].nops; k++) {
			const struct sr_op *op = &m->tasks[i].ops[k];

			if (op->kind == SR_OP_WAIT && op->arg < m->tasks[i].nwaits)
				remote[first[i] + op->arg] = op->flags & SR_WAIT_REMOTE;
		}
	if (remote)
		ret = look_at(m, first, remote, len);
	if (ret < 0)
		sr_fail(err, SR_ENVIRONMENT, "out of memory");
	else
		*bound = (struct sr_wake_bound){ tenth(&len[0]), tenth(&len[1]) };
	free(len[0].v);
	free(len[1].v);
	free(remote);
	free(first);
	return ret;
}

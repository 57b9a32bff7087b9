/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a wake can have cost at most in a recording, and what its call took. */
#include <stdlib.h>

#include "formats/model_internal.h"

#define LEAST_BURSTS 50u
#define MOST_BURSTS (1u << 18)

struct lengths {
	uint64_t *v;
	size_t n, most;
	uint64_t calls, call_ns; /* those that are known */
};

/* The shortest tenth is below; 0: there are too few. */
static uint64_t tenth(struct lengths *l)
{
	if (l->n < LEAST_BURSTS)
		return 0;
	qsort(l->v, l->n, sizeof(*l->v), sr_by_size);
	return l->v[l->n / 10];
}

static uint64_t mean_call(const struct lengths *l)
{
	return l->calls < LEAST_BURSTS ? 0 : l->call_ns / l->calls;
}

/* remote: of each task's waits, where first[task] is, whether it ended remotely. */
static void note_remote(const struct sr_model *m, const size_t *first, bool *remote)
{
	for (size_t i = 0; i < m->ntasks; i++)
		for (size_t k = 0; k < m->tasks[i].nops; k++) {
			const struct sr_op *op = &m->tasks[i].ops[k];

			if (op->kind == SR_OP_WAIT && op->arg < m->tasks[i].nwaits)
				remote[first[i] + op->arg] = op->flags & SR_WAIT_REMOTE;
		}
}

static void look_at(const struct sr_model *m, const size_t *first, const bool *remote, struct lengths out[2])
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
				out[far].calls += op->cpu != 0;
				out[far].call_ns += sr_wake_call_ns(op);
			} else if (sr_op_rests(op)) {
				if (wakes == 1 && out[far].n < out[far].most)
					out[far].v[out[far].n++] = ns;
				wakes = 0;
				ns = 0;
			}
		}
	}
}

int sr_model_wake_bound(const struct sr_model *m, struct sr_wake_bound *bound, struct sr_error *err)
{
	size_t *first = calloc(m->ntasks + 1, sizeof(*first)), most = 0;
	uint64_t *near = NULL, *far = NULL;
	bool *remote = NULL;
	int ret = 0;

	*bound = (struct sr_wake_bound){ 0 };
	for (size_t i = 0; first && i < m->ntasks; i++)
		first[i + 1] = first[i] + m->tasks[i].nwaits;
	if (first) {
		/* Each burst ends in a wait. */
		most = first[m->ntasks] < MOST_BURSTS ? first[m->ntasks] : MOST_BURSTS;
		remote = calloc(first[m->ntasks] + 1, sizeof(*remote));
		near = calloc(most + 1, sizeof(*near));
		far = calloc(most + 1, sizeof(*far));
	}
	if (remote && near && far) {
		struct lengths len[2] = { { .v = near, .most = most }, { .v = far, .most = most } };

		note_remote(m, first, remote);
		look_at(m, first, remote, len);
		*bound = (struct sr_wake_bound){ tenth(&len[0]), tenth(&len[1]), mean_call(&len[0]),
						 mean_call(&len[1]) };
	} else {
		ret = sr_fail(err, SR_ENVIRONMENT, "out of memory");
	}
	free(near);
	free(far);
	free(remote);
	free(first);
	return ret;
}

void sr_wake_bound_apply(const struct sr_wake_bound *bound, struct sr_wake_cost *cost)
{
	if (bound->local_ns && cost->local_ns > (double)bound->local_ns)
		cost->local_ns = (double)bound->local_ns;
	if (bound->remote_ns && cost->remote_ns > (double)bound->remote_ns)
		cost->remote_ns = (double)bound->remote_ns;
}

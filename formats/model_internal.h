/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SCHEDREC_FORMATS_MODEL_INTERNAL_H
#define SCHEDREC_FORMATS_MODEL_INTERNAL_H

#include "formats/model.h"

/* A wake from soft interrupt context: whether it is a dependency is known only when all are counted. */
struct sr_soft_wake {
	uint32_t waker, target, wait;
	size_t waker_op, wait_op;
	bool disk; /* its target slept in state D */
};

/* Decides by the rule in model.h, pair by pair, and makes the others timed. Sorts v. */
void sr_model_judge_softirq(struct sr_model *m, struct sr_soft_wake *v, size_t n);

/* Which sleeps are periodic or relative timers; counts all sleeps by their kinds. */
int sr_model_find_timers(struct sr_model *m, struct sr_error *err);

/* Plays the model untimed, with counters for waits; a wait that would never end becomes a SLEEP of its recorded
 * length and is counted in counts.check_timed. */
int sr_model_check(struct sr_model *m, struct sr_error *err);

/* Is it the message of a buffer? The more such are put in the less another's part in a task's waits would be. */
static inline bool sr_op_bounds(const struct sr_program *p, const struct sr_op *op)
{
	return op->kind == SR_OP_WAIT && op->flags & SR_WAIT_HIDDEN && p->waits[op->arg].buffer;
}

/* Where a task runs as it does that op; -1: no RUN is among the so many ops before. */
static inline int sr_cpu_at(const struct sr_program *p, size_t at, size_t look)
{
	size_t end = at > look ? at - look : 0;

	while (at > end && p->ops[at].kind != SR_OP_RUN)
		at--;
	return p->ops[at].kind == SR_OP_RUN ? p->ops[at].cpu : -1;
}

/* sr_program.any, by what is known of buffers; final: whose waits are marked for one has one, and waits for no any. -1: out of
 * memory. */
int sr_model_find_any(struct sr_model *m, bool final);
int sr_by_number(const void *a, const void *b); /* of uint32_t, for qsort */
int sr_by_double(const void *a, const void *b); /* no NaN */
int sr_by_size(const void *a, const void *b);   /* of uint64_t */
/* Sorts v. The number that is in it most often, the smallest of several, and how often; UINT32_MAX: there is none. */
uint32_t sr_most_frequent(uint32_t *v, size_t n, size_t *times);

/* Pools of workers, and their jobs. Needs all that is judged of wakes. -1: out of memory. */
int sr_model_find_pools(struct sr_model *m);

/* sr_program.far_ns. -1: out of memory. */
int sr_model_find_far(struct sr_model *m);

/* Completes dialogues, judges orders and finds event loops, once it is certain who wakes whom. */
int sr_model_find_causes(struct sr_model *m, struct sr_error *err);

#endif

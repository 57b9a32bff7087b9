/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For the tests of orders and dialogues: models as they are before they are judged, written by hand. */
#ifndef SCHEDREC_TESTS_ORDER_MODEL_H
#define SCHEDREC_TESTS_ORDER_MODEL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "formats/model_internal.h"

#define NONE UINT32_MAX

static inline struct sr_model *with_tasks(size_t n)
{
	struct sr_model *m = calloc(1, sizeof(*m));

	m->tasks = calloc(n, sizeof(*m->tasks));
	m->ntasks = m->tasks_cap = n;
	m->end_ns = 1000000;
	for (size_t i = 0; i < n; i++)
		m->tasks[i].parent = NONE;
	return m;
}

static inline struct sr_op *op(struct sr_model *m, uint32_t task, enum sr_op_kind kind, uint32_t arg, uint64_t value)
{
	struct sr_program *p = &m->tasks[task];

	if (p->nops == p->ops_cap) {
		p->ops_cap = p->ops_cap ? p->ops_cap * 2 : 16;
		p->ops = realloc(p->ops, p->ops_cap * sizeof(*p->ops));
	}
	p->ops[p->nops] = (struct sr_op){ .kind = kind, .arg = arg, .value = value };
	return &p->ops[p->nops++];
}

static inline uint32_t wait_for(struct sr_model *m, uint32_t task, uint32_t waker)
{
	struct sr_program *p = &m->tasks[task];

	op(m, task, waker == NONE ? SR_OP_SLEEP : SR_OP_WAIT, (uint32_t)p->nwaits, 0);
	if (p->nwaits == p->waits_cap) {
		p->waits_cap = p->waits_cap ? p->waits_cap * 2 : 16;
		p->waits = realloc(p->waits, p->waits_cap * sizeof(*p->waits));
	}
	p->waits[p->nwaits] =
		(struct sr_wait){ .needs = waker != NONE, .watch_task = NONE, .waker = waker, .wake_ns = m->end_ns++ };
	return (uint32_t)p->nwaits++;
}

/* waker wakes task, which had gone to sleep in the meantime. */
static inline void wakes(struct sr_model *m, uint32_t waker, uint32_t task)
{
	op(m, waker, SR_OP_WAKE, task, wait_for(m, task, waker))->flags = SR_ORDER_CONCURRENT;
}

/* Judges the model, whose programs end here. */
static inline void judge(struct sr_model *m)
{
	struct sr_error err;

	for (uint32_t i = 0; i < m->ntasks; i++)
		op(m, i, SR_OP_END, 0, 0);
	assert_int_equal(sr_model_find_causes(m, &err), 0);
}

/* Of task's wakes, those that answer. */
static inline unsigned answers(const struct sr_model *m, uint32_t task)
{
	unsigned n = 0;

	for (size_t k = 0; k < m->tasks[task].nops; k++)
		n += m->tasks[task].ops[k].kind == SR_OP_WAKE && m->tasks[task].ops[k].flags & SR_WAKE_ANSWERS;
	return n;
}

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When a sleep that no task ends comes to its end: the rules of timer.c (REPLAY.md), in integers. */
#include "replay/sim_internal.h"

#define LAST_NS ((uint64_t)INT64_MAX / 2) /* a file may name any time */

static uint64_t scaled(const struct sim *s, uint64_t ns)
{
	uint64_t ppm = s->cfg.time_scale_ppm, product;

	if (ppm == 1000000)
		return ns;
	if (!__builtin_mul_overflow(ns, ppm, &product))
		return product / 1000000;
	return ns / 1000000 >= LAST_NS / ppm ? LAST_NS : ns / 1000000 * ppm;
}

static uint64_t later(uint64_t from, uint64_t ns)
{
	return ns < LAST_NS - from ? from + ns : LAST_NS;
}

static uint64_t recorded_time(const struct sim *s, const struct sim_task *t, const struct sr_op *op)
{
	return later(SIM_START_NS, scaled(s, t->p->waits[op->arg].wake_ns));
}

static uint64_t recorded_length(const struct sim *s, const struct sim_task *t, const struct sr_op *op)
{
	return rpl_slept_before(t->p, op) ? recorded_time(s, t, op) : later(s->now, scaled(s, op->value));
}

static uint64_t deadline(struct sim *s, struct sim_task *t, const struct sr_op *op)
{
	const struct sr_wait *w = &t->p->waits[op->arg];
	uint64_t at = later(SIM_START_NS, scaled(s, w->deadline_ns));
	int64_t *offset = &t->timer_offset[w->timer % SR_TIMERS], moved;

	if (w->anchor) {
		uint64_t until = recorded_length(s, t, op);

		*offset = (int64_t)(until - at);
		return until;
	}
	moved = (int64_t)at + *offset;
	return moved > SIM_START_NS ? (uint64_t)moved : SIM_START_NS;
}

static uint64_t until(struct sim *s, struct sim_task *t, const struct sr_op *op)
{
	if (s->cfg.timing == RPL_TIMING_CLOSED)
		return recorded_length(s, t, op);
	switch (op->flags) {
	case SR_SLEEP_PERIODIC:
		return deadline(s, t, op);
	case SR_SLEEP_RELATIVE:
	case SR_SLEEP_DISK:
		return recorded_length(s, t, op);
	default:
		return s->cfg.timing == RPL_TIMING_OPEN ? recorded_time(s, t, op) : recorded_length(s, t, op);
	}
}

uint64_t sim_sleep_until(struct sim *s, struct sim_task *t, const struct sr_op *op)
{
	uint64_t slack = op->flags == SR_SLEEP_DISK || sim_is_rt(t->policy) ? 0 : s->par.v[SIM_TIMER_SLACK];

	return s->cfg.time_scale_ppm ? later(until(s, t, op), slack) : 0;
}

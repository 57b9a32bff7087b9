/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When does a sleep that no task ends come to its end? REPLAY.md has the rules.
 *
 * A periodic timer's first sleep is as long as recorded; that gives the distance between its deadlines here and in the
 * recording, which then stays: neither the lateness of a wake-up nor a longer burst moves the deadlines behind it.
 */
#include "replay/engine_internal.h"
#include "replay/program.h"

/* A file may name any time, and the kernel's clock ends at INT64_MAX. */
static uint64_t later(uint64_t from, double ns)
{
	if (ns <= 0)
		return from;
	return ns < (double)(INT64_MAX - from) ? from + (uint64_t)ns : INT64_MAX;
}

static uint64_t recorded_time(const struct rthread *t, const struct sr_op *op)
{
	return later(t->run->start_ns, (double)t->p->waits[op->arg].wake_ns * t->run->cfg.time_scale);
}

static uint64_t recorded_length(const struct rthread *t, const struct sr_op *op)
{
	return rpl_slept_before(t->p, op) ? recorded_time(t, op) :
					    later(mono_ns(), (double)op->value * t->run->cfg.time_scale);
}

static uint64_t deadline(struct rthread *t, const struct sr_op *op)
{
	const struct sr_wait *w = &t->p->waits[op->arg];
	double at = (double)w->deadline_ns * t->run->cfg.time_scale, *offset = &t->timer_offset[w->timer % SR_TIMERS];

	if (w->anchor) {
		uint64_t until = recorded_length(t, op);

		*offset = (double)(until - t->run->start_ns) - at;
		return until;
	}
	return later(t->run->start_ns, at + *offset);
}

uint64_t rpl_sleep_until(struct rthread *t, const struct sr_op *op)
{
	const struct rpl_config *cfg = &t->run->cfg;

	if (cfg->time_scale == 0)
		return 0;
	if (cfg->timing == RPL_TIMING_CLOSED)
		return recorded_length(t, op);
	switch (op->flags) {
	case SR_SLEEP_PERIODIC:
		return deadline(t, op);
	case SR_SLEEP_RELATIVE:
	case SR_SLEEP_DISK:
		return recorded_length(t, op);
	default:
		return cfg->timing == RPL_TIMING_OPEN ? recorded_time(t, op) : recorded_length(t, op);
	}
}

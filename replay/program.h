/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What programs mean, whatever engine runs them. */
#ifndef SCHEDREC_REPLAY_PROGRAM_H
#define SCHEDREC_REPLAY_PROGRAM_H

#include <stdbool.h>
#include <stdint.h>

#include "formats/model.h"
#include "replay/engine.h"

/* The kernel's weight of a nice value; 0 has 1024. */
uint32_t rpl_nice_weight(int nice);

/* Must this wake come after its target's sleep began? */
static inline bool rpl_keeps_order(unsigned order, const struct sr_op *wake)
{
	switch (order) {
	case RPL_ORDER_WAIT:
		return (wake->flags & SR_ORDER_MASK) >= SR_ORDER_QUEUED;
	case RPL_ORDER_CAUSAL:
		return wake->flags & SR_WAKE_ANSWERS;
	default:
		return false;
	}
}

/* Is this where the task was already asleep at the start? Who was forked may begin with a sleep too. */
static inline bool rpl_slept_before(const struct sr_program *p, const struct sr_op *op)
{
	return p->ops == op && p->parent == UINT32_MAX;
}

/* What a wait needs before it ends. Folded orders are kept by their waiter only when all are. */
static inline uint32_t rpl_needs_of(unsigned order, const struct sr_wait *w)
{
	return order == RPL_ORDER_CAUSAL ? w->needs - w->folded : w->needs;
}

/* Between the call of a vfork and its sleep the kernel takes no longer. */
#define RPL_VFORK_NS 100000u

/* Does the task sleep within this FORK, as the parent of a vfork, before anything can take its CPU? */
static inline bool rpl_sleeps_in_fork(const struct sr_program *p, const struct sr_op *fork)
{
	const struct sr_op *wait = sr_vfork_wait(p, fork);
	uint64_t ns = 0;

	for (; wait && fork < wait && ns <= RPL_VFORK_NS; fork++)
		ns += fork->kind == SR_OP_RUN ? fork->value : 0;
	return wait && ns <= RPL_VFORK_NS;
}

/* From the wake of its parent to its new name an exec takes no longer; to its end an exit. */
#define RPL_EXEC_NS 200000u
#define RPL_EXIT_NS 30000u

/* Does the task stay within a call of the kernel after this WAKE, its exec or its exit, where nothing takes its CPU before it
 * has its new name, or has ended? */
static inline bool rpl_wakes_within_call(const struct sr_op *wake)
{
	const struct sr_op *op = wake + 1;
	uint64_t ns = 0;

	for (; op->kind == SR_OP_RUN || op->kind == SR_OP_NOP; op++)
		ns += op->kind == SR_OP_RUN ? op->value : 0;
	if (op->kind == SR_OP_END)
		return op->flags & 1 && ns <= RPL_EXIT_NS;
	return wake->flags & SR_WAKE_VFORK && (op->kind == SR_OP_NAME || op->kind == SR_OP_EXEC) && ns <= RPL_EXEC_NS;
}

/* ---- programs that wait for any of several tasks (loop.c) ---- */

#define RPL_AHEAD 16       /* waits that a loop looks ahead, those for locks apart */
#define RPL_AHEAD_LOCKS 4  /* with those, so many times as many at most */
#define RPL_AHEAD_POOL 128 /* the same of the dispatcher of a pool: while one job lasts others are done by the dozen */
#define RPL_HELD 64        /* answers that are put aside */
#define RPL_HELD_AHEAD 8   /* with so many it does nothing out of turn */
#define RPL_HELD_LIMIT_NS 1000000000u
#define RPL_OUT_OF_TURN \
	0x80000000u /* beside a wait's place in the ops: what follows may be done before what precedes it */

/* What a loop listens to: the number of a wait, or */
#define RPL_TO_ALL UINT32_MAX
#define RPL_TO_NONE (UINT32_MAX - 1)

static inline const struct sr_op *rpl_end_of_piece(const struct sr_op *op)
{
	while (!sr_op_ends_unit(op))
		op++;
	return op;
}

/* From op to the end of its piece there is nothing that must be done in turn. */
static inline bool rpl_movable(const struct sr_op *op)
{
	for (; !sr_op_ends_unit(op); op++)
		if (op->kind != SR_OP_RUN && op->kind != SR_OP_WAKE && op->kind != SR_OP_NOP && op->kind != SR_OP_WAIT)
			return false;
	return true;
}

/* May the piece that begins at op be passed, and be done before its turn? */
static inline bool rpl_free_of_turn(const struct sr_op *op)
{
	return rpl_movable(op) && rpl_end_of_piece(op)->kind == SR_OP_WAIT;
}

#endif

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

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The loads of all CPUs side by side, for policies that look at all of them: the search is one of memory, four CPUs at a
 * time, and of the blocks in which nothing has changed since the last one only the least is looked at. 32 bits each, of
 * which RPL_MUCH stands for all that is more, and for CPUs that nobody may use.
 */
#ifndef SCHEDREC_REPLAY_LOADS_H
#define SCHEDREC_REPLAY_LOADS_H

#include "replay/policy.h"

#define RPL_MUCH INT32_MAX
#define RPL_LOADS_BLOCK 64u /* CPUs, as in a word of a mask */

struct rpl_loads {
	int32_t *v;     /* up to a whole block */
	int32_t *least; /* of each block; -1: to be found */
};

int rpl_loads_init(struct rpl_loads *l, struct rpl_engine *e); /* -1: out of memory */
/* The first CPU with the least load of those that are in both masks (NULL: all); -1: none has less than RPL_MUCH. */
int rpl_loads_least(struct rpl_loads *l, const struct rpl_engine *e, const struct sr_cpumask *a,
		    const struct sr_cpumask *b);

/* To be called whenever a task comes or goes. */
static inline void rpl_loads_note(struct rpl_loads *l, const struct rpl_engine *e, unsigned cpu)
{
	uint64_t load = e->load_weight(e, cpu);
	int32_t *least = &l->least[cpu / RPL_LOADS_BLOCK], old = l->v[cpu];

	l->v[cpu] = load < RPL_MUCH ? (int32_t)load : RPL_MUCH;
	if (l->v[cpu] <= *least)
		*least = l->v[cpu];
	else if (old == *least)
		*least = -1;
}

#endif

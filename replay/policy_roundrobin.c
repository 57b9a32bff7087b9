/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "replay/policy.h"
#include "replay/policy_util.h"

struct turn {
	unsigned next; /* the lowest cpu whose turn it may be */
};

static int roundrobin_init(struct rpl_engine *e, const char *options, void **state, struct sr_error *err)
{
	if (rpl_option_none("roundrobin", options, err))
		return -1;
	*state = e->alloc(e, 1, sizeof(struct turn));
	return *state ? 0 : sr_fail(err, SR_ENVIRONMENT, "policy roundrobin: out of memory");
}

static int roundrobin_place(struct rpl_engine *e, void *state, const struct rpl_place *p)
{
	struct turn *t = state;

	for (unsigned i = 0; i < e->ncpus; i++) {
		unsigned cpu = (t->next + i) % e->ncpus;

		if (!rpl_may_use(e, cpu, p->allowed))
			continue;
		t->next = cpu + 1;
		return (int)cpu;
	}
	return -1;
}

const struct rpl_policy rpl_policy_roundrobin = {
	.version = RPL_POLICY_VERSION,
	.name = "roundrobin",
	.summary = "the next allowed cpu in turn, at each fork, exec and wake, whatever the load",
	.text = "One turn for all tasks: each placement takes the lowest allowed CPU above the one that was given "
		"last, and "
		"begins again behind the highest. It spreads perfectly evenly and knows nothing: what a policy gains "
		"over "
		"it is what it gains by looking.",
	.sources = "schedrec's own, as a yardstick",
	.cost = "fork, exec, wake O(1), beside CPUs that the task may not use O(CPUs)",
	.pins = true,
	.init = roundrobin_init,
	.place = roundrobin_place,
};

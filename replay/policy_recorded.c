/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "replay/policy.h"
#include "replay/policy_util.h"

static int recorded_init(struct rpl_engine *e, const char *options, void **state, struct sr_error *err)
{
	return rpl_option_none("recorded", options, err);
}

/* A recorded cpu that this machine lacks is folded onto the CPUs that it has, always onto the same one. */
static int recorded_place(struct rpl_engine *e, void *state, const struct rpl_place *p)
{
	struct rpl_task_view v;
	unsigned online = 0, nth;

	e->task(e, p->task, &v);
	if (v.recorded_cpu < 0)
		return -1;
	if (rpl_may_use(e, (unsigned)v.recorded_cpu, NULL))
		return rpl_allowed_or(e, v.recorded_cpu, p->prev_cpu, p->allowed);
	for (unsigned i = 0; i < e->ncpus; i++)
		online += e->machine->v[i].online;
	if (!online)
		return -1;
	nth = (unsigned)v.recorded_cpu % online;
	for (unsigned i = 0;; i++)
		if (e->machine->v[i].online && nth-- == 0)
			return rpl_allowed_or(e, (int)i, p->prev_cpu, p->allowed);
}

const struct rpl_policy rpl_policy_recorded = {
	.version = RPL_POLICY_VERSION,
	.name = "recorded",
	.summary = "each burst on the cpu that the recording ran it on",
	.pins = true,
	.init = recorded_init,
	.place = recorded_place,
};

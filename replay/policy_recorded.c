/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "replay/policy.h"
#include "replay/policy_util.h"

struct recorded {
	uint64_t folded, elsewhere, unknown;
};

static int recorded_init(struct rpl_engine *e, const char *options, void **state, struct sr_error *err)
{
	if (rpl_option_none("recorded", options, err))
		return -1;
	*state = e->alloc(e, 1, sizeof(struct recorded));
	return *state ? 0 : sr_fail(err, SR_ENVIRONMENT, "policy recorded: out of memory");
}

static int allowed_or(const struct rpl_engine *e, struct recorded *r, int cpu, const struct rpl_place *p)
{
	int allowed = rpl_allowed_or(e, cpu, p->prev_cpu, p->allowed);

	r->elsewhere += allowed != cpu;
	return allowed;
}

/* A recorded cpu that this machine lacks is folded onto the CPUs that it has, always onto the same one. */
static int recorded_place(struct rpl_engine *e, void *state, const struct rpl_place *p)
{
	struct recorded *r = state;
	struct rpl_task_view v;
	unsigned online = 0, nth;

	e->task(e, p->task, &v);
	if (v.recorded_cpu < 0) {
		r->unknown++;
		return -1;
	}
	if (rpl_may_use(e, (unsigned)v.recorded_cpu, NULL))
		return allowed_or(e, r, v.recorded_cpu, p);
	for (unsigned i = 0; i < e->ncpus; i++)
		online += e->machine->v[i].online;
	if (!online)
		return -1;
	r->folded++;
	nth = (unsigned)v.recorded_cpu % online;
	for (unsigned i = 0;; i++)
		if (e->machine->v[i].online && nth-- == 0)
			return allowed_or(e, r, (int)i, p);
}

static unsigned recorded_report(const struct rpl_engine *e, const void *state, struct rpl_policy_count *v)
{
	const struct recorded *r = state;

	v[0] = (struct rpl_policy_count){ "recorded_cpu_lacking",
					  "placements were recorded on CPUs that this machine lacks, and were folded "
					  "onto those it has",
					  r->folded, true };
	v[1] = (struct rpl_policy_count){ "recorded_cpu_forbidden",
					  "placements were recorded on CPUs that the task may not use here",
					  r->elsewhere, true };
	v[2] = (struct rpl_policy_count){ "recorded_cpu_unknown", "placements have no recorded CPU: the task stayed",
					  r->unknown, false };
	return 3;
}

const struct rpl_policy rpl_policy_recorded = {
	.version = RPL_POLICY_VERSION,
	.name = "recorded",
	.summary = "each burst on the cpu that the recording ran it on",
	.text = "A CPU that this machine lacks is folded onto those it has: the recorded number modulo the number of "
		"usable "
		"CPUs, counted from the lowest. Where the recording does not tell, the task stays. Both are counted. "
		"What "
		"the recorded kernel moved in the middle of a burst is not moved in the middle of it here.",
	.sources = "the recording",
	.cost = "fork, exec, wake O(1), for a CPU that is lacking O(CPUs)",
	.pins = true,
	.init = recorded_init,
	.place = recorded_place,
	.report = recorded_report,
};

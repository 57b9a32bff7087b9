/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "replay/policy.h"
#include "replay/policy_util.h"

struct random {
	uint64_t s;
};

/* splitmix64: one 64-bit word of state, every seed is a good one. */
static uint64_t next(struct random *r)
{
	uint64_t z = r->s += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static int random_init(struct rpl_engine *e, const char *options, void **state, struct sr_error *err)
{
	struct random *r;

	if (rpl_option_none("random", options, err))
		return -1;
	r = e->alloc(e, 1, sizeof(*r));
	if (!r)
		return sr_fail(err, SR_ENVIRONMENT, "policy random: out of memory");
	r->s = e->seed;
	*state = r;
	return 0;
}

static int random_place(struct rpl_engine *e, void *state, const struct rpl_place *p)
{
	unsigned n = 0, nth;

	for (unsigned i = 0; i < e->ncpus; i++)
		n += rpl_may_use(e, i, p->allowed);
	if (!n)
		return -1;
	/* n is at most 4,096, so the bias of the remainder is below 2^-52. */
	nth = (unsigned)(next(state) % n);
	for (unsigned i = 0;; i++)
		if (rpl_may_use(e, i, p->allowed) && nth-- == 0)
			return (int)i;
}

const struct rpl_policy rpl_policy_random = {
	.version = RPL_POLICY_VERSION,
	.name = "random",
	.summary = "any allowed cpu with the same chance, from the run's seed: what no policy at all would do",
	.pins = true,
	.init = random_init,
	.place = random_place,
};

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "replay/policy.h"
#include "replay/policy_util.h"

struct random {
	uint64_t s;
	struct sr_cpumask online;
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
	for (unsigned i = 0; i < e->ncpus; i++)
		if (e->machine->v[i].online)
			sr_cpumask_set(&r->online, i);
	*state = r;
	return 0;
}

static uint64_t usable(const struct random *r, const struct rpl_place *p, unsigned word)
{
	return r->online.w[word] & (p->allowed ? p->allowed->w[word] : UINT64_MAX);
}

static int random_place(struct rpl_engine *e, void *state, const struct rpl_place *p)
{
	struct random *r = state;
	unsigned n = 0, nth, k;
	uint64_t w;

	for (k = 0; k < (e->ncpus + 63) / 64; k++)
		n += (unsigned)__builtin_popcountll(usable(r, p, k));
	if (!n)
		return -1;
	/* n is at most 4,096, so the bias of the remainder is below 2^-52. */
	nth = (unsigned)(next(r) % n);
	for (k = 0; nth >= (n = (unsigned)__builtin_popcountll(usable(r, p, k))); k++)
		nth -= n;
	for (w = usable(r, p, k); nth; nth--)
		w &= w - 1;
	return (int)(k * 64 + (unsigned)__builtin_ctzll(w));
}

const struct rpl_policy rpl_policy_random = {
	.version = RPL_POLICY_VERSION,
	.name = "random",
	.summary = "any allowed cpu with the same chance, from the run's seed: what no policy at all would do",
	.text = "The sequence follows from --seed (and the round) and is used for nothing else. A policy that does not "
		"beat "
		"this one does nothing.",
	.sources = "schedrec's own, as a yardstick (splitmix64)",
	.cost = "fork, exec, wake O(CPUs / 64)",
	.pins = true,
	.init = random_init,
	.place = random_place,
};

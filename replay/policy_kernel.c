/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "replay/policy.h"
#include "replay/policy_util.h"

static int kernel_init(struct rpl_engine *e, const char *options, void **state, struct sr_error *err)
{
	return rpl_option_none("kernel", options, err);
}

/* The null policy: with it the engine does nothing of its own, so it also proves the engine. */
const struct rpl_policy rpl_policy_kernel = {
	.version = RPL_POLICY_VERSION,
	.name = "kernel",
	.summary = "the running kernel's own placement and balancing: no thread is pinned",
	.text = "The baseline. No thread is pinned, and no function of the policy is called.",
	.sources = "the kernel that the replay runs on",
	.cost = "nothing",
	.init = kernel_init,
};

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "schedrec.h"

#include "replay/policy.h"

struct policies_options {
	bool json;
};

static const struct sr_option rows[] = {
	{ .name = "json",
	  .type = SR_OPT_FLAG,
	  .offset = offsetof(struct policies_options, json),
	  .help = "as a JSON array" },
	{ .name = NULL },
};

static const char *const examples[] = {
	"schedrec policies",
	"list the policies that replay and simulate know",
	"schedrec replay x.srz --policy kernel,domain:hot=267,bld",
	"options follow the name after a colon",
	NULL,
};

static void print_json(void)
{
	struct cmd_json j;

	cmd_json_init(&j, stdout);
	cmd_json_open(&j, NULL, '[');
	for (size_t i = 0; rpl_policies[i]; i++) {
		const struct rpl_policy *p = rpl_policies[i];

		cmd_json_open(&j, NULL, '{');
		cmd_json_str(&j, "name", p->name);
		cmd_json_str(&j, "summary", p->summary);
		cmd_json_str(&j, "options", p->options);
		cmd_json_bool(&j, "pins", p->pins);
		if (p->ticks)
			cmd_json_u64(&j, "tick_ns", p->tick_ns);
		cmd_json_close(&j, '}');
	}
	cmd_json_close(&j, ']');
}

static int run(const void *options, int nargs, char **args, struct sr_error *err)
{
	const struct policies_options *o = options;

	if (nargs)
		return sr_fail(err, SR_USAGE, "it takes no operand: '%s'", args[0]);
	if (o->json) {
		print_json();
		return SR_OK;
	}
	for (size_t i = 0; rpl_policies[i]; i++) {
		const struct rpl_policy *p = rpl_policies[i];

		printf("%-10s %s\n", p->name, p->summary);
		if (p->options)
			printf("%-10s   options: %s\n", "", p->options);
	}
	return SR_OK;
}

const struct cmd cmd_policies = {
	.name = "policies",
	.summary = "list the policies, what each does and its options",
	.operands = NULL,
	.description = "A policy decides on which cpu a task runs. The list says what each does; options are given as "
		       "NAME:KEY=VALUE,KEY=VALUE in --policy. What they do exactly, their sources and their known "
		       "quirks are in POLICIES.md.",
	.examples = examples,
	.options = rows,
	.options_size = sizeof(struct policies_options),
	.run = run,
};

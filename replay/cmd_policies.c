/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "schedrec.h"

#include <string.h>

#include "record/record.h"
#include "replay/policy.h"

struct policies_options {
	bool json;
};

static const struct sr_option rows[] = {
	{ .name = "json",
	  .type = SR_OPT_FLAG,
	  .offset = offsetof(struct policies_options, json),
	  .help = "as a JSON array, each with all that is told of it" },
	{ .name = NULL },
};

static const char *const examples[] = {
	"schedrec policies",
	"list the policies that replay and simulate know",
	"schedrec policies eas",
	"what one does, its options, where it comes from, what a decision costs",
	"schedrec policies ./mine.so",
	"the same of a policy of your own: does it load?",
	"schedrec replay x.srz --policy kernel,domain:hot=267,bld",
	"options follow the name after a colon",
	NULL,
};

#define NAME_WIDTH 10

static void print_line(const struct rpl_policy *p)
{
	const struct rpl_policy_option *o = p->options;
	int n;

	n = printf("%-*s ", NAME_WIDTH, p->name);
	cmd_print_wrapped(stdout, p->summary, n, NAME_WIDTH + 1);
	if (!o || !o->key)
		return;
	n = printf("%-*s options: ", NAME_WIDTH, "");
	for (; o->key; o++)
		n += printf("%s%s", o->key, o[1].key ? ", " : "");
	putchar('\n');
}

static void print_all(const struct rpl_policy *p)
{
	char tick[32];

	printf("%s: ", p->name);
	cmd_print_wrapped(stdout, p->summary, (int)strlen(p->name) + 2, 0);
	for (const char *text = p->text; text && *text;) {
		const char *end = strstr(text, "\n\n");
		char paragraph[2048];

		snprintf(paragraph, sizeof(paragraph), "%.*s", end ? (int)(end - text) : (int)strlen(text), text);
		putchar('\n');
		cmd_print_wrapped(stdout, paragraph, 0, 0);
		text = end ? end + 2 : NULL;
	}
	if (p->options && p->options->key)
		printf("\nOptions, as in --policy %s:%s=...:\n", p->name, p->options->key);
	for (const struct rpl_policy_option *o = p->options; o && o->key; o++) {
		printf("  %s=%s", o->key, o->values);
		if (o->deflt)
			printf(" (default: %s)", o->deflt);
		fputs("\n      ", stdout);
		cmd_print_wrapped(stdout, o->help ? o->help : "", 6, 6);
	}
	fputs("\nCost of a decision: ", stdout);
	cmd_print_wrapped(stdout, p->cost, 20, 0);
	if (p->ticks)
		printf("Ticks: on each CPU every %s\n", sr_format_time(tick, sizeof(tick), (double)p->tick_ns));
	fputs("Source: ", stdout);
	cmd_print_wrapped(stdout, p->sources, 8, 0);
}

static void print_json(const struct rpl_policy *const *v, size_t n)
{
	struct cmd_json j;

	cmd_json_init(&j, stdout);
	cmd_json_open(&j, NULL, '[');
	for (size_t i = 0; i < n; i++) {
		const struct rpl_policy *p = v[i];

		cmd_json_open(&j, NULL, '{');
		cmd_json_str(&j, "name", p->name);
		cmd_json_str(&j, "summary", p->summary);
		cmd_json_str(&j, "text", p->text);
		cmd_json_open(&j, "options", '[');
		for (const struct rpl_policy_option *o = p->options; o && o->key; o++) {
			cmd_json_open(&j, NULL, '{');
			cmd_json_str(&j, "key", o->key);
			cmd_json_str(&j, "values", o->values);
			cmd_json_str(&j, "default", o->deflt);
			cmd_json_str(&j, "help", o->help);
			cmd_json_close(&j, '}');
		}
		cmd_json_close(&j, ']');
		cmd_json_str(&j, "cost", p->cost);
		cmd_json_str(&j, "sources", p->sources);
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
	const struct rpl_policy *one;
	const char *its_options;
	size_t n = 0;

	if (nargs > 1)
		return sr_fail(err, SR_USAGE, "one policy at a time, or none for the list");
	if (nargs) {
		if (rpl_policy_file_len(args[0]) && rec_drop_privileges(err) < 0)
			return -1;
		one = rpl_policy_open(args[0], &its_options, err);
		if (!one)
			return -1;
		if (o->json)
			print_json(&one, 1);
		else
			print_all(one);
		rpl_policy_close(one);
		return SR_OK;
	}
	while (rpl_policies[n])
		n++;
	if (o->json)
		print_json(rpl_policies, n);
	for (size_t i = 0; i < n && !o->json; i++)
		print_line(rpl_policies[i]);
	return SR_OK;
}

const struct cmd cmd_policies = {
	.name = "policies",
	.summary = "list the policies, or tell of one what it does, its options and its sources",
	.operands = "[NAME|FILE.so]",
	.description =
		"A policy decides on which CPU a task runs. Without a name the policies are listed; with one, all is "
		"told that schedrec knows of it. Options are given as NAME:KEY=VALUE,KEY=VALUE in --policy. The "
		"exact rules, where they are not those of their source, and how to write a policy of your own stand "
		"in the source's replay/POLICIES.md.",
	.examples = examples,
	.options = rows,
	.options_size = sizeof(struct policies_options),
	.run = run,
};

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The policy `domain`: its options. The texts are those of `schedrec policies`. */
#include <string.h>

#include "formats/option.h"
#include "replay/policy_domain_internal.h"
#include "replay/policy_util.h"

const struct rpl_policy_option domain_rows[] = {
	{ "preset", "2.6.7|2.6.10|2.6.12|modern", NULL,
	  "the tables and all behaviours below as they were together in that kernel; modern: today's constants and "
	  "levels with 2.6.12's behaviours" },
	{ "tables", "2.6.7|2.6.10|2.6.12|modern", "2.6.7", "only the constants and flags of the levels" },
	{ "levels", "2.6.7|full", "2.6.7",
	  "cores, nodes, machine; or SMT, clusters, last-level caches, packages, nodes, and one level a distance" },
	{ "degenerate", "keep|drop", "keep", "levels of a single group stay in a CPU's stack, or not (full: drop)" },
	{ "hot", "fixed|267", "fixed",
	  "whether a task is cache-hot goes by its last run; 267: by its last run or wake-up, and what happened after "
	  "the last tick counts as cold (fixed in October 2004)" },
	{ "hot-time", "T|cache", "2.5ms",
	  "how long, within a node; cache: 1 ms and as long as filling the cache that a move leaves takes at 350 "
	  "MB/s" },
	{ "clone", "threads|no|all", "threads",
	  "what is placed on the idlest CPU when it is created: threads, nothing (2.6.9), processes too (2.6.13)" },
	{ "wake", "2.6.7|2.6.7-rc3", "2.6.7",
	  "when a waker does not pull: from a CPU with less than half a task to one with more; or from one with less "
	  "than a task to a busier one (reverted before 2.6.7: too much idle time)" },
	{ "wake-idle", "2.6.7|2.6.11", "2.6.7",
	  "where an idle CPU is sought at a wake: in the core; or in ever larger levels that have the flag" },
	{ "migrate", "2.6.7|2.6.11", "2.6.7",
	  "hot tasks are left: by a newly idle CPU and before the first failure; or unless the whole core of the "
	  "pulling CPU idles or balancing failed twice" },
	{ "busiest", "2.6.7|2.6.12", "2.6.7",
	  "how much is moved: by the smaller group's power, for a gain of an eighth of a CPU; or by each group's own, "
	  "for any gain" },
	{ "push", "2.6.7|2.6.10|2.6.11|no", "2.6.7",
	  "a running task is pushed to each idle group of the lowest common level; or upwards, to one CPU a group "
	  "whose core idles; or to all of them; or never" },
	{ "failed", "reset|grow", "reset",
	  "a balancing that moved nothing resets the interval, or lengthens it by 1 ms (2.6.10: tasks that are "
	  "pinned)" },
	{ "smtnice", "off|on", "off",
	  "a nice task waits while its core runs one of better priority; only where a CPU can be held idle "
	  "(simulate)" },
	{ "tick", "T", "1ms", "the tick, 100us to 100ms" },
	{ NULL, NULL, NULL, NULL },
};

/* What the kernels had, beside tables and levels. */
static const struct domain_options presets[] = {
	[RPL_SD_2_6_7] = { .tables = RPL_SD_2_6_7, .hot = HOT_267 },
	[RPL_SD_2_6_10] = { .tables = RPL_SD_2_6_10, .clone = CLONE_NO, .push = PUSH_2610, .failed = FAILED_GROW },
	[RPL_SD_2_6_12] = { .tables = RPL_SD_2_6_12,
			    .clone = CLONE_NO,
			    .wake_idle = WAKE_IDLE_2611,
			    .migrate = MIGRATE_2611,
			    .busiest = BUSIEST_2612,
			    .push = PUSH_2611,
			    .failed = FAILED_GROW },
	[RPL_SD_MODERN] = { .tables = RPL_SD_MODERN,
			    .clone = CLONE_ALL,
			    .wake_idle = WAKE_IDLE_2611,
			    .migrate = MIGRATE_2611,
			    .busiest = BUSIEST_2612,
			    .push = PUSH_2611,
			    .failed = FAILED_GROW,
			    .levels = LEVELS_FULL,
			    .degenerate = DEGENERATE_DROP },
};

static const struct {
	const char *key;
	size_t offset;
} choices[] = {
	{ "tables", offsetof(struct domain_options, tables) },
	{ "levels", offsetof(struct domain_options, levels) },
	{ "degenerate", offsetof(struct domain_options, degenerate) },
	{ "hot", offsetof(struct domain_options, hot) },
	{ "clone", offsetof(struct domain_options, clone) },
	{ "wake", offsetof(struct domain_options, wake) },
	{ "wake-idle", offsetof(struct domain_options, wake_idle) },
	{ "migrate", offsetof(struct domain_options, migrate) },
	{ "busiest", offsetof(struct domain_options, busiest) },
	{ "push", offsetof(struct domain_options, push) },
	{ "failed", offsetof(struct domain_options, failed) },
	{ "smtnice", offsetof(struct domain_options, smtnice) },
};

static const struct rpl_policy_option *row_of(const char *key)
{
	for (const struct rpl_policy_option *row = domain_rows; row->key; row++)
		if (!strcmp(row->key, key))
			return row;
	return NULL;
}

/* The number of a value in "a|b|c", -1: it is none of them. */
static int number_of(const char *values, const char *value)
{
	size_t len = strlen(value);

	for (int n = 0; *values; n++) {
		size_t l = strcspn(values, "|");

		if (l == len && !memcmp(values, value, l))
			return n;
		values += l + (values[l] == '|');
	}
	return -1;
}

static int set_time(struct domain_options *d, const struct rpl_option *o, struct sr_error *err)
{
	bool hot = !strcmp(o->key, "hot-time");
	uint64_t ns;

	if (hot && !strcmp(o->value, "cache")) {
		d->hot_cache = true;
		return 0;
	}
	if (sr_parse_time(o->value, &ns, err))
		return sr_fail_prefix(err, "policy domain: %s", o->key);
	if (hot) {
		if (!ns || ns > 1000 * NS_PER_MS)
			return sr_fail(err, SR_USAGE, "policy domain: hot-time=%s: more than 0, at most 1s", o->value);
		d->hot_ns = ns;
		d->hot_cache = false;
	} else {
		if (ns < 100000 || ns > 100 * NS_PER_MS)
			return sr_fail(err, SR_USAGE, "policy domain: tick=%s: from 100us to 100ms", o->value);
		d->tick_ns = ns;
	}
	return 0;
}

static int set_option(struct domain_options *d, const struct rpl_option *o, struct sr_error *err)
{
	const struct rpl_policy_option *row = row_of(o->key);
	int n;

	if (!row)
		return rpl_option_unknown("domain", o, rpl_policy_domain.options, err);
	if (!strcmp(o->key, "hot-time") || !strcmp(o->key, "tick"))
		return set_time(d, o, err);
	n = number_of(row->values, o->value);
	if (n < 0)
		return rpl_option_value("domain", o, row->values, err);
	if (!strcmp(o->key, "preset")) {
		uint64_t tick_ns = d->tick_ns;

		*d = presets[n];
		d->tick_ns = tick_ns;
		return 0;
	}
	for (size_t i = 0; i < sizeof(choices) / sizeof(choices[0]); i++)
		if (!strcmp(o->key, choices[i].key))
			*(unsigned *)((char *)d + choices[i].offset) = (unsigned)n;
	if (!strcmp(o->key, "levels")) /* unless degenerate= comes behind */
		d->degenerate = n == LEVELS_FULL ? DEGENERATE_DROP : DEGENERATE_KEEP;
	return 0;
}

int domain_options(struct domain_options *o, const char *options, struct sr_error *err)
{
	struct rpl_option option;
	int rc;

	*o = (struct domain_options){ .tick_ns = rpl_policy_domain.tick_ns };
	while ((rc = rpl_option_next("domain", &options, &option, err)) > 0)
		if (set_option(o, &option, err))
			return -1;
	return rc;
}

void domain_config(const struct domain_options *o, struct rpl_sd_config *cfg)
{
	*cfg = (struct rpl_sd_config){ .tables = o->tables,
				       .full = o->levels == LEVELS_FULL,
				       .drop = o->degenerate == DEGENERATE_DROP,
				       .hot_cache = o->hot_cache,
				       .cpu_hot_ns = o->hot_ns };
}

int rpl_domains_config(const char *options, struct rpl_sd_config *cfg, struct sr_error *err)
{
	struct domain_options o;

	if (domain_options(&o, options, err))
		return -1;
	domain_config(&o, cfg);
	return 0;
}
